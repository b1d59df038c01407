/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What terminal.c, terminal_pump.c and terminal_guard.c share. */
#include "terminal.h"

/* Makes the guard restore t->saved if we die while the terminal is in t->raw; starts the guard the first time. The
 * terminal is used without a guard where none can be started. */
void isle_terminal_guard_arm(struct isle_terminal *t);
/* There is nothing to restore for now. */
void isle_terminal_guard_disarm(const struct isle_terminal *t);
/* Ends the guard and waits for it. */
void isle_terminal_guard_end(struct isle_terminal *t);

/* True when both mean the same to the kernel. */
bool isle_terminal_modes_equal(const struct termios *a, const struct termios *b);

/* Moves what is in the master to the user's terminal, as far as that goes without waiting. */
void isle_terminal_pump_out(struct isle_terminal *t);
