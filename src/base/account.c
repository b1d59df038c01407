/* SPDX-License-Identifier: Apache-2.0 */
#include "account.h"
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static void close_file(FILE **file)
{
	if (*file)
		fclose(*file);
}
#define auto_file __attribute__((cleanup(close_file)))

void isle_account_done(struct isle_account *account)
{
	free(account->name);
	free(account->home);
	free(account->groups);
	*account = ISLE_ACCOUNT_INIT;
}

static int add_group(struct isle_account *account, gid_t gid)
{
	gid_t *groups = reallocarray(account->groups, account->group_count + 1, sizeof(*groups));

	if (!groups)
		return -ENOMEM;
	account->groups = groups;
	groups[account->group_count++] = gid;
	return 0;
}

static int read_user(const char *name, struct isle_account *account)
{
	auto_file FILE *file = fopen("/etc/passwd", "re");
	const struct passwd *entry = NULL;

	if (!file)
		return -errno;
	do
		entry = fgetpwent(file);
	while (entry && strcmp(entry->pw_name, name) != 0);
	if (!entry)
		return -ENOENT;
	account->name = strdup(entry->pw_name);
	account->home = strdup(entry->pw_dir);
	account->uid = entry->pw_uid;
	account->gid = entry->pw_gid;
	return account->name && account->home ? add_group(account, entry->pw_gid) : -ENOMEM;
}

static bool is_member(const struct group *group, const char *name)
{
	for (char **member = group->gr_mem; *member; member++)
		if (strcmp(*member, name) == 0)
			return true;
	return false;
}

static int read_groups(struct isle_account *account)
{
	auto_file FILE *file = fopen("/etc/group", "re");
	const struct group *entry;
	int r = 0;

	if (!file)
		return errno == ENOENT ? 0 : -errno;
	while (r >= 0 && (entry = fgetgrent(file)))
		if (entry->gr_gid != account->gid && is_member(entry, account->name))
			r = add_group(account, entry->gr_gid);
	return r;
}

int isle_account_find(const char *name, struct isle_account *ret_account)
{
	auto_account struct isle_account account = ISLE_ACCOUNT_INIT;
	int r = read_user(name, &account);

	if (r >= 0)
		r = read_groups(&account);
	if (r < 0)
		return r;
	*ret_account = account;
	account = ISLE_ACCOUNT_INIT;
	return 0;
}

char *isle_account_home(uid_t uid)
{
	auto_file FILE *file = fopen("/etc/passwd", "re");
	const struct passwd *entry = NULL;

	do
		entry = file ? fgetpwent(file) : NULL;
	while (entry && entry->pw_uid != uid);
	return entry && entry->pw_dir[0] == '/' && entry->pw_dir[1] != '\0' ? strdup(entry->pw_dir) : NULL;
}
