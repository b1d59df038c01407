/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes the static system call filter at build time: `genfilter ARCH > filter_tables.h`. From the same rules come the
 * table as C (`genfilter --table ARCH`) and a look for calls without a row (`genfilter --check ARCH [MACROS]`).
 *
 * Building a filter at run time costs a millisecond, so libseccomp is a tool of the build only; the isle program
 * installs the finished arrays (src/isolate/filter.c). One program is made for each combination of the flags of
 * enum isle_filter_flags that changes the result: NEST and HOST_NET; and of each of these a second one, for runs that
 * are recorded, in which a refusal that is to be on record asks the supervisor (src/supervise/static_filter.h).
 * In the making these refusals are SECCOMP_RET_TRACE with their error, which nothing else here is.
 *
 * What is refused, and with which error, is said by the table in filter_rules.c; the conditions that are more than a
 * row are here. A number that has no row gets ENOSYS.
 *
 * Which are on record: all but those that mean no more than an older kernel would (FILTER_QUIET, and numbers without a
 * row): nothing is lost by them, and some come with every process.
 *
 * libseccomp can neither say "no number of these" nor except one value from a masked rule, and knows no call newer than
 * itself. A short prologue, emitted before its program, does these. The kernel finds out at installation, by running
 * the program on each number with nothing else known, which calls are always allowed (seccomp_cache_prepare(), Linux
 * 5.11), and does not run it for them any more; the prologue loads only number and architecture for such calls.
 */
#include "filter_rules.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/fscrypt.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define LOW32	      0xffffffffU

enum variant { NEST = 1 << 0, HOST_NET = 1 << 1, VARIANTS = 1 << 2 };

enum { X32_BIT = 0x40000000, PROLOGUE_ROOM = 120 };

/* CLONE_NEWTIME has the value of a signal bit in clone(2) and works with unshare(2) only. */
static const uint32_t namespaces[] = {
	CLONE_NEWNS,   CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC,
	CLONE_NEWUSER, CLONE_NEWPID,	CLONE_NEWNET, CLONE_NEWTIME,
};

/* The kernel takes 32 bits of the request: what stands above them must not matter. */
static const uint32_t ioctls[] = {TIOCSTI,
				  TIOCLINUX,
				  TIOCSETD,
				  FS_IOC_ADD_ENCRYPTION_KEY,
				  FS_IOC_REMOVE_ENCRYPTION_KEY,
				  FS_IOC_REMOVE_ENCRYPTION_KEY_ALL_USERS};

/* Harmless: PER_LINUX, PER_LINUX32 (8) and the flags of setarch(8), which debuggers need. These bits are not:
 * other systems' personalities, MMAP_PAGE_ZERO, SHORT_INODE, WHOLE_SECONDS, STICKY_TIMEOUTS; and what has no
 * meaning yet. */
static const uint32_t personality_allowed = 0x0008 | 0x0020000 | 0x0040000 | 0x0080000 | 0x0200000 | 0x0400000 |
					    0x0800000 | 0x8000000;

/* Does the action on the call, when all comparisons hold. Calls that the target has not are skipped. */
static void add_rule(scmp_filter_ctx ctx, const char *name, uint32_t action, unsigned count,
		     const struct scmp_arg_cmp *cmp)
{
	int nr = seccomp_syscall_resolve_name(name);
	int r;

	if (nr == __NR_SCMP_ERROR)
		filter_die(name, ENOSYS);
	r = seccomp_rule_add_array(ctx, action, nr, count, cmp);
	if (r < 0)
		filter_die(name, r);
}

/* On record. */
static void refuse(scmp_filter_ctx ctx, const char *name, int error, const struct scmp_arg_cmp *cmp)
{
	add_rule(ctx, name, SCMP_ACT_TRACE(error), cmp ? 1 : 0, cmp);
}

/* What the program does with a call whatever its arguments: 0 stands for allowing it. */
static uint32_t action_of(const struct filter_group *group, unsigned variant)
{
	switch (group->answer) {
	case FILTER_ALLOW:
		break;
	case FILTER_QUIET:
		return SCMP_ACT_ERRNO(group->error);
	case FILTER_UNLESS_NEST:
		return variant & NEST ? 0 : SCMP_ACT_TRACE(group->error);
	case FILTER_REFUSE:
		return SCMP_ACT_TRACE(group->error);
	}
	return 0;
}

/* Those that libseccomp may not know are in the prologue. */
static void refuse_calls(scmp_filter_ctx ctx, const struct filter_target *target, unsigned variant)
{
	size_t count;
	const struct filter_call *calls = filter_calls(target, &count);

	for (size_t i = 0; i < count; i++) {
		uint32_t action = action_of(calls[i].group, variant);

		if (action != 0 && !calls[i].by_hand)
			add_rule(ctx, calls[i].name, action, 0, NULL);
	}
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

/* The limit that keeps a crash from leading out of the isle (src/isolate/core_dump.h). The answer is success, which
 * ends no program that means to protect its memory; but nobody can be told the old value. */
static void keep_core_limit(scmp_filter_ctx ctx)
{
	const struct scmp_arg_cmp of_own = {0, SCMP_CMP_MASKED_EQ, LOW32, RLIMIT_CORE};
	const struct scmp_arg_cmp of_any[] = {
		{1, SCMP_CMP_MASKED_EQ, LOW32, RLIMIT_CORE}, {2, SCMP_CMP_NE, 0, 0}, {3, SCMP_CMP_EQ, 0, 0}};
	const struct scmp_arg_cmp and_old[] = {of_any[0], of_any[1], {3, SCMP_CMP_NE, 0, 0}};

	add_rule(ctx, "setrlimit", SCMP_ACT_ERRNO(0), 1, &of_own);
	add_rule(ctx, "prlimit64", SCMP_ACT_ERRNO(0), ARRAY_SIZE(of_any), of_any);
	add_rule(ctx, "prlimit64", SCMP_ACT_TRACE(EPERM), ARRAY_SIZE(and_old), and_old);
}

/* With these a unix socket gets an abstract name by itself when it sends, to which any process of the machine can
 * connect: src/supervise/binds.h. */
static void refuse_names(scmp_filter_ctx ctx)
{
	static const uint32_t options[] = {SO_PASSCRED, 76 /* SO_PASSPIDFD */};

	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		const struct scmp_arg_cmp cmp[] = {{1, SCMP_CMP_MASKED_EQ, LOW32, SOL_SOCKET},
						   {2, SCMP_CMP_MASKED_EQ, LOW32, options[i]}};

		add_rule(ctx, "setsockopt", SCMP_ACT_TRACE(EPERM), ARRAY_SIZE(cmp), cmp);
	}
}

static scmp_filter_ctx build(const struct filter_target *target, unsigned variant)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
	uint32_t native = seccomp_arch_native();
	int r = 0;

	if (!ctx)
		filter_die("seccomp_init", ENOMEM);
	if (native != target->scmp) {
		r = seccomp_arch_remove(ctx, native);
		if (r == 0)
			r = seccomp_arch_add(ctx, target->scmp);
	}
	if (r < 0)
		filter_die("architecture", r);
	/* i386 and, on x86_64, x32 */
	r = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	if (r < 0)
		filter_die("bad architecture action", r);
	r = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (r < 0)
		filter_die("optimize", r);
	refuse_calls(ctx, target, variant);
	refuse_namespaces(ctx, variant);
	refuse_ioctls(ctx);
	refuse_families(ctx, "socket", variant);
	refuse_families(ctx, "socketpair", variant);
	refuse_bits(ctx, "personality", 0, EPERM, ~personality_allowed);
	/* What the kernel says where a listener is there already: two cannot be. */
	refuse_bits(ctx, "seccomp", 1, EBUSY, SECCOMP_FILTER_FLAG_NEW_LISTENER);
	keep_core_limit(ctx);
	if (variant & HOST_NET)
		refuse_names(ctx);
	return ctx;
}

struct program {
	struct sock_filter *code;
	size_t count;
};

/* To the end of the prologue, filled in there. */
enum { TO_END = 255 };

static void emit(struct program *p, unsigned code, uint32_t k, unsigned char yes, unsigned char no)
{
	if (p->count == PROLOGUE_ROOM)
		filter_die("the prologue", ENOBUFS);
	p->code[p->count++] = (struct sock_filter){(unsigned short)code, yes, no, k};
}

static void emit_load(struct program *p, size_t offset)
{
	emit(p, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

static void emit_return(struct program *p, uint32_t value)
{
	emit(p, BPF_RET | BPF_K, value, 0, 0);
}

/* The numbers without a row, as ranges. */
static void emit_holes(struct program *p, const struct filter_target *target)
{
	const uint32_t unknown = SECCOMP_RET_ERRNO | ENOSYS;
	size_t count;
	const struct filter_call *calls = filter_calls(target, &count);
	int highest = 0;

	for (size_t i = 0; i < count; i++)
		if (calls[i].nr > highest)
			highest = calls[i].nr;
	emit(p, BPF_JMP | BPF_JGT | BPF_K, (uint32_t)highest, 0, 1);
	emit_return(p, unknown);
	for (int first = 0, last; first < highest; first = last + 1) {
		for (last = first; filter_find(target, last) == NULL; last++)
			;
		if (last-- == first) {
			last = first;
			continue;
		}
		emit(p, BPF_JMP | BPF_JGE | BPF_K, (uint32_t)first, 0, 2);
		emit(p, BPF_JMP | BPF_JGT | BPF_K, (uint32_t)last, 1, 0);
		emit_return(p, unknown);
	}
}

static void emit_by_hand(struct program *p, const struct filter_target *target, unsigned variant)
{
	size_t count;
	const struct filter_call *calls = filter_calls(target, &count);

	for (size_t i = 0; i < count; i++) {
		uint32_t action = action_of(calls[i].group, variant);

		if (!calls[i].by_hand || calls[i].nr < 0 || action == 0)
			continue;
		emit(p, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)calls[i].nr, 0, 1);
		emit_return(p, action);
	}
}

/* personality(0xffffffff) is the question "which one is it?". */
static void emit_personality(struct program *p, const struct filter_target *target)
{
	int nr = seccomp_syscall_resolve_name_arch(target->scmp, "personality");

	emit(p, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)nr, 0, TO_END);
	emit_load(p, offsetof(struct seccomp_data, args[0]));
	emit(p, BPF_JMP | BPF_JEQ | BPF_K, LOW32, 0, TO_END);
	emit_return(p, SECCOMP_RET_ALLOW);
}

/*
 * The prologue. Jumps are counted from the instruction after; the program of libseccomp follows at its end and
 * checks the architecture again.
 */
static size_t prologue(const struct filter_target *target, unsigned variant, struct sock_filter *out)
{
	struct program p = {out, 0};

	emit_load(&p, offsetof(struct seccomp_data, arch));
	emit(&p, BPF_JMP | BPF_JEQ | BPF_K, target->audit, 0, TO_END);
	emit_load(&p, offsetof(struct seccomp_data, nr));
	if (target->scmp == SCMP_ARCH_X86_64)
		emit(&p, BPF_JMP | BPF_JGE | BPF_K, X32_BIT, TO_END, 0);
	emit_holes(&p, target);
	emit_by_hand(&p, target, variant);
	emit_personality(&p, target);
	for (size_t i = 0; i < p.count; i++) {
		if (BPF_CLASS(out[i].code) != BPF_JMP)
			continue;
		if (out[i].jt == TO_END)
			out[i].jt = (unsigned char)(p.count - i - 1);
		if (out[i].jf == TO_END)
			out[i].jf = (unsigned char)(p.count - i - 1);
	}
	return p.count;
}

/* seccomp_export_bpf() writes to a descriptor; a memfd takes it. */
static size_t export(scmp_filter_ctx ctx, struct sock_filter *out, size_t room)
{
	FILE *file = tmpfile();
	size_t count;
	int r;

	if (!file)
		filter_die("tmpfile", errno);
	r = seccomp_export_bpf(ctx, fileno(file));
	if (r < 0)
		filter_die("export", r);
	rewind(file);
	count = fread(out, sizeof(*out), room, file);
	if (ferror(file) || count == room)
		filter_die("export", EFBIG);
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

static void print_variant(const struct filter_target *target, unsigned variant)
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

/* Of what a refusal can be on record for. */
static void print_names(const struct filter_target *target)
{
	size_t count;
	const struct filter_call *calls = filter_calls(target, &count);

	printf("\nstatic const struct {\n\tint nr;\n\tconst char *name;\n} filter_names[] = {\n");
	for (size_t i = 0; i < count; i++) {
		enum filter_answer answer = calls[i].group->answer;
		bool told = answer == FILTER_REFUSE || answer == FILTER_UNLESS_NEST;

		for (size_t c = 0; c < filter_condition_count; c++)
			if (filter_conditions[c].error != 0 && strcmp(filter_conditions[c].name, calls[i].name) == 0)
				told = true;
		if (told && calls[i].nr >= 0)
			printf("\t{%d, \"%s\"},\n", calls[i].nr, calls[i].name);
	}
	printf("};\n");
}

static void print_filter(const struct filter_target *target)
{
	printf("/* made by tools/genfilter.c */\n#pragma once\n#include <linux/filter.h>\n");
	for (unsigned variant = 0; variant < VARIANTS; variant++)
		print_variant(target, variant);
	print_table("filter");
	print_table("telling");
	print_names(target);
	printf("\nenum { FILTER_AUDIT_ARCH = (int)0x%x };\n", target->audit);
}

static const struct filter_target *find_target(const char *name)
{
	for (size_t i = 0; i < FILTER_TARGETS; i++)
		if (strcmp(name, filter_targets[i].name) == 0)
			return &filter_targets[i];
	fprintf(stderr, "usage: genfilter [--table | --check] x86_64|aarch64 [MACROS]\n");
	exit(2);
}

int main(int argc, char **argv)
{
	const char *option = argc > 2 ? argv[1] : "";
	const struct filter_target *target = find_target(argc > 2 ? argv[2] : argc == 2 ? argv[1] : "");

	if (strcmp(option, "--check") == 0)
		return filter_check(target, argc > 3 ? argv[3] : NULL) > 0;
	if (strcmp(option, "--table") == 0)
		filter_print_table(target);
	else
		print_filter(target);
	if (fflush(stdout) == EOF)
		filter_die("stdout", errno);
	return 0;
}
