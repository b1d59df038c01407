/* SPDX-License-Identifier: Apache-2.0 */
#include "worker.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "guide_internal.h"

pid_t isle_worker_fork(const struct isle_guide *guide)
{
	pid_t parent = getpid();
	pid_t pid = fork();

	if (pid != 0)
		return pid < 0 ? -errno : pid;
	isle_ignore(prctl(PR_SET_PDEATHSIG, SIGKILL));
	if (getppid() != parent) /* it died before it could be asked for */
		_exit(128);
	isle_cleanup_fd(&guide->listener);
	isle_cleanup_fd(&guide->options.connection);
	return 0;
}
