/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_FS_MOUNT_LOGFILE_H
#define MAPFS_FS_MOUNT_LOGFILE_H

/*
 * The log of the daemon: a file, stderr or syslog.  A line in a file has the
 * time in UTC, the number of the process, the level and the text.
 *
 * Lifetime: logfile_open() gives the only reference; logfile_close() accepts
 *           NULL.
 * Errors:   0 or a negative errno; a line that cannot be written is lost.
 * Locking:  none; each line is one write(2) to a descriptor that appends.
 *           logfile_take_libfuse() is called while no request is served.
 */
#include <stdbool.h>
#include <syslog.h>

#include "core/mapfs.h"

struct broker;
struct logfile;

/*
 * Without a path (NULL) the log is stderr if `to_stderr`, else syslog.  With
 * `debug` lines of level LOG_DEBUG are written, too.
 */
int must_check logfile_open(struct logfile **out, const char *path,
			    bool to_stderr, bool debug);
void logfile_close(struct logfile *log);
/* `log` is a struct logfile; also the log function of struct mapfs_options. */
void logfile_line(void *log, int level, const char *line);
void logfile_say(struct logfile *log, int level, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Writes libfuse's messages to `log`; NULL: to stderr, as libfuse does. */
void logfile_take_libfuse(struct logfile *log);
/*
 * From here on the broker sends lines to syslog, for which the daemon would need
 * a socket; before other threads start.  NULL: the daemon does.
 */
void logfile_use_broker(struct logfile *log, struct broker *b);
/* The descriptor of the log, or -1 for syslog. */
int logfile_fd(const struct logfile *log);

#endif
