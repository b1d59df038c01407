/* SPDX-License-Identifier: Apache-2.0 */
#include "digest.h"
#include "path.h"
#include <string.h>
#include <sys/stat.h>

void isle_digest_number(struct isle_sha256 *sha, uint64_t value)
{
	unsigned char bytes[8];
	unsigned i;

	for (i = 0; i < 8; i++)
		bytes[i] = (unsigned char)(value >> 8 * i);
	isle_sha256_add(sha, bytes, sizeof(bytes));
}

void isle_digest_string(struct isle_sha256 *sha, const char *text)
{
	isle_digest_number(sha, text != NULL);
	if (text)
		isle_sha256_add(sha, text, strlen(text) + 1);
}

static void add_time(struct isle_sha256 *sha, const struct statx_timestamp *time)
{
	isle_digest_number(sha, (uint64_t)time->tv_sec);
	isle_digest_number(sha, time->tv_nsec);
}

void isle_digest_state(struct isle_sha256 *sha, const struct isle_stat *st)
{
	isle_digest_number(sha, st->dev);
	isle_digest_number(sha, st->ino);
	isle_digest_number(sha, st->mode);
	isle_digest_number(sha, (uint64_t)st->uid << 32 | st->gid);
	isle_digest_number(sha, (uint64_t)st->rdev_major << 32 | st->rdev_minor);
	/* What is looked at in a directory of the layer may move its times; what is in it is listed itself. */
	if (S_ISDIR(st->mode))
		return;
	isle_digest_number(sha, st->size);
	isle_digest_number(sha, st->nlink);
	add_time(sha, &st->mtime);
	add_time(sha, &st->ctime);
}

void isle_change_digest_add(struct isle_sha256 *sha, const struct isle_change *change)
{
	isle_digest_number(sha, change->kind);
	isle_digest_number(sha, change->diff);
	isle_digest_number(sha, change->marks);
	isle_digest_number(sha, change->layer);
	isle_digest_string(sha, change->path);
	isle_digest_string(sha, change->from);
	isle_digest_string(sha, change->data);
	isle_digest_string(sha, change->upper);
	isle_digest_state(sha, &change->after);
	isle_sha256_add(sha, change->inside, sizeof(change->inside));
}

void isle_changes_digest(const struct isle_changes *changes, char ret_hex[ISLE_SHA256_HEX])
{
	const char *gone = NULL;
	struct isle_sha256 sha;

	isle_sha256_init(&sha);
	for (size_t i = 0; i < changes->count; i++) {
		const struct isle_change *change = &changes->list[i];
		bool inside = gone && change->kind == ISLE_DELETE && isle_path_below(change->path, gone);

		/* What the host has in a directory that is deleted is the host's to change. */
		if (inside && strcmp(change->path, gone) != 0)
			continue;
		isle_change_digest_add(&sha, change);
		if (change->kind == ISLE_DELETE)
			gone = change->path;
	}
	isle_sha256_hex(&sha, ret_hex);
}
