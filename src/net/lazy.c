/* SPDX-License-Identifier: Apache-2.0 */
#include "lazy.h"
#include "talk.h"

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
