/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The verbs that verbs.c lists; each is defined in cmd_NAME.c. */
#include "verb.h"

extern const struct isle_verb isle_verb_run;
extern const struct isle_verb isle_verb_shell;
extern const struct isle_verb isle_verb_refresh;
extern const struct isle_verb isle_verb_list;
extern const struct isle_verb isle_verb_status;
extern const struct isle_verb isle_verb_diff;
extern const struct isle_verb isle_verb_trace;
extern const struct isle_verb isle_verb_explain;
extern const struct isle_verb isle_verb_check;
extern const struct isle_verb isle_verb_plan;
extern const struct isle_verb isle_verb_redo;
extern const struct isle_verb isle_verb_commit;
extern const struct isle_verb isle_verb_for_root;
extern const struct isle_verb isle_verb_discard;
extern const struct isle_verb isle_verb_undo;
extern const struct isle_verb isle_verb_log;
extern const struct isle_verb isle_verb_rename;
extern const struct isle_verb isle_verb_rm;
extern const struct isle_verb isle_verb_gc;
extern const struct isle_verb isle_verb_completions;
extern const struct isle_verb isle_verb_doctor;
