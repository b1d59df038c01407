/* SPDX-License-Identifier: Apache-2.0 */
/* Configurations: what comes out is what the file says, without control characters, and a refusal says which line. */
#include "config.h"
#include "fuzz.h"
#include "units.h"
#include <ctype.h>
#include <errno.h>
#include <string.h>

static void check_line(const struct isle_config_line *line, const uint8_t *data, size_t size)
{
	must(line->key[0] != '\0' && line->value[0] != '\0' && line->number > 0);
	must(memmem(data, size, line->key, strlen(line->key)));
	must(memmem(data, size, line->value, strlen(line->value)));
	for (const char *c = line->key; *c; c++)
		must(islower((unsigned char)*c) || isdigit((unsigned char)*c) || *c == '.' || *c == '-');
	for (const char *c = line->value; *c; c++)
		must(!iscntrl((unsigned char)*c) || *c == '\t');
}

/* A value can become a size and an age. */
static void check_units(const char *value)
{
	uint64_t bytes = 0;
	int64_t ns = 0;

	if (isle_size_parse(value, &bytes) >= 0)
		must(bytes <= INT64_MAX);
	if (isle_span_parse(value, &ns) >= 0)
		must(ns >= 0 && ns <= (int64_t)36500 * 86400 * 1000000000);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_config struct isle_config config = ISLE_CONFIG_INIT;
	struct isle_err err = ISLE_ERR_INIT;
	unsigned before = 0;
	int r = isle_config_parse((const char *)data, size, "file", &config, &err);

	must(r == 0 || (r == -EINVAL && strncmp(err.text, "file:", 5) == 0 && err.hint[0] != '\0'));
	for (size_t i = 0; i < config.count; i++) {
		check_line(&config.list[i], data, size);
		check_units(config.list[i].value);
		must(config.list[i].number > before);
		before = config.list[i].number;
	}
	return 0;
}
