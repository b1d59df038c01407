/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ranges follow Default_Ignorable_Code_Point, Bidi_Control, Zl, Zp, Co and Noncharacter_Code_Point of the
 * Unicode Character Database. They are wider than that where nothing visible lives (U+2060..206F, plane 14, the
 * interlinear marks), so that a newer Unicode does not open a gap.
 */
#include "utf8.h"

unsigned isle_utf8_decode(const char *text, size_t size, uint32_t *ret_char)
{
	const unsigned char *s = (const unsigned char *)text;
	uint32_t c, least;
	unsigned length;

	if (size == 0)
		return 0;
	if (s[0] < 0x80) {
		*ret_char = s[0];
		return 1;
	}
	if (s[0] >= 0xc2 && s[0] <= 0xdf) {
		length = 2;
		least = 0x80;
		c = s[0] & 0x1f;
	} else if (s[0] >= 0xe0 && s[0] <= 0xef) {
		length = 3;
		least = 0x800;
		c = s[0] & 0x0f;
	} else if (s[0] >= 0xf0 && s[0] <= 0xf4) {
		length = 4;
		least = 0x10000;
		c = s[0] & 0x07;
	} else {
		return 0;
	}
	if (size < length)
		return 0;
	for (unsigned i = 1; i < length; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	if (c < least || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	*ret_char = c;
	return length;
}

struct range {
	uint32_t first, last;
};

/* The ranges ascend. */
static bool is_in(const struct range *ranges, size_t count, uint32_t c)
{
	size_t low = 0, high = count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (ranges[middle].last < c)
			low = middle + 1;
		else
			high = middle;
	}
	return low < count && ranges[low].first <= c;
}

bool isle_utf8_hidden(uint32_t c)
{
	static const struct range ranges[] = {
		{0x0000, 0x001f},   /* C0 */
		{0x007f, 0x009f},   /* DEL, C1 */
		{0x00ad, 0x00ad},   /* soft hyphen */
		{0x034f, 0x034f},   /* combining grapheme joiner */
		{0x061c, 0x061c},   /* Arabic letter mark: bidi */
		{0x115f, 0x1160},   /* Hangul fillers */
		{0x17b4, 0x17b5},   /* Khmer inherent vowels */
		{0x180b, 0x180f},   /* Mongolian variation selectors, vowel separator */
		{0x200b, 0x200f},   /* zero width; U+200E and U+200F are bidi marks */
		{0x2028, 0x202e},   /* line and paragraph separators, bidi embeddings and overrides */
		{0x2060, 0x206f},   /* word joiner, invisible operators, bidi isolates, deprecated controls */
		{0x2800, 0x2800},   /* the blank Braille pattern */
		{0x3164, 0x3164},   /* Hangul filler */
		{0xd800, 0xf8ff},   /* surrogates, private use */
		{0xfdd0, 0xfdef},   /* noncharacters */
		{0xfe00, 0xfe0f},   /* variation selectors */
		{0xfeff, 0xfeff},   /* zero width no-break space, byte order mark */
		{0xffa0, 0xffa0},   /* halfwidth Hangul filler */
		{0xfff0, 0xfffc},   /* unassigned, interlinear annotation, object replacement */
		{0x1bca0, 0x1bca3}, /* shorthand format controls */
		{0x1d173, 0x1d17a}, /* musical format controls */
		{0xe0000, 0xe0fff}, /* tags, variation selectors */
		{0xf0000, 0x10ffff} /* private use */
	};

	if (c >= 0x20 && c < 0x7f)
		return false;
	if ((c & 0xfffe) == 0xfffe)
		return true; /* the last two of every plane are noncharacters */
	return is_in(ranges, ARRAY_SIZE(ranges), c);
}

bool isle_utf8_misleads(uint32_t c)
{
	static const struct range ranges[] = {
		{0x00a0, 0x00a0}, /* no-break space */
		{0x0337, 0x0338}, /* solidus overlays, which combine */
		{0x1680, 0x1680}, /* Ogham space mark */
		{0x2000, 0x200a}, /* spaces of other widths */
		{0x202f, 0x202f}, /* narrow no-break space */
		{0x2044, 0x2044}, /* fraction slash */
		{0x205f, 0x205f}, /* mathematical space */
		{0x2215, 0x2215}, /* division slash */
		{0x2571, 0x2571}, /* box drawings diagonal */
		{0x27cb, 0x27cb}, /* mathematical rising diagonal */
		{0x29f8, 0x29f8}, /* big solidus */
		{0x3000, 0x3000}, /* ideographic space */
		{0xff0f, 0xff0f}, /* fullwidth solidus */
	};

	return c >= 0x80 && is_in(ranges, ARRAY_SIZE(ranges), c);
}
