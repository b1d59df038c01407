/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the handlers of trapped calls share. */
#include "carried.h"
#include "guide.h"
#include "known.h"
#include "mounts.h"
#include "near.h"
#include "netns.h"
#include "origin.h"
#include "processes.h"
#include <linux/limits.h>
#include <linux/seccomp.h>
#include <sys/stat.h>

struct isle_repeated {
	uint64_t offset, times;
};

/* A rename that a child of the supervisor does (repair_rename.c), and the calls that wait until it has. */
struct isle_move {
	int process; /* pidfd of the child; -1: none is under way */
	pid_t pid;
	struct seccomp_notif notif; /* of the caller */
	char *from, *to;	    /* in the view */
	bool from_too, to_too;	    /* these are directories, and moved */
};

/* What a call that is under way makes obsolete, each with what is before it. */
enum isle_moving {
	ISLE_MOVING_DIRECTORY, /* current directories */
	ISLE_MOVING_REMOVED,   /* directories that were looked into */
	ISLE_MOVING_NAMES,     /* all that is remembered of paths */
};

struct isle_guide {
	struct isle_move move;
	int moves; /* epoll descriptor: readable when the child of move has ended */
	struct seccomp_notif *waiting;
	size_t waiting_count, waiting_room;
	struct isle_guide_options options;
	struct isle_events *events; /* NULL: nothing is recorded */
	struct isle_processes processes;
	struct isle_origins origins;
	struct isle_carried carried;
	struct isle_known recorded;
	struct isle_glance seen;
	struct isle_near near;
	struct isle_siphash_key key;
	int listener, root;
	int timer; /* -1: the view is not refreshed */
	struct {
		pid_t tid; /* 0: nothing is under way */
		uint32_t since;
		enum isle_moving what;
	} moving;
	uint64_t elsewhere;	  /* the mount namespace of the caller, 0: the view's (nested.h) */
	uint64_t view_root;	  /* number of its mount; 0: not asked for yet */
	uint64_t nested_roots[8]; /* those of namespaces inside that were seen lately */
	int nested;		  /* O_PATH: its root directory, while it is looked up from there; -1 */
	struct isle_mounts view_mounts;
	uint32_t view_read;  /* when they were */
	bool chroots;	     /* some process has, or may have, another root directory than the view's */
	bool command;	     /* the first program has been seen */
	bool running;	     /* and it runs: its memory can be read */
	bool user;	     /* no hard links, no redirects in the view */
	bool wrote;	     /* the isle changed something, or may have */
	unsigned nesting;    /* enum isle_nesting */
	bool lost;	     /* said that the record is not complete */
	uint64_t plain;	     /* the call of this id renames or links files within one layer: nothing to repair */
	uint32_t removals;   /* of names, by the isle */
	uint32_t second;     /* CLOCK_MONOTONIC_COARSE, at this call */
	uint32_t refreshed;  /* when the view was last refreshed */
	uint32_t remembered; /* since when current directories and directories of the view are remembered */
	struct {
		struct isle_netns_traffic before, after; /* the start and the end of the command */
		bool begun, known;
	} traffic;
	/* The path of this call. */
	char raw[2 * PATH_MAX];
	struct isle_repeated *repeated; /* records that stand for several events */
	size_t repeated_count, repeated_room;
	char scope[PATH_MAX]; /* the root directory that holds for it; "" is that of the view */
	bool slash;	      /* it ends in one: a link at its end is followed in any case */
	int start;	      /* dirfd or AT_FDCWD */
	size_t start_length;  /* of what stands for that in raw; 0: raw does not begin with it */
};

/* The call that waits. */
struct isle_call {
	struct seccomp_notif notif;
	pid_t tid;
	const uint64_t *args;
};

/* What becomes of it. */
struct isle_verdict {
	bool answered; /* value and error hold; else the kernel does the call */
	bool later;    /* it goes on waiting: guide->move */
	int64_t value;
	int error; /* errno, positive; 0: none */
};

/* A handler looks at the call. 0 with *ret_verdict left alone: go on. -errno: the guide failed, and so does the call.
 */
typedef int isle_handler(struct isle_guide *guide, const struct isle_call *call, struct isle_verdict *ret_verdict);

isle_handler isle_handle_open, isle_handle_exec, isle_handle_readlink, isle_handle_chdir, isle_handle_exit,
	isle_handle_names, isle_handle_metadata, isle_handle_stat, isle_handle_net, isle_handle_socket,
	isle_handle_chroot, isle_handle_mount;

/* Comes before all handlers: the errno with which the static filter refuses the call, which is on record then; 0: it
 * allows it. */
int isle_handle_refused(struct isle_guide *guide, const struct isle_call *call) isle_must_check;

/*
 * The path that a call names, absolute in the view as the program wrote it: in guide->raw, without "//" and "/./", with
 * ".." and symbolic links as they are. dirfd as the call has it. Its length; 0: there is nothing of the host to look at
 * (/proc and /dev, then it is in guide->raw all the same; a deleted directory, then that is ""); -errno: the kernel
 * will find the same (-EFAULT, -ENAMETOOLONG).
 */
int isle_guide_path(struct isle_guide *guide, const struct isle_call *call, int dirfd, uint64_t address);
/* The same for a path that was copied already. */
int isle_guide_path_text(struct isle_guide *guide, const struct isle_call *call, int dirfd, const char *path);
/* The same with dirfd as the root directory (RESOLVE_IN_ROOT). */
int isle_guide_path_in_root(struct isle_guide *guide, const struct isle_call *call, int dirfd, uint64_t address);
/* The same for a path that is known, as the kernel looks it up for the caller: a script's interpreter. */
int isle_guide_path_in_directory(struct isle_guide *guide, const struct isle_call *call, const char *path);
/* Opens (O_PATH) the directory that guide->raw starts from, as the process has it. */
int isle_guide_open_start(const struct isle_guide *guide, const struct isle_call *call);
/* Where the link of /proc of which this is the path, without links itself, leads for the caller: 1; 0: it is none. */
int isle_guide_magic(const struct isle_guide *guide, const struct isle_call *call, const char *path, char *target,
		     size_t room);
/* The start of guide->raw is deeper than a path can say: 0 when it is the isle's own or of no file system of the host,
 * else the record is not complete from here on. */
int isle_guide_beyond(struct isle_guide *guide, const struct isle_call *call);
/* The same for the object that a descriptor stands for. */
int isle_guide_path_of_fd(struct isle_guide *guide, const struct isle_call *call, int fd);

/* Opens a path of the view (O_PATH; flags are added), never anything outside of it. A descriptor or -errno. */
int isle_guide_open(const struct isle_guide *guide, const char *path, int flags);
/* The path in the view of a descriptor of the supervisor's. Its length or -errno; -E2BIG: longer than a path can be. */
int isle_guide_path_of_object(int fd, char *path, size_t room);

/* True if it is of the view, and not of /proc, /dev and the like. */
bool isle_guide_is_overlay(int fd);

#define ISLE_OVERLAY_MAGIC 0x794c7630

enum isle_sight_flags {
	ISLE_SIGHT_NOFOLLOW = 1 << 0, /* the last component is not followed */
};

/* What a path leads to. */
struct isle_sight {
	char view[PATH_MAX]; /* without symbolic links; what is missing: the first name that is */
	char host[PATH_MAX];
	mode_t mode; /* in the view; 0: missing */
	enum isle_origin origin;
	struct isle_identity then; /* of the host */
};

/* Looks a path up in the view, without changing anything; links that were followed are recorded on the way. 0;
 * -ENODATA: nothing of the host (another file system of the isle's own); else -errno. */
int isle_guide_look(struct isle_guide *guide, const struct isle_call *call, const char *raw, unsigned flags,
		    struct isle_sight *ret_sight);

/* Walks a path component by component, recording the links on the way. 0: at, of PATH_MAX bytes, is where it leads in
 * the view, "" being the root; else -errno. */
int isle_guide_walk(struct isle_guide *guide, const struct isle_call *call, const char *raw, char *at);

/* True while the caller waits. It is asked after its memory and its /proc were read, and before anything comes of that:
 * if it has been killed meanwhile, its pid can be another process's (seccomp_unotify(2)). */
bool isle_guide_waits(const struct isle_guide *guide, const struct isle_call *call);

/* This error of isle_guide_look() says that the program will find nothing either. */
bool isle_guide_is_missing(int r);

/* The record proves nothing from now on; said once. */
int isle_guide_lose(struct isle_guide *guide, const char *why);

/* The isle changes the metadata of it and so gets a copy: what is read of that from now on is the host's. */
void isle_guide_copied(struct isle_guide *guide, const struct isle_sight *sight);

/* What the call renames is remembered as long as it is the host's (carried.h). flags as of renameat2(2). */
int isle_guide_carry(struct isle_guide *guide, const struct isle_call *call, const struct isle_sight *from,
		     const struct isle_sight *to, unsigned flags);
/* The supervisor has moved a directory of the host, of which all is the isle's own now. */
int isle_guide_carry_tree(struct isle_guide *guide, const char *from, const char *to);

/* Records a read, once for each path and bit. */
int isle_guide_read(struct isle_guide *guide, const struct isle_call *call, const struct isle_sight *sight,
		    unsigned how);
/* Records who first wrote to a path of the view. */
int isle_guide_write(struct isle_guide *guide, const struct isle_call *call, const char *view, unsigned how,
		     const char *other);
/* It is on record who did. */
bool isle_guide_is_written(const struct isle_guide *guide, const char *view);
/* Keeps what the host has of a file that is about to be written to or replaced. */
int isle_guide_keep(struct isle_guide *guide, const struct isle_sight *sight);

/* Adds a record whose event may come again; slot->state remembers it. */
int isle_guide_repeat(struct isle_guide *guide, struct isle_known_slot *slot, const struct isle_event *event);
/* Writes how often they did. */
void isle_guide_count(struct isle_guide *guide);

/* Notes that other names of a host file will not see what is written. */
int isle_guide_split(struct isle_guide *guide, const struct isle_sight *sight);

/* Records a refusal, event->path being what was wanted, by the caller; counts it when the same process wanted the same
 * before. */
int isle_guide_refuse(struct isle_guide *guide, const struct isle_call *call, const struct isle_event *event);
enum isle_wanted {
	ISLE_WANTED_READ,
	ISLE_WANTED_CHANGE, /* of what is there */
	ISLE_WANTED_CREATE, /* where there may be nothing */
};

/* guide->raw is nothing that the view shows of the host (isle_guide_path() 0, isle_guide_look() -ENODATA): notes it if
 * that is because the view hides it, or has it read-only. 1: noted; 0: that is not why; -errno. */
int isle_guide_refused_by_view(struct isle_guide *guide, const struct isle_call *call,
			       enum isle_wanted wanted) isle_must_check;
/* The same for what is opened: a device file outside of /dev. */
int isle_guide_refused_device(struct isle_guide *guide, const struct isle_call *call,
			      const struct isle_sight *sight) isle_must_check;

enum { ISLE_FIRST_TIME = 1 << 0 /* this process has not wanted it before */ };

/* An address is connected or sent to (a record of ISLE_EVENT_NET): notes it if the isle's network refuses that.
 * Services of the host's loopback are looked for the first time only. 0 or -errno. */
int isle_guide_refused_by_network(struct isle_guide *guide, const struct isle_call *call, const struct isle_event *net,
				  unsigned flags) isle_must_check;
/* The same for an abstract socket: the name without its first byte, which is 0. */
int isle_guide_refused_abstract(struct isle_guide *guide, const struct isle_call *call, const char *name,
				size_t size) isle_must_check;

/* A program begins; the command ends: the first of each notes what has gone through the network until then. */
void isle_guide_traffic_begins(struct isle_guide *guide, const struct isle_call *call);
void isle_guide_traffic_ends(struct isle_guide *guide, const struct isle_call *call);
/* The bytes meanwhile; -1: not known, or there was no network of the isle's own. */
void isle_guide_traffic(const struct isle_guide *guide, int64_t *ret_received, int64_t *ret_sent);

/* The number of the process in the log; 0: it cannot be told. */
uint32_t isle_guide_process(struct isle_guide *guide, const struct isle_call *call);

/* This call makes names lead elsewhere: a symbolic link or a directory comes, goes or moves. What is remembered is
 * forgotten now, and once more when the call is known to be over: others look meanwhile. */
void isle_guide_renamed(struct isle_guide *guide, const struct isle_call *call);
/* The same where a directory or a link goes for good: of all others it still holds. */
void isle_guide_removed(struct isle_guide *guide, const struct isle_call *call, const char *view);
/* The same for the current directory of the caller, and of whoever shares it. */
void isle_guide_directory_changes(struct isle_guide *guide, const struct isle_call *call);
/* To be called at the beginning of each call. */
void isle_guide_settle(struct isle_guide *guide, const struct isle_call *call);
