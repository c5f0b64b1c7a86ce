/* SPDX-License-Identifier: MIT */
#include "spare.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/lib/fault.h"
#include "core/lib/io.h"
#include "core/lib/owner.h"

/* Never written to: space that was only reserved is a hole to SEEK_DATA. */
static bool is_blank(int fd, uint64_t *bytes)
{
	struct stat st;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return false;
	*bytes = (uint64_t)st.st_size;
	return lseek(fd, 0, SEEK_DATA) < 0 && errno == ENXIO;
}

static int open_blank(const struct journal_where *where, const char *spare,
		      int *fd, uint64_t *bytes)
{
	int err = owner_open_file(where->dirfd, spare, O_RDWR, fd);

	if (err)
		return err;
	if (is_blank(*fd, bytes))
		return 0;
	close(*fd);
	(void)unlinkat(where->dirfd, spare, 0);
	return -ENOENT;
}

static int take(const struct journal_where *where, const char *spare,
		const char *name, int *fd, uint64_t *bytes)
{
	int err = open_blank(where, spare, fd, bytes);

	if (err)
		return err;
	err = fault_point("spare.rename");
	if (!err && renameat(where->dirfd, spare, where->dirfd, name) < 0)
		err = -errno;
	if (err)
		close(*fd);
	return err;
}

int spare_take(const struct journal_where *where, const char *name, int *fd,
	       uint64_t *bytes)
{
	int err = take(where, SPARE_NAME, name, fd, bytes);

	return err == -ENOENT ? take(where, SPARE_EMPTY_NAME, name, fd, bytes) :
				err;
}

static bool has_empty(const struct journal_where *where)
{
	return faccessat(where->dirfd, SPARE_EMPTY_NAME, F_OK,
			 AT_SYMLINK_NOFOLLOW) == 0;
}

static int open_or_create(const struct journal_where *where, int *fd,
			  uint64_t *has)
{
	int empty = -1;
	int err = open_blank(where, SPARE_NAME, fd, has);

	if (err == -ENOENT)
		err = owner_create_file(where->dirfd, SPARE_NAME, O_RDWR, fd);
	if ((err == -ENOSPC || err == -EDQUOT) && has_empty(where))
		return take(where, SPARE_EMPTY_NAME, SPARE_NAME, fd, has);
	if (!err && !has_empty(where) &&
	    owner_create_file(where->dirfd, SPARE_EMPTY_NAME, O_RDWR, &empty) ==
		    0)
		close(empty);
	return err;
}

int spare_make(const struct journal_where *where, uint64_t bytes)
{
	uint64_t has = 0;
	int fd = -1;
	int err = open_or_create(where, &fd, &has);

	if (err)
		return err;
	if (has < bytes)
		err = io_reserve("spare.reserve", fd, has, bytes - has);
	else if (has > bytes && ftruncate(fd, (off_t)bytes) < 0)
		err = -errno;
	close(fd);
	return err;
}

void spare_drop(const struct journal_where *where)
{
	(void)unlinkat(where->dirfd, SPARE_NAME, 0);
}
