/* SPDX-License-Identifier: Apache-2.0 */
/*
 * getpwuid(3) would load shared objects (NSS) into a static program. The two files are enough for a hint beside a
 * number.
 */
#include "describe_names.h"
#include "macros.h"
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { NAMES_MAX = 65536 };

struct names {
	struct entry {
		uint32_t id;
		char *name;
	} * list;
	size_t count, room;
	bool read;
};

static void add(struct names *names, uint32_t id, const char *name)
{
	if (names->count == NAMES_MAX)
		return;
	if (names->count == names->room) {
		size_t room = names->room ? names->room * 2 : 64;
		struct entry *list = reallocarray(names->list, room, sizeof(*list));

		if (!list)
			return;
		names->list = list;
		names->room = room;
	}
	names->list[names->count].id = id;
	names->list[names->count].name = strdup(name);
	if (names->list[names->count].name)
		names->count++;
}

static const char *find(const struct names *names, uint32_t id)
{
	for (size_t i = 0; i < names->count; i++)
		if (names->list[i].id == id)
			return names->list[i].name;
	return NULL;
}

const char *isle_user_name(uint32_t uid)
{
	static struct names users;
	FILE *file = users.read ? NULL : fopen("/etc/passwd", "re");
	const struct passwd *entry;

	users.read = true;
	while (file && (entry = fgetpwent(file)))
		add(&users, entry->pw_uid, entry->pw_name);
	if (file)
		fclose(file);
	return find(&users, uid);
}

const char *isle_group_name(uint32_t gid)
{
	static struct names groups;
	FILE *file = groups.read ? NULL : fopen("/etc/group", "re");
	const struct group *entry;

	groups.read = true;
	while (file && (entry = fgetgrent(file)))
		add(&groups, entry->gr_gid, entry->gr_name);
	if (file)
		fclose(file);
	return find(&groups, gid);
}
