/* SPDX-License-Identifier: MIT */
#include "range.h"

#include <string.h>

bool range_parse(const char *arg, char **from, char **to)
{
	const char *dots = strstr(arg, "..");

	if (!dots || strchr(arg, '/') || strlen(arg) == 2)
		return false;
	*from = dots > arg ? strndup(arg, (size_t)(dots - arg)) : NULL;
	*to = dots[2] ? strdup(dots + 2) : NULL;
	return true;
}
