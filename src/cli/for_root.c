/* SPDX-License-Identifier: Apache-2.0 */
/* The user's side of `isle commit --user` (as_user.h). */
#include "as_user.h"
#include "io.h"
#include "owners.h"
#include "review.h"
#include <errno.h>
#include <string.h>
#include <unistd.h>

struct gathering {
	struct isle_map places;
	struct isle_wishes wishes;
};

static void gathering_done(struct gathering *g)
{
	isle_map_done(&g->places);
	isle_wishes_done(&g->wishes);
}
#define auto_gathering __attribute__((cleanup(gathering_done)))

/* Of what is committed only; what is wished to be as it is need not be said. */
static int take(const struct isle_change *change, uint32_t uid, uint32_t gid, void *data)
{
	struct gathering *g = data;
	struct isle_wish wish = {.path = change->path, .uid = uid, .gid = gid, .mode = change->after.mode};

	if ((uid == geteuid() && gid == getegid()) || !isle_places_have(&g->places, change->path))
		return 0;
	return isle_wishes_add(&g->wishes, &wish);
}

static int gather(const struct isle_keep *keep, const struct isle_plan *plan, struct gathering *g, struct isle_err *err)
{
	auto_layers struct isle_layers layers = ISLE_LAYERS_INIT;
	auto_changes struct isle_changes changes = ISLE_CHANGES_INIT;
	auto_notes struct isle_notes notes = ISLE_NOTES_INIT;
	struct isle_review review = {.isle = keep->isle, .layers = &layers, .changes = &changes, .notes = &notes};
	int r = isle_layers_read(keep->isle, &layers, err);

	if (r >= 0)
		r = isle_changes_scan(keep->store, keep->isle, &layers, ISLE_SCAN_ALL, &changes, err);
	if (r >= 0)
		r = isle_notes_load(keep->isle, &notes, err);
	if (r < 0)
		return r;
	g->wishes.isle = strdup(keep->isle->name);
	g->wishes.summary = isle_summary_text(&plan->summary);
	r = g->wishes.isle && g->wishes.summary ? isle_plan_places(plan, &g->places) : -ENOMEM;
	if (r >= 0)
		r = isle_review_wished(&review, take, g);
	return r < 0 ? isle_err_errno(err, r, "cannot tell which owners were asked for") : 0;
}

bool isle_for_root_confirm(const struct isle_plan *plan, void *data)
{
	auto_gathering struct gathering g = {.places = ISLE_MAP_INIT, .wishes = ISLE_WISHES_INIT};
	auto_buf struct isle_buf text = ISLE_BUF_INIT;
	struct isle_err err = ISLE_ERR_INIT;
	char answer = 'n';
	int r = gather(data, plan, &g, &err);

	if (r >= 0)
		r = isle_wishes_write(&g.wishes, &text);
	if (r >= 0)
		r = isle_write_all(STDOUT_FILENO, text.data, text.size);
	if (r < 0) {
		if (!err.code)
			isle_err_errno(&err, r, "cannot tell root");
		isle_err_print(&err);
		return false;
	}
	while ((r = (int)read(STDIN_FILENO, &answer, 1)) < 0 && errno == EINTR)
		;
	return r == 1 && answer == 'y';
}
