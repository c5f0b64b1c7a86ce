/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_LIB_LOG_H
#define MAPFS_CORE_LIB_LOG_H

/*
 * The core's voice: lines for whoever opened the view; the core itself never
 * prints.
 *
 * Lifetime: log_set() once, before threads start; static.
 * Errors:   none; without a receiver lines are dropped.
 * Locking:  callable with any lock held; the receiver takes none of ours.
 */
#include <syslog.h>

#include "types.h"

void log_set(void (*fn)(void *arg, int level, const char *line), void *arg);
/* Lower case, no full stop: what, which object, errno text. */
void log_line(int level, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#endif
