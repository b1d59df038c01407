// SPDX-License-Identifier: Apache-2.0
#include "notify.h"
#include "talk.h"
#include <errno.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS /* Linux 6.6 */
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, __u64)
#endif
#ifndef SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP (1UL << 0)
#endif

/* Room for structures that a later kernel may have made longer. */
union notification {
	struct seccomp_notif as;
	char room[1024];
};

union response {
	struct seccomp_notif_resp as;
	char room[1024];
};

/* Once for each listener: the wake-up on this very processor saves most of the cost (an older kernel refuses it). */
static int prepare(int listener)
{
	struct seccomp_notif_sizes sizes;

	if (syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes) < 0)
		return -errno;
	if (sizes.seccomp_notif > sizeof(union notification) || sizes.seccomp_notif_resp > sizeof(union response))
		return -E2BIG;
	(void)ioctl(listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP);
	return 0;
}

static void start_once(struct isle_net_lazy *state)
{
	struct isle_err err = ISLE_ERR_INIT;

	if (state->tried)
		return;
	state->tried = true;
	if (isle_pasta_start(&state->options, &state->pid, &err) >= 0) {
		isle_verbose("the isle is connected (pasta)");
		return;
	}
	state->pid = 0;
	isle_note("no network inside: %s", err.text);
	if (err.hint[0])
		isle_note("hint: %s", err.hint);
}

int isle_net_notify(int listener, struct isle_net_lazy *state)
{
	union notification n;
	union response answer;

	if (!state->prepared) {
		int r = prepare(listener);

		if (r < 0)
			return r;
		state->prepared = true;
	}
	memset(&n, 0, sizeof(n)); /* the kernel insists */
	if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &n) < 0)
		return errno == ENOENT || errno == EINTR || errno == EAGAIN ? 0 : -errno;
	start_once(state);
	memset(&answer, 0, sizeof(answer));
	answer.as.id = n.as.id;
	answer.as.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
	while (ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer) < 0)
		if (errno != EINTR)
			return errno == ENOENT || errno == EINPROGRESS ? 0 : -errno;
	return 0;
}
