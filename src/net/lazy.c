/* SPDX-License-Identifier: Apache-2.0 */
#include "lazy.h"
#include "talk.h"
#include <sys/wait.h>

void isle_net_start_once(struct isle_net_lazy *state)
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

void isle_net_say_end(const struct isle_net_lazy *state)
{
	int status;

	if (state->pid > 0 && waitpid(state->pid, &status, WNOHANG) == state->pid && WIFEXITED(status) &&
	    WEXITSTATUS(status) == ISLE_PASTA_CLOSED)
		isle_note("the network inside was ended: this machine's addresses changed and could not be closed");
}
