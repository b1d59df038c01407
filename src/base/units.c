/* SPDX-License-Identifier: Apache-2.0 */
#include "units.h"
#include "clock.h"
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

static const char prefixes[] = "KMGTPE";

/* Digits, with a point where digits follow it; strtod(3) takes signs, exponents, "inf" and what the locale says. */
static const char *read_number(const char *text, double *ret_number)
{
	double number = 0, place = 1;
	const char *s = text;

	for (; isdigit((unsigned char)*s); s++)
		number = number * 10 + (*s - '0');
	if (s == text)
		return NULL;
	if (s[0] == '.' && isdigit((unsigned char)s[1]))
		for (s++; isdigit((unsigned char)*s); s++)
			number += (*s - '0') * (place /= 10);
	*ret_number = number;
	return s;
}

/* What a unit of size stands for; 0: it is none. */
static double size_unit(const char *unit)
{
	const char *prefix = *unit ? strchr(prefixes, toupper((unsigned char)*unit)) : NULL;
	double factor = 1, step;

	if (strcmp(unit, "") == 0 || strcmp(unit, "B") == 0)
		return 1;
	if (!prefix)
		return 0;
	if (strcmp(unit + 1, "") == 0 || strcmp(unit + 1, "iB") == 0)
		step = 1024;
	else if (strcmp(unit + 1, "B") == 0)
		step = 1000;
	else
		return 0;
	for (long i = 0; i <= prefix - prefixes; i++)
		factor *= step;
	return factor;
}

int isle_size_parse(const char *text, uint64_t *ret_bytes)
{
	double number, factor;
	const char *unit = read_number(text, &number);

	if (!unit)
		return -EINVAL;
	unit += unit[0] == ' ' && unit[1];
	factor = size_unit(unit);
	if (factor == 0)
		return -EINVAL;
	if (number * factor >= 9.2e18)
		return -ERANGE;
	*ret_bytes = (uint64_t)(number * factor);
	return 0;
}

void isle_size_add(struct isle_buf *buf, uint64_t bytes)
{
	static const char units[][3] = {"kB", "MB", "GB", "TB", "PB", "EB"};
	double size = (double)bytes / 1000;
	size_t unit = 0;

	if (bytes < 1000) {
		isle_buf_addf(buf, "%" PRIu64 " B", bytes);
		return;
	}
	while (size >= 999.95 && unit + 1 < ARRAY_SIZE(units)) {
		size /= 1000;
		unit++;
	}
	isle_buf_addf(buf, size < 10 ? "%.1f %s" : "%.0f %s", size, units[unit]);
}

enum { MINUTE = 60, HOUR = 3600, DAY = 86400, WEEK = 7 * DAY, YEAR = 365 * DAY, MOST_YEARS = 100 };

static const struct {
	const char *letter;
	const char *name;
	int seconds;
} spans[] = {
	{"y", "year", YEAR}, {"w", "week", WEEK},     {"d", "day", DAY},
	{"h", "hour", HOUR}, {"m", "minute", MINUTE}, {"s", "second", 1},
};

int isle_span_parse(const char *text, int64_t *ret_ns)
{
	int seconds = 0;
	double number;
	const char *unit = read_number(text, &number);

	if (!unit)
		return -EINVAL;
	unit += unit[0] == ' ' && unit[1];
	for (size_t i = 0; i < ARRAY_SIZE(spans); i++)
		if (strcmp(unit, spans[i].letter) == 0)
			seconds = spans[i].seconds;
	if (*unit == '\0')
		seconds = DAY;
	if (seconds == 0)
		return -EINVAL;
	if (number * seconds > (double)YEAR * MOST_YEARS)
		return -ERANGE;
	*ret_ns = (int64_t)(number * seconds * ISLE_NS);
	return 0;
}

/* Weeks are said as days. */
void isle_span_add(struct isle_buf *buf, int64_t ns)
{
	int64_t seconds = ns / ISLE_NS;
	size_t best = ARRAY_SIZE(spans) - 1;

	for (size_t i = ARRAY_SIZE(spans); i-- > 0;)
		if (spans[i].seconds != WEEK && seconds >= spans[i].seconds &&
		    (seconds % spans[i].seconds == 0 || seconds / spans[i].seconds >= 2))
			best = i;
	int64_t count = seconds / spans[best].seconds;

	isle_buf_addf(buf, "%" PRId64 " %s%s", count, spans[best].name, count == 1 ? "" : "s");
}
