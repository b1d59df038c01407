/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The handlers of trapped calls, with any arguments and any memory: paths, addresses of sockets, struct open_how, argv.
 * They look and record; the call itself is never made. The process is its own peer. Whatever comes, the log can be read
 * again, byte for byte, and a path that was made is absolute and without empty components.
 *
 * Input: a byte that chooses the call, one for each of six arguments, the rest is memory that they point into.
 */
#include "calls.h"
#include "events_internal.h"
#include "fuzz.h"
#include "io.h"
#include "listener.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PAGE = 4096, SIZE = 2 * PAGE };

/* Nobody waits at a listener here. */
bool isle_listener_waits(int listener, uint64_t id)
{
	return listener == -1 && id == 1;
}

bool isle_guide_waits(const struct isle_guide *guide, const struct isle_call *call)
{
	return isle_listener_waits(guide->listener, call->notif.id);
}

static char top[] = "/tmp/isle-fuzz.XXXXXX";
static struct isle isle = {.id = "0000000000000000", .name = (char *)"fuzz"};
static char *memory;

static void remove_top(void)
{
	isle_ignore(unlinkat(isle.dir, "events", AT_REMOVEDIR));
	static const char *const names[] = {"up", "self", "loop", "gone", "sub/link", "sub/file"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		isle_ignore(unlinkat(isle.dir, names[i], 0));
	isle_ignore(unlinkat(isle.dir, "sub", AT_REMOVEDIR));
	isle_ignore(rmdir(top));
}

static void prepare(void)
{
	must(mkdtemp(top) && chdir(top) == 0);
	isle.dir = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	must(isle.dir >= 0 && mkdirat(isle.dir, "sub", 0700) == 0);
	must(symlinkat("..", isle.dir, "up") == 0 && symlinkat("/proc/self/cwd", isle.dir, "self") == 0);
	must(symlinkat("loop", isle.dir, "loop") == 0 && symlinkat("sub/none/./", isle.dir, "gone") == 0);
	must(symlinkat("../sub//link/../file", isle.dir, "sub/link") == 0);
	close(openat(isle.dir, "sub/file", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	memory = mmap(NULL, SIZE + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(memory != MAP_FAILED && mprotect(memory + SIZE, PAGE, PROT_NONE) == 0);
	atexit(remove_top);
}

struct log {
	const char *data;
	uint64_t end;
};

static int check_record(const struct isle_events_run *run, const struct isle_event *event, uint64_t offset, void *data)
{
	struct log *log = data;
	auto_buf struct isle_buf again = ISLE_BUF_INIT;

	(void)run;
	must(offset == log->end && isle_event_encode(&again, event) >= 0);
	must(memcmp(again.data, log->data + offset, again.size) == 0);
	log->end = offset + again.size;
	return 0;
}

static void check_log(void)
{
	const struct isle_events_run run = {.id = 1};
	DIR *dir = opendir("events");
	const struct dirent *entry;

	must(dir);
	while ((entry = readdir(dir))) {
		auto_buf struct isle_buf text = ISLE_BUF_INIT;
		struct log log = {0};

		if (entry->d_name[0] == '.')
			continue;
		must(isle_read_file(dirfd(dir), entry->d_name, &text, 1 << 20) == 0);
		log.data = text.data;
		must(isle_events_parse(text.data, text.size, &run, check_record, &log) == 0);
		must(log.end == text.size);
		must(unlinkat(dirfd(dir), entry->d_name, 0) == 0);
	}
	closedir(dir);
}

/* The text of a path: absolute, without "//" and "/./". */
static void check_path(struct isle_guide *guide, const struct isle_call *call, const char *path)
{
	const char *raw = guide->raw;
	int length = isle_guide_path(guide, call, AT_FDCWD, (uintptr_t)path);

	if (length <= 0)
		return;
	must((size_t)length < sizeof(guide->raw) && strnlen(raw, sizeof(guide->raw)) == (size_t)length);
	must(raw[0] == '/' && strstr(raw, "//") == NULL && strstr(raw, "/./") == NULL);
	must(length == 1 || raw[length - 1] != '/');
}

/* Pointers into the memory, descriptors, small numbers, and what leads nowhere. */
static uint64_t argument(uint8_t byte, const char *start, size_t used)
{
	if (byte < 64)
		return (uint64_t)(uintptr_t)(start + byte % (used + 1));
	if (byte < 96)
		return (uint64_t)byte - 64;
	if (byte < 128)
		return UINT64_C(1) << (byte - 96);
	if (byte < 160)
		return (uint64_t)(int64_t)AT_FDCWD;
	if (byte < 192)
		return (uint64_t)(byte - 160) * 8;
	return byte < 224 ? 0 : (uint64_t)(uintptr_t)(memory + SIZE - (byte - 224));
}

static struct isle_guide *new_guide(void)
{
	static char *argv[] = {(char *)"true", NULL};
	struct isle_guide *guide = calloc(1, sizeof(*guide));

	must(guide);
	guide->options = (struct isle_guide_options){
		.isle = &isle, .track = ISLE_TRACK_FULL, .user = true, .directory = "/", .argv = argv, .path = "/bin"};
	guide->listener = -1;
	guide->running = true;
	guide->root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	isle_siphash_key_new(&guide->key);
	must(guide->root >= 0 && isle_events_create(&isle, &guide->events) == 0);
	must(isle_processes_init(&guide->processes, guide->events) == 0);
	must(isle_glance_init(&guide->seen) == 0 && isle_origins_init(&guide->origins, &isle) >= 0);
	return guide;
}

static void free_guide(struct isle_guide *guide)
{
	must(isle_events_flush(guide->events) == 0);
	isle_processes_done(&guide->processes);
	isle_origins_done(&guide->origins);
	isle_known_done(&guide->recorded);
	isle_glance_done(&guide->seen);
	isle_near_forget(&guide->near);
	isle_events_close(guide->events);
	close(guide->root);
	free(guide->repeated);
	free(guide);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct isle_verdict verdict = {0};
	struct isle_call call = {.tid = getpid()};
	size_t count = 0;

	if (memory == NULL)
		prepare();
	if (size < 7)
		return 0;
	while (isle_trapped_calls[count].name)
		count++;
	const struct isle_trapped *trapped = &isle_trapped_calls[data[0] % count];
	if (trapped->handler == NULL)
		return 0;
	size_t used = size - 7 < SIZE ? size - 7 : SIZE;
	char *start = memory + SIZE - used;
	memcpy(start, data + 7, used);
	call.notif.id = 1;
	call.notif.pid = (uint32_t)call.tid;
	call.notif.data.nr = trapped->nr;
	for (size_t i = 0; i < 6; i++)
		call.notif.data.args[i] = argument(data[1 + i], start, used);
	uint64_t args[6];
	memcpy(args, call.notif.data.args, sizeof(args));
	call.args = args;
	struct isle_guide *guide = new_guide();
	guide->chroots = (data[0] & 0x80) != 0;
	int r = trapped->handler(guide, &call, &verdict);
	must(r > -4096 && !verdict.answered);
	check_path(guide, &call, start);
	free_guide(guide);
	check_log();
	return 0;
}
