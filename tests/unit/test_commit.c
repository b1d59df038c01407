/* SPDX-License-Identifier: Apache-2.0 */
/* Plans on disk, the order of actions, what a selection needs, and subtrees that may or may not move. */
#include "answers.h"
#include "plan.h"
#include "select.h"
#include "subtree.h"
#include "unit.h"
#include "wishes.h"
#include "xattr.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct isle_action *add(struct isle_plan *plan, enum isle_action_kind kind, const char *path, uint32_t mode)
{
	struct isle_action *action = isle_plan_add(plan);

	assert_non_null(action);
	action->kind = kind;
	action->path = strdup(path);
	action->pair = (uint32_t)(plan->action_count - 1);
	action->new.mode = mode;
	action->old_meta = calloc(1, sizeof(*action->old_meta));
	action->new_meta = calloc(1, sizeof(*action->new_meta));
	assert_true(action->old_meta && action->new_meta);
	action->new_meta->st.stx_mode = (uint16_t)mode;
	return action;
}

static void make_plan(struct isle_plan *plan)
{
	struct isle_layer layer = {.path = "/", .place = "/x/y"};
	struct isle_layers layers = {.list = &layer, .count = 1};
	struct isle_action *action;

	*plan = ISLE_PLAN_INIT;
	plan->isle_name = strdup("name\n\xff");
	assert_int_equal(isle_plan_set_sites(plan, &layers), 0);
	action = add(plan, ISLE_ACTION_CREATE, "/a\nb", S_IFREG | 0644);
	action->upper = strdup("a\nb");
	action->new_meta->xattrs = calloc(1, sizeof(*action->new_meta->xattrs));
	action->new_meta->xattrs[0] = (struct isle_xattr){.name = "user.x", .value = "\0\1\2", .size = 3};
	action->new_meta->xattr_count = 1;
	add(plan, ISLE_ACTION_META, "/d", S_IFDIR | 0700)->old.mode = S_IFDIR | 0755;
	assert_int_equal(isle_plan_identify(plan), 0);
}

static void test_plan_is_read_as_written(void **state)
{
	auto_plan struct isle_plan plan, again = ISLE_PLAN_INIT;
	auto_buf struct isle_buf one = ISLE_BUF_INIT, two = ISLE_BUF_INIT;

	(void)state;
	make_plan(&plan);
	assert_int_equal(isle_plan_write(&plan, &one), 0);
	assert_int_equal(isle_plan_read(one.data, one.size, &again), 0);
	assert_int_equal(again.action_count, 2);
	assert_string_equal(again.actions[0].path, "/a\nb");
	assert_memory_equal(again.actions[0].new_meta->xattrs[0].value, "\0\1\2", 3);
	assert_string_equal(again.sites[0].place, "/x/y");
	assert_string_equal(again.id, plan.id);
	assert_int_equal(isle_plan_write(&again, &two), 0);
	assert_int_equal(one.size, two.size);
	assert_memory_equal(one.data, two.data, one.size);
}

/* Strings around the size of the part by which a plan is written, and longer than that. */
static void test_large_plan_is_read_as_written(void **state)
{
	enum { LONGEST = 100000 };
	auto_plan struct isle_plan plan = ISLE_PLAN_INIT, again = ISLE_PLAN_INIT;
	auto_buf struct isle_buf buf = ISLE_BUF_INIT;
	auto_free char *path = malloc(LONGEST + 1);
	size_t i, size;

	(void)state;
	assert_non_null(path);
	make_plan(&plan);
	for (size = 1; size < 20000; size += 97) {
		memset(path, 'a' + (int)(size % 26), size);
		path[size] = '\0';
		add(&plan, ISLE_ACTION_META, path, S_IFDIR | 0700)->old.ino = size << 40;
	}
	memset(path, 'z', LONGEST);
	path[LONGEST] = '\0';
	add(&plan, ISLE_ACTION_META, path, S_IFDIR | 0700);
	assert_int_equal(isle_plan_identify(&plan), 0);
	assert_int_equal(isle_plan_write(&plan, &buf), 0);
	assert_int_equal(isle_plan_read(buf.data, buf.size, &again), 0);
	assert_int_equal(again.action_count, plan.action_count);
	for (i = 0; i < plan.action_count; i++) {
		assert_string_equal(again.actions[i].path, plan.actions[i].path);
		assert_int_equal(again.actions[i].old.ino, plan.actions[i].old.ino);
	}
	assert_int_equal(isle_plan_identify(&again), 0);
	assert_string_equal(again.id, plan.id);
}

static void test_upper_may_be_the_end_of_path(void **state)
{
	auto_plan struct isle_plan plan = ISLE_PLAN_INIT;
	struct isle_action *action = isle_plan_add(&plan);

	(void)state;
	assert_non_null(action);
	action->path = strdup("/d/name");
	action->upper = action->path + 3;
	action->upper_in_path = true;
	isle_action_upper(action, strdup("other"));
	assert_string_equal(action->path, "/d/name");
	assert_string_equal(action->upper, "other");
	isle_action_upper(action, NULL);
	assert_null(action->upper);
	assert_false(action->upper_in_path);
}

static void test_damaged_plan_is_refused(void **state)
{
	auto_plan struct isle_plan plan;
	auto_buf struct isle_buf buf = ISLE_BUF_INIT;
	size_t i;

	(void)state;
	make_plan(&plan);
	assert_int_equal(isle_plan_write(&plan, &buf), 0);
	for (i = 0; i < buf.size; i++) {
		struct isle_plan again = ISLE_PLAN_INIT;

		assert_int_equal(isle_plan_read(buf.data, i, &again), -EBADMSG);
		buf.data[i] ^= 1;
		assert_int_equal(isle_plan_read(buf.data, buf.size, &again), -EBADMSG);
		buf.data[i] ^= 1;
	}
}

static void test_id_stands_for_host_states(void **state)
{
	auto_plan struct isle_plan plan;
	char id[ISLE_SHA256_HEX];

	(void)state;
	make_plan(&plan);
	memcpy(id, plan.id, sizeof(id));
	plan.actions[1].old.ctime.tv_nsec++;
	assert_int_equal(isle_plan_identify(&plan), 0);
	assert_string_not_equal(plan.id, id);
	plan.actions[1].old.ctime.tv_nsec--;
	assert_int_equal(isle_plan_identify(&plan), 0);
	assert_string_equal(plan.id, id);
}

static void test_order(void **state)
{
	static const char *const wanted[] = {"/z/y", "/z", "/a", "/a/b", "/c", "/q", "/a", "/"};
	auto_plan struct isle_plan plan = ISLE_PLAN_INIT;
	struct isle_layer layer = {.path = "/"};
	struct isle_layers layers = {.list = &layer, .count = 1};
	struct isle_action *action;
	size_t i;

	(void)state;
	assert_int_equal(isle_plan_set_sites(&plan, &layers), 0);
	add(&plan, ISLE_ACTION_META, "/", S_IFDIR | 0500)->old_meta->st.stx_mode = 0700;
	add(&plan, ISLE_ACTION_META, "/a", S_IFDIR | 0500)->old_meta->st.stx_mode = 0700;
	add(&plan, ISLE_ACTION_CREATE, "/a/b", S_IFREG);
	action = add(&plan, ISLE_ACTION_PLACE, "/a", S_IFDIR);
	action->pair = 4;
	add(&plan, ISLE_ACTION_TAKE, "/z", 0);
	add(&plan, ISLE_ACTION_REMOVE, "/z/y", 0);
	add(&plan, ISLE_ACTION_META, "/q", S_IFDIR | 0700)->old_meta->st.stx_mode = 0500;
	add(&plan, ISLE_ACTION_EXCHANGE, "/c", S_IFREG);
	assert_int_equal(isle_plan_sort(&plan), 0);
	assert_int_equal(plan.action_count, ARRAY_SIZE(wanted));
	for (i = 0; i < ARRAY_SIZE(wanted); i++)
		assert_string_equal(plan.actions[i].path, wanted[i]);
	assert_int_equal(plan.actions[2].kind, ISLE_ACTION_PLACE);
	assert_int_equal(plan.actions[2].pair, 1);
}

static void test_answers_are_found_again(void **state)
{
	auto_answers struct isle_answers answers = ISLE_ANSWERS_INIT;
	char path[16];
	unsigned i;

	(void)state;
	for (i = 0; i < 200; i++) {
		snprintf(path, sizeof(path), "/%u", i * 37 % 200);
		assert_int_equal(isle_answers_add(&answers, path, i % 2 ? ISLE_DELETE : ISLE_MODIFY,
						  (enum isle_on_conflict)(i % ISLE_CONFLICT_COUNT)),
				 0);
	}
	assert_int_equal(isle_answers_add(&answers, "/37", ISLE_DELETE, ISLE_CONFLICT_ISLE), -EEXIST);
	assert_int_equal(isle_answers_add(&answers, "/37", ISLE_MODIFY, ISLE_CONFLICT_ISLE), 0);
	for (i = 0; i < 200; i++) {
		const struct isle_answer *answer;

		snprintf(path, sizeof(path), "/%u", i * 37 % 200);
		answer = isle_answers_find(&answers, path, i % 2 ? ISLE_DELETE : ISLE_MODIFY);
		assert_non_null(answer);
		assert_int_equal(answer->how, i % ISLE_CONFLICT_COUNT);
		assert_null(isle_answers_find(&answers, path, ISLE_RENAME));
	}
	assert_null(isle_answers_find(&answers, "/200", ISLE_MODIFY));
	for (i = 0; i < ISLE_CONFLICT_COUNT; i++)
		assert_int_equal(isle_on_conflict_by_name(isle_on_conflict_name((enum isle_on_conflict)i)), i);
}

static const struct isle_change tree[] = {
	{.kind = ISLE_CREATE, .path = "/n", .after.mode = S_IFDIR, .link_group = 0},
	{.kind = ISLE_CREATE, .path = "/n/s", .after.mode = S_IFDIR},
	{.kind = ISLE_CREATE, .path = "/n/s/f", .after.mode = S_IFREG, .link_group = 7},
	{.kind = ISLE_CREATE, .path = "/n-other", .after.mode = S_IFREG},
	{.kind = ISLE_DELETE, .path = "/o", .before.mode = S_IFDIR},
	{.kind = ISLE_DELETE, .path = "/o/x", .before.mode = S_IFREG},
	{.kind = ISLE_RENAME, .path = "/r", .from = "/o/r", .before.mode = S_IFDIR, .after.mode = S_IFDIR},
	{.kind = ISLE_MODIFY, .path = "/r/in", .from = "/o/r/in", .before.mode = S_IFREG, .after.mode = S_IFREG},
	{.kind = ISLE_CREATE, .path = "/second", .after.mode = S_IFREG, .link_group = 7},
};

/* Which are chosen, as a string of 0 and 1. */
static void choose(const char *path, const char *except, const char *wanted)
{
	const char *paths[] = {path, NULL}, *excepts[] = {except, NULL};
	struct isle_select select = {path ? paths : NULL, except ? excepts : NULL};
	struct isle_changes changes = {.list = (struct isle_change *)tree, .count = ARRAY_SIZE(tree)};
	auto_choice struct isle_choice choice = {0};
	char got[ARRAY_SIZE(tree) + 1] = "";
	size_t i;

	assert_int_equal(isle_choice_init(&changes, &select, NULL, &choice, NULL), 0);
	assert_int_equal(isle_choice_close(&choice), 0);
	for (i = 0; i < ARRAY_SIZE(tree); i++)
		got[i] = choice.chosen[i] ? '1' : '0';
	assert_string_equal(got, wanted);
}

static void test_selection_is_closed(void **state)
{
	(void)state;
	choose(NULL, NULL, "111111111");
	choose("/n-other", NULL, "000100000");
	choose("/n/s/f", NULL, "111000001");  /* its directories, and its other name */
	choose("/second", NULL, "111000001"); /* the same from the other end */
	choose("/r/in", NULL, "000000110");   /* the rename of its directory */
	choose("/o", NULL, "000011100");      /* the rename out of what is deleted */
	choose("/o/x", NULL, "000001000");
	choose(NULL, "/o/x", "111100111"); /* then the directory cannot go either */
	choose(NULL, "/r", "111101001");
	choose(NULL, "/n/s", "100111110");
	choose("*other", NULL, "000100000");
	choose("/n*", NULL, "111100001");
}

static void test_subtrees_that_may_move(void **state)
{
	int dir = unit_dir(state);
	char *inside = NULL;
	struct statx_timestamp limit = {.tv_sec = INT64_MAX};

	assert_int_equal(mkdirat(dir, "t", 0755), 0);
	assert_int_equal(mkdirat(dir, "t/s", 0755), 0);
	unit_write(dir, "t/s/f", "x");
	assert_int_equal(isle_subtree_inspect(dir, "t", "user.overlay."), ISLE_SUBTREE_PLAIN);
	assert_int_equal(linkat(dir, "t/s/f", dir, "t/g", 0), 0);
	assert_int_equal(isle_subtree_inspect(dir, "t", "user.overlay."), ISLE_SUBTREE_PLAIN);
	/* A hard link that leads out. */
	assert_int_equal(linkat(dir, "t/s/f", dir, "outside", 0), 0);
	assert_int_equal(isle_subtree_inspect(dir, "t", "user.overlay."), ISLE_SUBTREE_SPLIT);
	assert_int_equal(unlinkat(dir, "outside", 0), 0);
	assert_int_equal(isle_subtree_quiet(dir, "t", &limit, NULL, &inside), 1);
	limit.tv_sec = 1;
	assert_int_equal(isle_subtree_quiet(dir, "t", &limit, NULL, &inside), 0);
	assert_non_null(inside);
	free(inside);
	if (isle_xattr_set(dir, "t/s/f", "user.overlay.origin", "", 0) < 0)
		unit_missing("user extended attributes");
	assert_int_equal(isle_subtree_inspect(dir, "t", "user.overlay."), ISLE_SUBTREE_SCRUB);
	assert_int_equal(mknodat(dir, "t/s/w", S_IFCHR, 0), 0);
	assert_int_equal(isle_subtree_scrub(dir, "t", "user.overlay."), 0);
	assert_int_equal(isle_subtree_inspect(dir, "t", "user.overlay."), ISLE_SUBTREE_PLAIN);
	assert_int_equal(faccessat(dir, "t/s/w", F_OK, AT_SYMLINK_NOFOLLOW), -1);
	assert_int_equal(isle_xattr_set(dir, "t/s/f", "user.overlay.metacopy", "", 0), 0);
	assert_int_equal(isle_subtree_inspect(dir, "t", "user.overlay."), ISLE_SUBTREE_SPLIT);
}

static void test_copies_are_whole(void **state)
{
	int dir = unit_dir(state);
	struct isle_stat a, b, from;

	assert_int_equal(mkdirat(dir, "t", 0750), 0);
	unit_write(dir, "t/f", "content");
	assert_int_equal(linkat(dir, "t/f", dir, "t/g", 0), 0);
	assert_int_equal(symlinkat("nowhere", dir, "t/l"), 0);
	assert_int_equal(mkfifoat(dir, "t/p", 0600), 0);
	assert_int_equal(isle_subtree_copy(dir, "t", NULL, dir, "c", NULL), 0);
	unit_assert_content(dir, "c/f", "content");
	assert_int_equal(isle_look(dir, "c/f", &a), 1);
	assert_int_equal(isle_look(dir, "c/g", &b), 1);
	assert_true(isle_same_object(&a, &b));
	assert_int_equal(a.nlink, 2);
	assert_int_equal(isle_look(dir, "t/f", &from), 1);
	assert_false(isle_same_object(&a, &from));
	assert_int_equal(a.mtime.tv_nsec, from.mtime.tv_nsec);
	assert_int_equal(isle_look(dir, "c", &a), 1);
	assert_int_equal(a.mode, S_IFDIR | 0750);
	/* What is there is neither overwritten nor removed. */
	assert_int_equal(isle_subtree_copy(dir, "t", NULL, dir, "c", NULL), -EEXIST);
	unit_assert_content(dir, "c/f", "content");
}

static int read_wishes(const char *isle, const char *summary, const char *line, struct isle_wishes *ret_wishes)
{
	const char *const records[] = {"isle owners 1", isle, summary, line, "1 1 100644 /twice", ""};
	auto_buf struct isle_buf buf = ISLE_BUF_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(records); i++)
		assert_int_equal(isle_buf_add(&buf, records[i], strlen(records[i]) + 1), 0);
	/* Cut short it is no list. */
	assert_int_equal(isle_wishes_read(buf.data, buf.size - 1, ret_wishes), -EBADMSG);
	return isle_wishes_read(buf.data, buf.size, ret_wishes);
}

/* Root believes nothing of a list that is not as it must be. */
static void test_wishes_are_well_formed(void **state)
{
	static const char *const good[] = {"0 0 100644 /a", "7 8 40755 /a/.b", "4294967294 1 120777 /a/..b", NULL};
	static const char *const bad[] = {"0 0 100644 a",
					  "0 0 100644 /",
					  "0 0 100644 /a/",
					  "0 0 100644 //a",
					  "0 0 100644 /a/..",
					  "0 0 100644 /./a",
					  "4294967295 0 100644 /a",
					  "0 4294967295 100644 /a",
					  "-1 0 100644 /a",
					  "+1 0 100644 /a",
					  "4294967296 0 100644 /a",
					  " 0 0 100644 /a",
					  "0 0 644 /a",
					  "0 0 20644 /a",
					  "0 0 60644 /a",
					  "0 0 0x1ff /a",
					  "0 0 /a",
					  "0:0 100644 /a",
					  "0 0 1000000100644 /a",
					  "0  0 100644 /a",
					  "1 1 100644 /twice",
					  NULL};
	const char *const *line;

	(void)state;
	for (line = good; *line; line++) {
		auto_wishes struct isle_wishes wishes = ISLE_WISHES_INIT;

		assert_int_equal(read_wishes("x", "1 created", *line, &wishes), 0);
		assert_int_equal(wishes.count, 2);
		assert_string_equal(wishes.isle, "x");
		assert_string_equal(wishes.list[0].path, strrchr(*line, ' ') + 1);
	}
	for (line = bad; *line; line++) {
		auto_wishes struct isle_wishes wishes = ISLE_WISHES_INIT;

		assert_int_equal(read_wishes("x", "1 created", *line, &wishes), -EBADMSG);
		assert_int_equal(wishes.count, 0);
	}
	for (line = (const char *const[]){"", "-x", ".x", "a/b", "a b", "\033", NULL}; *line; line++) {
		auto_wishes struct isle_wishes wishes = ISLE_WISHES_INIT;

		assert_int_equal(read_wishes(*line, "1 created", good[0], &wishes), -EBADMSG);
		assert_int_equal(read_wishes("x", "\033[2J", good[0], &wishes), -EBADMSG);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plan_is_read_as_written),
		cmocka_unit_test(test_large_plan_is_read_as_written),
		cmocka_unit_test(test_upper_may_be_the_end_of_path),
		cmocka_unit_test(test_damaged_plan_is_refused),
		cmocka_unit_test(test_id_stands_for_host_states),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_answers_are_found_again),
		cmocka_unit_test(test_selection_is_closed),
		cmocka_unit_test(test_wishes_are_well_formed),
		unit_dir_test(test_subtrees_that_may_move),
		unit_dir_test(test_copies_are_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
