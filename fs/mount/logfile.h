/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_FS_MOUNT_LOGFILE_H
#define MAPFS_FS_MOUNT_LOGFILE_H

/*
 * Where the daemon's lines go: a file, stderr or syslog.  A line of a file:
 * time in UTC, process, level, text.
 *
 * Lifetime: logfile_open() gives the only reference; logfile_close() accepts
 *           NULL.
 * Errors:   0 or a negative errno; a line that cannot be written is lost.
 * Locking:  none; each line is one write(2) to a descriptor that appends.
 */
#include <stdbool.h>
#include <syslog.h>

#include "core/mapfs.h"

struct logfile;

/* path NULL: stderr when `to_stderr`, else syslog. */
int must_check logfile_open(struct logfile **out, const char *path,
			    bool to_stderr, bool debug);
void logfile_close(struct logfile *log);
/* `log` is a struct logfile: the core's receiver, too. */
void logfile_line(void *log, int level, const char *line);
void logfile_say(struct logfile *log, int level, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* libfuse's own lines go to `log` from now on; NULL: to nowhere. */
void logfile_take_libfuse(struct logfile *log);
/* The descriptor lines go to, or -1 for syslog. */
int logfile_fd(const struct logfile *log);

#endif
