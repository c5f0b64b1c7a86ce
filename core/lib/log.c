/* SPDX-License-Identifier: MIT */
/*
 * A line is made on the stack and never allocated: lines are written when
 * something has failed, and that may be for want of memory.
 */
#include "log.h"

#include <stdarg.h>
#include <stdio.h>

static void (*receiver)(void *arg, int level, const char *line);
static void *receiver_arg;

void log_set(void (*fn)(void *arg, int level, const char *line), void *arg)
{
	receiver = fn;
	receiver_arg = arg;
}

void log_line(int level, const char *fmt, ...)
{
	char line[1024];
	va_list ap;

	if (!receiver)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	receiver(receiver_arg, level, line);
}
