/* SPDX-License-Identifier: Apache-2.0 */
#include "listener.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "static_filter.h"

#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS /* Linux 6.6 */
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, __u64)
#endif
#ifndef SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP (1UL << 0)
#endif

/* Room for structures that a later kernel may have made longer. */
union notification {
	struct seccomp_notif as;
	char room[512];
};

union response {
	struct seccomp_notif_resp as;
	char room[512];
};

int isle_listener_prepare(int listener)
{
	struct seccomp_notif_sizes sizes;

	if (syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes) < 0)
		return -errno;
	if (sizes.seccomp_notif > sizeof(union notification) || sizes.seccomp_notif_resp > sizeof(union response))
		return -E2BIG;
	/* The wake-up on this very processor saves most of the cost; an older kernel refuses it. */
	isle_ignore(ioctl(listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP));
	return 0;
}

int isle_listener_receive(int listener, struct seccomp_notif *ret_call)
{
	union notification n;

	memset(&n, 0, sizeof(n)); /* the kernel insists */
	if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &n) < 0)
		return errno == ENOENT || errno == EINTR || errno == EAGAIN ? 0 : -errno;
	*ret_call = n.as;
	return 1;
}

static int respond(int listener, const struct seccomp_notif_resp *answer)
{
	union response room;

	memset(&room, 0, sizeof(room));
	room.as = *answer;
	while (ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &room) < 0)
		if (errno != EINTR)
			return errno == ENOENT || errno == EINPROGRESS ? 0 : -errno;
	return 0;
}

int isle_listener_continue(int listener, const struct seccomp_notif *call, unsigned filter)
{
	int error = isle_static_filter_answer(filter, &call->data);
	const struct seccomp_notif_resp answer = {
		.id = call->id, .error = -error, .flags = error == 0 ? SECCOMP_USER_NOTIF_FLAG_CONTINUE : 0};

	return respond(listener, &answer);
}

int isle_listener_answer(int listener, uint64_t id, int64_t value, int error)
{
	const struct seccomp_notif_resp answer = {.id = id, .val = error == 0 ? value : 0, .error = -error};

	return respond(listener, &answer);
}

bool isle_listener_waits(int listener, uint64_t id)
{
	return ioctl(listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &id) == 0;
}
