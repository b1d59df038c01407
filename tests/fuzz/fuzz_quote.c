/* SPDX-License-Identifier: Apache-2.0 */
/* Quoting: what comes out can be shown, and says what went in. */
#include "fuzz.h"
#include "json.h"
#include "quote.h"
#include "utf8.h"
#include <string.h>

/* Valid, and nothing hidden but what is allowed. */
static void must_be_shown(const char *text, size_t size, const char *allowed)
{
	uint32_t c;
	unsigned length;

	for (size_t i = 0; i < size; i += length) {
		length = isle_utf8_decode(text + i, size - i, &c);
		must(length > 0);
		must(!isle_utf8_hidden(c) || (c > 0 && c < 0x80 && strchr(allowed, (int)c)));
	}
}

/* The byte that the escape at *text stands for, which is past its backslash. */
static unsigned char unescape(const char **text)
{
	static const char from[] = "abtnvfr\"\\", to[] = "\a\b\t\n\v\f\r\"\\";
	const char *s = *text;
	const char *known = strchr(from, s[0]);
	unsigned value = 0;

	must(s[0] != '\0');
	if (known) {
		*text = s + 1;
		return (unsigned char)to[known - from];
	}
	for (int i = 0; i < 3; i++) {
		must(s[i] >= '0' && s[i] <= '7');
		value = value * 8 + (unsigned)(s[i] - '0');
	}
	must(value <= 255);
	*text = s + 3;
	return (unsigned char)value;
}

/* The byte that quoted text has next. */
static unsigned char next_byte(const char **text)
{
	unsigned char byte = (unsigned char)*(*text)++;

	return byte == '\\' ? unescape(text) : byte;
}

/* Quoted must stand for name. */
static void must_mean(const char *quoted, const char *name)
{
	const char *end = quoted + strlen(quoted);

	if (quoted[0] != '"') {
		must(strcmp(quoted, name) == 0);
		return;
	}
	must(end - quoted >= 2 && end[-1] == '"');
	for (quoted++; *name; name++) {
		must(quoted < end - 1);
		must(next_byte(&quoted) == (unsigned char)*name);
	}
	must(quoted == end - 1);
}

static void check_json(const char *text, size_t size)
{
	auto_free char *out = NULL;
	size_t out_size = 0;
	FILE *stream = open_memstream(&out, &out_size);
	struct isle_json j;

	must(stream);
	isle_json_init(&j, stream);
	isle_json_object(&j, NULL);
	isle_json_bytes(&j, "k", text, size);
	isle_json_end(&j);
	must(isle_json_done(&j) == 0);
	fclose(stream);
	must_be_shown(out, out_size, "\n");
	must(!!strstr(out, "k_b64") == !isle_utf8_valid(text, size));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_buf struct isle_buf text = ISLE_BUF_INIT;
	auto_buf struct isle_buf quoted = ISLE_BUF_INIT;
	auto_free char *name = strndup((const char *)data, size);
	const char *shown;

	must(name);
	must(isle_quote_add(&quoted, name) == 0);
	must_be_shown(quoted.data, quoted.size, "");
	must_mean(quoted.data, name);

	shown = isle_quote(name);
	must(strlen(shown) < 256);
	must_be_shown(shown, strlen(shown), "");
	if (quoted.size < 200)
		must(strcmp(shown, quoted.data) == 0);

	must(isle_quote_text_add(&text, (const char *)data, size) == 0);
	if (text.size > 0)
		must_be_shown(text.data, text.size, "\t");
	if (name[0] != '\0' && strncmp(name, "k_b64", 5) != 0 && !strstr(name, "k_b64"))
		check_json((const char *)data, strlen(name));
	return 0;
}
