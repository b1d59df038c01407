/* SPDX-License-Identifier: Apache-2.0 */
#include "standin.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "composite.h"
#include "path.h"
#include "xattr.h"

static int make_one(int upper, int host, const char *name, mode_t mode)
{
	char noted[16];

	/* Writable in any case: what is made below has to come out again. */
	mode = isle_effective_mode(host, mode & 07777) | 0700;
	if (mkdirat(upper, name, 0700) < 0)
		return errno == EEXIST ? 0 : -errno;
	snprintf(noted, sizeof(noted), "%04o", (unsigned)mode);
	int r = isle_xattr_set(upper, name, "user.overlay." ISLE_STANDIN_NOTE, noted, strlen(noted));
	if (r >= 0 && fchmodat(upper, name, mode, 0) < 0)
		r = -errno;
	if (r < 0) /* without its note it would be one that the isle made */
		isle_ignore(unlinkat(upper, name, AT_REMOVEDIR));
	return r;
}

/* One step down on both sides. 1: go on; 0: no stand-in is needed below. */
static int descend(int *upper, int *host, const char *name)
{
	struct stat st;
	auto_fd int next = openat(*host, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (next < 0 || fstat(next, &st) < 0 || (st.st_uid == geteuid() && st.st_gid == getegid()))
		return 0;
	int r = make_one(*upper, next, name, st.st_mode);
	if (r < 0)
		return r;
	isle_cleanup_fd(host);
	*host = fd_take(&next);
	next = openat(*upper, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (next < 0)
		return 0; /* the isle has something else there */
	isle_cleanup_fd(upper);
	*upper = fd_take(&next);
	return 1;
}

int isle_standin_make(int upper, int host, const char *path)
{
	auto_fd int here = fcntl(upper, F_DUPFD_CLOEXEC, 3);
	auto_fd int there = fcntl(host, F_DUPFD_CLOEXEC, 3);
	auto_free char *copy = strdup(path);
	char *save = NULL;
	int r = 1;

	if (copy == NULL)
		return -ENOMEM;
	if (here < 0 || there < 0)
		return -errno;
	for (char *name = strtok_r(copy, "/", &save); name != NULL && r > 0; name = strtok_r(NULL, "/", &save))
		r = isle_component_valid(name) ? descend(&here, &there, name) : 0;
	return r < 0 ? r : 0;
}
