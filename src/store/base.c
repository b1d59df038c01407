/* SPDX-License-Identifier: Apache-2.0 */
#include "base.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>

#include "io.h"

void isle_bases_done(struct isle_bases *bases)
{
	for (size_t i = 0; i < bases->by_path.room; i++)
		if (bases->by_path.slots[i].key != NULL)
			free(bases->by_path.slots[i].value);
	isle_map_done(&bases->by_path);
}

static int take_record(const struct isle_events_run *run, const struct isle_event *event, uint64_t offset, void *data)
{
	struct isle_bases *bases = data;

	(void)run;
	(void)offset;
	if (event->type != ISLE_EVENT_KEPT)
		return 0;
	struct isle_base *base = isle_map_get(&bases->by_path, event->path);
	if (base == NULL) {
		base = calloc(1, sizeof(*base));
		int r = base == NULL ? -ENOMEM : isle_map_set(&bases->by_path, event->path, base);

		if (r < 0) {
			free(base);
			return r;
		}
	}
	base->then = event->then;
	base->content = event->kept.size > 0 || event->then.size == 0;
	base->offset = event->kept.offset;
	base->size = event->kept.size;
	return 0;
}

int isle_bases_load(const struct isle *isle, struct isle_bases *ret_bases, struct isle_err *err)
{
	auto_bases struct isle_bases bases = {0};
	int r = isle_events_read(isle, take_record, &bases, err);

	if (r < 0)
		return r;
	*ret_bases = bases;
	bases = (struct isle_bases){0};
	return 0;
}

const struct isle_base *isle_bases_find(const struct isle_bases *bases, const char *path)
{
	return isle_map_get(&bases->by_path, path);
}

int isle_base_read(const struct isle *isle, const struct isle_base *base, struct isle_buf *buf)
{
	auto_fd int fd = -1;

	if (!base->content || base->size > ISLE_BASE_FILE_LIMIT)
		return -ENODATA;
	if (base->size == 0)
		return 0;
	fd = openat(isle->dir, "base", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return errno == ENOENT ? -ENODATA : -errno;
	char *to = isle_buf_reserve(buf, base->size);
	if (to == NULL)
		return -ENOMEM;
	ssize_t n = pread(fd, to, base->size, (off_t)base->offset);
	if (n != (ssize_t)base->size)
		return n < 0 ? -errno : -ENODATA;
	isle_buf_grew(buf, base->size);
	return 0;
}

/* Runs beside this one append, too: the lock makes the offset ours. */
static int append(const struct isle *isle, const struct isle_buf *content, uint64_t *ret_offset)
{
	auto_fd int fd = openat(isle->dir, "base", O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0 || flock(fd, LOCK_EX) < 0)
		return -errno;
	off_t end = lseek(fd, 0, SEEK_END);
	if (end < 0)
		return -errno;
	if ((uint64_t)end + content->size > ISLE_BASE_TOTAL_LIMIT)
		return -EFBIG;
	*ret_offset = (uint64_t)end;
	return isle_write_all(fd, content->data, content->size);
}

int isle_base_keep(const struct isle *isle, int file, uint64_t *ret_offset, uint64_t *ret_size)
{
	auto_buf struct isle_buf content = ISLE_BUF_INIT;
	int r = isle_read_all(file, &content, ISLE_BASE_FILE_LIMIT);

	*ret_offset = 0;
	if (r >= 0 && content.size > 0)
		r = append(isle, &content, ret_offset);
	if (r >= 0)
		*ret_size = content.size;
	return r < 0 ? r : 0;
}
