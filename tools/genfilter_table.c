/* SPDX-License-Identifier: Apache-2.0 */
/* The table as a list of calls with their numbers; printing it; comparing it with what others list. */
#include "filter_rules.h"

#include <errno.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>

const struct filter_target filter_targets[FILTER_TARGETS] = {
	{"x86_64", SCMP_ARCH_X86_64, 0xc000003e},
	{"aarch64", SCMP_ARCH_AARCH64, 0xc00000b7},
};

enum {
	CALLS_MAX = 600,
	HIGHEST_LOOKED_AT = 4096, /* more than any number in use, less than the bit of x32 */
};

void filter_die(const char *what, int error)
{
	fprintf(stderr, "genfilter: %s: %s\n", what, strerror(error < 0 ? -error : error));
	exit(1);
}

/* NAME, NAME=N or NAME=N@ARCH. */
static void read_call(const char *word, size_t size, struct filter_call *call)
{
	char text[64];

	if (size >= sizeof(text))
		filter_die(word, EINVAL);
	memcpy(text, word, size);
	text[size] = '\0';
	char *only = strchr(text, '@');
	char *number = strchr(text, '=');
	if (only != NULL)
		*only++ = '\0';
	if (number != NULL)
		*number++ = '\0';
	if (snprintf(call->name, sizeof(call->name), "%s", text) >= (int)sizeof(call->name) ||
	    (number == NULL && seccomp_syscall_resolve_name(text) == __NR_SCMP_ERROR))
		filter_die(text, ENOSYS);
	call->by_hand = number != NULL;
	for (size_t i = 0; i < FILTER_TARGETS; i++) {
		const struct filter_target *t = &filter_targets[i];
		int nr = number == NULL				      ? seccomp_syscall_resolve_name_arch(t->scmp, text)
			 : only == NULL || strcmp(only, t->name) == 0 ? (int)strtol(number, NULL, 10)
								      : -1;

		call->numbers[i] = nr < 0 ? -1 : nr;
	}
}

const struct filter_call *filter_calls(const struct filter_target *target, size_t *ret_count)
{
	static struct filter_call calls[CALLS_MAX];
	static size_t count;

	*ret_count = count;
	if (count > 0)
		return calls;
	for (size_t g = 0; g < filter_group_count; g++) {
		for (const char *at = filter_groups[g].calls; *at != '\0'; at += strspn(at, " ")) {
			size_t size = strcspn(at, " ");

			if (count == CALLS_MAX)
				filter_die("too many rows", ENOBUFS);
			read_call(at, size, &calls[count]);
			calls[count].nr = calls[count].numbers[target - filter_targets];
			calls[count++].group = &filter_groups[g];
			at += size;
		}
	}
	*ret_count = count;
	return calls;
}

const struct filter_call *filter_find(const struct filter_target *target, int nr)
{
	size_t count;
	const struct filter_call *calls = filter_calls(target, &count);

	for (size_t i = 0; i < count; i++)
		if (calls[i].nr == nr)
			return &calls[i];
	return NULL;
}

static int number_of(const struct filter_target *target, const char *name)
{
	size_t count;
	const struct filter_call *calls = filter_calls(target, &count);

	for (size_t i = 0; i < count; i++)
		if (strcmp(calls[i].name, name) == 0)
			return calls[i].nr;
	filter_die(name, ENOENT);
}

static void print_conditions(const struct filter_target *target)
{
	printf("\nstatic const struct system_call_condition system_call_conditions[] = {\n");
	for (size_t i = 0; i < filter_condition_count; i++) {
		const struct filter_condition *c = &filter_conditions[i];

		printf("\t{\"%s\", %d, %d, %d, \"%s\", \"%s\", {", c->name, number_of(target, c->name), (int)c->when,
		       c->error, c->what, c->reason);
		for (size_t a = 0; a < sizeof(c->example) / sizeof(c->example[0]); a++)
			printf("0x%llxULL, ", (unsigned long long)c->example[a]);
		printf("}},\n");
	}
	printf("};\n");
}

void filter_print_table(const struct filter_target *target)
{
	size_t count;
	const struct filter_call *calls = filter_calls(target, &count);

	printf("/* made by tools/genfilter.c */\n#pragma once\n#include \"filter_rules.h\"\n\n"
	       "struct system_call_row {\n\tint nr, x86_64, aarch64; /* -1: not there */\n\tconst char *name;\n"
	       "\tint answer, error; /* enum filter_answer */\n\tconst char *reason;\n};\n\n"
	       "struct system_call_condition {\n\tconst char *name;\n\tint nr, when, error; /* enum filter_case */\n"
	       "\tconst char *what, *reason;\n\tuint64_t example[4];\n};\n\n"
	       "static const struct system_call_row system_call_rows[] = {\n");
	for (size_t i = 0; i < count; i++)
		printf("\t{%d, %d, %d, \"%s\", %d, %d, \"%s\"},\n", calls[i].nr, calls[i].numbers[0],
		       calls[i].numbers[1], calls[i].name, (int)calls[i].group->answer, calls[i].group->error,
		       calls[i].group->reason);
	printf("};\n");
	print_conditions(target);
}

static unsigned complain(const struct filter_target *target, const char *who, const char *name, int nr)
{
	if (filter_find(target, nr) != NULL)
		return 0;
	fprintf(stderr, "%s: %s knows %s (%d), which has no row in tools/filter_rules.c\n", target->name, who, name,
		nr);
	return 1;
}

static unsigned check_libseccomp(const struct filter_target *target)
{
	unsigned missing = 0;

	for (int nr = 0; nr < HIGHEST_LOOKED_AT; nr++) {
		char *name = seccomp_syscall_resolve_num_arch(target->scmp, nr);

		if (name != NULL)
			missing += complain(target, "libseccomp", name, nr);
		free(name);
	}
	return missing;
}

/* A name that stands for another macro counts with that one. */
static unsigned check_macros(const struct filter_target *target, const char *path)
{
	FILE *file = fopen(path, "re");
	char line[256], name[128];
	unsigned missing = 0, seen = 0;
	int nr;

	if (file == NULL)
		filter_die(path, errno);
	while (fgets(line, sizeof(line), file) != NULL) {
		if (sscanf(line, "#define __NR_%127s %d", name, &nr) != 2 &&
		    sscanf(line, "#define __NR3264_%127s %d", name, &nr) != 2)
			continue;
		if (strcmp(name, "syscalls") == 0 || strcmp(name, "arch_specific_syscall") == 0)
			continue; /* marks of the generic list */
		seen++;
		missing += complain(target, "the kernel", name, nr);
	}
	fclose(file);
	if (seen < 250)
		filter_die(path, ENODATA);
	return missing;
}

unsigned filter_check(const struct filter_target *target, const char *macros)
{
	unsigned missing = check_libseccomp(target);

	return macros == NULL ? missing : missing + check_macros(target, macros);
}
