/* SPDX-License-Identifier: Apache-2.0 */
/* What a user's side of a commit tells root: what comes out is well-formed, sorted, and says the same when it is
 * written. */
#include "fuzz.h"
#include "wishes.h"
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

static void check_path(const char *path)
{
	must(path[0] == '/' && path[1] != '\0' && path[strlen(path) - 1] != '/');
	must(!strstr(path, "//") && !strstr(path, "/./") && !strstr(path, "/../"));
	must(strcmp(strrchr(path, '/'), "/.") != 0 && strcmp(strrchr(path, '/'), "/..") != 0);
}

static void check(const struct isle_wishes *wishes)
{
	must(wishes->isle[0] != '\0' && !strpbrk(wishes->isle, "/ \n\033"));
	for (const char *c = wishes->summary; *c; c++)
		must(*c >= ' ' && *c <= '~');
	for (size_t i = 0; i < wishes->count; i++) {
		const struct isle_wish *wish = &wishes->list[i];

		check_path(wish->path);
		must(i == 0 || strcmp(wish[-1].path, wish->path) < 0);
		must(wish->uid != UINT32_MAX && wish->gid != UINT32_MAX);
		must(!S_ISCHR(wish->mode) && !S_ISBLK(wish->mode) && (wish->mode & S_IFMT) != 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_wishes struct isle_wishes wishes = ISLE_WISHES_INIT, again = ISLE_WISHES_INIT;
	auto_buf struct isle_buf buf = ISLE_BUF_INIT;
	int r = isle_wishes_read((const char *)data, size, &wishes);

	must(r == 0 || r == -EBADMSG);
	if (r < 0)
		return 0;
	must(isle_wishes_complete((const char *)data, size));
	check(&wishes);
	must(isle_wishes_write(&wishes, &buf) == 0 && isle_wishes_read(buf.data, buf.size, &again) == 0);
	must(again.count == wishes.count);
	for (size_t i = 0; i < wishes.count; i++)
		must(strcmp(again.list[i].path, wishes.list[i].path) == 0 && again.list[i].uid == wishes.list[i].uid &&
		     again.list[i].gid == wishes.list[i].gid && again.list[i].mode == wishes.list[i].mode);
	isle_wishes_done(&again);
	return 0;
}
