/* SPDX-License-Identifier: MIT */
#include "holds.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <time.h>

#include "core/lib/owner.h"
#include "layout.h"

#define WAIT_TICKS 200
#define WAIT_TICK_NS 10000000

int holds_open(int dirfd, bool create, int *fd)
{
	return owner_open_file(dirfd, STORE_READERS,
			       create ? O_RDWR | O_CREAT : O_RDWR, fd);
}

/* `len` 0: all snapshots from this one on. */
static int set_lock(int fd, uint64_t snapshot, off_t len, short type)
{
	struct flock l = {
		.l_type = type,
		.l_whence = SEEK_SET,
		.l_start = (off_t)(snapshot & INT64_MAX),
		.l_len = len,
	};

	return fcntl(fd, F_OFD_SETLK, &l) < 0 ? -errno : 0;
}

int holds_take(int fd, uint64_t snapshot)
{
	return set_lock(fd, snapshot, 1, F_RDLCK);
}

int holds_exclude(int fd, uint64_t snapshot)
{
	int err = set_lock(fd, snapshot, 1, F_WRLCK);

	return err == -EAGAIN || err == -EACCES ? -EBUSY : err;
}

int holds_exclude_all(int fd)
{
	int err = set_lock(fd, 0, 0, F_WRLCK);

	return err == -EAGAIN || err == -EACCES ? -EBUSY : err;
}

/* F_OFD_GETLK asks for a lock that is in the way and takes none. */
static int is_held(int fd, uint64_t snapshot, off_t len, bool *out)
{
	struct flock l = {
		.l_type = F_WRLCK,
		.l_whence = SEEK_SET,
		.l_start = (off_t)(snapshot & INT64_MAX),
		.l_len = len,
	};

	if (fcntl(fd, F_OFD_GETLK, &l) < 0)
		return -errno;
	*out = l.l_type != F_UNLCK;
	return 0;
}

/*
 * umount(8) of a mounted snapshot returns before the daemon has ended, so a
 * hold may be about to disappear.
 */
int holds_wait(int fd, uint64_t snapshot, off_t len)
{
	bool held = false;
	int err = 0;

	for (int i = 0; !err && i < WAIT_TICKS; i++) {
		err = is_held(fd, snapshot, len, &held);
		if (err || !held)
			return err;
		nanosleep(&(struct timespec){ .tv_nsec = WAIT_TICK_NS }, NULL);
	}
	return err ? err : -EBUSY;
}

void holds_allow(int fd, uint64_t snapshot)
{
	(void)!set_lock(fd, snapshot, 1, F_UNLCK);
}
