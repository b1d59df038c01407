/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A renamed directory in a patch.
 *
 * Patches know files only, so each file of the host's directory is a rename of its own. Those that have a change of
 * their own (modified, deleted, renamed again) are left out here. The walk is bounded in depth and number; what is
 * beyond is said in a line.
 */
#include "moved_tree.h"
#include "path.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { DEPTH_MAX = 64, FILES_MAX = 20000 };

struct walk {
	const struct isle_host_paths *taken;
	isle_moved_file *found;
	void *arg;
	struct isle_buf from, to;
	size_t files;
	dev_t dev;
	bool cut;
};

static int compare(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

int isle_host_paths_init(struct isle_host_paths *paths, const struct isle_changes *changes)
{
	paths->list = calloc(changes->count + 1, sizeof(*paths->list));
	if (!paths->list)
		return -ENOMEM;
	for (size_t i = 0; i < changes->count; i++)
		if (changes->list[i].from)
			paths->list[paths->count++] = changes->list[i].from;
	if (paths->count > 1)
		qsort(paths->list, paths->count, sizeof(*paths->list), compare);
	return 0;
}

void isle_host_paths_done(struct isle_host_paths *paths)
{
	free(paths->list);
	*paths = (struct isle_host_paths){0};
}

static bool is_taken(const struct walk *w)
{
	const char *path = w->from.data;

	return bsearch(&path, w->taken->list, w->taken->count, sizeof(path), compare) != NULL;
}

static int walk_directory(struct walk *w, int dir, unsigned depth);

static int look_at(struct walk *w, int dir, const char *name, unsigned depth)
{
	auto_fd int below = -1;
	auto_free char *target = NULL;
	struct stat st;

	if (is_taken(w) || fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || st.st_dev != w->dev)
		return 0;
	if (S_ISREG(st.st_mode) || S_ISLNK(st.st_mode)) {
		w->files++;
		if (S_ISLNK(st.st_mode) && isle_readlink(dir, name, &target) < 0)
			return 0;
		return w->found(w->from.data, w->to.data, target, w->arg);
	}
	if (!S_ISDIR(st.st_mode))
		return 0;
	below = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (below < 0 || depth >= DEPTH_MAX) {
		w->cut = true;
		return 0;
	}
	return walk_directory(w, fd_take(&below), depth + 1);
}

static int enter(struct walk *w, int dir, const char *name, unsigned depth)
{
	size_t from = w->from.size, to = w->to.size;
	int r;

	isle_buf_addc(&w->from, '/');
	isle_buf_adds(&w->from, name);
	isle_buf_addc(&w->to, '/');
	isle_buf_adds(&w->to, name);
	r = isle_buf_error(&w->from) < 0 || isle_buf_error(&w->to) < 0 ? -ENOMEM : look_at(w, dir, name, depth);
	isle_buf_cut(&w->from, from);
	isle_buf_cut(&w->to, to);
	return r;
}

/* Takes over dir. At most DEPTH_MAX of these are on the stack. */
static int walk_directory(struct walk *w, int dir, unsigned depth)
{
	struct dirent **names = NULL;
	int count = scandirat(dir, ".", &names, NULL, alphasort);
	int r = 0;

	w->cut |= count < 0;
	for (int i = 0; i < count; i++) {
		const char *name = names[i]->d_name;

		if (w->files >= FILES_MAX)
			w->cut = true;
		else if (r >= 0 && strcmp(name, ".") != 0 && strcmp(name, "..") != 0)
			r = enter(w, dir, name, depth);
		free(names[i]);
	}
	free(names);
	close(dir);
	return r;
}

int isle_moved_files(const struct isle_review *review, const struct isle_change *change,
		     const struct isle_host_paths *taken, isle_moved_file *found, void *arg)
{
	struct walk w = {.taken = taken, .found = found, .arg = arg};
	const char *name = NULL;
	auto_fd int parent = isle_change_at(review->isle, review->layers, change, ISLE_BEFORE, &name);
	auto_fd int dir = -1;
	struct stat st;
	int r;

	if (parent >= 0)
		dir = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0 || fstat(dir, &st) < 0)
		return 1;
	w.dev = st.st_dev;
	isle_buf_adds(&w.from, change->from);
	isle_buf_adds(&w.to, change->path);
	r = walk_directory(&w, fd_take(&dir), 0);
	isle_buf_done(&w.from);
	isle_buf_done(&w.to);
	return r < 0 ? r : w.cut;
}
