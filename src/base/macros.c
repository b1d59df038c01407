/* SPDX-License-Identifier: Apache-2.0 */
#include "macros.h"
#include <errno.h>

void isle_cleanup_fd(const int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		close(*fd);
	errno = saved;
}
