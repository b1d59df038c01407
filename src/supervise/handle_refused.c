/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls that the static filter refuses: noted, and answered with the error that it gives. Nothing here can let one go
 * on: what comes out is an errno or 0, and 0 only for what the filter allows.
 */
#include "guide_internal.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "buf.h"
#include "peer.h"
#include "quote.h"
#include "static_filter.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif

struct named {
	uint32_t value;
	const char *name;
};

static const struct named namespaces[] = {
	{CLONE_NEWNS, "mnt"},	 {CLONE_NEWCGROUP, "cgroup"}, {CLONE_NEWUTS, "uts"}, {CLONE_NEWIPC, "ipc"},
	{CLONE_NEWUSER, "user"}, {CLONE_NEWPID, "pid"},	      {CLONE_NEWNET, "net"}, {CLONE_NEWTIME, "time"},
};

static const struct named requests[] = {{TIOCSTI, "TIOCSTI"}, {TIOCLINUX, "TIOCLINUX"}, {TIOCSETD, "TIOCSETD"}};

static const struct named families[] = {
	{AF_X25, "AF_X25"},	{AF_KEY, "AF_KEY"},   {AF_PACKET, "AF_PACKET"},	      {AF_RDS, "AF_RDS"},
	{AF_CAN, "AF_CAN"},	{AF_TIPC, "AF_TIPC"}, {AF_BLUETOOTH, "AF_BLUETOOTH"}, {AF_ALG, "AF_ALG"},
	{AF_VSOCK, "AF_VSOCK"}, {AF_KCM, "AF_KCM"},   {AF_QIPCRTR, "AF_QIPCRTR"},     {AF_XDP, "AF_XDP"},
};

/* Which argument is a path, or another word that says what was wanted. */
static const struct {
	int nr;
	unsigned argument;
} words[] = {
	{SYS_mount, 1},	 {SYS_umount2, 0},    {SYS_pivot_root, 0}, {SYS_fsopen, 0},
	{SYS_fspick, 1}, {SYS_move_mount, 3}, {SYS_open_tree, 1},  {SYS_mount_setattr, 1},
	{SYS_swapon, 0}, {SYS_swapoff, 0},    {SYS_acct, 0},	   {SYS_delete_module, 0},
};

static void add_name(struct isle_buf *text, const struct named *list, size_t count, uint64_t value)
{
	for (size_t i = 0; i < count; i++)
		if (list[i].value == (uint32_t)value) {
			isle_buf_addf(text, " %s", list[i].name);
			return;
		}
	isle_buf_addf(text, " %u", (unsigned)value);
}

static void add_namespaces(struct isle_buf *text, uint64_t flags)
{
	char before = ' ';

	for (size_t i = 0; i < ARRAY_SIZE(namespaces); i++)
		if ((flags & namespaces[i].value) != 0 && (namespaces[i].value != CLONE_NEWTIME || before == ' ')) {
			isle_buf_addf(text, "%c%s", before, namespaces[i].name);
			before = ',';
		}
}

static void add_word(struct isle_buf *text, const struct isle_call *call)
{
	char word[PATH_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (words[i].nr == call->notif.data.nr &&
		    isle_peer_string(call->tid, call->args[words[i].argument], word, sizeof(word)) > 0)
			isle_buf_addf(text, " %s", word);
}

/* "mount /mnt", "socket AF_VSOCK" */
static void describe(const struct isle_call *call, struct isle_buf *text)
{
	int nr = call->notif.data.nr;
	const char *name = isle_static_filter_name(nr);

	if (name == NULL)
		isle_buf_addf(text, "system call %d", nr);
	else
		isle_buf_adds(text, name);
	if (nr == SYS_unshare || nr == SYS_clone)
		add_namespaces(text, call->args[0]);
	else if (nr == SYS_ioctl)
		add_name(text, requests, ARRAY_SIZE(requests), call->args[1]);
	else if (nr == SYS_socket || nr == SYS_socketpair)
		add_name(text, families, ARRAY_SIZE(families), call->args[0]);
	else
		add_word(text, call);
}

static int note(struct isle_guide *guide, const struct isle_call *call, int error)
{
	auto_buf struct isle_buf text = ISLE_BUF_INIT;

	describe(call, &text);
	if (isle_buf_error(&text) < 0)
		return -ENOMEM;
	if (!isle_guide_waits(guide, call))
		return 0;
	const struct isle_event event = {.type = ISLE_EVENT_REFUSED,
					 .how = ISLE_REFUSER_SECCOMP,
					 .path = text.data,
					 .other = "the system call filter (seccomp)",
					 .refused.error = error};
	return isle_guide_refuse(guide, call, &event);
}

/* For the hint at the end of a run that failed. mount(2) needs a user namespace first, for an ordinary user. */
static void note_nesting(struct isle_guide *guide, const struct seccomp_data *data)
{
	bool makes = data->nr == SYS_unshare || data->nr == SYS_clone;
	unsigned with = guide->options.filter | ISLE_FILTER_NEST;

	if (guide->user && (!makes || (data->args[0] & CLONE_NEWUSER) == 0))
		return;
	if (makes && (data->args[0] & CLONE_NEWCGROUP) != 0)
		guide->nesting |= ISLE_NESTING_CGROUP;
	else if (isle_static_filter_answer(with, data) == 0)
		guide->nesting |= ISLE_NESTING_REFUSED;
}

int isle_handle_refused(struct isle_guide *guide, const struct isle_call *call)
{
	int error = isle_static_filter_answer(guide->options.filter, &call->notif.data);

	if (error == 0)
		return 0;
	note_nesting(guide, &call->notif.data);
	if (guide->events != NULL) {
		if (note(guide, call, error) < 0)
			isle_ignore(isle_guide_lose(guide, "no memory for a refusal"));
		/* Without room for the record it is refused all the same; the next call tries to write again. */
		isle_ignore(isle_events_flush(guide->events));
	}
	return error;
}
