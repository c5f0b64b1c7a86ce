/* SPDX-License-Identifier: MIT */
/*
 * Both encodings take one step at a time: a well-formed character, or one byte
 * that is not part of one.
 */
#include "text.h"

#include <pwd.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *room(size_t bytes)
{
	char *s = malloc(bytes);

	if (s)
		return s;
	fputs("mapfs: out of memory; try again later\n", stderr);
	exit(1);
}

/* Bytes of the well-formed UTF-8 character at `s`, or 0. */
static size_t utf8_bytes(const unsigned char *s)
{
	unsigned int least;
	unsigned int c;
	size_t n;

	if (s[0] < 0x80)
		return 1;
	if (s[0] >= 0xc2 && s[0] < 0xe0) {
		n = 2;
		c = s[0] & 0x1f;
		least = 0x80;
	} else if (s[0] >= 0xe0 && s[0] < 0xf0) {
		n = 3;
		c = s[0] & 0xf;
		least = 0x800;
	} else if (s[0] >= 0xf0 && s[0] < 0xf5) {
		n = 4;
		c = s[0] & 7;
		least = 0x10000;
	} else {
		return 0;
	}
	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	if (c < least || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return 0;
	return n;
}

/* The letter of a short escape, or 0. */
static char short_escape(unsigned char c)
{
	switch (c) {
	case '\\':
		return '\\';
	case '\n':
		return 'n';
	case '\t':
		return 't';
	case '\r':
		return 'r';
	default:
		return 0;
	}
}

/* C1 control characters can move the cursor of a terminal, as C0 can. */
static bool is_control(const unsigned char *s, size_t n)
{
	return (n == 1 && (*s < 0x20 || *s == 0x7f)) ||
	       (n == 2 && s[0] == 0xc2 && s[1] < 0xa0);
}

#define ESCAPE 7 /* bytes of \u00xx and a NUL */

/* The text that was written so far, in a buffer that is large enough. */
struct out {
	char *start;
	char *to;
};

static struct out out_begin(const char *from)
{
	/* Two quotes, and the end. */
	char *start = room(strlen(from) * (ESCAPE - 1) + 3);

	return (struct out){ start, start };
}

static void out_copy(struct out *o, const void *from, size_t n)
{
	memcpy(o->to, from, n);
	o->to += n;
}

char *text_escape(const char *s)
{
	const unsigned char *from = (const unsigned char *)s;
	struct out o = out_begin(s);

	while (*from) {
		size_t n = utf8_bytes(from);
		char letter = short_escape(*from);

		if (letter) {
			o.to += snprintf(o.to, ESCAPE, "\\%c", letter);
			n = 1;
		} else if (n == 0 || is_control(from, n)) {
			o.to += snprintf(o.to, ESCAPE, "\\%03o", *from);
			n = 1;
		} else {
			out_copy(&o, from, n);
		}
		from += n;
	}
	*o.to = '\0';
	return o.start;
}

char *text_json(const char *s)
{
	const unsigned char *from = (const unsigned char *)s;
	struct out o = out_begin(s);

	out_copy(&o, "\"", 1);
	while (*from) {
		size_t n = utf8_bytes(from);
		char letter = *from == '"' ? '"' : short_escape(*from);

		if (n == 0) {
			o.to += snprintf(o.to, ESCAPE, "\\udc%02x", *from);
			n = 1;
		} else if (letter) {
			o.to += snprintf(o.to, ESCAPE, "\\%c", letter);
		} else if (n == 1 && is_control(from, n)) {
			o.to += snprintf(o.to, ESCAPE, "\\u%04x", *from);
		} else {
			out_copy(&o, from, n);
		}
		from += n;
	}
	out_copy(&o, "\"", 1);
	*o.to = '\0';
	return o.start;
}

void text_size(char out[TEXT_SIZE], uint64_t bytes)
{
	static const char *const units[] = { "bytes", "KiB", "MiB", "GiB",
					     "TiB",   "PiB", "EiB" };
	double value = (double)bytes;
	size_t unit = 0;

	while (value >= 1024) {
		value /= 1024;
		unit++;
	}
	(void)snprintf(out, TEXT_SIZE, "%.*f %s", unit ? 1 : 0, value,
		       units[unit]);
}

void text_time(char *out, size_t bytes, time_t when)
{
	struct tm tm;

	if (!localtime_r(&when, &tm) ||
	    strftime(out, bytes, "%Y-%m-%d %H:%M:%S", &tm) == 0)
		(void)snprintf(out, bytes, "?");
}

void text_user(char out[TEXT_USER], uid_t uid)
{
	const struct passwd *pw = getpwuid(uid);

	if (pw)
		snprintf(out, TEXT_USER, "%s", pw->pw_name);
	else
		snprintf(out, TEXT_USER, "%u", (unsigned int)uid);
}

void say(const char *fmt, ...)
{
	char *line = NULL;
	char *escaped;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&line, fmt, ap) < 0)
		line = NULL;
	va_end(ap);
	escaped = text_escape(line ? line : fmt);
	fprintf(stderr, "mapfs: %s\n", escaped);
	free(escaped);
	free(line);
}
