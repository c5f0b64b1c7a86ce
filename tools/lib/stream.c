/* SPDX-License-Identifier: MIT */
/*
 * A signal between the look at the flag and a blocking call is not seen before
 * that call returns, which may be never.  So no call here blocks for longer
 * than LOOK_MS.  A pipe is opened a second time without blocking, because
 * O_NONBLOCK on the first descriptor would hold for the programs that share it,
 * too.
 */
#include "stream.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/lib/path.h"
#include "progress.h"

#define LOOK_MS 50
#define READ_BYTES ((size_t)1 << 20)

/* Waits until `fd` is ready; -EINTR: the user wants the work to stop. */
static int wait_for(int fd, short events)
{
	struct pollfd p = { .fd = fd, .events = events };

	while (!progress_interrupted()) {
		int n = poll(&p, 1, LOOK_MS);

		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return -errno;
	}
	return -EINTR;
}

/* open(2) would wait for a reader of the pipe; this tries repeatedly. */
static int open_pipe(const char *path, int *fd)
{
	while (!progress_interrupted()) {
		*fd = open(path, O_WRONLY | O_CLOEXEC | O_NONBLOCK);
		if (*fd >= 0)
			return 0;
		if (errno != ENXIO && errno != EINTR)
			return -errno;
		poll(NULL, 0, LOOK_MS);
	}
	return -EINTR;
}

int stream_open_file(const char *path, int *fd)
{
	struct stat st;

	if (stat(path, &st) == 0 && S_ISFIFO(st.st_mode))
		return open_pipe(path, fd);
	*fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
	return *fd < 0 ? -errno : 0;
}

/* Does the error end the work?  Then the archive is told. */
static bool is_over(struct archive *a, int err, const char *words)
{
	if (err == -EAGAIN || (err == -EINTR && !progress_interrupted()))
		return false;
	archive_set_error(a, -err, "%s", words);
	return true;
}

static la_ssize_t write_some(struct archive *a, void *arg, const void *bytes,
			     size_t len)
{
	struct stream *s = arg;
	int fd = s->own_fd >= 0 ? s->own_fd : s->fd;
	ssize_t n;
	int err;

	do {
		err = wait_for(fd, POLLOUT);
		n = err ? -1 : write(fd, bytes, len);
		if (n >= 0)
			return n;
	} while (!is_over(a, err ? err : -errno, "Write error"));
	return -1;
}

static la_ssize_t read_some(struct archive *a, void *arg, const void **bytes)
{
	struct stream *s = arg;
	ssize_t n;
	int err;

	*bytes = s->buf;
	do {
		err = wait_for(s->fd, POLLIN);
		n = err ? -1 : read(s->fd, s->buf, READ_BYTES);
		if (n >= 0)
			return n;
	} while (!is_over(a, err ? err : -errno, "Read error"));
	return -1;
}

int stream_write_begin(struct stream *s, struct archive *a, int fd)
{
	char path[PATH_OF_FD_BYTES];
	struct stat st;

	*s = (struct stream){ .fd = fd, .own_fd = -1 };
	if (fstat(fd, &st) < 0)
		return -errno;
	if (S_ISFIFO(st.st_mode)) {
		path_of_fd(fd, path);
		/* If that fails the pipe is used as it is, and may block. */
		s->own_fd = open(path, O_WRONLY | O_CLOEXEC | O_NONBLOCK);
	}
	if (archive_write_open(a, s, NULL, write_some, NULL) < ARCHIVE_WARN)
		return -EIO;
	return 0;
}

int stream_read_begin(struct stream *s, struct archive *a, int fd)
{
	*s = (struct stream){ .fd = fd, .own_fd = -1 };
	s->buf = malloc(READ_BYTES);
	if (!s->buf) {
		archive_set_error(a, ENOMEM, "out of memory");
		return -ENOMEM;
	}
	if (archive_read_open(a, s, NULL, read_some, NULL) < ARCHIVE_WARN)
		return -EIO;
	return 0;
}

void stream_fini(struct stream *s)
{
	/* Never 0, which the standard input has: the stream may be zeroed. */
	if (s->own_fd > 0)
		close(s->own_fd);
	free(s->buf);
	*s = (struct stream){ .own_fd = -1 };
}
