/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An entry of the index is one more link to the upper object, so one that is its only link is under no name in the
 * upper directory. The overlay removes it with the last name that the isle shows.
 */
#include "orphans.h"
#include "change_internal.h"
#include "io.h"
#include "kernel.h"
#include "path.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void isle_orphans_done(struct isle_orphans *orphans)
{
	for (size_t i = 0; i < orphans->count; i++)
		free(orphans->list[i].path);
	free(orphans->list);
	*orphans = ISLE_ORPHANS_INIT;
}

/* The host's name of what fd is, as far as the kernel knows one at the moment; heap. */
static char *name_of(int fd, const struct statx *wanted)
{
	char link[48], path[PATH_MAX];
	struct statx st;
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	if (n <= 0)
		return NULL;
	path[n] = '\0';
	if (isle_statx(AT_FDCWD, path, &st) < 0 || st.stx_ino != wanted->stx_ino)
		return NULL;
	return strdup(path);
}

/* Whether what the isle shows under the other names is another state than the host's. */
static int differs(int index, const char *name, const struct statx *st, const struct isle_upper *upper, int host,
		   const struct statx *now)
{
	unsigned diff = 0;
	int r = isle_compare((struct isle_object){index, name, st, false}, (struct isle_object){host, "", now, false},
			     ISLE_COMPARE_NO_DATA, &diff);

	if (r < 0 || (diff & ~(unsigned)ISLE_META_MTIME))
		return r < 0 ? r : 1;
	if (upper->metacopy)
		return 0;
	if (st->stx_size != now->stx_size)
		return 1;
	auto_fd int ours = openat(index, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	r = ours < 0 ? -errno : isle_same_data(ours, host, st->stx_size);
	return r < 0 ? r : !r;
}

static int add(struct isle_orphans *orphans, int host, const struct statx *now)
{
	struct isle_orphan *list = reallocarray(orphans->list, orphans->count + 1, sizeof(*list));
	struct isle_stat st;

	if (!list)
		return -ENOMEM;
	orphans->list = list;
	isle_stat_from(now, &st);
	list[orphans->count++] = (struct isle_orphan){
		.dev = st.dev, .ino = st.ino, .nlink = st.nlink, .path = name_of(host, now)};
	return 0;
}

static int take_entry(struct isle_orphans *orphans, const struct isle_layer *layer, int root, int index,
		      const char *name)
{
	struct isle_upper upper = {0};
	auto_fd int host = -1;
	struct statx st, now;
	int r = isle_statx(index, name, &st);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	if (!S_ISREG(st.stx_mode) || st.stx_nlink != 1)
		return 0;
	r = isle_upper_read(index, name, isle_layer_xattr(layer), &st, 0, &upper);
	if (r >= 0)
		host = isle_handle_reach(root, &upper.handle);
	/* Gone from the host: there is no other name. */
	if (r >= 0 && host >= 0)
		r = isle_statx(host, "", &now);
	if (r >= 0 && host >= 0 && now.stx_nlink > 0)
		r = differs(index, name, &st, &upper, host, &now);
	else if (r >= 0)
		r = 0;
	if (r > 0)
		r = add(orphans, host, &now);
	isle_upper_done(&upper);
	return r;
}

static int find_in(const struct isle *isle, const struct isle_layer *layer, struct isle_orphans *orphans)
{
	auto_fd int fd = isle_layer_open(isle, layer);
	auto_fd int root = isle_layer_open_host(layer);
	auto_fd int index = fd < 0 ? -ENOENT : isle_walk(fd, "work/index", O_RDONLY | O_DIRECTORY);
	const struct dirent *entry;
	int r = 0;

	if (index < 0 || root < 0)
		return 0;
	auto_dir DIR *stream = isle_open_entries(index, ".", &r);
	while (r >= 0 && (entry = isle_next_entry(stream, &r)))
		r = take_entry(orphans, layer, root, index, entry->d_name);
	return r;
}

int isle_orphans_find(const struct isle *isle, const struct isle_layers *layers, struct isle_orphans *ret_orphans,
		      struct isle_err *err)
{
	auto_orphans struct isle_orphans orphans = ISLE_ORPHANS_INIT;
	int r = 0;

	for (size_t i = 0; i < layers->count && r >= 0; i++)
		if (!layers->list[i].user && layers->list[i].kind != ISLE_LAYER_FILE)
			r = find_in(isle, &layers->list[i], &orphans);
	if (r < 0)
		return isle_err_errno(err, r, "cannot look for other names of changed files");
	*ret_orphans = orphans;
	orphans = ISLE_ORPHANS_INIT;
	return 0;
}
