/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One change as a patch in git's form, which patch(1) and git-apply(1) accept, and lines for what a patch cannot say.
 *
 * 1. Lines that are not part of a patch begin with "# " and stand before a "diff --git" line: both programs pass over
 *    what precedes it. So no "diff --git" line is printed for what has no patch (binary files, other types).
 * 2. Names are quoted as git does, so that none can forge a line. Content lines carry a prefix, so they cannot either.
 * 3. Content is raw unless ISLE_REVIEW_ESCAPE is set: a patch must hold the very bytes.
 * 4. What changes its type is removed and made again, as git does it.
 * 5. What one of the two programs refuses is shown with "# " before each line, so that the rest still applies: git
 *    takes no path with a component ".git", patch(1) makes no directory where a file was, nor the reverse.
 */
#include "merge.h"
#include "moved_tree.h"
#include "path.h"
#include "quote.h"
#include "review_internal.h"
#include "units.h"
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

struct patch {
	const struct isle_review *review;
	const struct isle_change *change;
	struct isle_buf *buf;
	unsigned hunks; /* printed of this file */
	bool titled;	/* the "# KIND PATH" line is there */
};

/* --- lines --- */

static void add_colour(struct patch *p, enum isle_colour colour)
{
	isle_buf_adds(p->buf, isle_colour(p->review, colour));
}

static void end_line(struct patch *p)
{
	add_colour(p, ISLE_PLAIN);
	isle_buf_addc(p->buf, '\n');
}

/* "a/etc/hosts", quoted where it must be, and where a space would make the header ambiguous. */
static void add_name(struct isle_buf *buf, const char *prefix, const char *path)
{
	auto_buf struct isle_buf name = ISLE_BUF_INIT, quoted = ISLE_BUF_INIT;

	isle_buf_adds(&name, prefix);
	isle_buf_adds(&name, path + 1);
	isle_quote_add(&quoted, name.data);
	if (isle_buf_error(&name) < 0 || isle_buf_error(&quoted) < 0) {
		buf->error = -ENOMEM;
		return;
	}
	if (quoted.data[0] != '"' && strchr(quoted.data, ' '))
		isle_buf_addf(buf, "\"%s\"", quoted.data);
	else
		isle_buf_add(buf, quoted.data, quoted.size);
}

static void add_header(struct patch *p, const char *text, const char *prefix, const char *path)
{
	add_colour(p, ISLE_BOLD);
	isle_buf_adds(p->buf, text);
	if (path)
		add_name(p->buf, prefix, path);
	end_line(p);
}

static void add_git_line(struct patch *p, const char *before, const char *after)
{
	add_colour(p, ISLE_BOLD);
	isle_buf_adds(p->buf, "diff --git ");
	add_name(p->buf, "a/", before);
	isle_buf_addc(p->buf, ' ');
	add_name(p->buf, "b/", after);
	end_line(p);
}

static void add_mode_line(struct patch *p, const char *text, unsigned mode)
{
	add_colour(p, ISLE_BOLD);
	isle_buf_addf(p->buf, "%s %06o", text, mode);
	end_line(p);
}

/* "# KIND PATH", once: what the lines with "#" after it are about. */
static void add_title(struct patch *p)
{
	const struct isle_change *change = p->change;

	if (p->titled)
		return;
	p->titled = true;
	add_colour(p, ISLE_BOLD);
	isle_buf_addf(p->buf, "# %s ", isle_change_kind_name(change->kind));
	isle_quote_add(p->buf, change->path);
	if (change->kind == ISLE_RENAME) {
		isle_buf_adds(p->buf, " from ");
		isle_quote_add(p->buf, change->from);
	}
	end_line(p);
}

/* --- content --- */

static int add_content_line(enum isle_diff_part part, const char *text, size_t size, void *arg)
{
	static const struct {
		const char *prefix;
		enum isle_colour colour;
	} parts[] = {
		[ISLE_DIFF_HUNK] = {"", ISLE_CYAN},	   [ISLE_DIFF_SAME] = {" ", ISLE_PLAIN},
		[ISLE_DIFF_REMOVED] = {"-", ISLE_RED},	   [ISLE_DIFF_ADDED] = {"+", ISLE_GREEN},
		[ISLE_DIFF_NO_NEWLINE] = {"", ISLE_PLAIN},
	};
	struct patch *p = arg;
	bool coloured = part != ISLE_DIFF_SAME;

	if (coloured)
		add_colour(p, parts[part].colour);
	isle_buf_adds(p->buf, parts[part].prefix);
	if (p->review->flags & ISLE_REVIEW_ESCAPE)
		isle_quote_text_add(p->buf, text, size);
	else
		isle_buf_add(p->buf, text, size);
	/* A patch may have any words there. */
	if (part == ISLE_DIFF_HUNK && (p->review->flags & ISLE_REVIEW_HUNKS))
		isle_buf_addf(p->buf, " hunk %u", ++p->hunks);
	if (coloured)
		add_colour(p, ISLE_PLAIN);
	return isle_buf_addc(p->buf, '\n');
}

/* The hunks between two texts; a side without an object is NULL. */
static int add_hunks(struct patch *p, const struct isle_diff *diff, const char *before, const char *after)
{
	if (diff->added == 0 && diff->removed == 0)
		return 0;
	p->hunks = 0;
	add_header(p, before ? "--- " : "--- /dev/null", "a/", before);
	add_header(p, after ? "+++ " : "+++ /dev/null", "b/", after);
	return isle_diff_unified(diff, ISLE_HUNK_CONTEXT, add_content_line, p);
}

static unsigned git_mode(uint32_t mode)
{
	if (S_ISLNK(mode))
		return 0120000;
	return mode & S_IXUSR ? 0100755 : 0100644;
}

/* A new or removed text as a whole: the file of this path, with git's mode. */
static int add_whole(struct patch *p, struct isle_text text, enum isle_change_side side, const char *path,
		     unsigned mode)
{
	auto_diff struct isle_diff diff = ISLE_DIFF_INIT;
	const struct isle_text none = {"", 0};
	bool made = side == ISLE_AFTER;
	int r = made ? isle_diff_lines(none, text, &diff) : isle_diff_lines(text, none, &diff);

	if (r < 0)
		return r;
	add_git_line(p, path, path);
	add_mode_line(p, made ? "new file mode" : "deleted file mode", mode);
	/* Without hunks patch(1) wants to know from the hash of the empty blob that the file is empty. */
	if (text.size == 0)
		add_header(p, made ? "index 0000000..e69de29" : "index e69de29..0000000", "", NULL);
	return add_hunks(p, &diff, made ? NULL : path, made ? path : NULL);
}

static int add_own_whole(struct patch *p, struct isle_text text, enum isle_change_side side)
{
	if (side == ISLE_AFTER)
		return add_whole(p, text, side, p->change->path, git_mode(p->change->after.mode));
	return add_whole(p, text, side, isle_change_host(p->change), git_mode(p->change->before.mode));
}

static void add_no_text(struct patch *p, enum isle_content_state state)
{
	static const char *const words[] = {
		[ISLE_CONTENT_TEXT] = "text",
		[ISLE_CONTENT_BINARY] = "binary",
		[ISLE_CONTENT_LARGE] = "too large to compare by lines",
		[ISLE_CONTENT_UNREADABLE] = "cannot be read",
	};
	const struct isle_change *change = p->change;

	isle_buf_addf(p->buf, "#   content: %s, ", words[state]);
	if (S_ISREG(change->before.mode) && change->kind != ISLE_CREATE)
		isle_size_add(p->buf, change->before.size);
	if (S_ISREG(change->before.mode) && S_ISREG(change->after.mode) && change->kind != ISLE_CREATE)
		isle_buf_adds(p->buf, " -> ");
	if (S_ISREG(change->after.mode))
		isle_size_add(p->buf, change->after.size);
	isle_buf_addc(p->buf, '\n');
}

static int add_whole_file(struct patch *p, enum isle_change_side side)
{
	auto_content struct isle_content content = ISLE_CONTENT_INIT;
	int r = isle_content_read(p->review, p->change, side, &content);

	if (r < 0)
		return r;
	r = -E2BIG;
	if (content.state == ISLE_CONTENT_TEXT)
		r = add_own_whole(p, isle_content_text(&content), side);
	if (r != -E2BIG)
		return r;
	add_title(p);
	add_no_text(p, content.state == ISLE_CONTENT_TEXT ? ISLE_CONTENT_LARGE : content.state);
	return 0;
}

static int read_target(struct patch *p, enum isle_change_side side, char **ret_target)
{
	const char *name = NULL;
	auto_fd int dir = isle_change_at(p->review->isle, p->review->layers, p->change, side, &name);

	return dir < 0 ? dir : isle_readlink(dir, name, ret_target);
}

static int add_whole_symlink(struct patch *p, enum isle_change_side side)
{
	auto_free char *target = NULL;
	int r = read_target(p, side, &target);

	if (r < 0)
		return r == -ENOMEM ? r : 0;
	/* A patch cannot carry a line break in a target that has to be one line. */
	return add_own_whole(p, (struct isle_text){target, strlen(target)}, side);
}

/* The object on one side, as a patch that makes or removes it. */
static int add_object(struct patch *p, enum isle_change_side side)
{
	uint32_t mode = side == ISLE_BEFORE ? p->change->before.mode : p->change->after.mode;

	if (S_ISREG(mode))
		return add_whole_file(p, side);
	if (S_ISLNK(mode))
		return add_whole_symlink(p, side);
	return 0;
}

/* --- metadata --- */

static int read_meta(struct patch *p, enum isle_change_side side, struct isle_meta *meta)
{
	const char *name = NULL;
	auto_fd int dir = isle_change_at(p->review->isle, p->review->layers, p->change, side, &name);

	return dir < 0 ? dir : isle_meta_read(dir, name, meta);
}

static void add_described(struct patch *p, const char *lines)
{
	add_title(p);
	while (*lines) {
		size_t size = strcspn(lines, "\n");

		isle_buf_adds(p->buf, "#   ");
		isle_buf_add(p->buf, lines, size);
		isle_buf_addc(p->buf, '\n');
		lines += size + (lines[size] == '\n');
	}
}

/* Lines about what a patch does not say. A rename or modification has two sides, the rest one. */
static int describe(struct patch *p, struct isle_buf *lines)
{
	auto_meta struct isle_meta before = ISLE_META_INIT, after = ISLE_META_INIT;
	bool both = p->change->kind == ISLE_MODIFY || p->change->kind == ISLE_METADATA ||
		    p->change->kind == ISLE_RENAME;
	int r = read_meta(p, ISLE_AFTER, &after);

	both = both && p->change->before.mode;
	if (r >= 0 && both)
		r = read_meta(p, ISLE_BEFORE, &before);
	if (r < 0)
		return r == -ENOMEM ? r : 0;
	return isle_describe_meta(lines, both ? &before : NULL, &after, p->change->diff);
}

static void add_special(struct patch *p, struct isle_buf *lines)
{
	const struct isle_stat *after = &p->change->after;

	if (S_ISCHR(after->mode) || S_ISBLK(after->mode))
		isle_buf_addf(lines, "device %" PRIu32 ":%" PRIu32 "\n", after->rdev_major, after->rdev_minor);
	if (p->change->kind == ISLE_REPLACE)
		isle_buf_addf(lines, "type %s -> %s\n", isle_type_name(p->change->before.mode),
			      isle_type_name(after->mode));
	else if (p->change->kind == ISLE_CREATE && !S_ISREG(after->mode) && !S_ISLNK(after->mode))
		isle_buf_addf(lines, "type %s\n", isle_type_name(after->mode));
	if (p->change->diff == ISLE_META_MTIME)
		isle_buf_adds(lines, "times only\n");
	if (p->change->blind)
		isle_buf_adds(lines, "cannot be read: what is in it is not shown\n");
}

static int add_meta(struct patch *p)
{
	auto_buf struct isle_buf lines = ISLE_BUF_INIT;
	int r;

	add_special(p, &lines);
	r = describe(p, &lines);
	if (r >= 0)
		r = isle_buf_error(&lines);
	if (r < 0)
		return r;
	if (lines.size > 0 || (p->change->kind == ISLE_RENAME && S_ISDIR(p->change->after.mode)))
		add_described(p, lines.size ? lines.data : "");
	return 0;
}

/* A component ".git", in any case, as git sees it. */
static bool names_git(const char *path)
{
	for (const char *at = strchr(path, '/'); at; at = strchr(at + 1, '/'))
		if (strncasecmp(at + 1, ".git", 4) == 0 && (at[5] == '/' || at[5] == '\0'))
			return true;
	return false;
}

/* --- changes --- */

static void add_rename_lines(struct patch *p)
{
	bool same = !(p->change->diff & ISLE_DIFF_CONTENT);

	if (!p->change->from || strcmp(p->change->from, p->change->path) == 0)
		return;
	add_header(p, same ? "similarity index 100%" : "similarity index 50%", "", NULL);
	add_header(p, "rename from ", "", p->change->from);
	add_header(p, "rename to ", "", p->change->path);
}

/* What stays in place: old and new mode, the new name, the hunks. */
static int add_modified(struct patch *p)
{
	const struct isle_change *change = p->change;
	auto_contents struct isle_contents contents = ISLE_CONTENTS_INIT;
	bool modes = (change->diff & ISLE_META_MODE) && git_mode(change->before.mode) != git_mode(change->after.mode);
	int r = 0;

	if (change->diff & ISLE_DIFF_CONTENT)
		r = isle_contents_compare(p->review, change, &contents);
	if (r < 0)
		return r;
	if (contents.state != ISLE_CONTENT_TEXT) {
		add_title(p);
		add_no_text(p, contents.state);
		return 0;
	}
	if (contents.diff.coarse) {
		add_title(p);
		isle_buf_adds(p->buf, "#   content: too different to find the shortest difference\n");
	}
	if (!modes && !change->from && contents.diff.added == 0 && contents.diff.removed == 0)
		return 0;
	add_git_line(p, isle_change_host(change), change->path);
	if (modes) {
		add_mode_line(p, "old mode", git_mode(change->before.mode));
		add_mode_line(p, "new mode", git_mode(change->after.mode));
	}
	add_rename_lines(p);
	return add_hunks(p, &contents.diff, isle_change_host(change), change->path);
}

static int add_link(struct patch *p, const char *path, const char *target, enum isle_change_side side)
{
	return add_whole(p, (struct isle_text){target, strlen(target)}, side, path, 0120000);
}

/* One file of a renamed directory. patch(1) renames no symbolic links: those are removed and made again. */
static int add_moved_file(const char *from, const char *to, const char *target, void *arg)
{
	struct patch *p = arg;
	int r;

	if (names_git(from) || names_git(to))
		return 0;
	if (target) {
		r = add_link(p, from, target, ISLE_BEFORE);
		return r < 0 ? r : add_link(p, to, target, ISLE_AFTER);
	}
	add_git_line(p, from, to);
	add_header(p, "similarity index 100%", "", NULL);
	add_header(p, "rename from ", "", from);
	add_header(p, "rename to ", "", to);
	return isle_buf_error(p->buf);
}

static int add_renamed_directory(struct patch *p)
{
	auto_host_paths struct isle_host_paths taken = {0};
	auto_buf struct isle_buf files = ISLE_BUF_INIT;
	struct patch inner = {.review = p->review, .change = p->change, .buf = &files};
	int r = isle_host_paths_init(&taken, p->review->changes);

	if (r >= 0)
		r = isle_moved_files(p->review, p->change, &taken, add_moved_file, &inner);
	if (r < 0)
		return r;
	add_title(p);
	if (r > 0)
		isle_buf_adds(p->buf, "#   more files move along than are listed here\n");
	return isle_buf_add(p->buf, files.data ? files.data : "", files.size);
}

static int add_body(struct patch *p)
{
	const struct isle_change *change = p->change;
	bool regular = S_ISREG(change->after.mode);

	switch (change->kind) {
	case ISLE_CREATE:
	case ISLE_REPLACE:
		return add_object(p, ISLE_AFTER);
	case ISLE_MODIFY:
		if (S_ISLNK(change->after.mode))
			return add_object(p, ISLE_AFTER);
		return regular && change->before.mode ? add_modified(p) : add_object(p, ISLE_AFTER);
	case ISLE_READ_ONLY:
	case ISLE_METADATA:
		return regular ? add_modified(p) : 0;
	case ISLE_RENAME:
		if (S_ISLNK(change->after.mode))
			return add_object(p, ISLE_AFTER);
		if (S_ISDIR(change->after.mode))
			return add_renamed_directory(p);
		return regular ? add_modified(p) : 0;
	case ISLE_DELETE:
		return 0;
	}
	return 0;
}

static bool is_refused(struct patch *p)
{
	return names_git(p->change->path) || names_git(isle_change_host(p->change)) ||
	       isle_in_swapped_directory(p->review, p->change);
}

/* Puts a "# " before each line that has none. */
static void comment_out(struct isle_buf *buf, const struct isle_buf *patch)
{
	const char *at = patch->data, *end = patch->data + patch->size;

	while (at && at < end) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));
		size_t size = (size_t)((newline ? newline + 1 : end) - at);

		if (*at != '#')
			isle_buf_adds(buf, "# ");
		isle_buf_add(buf, at, size);
		at += size;
	}
}

/* Runs add on a buffer of its own and takes that over. */
static int add_checked(struct patch *p, int (*add)(struct patch *))
{
	auto_buf struct isle_buf patch = ISLE_BUF_INIT;
	struct isle_buf *buf = p->buf;
	int r;

	if (!is_refused(p)) {
		r = add(p);
		return r < 0 ? r : isle_buf_error(buf);
	}
	p->buf = &patch;
	r = add(p);
	p->buf = buf;
	if (r >= 0)
		r = isle_buf_error(&patch);
	if (r >= 0 && patch.size > 0) {
		add_title(p);
		comment_out(buf, &patch);
	}
	return r < 0 ? r : isle_buf_error(buf);
}

static void add_notes(struct patch *p)
{
	const struct isle_path_note *note = isle_notes_find(p->review->notes, p->change->path);
	uint32_t names = p->change->before.nlink, uid = 0, gid = 0;

	if (note != NULL && note->split && names > 1) {
		add_title(p);
		isle_buf_addf(p->buf, "#   %u other name%s on the host keep%s the old content\n", names - 1,
			      names == 2 ? "" : "s", names == 2 ? "s" : "");
	}
	if (isle_wished_owner(p->change, note, &uid, &gid)) {
		add_title(p);
		isle_buf_addf(p->buf, "#   owner wanted: %u:%u\n", uid, gid);
	}
}

static int add_all(struct patch *p)
{
	int r = add_meta(p);

	add_notes(p);
	return r < 0 ? r : add_body(p);
}

int isle_patch_add(const struct isle_review *review, const struct isle_change *change, struct isle_buf *buf)
{
	struct patch p = {.review = review, .change = change, .buf = buf};

	return change->kind == ISLE_DELETE ? 0 : add_checked(&p, add_all);
}

/* --- removals --- */

static bool is_removed(const struct isle_change *change)
{
	return change->kind == ISLE_DELETE || change->kind == ISLE_REPLACE ||
	       ((change->kind == ISLE_MODIFY || change->kind == ISLE_RENAME) && S_ISLNK(change->before.mode));
}

static int add_removal(struct patch *p)
{
	const struct isle_change *change = p->change;

	if (change->kind == ISLE_DELETE && !S_ISREG(change->before.mode) && !S_ISLNK(change->before.mode)) {
		add_title(p);
		isle_buf_addf(p->buf, "#   type %s\n", isle_type_name(change->before.mode));
	}
	return add_object(p, ISLE_BEFORE);
}

int isle_patch_add_removal(const struct isle_review *review, const struct isle_change *change, struct isle_buf *buf)
{
	struct patch p = {.review = review, .change = change, .buf = buf};

	return is_removed(change) ? add_checked(&p, add_removal) : 0;
}
