/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What happened in the runs of an isle: isles/ID/events/START, one append-only log for each run, START being the
 * 16 hexadecimal digits of its start in nanoseconds (unique: the next free one).
 *
 *   writer   isle_events_create() ... isle_events_add() ... isle_events_flush() ... isle_events_close()
 *   reader   isle_events_read() calls back for each record of each run, oldest run first
 *
 * A log and not a database, because a run must not pay for one, and because it cannot be damaged by a kill: a record is
 * there when its write(2) has returned, and a reader stops at the first one that is not whole. Repeated events are
 * counted, not repeated; so a log is bounded by the distinct things that a run did, and isle_events_fold() takes out of
 * old logs what earlier ones say, too.
 *
 * A log is read with suspicion all the same: lengths are checked, and strings end within their record.
 */
#include "error.h"
#include "store.h"
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

enum isle_event_type {
	ISLE_EVENT_RUN = 1, /* first record. path: directory, text: arguments; how: enum isle_track */
	ISLE_EVENT_START,   /* a process is there; start, time as far as known */
	ISLE_EVENT_EXEC,    /* path: the program as resolved, other: working directory, text: arguments */
	ISLE_EVENT_EXIT,    /* end */
	ISLE_EVENT_READ,    /* path: of the host; how: enum isle_read; then: the host's object at that moment */
	ISLE_EVENT_NAMES,   /* path: a listed directory; names: hash of the names in it when it was first listed */
	ISLE_EVENT_WRITE,   /* path: of the view; how: enum isle_write; other: the second path of rename, link, symlink.
			     * By the first process that changed the path, and by the next few others, once each */
	ISLE_EVENT_KEPT,    /* path: of the host; then; kept: its content before the first write (base.h) */
	ISLE_EVENT_REFUSED, /* path: the call or what it wanted; other: what refused it and why; how: enum
			     * isle_refuser; refused */
	ISLE_EVENT_NET,	    /* net; path: of a unix socket, or the name that was asked for, where known */
	ISLE_EVENT_NOTE,    /* path; other: a sentence for people; how: enum isle_note */
	ISLE_EVENT_COUNT,   /* the record at file offset `counted.offset` happened `counted.times` times in all */
	ISLE_EVENT_LOST,    /* from here on the record is not complete; other: why */
	ISLE_EVENT_END,	    /* last record. end: of the command */
};

/* How much is recorded. */
enum isle_track {
	ISLE_TRACK_READS = 0, /* opens, programs, links, listings, names that were not found */
	ISLE_TRACK_NONE = 1,  /* nothing */
	ISLE_TRACK_FULL = 2,  /* stat and access as well */
};

/* Bits. What of an object was read. */
enum isle_read {
	ISLE_READ_CONTENT = 1 << 0, /* opened for reading, or for writing with the old content kept */
	ISLE_READ_EXEC = 1 << 1,    /* run, or loaded by the kernel to run something else */
	ISLE_READ_LINK = 1 << 2,    /* a symbolic link: read or followed */
	ISLE_READ_LIST = 1 << 3,    /* a directory opened for reading */
	ISLE_READ_LOOKUP = 1 << 4,  /* found (O_PATH, chdir), or not found when then.mode is 0 */
	ISLE_READ_STAT = 1 << 5,    /* metadata, ISLE_TRACK_FULL only */
};

enum isle_write {
	ISLE_WRITE_OPEN = 1, /* opened for writing; the old content is kept */
	ISLE_WRITE_TRUNCATE, /* opened or cut: the old content is not */
	ISLE_WRITE_APPEND,
	ISLE_WRITE_CREATE, /* opened with O_CREAT, not there before */
	ISLE_WRITE_MKDIR,
	ISLE_WRITE_REMOVE,
	ISLE_WRITE_RENAME,  /* path is the old name, other the new one */
	ISLE_WRITE_LINK,    /* path is the old name, other the new one */
	ISLE_WRITE_SYMLINK, /* path is the link, other its target */
	ISLE_WRITE_NODE,
	ISLE_WRITE_METADATA, /* mode, owner, times, attributes */
};

/* What refused something. */
enum isle_refuser {
	ISLE_REFUSER_OTHER = 0,
	ISLE_REFUSER_SECCOMP = 1, /* the static system call filter */
	ISLE_REFUSER_VIEW,	  /* what the view is made of: mounts, overlays */
	ISLE_REFUSER_NETWORK,	  /* the network namespace and its routes */
	ISLE_REFUSER_LANDLOCK,
};

enum isle_note {
	ISLE_NOTE_LINK_SPLIT =
		1,	      /* one of several names of a host file was written to; the others keep the old content */
	ISLE_NOTE_OWNER,      /* an owner the isle cannot hold; other: "UID:GID" */
	ISLE_NOTE_MOVED_TREE, /* a directory was moved by copying; other: the new path */
	ISLE_NOTE_HOST_MOVED, /* the host replaced or created it while the run went on */
	ISLE_NOTE_FOLDED,     /* of the whole run: isle_events_fold() dropped reads */
};

/* What tells one state of a host object from another (CRITERIA: identity and ctime). Times in nanoseconds since the
 * epoch. mode 0: there was nothing of this name. */
struct isle_identity {
	uint64_t dev, ino, size;
	int64_t mtime, ctime;
	uint32_t mode;
	uint32_t links;
	uint32_t uid, gid;
};

void isle_identity_from(const struct statx *st, struct isle_identity *ret_identity);
/* True if both are missing, or the same object with the same ctime. */
bool isle_identity_same(const struct isle_identity *a, const struct isle_identity *b);

struct isle_event {
	enum isle_event_type type;
	unsigned how;
	uint32_t process; /* number within the run, 1 is the first; 0: unknown */
	int64_t time;	  /* nanoseconds since the epoch */
	struct isle_identity then;
	union {
		struct {
			uint32_t parent; /* number within the run; 0: started by isle */
			int32_t pid;	 /* on the host */
			uint32_t uid;	 /* inside, as the host sees it */
		} start;
		struct {
			int32_t status; /* as wait(2): exit code << 8, or the signal; -1: unknown */
			uint32_t pad;
			int64_t cpu_us;		/* user and system time; -1: unknown */
			int64_t received, sent; /* END: bytes by the isle's network meanwhile; -1: unknown, none */
		} end;
		struct {
			uint64_t offset, size;
		} kept;
		struct {
			uint64_t hash;
		} names;
		struct {
			int32_t error; /* errno that the program got */
		} refused;
		struct {
			uint16_t family; /* AF_* */
			uint16_t port;	 /* host order */
			uint32_t act;	 /* enum isle_net_act */
			uint8_t address[16];
		} net;
		struct {
			uint64_t offset, times;
		} counted;
		uint64_t room[4];
	};
	const char *path;  /* "" where there is none */
	const char *other; /* "" where there is none */
	const char *text;  /* strings, each ending in NUL, text_size bytes in all */
	size_t text_size;
};

enum isle_net_act { ISLE_NET_CONNECT = 1, ISLE_NET_BIND, ISLE_NET_SEND };

struct isle_events;

/* Makes the log of a run that starts now. */
int isle_events_create(const struct isle *isle, struct isle_events **ret_events) isle_must_check;

/* Adds a record to those that isle_events_flush() writes; event->time 0 is now. Its offset in the log is stored in
 * *ret_offset (may be NULL), for ISLE_EVENT_COUNT. -ENOMEM. */
int isle_events_add(struct isle_events *events, const struct isle_event *event, uint64_t *ret_offset) isle_must_check;

/* One write(2). -errno (-ENOSPC): the records stay and the next flush tries again. */
int isle_events_flush(struct isle_events *events) isle_must_check;

/* Flushes, closes, frees; NULL is fine. */
void isle_events_close(struct isle_events *events);

/* Where a record comes from. */
struct isle_events_run {
	uint64_t id;	/* START of the log */
	unsigned index; /* 0 is the isle's first run */
	bool ended;	/* the log has its last record */
};

/* Calls each() with the records of all runs of the isle, oldest run first, in the order in which they were written,
 * until it returns non-zero, which is returned. The event and its strings live until each() returns. `offset` is the
 * record's place in its log. A run that was not recorded has no log. 0 when there is none. */
typedef int isle_events_each(const struct isle_events_run *run, const struct isle_event *event, uint64_t offset,
			     void *data);
int isle_events_read(const struct isle *isle, isle_events_each *each, void *data, struct isle_err *err) isle_must_check;

/* The same for the newest run alone. */
int isle_events_read_newest(const struct isle *isle, isle_events_each *each, void *data,
			    struct isle_err *err) isle_must_check;

/* Makes the logs of ended runs smaller, but those of the newest `keep` runs: reads are dropped that an earlier run had
 * made of the same object in the same state. Nothing that tells when and in which state a path was first read is lost,
 * neither for all runs nor for those after one of `boundaries`, sorted times (ns since the epoch) at which reads may
 * cease to count: those of commits. A run keeps its number. The caller holds the live lock. *ret_saved: bytes. */
struct isle_events_boundaries {
	const int64_t *list;
	size_t count;
};
int isle_events_fold(const struct isle *isle, unsigned keep, const struct isle_events_boundaries *boundaries,
		     uint64_t *ret_saved, struct isle_err *err) isle_must_check;

/* isle_events_read() over the bytes of one log; for tests and fuzzing. */
int isle_events_parse(const void *log, size_t size, const struct isle_events_run *run, isle_events_each *each,
		      void *data) isle_must_check;
