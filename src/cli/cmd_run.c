/* SPDX-License-Identifier: Apache-2.0 */
/*
 * isle run, isle shell: options to struct isle_run_options, the run, then what to do with what it changed.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "buf.h"
#include "catalog.h"
#include "clock.h"
#include "command.h"
#include "commit.h"
#include "guide.h"
#include "kernel.h"
#include "operands.h"
#include "path.h"
#include "quote.h"
#include "recovered.h"
#include "rules.h"
#include "run.h"
#include "run_end.h"
#include "settings.h"
#include "talk.h"
#include "verbs.h"

enum {
	OPT_NAME = 1,
	OPT_COMMIT,
	OPT_DISCARD,
	OPT_KEEP,
	OPT_NET,
	OPT_HIDE,
	OPT_WRITE,
	OPT_ENV,
	OPT_CLEAR_ENV,
	OPT_CHDIR,
	OPT_HOSTNAME,
	OPT_REQUIRE,
	OPT_LINGER,
	OPT_DURABLE,
	OPT_WAIT,
	OPT_NEST,
	OPT_FAKE_OWNER,
	OPT_TRACK,
	OPT_NO_TRACK,
	OPT_CRITERIA,
	OPT_WHEN,
	OPT_JSON,
	OPT_QUIET,
	OPT_VERBOSE,
};

#define RUN_OPTIONS                                                                                                    \
	{"name", 'n', "NAME", "use the isle NAME, made when it is not there (default: a fresh name)", OPT_NAME},       \
		{"commit", 0, NULL, "commit at the end if CMD exited 0 and nothing conflicts or is flagged",           \
		 OPT_COMMIT},                                                                                          \
		{"when", 0, "RULES",                                                                                   \
		 "with --commit: commit what these rules allow, keep the rest (project, text, @FILE)", OPT_WHEN},      \
		{"discard", 0, NULL, "discard at the end", OPT_DISCARD},                                               \
		{"keep", 0, NULL, "keep at the end without asking", OPT_KEEP},                                         \
		{"net", 0, "internet|none|host", "the network; internet is the default", OPT_NET},                     \
		{"hide", 0, "PATH", "show PATH as empty", OPT_HIDE},                                                   \
		{"write", 0, "PATH", "let PATH of the host be written to directly", OPT_WRITE},                        \
		{"env", 0, "K=V", "set a variable for CMD", OPT_ENV},                                                  \
		{"clear-env", 0, NULL, "start CMD with an empty environment", OPT_CLEAR_ENV},                          \
		{"chdir", 0, "DIR", "start CMD in DIR", OPT_CHDIR},                                                    \
		{"hostname", 0, "NAME", "the host name inside", OPT_HOSTNAME},                                         \
		{"require", 0, "WALL[,WALL...]", "run nothing when one of these protections is missing", OPT_REQUIRE}, \
		{"linger", 0, "SECONDS", "keep the isle mounted that long after the last run", OPT_LINGER},            \
		{"durable", 0, NULL, "honour fsync inside", OPT_DURABLE},                                              \
		{"wait", 0, NULL, "wait for what CMD leaves running instead of ending it", OPT_WAIT},                  \
		{"nest", 0, NULL, "allow user namespaces and mounts inside (a larger surface)", OPT_NEST},             \
		{"fake-owner", 0, NULL, "chown by an ordinary user succeeds; the owner is kept for the review",        \
		 OPT_FAKE_OWNER},                                                                                      \
		{"track", 0, "reads|full|none", "record what is read (default), or stat and access as well",           \
		 OPT_TRACK},                                                                                           \
		{"no-track", 0, NULL, "record nothing; a commit is then checked against what was written only",        \
		 OPT_NO_TRACK},                                                                                        \
		{"criteria", 0, "aec|lookup|write|none", "what may not change on the host until the commit",           \
		 OPT_CRITERIA},                                                                                        \
		{"json", 0, NULL, "tell how it ended in one line of JSON on stderr", OPT_JSON},                        \
		{"quiet", 'q', NULL, "say nothing but errors", OPT_QUIET},                                             \
		{"verbose", 'v', NULL, "say what is done", OPT_VERBOSE},                                               \
	{                                                                                                              \
		NULL                                                                                                   \
	}

static const struct isle_option run_options[] = {RUN_OPTIONS};

/* A growing NULL-terminated list of strings that are borrowed. */
struct strings {
	const char **list;
	size_t count;
};

struct request {
	const struct isle_verb *verb;
	const char *name;
	struct isle_operands hide, write;
	struct strings environment; /* --env */
	struct strings all;	    /* the whole environment of CMD */
	char *isle_variable;	    /* one of `all` */
	const char *directory;
	char *start; /* the directory, absolute */
	bool clear_environment;
	unsigned said; /* 1 << OPT_...: options that were given */
	enum isle_run_end end;
	const char *when;
	struct isle_rules *rules;
	struct isle_settings settings;
	enum isle_run_report report;
	enum isle_criteria criteria; /* OF_ISLE: not said */
	struct isle_run_options run;
};

static void request_done(struct request *q)
{
	isle_operands_done(&q->hide);
	isle_operands_done(&q->write);
	free(q->environment.list);
	free(q->all.list);
	free(q->isle_variable);
	free(q->start);
	isle_rules_free(q->rules);
	isle_settings_done(&q->settings);
}
#define auto_request __attribute__((cleanup(request_done)))

static int add_string(struct strings *s, const char *text)
{
	const char **list = text == NULL ? NULL : reallocarray(s->list, s->count + 2, sizeof(*list));

	if (list == NULL)
		return -ENOMEM;
	s->list = list;
	list[s->count++] = text;
	list[s->count] = NULL;
	return 0;
}

static bool same_variable(const char *a, const char *b)
{
	size_t n = strcspn(a, "=");

	return strncmp(a, b, n) == 0 && b[n] == '=';
}

/* Sets "K=V", replacing an earlier K. */
static int set_variable(struct strings *s, const char *variable)
{
	for (size_t i = 0; i < s->count; i++) {
		if (same_variable(variable, s->list[i])) {
			s->list[i] = variable;
			return 0;
		}
	}
	return add_string(s, variable);
}

static int set_net(struct request *q, const char *mode)
{
	int net = isle_net_by_name(mode);

	if (net < 0)
		return isle_usage(q->verb, "unknown network mode %s (internet, none, host)", isle_quote(mode));
	q->run.net = (enum isle_net_mode)net;
	return 0;
}

static int set_require(struct request *q, const char *list)
{
	/* Of a variable that is not set, say. */
	return *list == '\0' || isle_walls_parse(list, &q->run.require) < 0
		       ? isle_usage(q->verb, "unknown protection in %s; see: isle doctor", isle_quote(list))
		       : 0;
}

static int set_linger(struct request *q, const char *text)
{
	return isle_linger_parse(text, &q->run.linger) < 0
		       ? isle_usage(q->verb, "%s is not a number of seconds", isle_quote(text))
		       : 0;
}

static int set_criteria(struct request *q, const char *name)
{
	int criteria = isle_criteria_by_name(name);

	if (criteria < 0)
		return isle_usage(q->verb, "unknown criteria %s (aec, lookup, write, none)", isle_quote(name));
	q->criteria = (enum isle_criteria)criteria;
	return 0;
}

static int set_track(struct request *q, const char *what)
{
	int track = isle_track_by_name(what);

	if (track < 0)
		return isle_usage(q->verb, "unknown kind of record %s (reads, full, none)", isle_quote(what));
	q->run.track = (enum isle_track)track;
	return 0;
}

static int out_of_memory(void)
{
	struct isle_err err = ISLE_ERR_INIT;

	isle_err_errno(&err, -ENOMEM, "cannot read the command line");
	isle_err_print(&err);
	return ISLE_EXIT_NOT_STARTED;
}

static int set_path(struct isle_operands *list, const char *path)
{
	char *absolute = NULL;
	struct isle_err err = ISLE_ERR_INIT;

	if (isle_operand_path(path, &absolute, &err) < 0) {
		isle_err_print(&err);
		return ISLE_EXIT_NOT_STARTED;
	}
	return isle_operands_take(list, absolute) < 0 ? out_of_memory() : 0;
}

/* A name that is mistyped would hide nothing. */
static int add_hidden(struct request *q, const char *value)
{
	struct stat st;
	int r = set_path(&q->hide, value);

	if (r != 0 || lstat(q->hide.list[q->hide.count - 1], &st) == 0 || (errno != ENOENT && errno != ENOTDIR))
		return r;
	int code = -errno;
	struct isle_err err = ISLE_ERR_INIT;
	isle_err_errno(&err, code, "cannot hide %s", isle_quote(q->hide.list[q->hide.count - 1]));
	isle_err_print(&err);
	return ISLE_EXIT_NOT_STARTED;
}

static int set_flag(struct request *q, int id)
{
	switch (id) {
	case OPT_COMMIT:
		q->end = ISLE_END_COMMIT;
		break;
	case OPT_DISCARD:
		q->end = ISLE_END_DISCARD;
		break;
	case OPT_KEEP:
		q->end = ISLE_END_KEEP;
		break;
	case OPT_CLEAR_ENV:
		q->clear_environment = true;
		break;
	case OPT_DURABLE:
		q->run.flags |= ISLE_RUN_DURABLE;
		break;
	case OPT_WAIT:
		q->run.flags |= ISLE_RUN_WAIT;
		break;
	case OPT_NEST:
		q->run.flags |= ISLE_RUN_NEST;
		break;
	case OPT_FAKE_OWNER:
		q->run.flags |= ISLE_RUN_FAKE_OWNER;
		break;
	case OPT_JSON:
		q->report = ISLE_REPORT_JSON;
		break;
	case OPT_NO_TRACK:
		q->run.track = ISLE_TRACK_NONE;
		break;
	case OPT_QUIET:
		isle_talk_set(ISLE_TALK_QUIET);
		break;
	case OPT_VERBOSE:
		isle_talk_set(ISLE_TALK_VERBOSE);
		break;
	}
	return 0;
}

static int set_option(struct request *q, int id, char *value)
{
	q->said |= 1U << id;
	switch (id) {
	case OPT_NAME:
		q->name = value;
		return 0;
	case OPT_NET:
		return set_net(q, value);
	case OPT_HIDE:
		return add_hidden(q, value);
	case OPT_WRITE:
		return set_path(&q->write, value);
	case OPT_ENV:
		if (*value == '=' || strchr(value, '=') == NULL)
			return isle_usage(q->verb, "--env needs K=V, not %s", isle_quote(value));
		return add_string(&q->environment, value) < 0 ? out_of_memory() : 0;
	case OPT_CHDIR:
		if (*value == '\0')
			return isle_usage(q->verb, "--chdir needs a directory");
		q->directory = value;
		return 0;
	case OPT_HOSTNAME:
		if (*value == '\0' || strlen(value) > 64)
			return isle_usage(q->verb, "a host name has 1 to 64 bytes");
		q->run.hostname = value;
		return 0;
	case OPT_REQUIRE:
		return set_require(q, value);
	case OPT_LINGER:
		return set_linger(q, value);
	case OPT_TRACK:
		return set_track(q, value);
	case OPT_WHEN:
		q->when = value;
		return 0;
	case OPT_CRITERIA:
		return set_criteria(q, value);
	default:
		return set_flag(q, id);
	}
}

/* What CMD gets: ours or nothing, then the isle's name, then --env. */
static int make_environment(struct request *q, const char *name)
{
	auto_buf struct isle_buf variable = ISLE_BUF_INIT;
	int r = 0;

	for (char **e = environ; r == 0 && !q->clear_environment && *e != NULL; e++)
		r = add_string(&q->all, *e);
	isle_buf_addf(&variable, "ISLE=%s", name);
	q->isle_variable = isle_buf_take(&variable);
	if (r == 0)
		r = q->isle_variable == NULL ? -ENOMEM : set_variable(&q->all, q->isle_variable);
	/* No service manager can be reached from inside: package scripts are told so, as in an image build. */
	if (r == 0 && geteuid() == 0)
		r = set_variable(&q->all, "SYSTEMD_OFFLINE=1");
	for (size_t i = 0; r == 0 && i < q->environment.count; i++)
		r = set_variable(&q->all, q->environment.list[i]);
	q->run.environment = (char *const *)q->all.list;
	return r;
}

static int find_or_create(struct isle_store *store, const char *name, struct isle **ret_isle, struct isle_err *err)
{
	if (name == NULL)
		return isle_create(store, NULL, ret_isle, err);
	if (strcmp(name, "-") == 0)
		return isle_find(store, NULL, ret_isle, err);
	int r = isle_find_exact(store, name, ret_isle, err);
	if (r == -ENOENT)
		r = isle_create(store, name, ret_isle, err);
	if (r == -EEXIST) { /* a run beside this one was faster */
		*err = (struct isle_err){0};
		r = isle_find_exact(store, name, ret_isle, err);
	}
	return r;
}

static int exit_status(const struct isle_run_result *result, const char *command)
{
	switch (result->outcome) {
	case ISLE_RUN_EXITED:
		/* What is not where it was sent to is no success. */
		return result->status == 0 && result->output_lost ? ISLE_EXIT_FAILED : result->status;
	case ISLE_RUN_SIGNALLED:
		if (result->status == SIGSYS)
			isle_note("%s was ended for a system call that an isle does not allow (32-bit programs do not "
				  "run in one), or by a filter of its own",
				  isle_quote(command));
		return 128 + result->status;
	case ISLE_RUN_NOT_FOUND:
	case ISLE_RUN_NOT_EXECUTABLE:
		fprintf(stderr, "isle: cannot run %s: %s\n", isle_quote(command), strerror(result->status));
		return result->outcome == ISLE_RUN_NOT_FOUND ? ISLE_EXIT_NOT_FOUND : ISLE_EXIT_CANNOT_EXECUTE;
	}
	return ISLE_EXIT_NOT_STARTED;
}

/* Sandboxes and container tools seldom say what they were refused. */
static void say_nesting(const struct isle_run_result *result, const char *command, int status)
{
	if (status == 0)
		return;
	if ((result->nesting & ISLE_NESTING_CGROUP) != 0)
		isle_note("%s, or what it ran, was refused a control group namespace, which no isle allows; other "
			  "namespaces are allowed with --nest",
			  isle_quote(command));
	else if (result->nesting != 0)
		isle_note("%s, or what it ran, was refused namespaces or mounts of its own; --nest allows them",
			  isle_quote(command));
}

/* The directory that CMD starts in, absolute. */
static int set_directory(struct request *q, struct isle_err *err)
{
	q->start = q->directory == NULL ? getcwd(NULL, 0) : isle_path_absolute(q->directory);
	q->run.directory = q->start;
	if (q->run.directory != NULL)
		return 0;
	isle_err_errno(err, -errno, "cannot tell the current directory");
	isle_err_hint(err, "choose one with --chdir DIR");
	return -ENOENT;
}

/* For `isle redo`. That it cannot be written down is no reason not to run. */
static void note_command(const struct isle *isle, const struct request *q, int64_t start)
{
	struct isle_command command = {
		.start = start,
		.net = q->run.net,
		.flags = q->run.flags,
		.directory = q->run.directory,
		.hostname = q->run.hostname,
		.lists = {(const char *const *)q->run.argv, (const char *const *)q->run.environment, q->run.write,
			  q->run.hide},
	};
	auto_free char *input = NULL;
	struct stat st;

	if (fstat(STDIN_FILENO, &st) == 0 && S_ISREG(st.st_mode) &&
	    isle_readlink(AT_FDCWD, "/proc/self/fd/0", &input) >= 0)
		command.input = input;
	if (isle_command_note(isle, &command) < 0)
		isle_verbose("how the command is run could not be written down");
}

/* The configuration speaks where nobody has spoken for this isle. */
static int note_criteria(const struct isle *isle, const struct request *q)
{
	if (q->criteria != ISLE_CRITERIA_OF_ISLE)
		return isle_criteria_note(isle, q->criteria);
	if (q->settings.criteria == ISLE_CRITERIA_OF_ISLE || isle_criteria_noted(isle))
		return 0;
	return isle_criteria_note(isle, q->settings.criteria);
}

/* Nothing was run in it, and nobody asked for one of its name: it must not be what "the newest isle" means from now on.
 */
static void remove_unused(struct isle_store *store, const struct isle *isle)
{
	auto_fd int lock = isle_lock(isle, ISLE_LOCK_NOWAIT, NULL);

	if (lock >= 0)
		isle_ignore(isle_remove(store, isle, NULL));
}

static char *user_shell(void)
{
	static char fallback[] = "/bin/sh";
	char *shell = getenv("SHELL");

	return shell != NULL && *shell == '/' ? shell : fallback;
}

struct shell {
	struct isle_store *store;
	struct isle *isle;
	const struct request *q;
};

static int run_in(struct isle_store *store, struct isle *isle, struct request *q, struct isle_err *err);

/* With the same walls and the same network: what CMD left in ~/.bashrc is run by it. */
static void open_shell(void *data)
{
	const struct shell *shell = data;
	struct request q = *shell->q; /* borrows all it has */
	struct isle_err err = ISLE_ERR_INIT;
	char *command[2] = {user_shell(), NULL};

	q.name = shell->isle->name;
	q.end = ISLE_END_KEEP;
	q.report = ISLE_REPORT_TEXT;
	q.run.argv = command;
	if (run_in(shell->store, shell->isle, &q, &err) < 0)
		isle_err_print(&err);
}

static int run_in(struct isle_store *store, struct isle *isle, struct request *q, struct isle_err *err)
{
	struct shell shell = {store, isle, q};
	struct isle_run_result result = {0};
	struct isle_run_record record = {.isle_id = isle->id, .name = isle->name, .start = isle_now()};

	record.argv = (const char *const *)q->run.argv;
	record.cwd = q->run.directory;
	if (q->name == NULL)
		isle_note("in isle '%s'", isle->name);
	int r = note_criteria(isle, q);
	if (r < 0)
		return isle_err_errno(err, r, "cannot write to isle '%s'", isle->name);
	note_command(isle, q, record.start);
	r = isle_run(store, isle, &q->run, &result, err);
	if (r < 0) {
		if (q->name == NULL)
			remove_unused(store, isle);
		return r;
	}
	int status = exit_status(&result, q->run.argv[0]);
	say_nesting(&result, q->run.argv[0], status);
	record.end = isle_now();
	record.status = status;
	isle_ignore(isle_catalog_note_run(store, &record, NULL));
	const struct isle_run_ending how = {.end = q->end,
					    .report = q->report,
					    .rules = q->rules,
					    .logs = isle_settings_logs(&q->settings),
					    .start = record.start,
					    .shell = open_shell,
					    .data = &shell};
	return isle_run_end(store, isle, &how, &result, status);
}

/* What the configuration says, where the command line does not. */
static int configure(struct request *q, struct isle_err *err)
{
	const struct isle_settings *settings = &q->settings;
	int r = isle_settings_read(&q->settings, err);

	if (r < 0)
		return r;
	if (!(q->said & 1U << OPT_NET))
		q->run.net = settings->net;
	if (!(q->said & (1U << OPT_TRACK | 1U << OPT_NO_TRACK)))
		q->run.track = settings->track;
	if (!(q->said & 1U << OPT_LINGER))
		q->run.linger = settings->linger;
	q->run.require |= settings->require;
	if (!q->when && q->end == ISLE_END_COMMIT)
		q->when = settings->when;
	if (q->when && strcmp(q->when, "none") == 0)
		q->when = NULL;
	for (size_t i = 0; i < settings->hide_count && r == 0; i++) /* also what is not there yet */
		r = set_path(&q->hide, settings->hide[i]);
	return r == 0 ? 0 : isle_err_errno(err, -ENOMEM, "cannot read the configuration");
}

/* What this run's own options leave out cannot be demanded. */
static int check_required(const struct request *q, struct isle_err *err)
{
	const char *option = NULL;
	enum isle_wall wall = ISLE_WALL_LANDLOCK;

	if ((q->run.require & ISLE_WALL_LANDLOCK) != 0 && (q->run.flags & ISLE_RUN_NEST) != 0) {
		option = "--nest";
	} else if ((q->run.require & ISLE_WALL_NETNS) != 0 && q->run.net == ISLE_NET_HOST) {
		wall = ISLE_WALL_NETNS;
		option = "--net host";
	} else if ((q->run.require & ISLE_WALL_NETFILTER) != 0 && q->run.net == ISLE_NET_HOST) {
		wall = ISLE_WALL_NETFILTER;
		option = "--net host";
	}
	if (option == NULL)
		return 0;
	return isle_err_text(err, -EPROTONOSUPPORT, "the demanded protection '%s' is left out by %s",
			     isle_wall_name(wall), option);
}

/* What a shell makes of <(...) is among the arguments; that it is not there would be told by CMD in its own words. */
static void say_closed(char *const *arguments)
{
	char *end;

	for (; *arguments != NULL; arguments++) {
		const char *number = strncmp(*arguments, "/dev/fd/", 8) == 0 ? *arguments + 8 : "";
		unsigned long fd = strtoul(number, &end, 10);

		if (end != number && *end == '\0' && fd > STDERR_FILENO && fd <= INT_MAX &&
		    fcntl((int)fd, F_GETFD) >= 0)
			isle_note("%s is not passed on: the command gets standard input, output and error only",
				  isle_quote(*arguments));
	}
}

static int run_request(struct request *q)
{
	struct isle_err err = ISLE_ERR_INIT;
	auto_store struct isle_store *store = NULL;
	auto_isle struct isle *isle = NULL;
	int r;

	say_closed(q->run.argv);
	/* What the caller had open beside the three (a lock, the end of a pipe) would be kept by processes that stay:
	 * the keeper of an isle that lingers. A kernel without this call (before Linux 5.9) leaves it so. */
	if (isle_close_range(STDERR_FILENO + 1, ~0U, 0) < 0)
		isle_verbose("descriptors of the caller stay open");
	r = configure(q, &err);
	if (r >= 0)
		r = check_required(q, &err);
	if (r >= 0)
		r = isle_store_open_recovered(&store, &err);
	q->run.hide = q->hide.list;
	q->run.write = q->write.list;
	if (r >= 0)
		r = set_directory(q, &err);
	if (r >= 0 && q->when)
		r = isle_rules_read(q->when, q->start, &q->rules, &err);
	if (r >= 0)
		r = find_or_create(store, q->name, &isle, &err);
	if (r >= 0 && make_environment(q, isle->name) < 0)
		r = isle_err_errno(&err, -ENOMEM, "cannot make the environment");
	if (r >= 0)
		r = run_in(store, isle, q, &err);
	if (r >= 0)
		return r;
	isle_err_print(&err);
	return ISLE_EXIT_NOT_STARTED;
}

static int parse(struct request *q, const struct isle_verb *verb, int argc, char **argv, struct isle_args *args)
{
	int id;

	q->verb = verb;
	isle_args_init(args, verb, argc, argv);
	while ((id = isle_args_next(args)) > 0) {
		int r = set_option(q, id, args->value);

		if (r != 0)
			return r == ISLE_EXIT_USAGE ? ISLE_EXIT_NOT_STARTED : r;
	}
	if (id < 0)
		return id == ISLE_ARGS_HELP ? -1 : ISLE_EXIT_NOT_STARTED;
	if (q->when && q->end != ISLE_END_COMMIT) {
		isle_usage(verb, "--when goes with --commit");
		return ISLE_EXIT_NOT_STARTED;
	}
	return 0;
}

static int run_main(int argc, char **argv)
{
	auto_request struct request q = {.end = ISLE_END_ASK};
	struct isle_args args;
	int r = parse(&q, &isle_verb_run, argc, argv, &args);

	if (r != 0)
		return r < 0 ? ISLE_EXIT_OK : r;
	if (args.operand_count == 0) {
		isle_usage(&isle_verb_run, "which command?");
		return ISLE_EXIT_NOT_STARTED;
	}
	q.run.argv = args.operands;
	return run_request(&q);
}

static int shell_main(int argc, char **argv)
{
	auto_request struct request q = {.end = ISLE_END_ASK};
	struct isle_args args;
	char *command[2] = {user_shell(), NULL};
	int r = parse(&q, &isle_verb_shell, argc, argv, &args);

	if (r != 0)
		return r < 0 ? ISLE_EXIT_OK : r;
	if (args.operand_count > 0) {
		isle_usage(&isle_verb_shell, "a shell takes no command; use: isle run");
		return ISLE_EXIT_NOT_STARTED;
	}
	q.run.argv = command;
	return run_request(&q);
}

const struct isle_verb isle_verb_run = {
	.name = "run",
	.synopsis = "[-n NAME] [options] [--] CMD [ARG...]",
	.summary = "run CMD in a new isle, or in NAME",
	.more = "Exit status: that of CMD; 128+n if it died by signal n; 125 if nothing was run; 126, 127 as env(1).",
	.options = run_options,
	.stop_at_operand = true,
	.plain_names = true,
	.main = run_main,
};

const struct isle_verb isle_verb_shell = {
	.name = "shell",
	.synopsis = "[-n NAME] [options]",
	.summary = "your shell in an isle",
	.options = run_options,
	.stop_at_operand = true,
	.plain_names = true,
	.main = shell_main,
};
