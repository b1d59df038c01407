/* SPDX-License-Identifier: Apache-2.0 */
#include "boot.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "io.h"
#include "talk.h"

enum { WORD_MAX = PATH_MAX - 1 };

static ssize_t read_word(const struct isle *isle, const char *name, char word[PATH_MAX])
{
	ssize_t n = readlinkat(isle->dir, name, word, WORD_MAX);

	word[n < 0 ? 0 : n] = '\0';
	return n < 0 ? -errno : n;
}

bool isle_boot_same(const struct isle *isle, const char *name, const char *word)
{
	char noted[PATH_MAX];

	return read_word(isle, name, noted) >= 0 && strncmp(noted, word, WORD_MAX) == 0;
}

int isle_boot_note(const struct isle *isle, const char *name, const char *word)
{
	char cut[PATH_MAX];

	snprintf(cut, sizeof(cut), "%.*s", (int)WORD_MAX, word);
	if (symlinkat(cut, isle->dir, name) == 0)
		return 0;
	if (errno != EEXIST)
		return -errno;
	if (isle_boot_same(isle, name, word))
		return 0;
	if (unlinkat(isle->dir, name, 0) < 0)
		return -errno;
	return symlinkat(cut, isle->dir, name) < 0 ? -errno : 0;
}

static int read_boot_id(struct isle_buf *id)
{
	int r = isle_read_file(AT_FDCWD, "/proc/sys/kernel/random/boot_id", id, 256);

	if (r < 0 || id->data == NULL)
		return r < 0 ? r : -ENODATA;
	id->data[strcspn(id->data, "\n")] = '\0';
	return 0;
}

bool isle_boot_is_this(const struct isle *isle)
{
	auto_buf struct isle_buf id = ISLE_BUF_INIT;
	char noted[PATH_MAX];

	return read_boot_id(&id) < 0 || read_word(isle, "boot", noted) < 0 || strcmp(noted, id.data) == 0;
}

int isle_boot_check(const struct isle *isle, struct isle_err *err)
{
	auto_buf struct isle_buf id = ISLE_BUF_INIT;
	char noted[PATH_MAX];
	int r = read_boot_id(&id);

	if (r < 0)
		return 0; /* no /proc: nothing can be told */
	if (read_word(isle, "boot", noted) >= 0 && strcmp(noted, id.data) != 0 &&
	    isle_boot_same(isle, "mounted", "volatile")) {
		isle_note("the machine went down while isle '%s' was in use: its last writes may be lost", isle->name);
		r = isle_boot_note(isle, "torn", "1");
		if (r < 0)
			return isle_err_errno(err, r, "cannot mark isle '%s' as torn", isle->name);
	}
	r = isle_boot_note(isle, "boot", id.data);
	return r < 0 ? isle_err_errno(err, r, "cannot write to isle '%s'", isle->name) : 0;
}

bool isle_boot_is_mounted(const struct isle *isle)
{
	return faccessat(isle->dir, "mounted", F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

void isle_boot_unmounted(const struct isle *isle)
{
	isle_ignore(unlinkat(isle->dir, "mounted", 0));
}

bool isle_is_torn(const struct isle *isle)
{
	return isle_boot_same(isle, "torn", "1");
}

int isle_torn_forgive(const struct isle *isle)
{
	return unlinkat(isle->dir, "torn", 0) < 0 && errno != ENOENT ? -errno : 0;
}
