/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Isles as directories: names/NAME is a symbolic link to the id, isles/ID the isle.
 *
 * symlinkat(2) makes a name and says at once when it is taken; the directory is made before the name, so that a name
 * always leads to an isle. The newest isle is the one with the greatest id.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>

#include "buf.h"
#include "io.h"
#include "kernel.h"
#include "life.h"
#include "path.h"
#include "quote.h"
#include "store_internal.h"

static const char *const adjectives[] = {
	"amber", "brave",  "brisk",  "calm",  "clear", "coral", "crisp", "deep",  "early", "fair",  "fleet",
	"fresh", "gentle", "glad",   "grand", "green", "keen",	"kind",	 "light", "lone",  "lucky", "mellow",
	"mild",	 "misty",  "noble",  "north", "pale",  "plain", "proud", "quick", "quiet", "rapid", "royal",
	"salty", "sandy",  "silver", "south", "still", "sunny", "swift", "tall",  "tidy",  "warm",  "wild",
};

static const char *const nouns[] = {
	"anchor", "bay",   "beach", "bell",   "bird",  "boat",	"breeze", "brook", "cape", "cliff", "cloud",
	"cove",	  "crab",  "delta", "dune",   "eider", "ferry", "finch",  "fjord", "foam", "gull",  "harbor",
	"heron",  "inlet", "kelp",  "lagoon", "loon",  "moor",	"oar",	  "otter", "palm", "pearl", "pier",
	"plover", "reef",  "sail",  "seal",   "shell", "shoal", "spray",  "swell", "tern", "tide",  "wave",
};

bool isle_name_valid(const char *name)
{
	size_t size = strlen(name);

	if (size == 0 || size > 64 || name[0] == '-' || name[0] == '.')
		return false;
	for (size_t i = 0; i < size; i++) {
		if (!isalnum((unsigned char)name[i]) && strchr("._+@-", name[i]) == NULL)
			return false;
	}
	return true;
}

static void fresh_name(char *buffer, size_t size, unsigned attempt)
{
	uint32_t r = 0;

	if (getrandom(&r, sizeof(r), GRND_NONBLOCK) < 0)
		r = (uint32_t)clock();
	const char *a = adjectives[(r & 0xffff) % ARRAY_SIZE(adjectives)];
	const char *n = nouns[(r >> 16) % ARRAY_SIZE(nouns)];
	if (attempt < 2) /* in a store with thousands of isles most pairs are taken */
		snprintf(buffer, size, "%s-%s", a, n);
	else
		snprintf(buffer, size, "%s-%s-%u", a, n, r % 100000);
}

static void fresh_id(char id[17])
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	snprintf(id, 17, "%016" PRIx64, (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec);
}

int64_t isle_created(const char *id)
{
	return (int64_t)strtoull(id, NULL, 16);
}

void isle_free(struct isle *isle)
{
	if (isle == NULL)
		return;
	isle_cleanup_fd(&isle->dir);
	free(isle->name);
	free(isle);
}

static int open_isle(struct isle_store *store, const char *id, const char *name, struct isle **ret_isle,
		     struct isle_err *err)
{
	auto_isle struct isle *isle = calloc(1, sizeof(*isle));

	if (isle == NULL)
		return isle_err_errno(err, -ENOMEM, "cannot open isle '%s'", name);
	isle->dir = -1;
	snprintf(isle->id, sizeof(isle->id), "%s", id);
	isle->name = strdup(name);
	if (isle->name == NULL)
		return isle_err_errno(err, -ENOMEM, "cannot open isle '%s'", name);
	isle->dir = openat(store->isles, id, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (isle->dir < 0)
		return isle_err_errno(err, -errno, "cannot open isle '%s'", name);
	*ret_isle = ptr_take(&isle);
	return 0;
}

/* Makes isles/ID; two calls in one nanosecond get different ids. */
static int make_directory(struct isle_store *store, char id[17])
{
	for (unsigned i = 0; i < 100; i++) {
		fresh_id(id);
		if (mkdirat(store->isles, id, 0700) == 0)
			return 0;
		if (errno != EEXIST)
			return -errno;
	}
	return -EEXIST;
}

static int name_it(struct isle_store *store, const char *id, const char *name, char *buffer, size_t size)
{
	if (name != NULL) {
		snprintf(buffer, size, "%s", name);
		return symlinkat(id, store->names, name) < 0 ? -errno : 0;
	}
	for (unsigned attempt = 0; attempt < 100; attempt++) {
		fresh_name(buffer, size, attempt);
		if (symlinkat(id, store->names, buffer) == 0)
			return 0;
		if (errno != EEXIST)
			return -errno;
	}
	return -EEXIST;
}

int isle_create(struct isle_store *store, const char *name, struct isle **ret_isle, struct isle_err *err)
{
	char id[17];
	char buffer[80];
	int r;

	if (name != NULL && !isle_name_valid(name)) {
		isle_err_text(err, -EINVAL, "%s cannot be the name of an isle", isle_quote(name));
		isle_err_hint(err, "use up to 64 letters, digits and ._+@-, not starting with '-' or '.'");
		return -EINVAL;
	}
	r = make_directory(store, id);
	if (r < 0)
		return isle_err_errno(err, r, "cannot create an isle in %s", isle_quote(store->path));
	r = name_it(store, id, name, buffer, sizeof(buffer));
	if (r < 0) {
		(void)unlinkat(store->isles, id, AT_REMOVEDIR);
		return isle_err_errno(err, r, "cannot create isle '%s'", buffer);
	}
	return open_isle(store, id, buffer, ret_isle, err);
}

int isle_name_lock(const struct isle_store *store)
{
	auto_fd int fd = openat(store->names, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	while (flock(fd, LOCK_EX) < 0)
		if (errno != EINTR)
			return -errno;
	return fd_take(&fd);
}

int isle_name_target(const struct isle_store *store, const char *name, char id[17])
{
	char target[32];
	ssize_t n = readlinkat(store->names, name, target, sizeof(target) - 1);

	if (n < 0)
		return -errno;
	target[n] = '\0';
	if (n != 16 || strspn(target, "0123456789abcdef") != 16)
		return -EUCLEAN;
	memcpy(id, target, 17);
	return 0;
}

int isle_find_exact(struct isle_store *store, const char *name, struct isle **ret_isle, struct isle_err *err)
{
	char id[17];

	if (!isle_name_valid(name))
		return -ENOENT;
	int r = isle_name_target(store, name, id);
	if (r == -ENOENT)
		return r;
	if (r < 0)
		return isle_err_errno(err, r, "cannot open isle '%s'", name);
	return open_isle(store, id, name, ret_isle, err);
}

static int compare_entries(const void *a, const void *b)
{
	return strcmp(((const struct isle_entry *)b)->id, ((const struct isle_entry *)a)->id);
}

static int add_entry(struct isle_store *store, const char *name, struct isle_entries *entries, size_t *room)
{
	struct isle_entry entry = {0};
	struct stat st;
	int r = isle_name_target(store, name, entry.id);

	if (r >= 0 && fstatat(store->isles, entry.id, &st, AT_SYMLINK_NOFOLLOW) < 0)
		r = -errno;
	if (r == -ENOENT || r == -EINVAL || r == -EUCLEAN) /* removed meanwhile, or not ours */
		return 0;
	if (r < 0)
		return r;
	if (entries->count == *room) {
		size_t more = *room == 0 ? 64 : *room * 2;
		struct isle_entry *list = reallocarray(entries->list, more, sizeof(*list));

		if (list == NULL)
			return -ENOMEM;
		entries->list = list;
		*room = more;
	}
	entry.name = strdup(name);
	if (entry.name == NULL)
		return -ENOMEM;
	entries->list[entries->count++] = entry;
	return 0;
}

int isle_list(struct isle_store *store, struct isle_entries *ret_entries, struct isle_err *err)
{
	auto_entries struct isle_entries entries = {0};
	size_t room = 0;
	int r = 0;
	auto_dir DIR *dir = isle_open_entries(store->names, ".", &r);
	const struct dirent *e;

	while ((e = isle_next_entry(dir, &r)) != NULL) {
		if (isle_name_valid(e->d_name))
			r = add_entry(store, e->d_name, &entries, &room);
	}
	if (r < 0)
		return isle_err_errno(err, r, "cannot list the isles");
	if (entries.count > 0)
		qsort(entries.list, entries.count, sizeof(*entries.list), compare_entries);
	*ret_entries = entries;
	entries = (struct isle_entries){0};
	return 0;
}

void isle_entries_done(struct isle_entries *entries)
{
	for (size_t i = 0; i < entries->count; i++)
		free(entries->list[i].name);
	free(entries->list);
	*entries = (struct isle_entries){0};
}

static int not_unique(const struct isle_entries *entries, const char *name, struct isle_err *err)
{
	auto_buf struct isle_buf text = ISLE_BUF_INIT;
	unsigned shown = 0;

	for (size_t i = 0; i < entries->count && shown < 8; i++) {
		if (strncmp(entries->list[i].name, name, strlen(name)) != 0)
			continue;
		isle_buf_addf(&text, "%s%s", shown++ > 0 ? ", " : "", entries->list[i].name);
	}
	isle_err_text(err, -ENOTUNIQ, "%s may be any of these isles: %s", isle_quote(name),
		      isle_buf_error(&text) == 0 && text.data != NULL ? text.data : "several");
	return -ENOTUNIQ;
}

static int find_prefix(struct isle_store *store, const char *name, struct isle **ret_isle, struct isle_err *err)
{
	auto_entries struct isle_entries entries = {0};
	const struct isle_entry *found = NULL;
	int r = isle_list(store, &entries, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < entries.count; i++) {
		if (strncmp(entries.list[i].name, name, strlen(name)) != 0)
			continue;
		if (found != NULL && *name != '\0')
			return not_unique(&entries, name, err);
		if (found == NULL)
			found = &entries.list[i];
	}
	if (found != NULL)
		return open_isle(store, found->id, found->name, ret_isle, err);
	if (*name == '\0') {
		isle_err_text(err, -ENOENT, "there is no isle");
		isle_err_hint(err, "make one with: isle run -- CMD");
	} else {
		isle_err_text(err, -ENOENT, "there is no isle %s", isle_quote(name));
		isle_err_hint(err, "see them with: isle list");
	}
	return -ENOENT;
}

int isle_find(struct isle_store *store, const char *name, struct isle **ret_isle, struct isle_err *err)
{
	if (name == NULL || strcmp(name, "-") == 0)
		return find_prefix(store, "", ret_isle, err);
	int r = isle_find_exact(store, name, ret_isle, err);
	if (r != -ENOENT || *name == '\0')
		return r == -ENOENT ? isle_err_text(err, r, "the name of an isle cannot be empty") : r;
	return find_prefix(store, name, ret_isle, err);
}

int isle_rename(struct isle_store *store, const char *name, const char *new_name, struct isle_err *err)
{
	if (!isle_name_valid(new_name)) {
		isle_err_text(err, -EINVAL, "%s cannot be the name of an isle", isle_quote(new_name));
		isle_err_hint(err, "use up to 64 letters, digits and ._+@-, not starting with '-' or '.'");
		return -EINVAL;
	}
	auto_fd int lock = isle_name_lock(store);
	int r = lock < 0 ? lock : isle_renameat2(store->names, name, store->names, new_name, RENAME_NOREPLACE);
	if (r == -EEXIST)
		return isle_err_text(err, r, "there is an isle '%s' already", new_name);
	if (r < 0)
		return isle_err_errno(err, r, "cannot rename isle %s", isle_quote(name));
	return 0;
}

/* A lock that is held with nobody listening is a keeper's that is cleaning up after its last run: that takes
 * milliseconds, and the run it ends has been told to the user already. */
static int lock_soon(const struct isle *isle, int fd)
{
	for (unsigned attempt = 0;; attempt++) {
		int r = flock(fd, LOCK_EX | LOCK_NB);

		if (r == 0 || errno != EWOULDBLOCK || attempt >= 4000 ||
		    faccessat(isle->dir, "live.sock", F_OK, AT_SYMLINK_NOFOLLOW) == 0)
			return r;
		if (attempt % 200 == 100)
			isle_life_wake_keeper(isle);
		usleep(500);
	}
}

/* Sleeps until the lock is free; a keeper that is stopped would never free it. */
static int lock_sometime(const struct isle *isle, int fd)
{
	for (unsigned attempt = 0;; attempt++) {
		int r = flock(fd, LOCK_EX | LOCK_NB);

		if (r == 0 || errno != EWOULDBLOCK)
			return r;
		if (attempt % 100 == 50)
			isle_life_wake_keeper(isle);
		usleep(attempt < 50 ? 500 : 10000);
	}
}

int isle_lock(const struct isle *isle, unsigned flags, struct isle_err *err)
{
	auto_fd int fd = openat(isle->dir, "live", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return isle_err_errno(err, -errno, "cannot lock isle '%s'", isle->name);
	int r = (flags & ISLE_LOCK_WAIT) != 0 ? lock_sometime(isle, fd) : lock_soon(isle, fd);
	if (r == 0) {
		r = isle_life_await_last(isle, flags, err);
		return r < 0 ? r : fd_take(&fd);
	}
	if (errno != EWOULDBLOCK)
		return isle_err_errno(err, -errno, "cannot lock isle '%s'", isle->name);
	isle_err_text(err, -EBUSY, "isle '%s' is in use", isle->name);
	isle_err_hint(err, "wait until its program has ended, or use --wait");
	return -EBUSY;
}
