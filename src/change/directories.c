/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether the host changed the metadata of a directory that the isle changed, too.
 *
 * The time of a directory moves when a name is added to it, so it does not tell. What the host's directory was like
 * when the isle changed it must have been seen: the first scan that meets it with a change time not later than the base
 * (so it still is as it was) writes it down in isles/ID/directories, one line for each:
 *
 *   DEV INO BASE_S BASE_NS MODE UID GID SHA-256-OF-ATTRIBUTES
 *
 * A later scan that finds the time moved compares with that. A line holds for one base only: an upper directory that
 * was made anew has another. Without a line the time alone counts, which is on the safe side.
 */
#include "buf.h"
#include "change_internal.h"
#include "io.h"
#include "map.h"
#include "sha256.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { FILE_LIMIT = 1 << 28, KEY_ROOM = 96, STATE_ROOM = 64 + ISLE_SHA256_HEX };

struct directories {
	const struct isle *isle;
	const struct isle_layers *layers;
	struct isle_buf known;	/* the file */
	struct isle_map states; /* "DEV INO BASE_S BASE_NS" -> the rest of its line, in known */
	struct isle_buf text;	/* the new file */
	bool loaded, news;
};

static void directories_done(struct directories *d)
{
	isle_buf_done(&d->known);
	isle_buf_done(&d->text);
	isle_map_done(&d->states);
}

static bool concerns(const struct isle_change *change)
{
	return change->kind == ISLE_METADATA && S_ISDIR(change->before.mode) &&
	       (change->moved == ISLE_MOVED_NO || change->moved == ISLE_MOVED_METADATA);
}

/* Cuts each line in two: a key and a state. */
static int load(struct directories *d)
{
	int r = isle_read_file(d->isle->dir, "directories", &d->known, FILE_LIMIT);
	char *rest = d->known.data, *line;

	if (r < 0 && r != -ENOENT)
		return r;
	d->loaded = true;
	for (r = 0; rest && r >= 0 && (line = strsep(&rest, "\n"));) {
		char *at = line;

		for (int blanks = 0; at && blanks < 4; blanks++)
			at = strchr(at + (blanks > 0), ' ');
		if (!at)
			continue;
		*at = '\0';
		r = isle_map_set(&d->states, line, at + 1);
	}
	return r < 0 ? r : 0;
}

/* The host's directory as it is now. */
static int describe(struct directories *d, const struct isle_change *change, char state[STATE_ROOM])
{
	auto_meta struct isle_meta meta = ISLE_META_INIT;
	struct isle_sha256 sha;
	char hex[ISLE_SHA256_HEX];
	const char *name;
	auto_fd int dir = isle_change_at(d->isle, d->layers, change, ISLE_BEFORE, &name);
	int r = dir < 0 ? dir : isle_meta_read(dir, name, &meta);

	if (r < 0)
		return r;
	if (isle_later(&meta.st.stx_ctime, &change->before.ctime)) /* just now */
		return -ESTALE;
	isle_sha256_init(&sha);
	for (size_t i = 0; i < meta.xattr_count; i++) {
		isle_sha256_add(&sha, meta.xattrs[i].name, strlen(meta.xattrs[i].name) + 1);
		isle_sha256_add(&sha, &meta.xattrs[i].size, sizeof(meta.xattrs[i].size));
		isle_sha256_add(&sha, meta.xattrs[i].value, meta.xattrs[i].size);
	}
	isle_sha256_hex(&sha, hex);
	snprintf(state, STATE_ROOM, "%o %u %u %s", (unsigned)meta.st.stx_mode, meta.st.stx_uid, meta.st.stx_gid, hex);
	return 0;
}

static int settle(struct directories *d, struct isle_change *change)
{
	char key[KEY_ROOM], state[STATE_ROOM];
	const char *then;

	snprintf(key, sizeof(key), "%" PRIu64 " %" PRIu64 " %lld %u", change->before.dev, change->before.ino,
		 (long long)change->base.tv_sec, change->base.tv_nsec);
	then = isle_map_get(&d->states, key);
	if (!then && change->moved == ISLE_MOVED_METADATA)
		return 0;
	if (!then || change->moved == ISLE_MOVED_METADATA) {
		if (describe(d, change, state) < 0) /* it cannot be told: the time counts */
			return 0;
		if (then && strcmp(then, state) == 0)
			change->moved = ISLE_MOVED_NO;
		d->news |= !then;
	}
	return isle_buf_addf(&d->text, "%s %s\n", key, then ? then : state);
}

int isle_directories_settle(const struct isle *isle, const struct isle_layers *layers, struct isle_changes *changes)
{
	__attribute__((cleanup(directories_done))) struct directories d = {.isle = isle, .layers = layers};
	int r = 0;

	for (size_t i = 0; i < changes->count && r >= 0; i++) {
		if (!concerns(&changes->list[i]))
			continue;
		if (!d.loaded)
			r = load(&d);
		if (r >= 0)
			r = settle(&d, &changes->list[i]);
	}
	if (r < 0)
		return r;
	if (d.news) /* a store that cannot be written to costs conflicts, no more */
		isle_ignore(isle_replace_file(isle->dir, "directories", d.text.data, d.text.size));
	return 0;
}
