/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Who else may exchange what lies at a path of the host. "Else" means neither root nor who runs isle.
 *
 * A directory lets others write if it belongs to somebody else, or if its mode lets its group or everybody write. With
 * an access control list the bits of the group are the list's mask, so no list needs to be read. Whoever may write to
 * one directory of a path may put another tree in the place of what is below it, so the first such directory counts.
 */
#include "commit.h"
#include "plan.h"
#include <stdbool.h>

enum isle_writer {
	ISLE_WRITER_NONE,
	ISLE_WRITER_OWNER,
	ISLE_WRITER_GROUP,
	ISLE_WRITER_EVERYBODY,
	ISLE_WRITER_STICKY, /* everybody, but only an owner may rename or remove what is there */
};

/* The answer for one path, and what a next path in the same directory reuses. */
struct isle_writers {
	int root; /* of the host; borrowed */
	char *path;
	size_t length;	       /* of the directory in path that the answer is for */
	size_t top;	       /* how much of it names the first directory that others may write to */
	enum isle_writer who;  /* of that directory */
	struct isle_stat dir;  /* that directory */
	struct isle_stat last; /* the directory that holds the object */
};

void isle_writers_done(struct isle_writers *writers);
#define auto_writers __attribute__((cleanup(isle_writers_done)))

/* Asks for the directory of an absolute path. 0, or -errno: it could not be walked. */
int isle_writers_ask(struct isle_writers *writers, const char *path) isle_must_check;

/* For root: which directories of others the plan changes something in, each once, into result->writable. */
int isle_writers_note(int root, const struct isle_plan *plan, struct isle_commit_result *result) isle_must_check;

/* "3 changes lie in a directory that user 'ann' may change: /home/ann"; heap. */
char *isle_writable_text(const struct isle_writable *one);
/* All of them, as a member of the present object. */
void isle_writable_json(const struct isle_commit_result *result, struct isle_json *json);
