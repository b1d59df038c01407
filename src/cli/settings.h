/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the configuration says (isle-config(5)): defaults of options. Read by the verbs that have such an option, after
 * the command line, so that --help and the verbs that only look work with a configuration that is wrong, too.
 *
 * Files, of which later ones win: /etc/isle/config; then, but not for root, $XDG_CONFIG_HOME/isle/config, else
 * ~/.config/isle/config. $ISLE_CONFIG names another one instead of them, or is "none".
 */
#include "commit.h"
#include "config.h"
#include "keep_options.h"
#include "run.h"

struct isle_settings {
	struct isle_config lines; /* owns what is borrowed below */
	/* gc */
	int64_t keep_age;   /* ns */
	uint64_t max_bytes; /* UINT64_MAX: no limit */
	/* commit */
	struct isle_ways ways; /* logs: what was said of commit.append */
	/* run */
	enum isle_criteria criteria; /* OF_ISLE: nothing was said */
	enum isle_net_mode net;
	enum isle_track track;
	unsigned require;
	double linger;
	const char *when;  /* NULL: not said */
	const char **hide; /* owned strings, NULL-terminated; NULL: none */
	size_t hide_count;
};

void isle_settings_done(struct isle_settings *settings);
#define auto_settings __attribute__((cleanup(isle_settings_done)))

/* ret_settings has the defaults where nothing is said. */
int isle_settings_read(struct isle_settings *ret_settings, struct isle_err *err) isle_must_check;

/* The patterns of logs that count without --append, NULL-terminated; NULL: nothing was said, ISLE_LOG_PATTERNS. */
const char *const *isle_settings_logs(const struct isle_settings *settings);

/* The keys, NULL-terminated, for the check against the man page. */
const char *isle_settings_key(size_t i);

/* Words of options that are keys, too. < 0: no such word. */
int isle_net_by_name(const char *name);
int isle_linger_parse(const char *text, double *ret_seconds);
int isle_track_by_name(const char *name);
/* "WALL,WALL": adds to *walls. */
int isle_walls_parse(const char *list, unsigned *walls);
