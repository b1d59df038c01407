/* SPDX-License-Identifier: Apache-2.0 */
/* Root's side of `isle commit --user` (as_user.h). */
#include "as_user.h"
#include "account.h"
#include "owners.h"
#include "path.h"
#include "quote.h"
#include "recovered.h"
#include "review.h"
#include "spawn.h"
#include "talk.h"
#include "verbs.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LINE_MAX_SHOWN = 2048, READ_SIZE = 16384 };

/* The process that runs as the user. */
struct peer {
	const char *user;
	int pidfd;
	pid_t pid;
	int in, out, talk; /* our ends of its standard descriptors */
	struct isle_buf said, line;
};

#define PEER_INIT ((struct peer){.pidfd = -1, .in = -1, .out = -1, .talk = -1})

static void close_end(int *fd)
{
	isle_cleanup_fd(fd);
	*fd = -1;
}

/* What is left alone without an answer commits nothing. */
static void peer_done(struct peer *peer)
{
	close_end(&peer->in);
	close_end(&peer->out);
	close_end(&peer->talk);
	close_end(&peer->pidfd);
	isle_buf_done(&peer->said);
	isle_buf_done(&peer->line);
}
#define auto_peer __attribute__((cleanup(peer_done)))

/* --- what it is started with --- */

static const char *option_name(const struct isle_verb *verb, int id)
{
	const struct isle_option *option = verb->options;

	while (option->name && option->id != id)
		option++;
	return option->name;
}

/* Patterns without a slash mean the same everywhere. */
static bool is_relative(int id, const char *value)
{
	return strchr("xpHL", id) && (id == 'p' || strchr(value, '/') || !strpbrk(value, "*?[")) &&
	       (id != 'L' || strcmp(value, "none") != 0);
}

int isle_as_user_option(struct isle_as_user *as, const struct isle_args *args, int id)
{
	const char *name = option_name(args->verb, id), *value = args->value;
	auto_free char *absolute = NULL;
	char *text = NULL;

	if (id == 'u') {
		as->user = value;
		return 0;
	}
	if (id == 'y')
		return 0;
	if (value && is_relative(id, value)) {
		absolute = isle_path_absolute(value);
		if (!absolute)
			return -ENOMEM;
		value = absolute;
	}
	if (asprintf(&text, value ? "--%s=%s" : "--%s", name, value) < 0)
		text = NULL;
	return isle_operands_take(&as->options, text);
}

/* The verb, the options, "--" and the operands: a list whose strings are borrowed, but for the paths that were made
 * absolute, which the options get. */
static const char **command_line(struct isle_as_user *as, const struct isle_args *args)
{
	size_t options = as->options.count, at = 0;
	const char **argv;
	int r = 0;

	for (int i = 0; i < args->operand_count && r >= 0; i++)
		r = isle_operands_take(&as->options, strchr(args->operands[i], '/')
							     ? isle_path_absolute(args->operands[i])
							     : strdup(args->operands[i]));
	argv = r < 0 ? NULL : calloc(as->options.count + 4, sizeof(*argv));
	if (!argv)
		return NULL;
	argv[at++] = "isle";
	argv[at++] = isle_verb_for_root.name;
	for (size_t i = 0; i < as->options.count; i++) {
		if (i == options)
			argv[at++] = "--";
		argv[at++] = as->options.list[i];
	}
	return argv;
}

/* Nothing of root's environment but the language, and what a test says about configurations. */
struct environment {
	struct isle_buf text;
	const char *list[12];
	size_t offsets[12], count;
};

static void set(struct environment *e, const char *name, const char *value)
{
	if (!value)
		return;
	e->offsets[e->count++] = e->text.size;
	isle_buf_addf(&e->text, "%s=%s", name, value);
	isle_buf_addc(&e->text, '\0');
}

static int make_environment(struct environment *e, const struct isle_account *account, const char *store)
{
	set(e, "PATH", "/usr/local/bin:/usr/bin:/bin");
	set(e, "HOME", account->home);
	set(e, "USER", account->name);
	set(e, "LOGNAME", account->name);
	set(e, "ISLE_HOME", store);
	set(e, "ISLE_CONFIG", getenv("ISLE_CONFIG"));
	set(e, "LANG", getenv("LANG"));
	set(e, "LC_ALL", getenv("LC_ALL"));
	if (isle_buf_error(&e->text) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < e->count; i++)
		e->list[i] = e->text.data + e->offsets[i];
	e->list[e->count] = NULL;
	return 0;
}

static int open_pipe(int *ret_read, int *ret_write)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	*ret_read = fds[0];
	*ret_write = fds[1];
	return 0;
}

static int start(struct peer *peer, const char **argv, const struct isle_account *account, const char *store)
{
	struct environment environment = {.text = ISLE_BUF_INIT};
	const struct isle_spawn_user user = {.uid = account->uid,
					     .gid = account->gid,
					     .groups = account->groups,
					     .group_count = account->group_count,
					     .environment = environment.list};
	auto_fd int in = -1, out = -1, talk = -1;
	int r = make_environment(&environment, account, store);

	if (r >= 0)
		r = open_pipe(&in, &peer->in);
	if (r >= 0)
		r = open_pipe(&peer->out, &out);
	if (r >= 0)
		r = open_pipe(&peer->talk, &talk);
	if (r >= 0)
		r = isle_spawn(&(struct isle_spawn_options){.argv = argv,
							    .program = "/proc/self/exe",
							    .user = &user,
							    .stdin_fd = in,
							    .stdout_fd = out,
							    .stderr_fd = talk},
			       &peer->pid);
	isle_buf_done(&environment.text);
	if (r >= 0)
		peer->pidfd = r;
	return r < 0 ? r : 0;
}

/* --- listening --- */

/* A line of the user's, and nothing that a terminal could take for more. */
static void say_line(struct peer *peer)
{
	auto_buf struct isle_buf text = ISLE_BUF_INIT;

	if (peer->line.size == 0)
		return;
	isle_quote_text_add(&text, peer->line.data, peer->line.size);
	fprintf(stderr, "%s: %s\n", peer->user, isle_buf_error(&text) < 0 ? "..." : text.data);
	isle_buf_clear(&peer->line);
}

static void hear(struct peer *peer, const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		if (text[i] != '\n')
			isle_buf_addc(&peer->line, text[i]);
		if (text[i] == '\n' || peer->line.size >= LINE_MAX_SHOWN)
			say_line(peer);
	}
}

/* Closes *fd at its end. */
static int take_from(struct peer *peer, int *fd, bool list)
{
	char text[READ_SIZE];
	ssize_t n = read(*fd, text, sizeof(text));

	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	if (n == 0) {
		close_end(fd);
		return 0;
	}
	if (fd == &peer->talk) {
		hear(peer, text, (size_t)n);
		return 0;
	}
	if (!list)
		return 0;
	if (peer->said.size + (size_t)n > ISLE_WISHES_BYTES_MAX)
		return -EBADMSG;
	return isle_buf_add(&peer->said, text, (size_t)n);
}

/* Until the list is whole, or (not list) until there is nothing more to come. */
static int listen_to(struct peer *peer, bool list)
{
	int r = 0;

	while (r >= 0 && (peer->out >= 0 || peer->talk >= 0)) {
		struct pollfd fds[2] = {{peer->out, POLLIN, 0}, {peer->talk, POLLIN, 0}};

		if (list && isle_wishes_complete(peer->said.data, peer->said.size))
			return 0;
		if (poll(fds, 2, -1) < 0)
			r = errno == EINTR ? 0 : -errno;
		else if (fds[1].revents)
			r = take_from(peer, &peer->talk, list);
		else if (fds[0].revents)
			r = take_from(peer, &peer->out, list);
	}
	say_line(peer);
	return r;
}

/* --- asking --- */

/* Looked at before anything is done. An exit status, 0 to go on. */
static int check(const struct isle_keep *keep, const struct isle_wishes *wishes)
{
	size_t roots = 0;

	for (size_t i = 0; i < wishes->count; i++) {
		const struct isle_wish *wish = &wishes->list[i];

		if ((wish->mode & (S_ISUID | S_ISGID)) != 0) {
			fprintf(stderr,
				"isle: nothing was done: '%s' has a set-user-ID or set-group-ID bit, and is given to "
				"nobody\nhint: leave it out with --except\n",
				isle_quote(wish->path));
			return ISLE_EXIT_FAILED;
		}
		roots += wish->uid == 0 || wish->gid == 0;
	}
	if (roots == 0 || keep->allow_root)
		return 0;
	fprintf(stderr,
		"isle: nothing was done: %zu of them would belong to root or its group, and need a yes of their own\n"
		"hint: look at them, then say yes with --allow=root, or leave them out with --except\n",
		roots);
	return ISLE_EXIT_FLAGGED;
}

static int ask(const struct isle_keep *keep, const struct peer *peer, const struct isle_wishes *wishes)
{
	int status;

	if (wishes->count > 0 && (isle_talk_get() > ISLE_TALK_QUIET || !keep->yes)) {
		fprintf(stderr, "isle: owners asked for in '%s' of %s:\n", wishes->isle, peer->user);
		if (isle_wishes_print(wishes, stderr) < 0)
			return ISLE_EXIT_FAILED;
	}
	status = check(keep, wishes);
	if (status != 0 || keep->yes)
		return status;
	if (!isle_can_ask()) {
		fprintf(stderr, "isle: nothing was done: there is no terminal to ask on\nhint: say --yes\n");
		return ISLE_EXIT_FAILED;
	}
	return isle_ask("commit %s on '%s' as %s, and give %zu owner%s?", wishes->summary, wishes->isle, peer->user,
			wishes->count, wishes->count == 1 ? "" : "s")
		       ? 0
		       : ISLE_EXIT_FAILED;
}

/* --- doing --- */

static int tell(const struct isle_commit_result *result)
{
	isle_keep_tell(result);
	switch (result->outcome) {
	case ISLE_OUTCOME_DONE:
		isle_note("gave %" PRIu64 " owner%s (operation %" PRIu64 "; 'isle undo' takes %s back)",
			  result->summary.metadata, result->summary.metadata == 1 ? "" : "s", result->operation,
			  result->summary.metadata == 1 ? "it" : "them");
		return ISLE_EXIT_OK;
	case ISLE_OUTCOME_CONFLICT:
		fputs("isle: the changes are committed, but no owner was given: these are not as they were shown\n"
		      "hint: 'isle diff --owners' had them as commands; chown(1) gives what you have looked at\n",
		      stderr);
		return ISLE_EXIT_CONFLICT;
	case ISLE_OUTCOME_NOTHING:
	case ISLE_OUTCOME_FLAGGED:
	case ISLE_OUTCOME_DECLINED:
	case ISLE_OUTCOME_STALE:
	case ISLE_OUTCOME_TORN:
		break;
	}
	return ISLE_EXIT_OK;
}

static int give(struct isle_keep *keep, const struct isle_account *account, const struct isle_wishes *wishes)
{
	auto_commit_result struct isle_commit_result result = ISLE_COMMIT_RESULT_INIT;
	const struct isle_giving giving = {.wishes = wishes, .user = account->name, .uid = account->uid};
	struct isle_err err = ISLE_ERR_INIT;

	if (wishes->count == 0)
		return ISLE_EXIT_OK;
	if (isle_owners_give(keep->store, &giving, &result, &err) < 0) {
		isle_err_prefix(&err, err.code, "the changes are committed");
		return isle_fail(&err);
	}
	return tell(&result);
}

/* Its exit status once it has ended, which it does without an answer, too. */
static int end(struct peer *peer)
{
	int status;

	close_end(&peer->in);
	if (listen_to(peer, false) < 0)
		return ISLE_EXIT_FAILED;
	status = isle_spawn_wait(peer->pidfd, peer->pid, -1);
	return status < 0 || status >= 128 ? ISLE_EXIT_FAILED : status;
}

static int talk_to(struct isle_keep *keep, struct peer *peer, const struct isle_account *account)
{
	auto_wishes struct isle_wishes wishes = ISLE_WISHES_INIT;
	int r = listen_to(peer, true), status;
	bool answered;

	if (r >= 0 && !isle_wishes_complete(peer->said.data, peer->said.size))
		return end(peer); /* it has said why */
	if (r >= 0)
		r = isle_wishes_read(peer->said.data, peer->said.size, &wishes);
	if (r < 0) {
		fprintf(stderr, "isle: nothing was done: what %s's side says makes no sense\n", peer->user);
		return ISLE_EXIT_FAILED;
	}
	status = ask(keep, peer, &wishes);
	if (status != 0) {
		isle_ignore(end(peer));
		return status;
	}
	answered = write(peer->in, "y", 1) == 1;
	status = end(peer);
	if (status != 0 || !answered)
		return status != 0 ? status : ISLE_EXIT_FAILED;
	return give(keep, account, &wishes);
}

static int find_account(const char *name, struct isle_account *ret_account, struct isle_err *err)
{
	int r = isle_account_find(name, ret_account);

	if (geteuid() != 0)
		return isle_err_text(err, -EPERM, "only root can give files to others");
	if (r == -ENOENT)
		return isle_err_text(err, r, "there is no user '%s' in /etc/passwd", isle_quote(name));
	if (r < 0)
		return isle_err_errno(err, r, "cannot look for user '%s'", isle_quote(name));
	if (ret_account->uid == 0)
		return isle_err_text(err, -EINVAL, "root's own isles have the owners themselves");
	return 0;
}

int isle_commit_as_user(struct isle_keep *keep, struct isle_as_user *as, const struct isle_args *args)
{
	auto_account struct isle_account account = ISLE_ACCOUNT_INIT;
	auto_peer struct peer peer = PEER_INIT;
	auto_free char *name = strndup(as->user, strcspn(as->user, ":"));
	auto_free const char **argv = NULL;
	const char *colon = strchr(as->user, ':');
	auto_free char *store = colon ? isle_path_absolute(colon + 1) : NULL;
	struct isle_err err = ISLE_ERR_INIT;
	int r = name && (store || !colon) ? find_account(name, &account, &err) : -ENOMEM;

	if (r >= 0)
		r = isle_store_open_recovered(&keep->store, &err);
	if (r < 0)
		return isle_fail(&err);
	peer.user = account.name;
	argv = command_line(as, args);
	/* Its end must not be ours. */
	isle_ignore(signal(SIGPIPE, SIG_IGN) == SIG_ERR);
	r = argv ? start(&peer, argv, &account, store) : -ENOMEM;
	if (r < 0) {
		isle_err_errno(&err, r, "cannot run isle as '%s'", isle_quote(account.name));
		return isle_fail(&err);
	}
	return talk_to(keep, &peer, &account);
}
