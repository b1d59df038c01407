/* SPDX-License-Identifier: Apache-2.0 */
/*
 * load arch; other than ours: allow (the static filter kills it)
 * load nr; one comparison for each call that is trapped whatever its arguments
 * the calls of which only some are; allow; notify
 *
 * The kernel finds out at installation which calls are always allowed (Linux 5.11) and does not run this for them.
 */
#include "trap.h"
#include "calls.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#if defined(__x86_64__)
#define OUR_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define OUR_ARCH AUDIT_ARCH_AARCH64
#endif

/* Jumps to these are filled in at the end. */
enum { TO_ALLOW = 254, TO_NOTIFY = 255 };

struct program {
	struct sock_filter *code;
	unsigned count;
};

static void add(struct program *p, struct sock_filter instruction)
{
	p->code[p->count++] = instruction;
}

static void load(struct program *p, size_t offset)
{
	add(p, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (unsigned)offset));
}

static void if_equal(struct program *p, unsigned value, unsigned char yes, unsigned char no)
{
	add(p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, yes, no));
}

static size_t argument(unsigned n)
{
	return offsetof(struct seccomp_data, args) + n * sizeof(uint64_t);
}

/* Sockets of the families that lead to a network. */
static void add_socket(struct program *p)
{
	if_equal(p, SYS_socket, 0, 4);
	load(p, argument(0));
	if_equal(p, AF_INET, TO_NOTIFY, 0);
	if_equal(p, AF_INET6, TO_NOTIFY, 0);
	if_equal(p, AF_NETLINK, TO_NOTIFY, TO_ALLOW);
}

/* The call if its argument n is not 0. */
static void add_with_argument(struct program *p, unsigned nr, unsigned n)
{
	if_equal(p, nr, 0, 4);
	load(p, argument(n));
	if_equal(p, 0, 0, TO_NOTIFY);
	load(p, argument(n) + 4);
	if_equal(p, 0, TO_ALLOW, TO_NOTIFY);
}

/* fstat(3) is newfstatat(2) with an empty path: of what is open already. */
static void add_fstatat(struct program *p)
{
	if_equal(p, SYS_newfstatat, 0, 2);
	load(p, argument(3));
	add(p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, AT_EMPTY_PATH, TO_ALLOW, TO_NOTIFY));
}

/* unlinkat(2): all that make a record, else only what removes directories. */
static void add_unlinkat(struct program *p, unsigned traps)
{
	if ((traps & ISLE_TRAP_READS) != 0) {
		if_equal(p, SYS_unlinkat, TO_NOTIFY, 0);
		return;
	}
	if_equal(p, SYS_unlinkat, 0, 2);
	load(p, argument(2));
	add(p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, AT_REMOVEDIR, TO_NOTIFY, TO_ALLOW));
}

/* fchown(2): all for a full record or for attributes.h, else only what gives ids that a user's namespace does not have.
 */
static void add_fchown(struct program *p, unsigned traps)
{
	if ((traps & (ISLE_TRAP_STATS | ISLE_TRAP_ATTRIBUTES)) != 0) {
		if_equal(p, SYS_fchown, TO_NOTIFY, 0);
		return;
	}
	if_equal(p, SYS_fchown, 0, 6);
	load(p, argument(1));
	if_equal(p, geteuid(), 1, 0);
	if_equal(p, (unsigned)-1, 0, TO_NOTIFY);
	load(p, argument(2));
	if_equal(p, getegid(), TO_ALLOW, 0);
	if_equal(p, (unsigned)-1, TO_ALLOW, TO_NOTIFY);
}

/* utimensat(2): without a path it is futimens(3), which only a full record has. */
static void add_utimensat(struct program *p, unsigned traps)
{
	if ((traps & ISLE_TRAP_STATS) != 0)
		if_equal(p, SYS_utimensat, TO_NOTIFY, 0);
	else
		add_with_argument(p, SYS_utimensat, 1);
}

/* clone(2) into a mount namespace of its own. clone3(2), whose flags lie in memory, is refused. */
static void add_clone(struct program *p)
{
	if_equal(p, SYS_clone, 0, 2);
	load(p, argument(0));
	add(p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, CLONE_NEWNS, TO_NOTIFY, TO_ALLOW));
}

static void fill_in_jumps(struct program *p, unsigned allow, unsigned notify)
{
	for (unsigned i = 0; i < allow; i++) {
		struct sock_filter *at = &p->code[i];

		if (BPF_CLASS(at->code) != BPF_JMP)
			continue;
		if (at->jt >= TO_ALLOW)
			at->jt = (unsigned char)((at->jt == TO_ALLOW ? allow : notify) - i - 1);
		if (at->jf >= TO_ALLOW)
			at->jf = (unsigned char)((at->jf == TO_ALLOW ? allow : notify) - i - 1);
	}
}

unsigned isle_trap_program(unsigned traps, struct sock_filter *code)
{
	struct program p = {.code = code};

	if (traps == 0)
		return 0;
	load(&p, offsetof(struct seccomp_data, arch));
	if_equal(&p, OUR_ARCH, 0, TO_ALLOW);
	load(&p, offsetof(struct seccomp_data, nr));
	for (const struct isle_trapped *t = isle_trapped_calls; t->name != NULL; t++)
		if ((t->traps & traps) != 0 && !t->some)
			if_equal(&p, (unsigned)t->nr, TO_NOTIFY, 0);
	if ((traps & ISLE_TRAP_STATS) != 0)
		add_fstatat(&p);
	if ((traps & (ISLE_TRAP_READS | ISLE_TRAP_NAMES)) != 0)
		add_unlinkat(&p, traps);
	if ((traps & (ISLE_TRAP_STATS | ISLE_TRAP_OWNERS | ISLE_TRAP_ATTRIBUTES)) != 0)
		add_fchown(&p, traps);
	if ((traps & ISLE_TRAP_READS) != 0) {
		add_utimensat(&p, traps);
		add_with_argument(&p, SYS_sendto, 4); /* an address */
	}
	if ((traps & ISLE_TRAP_MOUNTS) != 0)
		add_clone(&p);
	if ((traps & ISLE_TRAP_NET) != 0)
		add_socket(&p);
	unsigned allow = p.count;
	add(&p, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
	add(&p, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF));
	fill_in_jumps(&p, allow, allow + 1);
	return p.count;
}
