/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes the static system call filter at build time: `genfilter ARCH > filter_tables.h`.
 *
 * Building a filter at run time costs a millisecond, so libseccomp is a tool of the build only; the isle program
 * installs the finished arrays (src/isolate/filter.c). One program is made for each combination of the flags of
 * enum isle_filter_flags that changes the result: NEST and HOST_NET; and of each of these a second one, for runs that
 * are recorded, in which a refusal that is to be on record asks the supervisor (src/supervise/static_filter.h).
 * In the making these refusals are SECCOMP_RET_TRACE with their error, which nothing else here is.
 *
 * The filter is a list of what is refused, over a default of "allow" for the calls known when this was written;
 * any call that is newer (number >= NEWER_CALLS) gets ENOSYS, which programs take for an older kernel.
 *
 * Which error: ENOSYS for what programs probe and fall back from (clone3, io_uring, keyrings) and for calls that the
 * kernel itself has dropped; EPERM, what an ordinary user would get natively, for the rest.
 *
 * Which are on record: all but those that mean no more than an older kernel would (quiet[], and newer calls): nothing
 * is lost by them, and some come with every process.
 *
 * libseccomp can neither say "all numbers from" nor except one value from a masked rule, and knows no call newer than
 * itself. A short prologue, emitted before its program, does these. The kernel finds out at installation, by running
 * the program on each number with nothing else known, which calls are always allowed (seccomp_cache_prepare(), Linux
 * 5.11), and does not run it for them any more; the prologue loads only number and architecture for such calls.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define LOW32	      0xffffffffU

enum variant { NEST = 1 << 0, HOST_NET = 1 << 1, VARIANTS = 1 << 2 };

/* Since 5.1 all architectures number new calls alike. 470 is listns(2), Linux 6.19. */
enum { NEWER_CALLS = 471, NR_OPEN_TREE_ATTR = 467, X32_BIT = 0x40000000 };

struct target {
	const char *name; /* meson's host_machine.cpu_family() */
	uint32_t scmp;	  /* SCMP_ARCH_... */
	uint32_t audit;	  /* AUDIT_ARCH_...; libseccomp uses the same values */
	int nr_personality;
};

static const struct target targets[] = {
	{"x86_64", SCMP_ARCH_X86_64, 0xc000003e, 135},
	{"aarch64", SCMP_ARCH_AARCH64, 0xc00000b7, 92},
};

struct refused {
	const char *name;
	int error;
};

/* clang-format off */
static const struct refused always[] = {
	/* the kernel itself */
	{"bpf", EPERM},
	{"perf_event_open", EACCES}, /* as perf_event_paranoid does */
	{"init_module", EPERM},
	{"finit_module", EPERM},
	{"delete_module", EPERM},
	{"kexec_load", EPERM},
	{"kexec_file_load", EPERM},
	{"userfaultfd", EPERM},
	{"io_uring_setup", ENOSYS}, /* goes around every other rule here */
	{"io_uring_enter", ENOSYS},
	{"io_uring_register", ENOSYS},
	{"syslog", EPERM},
	/* keyrings are not part of any namespace */
	{"keyctl", ENOSYS},
	{"add_key", ENOSYS},
	{"request_key", ENOSYS},
	/* the machine */
	{"reboot", EPERM},
	{"settimeofday", EPERM},
	{"clock_settime", EPERM},
	{"clock_adjtime", EPERM},
	{"adjtimex", EPERM},
	{"stime", EPERM},
	{"swapon", EPERM},
	{"swapoff", EPERM},
	{"acct", EPERM},
	{"iopl", EPERM},
	{"ioperm", EPERM},
	{"quotactl", EPERM},
	{"quotactl_fd", EPERM},
	/* files that no path of the view leads to */
	{"open_by_handle_at", EPERM},
	{"fanotify_init", EPERM},
};

static const struct refused quiet[] = {
	/* its flags lie in memory; libc falls back to clone(2), whose flags can be checked */
	{"clone3", ENOSYS},
	/* of the past */
	{"lookup_dcookie", ENOSYS},
	{"nfsservctl", ENOSYS},
	{"uselib", ENOSYS},
	{"sysfs", ENOSYS},
	{"_sysctl", ENOSYS},
	{"create_module", ENOSYS},
	{"get_kernel_syms", ENOSYS},
	{"query_module", ENOSYS},
	{"vm86", ENOSYS},
	{"vm86old", ENOSYS},
};

static const struct refused unless_nest[] = {
	{"mount", EPERM},
	{"umount", EPERM},
	{"umount2", EPERM},
	{"pivot_root", EPERM},
	{"fsopen", EPERM},
	{"fsconfig", EPERM},
	{"fsmount", EPERM},
	{"fspick", EPERM},
	{"move_mount", EPERM},
	{"open_tree", EPERM},
	{"mount_setattr", EPERM},
	{"setns", EPERM},
};
/* clang-format on */

/* CLONE_NEWTIME has the value of a signal bit in clone(2) and works with unshare(2) only. */
static const uint32_t namespaces[] = {
	CLONE_NEWNS,   CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC,
	CLONE_NEWUSER, CLONE_NEWPID,	CLONE_NEWNET, CLONE_NEWTIME,
};

/* The kernel takes 32 bits of the request: what stands above them must not matter. */
static const uint32_t ioctls[] = {TIOCSTI, TIOCLINUX, TIOCSETD};

/* Harmless: PER_LINUX, PER_LINUX32 (8) and the flags of setarch(8), which debuggers need. These bits are not:
 * other systems' personalities, MMAP_PAGE_ZERO, SHORT_INODE, WHOLE_SECONDS, STICKY_TIMEOUTS; and what has no
 * meaning yet. */
static const uint32_t personality_allowed = 0x0008 | 0x0020000 | 0x0040000 | 0x0080000 | 0x0200000 | 0x0400000 |
					    0x0800000 | 0x8000000;

static void die(const char *what, int error)
{
	fprintf(stderr, "genfilter: %s: %s\n", what, strerror(error < 0 ? -error : error));
	exit(1);
}

/* Does the action on the call, when the comparison holds if there is one. Calls that the target has not are skipped. */
static void add_rule(scmp_filter_ctx ctx, const char *name, uint32_t action, const struct scmp_arg_cmp *cmp)
{
	int nr = seccomp_syscall_resolve_name(name);
	int r;

	if (nr == __NR_SCMP_ERROR)
		die(name, ENOSYS);
	r = seccomp_rule_add_array(ctx, action, nr, cmp ? 1 : 0, cmp);
	if (r < 0)
		die(name, r);
}

/* On record. */
static void refuse(scmp_filter_ctx ctx, const char *name, int error, const struct scmp_arg_cmp *cmp)
{
	add_rule(ctx, name, SCMP_ACT_TRACE(error), cmp);
}

static void refuse_list(scmp_filter_ctx ctx, const struct refused *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		refuse(ctx, list[i].name, list[i].error, NULL);
}

static void refuse_quietly(scmp_filter_ctx ctx)
{
	for (size_t i = 0; i < ARRAY_SIZE(quiet); i++)
		add_rule(ctx, quiet[i].name, SCMP_ACT_ERRNO(quiet[i].error), NULL);
}

static void refuse_bits(scmp_filter_ctx ctx, const char *name, unsigned arg, int error, uint32_t bits)
{
	for (unsigned i = 0; i < 32; i++) {
		uint32_t bit = bits & (UINT32_C(1) << i);
		struct scmp_arg_cmp cmp = {arg, SCMP_CMP_MASKED_EQ, bit, bit};

		if (bit)
			refuse(ctx, name, error, &cmp);
	}
}

/* Whoever owns a cgroup namespace may mount the control groups of the machine: that is refused with NEST, too. */
static void refuse_namespaces(scmp_filter_ctx ctx, unsigned variant)
{
	uint32_t bits = CLONE_NEWCGROUP;

	for (size_t i = 0; i < ARRAY_SIZE(namespaces) && !(variant & NEST); i++)
		bits |= namespaces[i];
	refuse_bits(ctx, "unshare", 0, EPERM, bits);
	refuse_bits(ctx, "clone", 0, EPERM, bits & ~(uint32_t)CLONE_NEWTIME);
}

static void refuse_ioctls(scmp_filter_ctx ctx)
{
	for (size_t i = 0; i < ARRAY_SIZE(ioctls); i++) {
		struct scmp_arg_cmp cmp = {1, SCMP_CMP_MASKED_EQ, LOW32, ioctls[i]};

		refuse(ctx, "ioctl", EPERM, &cmp);
	}
}

/* Only AF_UNIX, AF_INET, AF_INET6, AF_NETLINK and, in a network namespace of its own, AF_PACKET. The upper bound is
 * compared in 64 bits, which refuses anything in the upper half that the kernel would ignore. */
static void refuse_families(scmp_filter_ctx ctx, const char *name, unsigned variant)
{
	int last = variant & HOST_NET ? AF_NETLINK : AF_PACKET;

	for (int family = AF_UNSPEC + 1; family < last; family++) {
		struct scmp_arg_cmp cmp = {0, SCMP_CMP_EQ, (scmp_datum_t)family, 0};

		if (family != AF_UNIX && family != AF_INET && family != AF_INET6 && family != AF_NETLINK)
			refuse(ctx, name, EAFNOSUPPORT, &cmp);
	}
	refuse(ctx, name, EAFNOSUPPORT, &(struct scmp_arg_cmp){0, SCMP_CMP_GT, (scmp_datum_t)last, 0});
}

static scmp_filter_ctx build(const struct target *target, unsigned variant)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
	uint32_t native = seccomp_arch_native();
	int r = 0;

	if (!ctx)
		die("seccomp_init", ENOMEM);
	if (native != target->scmp) {
		r = seccomp_arch_remove(ctx, native);
		if (r == 0)
			r = seccomp_arch_add(ctx, target->scmp);
	}
	if (r < 0)
		die("architecture", r);
	/* i386 and, on x86_64, x32 */
	r = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	if (r < 0)
		die("bad architecture action", r);
	r = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (r < 0)
		die("optimize", r);
	refuse_list(ctx, always, ARRAY_SIZE(always));
	refuse_quietly(ctx);
	if (!(variant & NEST))
		refuse_list(ctx, unless_nest, ARRAY_SIZE(unless_nest));
	refuse_namespaces(ctx, variant);
	refuse_ioctls(ctx);
	refuse_families(ctx, "socket", variant);
	refuse_families(ctx, "socketpair", variant);
	refuse_bits(ctx, "personality", 0, EPERM, ~personality_allowed);
	/* What the kernel says where a listener is there already: two cannot be. */
	refuse_bits(ctx, "seccomp", 1, EBUSY, SECCOMP_FILTER_FLAG_NEW_LISTENER);
	return ctx;
}

/*
 * The prologue. Jumps are counted from the instruction after; the program of libseccomp follows at its end and
 * checks the architecture again.
 */
static size_t prologue(const struct target *target, unsigned variant, struct sock_filter *out)
{
	const uint32_t unknown = SECCOMP_RET_ERRNO | ENOSYS;
	const uint32_t no_mount = variant & NEST ? SECCOMP_RET_ALLOW : SECCOMP_RET_TRACE | EPERM;
	const struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, target->audit, 0, 10),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, X32_BIT, 8, 0),
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, NEWER_CALLS, 4, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NR_OPEN_TREE_ATTR, 4, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)target->nr_personality, 0, 5),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, LOW32, 2, 3), /* the question "which one is it?" */
		BPF_STMT(BPF_RET | BPF_K, unknown),
		BPF_STMT(BPF_RET | BPF_K, no_mount),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};

	memcpy(out, code, sizeof(code));
	return ARRAY_SIZE(code);
}

/* seccomp_export_bpf() writes to a descriptor; a memfd takes it. */
static size_t export(scmp_filter_ctx ctx, struct sock_filter *out, size_t room)
{
	FILE *file = tmpfile();
	size_t count;
	int r;

	if (!file)
		die("tmpfile", errno);
	r = seccomp_export_bpf(ctx, fileno(file));
	if (r < 0)
		die("export", r);
	rewind(file);
	count = fread(out, sizeof(*out), room, file);
	if (ferror(file) || count == room)
		die("export", EFBIG);
	fclose(file);
	return count;
}

/* In a program that tells, the supervisor is asked instead of a refusal. */
static void print_program(const char *name, unsigned variant, const struct sock_filter *code, size_t count, bool tells)
{
	printf("\nstatic const struct sock_filter %s_%u[] = {\n", name, variant);
	for (size_t i = 0; i < count; i++) {
		bool told = code[i].code == (BPF_RET | BPF_K) &&
			    (code[i].k & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_TRACE;
		uint32_t k = !told   ? code[i].k
			     : tells ? SECCOMP_RET_USER_NOTIF
				     : SECCOMP_RET_ERRNO | (code[i].k & SECCOMP_RET_DATA);

		printf("\t{0x%x, %u, %u, 0x%x},\n", code[i].code, code[i].jt, code[i].jf, k);
	}
	printf("};\n");
}

static void print_variant(const struct target *target, unsigned variant)
{
	static struct sock_filter code[BPF_MAXINSNS];
	scmp_filter_ctx ctx = build(target, variant);
	size_t count = prologue(target, variant, code);

	count += export(ctx, code + count, ARRAY_SIZE(code) - count);
	seccomp_release(ctx);
	print_program("filter", variant, code, count, false);
	print_program("telling", variant, code, count, true);
}

static void print_table(const char *name)
{
	printf("\n/* Bit 0: NEST, bit 1: HOST_NET. */\nstatic const struct {\n\tconst struct sock_filter *code;\n"
	       "\tunsigned short count;\n} %s_tables[] = {\n",
	       name);
	for (unsigned variant = 0; variant < VARIANTS; variant++)
		printf("\t{%s_%u, sizeof(%s_%u) / sizeof(%s_%u[0])},\n", name, variant, name, variant, name, variant);
	printf("};\n");
}

static void print_names(const struct target *target, const struct refused *list, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		int nr = seccomp_syscall_resolve_name_arch(target->scmp, list[i].name);

		if (nr >= 0)
			printf("\t{%d, \"%s\"},\n", nr, list[i].name);
	}
}

/* Of what a refusal can be on record for. */
static void print_all_names(const struct target *target)
{
	static const struct refused some[] = {{"unshare", 0},	 {"clone", 0},	     {"ioctl", 0},  {"socket", 0},
					      {"socketpair", 0}, {"personality", 0}, {"seccomp", 0}};

	printf("\nstatic const struct {\n\tint nr;\n\tconst char *name;\n} filter_names[] = {\n");
	print_names(target, always, ARRAY_SIZE(always));
	print_names(target, unless_nest, ARRAY_SIZE(unless_nest));
	print_names(target, some, ARRAY_SIZE(some));
	printf("\t{%d, \"open_tree_attr\"},\n};\n", NR_OPEN_TREE_ATTR);
}

int main(int argc, char **argv)
{
	const struct target *target = NULL;

	for (size_t i = 0; argc == 2 && i < ARRAY_SIZE(targets); i++)
		if (strcmp(argv[1], targets[i].name) == 0)
			target = &targets[i];
	if (!target) {
		fprintf(stderr, "usage: genfilter x86_64|aarch64\n");
		return 2;
	}
	printf("/* made by tools/genfilter.c */\n#pragma once\n#include <linux/filter.h>\n");
	for (unsigned variant = 0; variant < VARIANTS; variant++)
		print_variant(target, variant);
	print_table("filter");
	print_table("telling");
	print_all_names(target);
	printf("\nenum { FILTER_AUDIT_ARCH = (int)0x%x };\n", target->audit);
	if (fflush(stdout) == EOF)
		die("stdout", errno);
	return 0;
}
