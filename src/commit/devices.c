/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Device numbers do not outlast a restart: those of loop, SCSI and NVMe disks go by the order in which they are found,
 * those of btrfs and of overlays by the order of mounting. Inode numbers do. A plan tells objects by both, so the
 * record says for each number of its plan a directory that lies on that device, and what is read later gets the
 * number which that directory has then.
 *
 * undo/ID/PLAN.devices: "DEVICE INODE PATH" and a NUL for each; PATH is empty for the record's own directory. A
 * directory that is not there any more, or is another one, says nothing: then the objects count as changed, which is
 * safe.
 */
#include "io.h"
#include "path.h"
#include "subtree.h"
#include "transaction_internal.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { DEVICES_LIMIT = 1 << 20, DEVICES_MAX = 256 };

struct devices {
	struct {
		uint64_t then, now;
	} list[DEVICES_MAX];
	size_t count;
};

static const char *devices_name(const char *plan, char name[32])
{
	snprintf(name, 32, "%s.devices", plan);
	return name;
}

static bool known(const struct devices *devices, uint64_t dev)
{
	size_t i;

	for (i = 0; i < devices->count; i++)
		if (devices->list[i].then == dev)
			return true;
	return false;
}

static int look_at(int host, int record, const char *path, struct isle_stat *ret_stat)
{
	auto_fd int fd = -1;

	if (path[0] == '\0')
		return isle_look(record, "", ret_stat);
	fd = path[0] == '/' ? isle_walk(host, path + 1, O_PATH) : -EINVAL;
	return fd < 0 ? fd : isle_look(fd, "", ret_stat);
}

/* --- writing --- */

struct writer {
	struct isle_transaction *tx;
	int record;
	struct devices devices;
	struct isle_buf text;
};

/* 1: path is on this device, and is noted. */
static int try_path(struct writer *w, uint64_t dev, const char *path)
{
	struct isle_stat st;

	if (look_at(w->tx->host.root, w->record, path, &st) <= 0 || st.dev != dev)
		return 0;
	isle_buf_addf(&w->text, "%" PRIu64 " %" PRIu64 " %s", dev, st.ino, path);
	isle_buf_addc(&w->text, '\0');
	return 1;
}

/* The directory above path. */
static int try_above(struct writer *w, uint64_t dev, const char *path)
{
	auto_free char *above = strdup(path);
	char *slash = above ? strrchr(above, '/') : NULL;

	if (!slash)
		return above ? 0 : -ENOMEM;
	slash[slash == above] = '\0';
	return try_path(w, dev, above);
}

static int note_device(struct writer *w, const struct isle_action *action, uint64_t dev)
{
	const struct isle_plan *plan = w->tx->plan;
	size_t i;
	int r;

	if (known(&w->devices, dev) || w->devices.count == DEVICES_MAX)
		return 0;
	w->devices.list[w->devices.count++].then = dev;
	r = try_path(w, dev, "");
	for (i = 0; i < plan->site_count && r == 0; i++) {
		r = plan->sites[i].place ? try_above(w, dev, plan->sites[i].place) : 0;
		if (r == 0)
			r = try_path(w, dev, plan->sites[i].path);
	}
	/* A btrfs subvolume below the mount, or a mounted file. */
	if (r == 0)
		r = try_above(w, dev, action->path);
	if (r == 0)
		r = try_path(w, dev, action->path);
	return r < 0 ? r : 0;
}

int isle_tx_note_devices(struct isle_transaction *tx, int record, const char *plan)
{
	char name[32];
	struct writer w = {.tx = tx, .record = record};
	size_t i;
	int r = 0;

	for (i = 0; i < tx->plan->action_count && r >= 0; i++) {
		const struct isle_action *action = &tx->plan->actions[i];

		if (action->old.mode != 0)
			r = note_device(&w, action, action->old.dev);
		if (action->new.mode != 0 && r >= 0)
			r = note_device(&w, action, action->new.dev);
		if (action->linked && r >= 0)
			r = note_device(&w, action, action->linked->dev);
	}
	if (r >= 0)
		r = isle_buf_error(&w.text);
	if (r >= 0)
		r = isle_replace_file(record, devices_name(plan, name), w.text.data, w.text.size);
	isle_buf_done(&w.text);
	return r;
}

/* --- reading --- */

static void read_line(struct devices *devices, int host, int record, const char *line)
{
	uint64_t dev, ino;
	struct isle_stat st;
	int path = 0;

	if (sscanf(line, "%" SCNu64 " %" SCNu64 "%n", &dev, &ino, &path) != 2 || line[path] != ' ')
		return;
	if (look_at(host, record, line + path + 1, &st) <= 0 || st.ino != ino || devices->count == DEVICES_MAX)
		return;
	devices->list[devices->count].then = dev;
	devices->list[devices->count++].now = st.dev;
}

static void translate(const struct devices *devices, struct isle_stat *st)
{
	size_t i;

	for (i = 0; i < devices->count && st->mode != 0; i++) {
		if (devices->list[i].then == st->dev) {
			st->dev = devices->list[i].now;
			return;
		}
	}
}

int isle_tx_translate_devices(int record, const char *name, struct isle_plan *plan)
{
	char file[32];
	auto_buf struct isle_buf text = ISLE_BUF_INIT;
	auto_fd int host = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct devices devices = {.count = 0};
	size_t i, at;
	int r = isle_read_file(record, devices_name(name, file), &text, DEVICES_LIMIT);

	if (r < 0 || host < 0)
		return r == -ENOENT ? 0 : r < 0 ? r : -errno;
	/* A buffer ends with a NUL of its own. */
	for (at = 0; at < text.size; at += strlen(text.data + at) + 1)
		read_line(&devices, host, record, text.data + at);
	for (i = 0; i < plan->action_count; i++) {
		translate(&devices, &plan->actions[i].old);
		translate(&devices, &plan->actions[i].new);
		if (plan->actions[i].linked)
			translate(&devices, plan->actions[i].linked);
	}
	return 0;
}
