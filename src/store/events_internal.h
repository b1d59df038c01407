/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the files of the event log share.
 */
#include "buf.h"
#include "events.h"

struct dirent;

/* Appends the record to out. -ENOMEM; -E2BIG, and then nothing is appended. */
int isle_event_encode(struct isle_buf *out, const struct isle_event *event) isle_must_check;

/* For scandir(3): the name is that of a log. */
int isle_event_is_log(const struct dirent *entry);
