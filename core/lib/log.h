/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_LIB_LOG_H
#define MAPFS_CORE_LIB_LOG_H

/*
 * Lines for the log.  The core itself never prints: the program that opens a
 * view sets a receiver.
 *
 * Lifetime: static; log_set() is called once, before threads are started.
 * Errors:   none; without a receiver lines are dropped, and a line that is too
 *           long is cut.
 * Locking:  callable with any lock held; the receiver takes no ranked lock.
 */
#include <syslog.h>

#include "types.h"

void log_set(void (*fn)(void *arg, int level, const char *line), void *arg);
/* Lower case, no full stop: what happened, to which object, errno text. */
void log_line(int level, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#endif
