/* SPDX-License-Identifier: MIT */
/*
 * strtoull(3) would take signs and leading blanks, and needs a NUL at the end.
 */
#include "size.h"

#include <errno.h>
#include <string.h>

#define SECTOR_SHIFT 9

/* What follows the digits, and by how many bits it shifts them. */
static const struct unit {
	const char *name;
	unsigned int shift;
} units[] = {
	{ "", 0 },     { "s", SECTOR_SHIFT }, { "K", 10 },   { "k", 10 },
	{ "KiB", 10 }, { "M", 20 },	      { "m", 20 },   { "MiB", 20 },
	{ "G", 30 },   { "g", 30 },	      { "GiB", 30 }, { "T", 40 },
	{ "t", 40 },   { "TiB", 40 },
};

/* The value of a digit, or at least 16. */
static unsigned int digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return (unsigned int)(c - '0');
	if (c >= 'a' && c <= 'f')
		return (unsigned int)(c - 'a') + 10;
	if (c >= 'A' && c <= 'F')
		return (unsigned int)(c - 'A') + 10;
	return UINT32_MAX;
}

/* Reads digits from *at on, at least one, and moves *at behind them. */
static int digits_parse(const char *text, size_t len, size_t *at,
			unsigned int base, uint64_t *out)
{
	const size_t first = *at;
	bool is_too_large = false;
	uint64_t n = 0;

	for (; *at < len && digit_value(text[*at]) < base; ++*at)
		is_too_large |=
			__builtin_mul_overflow(n, base, &n) ||
			__builtin_add_overflow(n, digit_value(text[*at]), &n);
	if (*at == first)
		return -EINVAL;
	if (is_too_large)
		return -ERANGE;
	*out = n;
	return 0;
}

static const struct unit *unit_find(const char *text, size_t len)
{
	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
		if (strlen(units[i].name) == len &&
		    memcmp(units[i].name, text, len) == 0)
			return &units[i];
	}
	return NULL;
}

int size_parse(const char *text, size_t len, uint64_t *out)
{
	const bool is_hex = len >= 2 && text[0] == '0' &&
			    (text[1] == 'x' || text[1] == 'X');
	size_t at = is_hex ? 2 : 0;
	const struct unit *unit;
	uint64_t n = 0;
	int err;

	err = digits_parse(text, len, &at, is_hex ? 16 : 10, &n);
	if (err == -EINVAL)
		return err;
	unit = unit_find(text + at, len - at);
	if (!unit || (is_hex && unit->shift))
		return -EINVAL;
	if (err || n > UINT64_MAX >> unit->shift)
		return -ERANGE;
	*out = n << unit->shift;
	return 0;
}
