/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `isle trace --json`. Each list is printed straight from the logs. Keys are a contract; new ones may be added.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "trace_internal.h"

struct document {
	struct isle_trace *trace;
	struct isle_json json;
};

/* --- parts --- */

void isle_trace_put_time(struct isle_json *json, const char *key, int64_t ns)
{
	const int64_t second = 1000000000;
	struct statx_timestamp stamp = {.tv_sec = ns / second, .tv_nsec = (uint32_t)(ns % second)};

	if (ns <= 0)
		isle_json_null(json, key);
	else
		isle_put_time(json, key, &stamp);
}

void isle_trace_put_strings(struct isle_json *json, const char *key, const char *strings, size_t size)
{
	isle_json_array(json, key);
	for (size_t at = 0; at < size; at += strlen(strings + at) + 1)
		isle_json_path(json, NULL, strings + at);
	isle_json_end(json);
}

static void put_status(struct isle_json *json, int32_t status)
{
	if (status == -1)
		isle_json_null(json, "status");
	else
		isle_json_int(json, "status", isle_exit_code(status));
	if (status != -1 && WIFSIGNALED(status))
		isle_json_int(json, "signal", WTERMSIG(status));
}

void isle_trace_put_process(struct isle_json *json, const struct isle_trace *trace,
			    const struct isle_trace_process *process)
{
	isle_json_object(json, NULL);
	isle_json_int(json, "run", trace->runs[process->run].number);
	isle_json_int(json, "process", process->number);
	if (process->parent_number != 0)
		isle_json_int(json, "parent", process->parent_number);
	else
		isle_json_null(json, "parent");
	isle_json_int(json, "pid", process->pid);
	isle_json_int(json, "uid", process->uid);
	isle_trace_put_time(json, "start", process->start);
	isle_trace_put_time(json, "end", process->end);
	put_status(json, process->status);
	if (process->cpu_us >= 0)
		isle_json_int(json, "cpu_ms", process->cpu_us / 1000);
	else
		isle_json_null(json, "cpu_ms");
	isle_json_array(json, "execs");
	for (uint32_t i = process->first_exec; i != 0; i = trace->execs[i - 1].next) {
		const struct isle_trace_exec *exec = &trace->execs[i - 1];

		isle_json_object(json, NULL);
		isle_json_path(json, "path", isle_trace_string(trace, exec->path));
		isle_trace_put_strings(json, "argv", isle_trace_string(trace, exec->argv), exec->argv_size);
		isle_json_path(json, "cwd", isle_trace_string(trace, exec->cwd));
		isle_trace_put_time(json, "time", exec->time);
		isle_json_end(json);
	}
	isle_json_end(json);
	isle_json_end(json);
}

/* What each event has; the object stays open. */
static void begin_event(struct isle_json *json, const struct isle_trace_event *event)
{
	isle_json_object(json, NULL);
	if (event->process != NULL)
		isle_json_int(json, "process", event->process->number);
	else
		isle_json_null(json, "process");
	isle_json_int(json, "run", event->run->number);
	isle_trace_put_time(json, "time", event->event->time);
	isle_json_int(json, "times", (int64_t)event->times);
}

void isle_trace_put_read(struct isle_json *json, const struct isle_trace_event *event)
{
	const struct isle_event *e = event->event;

	begin_event(json, event);
	isle_json_path(json, "path", e->path);
	isle_json_array(json, "how");
	for (unsigned bit = 1; bit <= ISLE_READ_STAT; bit <<= 1)
		if (e->how & bit)
			isle_json_str(json, NULL, isle_read_name(bit));
	isle_json_end(json);
	isle_json_bool(json, "existed", e->then.mode != 0);
	isle_json_bool(json, "secret", event->secret != ISLE_SECRET_NONE);
	if (event->secret != ISLE_SECRET_NONE)
		isle_json_str(json, "secret_kind", isle_secret_name(event->secret));
	isle_json_end(json);
}

void isle_trace_put_write(struct isle_json *json, const struct isle_trace_event *event)
{
	const struct isle_event *e = event->event;

	begin_event(json, event);
	isle_json_path(json, "path", e->path);
	isle_json_str(json, "how", isle_write_name(e->how));
	if (e->how == ISLE_WRITE_RENAME || e->how == ISLE_WRITE_LINK)
		isle_json_path(json, "to", e->other);
	else if (e->how == ISLE_WRITE_SYMLINK)
		isle_json_path(json, "target", e->other);
	isle_json_end(json);
}

void isle_trace_put_refused(struct isle_json *json, const struct isle_trace_event *event)
{
	const struct isle_event *e = event->event;

	begin_event(json, event);
	isle_json_path(json, "what", e->path);
	isle_json_str(json, "wall", isle_refuser_name(e->how));
	isle_json_path(json, "why", e->other);
	isle_json_int(json, "errno", e->refused.error);
	isle_json_str(json, "error", e->refused.error > 0 ? strerrorname_np(e->refused.error) : NULL);
	isle_json_end(json);
}

static void put_net(struct isle_json *json, const struct isle_trace_event *event)
{
	const struct isle_event *e = event->event;
	bool internet = e->net.family == AF_INET || e->net.family == AF_INET6;
	char text[INET6_ADDRSTRLEN] = "";

	begin_event(json, event);
	isle_json_str(json, "act", isle_net_act_name(e->net.act));
	isle_json_str(json, "family",
		      internet			 ? e->net.family == AF_INET ? "inet" : "inet6"
		      : e->net.family == AF_UNIX ? "unix"
						 : "other");
	if (internet) {
		isle_json_str(json, "address", inet_ntop(e->net.family, e->net.address, text, sizeof(text)));
		isle_json_int(json, "port", e->net.port);
	}
	if (*e->path != '\0')
		isle_json_path(json, internet ? "name" : "path", e->path);
	isle_json_end(json);
}

void isle_trace_put_note(struct isle_json *json, const struct isle_trace_event *event)
{
	begin_event(json, event);
	isle_json_str(json, "kind", isle_note_name(event->event->how));
	isle_json_path(json, "path", event->event->path);
	isle_json_path(json, "other", event->event->other);
	isle_json_end(json);
}

/* --- lists --- */

static int put_event(const struct isle_trace_event *event, void *data)
{
	struct isle_json *json = data;

	switch (event->event->type) {
	case ISLE_EVENT_READ:
		isle_trace_put_read(json, event);
		break;
	case ISLE_EVENT_WRITE:
		isle_trace_put_write(json, event);
		break;
	case ISLE_EVENT_REFUSED:
		isle_trace_put_refused(json, event);
		break;
	case ISLE_EVENT_NET:
		put_net(json, event);
		break;
	case ISLE_EVENT_NOTE:
		isle_trace_put_note(json, event);
		break;
	case ISLE_EVENT_RUN:
	case ISLE_EVENT_START:
	case ISLE_EVENT_EXEC:
	case ISLE_EVENT_EXIT:
	case ISLE_EVENT_NAMES:
	case ISLE_EVENT_KEPT:
	case ISLE_EVENT_COUNT:
	case ISLE_EVENT_LOST:
	case ISLE_EVENT_END:
		break;
	}
	return ferror(json->out) ? -EIO : 0;
}

/* One list of events; `of` are the kinds in it. Nothing that the options do not want is in it. */
static int put_list(struct document *d, const char *key, unsigned of, struct isle_err *err)
{
	unsigned kinds = d->trace->options->kinds == 0 ? of : of & d->trace->options->kinds;
	int r = 0;

	isle_json_array(&d->json, key);
	if (kinds != 0)
		r = isle_trace_events(d->trace, kinds, put_event, &d->json, err);
	isle_json_end(&d->json);
	return r;
}

static void put_bytes(struct isle_json *json, const char *key, int64_t bytes)
{
	if (bytes >= 0)
		isle_json_int(json, key, bytes);
	else
		isle_json_null(json, key);
}

static void put_runs(struct document *d)
{
	const struct isle_trace *trace = d->trace;

	isle_json_array(&d->json, "runs");
	for (size_t i = 0; i < trace->run_count; i++) {
		const struct isle_trace_run *run = &trace->runs[i];

		if (!isle_trace_run_chosen(trace, run))
			continue;
		isle_json_object(&d->json, NULL);
		isle_json_int(&d->json, "run", run->number);
		isle_trace_put_time(&d->json, "start", run->start);
		isle_trace_put_time(&d->json, "end", run->end);
		put_status(&d->json, run->status);
		isle_json_path(&d->json, "directory", isle_trace_string(trace, run->directory));
		isle_trace_put_strings(&d->json, "command", isle_trace_string(trace, run->argv), run->argv_size);
		put_bytes(&d->json, "received", run->received);
		put_bytes(&d->json, "sent", run->sent);
		isle_json_str(&d->json, "track", isle_track_name(run->track));
		isle_json_bool(&d->json, "complete", run->ended && !run->lost && run->track != ISLE_TRACK_NONE);
		if (run->lost)
			isle_json_path(&d->json, "lost", isle_trace_string(trace, run->why));
		isle_json_end(&d->json);
	}
	isle_json_end(&d->json);
}

static void put_processes(struct document *d)
{
	const struct isle_trace *trace = d->trace;

	isle_json_array(&d->json, "processes");
	for (size_t i = 0; i < trace->process_count && isle_trace_wants(trace, ISLE_TRACE_EXEC); i++) {
		const struct isle_trace_process *process = &trace->processes[i];

		if (process->chosen && isle_trace_run_chosen(trace, &trace->runs[process->run]))
			isle_trace_put_process(&d->json, trace, process);
	}
	isle_json_end(&d->json);
}

static int put_document(struct document *d, struct isle_err *err)
{
	const unsigned reads = ISLE_TRACE_READ | ISLE_TRACE_EXEC | ISLE_TRACE_LIST | ISLE_TRACE_MISSING |
			       ISLE_TRACE_LINK | ISLE_TRACE_STAT;
	int r;

	isle_json_object(&d->json, NULL);
	isle_json_int(&d->json, "version", 1);
	isle_json_str(&d->json, "isle", d->trace->isle->name);
	put_runs(d);
	put_processes(d);
	r = put_list(d, "reads", reads, err);
	if (r >= 0)
		r = put_list(d, "writes", ISLE_TRACE_WRITE, err);
	if (r >= 0)
		r = put_list(d, "refused", ISLE_TRACE_REFUSED, err);
	if (r >= 0)
		r = put_list(d, "network", ISLE_TRACE_NET, err);
	if (r >= 0)
		r = put_list(d, "notes", ISLE_TRACE_NOTE, err);
	if (r < 0)
		return r;
	isle_json_end(&d->json);
	r = isle_json_done(&d->json);
	return r < 0 ? isle_err_errno(err, r, "cannot print what isle '%s' did", d->trace->isle->name) : 0;
}

int isle_trace_json(const struct isle *isle, const struct isle_trace_options *options, FILE *out, struct isle_err *err)
{
	auto_trace struct isle_trace trace = ISLE_TRACE_INIT;
	struct document d = {.trace = &trace};
	int r = isle_trace_load(isle, options, &trace, err);

	if (r < 0)
		return r;
	isle_json_init(&d.json, out);
	r = put_document(&d, err);
	return r < 0 ? r : trace.run_count == 0;
}
