/* SPDX-License-Identifier: Apache-2.0 */
/*
 * isle doctor. What is reported was found out by using it: the walls (walls.h), where layers can live, pasta(1) and the
 * device that pasta needs.
 */
#include "helper.h"
#include "json.h"
#include "quote.h"
#include "spawn.h"
#include "store.h"
#include "verbs.h"
#include "walls.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

static const struct isle_option options[] = {
	{"json", 0, NULL, "as one JSON document", 'j'},
	{0},
};

static const char *const wall_meaning[ISLE_WALL_COUNT] = {
	"programs have no power over the machine",
	"programs see a file system of their own",
	"processes of the host cannot be seen or signalled",
	"shared memory of the host cannot be reached",
	"the host name is the isle's own",
	"the network is the isle's own",
	"control groups of the host cannot be seen",
	"writes go to a layer",
	"no file outside the view can be opened for writing",
	"no system call reaches around the view",
	"the network is started when it is first used",
	"the host's own addresses and cloud metadata cannot be reached",
	"a crash starts nothing outside the isle",
};

enum { AID_STORE, AID_PASTA, AID_TUN, AID_COUNT };

static const char *const aid_names[AID_COUNT] = {"store", "pasta", "tun"};
static const char *const aid_meaning[AID_COUNT] = {
	"layers have a place to live in",
	"--net internet: the way out of an isle",
	"--net internet: the device that pasta needs",
};

/* One row; err.code is 0 when it is there. */
struct finding {
	const char *name;
	const char *meaning;
	struct isle_err err;
};

struct findings {
	struct finding walls[ISLE_WALL_COUNT];
	struct finding aids[AID_COUNT];
	struct isle_walls_details details;
};

static void check_pasta(struct isle_err *err)
{
	struct isle_helper pasta;
	const struct isle_spawn_options spawn = {
		.argv = (const char *const[]){"pasta", "--version", NULL},
		.program = pasta.path,
		.environment = (const char *const[]){NULL},
		.stdin_fd = -1,
		.stdout_fd = -1,
		.stderr_fd = -1,
	};
	pid_t pid;
	int found = isle_helper_find("pasta", &pasta, err);
	auto_fd int pidfd = found < 0 ? found : isle_spawn(&spawn, &pid);
	int status = pidfd < 0 ? pidfd : isle_spawn_wait(pidfd, pid, 5000);

	if (status == 0)
		return;
	if (found == -EPERM) {
		isle_err_hint(err, "chown root and chmod go-w it");
		return;
	}
	if (found >= 0 && status < 0)
		isle_err_errno(err, status, "pasta cannot be started");
	else if (found >= 0)
		isle_err_text(err, -EIO, "pasta does not work: status %d", status);
	isle_err_hint(err, "sudo apt install passt (Debian, Ubuntu), sudo dnf install passt (Fedora)");
}

static void check_tun(struct isle_err *err)
{
	auto_fd int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	int code = -errno;

	if (fd >= 0)
		return;
	isle_err_errno(err, code, "/dev/net/tun cannot be opened");
	if (code == -ENOENT || code == -ENODEV || code == -ENXIO)
		isle_err_hint(err, "sudo modprobe tun; in a container: --device /dev/net/tun");
	else
		isle_err_hint(err, "sudo chmod 666 /dev/net/tun (it has no power by itself; that is the usual mode)");
}

/* isle_store_open() has said where overlays were tried; the walls are tried there too. */
static void check_store(struct isle_store **store, struct isle_err *err)
{
	if (isle_store_open(store, err) < 0)
		return;
	*err = ISLE_ERR_INIT;
	isle_walls_place(isle_store_path(*store));
}

static void find_out(struct isle_store **store, struct findings *findings)
{
	for (int i = 0; i < AID_COUNT; i++)
		findings->aids[i] = (struct finding){.name = aid_names[i], .meaning = aid_meaning[i]};
	check_store(store, &findings->aids[AID_STORE].err);
	check_pasta(&findings->aids[AID_PASTA].err);
	check_tun(&findings->aids[AID_TUN].err);
	for (int i = 0; i < ISLE_WALL_COUNT; i++) {
		struct finding *wall = &findings->walls[i];

		wall->name = isle_wall_name(1U << i);
		wall->meaning = wall_meaning[i];
		isle_wall_explain(1U << i, &wall->err);
	}
	findings->details = isle_walls_details();
}

static unsigned count_missing(const struct findings *findings)
{
	unsigned missing = 0;

	for (int i = 0; i < ISLE_WALL_COUNT; i++)
		missing += findings->walls[i].err.code != 0;
	for (int i = 0; i < AID_COUNT; i++)
		missing += findings->aids[i].err.code != 0;
	return missing;
}

static void print_list(const struct finding *list, int count)
{
	for (int i = 0; i < count; i++) {
		const struct isle_err *err = &list[i].err;

		printf("  %-9s %-8s %s\n", list[i].name, err->code ? "MISSING" : "ok", list[i].meaning);
		if (err->code)
			printf("%21swhy: %s\n", "", err->text);
		if (err->code && err->hint[0])
			printf("%21sfix: %s\n", "", err->hint);
	}
}

static int print_text(const struct findings *findings, const struct isle_store *store)
{
	unsigned missing = count_missing(findings);

	printf("walls\n");
	print_list(findings->walls, ISLE_WALL_COUNT);
	printf("aids\n");
	print_list(findings->aids, AID_COUNT);
	printf("details\n");
	if (store)
		printf("  store     %s\n", isle_quote(isle_store_path(store)));
	printf("  landlock  version %d\n", findings->details.landlock_abi);
	printf("  volatile  %s\n",
	       findings->details.volatile_overlay ? "yes: fsync inside costs nothing" : "no: fsync inside costs time");
	printf(missing ? "%u missing\n" : "everything is there\n", missing);
	return fflush(stdout) == EOF ? -errno : 0;
}

static void json_missing(struct isle_json *json, const struct finding *list, int count)
{
	for (int i = 0; i < count; i++) {
		const struct isle_err *err = &list[i].err;

		if (!err->code)
			continue;
		isle_json_object(json, NULL);
		isle_json_str(json, "what", list[i].name);
		isle_json_str(json, "why", err->text);
		isle_json_str(json, "fix", err->hint[0] ? err->hint : NULL);
		isle_json_end(json);
	}
}

static int print_json(const struct findings *findings, const struct isle_store *store)
{
	struct isle_json json;

	isle_json_init(&json, stdout);
	isle_json_object(&json, NULL);
	isle_json_int(&json, "version", 1);
	isle_json_object(&json, "walls");
	for (int i = 0; i < ISLE_WALL_COUNT; i++) {
		bool there = findings->walls[i].err.code == 0;

		if (1U << i == ISLE_WALL_LANDLOCK)
			isle_json_int(&json, "landlock", findings->details.landlock_abi);
		else
			isle_json_bool(&json, findings->walls[i].name, there);
	}
	isle_json_end(&json);
	isle_json_object(&json, "aids");
	for (int i = 0; i < AID_COUNT; i++)
		isle_json_bool(&json, findings->aids[i].name, findings->aids[i].err.code == 0);
	isle_json_bool(&json, "volatile", findings->details.volatile_overlay);
	isle_json_end(&json);
	if (store)
		isle_json_path(&json, "store", isle_store_path(store));
	isle_json_array(&json, "missing");
	json_missing(&json, findings->walls, ISLE_WALL_COUNT);
	json_missing(&json, findings->aids, AID_COUNT);
	isle_json_end(&json);
	isle_json_end(&json);
	return isle_json_done(&json);
}

static int doctor_main(int argc, char **argv)
{
	static struct findings findings;
	auto_store struct isle_store *store = NULL;
	struct isle_args args;
	bool as_json = false;
	int id, r;

	isle_args_init(&args, &isle_verb_doctor, argc, argv);
	while ((id = isle_args_next(&args)) > 0)
		as_json = true;
	if (id < 0)
		return id == ISLE_ARGS_HELP ? ISLE_EXIT_OK : ISLE_EXIT_USAGE;
	if (args.operand_count)
		return isle_usage(&isle_verb_doctor, "takes no argument");
	find_out(&store, &findings);
	r = as_json ? print_json(&findings, store) : print_text(&findings, store);
	if (r < 0)
		return ISLE_EXIT_FAILED;
	return count_missing(&findings) ? ISLE_EXIT_PROTECTION : ISLE_EXIT_OK;
}

const struct isle_verb isle_verb_doctor = {
	.name = "doctor",
	.synopsis = "[--json]",
	.summary = "which protections work on this machine, and how to get the others",
	.more = "Each is tried by using it, as the present user: as root and as an ordinary user the answers differ.\n"
		"Exit status: 0 everything is there, 5 something is missing.\n"
		"A wall can be demanded for a run by its name here: isle run --require landlock,seccomp ...",
	.options = options,
	.plain_names = true,
	.main = doctor_main,
};
