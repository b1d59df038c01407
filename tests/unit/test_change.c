/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scan, on layers that are made by hand: composite directories, single files, several layers, and what the kernel
 * does not make. tests/cli/overlay_scan.sh has the layers that it does make.
 */
#include "change.h"
#include "change_internal.h"
#include "composite.h"
#include "kernel.h"
#include "path.h"
#include "patterns.h"
#include "secrets.h"
#include "unit.h"
#include "xattr.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>

/* A store, an isle, a host tree, and the layers over it. */
struct fixture {
	struct isle_store *store;
	struct isle *isle;
	char host[300];
	int host_fd;
	struct isle_layer list[4];
	struct isle_layers layers;
	struct isle_changes changes;
};

static void open_fixture(void **state, struct fixture *f)
{
	char path[300];
	struct isle_err err = ISLE_ERR_INIT;

	*f = (struct fixture){.layers = {.list = f->list}};
	snprintf(path, sizeof(path), "%s/store", unit_dir_path(state));
	assert_int_equal(setenv("ISLE_HOME", path, 1), 0);
	if (isle_store_open(&f->store, &err) < 0)
		unit_missing("a file system for layers");
	assert_int_equal(isle_create(f->store, "t", &f->isle, &err), 0);
	snprintf(f->host, sizeof(f->host), "%s/host", unit_dir_path(state));
	assert_int_equal(mkdir(f->host, 0755), 0);
	f->host_fd = open(f->host, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(f->host_fd >= 0);
}

static void close_fixture(struct fixture *f)
{
	isle_changes_done(&f->changes);
	isle_free(f->isle);
	isle_store_free(f->store);
	close(f->host_fd);
}

/* A user's layer over this path; the descriptor of its upper directory. */
static int add_layer(struct fixture *f, enum isle_layer_kind kind, const char *path, const char *shadow)
{
	struct isle_layer *layer = &f->list[f->layers.count];
	auto_fd int host = open(path, O_PATH | O_CLOEXEC);
	int upper;

	*layer = (struct isle_layer){
		.number = (unsigned)f->layers.count++,
		.kind = kind,
		.user = true,
		.path = path,
		.shadow = shadow,
		.root_mode = 0755,
	};
	assert_true(host >= 0);
	assert_int_equal(isle_layer_make(f->isle, layer, host), 0);
	if (kind == ISLE_LAYER_FILE)
		return -1;
	upper = isle_layer_open_upper(f->isle, layer);
	assert_true(upper >= 0);
	return upper;
}

static void scan(struct fixture *f, unsigned flags)
{
	struct isle_err err = ISLE_ERR_INIT;

	isle_changes_done(&f->changes);
	if (isle_changes_scan(f->store, f->isle, &f->layers, flags, &f->changes, &err) < 0)
		fail_msg("%s", err.text);
}

/* "A path" of each change, below the host's directory, separated by a newline. */
static void expect(struct fixture *f, unsigned flags, const char *want)
{
	static const char letters[] = "AMDRTm";
	auto_buf struct isle_buf got = ISLE_BUF_INIT;

	scan(f, flags);
	for (size_t i = 0; i < f->changes.count; i++) {
		const struct isle_change *change = &f->changes.list[i];

		assert_true(isle_path_below(change->path, f->host));
		isle_buf_addf(&got, "%c %s\n", letters[change->kind], change->path + strlen(f->host));
	}
	assert_string_equal(got.data ? got.data : "", want);
}

static const struct isle_change *find(const struct fixture *f, const char *name)
{
	for (size_t i = 0; i < f->changes.count; i++)
		if (strcmp(f->changes.list[i].path + strlen(f->host), name) == 0)
			return &f->changes.list[i];
	fail_msg("no change of %s", name);
	return NULL;
}

static void make_dir(int dir, const char *name)
{
	assert_int_equal(mkdirat(dir, name, 0755), 0);
}

static void make_whiteout(int dir, const char *name)
{
	if (mknodat(dir, name, S_IFCHR, makedev(0, 0)) < 0)
		unit_missing("whiteouts (Linux 5.8)");
}

static void set(int dir, const char *name, const char *key, const char *value)
{
	if (isle_xattr_set(dir, name, key, value, strlen(value)) < 0)
		unit_missing("user attributes");
}

/* So that what follows is younger than what was. */
static void tick(void)
{
	nanosleep(&(struct timespec){.tv_nsec = 20 * 1000 * 1000}, NULL);
}

static void test_kinds(void **state)
{
	struct fixture f;

	open_fixture(state, &f);
	unit_write(f.host_fd, "same", "same\n");
	unit_write(f.host_fd, "modified", "a\n");
	unit_write(f.host_fd, "deleted", "a\n");
	unit_write(f.host_fd, "replaced", "a\n");
	make_dir(f.host_fd, "merged");
	make_dir(f.host_fd, "gone");
	unit_write(f.host_fd, "gone/x", "12345");
	tick();
	auto_fd int upper = add_layer(&f, ISLE_LAYER_OVERLAY, f.host, NULL);
	unit_write(upper, "same", "same\n");
	set(upper, "same", "user.overlay.origin", "");
	unit_write(upper, "modified", "b\n");
	make_whiteout(upper, "deleted");
	make_whiteout(upper, "gone");
	make_whiteout(upper, "was never there");
	make_dir(upper, "replaced");
	make_dir(upper, "merged");
	set(upper, "merged", "user.overlay.origin", "");
	unit_write(upper, "merged/new", "1");
	make_dir(upper, "tree");
	make_dir(upper, "tree/sub");
	unit_write(upper, "tree/sub/file", "123");
	expect(&f, 0, "D /deleted\nD /gone\nA /merged/new\nM /modified\nT /replaced\nA /tree\n");
	assert_int_equal(find(&f, "/tree")->entries, 2);
	assert_int_equal(find(&f, "/tree")->bytes, 3);
	assert_int_equal(find(&f, "/gone")->entries, 1);
	assert_int_equal(find(&f, "/gone")->bytes, 5);
	assert_string_equal(find(&f, "/gone")->upper, "gone");
	assert_int_equal(find(&f, "/modified")->before.size, 2);
	assert_true(find(&f, "/modified")->diff & ISLE_DIFF_CONTENT);
	for (size_t i = 0; i < f.changes.count; i++)
		assert_int_equal(f.changes.list[i].moved, ISLE_MOVED_NO);
	expect(&f, ISLE_SCAN_ALL,
	       "D /deleted\nD /gone\nD /gone/x\nA /merged/new\nM /modified\nT /replaced\nA /tree\nA /tree/sub\n"
	       "A /tree/sub/file\n");
	close_fixture(&f);
}

/* A file whose size and time are as before, but not its data. */
static void test_restored_time(void **state)
{
	const struct timespec times[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
	struct fixture f;

	open_fixture(state, &f);
	unit_write(f.host_fd, "f", "aaaa");
	assert_int_equal(utimensat(f.host_fd, "f", times, 0), 0);
	auto_fd int upper = add_layer(&f, ISLE_LAYER_OVERLAY, f.host, NULL);
	unit_write(upper, "f", "aaab");
	assert_int_equal(utimensat(upper, "f", times, 0), 0);
	expect(&f, 0, "M /f\n");
	unit_write(upper, "f", "aaaa");
	expect(&f, 0, "");
	expect(&f, ISLE_SCAN_TIMES, "m /f\n");
	assert_int_equal(utimensat(upper, "f", times, 0), 0);
	expect(&f, ISLE_SCAN_TIMES, "");
	close_fixture(&f);
}

static void test_root(void **state)
{
	struct fixture f;

	open_fixture(state, &f);
	auto_fd int upper = add_layer(&f, ISLE_LAYER_OVERLAY, f.host, NULL);
	expect(&f, 0, "");
	assert_int_equal(fchmod(upper, 0700), 0);
	expect(&f, 0, "m \n");
	assert_string_equal(f.changes.list[0].upper, "");
	close_fixture(&f);
}

/* The directory that a layer was made for goes: that is the host's own business, until the isle put something there. */
static void test_root_gone(void **state)
{
	struct fixture f;
	char path[400];

	open_fixture(state, &f);
	make_dir(f.host_fd, "gone");
	snprintf(path, sizeof(path), "%s/gone", f.host);
	auto_fd int upper = add_layer(&f, ISLE_LAYER_OVERLAY, path, NULL);
	assert_int_equal(unlinkat(f.host_fd, "gone", AT_REMOVEDIR), 0);
	expect(&f, 0, "");
	unit_write(upper, "f", "x");
	expect(&f, ISLE_SCAN_ALL, "A /gone\nA /gone/f\n");
	close_fixture(&f);
}

static void test_shadow(void **state)
{
	auto_composite struct isle_composite composite = ISLE_COMPOSITE_INIT;
	struct isle_err err = ISLE_ERR_INIT;
	char sub[320];
	struct fixture f;

	open_fixture(state, &f);
	unit_write(f.host_fd, "copied", "same\n");
	unit_write(f.host_fd, "modified", "a\n");
	unit_write(f.host_fd, "deleted", "a\n");
	unit_write(f.host_fd, "followed", "a\n");
	assert_int_equal(symlinkat("x", f.host_fd, "link"), 0);
	make_dir(f.host_fd, "sub");
	tick();
	assert_int_equal(isle_composite_read(f.host_fd, &composite), 0);
	assert_int_equal(isle_shadow_make(f.store, f.host_fd, &composite, &err), 0);
	snprintf(sub, sizeof(sub), "%s/sub", f.host);
	auto_fd int upper = add_layer(&f, ISLE_LAYER_SHADOW, f.host, composite.key);
	auto_fd int below = add_layer(&f, ISLE_LAYER_OVERLAY, sub, NULL);
	unit_write(upper, "copied", "same\n");
	unit_write(upper, "modified", "b\n");
	make_whiteout(upper, "deleted");
	make_dir(upper, "new");
	unit_write(upper, "new/file", "1");
	make_dir(upper, "sub"); /* another layer's */
	unit_write(below, "in", "1");
	expect(&f, 0, "D /deleted\nM /modified\nA /new\nA /sub/in\n");
	assert_int_equal(find(&f, "/sub/in")->layer, 1);
	assert_int_equal(find(&f, "/modified")->moved, ISLE_MOVED_NO);
	/* The host goes on: that is a conflict, also where the isle has written the same anew. */
	tick();
	unit_write(f.host_fd, "copied", "newer\n");
	unit_write(f.host_fd, "modified", "newer\n");
	unit_write(f.host_fd, "deleted", "newer\n");
	expect(&f, 0, "m /copied\nD /deleted\nM /modified\nA /new\nA /sub/in\n");
	assert_int_equal(find(&f, "/copied")->moved, ISLE_MOVED_CHANGED);
	assert_int_equal(find(&f, "/modified")->moved, ISLE_MOVED_CHANGED);
	assert_int_equal(find(&f, "/deleted")->moved, ISLE_MOVED_CHANGED);
	close_fixture(&f);
}

static void test_file_layer(void **state)
{
	char path[320];
	struct fixture f;
	char text[8] = "";

	open_fixture(state, &f);
	unit_write(f.host_fd, "f", "a\n");
	snprintf(path, sizeof(path), "%s/f", f.host);
	tick();
	add_layer(&f, ISLE_LAYER_FILE, path, NULL);
	expect(&f, 0, "");
	tick();
	unit_write(f.host_fd, "f", "host\n");
	expect(&f, 0, "");
	auto_fd int dir = isle_layer_open(f.isle, &f.list[0]);
	unit_write(dir, "file", "isle\n");
	expect(&f, 0, "M /f\n");
	assert_int_equal(f.changes.list[0].moved, ISLE_MOVED_CHANGED);
	auto_fd int after = isle_change_open_after(f.isle, &f.layers, &f.changes.list[0]);
	auto_fd int before = isle_change_open_before(&f.layers, &f.changes.list[0]);
	assert_int_equal(read(after, text, sizeof(text)), 5);
	assert_memory_equal(text, "isle\n", 5);
	assert_int_equal(read(before, text, sizeof(text)), 5);
	assert_memory_equal(text, "host\n", 5);
	close_fixture(&f);
}

static void test_moved(void **state)
{
	struct fixture f;

	open_fixture(state, &f);
	unit_write(f.host_fd, "changed", "a\n");
	unit_write(f.host_fd, "deleted", "a\n");
	make_dir(f.host_fd, "tree");
	make_dir(f.host_fd, "tree/sub");
	unit_write(f.host_fd, "tree/sub/f", "a\n");
	tick();
	auto_fd int upper = add_layer(&f, ISLE_LAYER_OVERLAY, f.host, NULL);
	unit_write(upper, "changed", "b\n");
	set(upper, "changed", "user.overlay.origin", "");
	unit_write(upper, "deleted", "b\n");
	set(upper, "deleted", "user.overlay.origin", "");
	unit_write(upper, "created", "b\n");
	make_whiteout(upper, "tree");
	tick();
	unit_write(f.host_fd, "changed", "h\n");
	assert_int_equal(unlinkat(f.host_fd, "deleted", 0), 0);
	unit_write(f.host_fd, "created", "h\n");
	unit_write(f.host_fd, "tree/sub/f", "h\n");
	expect(&f, 0, "M /changed\nA /created\nM /deleted\nD /tree\n");
	assert_int_equal(find(&f, "/changed")->moved, ISLE_MOVED_CHANGED);
	assert_int_equal(find(&f, "/created")->moved, ISLE_MOVED_CREATED);
	assert_int_equal(find(&f, "/deleted")->moved, ISLE_MOVED_DELETED);
	assert_int_equal(find(&f, "/deleted")->before.mode, 0);
	assert_int_equal(find(&f, "/tree")->moved, ISLE_MOVED_CHANGED);
	close_fixture(&f);
}

static void test_rename(void **state)
{
	const struct timespec times[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
	struct fixture f;

	open_fixture(state, &f);
	unit_write(f.host_fd, "old", "text\n");
	unit_write(f.host_fd, "other", "TEXT\n");
	assert_int_equal(utimensat(f.host_fd, "old", times, 0), 0);
	assert_int_equal(utimensat(f.host_fd, "other", times, 0), 0);
	tick();
	auto_fd int upper = add_layer(&f, ISLE_LAYER_OVERLAY, f.host, NULL);
	make_whiteout(upper, "old");
	make_whiteout(upper, "other");
	unit_write(upper, "new", "text\n");
	assert_int_equal(utimensat(upper, "new", times, 0), 0);
	expect(&f, 0, "R /new\nD /other\n");
	assert_string_equal(find(&f, "/new")->from + strlen(f.host), "/old");
	assert_int_equal(find(&f, "/new")->diff & ISLE_DIFF_CONTENT, 0);
	close_fixture(&f);
}

/* Deeper than PATH_MAX and than there are descriptors. */
static void test_deep(void **state)
{
	enum { DEPTH = 4200, FILES = DEPTH / 100 };
	struct fixture f;

	open_fixture(state, &f);
	auto_fd int upper = add_layer(&f, ISLE_LAYER_OVERLAY, f.host, NULL);
	auto_fd int at = dup(upper);
	for (int i = 0; i < DEPTH; i++) {
		int next;

		make_dir(at, "d");
		if (i % 100 == 99)
			unit_write(at, "f", "1");
		next = openat(at, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_true(next >= 0);
		close(at);
		at = next;
	}
	scan(&f, 0);
	assert_int_equal(f.changes.count, 1);
	assert_int_equal(find(&f, "/d")->entries, DEPTH - 1 + FILES);
	assert_int_equal(find(&f, "/d")->bytes, FILES);
	scan(&f, ISLE_SCAN_ALL);
	assert_int_equal(f.changes.count, DEPTH + FILES);
	for (size_t i = 0; i < f.changes.count; i++) {
		if (!S_ISREG(f.changes.list[i].after.mode))
			continue;
		auto_fd int fd = isle_change_open_after(f.isle, &f.layers, &f.changes.list[i]);
		assert_true(fd >= 0);
	}
	close_fixture(&f);
}

static void test_unreadable(void **state)
{
	struct fixture f;

	if (geteuid() == 0)
		skip(); /* root reads everything */
	open_fixture(state, &f);
	auto_fd int upper = add_layer(&f, ISLE_LAYER_OVERLAY, f.host, NULL);
	make_dir(upper, "closed");
	unit_write(upper, "closed/f", "1");
	assert_int_equal(fchmodat(upper, "closed", 0, 0), 0);
	expect(&f, 0, "A /closed\n");
	assert_true(f.changes.list[0].blind);
	assert_int_equal(fchmodat(upper, "closed", 0600, 0), 0); /* the names, but nothing of what they are of */
	expect(&f, 0, "A /closed\n");
	assert_true(f.changes.list[0].blind);
	assert_int_equal(fchmodat(upper, "closed", 0700, 0), 0);
	make_dir(upper, "closed/below");
	unit_write(upper, "closed/below/f", "1");
	assert_int_equal(fchmodat(upper, "closed/below", 0600, 0), 0);
	expect(&f, 0, "A /closed\n");
	assert_true(f.changes.list[0].blind);
	assert_int_equal(fchmodat(upper, "closed/below", 0700, 0), 0);
	expect(&f, 0, "A /closed\n");
	assert_false(f.changes.list[0].blind);
	close_fixture(&f);
}

static void test_no_leak(void **state)
{
	struct fixture f;
	int fds;

	open_fixture(state, &f);
	make_dir(f.host_fd, "a");
	auto_fd int upper = add_layer(&f, ISLE_LAYER_OVERLAY, f.host, NULL);
	make_dir(upper, "a");
	make_dir(upper, "b");
	scan(&f, ISLE_SCAN_ALL);
	fds = unit_count_fds();
	scan(&f, ISLE_SCAN_ALL);
	assert_int_equal(unit_count_fds(), fds);
	close_fixture(&f);
}

static void test_marks(void **state)
{
	enum { AUTO = ISLE_MARK_AUTOSTART, CRED = ISLE_MARK_CREDENTIAL };
	static const struct {
		const char *path;
		uint32_t type;
		unsigned marks;
	} cases[] = {
		{"/root/.bashrc", S_IFREG, AUTO},
		{"/home/u/.profile", S_IFREG, AUTO},
		{"/srv/homes/u/.zshrc", S_IFREG, AUTO},
		{"/home/u/w/.envrc", S_IFREG, AUTO},
		{"/home/u/w/.git/hooks/pre-commit", S_IFREG, AUTO},
		{"/home/u/w/.git/hooks/pre-commit.sample", S_IFREG, 0},
		{"/home/u/w/.git/objects/00/11", S_IFREG, 0},
		{"/home/u/w/.git/config", S_IFREG, AUTO},
		{"/home/u/w/.git/hooks", S_IFLNK, AUTO},
		{"/home/u/w/.git", S_IFLNK, AUTO},
		{"/home/u/w/.git/hooks", S_IFDIR, AUTO},
		{"/home/u/w/x.git/hooks/a", S_IFREG, 0},
		{"/home/u/w/.vscode/tasks.json", S_IFREG, AUTO},
		{"/home/u/.config/autostart/x.desktop", S_IFREG, AUTO},
		{"/home/u/.config/systemd/user/default.target.wants/x.service", S_IFLNK, AUTO},
		{"/etc/systemd/system/x.service", S_IFREG, AUTO},
		{"/usr/lib/systemd/system/x.service", S_IFREG, 0},
		{"/usr/lib/systemd/system/multi-user.target.wants/x.service", S_IFLNK, AUTO},
		{"/etc/cron.d/x", S_IFREG, AUTO},
		{"/etc/cron.d", S_IFDIR, AUTO},
		{"/etc/crontab", S_IFREG, AUTO},
		{"/srv/chroot/etc/crontab", S_IFREG, 0},
		{"/var/spool/cron/crontabs/root", S_IFREG, AUTO},
		{"/etc/profile.d/x.sh", S_IFREG, AUTO},
		{"/etc/rc2.d/S01x", S_IFLNK, AUTO},
		{"/etc/init.d/x", S_IFREG, AUTO},
		{"/etc/ld.so.preload", S_IFREG, AUTO},
		{"/etc/ld.so.conf.d/x.conf", S_IFREG, AUTO},
		{"/etc/udev/rules.d/1.rules", S_IFREG, AUTO},
		{"/etc/apt/apt.conf.d/99x", S_IFREG, AUTO},
		{"/etc/pam.d/sshd", S_IFREG, AUTO | CRED},
		{"/usr/lib/python3/dist-packages/x.pth", S_IFREG, AUTO},
		{"/usr/lib/python3/dist-packages/x.py", S_IFREG, 0},
		{"/home/u/venv/lib/python3.11/site-packages/sitecustomize.py", S_IFREG, AUTO},
		{"/root/.ssh/authorized_keys", S_IFREG, CRED},
		{"/root/.ssh/rc", S_IFREG, AUTO | CRED},
		{"/root/.ssh/known_hosts", S_IFREG, 0},
		{"/etc/sudoers.d/x", S_IFREG, CRED},
		{"/etc/shadow", S_IFREG, CRED},
		{"/etc/passwd", S_IFREG, CRED},
		{"/home/u/.aws/credentials", S_IFREG, CRED},
		{"/home/u/.npmrc", S_IFREG, CRED},
		{"/home/u/.docker/config.json", S_IFREG, CRED},
		{"/usr/local/share/ca-certificates/x/y.crt", S_IFREG, CRED},
		{"/home/u/.kube/config", S_IFREG, CRED},
		{"/usr/share/doc/passwd", S_IFREG, 0},
		{"/etc/hosts", S_IFREG, 0},
		{"/home/u/__pycache__/m.pyc", S_IFREG, ISLE_MARK_BYTECODE},
		{"/", S_IFDIR, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		if (isle_path_marks(cases[i].path, cases[i].type) != cases[i].marks)
			fail_msg("%s: %#x", cases[i].path, isle_path_marks(cases[i].path, cases[i].type));
}

static void test_secrets(void **state)
{
	static const struct {
		const char *path;
		enum isle_secret secret;
	} cases[] = {
		{"/home/u/.ssh/id_rsa", ISLE_SECRET_SSH},
		{"/home/u/.ssh/other/key", ISLE_SECRET_SSH},
		{"/home/u/.ssh/id_rsa.pub", ISLE_SECRET_NONE},
		{"/home/u/.ssh/known_hosts", ISLE_SECRET_NONE},
		{"/home/u/.ssh/config", ISLE_SECRET_NONE},
		{"/home/u/.ssh", ISLE_SECRET_NONE},
		{"/etc/ssh/ssh_host_rsa_key", ISLE_SECRET_SSH},
		{"/etc/ssh/ssh_host_rsa_key.pub", ISLE_SECRET_NONE},
		{"/home/u/.gnupg/private-keys-v1.d/ABC.key", ISLE_SECRET_GPG},
		{"/home/u/.gnupg/pubring.kbx", ISLE_SECRET_NONE},
		{"/root/.aws/credentials", ISLE_SECRET_CLOUD},
		{"/home/u/.config/gcloud/a/b.db", ISLE_SECRET_CLOUD},
		{"/home/u/.azure/msal_token_cache.json", ISLE_SECRET_CLOUD},
		{"/home/u/.kube/config", ISLE_SECRET_CLOUD},
		{"/home/u/.docker/config.json", ISLE_SECRET_CLOUD},
		{"/home/u/.npmrc", ISLE_SECRET_REGISTRY},
		{"/home/u/p/.npmrc", ISLE_SECRET_REGISTRY},
		{"/home/u/.pypirc", ISLE_SECRET_REGISTRY},
		{"/home/u/.netrc", ISLE_SECRET_REGISTRY},
		{"/home/u/.cargo/credentials.toml", ISLE_SECRET_REGISTRY},
		{"/home/u/.cargo/config.toml", ISLE_SECRET_NONE},
		{"/home/u/.git-credentials", ISLE_SECRET_FORGE},
		{"/home/u/.mozilla/firefox/x.default/logins.json", ISLE_SECRET_BROWSER},
		{"/home/u/.config/google-chrome/Default/Login Data", ISLE_SECRET_BROWSER},
		{"/home/u/.config/chromium/Profile 2/Cookies", ISLE_SECRET_BROWSER},
		{"/home/u/web/.env", ISLE_SECRET_ENV},
		{"/home/u/web/.env.production", ISLE_SECRET_ENV},
		{"/home/u/web/.env.example", ISLE_SECRET_NONE},
		{"/home/u/web/env", ISLE_SECRET_NONE},
		{"/etc/shadow", ISLE_SECRET_SYSTEM},
		{"/etc/passwd", ISLE_SECRET_NONE},
		{"/srv/etc/shadow", ISLE_SECRET_NONE},
		{"/home/u/.local/share/keyrings/login.keyring", ISLE_SECRET_PASSWORD},
		{"/home/u/.password-store/mail.gpg", ISLE_SECRET_PASSWORD},
		{"/home/u/doc/all.kdbx", ISLE_SECRET_PASSWORD},
		{"/home/u/.bash_history", ISLE_SECRET_HISTORY},
		{"/home/u/backup/id_ed25519", ISLE_SECRET_OTHER},
		{"/home/u/src/main.c", ISLE_SECRET_NONE},
		{"relative/.env", ISLE_SECRET_NONE},
		{"/", ISLE_SECRET_NONE},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		if (isle_secret_of(cases[i].path) != cases[i].secret)
			fail_msg("%s: %#x", cases[i].path, isle_secret_of(cases[i].path));
	for (unsigned bit = 1; bit <= ISLE_SECRET_HOME; bit <<= 1)
		assert_true(*isle_secret_name((enum isle_secret)bit) != '\0');
}

static void test_homes(void **state)
{
	const char *const homes[] = {"/home/u", "/home/v/project", "/srv/x", NULL}, *const none[] = {NULL};

	(void)state;
	assert_false(isle_secret_home("/home/u/file", homes));
	assert_false(isle_secret_home("/home/v/file", homes));
	assert_true(isle_secret_home("/home/w/file", homes));
	assert_true(isle_secret_home("/home/uu/file", homes));
	assert_true(isle_secret_home("/root/file", homes));
	assert_true(isle_secret_home("/root/file", none));
	assert_false(isle_secret_home("/home/w", homes));
	assert_false(isle_secret_home("/home//w", homes));
	assert_false(isle_secret_home("/usr/bin/x", homes));
}

static void test_patterns(void **state)
{
	static const struct isle_pattern list[] = {
		{"/usr/**", 1}, {"/a/b", 2}, {"/top", 4}, {"x/y*", 8}, {"*.z", 16}, {"/q/?", 32}, {"/q/*.c", 64},
	};
	uint16_t next[ARRAY_SIZE(list)];
	struct isle_patterns set = {.list = list, .count = ARRAY_SIZE(list), .next = next};

	(void)state;
	assert_int_equal(isle_patterns_value(&set, "/usr/bin/ls", ISLE_FIT_ALL), 1);
	assert_int_equal(isle_patterns_value(&set, "/usr", ISLE_FIT_ALL), 0);
	assert_int_equal(isle_patterns_value(&set, "/usr/", ISLE_FIT_ALL), 0);
	assert_int_equal(isle_patterns_value(&set, "/usr", ISLE_FIT_ABOVE), 1);
	assert_int_equal(isle_patterns_value(&set, "/a/b", ISLE_FIT_ALL), 2);
	assert_int_equal(isle_patterns_value(&set, "/a/b/c", ISLE_FIT_ALL), 0);
	assert_int_equal(isle_patterns_value(&set, "/a", ISLE_FIT_ABOVE), 2);
	assert_int_equal(isle_patterns_value(&set, "/top", ISLE_FIT_ALL), 4);
	assert_int_equal(isle_patterns_value(&set, "/any/x/y1", ISLE_FIT_ALL), 8);
	assert_int_equal(isle_patterns_value(&set, "/x/yz.z", ISLE_FIT_ALL), 24);
	assert_int_equal(isle_patterns_value(&set, "/q/r", ISLE_FIT_ALL), 32);
	assert_int_equal(isle_patterns_value(&set, "/q/r.c", ISLE_FIT_ALL), 64);
}

static void test_names(void **state)
{
	(void)state;
	for (unsigned bit = 1; bit < ISLE_MARKS_END; bit <<= 1)
		assert_int_equal(isle_mark_by_name(isle_mark_name(bit)), bit);
	assert_int_equal(isle_mark_by_name("nonsense"), 0);
	assert_string_equal(isle_change_kind_name(ISLE_METADATA), "metadata");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		unit_dir_test(test_kinds),	unit_dir_test(test_restored_time), unit_dir_test(test_root),
		unit_dir_test(test_root_gone),	unit_dir_test(test_shadow),	   unit_dir_test(test_file_layer),
		unit_dir_test(test_moved),	unit_dir_test(test_rename),	   unit_dir_test(test_deep),
		unit_dir_test(test_unreadable), unit_dir_test(test_no_leak),	   cmocka_unit_test(test_marks),
		cmocka_unit_test(test_secrets), cmocka_unit_test(test_homes),	   cmocka_unit_test(test_patterns),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
