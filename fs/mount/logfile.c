/* SPDX-License-Identifier: MIT */
/*
 * libfuse passes its messages to a function that has no argument for the log,
 * so the log that receives them is a variable of this file.
 */
#include "logfile.h"

#include <errno.h>
#include <fcntl.h>
#include <fuse_log.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "broker.h"

#define LINE_BYTES 1024

struct logfile {
	int fd;		       /* -1: syslog; fixed at birth */
	bool debug;	       /* fixed at birth */
	struct broker *broker; /* borrowed; or NULL */
};

static struct logfile *libfuse_log; /* fixed while requests are served */

static const char *level_name(int level)
{
	static const char *const names[] = {
		[LOG_EMERG] = "emergency", [LOG_ALERT] = "alert",
		[LOG_CRIT] = "critical",   [LOG_ERR] = "error",
		[LOG_WARNING] = "warning", [LOG_NOTICE] = "notice",
		[LOG_INFO] = "info",	   [LOG_DEBUG] = "debug",
	};

	return names[level & LOG_PRIMASK];
}

int logfile_open(struct logfile **out, const char *path, bool to_stderr,
		 bool debug)
{
	struct logfile *log = calloc(1, sizeof(*log));
	int err;

	if (!log)
		return -ENOMEM;
	log->debug = debug;
	log->fd = -1;
	if (path)
		log->fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC,
			       0600);
	else if (to_stderr)
		log->fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	else
		openlog("mapfs", LOG_PID, LOG_DAEMON);
	err = errno;
	if (log->fd < 0 && (path || to_stderr)) {
		free(log);
		return -err;
	}
	*out = log;
	return 0;
}

void logfile_close(struct logfile *log)
{
	if (!log)
		return;
	if (libfuse_log == log)
		logfile_take_libfuse(NULL);
	if (log->fd >= 0)
		close(log->fd);
	else
		closelog();
	free(log);
}

void logfile_line(void *arg, int level, const char *line)
{
	const struct logfile *log = arg;
	char buf[LINE_BYTES];
	struct timespec now;
	struct tm tm;
	size_t n;
	int more;

	if ((level & LOG_PRIMASK) == LOG_DEBUG && !log->debug)
		return;
	if (log->fd < 0 && log->broker) {
		broker_log(log->broker, level, line);
		return;
	}
	if (log->fd < 0) {
		syslog(level, "%s", line);
		return;
	}
	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	n = strftime(buf, sizeof(buf), "%Y-%m-%dT%H:%M:%S", &tm);
	more = snprintf(buf + n, sizeof(buf) - n, ".%03ldZ mapfs[%d] %s: %s",
			now.tv_nsec / 1000000, (int)getpid(), level_name(level),
			line);
	n += more > 0 ? (size_t)more : 0;
	if (n > sizeof(buf) - 2)
		n = sizeof(buf) - 2;
	buf[n++] = '\n';
	/* A log that cannot be written leaves nowhere to report that. */
	if (write(log->fd, buf, n) < 0)
		return;
}

void logfile_say(struct logfile *log, int level, const char *fmt, ...)
{
	char line[LINE_BYTES];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	logfile_line(log, level, line);
}

/* libfuse's levels are those of syslog; its messages end with a newline. */
__attribute__((format(printf, 2, 0))) static void
libfuse_line(enum fuse_log_level level, const char *fmt, va_list ap)
{
	char line[LINE_BYTES];

	vsnprintf(line, sizeof(line), fmt, ap);
	line[strcspn(line, "\n")] = '\0';
	if (libfuse_log)
		logfile_line(libfuse_log, (int)level, line);
}

void logfile_take_libfuse(struct logfile *log)
{
	libfuse_log = log;
	fuse_set_log_func(log ? libfuse_line : NULL);
}

void logfile_use_broker(struct logfile *log, struct broker *b)
{
	log->broker = b;
}

int logfile_fd(const struct logfile *log)
{
	return log->fd;
}
