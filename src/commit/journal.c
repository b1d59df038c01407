/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A plan on disk.
 *
 *   "isle-plan 3\n"  header  sites  actions  summary  notes  leaving  id[64]  checksum[64]
 *
 * A number is 7 bits in each byte, the lowest first, with the eighth bit set in all but the last; strings and blobs are
 * a number and the bytes; a string's length is plus one so that 0 is NULL. The checksum is the SHA-256 of all before
 * it: a plan that a power loss cut short is not taken for one. One table of fields serves writing, reading and hashing,
 * so none can be forgotten in one of them.
 */
#include "plan.h"
#include <errno.h>
#include <string.h>

static const char magic[] = "isle-plan 3\n";

enum { STRING_LIMIT = 1 << 20, COUNT_LIMIT = 1 << 28, STAGE_SIZE = 16384, NUMBER_SIZE = 10 };

enum mode { WRITE, READ };

struct coder {
	enum mode mode;
	struct isle_buf *out;
	struct isle_sha256 *sha; /* instead of out */
	const unsigned char *at, *end;
	unsigned char *stage; /* STAGE_SIZE: what is written goes by way of this, since most of it are single bytes */
	size_t staged;
	int error;
};

static void hand_over(struct coder *c, const void *data, size_t size)
{
	if (c->sha)
		isle_sha256_add(c->sha, data, size);
	else if (isle_buf_add(c->out, data, size) < 0)
		c->error = isle_buf_error(c->out);
}

/* To be called at the end. */
static void flush(struct coder *c)
{
	hand_over(c, c->stage, c->staged);
	c->staged = 0;
}

static void write_bytes(struct coder *c, const void *data, size_t size)
{
	if (size > STAGE_SIZE - c->staged)
		flush(c);
	if (size > STAGE_SIZE) {
		hand_over(c, data, size);
	} else if (size > 0) {
		memcpy(c->stage + c->staged, data, size);
		c->staged += size;
	}
}

static void write_u64(struct coder *c, uint64_t value)
{
	unsigned char *to;

	if (c->staged > STAGE_SIZE - NUMBER_SIZE)
		flush(c);
	to = c->stage + c->staged;
	for (; value >= 128; value >>= 7)
		*to++ = (unsigned char)(value | 128);
	*to++ = (unsigned char)value;
	c->staged = (size_t)(to - c->stage);
}

static void code_u64(struct coder *c, uint64_t *value)
{
	uint64_t sum = 0;
	unsigned shift;

	if (c->error)
		return;
	if (c->mode == WRITE) {
		write_u64(c, *value);
		return;
	}
	for (shift = 0; shift < 64 && c->at < c->end; shift += 7) {
		unsigned char byte = *c->at++;

		sum |= (uint64_t)(byte & 127) << shift;
		if (byte < 128) {
			*value = sum;
			return;
		}
	}
	c->error = -EBADMSG;
}

static void code_i64(struct coder *c, int64_t *value)
{
	uint64_t v = (uint64_t)*value;

	code_u64(c, &v);
	*value = (int64_t)v;
}

static void code_u32(struct coder *c, uint32_t *value)
{
	uint64_t v = *value;

	code_u64(c, &v);
	*value = (uint32_t)v;
}

/* A count of things that each take at least one byte. */
static void code_count(struct coder *c, size_t *value)
{
	uint64_t v = *value;

	code_u64(c, &v);
	if (c->mode == READ && !c->error && (v > COUNT_LIMIT || v > (uint64_t)(c->end - c->at)))
		c->error = -EBADMSG;
	*value = c->error ? 0 : (size_t)v;
}

/* Read, the bytes stay where they are: in plan->storage. */
static void code_view(struct coder *c, void **data, size_t *size)
{
	code_count(c, size);
	if (c->error)
		return;
	if (c->mode == WRITE) {
		write_bytes(c, *data, *size);
		return;
	}
	*data = (void *)c->at;
	c->at += *size;
}

static void code_string(struct coder *c, char **string)
{
	uint64_t size = *string ? strlen(*string) + 1 : 0;

	code_u64(c, &size);
	if (c->error || size == 0) {
		if (c->mode == READ)
			*string = NULL;
		return;
	}
	if (c->mode == WRITE) {
		write_bytes(c, *string, size - 1);
		return;
	}
	if (size > STRING_LIMIT || size - 1 > (uint64_t)(c->end - c->at) || memchr(c->at, '\0', size - 1)) {
		c->error = -EBADMSG;
		return;
	}
	*string = strndup((const char *)c->at, size - 1);
	if (!*string)
		c->error = -ENOMEM;
	c->at += size - 1;
}

static void code_time(struct coder *c, struct statx_timestamp *time)
{
	int64_t seconds = time->tv_sec;

	code_i64(c, &seconds);
	code_u32(c, &time->tv_nsec);
	time->tv_sec = seconds;
}

static void code_stat(struct coder *c, struct isle_stat *st)
{
	code_u64(c, &st->dev);
	code_u64(c, &st->ino);
	code_u64(c, &st->size);
	code_u32(c, &st->mode);
	code_u32(c, &st->uid);
	code_u32(c, &st->gid);
	code_u32(c, &st->nlink);
	code_u32(c, &st->rdev_major);
	code_u32(c, &st->rdev_minor);
	code_time(c, &st->mtime);
	code_time(c, &st->ctime);
}

static void code_xattrs(struct coder *c, struct isle_xattr **list, size_t *count)
{
	size_t i;

	code_count(c, count);
	if (c->error || *count == 0)
		return;
	if (c->mode == READ) {
		*list = calloc(*count, sizeof(**list));
		if (!*list) {
			*count = 0;
			c->error = -ENOMEM;
			return;
		}
	}
	for (i = 0; i < *count; i++) {
		struct isle_xattr *x = &(*list)[i];
		void *name = x->name;
		size_t size = c->mode == WRITE ? strlen(x->name) + 1 : 0;

		code_view(c, &name, &size);
		if (c->mode == READ && (c->error || !name || size == 0 || ((char *)name)[size - 1] != '\0')) {
			*count = i;
			c->error = c->error ? c->error : -EBADMSG;
			return;
		}
		x->name = name;
		code_view(c, &x->value, &x->size);
	}
}

static void code_names(struct coder *c, const struct isle_xattrs *attributes)
{
	size_t i, count = attributes->count;

	code_count(c, &count);
	for (i = 0; i < attributes->count; i++)
		code_string(c, &attributes->list[i].name);
}

static void code_meta(struct coder *c, struct isle_meta **meta)
{
	uint32_t there = *meta != NULL, mode;
	struct isle_meta *m;

	code_u32(c, &there);
	if (c->error || there == 0)
		return;
	if (c->mode == READ)
		*meta = calloc(1, sizeof(**meta));
	m = *meta;
	if (!m) {
		c->error = -ENOMEM;
		return;
	}
	mode = m->st.stx_mode;
	code_u32(c, &mode);
	m->st.stx_mode = (uint16_t)mode;
	code_u32(c, &m->st.stx_uid);
	code_u32(c, &m->st.stx_gid);
	code_u64(c, (uint64_t *)&m->st.stx_size);
	code_time(c, &m->st.stx_mtime);
	code_xattrs(c, &m->xattrs, &m->xattr_count);
}

static void code_linked(struct coder *c, struct isle_action *action)
{
	uint32_t there = action->linked != NULL;

	code_u32(c, &there);
	if (c->error || there == 0)
		return;
	if (c->mode == READ)
		action->linked = calloc(1, sizeof(*action->linked));
	if (action->linked)
		code_stat(c, action->linked);
	else
		c->error = -ENOMEM;
}

/* What says nothing about what is done: outside the id. */
static void code_notes(struct coder *c, struct isle_plan *plan)
{
	size_t i;

	for (i = 0; i < plan->action_count; i++) {
		struct isle_action *action = &plan->actions[i];

		if (action->old_meta)
			code_time(c, &action->old_meta->st.stx_atime);
		if (action->new_meta)
			code_time(c, &action->new_meta->st.stx_atime);
		if (action->prepare == ISLE_PREPARE_HOST)
			code_linked(c, action);
	}
}

static void code_enum(struct coder *c, unsigned *value, unsigned limit)
{
	code_u32(c, value);
	if (c->mode == READ && *value > limit)
		c->error = -EBADMSG;
}

static void code_action(struct coder *c, struct isle_action *action)
{
	unsigned kind = action->kind, prepare = action->prepare, change = action->change;

	code_enum(c, &kind, ISLE_ACTION_CARRY);
	code_enum(c, &prepare, ISLE_PREPARE_BACKUP);
	code_enum(c, &change, ISLE_METADATA);
	action->kind = (enum isle_action_kind)kind;
	action->prepare = (enum isle_prepare)prepare;
	action->change = (enum isle_change_kind)change;
	code_u32(c, &action->flags);
	code_u32(c, &action->site);
	code_u32(c, &action->what);
	code_u32(c, &action->diff);
	code_u32(c, &action->marks);
	code_enum(c, &action->compose, ISLE_COMPOSE_HUNKS);
	code_u64(c, &action->base_size);
	code_string(c, &action->hunks);
	code_u32(c, &action->pair);
	code_string(c, &action->path);
	code_string(c, &action->from);
	code_string(c, &action->upper);
	code_string(c, &action->park);
	code_string(c, &action->index);
	code_stat(c, &action->old);
	code_stat(c, &action->new);
	code_meta(c, &action->old_meta);
	code_meta(c, &action->new_meta);
	/* The id is the same whether the values were read or not (ISLE_COMMIT_SHOW). */
	if (c->sha)
		code_names(c, &action->overlay);
	else
		code_xattrs(c, &action->overlay.list, &action->overlay.count);
}

static void code_site(struct coder *c, struct isle_site *site)
{
	uint32_t user = site->user;

	code_u32(c, &site->layer);
	code_u32(c, &user);
	site->user = user != 0;
	code_string(c, &site->path);
	code_string(c, &site->place);
}

static void code_header(struct coder *c, struct isle_plan *plan)
{
	uint32_t kind = plan->kind, whole = plan->whole;
	char *id = c->mode == WRITE ? plan->isle_id : NULL;

	code_enum(c, &kind, ISLE_OPERATION_UNDO);
	plan->kind = (enum isle_operation_kind)kind;
	code_string(c, &id);
	if (c->mode == READ && id) {
		snprintf(plan->isle_id, sizeof(plan->isle_id), "%s", id);
		free(id);
	}
	code_string(c, &plan->isle_name);
	code_i64(c, &plan->target);
	code_u32(c, &whole);
	plan->whole = whole != 0;
}

static void *new_list(struct coder *c, size_t count, size_t size)
{
	void *list;

	if (c->error || count == 0)
		return NULL;
	list = calloc(count, size);
	if (!list)
		c->error = -ENOMEM;
	return list;
}

static void code_lists(struct coder *c, struct isle_plan *plan)
{
	size_t i, count = plan->site_count;

	code_count(c, &count);
	if (c->mode == READ) {
		plan->sites = new_list(c, count, sizeof(*plan->sites));
		plan->site_count = plan->sites ? count : 0;
	}
	for (i = 0; i < plan->site_count && !c->error; i++)
		code_site(c, &plan->sites[i]);
	count = plan->action_count;
	code_count(c, &count);
	if (c->mode == READ) {
		plan->actions = new_list(c, count, sizeof(*plan->actions));
		plan->action_count = plan->action_room = plan->actions ? count : 0;
	}
	for (i = 0; i < plan->action_count && !c->error; i++)
		code_action(c, &plan->actions[i]);
}

/* Not in the plans of earlier versions, which end before it. */
static void code_leaving(struct coder *c, struct isle_plan *plan)
{
	size_t count = plan->leaving_count;

	if (c->mode == READ && c->at == c->end)
		return;
	code_count(c, &count);
	if (c->mode == READ) {
		plan->leaving = new_list(c, count, sizeof(*plan->leaving));
		plan->leaving_count = plan->leaving_room = plan->leaving ? count : 0;
	}
	for (size_t i = 0; i < plan->leaving_count && !c->error; i++) {
		code_u32(c, &plan->leaving[i].site);
		code_string(c, &plan->leaving[i].upper);
		code_u64(c, &plan->leaving[i].ino);
	}
}

static void code_summary(struct coder *c, struct isle_summary *summary)
{
	code_u64(c, &summary->create);
	code_u64(c, &summary->modify);
	code_u64(c, &summary->remove);
	code_u64(c, &summary->rename);
	code_u64(c, &summary->replace);
	code_u64(c, &summary->metadata);
	code_u64(c, &summary->entries);
	code_u64(c, &summary->bytes);
	code_u32(c, &summary->marks);
}

/* Everything that the id stands for. A writer only reads *plan. */
static void code_core(struct coder *c, struct isle_plan *plan)
{
	code_header(c, plan);
	code_lists(c, plan);
	code_summary(c, &plan->summary);
}

static void hash_hex(const void *data, size_t size, char ret_hex[ISLE_SHA256_HEX])
{
	struct isle_sha256 sha;

	isle_sha256_init(&sha);
	isle_sha256_add(&sha, data, size);
	isle_sha256_hex(&sha, ret_hex);
}

int isle_plan_identify(struct isle_plan *plan)
{
	unsigned char stage[STAGE_SIZE];
	struct isle_sha256 sha;
	struct coder c = {.mode = WRITE, .sha = &sha, .stage = stage};

	isle_sha256_init(&sha);
	code_core(&c, plan);
	write_bytes(&c, plan->contents, strlen(plan->contents));
	if (c.error)
		return c.error;
	flush(&c);
	isle_sha256_hex(&sha, plan->id);
	return 0;
}

int isle_plan_write(const struct isle_plan *plan, struct isle_buf *buf)
{
	struct isle_plan *writable = (struct isle_plan *)plan;
	unsigned char stage[STAGE_SIZE];
	struct coder c = {.mode = WRITE, .out = buf, .stage = stage};
	char hex[ISLE_SHA256_HEX];
	int64_t stamp = plan->stamp, end = plan->end;

	isle_buf_adds(buf, magic);
	code_core(&c, writable);
	code_notes(&c, writable);
	code_i64(&c, &stamp);
	code_i64(&c, &end);
	code_leaving(&c, writable);
	flush(&c);
	if (c.error)
		return c.error;
	isle_buf_add(buf, plan->id, ISLE_SHA256_HEX - 1);
	if (isle_buf_error(buf) < 0)
		return isle_buf_error(buf);
	hash_hex(buf->data, buf->size, hex);
	return isle_buf_add(buf, hex, ISLE_SHA256_HEX - 1);
}

/* Has the metadata that its kind needs. */
static bool has_metas(const struct isle_action *action)
{
	bool made = (action->flags & ISLE_ACTION_HIDDEN) != 0;

	switch (action->kind) {
	case ISLE_ACTION_META:
		return action->new_meta && (made || action->old_meta);
	case ISLE_ACTION_WRITE:
	case ISLE_ACTION_REVERT:
		return action->new_meta && action->old_meta;
	default:
		return action->prepare != ISLE_PREPARE_MKDIR || action->new_meta;
	}
}

static bool plan_sound(const struct isle_plan *plan)
{
	size_t i;

	for (i = 0; i < plan->action_count; i++) {
		const struct isle_action *action = &plan->actions[i];

		if (action->site >= plan->site_count || action->pair >= plan->action_count || !action->path ||
		    !has_metas(action))
			return false;
	}
	for (i = 0; i < plan->leaving_count; i++)
		if (plan->leaving[i].site >= plan->site_count || !plan->leaving[i].upper)
			return false;
	return true;
}

int isle_plan_read(const void *data, size_t size, struct isle_plan *ret_plan)
{
	auto_plan struct isle_plan plan = ISLE_PLAN_INIT;
	const size_t hex = ISLE_SHA256_HEX - 1, head = sizeof(magic) - 1;
	const unsigned char *bytes = data;
	struct coder c = {.mode = READ};
	char sum[ISLE_SHA256_HEX];

	if (size < head + 2 * hex || memcmp(bytes, magic, head) != 0)
		return -EBADMSG;
	hash_hex(bytes, size - hex, sum);
	if (memcmp(sum, bytes + size - hex, hex) != 0)
		return -EBADMSG;
	plan.storage = malloc(size);
	if (!plan.storage)
		return -ENOMEM;
	memcpy(plan.storage, bytes, size);
	c.at = (unsigned char *)plan.storage + head;
	c.end = (unsigned char *)plan.storage + size - 2 * hex;
	code_core(&c, &plan);
	code_notes(&c, &plan);
	code_i64(&c, &plan.stamp);
	code_i64(&c, &plan.end);
	code_leaving(&c, &plan);
	if (c.error)
		return c.error;
	if (c.at != c.end || !plan_sound(&plan))
		return -EBADMSG;
	memcpy(plan.id, c.end, hex);
	*ret_plan = plan;
	plan = ISLE_PLAN_INIT;
	return 0;
}
