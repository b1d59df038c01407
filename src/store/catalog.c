/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two files hold what catalog.h promises: catalog.db, and `runs`, a queue in front of it.
 *
 * 1. A record of the queue is one netstring ("LENGTH:BYTES,") of NUL-terminated fields, appended by one write(2) under
 *    flock(2). A torn last record (power loss) is dropped with what follows it.
 * 2. The importer holds the same lock from the first read to the ftruncate(2), and inserts with a unique key: an
 *    import that died before the truncation is repeated without harm.
 * 3. WAL, synchronous=NORMAL: the database is consistent after a power loss. SQLite's checkpoint when the last
 *    connection closes is turned off since it syncs; instead a WAL past WAL_LIMIT is checkpointed when an operation
 *    is added, which is followed by a sync anyway.
 */
#include "catalog.h"
#include "buf.h"
#include "io.h"
#include "path.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	SCHEMA_VERSION = 1,
	BUSY_MILLISECONDS = 10000,
	WAL_LIMIT = 512 * 1024,
	QUEUE_LIMIT = 256 * 1024 * 1024,
};

struct isle_catalog {
	sqlite3 *db;
	int store_fd; /* borrowed */
};

static const char schema[] =
	"CREATE TABLE IF NOT EXISTS run(isle TEXT NOT NULL, start INTEGER NOT NULL, name TEXT NOT NULL,"
	" argv BLOB NOT NULL, cwd BLOB NOT NULL, end INTEGER NOT NULL, status INTEGER NOT NULL,"
	" PRIMARY KEY(isle, start)) WITHOUT ROWID;"
	"CREATE INDEX IF NOT EXISTS run_start ON run(start);"
	"CREATE TABLE IF NOT EXISTS operation(id INTEGER PRIMARY KEY, kind INTEGER NOT NULL, state INTEGER NOT NULL,"
	" isle TEXT NOT NULL, name TEXT NOT NULL, plan TEXT NOT NULL, target INTEGER NOT NULL, start INTEGER NOT NULL,"
	" end INTEGER NOT NULL, entries INTEGER NOT NULL, bytes INTEGER NOT NULL, summary TEXT NOT NULL);";

const char *isle_operation_kind_name(enum isle_operation_kind kind)
{
	static const char *const names[] = {"commit", "discard", "undo"};

	return (unsigned)kind < ARRAY_SIZE(names) ? names[kind] : "unknown";
}

const char *isle_operation_state_name(enum isle_operation_state state)
{
	static const char *const names[] = {"planned", "applying", "done", "rolled-back", "undone", "pruned"};

	return (unsigned)state < ARRAY_SIZE(names) ? names[state] : "unknown";
}

static int db_error(const struct isle_catalog *catalog, struct isle_err *err)
{
	int code;

	switch (sqlite3_errcode(catalog->db) & 0xff) {
	case SQLITE_NOMEM:
		code = -ENOMEM;
		break;
	case SQLITE_FULL:
		code = -ENOSPC;
		break;
	case SQLITE_READONLY:
		code = -EROFS;
		break;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		code = -EBUSY;
		break;
	default:
		code = -sqlite3_system_errno(catalog->db);
		if (!isle_is_no_room(code))
			code = -EIO;
	}
	return isle_err_text(err, code, "catalog.db: %s", sqlite3_errmsg(catalog->db));
}

static int db_exec(const struct isle_catalog *catalog, const char *sql, struct isle_err *err)
{
	if (sqlite3_exec(catalog->db, sql, NULL, NULL, NULL) != SQLITE_OK)
		return db_error(catalog, err);
	return 0;
}

static void statement_done(sqlite3_stmt **statement)
{
	sqlite3_finalize(*statement);
}
#define auto_statement __attribute__((cleanup(statement_done)))

static int db_prepare(const struct isle_catalog *catalog, const char *sql, sqlite3_stmt **ret_statement,
		      struct isle_err *err)
{
	if (sqlite3_prepare_v2(catalog->db, sql, -1, ret_statement, NULL) != SQLITE_OK)
		return db_error(catalog, err);
	return 0;
}

static int64_t db_number(const struct isle_catalog *catalog, const char *sql)
{
	auto_statement sqlite3_stmt *statement = NULL;

	if (db_prepare(catalog, sql, &statement, NULL) < 0 || sqlite3_step(statement) != SQLITE_ROW)
		return -1;
	return sqlite3_column_int64(statement, 0);
}

static int db_create(const struct isle_catalog *catalog, struct isle_err *err)
{
	char set_version[64];
	int r;

	r = db_exec(catalog, "PRAGMA journal_mode=WAL", err);
	if (r < 0)
		return r;
	r = db_exec(catalog, schema, err);
	if (r < 0)
		return r;
	snprintf(set_version, sizeof(set_version), "PRAGMA user_version=%d", SCHEMA_VERSION);
	return db_exec(catalog, set_version, err);
}

/* SQLite writes to a mapped file. Where a file system cannot give that room (blocks smaller than a page, copy on write)
 * the kernel knows no other way to say so. What was begun is as after a crash: the next command recovers. */
static void no_room(int signal)
{
	static const char text[] = "isle: catalog.db: there is no room on the file system of the store, or it fails\n";

	(void)signal;
	isle_ignore(write(STDERR_FILENO, text, sizeof(text) - 1));
	_exit(EXIT_FAILURE);
}

static void expect_no_room(void)
{
	const struct sigaction action = {.sa_handler = no_room, .sa_flags = (int)SA_RESETHAND};

	sigaction(SIGBUS, &action, NULL);
}

static int db_open(struct isle_catalog *catalog, const struct isle_store *store, struct isle_err *err)
{
	/* The store can be reached by a symbolic link, which SQLite is told not to follow. */
	auto_free char *real = realpath(isle_store_path(store), NULL);
	auto_free char *path = real == NULL ? NULL : isle_path_join(real, "catalog.db");
	int64_t version;
	int r;

	if (!path)
		return isle_err_errno(err, -ENOMEM, "catalog.db");
	r = sqlite3_open_v2(path, &catalog->db,
			    SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW,
			    NULL);
	if (r != SQLITE_OK)
		return catalog->db ? db_error(catalog, err) : isle_err_errno(err, -ENOMEM, "catalog.db");
	expect_no_room();
	sqlite3_busy_timeout(catalog->db, BUSY_MILLISECONDS);
	sqlite3_db_config(catalog->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	sqlite3_wal_autocheckpoint(catalog->db, 0);
	r = db_exec(catalog, "PRAGMA synchronous=NORMAL", err);
	if (r < 0)
		return r;
	version = db_number(catalog, "PRAGMA user_version");
	if (version < 0)
		return db_error(catalog, err);
	if (version > SCHEMA_VERSION)
		return isle_err_text(err, -EPROTO, "catalog.db was made by a newer isle");
	return version == SCHEMA_VERSION ? 0 : db_create(catalog, err);
}

/* The queue of runs. */

static void field_add(struct isle_buf *record, const char *field)
{
	isle_buf_add(record, field ? field : "", field ? strlen(field) + 1 : 1);
}

static int record_build(const struct isle_run_record *run, struct isle_buf *ret_line)
{
	auto_buf struct isle_buf record = ISLE_BUF_INIT;
	size_t i;
	int r;

	field_add(&record, run->isle_id);
	isle_buf_addf(&record, "%" PRId64, run->start);
	isle_buf_addc(&record, '\0');
	isle_buf_addf(&record, "%" PRId64, run->end);
	isle_buf_addc(&record, '\0');
	isle_buf_addf(&record, "%d", run->status);
	isle_buf_addc(&record, '\0');
	field_add(&record, run->name);
	field_add(&record, run->cwd);
	for (i = 0; run->argv && run->argv[i]; i++)
		field_add(&record, run->argv[i]);
	r = isle_buf_error(&record);
	if (r < 0)
		return r;
	isle_buf_addf(ret_line, "%zu:", record.size);
	isle_buf_add(ret_line, record.data, record.size);
	isle_buf_addc(ret_line, ',');
	return isle_buf_error(ret_line);
}

int isle_catalog_note_run(const struct isle_store *store, const struct isle_run_record *run, struct isle_err *err)
{
	auto_buf struct isle_buf line = ISLE_BUF_INIT;
	auto_fd int fd = -1;
	int r;

	r = record_build(run, &line);
	if (r < 0)
		return isle_err_errno(err, r, "cannot record the run");
	fd = openat(isle_store_fd(store), "runs", O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0 || flock(fd, LOCK_EX) < 0)
		return isle_err_errno(err, -errno, "cannot record the run");
	r = isle_write_all(fd, line.data, line.size);
	if (r < 0)
		return isle_err_errno(err, r, "cannot record the run");
	return 0;
}

/* The next field of a record, or NULL at its end. */
static const char *field_next(const char **at, const char *end)
{
	const char *field = *at;
	const char *nul;

	if (field >= end)
		return NULL;
	nul = memchr(field, '\0', end - field);
	if (!nul)
		return NULL;
	*at = nul + 1;
	return field;
}

static int record_import(const struct isle_catalog *catalog, sqlite3_stmt *insert, const char *at, const char *end)
{
	const char *fields[6];
	size_t i;
	int r;

	for (i = 0; i < ARRAY_SIZE(fields); i++) {
		fields[i] = field_next(&at, end);
		if (!fields[i])
			return 0;
	}
	sqlite3_reset(insert);
	sqlite3_bind_text(insert, 1, fields[0], -1, SQLITE_STATIC);
	sqlite3_bind_int64(insert, 2, strtoll(fields[1], NULL, 10));
	sqlite3_bind_text(insert, 3, fields[4], -1, SQLITE_STATIC);
	sqlite3_bind_blob(insert, 4, at, (int)(end - at), SQLITE_STATIC);
	sqlite3_bind_blob(insert, 5, fields[5], (int)strlen(fields[5]), SQLITE_STATIC);
	sqlite3_bind_int64(insert, 6, strtoll(fields[2], NULL, 10));
	sqlite3_bind_int64(insert, 7, strtoll(fields[3], NULL, 10));
	r = sqlite3_step(insert);
	return r == SQLITE_DONE ? 0 : db_error(catalog, NULL);
}

static int queue_insert(const struct isle_catalog *catalog, const struct isle_buf *queue, struct isle_err *err)
{
	auto_statement sqlite3_stmt *insert = NULL;
	const char *at = queue->data;
	const char *end = queue->data + queue->size;
	int r;

	r = db_prepare(catalog,
		       "INSERT INTO run(isle, start, name, argv, cwd, end, status) VALUES(?,?,?,?,?,?,?) "
		       "ON CONFLICT DO UPDATE SET end=max(end, excluded.end), status=excluded.status",
		       &insert, err);
	while (r >= 0 && at < end) {
		char *colon;
		unsigned long long size = strtoull(at, &colon, 10);

		if (colon == at || colon >= end || *colon != ':' || size >= (size_t)(end - colon - 1))
			break;
		at = colon + 1;
		r = record_import(catalog, insert, at, at + size);
		at += size + 1;
	}
	return r < 0 ? isle_err_text(err, r, "cannot take recorded runs into catalog.db") : 0;
}

/* Durable before the queue is emptied: else a loss of power could take the runs from both. */
static int queue_commit(const struct isle_catalog *catalog, const struct isle_buf *queue, struct isle_err *err)
{
	int r = db_exec(catalog, "PRAGMA synchronous=FULL", err);

	if (r >= 0)
		r = db_exec(catalog, "BEGIN IMMEDIATE", err);
	if (r < 0)
		return r;
	r = queue_insert(catalog, queue, err);
	if (r >= 0)
		r = db_exec(catalog, "COMMIT", err);
	if (r < 0) {
		sqlite3_exec(catalog->db, "ROLLBACK", NULL, NULL, NULL);
		return r;
	}
	return db_exec(catalog, "PRAGMA synchronous=NORMAL", err);
}

static int queue_import(const struct isle_catalog *catalog, struct isle_err *err)
{
	auto_buf struct isle_buf queue = ISLE_BUF_INIT;
	auto_fd int fd = -1;
	int r;

	fd = openat(catalog->store_fd, "runs", O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return errno == ENOENT ? 0 : isle_err_errno(err, -errno, "cannot read recorded runs");
	if (flock(fd, LOCK_EX) < 0)
		return isle_err_errno(err, -errno, "cannot read recorded runs");
	r = isle_read_all(fd, &queue, QUEUE_LIMIT);
	if (r < 0)
		return isle_err_errno(err, r, "cannot read recorded runs");
	if (queue.size == 0)
		return 0;
	r = queue_commit(catalog, &queue, err);
	if (r < 0)
		return r;
	if (ftruncate(fd, 0) < 0)
		return isle_err_errno(err, -errno, "cannot empty the queue of runs");
	return 0;
}

int isle_catalog_open(const struct isle_store *store, struct isle_catalog **ret_catalog, struct isle_err *err)
{
	auto_catalog struct isle_catalog *catalog = calloc(1, sizeof(*catalog));
	int r;

	if (!catalog)
		return isle_err_errno(err, -ENOMEM, "catalog.db");
	catalog->store_fd = isle_store_fd(store);
	r = db_open(catalog, store, err);
	if (r < 0)
		return r;
	/* What there is no room for stays in the queue. On a full disk one must be able to look, to take back and to
	 * free. */
	r = queue_import(catalog, err);
	if (r < 0 && !isle_is_no_room(r))
		return r;
	*ret_catalog = ptr_take(&catalog);
	return 0;
}

void isle_catalog_free(struct isle_catalog *catalog)
{
	if (!catalog)
		return;
	sqlite3_close(catalog->db);
	free(catalog);
}

static int run_deliver(sqlite3_stmt *row, int (*each)(const struct isle_run_record *run, void *data), void *data)
{
	auto_free const char **argv = NULL;
	auto_free char *text = NULL;
	auto_free char *cwd = NULL;
	size_t size = (size_t)sqlite3_column_bytes(row, 3);
	size_t count = 0;
	const char *at;
	struct isle_run_record run;

	text = calloc(1, size + 1);
	argv = calloc(size + 1, sizeof(*argv));
	cwd = strndup(sqlite3_column_bytes(row, 4) ? sqlite3_column_blob(row, 4) : "",
		      (size_t)sqlite3_column_bytes(row, 4));
	if (!text || !argv || !cwd)
		return -ENOMEM;
	if (size > 0)
		memcpy(text, sqlite3_column_blob(row, 3), size);
	for (at = text; at < text + size; at += strlen(at) + 1)
		argv[count++] = at;
	run = (struct isle_run_record){
		.isle_id = (const char *)sqlite3_column_text(row, 0),
		.start = sqlite3_column_int64(row, 1),
		.name = (const char *)sqlite3_column_text(row, 2),
		.argv = argv,
		.cwd = cwd,
		.end = sqlite3_column_int64(row, 5),
		.status = sqlite3_column_int(row, 6),
	};
	return each(&run, data);
}

int isle_catalog_runs(struct isle_catalog *catalog, const char *isle_id,
		      int (*each)(const struct isle_run_record *run, void *data), void *data, struct isle_err *err)
{
	auto_statement sqlite3_stmt *query = NULL;
	int r, step;

	r = db_prepare(catalog,
		       "SELECT isle, start, name, argv, cwd, end, status FROM run WHERE ?1 IS NULL OR isle = ?1 "
		       "ORDER BY start DESC",
		       &query, err);
	if (r < 0)
		return r;
	if (isle_id)
		sqlite3_bind_text(query, 1, isle_id, -1, SQLITE_STATIC);
	while ((step = sqlite3_step(query)) == SQLITE_ROW) {
		r = run_deliver(query, each, data);
		if (r != 0)
			return r;
	}
	return step == SQLITE_DONE ? 0 : db_error(catalog, err);
}

/* The first number that neither the catalog nor undo/ has; the directory claims it. */
static int operation_number(const struct isle_catalog *catalog, int64_t *ret_id, struct isle_err *err)
{
	int64_t id = db_number(catalog, "SELECT coalesce(max(id), 0) + 1 FROM operation");
	char name[32];
	struct stat st;

	if (id < 0)
		return db_error(catalog, err);
	for (;; id++) {
		snprintf(name, sizeof(name), "undo/%" PRId64, id);
		if (fstatat(catalog->store_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
			continue;
		if (errno != ENOENT)
			return isle_err_errno(err, -errno, "%s", name);
		*ret_id = id;
		return 0;
	}
}

/* Keeps the WAL short. Failing is no error: the next one tries again. */
static void wal_trim(const struct isle_catalog *catalog)
{
	struct stat st;

	if (fstatat(catalog->store_fd, "catalog.db-wal", &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_size > WAL_LIMIT)
		sqlite3_wal_checkpoint_v2(catalog->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
}

static int operation_insert(const struct isle_catalog *catalog, const struct isle_operation *operation,
			    struct isle_err *err)
{
	auto_statement sqlite3_stmt *insert = NULL;
	int r;

	r = db_prepare(catalog,
		       "INSERT INTO operation(id, kind, state, isle, name, plan, target, start, end, entries, bytes,"
		       " summary) VALUES(?,?,?,?,?,?,?,?,?,?,?,?)",
		       &insert, err);
	if (r < 0)
		return r;
	sqlite3_bind_int64(insert, 1, operation->id);
	sqlite3_bind_int(insert, 2, operation->kind);
	sqlite3_bind_int(insert, 3, operation->state);
	sqlite3_bind_text(insert, 4, operation->isle_id, -1, SQLITE_STATIC);
	sqlite3_bind_text(insert, 5, operation->name, -1, SQLITE_STATIC);
	sqlite3_bind_text(insert, 6, operation->plan_id ? operation->plan_id : "", -1, SQLITE_STATIC);
	sqlite3_bind_int64(insert, 7, operation->target);
	sqlite3_bind_int64(insert, 8, operation->start);
	sqlite3_bind_int64(insert, 9, operation->end);
	sqlite3_bind_int64(insert, 10, operation->entries);
	sqlite3_bind_int64(insert, 11, operation->bytes);
	sqlite3_bind_text(insert, 12, operation->summary ? operation->summary : "", -1, SQLITE_STATIC);
	return sqlite3_step(insert) == SQLITE_DONE ? 0 : db_error(catalog, err);
}

int isle_catalog_durable(struct isle_catalog *catalog, struct isle_err *err)
{
	return db_exec(catalog, "PRAGMA synchronous=FULL", err);
}

int isle_catalog_operation_add(struct isle_catalog *catalog, struct isle_operation *operation, struct isle_err *err)
{
	int r;

	wal_trim(catalog);
	r = db_exec(catalog, "BEGIN IMMEDIATE", err);
	if (r < 0)
		return r;
	r = operation_number(catalog, &operation->id, err);
	if (r >= 0)
		r = operation_insert(catalog, operation, err);
	if (r >= 0)
		r = db_exec(catalog, "COMMIT", err);
	if (r < 0)
		sqlite3_exec(catalog->db, "ROLLBACK", NULL, NULL, NULL);
	return r;
}

int isle_catalog_operation_set(struct isle_catalog *catalog, int64_t id, enum isle_operation_state state, int64_t end,
			       struct isle_err *err)
{
	auto_statement sqlite3_stmt *update = NULL;
	int r;

	r = db_prepare(catalog, "UPDATE operation SET state=?2, end=CASE WHEN ?3 = 0 THEN end ELSE ?3 END WHERE id=?1",
		       &update, err);
	if (r < 0)
		return r;
	sqlite3_bind_int64(update, 1, id);
	sqlite3_bind_int(update, 2, state);
	sqlite3_bind_int64(update, 3, end);
	return sqlite3_step(update) == SQLITE_DONE ? 0 : db_error(catalog, err);
}

static struct isle_operation operation_of(sqlite3_stmt *row)
{
	return (struct isle_operation){
		.id = sqlite3_column_int64(row, 0),
		.kind = (enum isle_operation_kind)sqlite3_column_int(row, 1),
		.state = (enum isle_operation_state)sqlite3_column_int(row, 2),
		.isle_id = (const char *)sqlite3_column_text(row, 3),
		.name = (const char *)sqlite3_column_text(row, 4),
		.plan_id = (const char *)sqlite3_column_text(row, 5),
		.target = sqlite3_column_int64(row, 6),
		.start = sqlite3_column_int64(row, 7),
		.end = sqlite3_column_int64(row, 8),
		.entries = sqlite3_column_int64(row, 9),
		.bytes = sqlite3_column_int64(row, 10),
		.summary = (const char *)sqlite3_column_text(row, 11),
	};
}

int isle_catalog_operations(struct isle_catalog *catalog,
			    int (*each)(const struct isle_operation *operation, void *data), void *data,
			    struct isle_err *err)
{
	auto_statement sqlite3_stmt *query = NULL;
	int r, step;

	r = db_prepare(catalog,
		       "SELECT id, kind, state, isle, name, plan, target, start, end, entries, bytes, summary "
		       "FROM operation ORDER BY id DESC",
		       &query, err);
	if (r < 0)
		return r;
	while ((step = sqlite3_step(query)) == SQLITE_ROW) {
		struct isle_operation operation = operation_of(query);

		r = each(&operation, data);
		if (r != 0)
			return r;
	}
	return step == SQLITE_DONE ? 0 : db_error(catalog, err);
}
