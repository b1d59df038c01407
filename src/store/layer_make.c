/* SPDX-License-Identifier: Apache-2.0 */
#include "layer.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "io.h"
#include "kernel.h"
#include "meta.h"
#include "path.h"

/* The directory that holds upper and work, new. */
static int make_directory(const struct isle *isle, const struct isle_layer *layer)
{
	char name[40];

	if (layer->place != NULL) {
		const char *last = NULL;
		auto_fd int parent = isle_place_parent(layer->place, &last);

		if (parent < 0)
			return parent;
		return mkdirat(parent, last, 0700) < 0 ? -errno : 0;
	}
	snprintf(name, sizeof(name), "layers.d/%u", layer->number);
	if (mkdirat(isle->dir, name, 0700) == 0)
		return 0;
	if (errno == ENOENT) { /* the first layer that lies in the store */
		if (mkdirat(isle->dir, "layers.d", 0700) < 0 || mkdirat(isle->dir, name, 0700) < 0)
			return -errno;
		return 0;
	}
	if (errno != EEXIST)
		return -errno;
	/* A directory that no table refers to: what a crash left of a layer that never was. */
	int r = isle_remove_tree(isle->dir, name);
	if (r < 0)
		return r;
	return mkdirat(isle->dir, name, 0700) < 0 ? -errno : 0;
}

static int copy_metadata(int dir, int host)
{
	auto_meta struct isle_meta meta = ISLE_META_INIT;
	int r = isle_meta_read(host, "", &meta);

	if (r < 0)
		return r;
	return isle_meta_apply(dir, "upper", &meta, ISLE_APPLY_ALL);
}

static int make_overlay(int dir, const struct isle_layer *layer, int host)
{
	/* A user's upper is writable for its owner at rest; the keeper gives it its rights when it mounts it. */
	mode_t mode = layer->root_mode | (layer->user ? 0700 : 0);

	if (mkdirat(dir, "upper", mode & 01777) < 0 || mkdirat(dir, "work", 0700) < 0)
		return -errno;
	if (host >= 0 && !layer->user)
		return copy_metadata(dir, host);
	if ((mode & 06000) != 0 && fchmodat(dir, "upper", mode, 0) < 0)
		return -errno;
	if (host < 0)
		return 0;
	struct statx st;
	int r = isle_statx(host, "", &st);
	return r < 0 ? r : isle_meta_copy_mtime(&st, dir, "upper");
}

/* The ctime of a copy is noted beside it: a later one says that the isle has written to it. */
static void format_stamp(char *buffer, size_t size, const struct statx *st)
{
	snprintf(buffer, size, "%lld.%09u\n", (long long)st->stx_ctime.tv_sec, st->stx_ctime.tv_nsec);
}

static int note_stamp(int dir)
{
	struct statx st;
	char text[48];
	int r = isle_statx(dir, "file", &st);

	if (r < 0)
		return r;
	format_stamp(text, sizeof(text), &st);
	return isle_replace_file(dir, "stamp", text, strlen(text));
}

static bool is_written(int dir, const struct statx *copy)
{
	auto_buf struct isle_buf noted = ISLE_BUF_INIT;
	char text[48];

	format_stamp(text, sizeof(text), copy);
	return isle_read_file(dir, "stamp", &noted, sizeof(text)) < 0 || noted.data == NULL ||
	       strcmp(noted.data, text) != 0;
}

static int copy_file(int dir, int host)
{
	char path[40];
	auto_meta struct isle_meta meta = ISLE_META_INIT;
	int r = isle_meta_read(host, "", &meta);

	if (r < 0)
		return r;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", host);
	auto_fd int from = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	auto_fd int to = openat(dir, "file.new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (to < 0)
		return -errno;
	if (from >= 0) {
		r = isle_copy_data(from, to);
		if (r < 0)
			return r;
	}
	r = isle_meta_apply(dir, "file.new", &meta,
			    geteuid() == 0 ? ISLE_APPLY_ALL : ISLE_APPLY_MODE | ISLE_APPLY_TIMES);
	if (r < 0)
		return r;
	r = isle_renameat2(dir, "file.new", dir, "file", 0);
	return r < 0 ? r : note_stamp(dir);
}

int isle_layer_make(const struct isle *isle, const struct isle_layer *layer, int host)
{
	mode_t old = umask(0);
	int r = make_directory(isle, layer);

	if (r >= 0) {
		auto_fd int dir = isle_layer_open(isle, layer);

		if (dir < 0)
			r = dir;
		else
			r = layer->kind == ISLE_LAYER_FILE ? copy_file(dir, host) : make_overlay(dir, layer, host);
	}
	umask(old);
	return r;
}

int isle_layer_empty(const struct isle *isle, const struct isle_layer *layer)
{
	mode_t mode = (layer->root_mode | 0700) & 07777;
	auto_fd int dir = isle_layer_open(isle, layer);

	if (dir < 0)
		return dir;
	/* Killed in between, it has no upper: the next plan finds that (isle_layer_open_upper()). */
	int r = isle_renameat2(dir, "upper", dir, "gone", RENAME_NOREPLACE);
	if (r < 0 && r != -EEXIST && r != -ENOENT)
		return r;
	mode_t old = umask(0);
	r = mkdirat(dir, "upper", mode & 01777) < 0 && errno != EEXIST ? -errno : 0;
	umask(old);
	if (r >= 0 && (mode & 06000) != 0 && fchmodat(dir, "upper", mode, 0) < 0)
		r = -errno;
	int removed = isle_remove_tree(dir, "gone");
	return r < 0 ? r : removed == -ENOENT ? 0 : removed;
}

static bool later(const struct statx_timestamp *a, const struct statx_timestamp *b)
{
	return a->tv_sec > b->tv_sec || (a->tv_sec == b->tv_sec && a->tv_nsec > b->tv_nsec);
}

int isle_layer_refresh_file(const struct isle *isle, const struct isle_layer *layer, int host)
{
	auto_fd int dir = isle_layer_open(isle, layer);
	struct statx copy;
	struct statx original;

	if (dir < 0)
		return dir;
	int r = isle_statx(dir, "file", &copy);
	if (r >= 0)
		r = isle_statx(host, "", &original);
	if (r < 0)
		return r;
	/* Where the isle has written to its copy, it stays; what of the host's is for the commit to decide. */
	if (!later(&original.stx_ctime, &copy.stx_btime) || is_written(dir, &copy))
		return 0;
	return copy_file(dir, host);
}

int isle_layer_file_written(const struct isle *isle, const struct isle_layer *layer)
{
	auto_fd int dir = isle_layer_open(isle, layer);
	struct statx copy;

	if (dir < 0)
		return dir;
	int r = isle_statx(dir, "file", &copy);
	return r < 0 ? r : is_written(dir, &copy);
}
