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
	int err = owner_open_file(where->spare_dirfd, spare, O_RDWR, fd);

	if (err)
		return err;
	if (is_blank(*fd, bytes))
		return 0;
	close(*fd);
	(void)unlinkat(where->spare_dirfd, spare, 0);
	return -ENOENT;
}

/* A name, and the directory that has it or gets it. */
struct place {
	int dirfd;
	const char *name;
};

static int take(const struct journal_where *where, const char *spare,
		struct place to, int *fd, uint64_t *bytes)
{
	int err = open_blank(where, spare, fd, bytes);

	if (err)
		return err;
	err = fault_point("spare.rename");
	if (!err && renameat(where->spare_dirfd, spare, to.dirfd, to.name) < 0)
		err = -errno;
	if (err)
		close(*fd);
	return err;
}

int spare_take(const struct journal_where *where, const char *name, int *fd,
	       uint64_t *bytes)
{
	const struct place to = { .dirfd = where->dirfd, .name = name };
	int err = -ENOENT;

	if (where->spare_dirfd > 0)
		err = take(where, SPARE_NAME, to, fd, bytes);
	if (err == -ENOENT && where->spare_dirfd > 0)
		err = take(where, SPARE_EMPTY_NAME, to, fd, bytes);
	return err;
}

static bool has_empty(const struct journal_where *where)
{
	return faccessat(where->spare_dirfd, SPARE_EMPTY_NAME, F_OK,
			 AT_SYMLINK_NOFOLLOW) == 0;
}

static int open_or_create(const struct journal_where *where, int *fd,
			  uint64_t *has)
{
	int empty = -1;
	int err = open_blank(where, SPARE_NAME, fd, has);

	if (err == -ENOENT)
		err = owner_create_file(where->spare_dirfd, SPARE_NAME, O_RDWR,
					fd);
	if ((err == -ENOSPC || err == -EDQUOT) && has_empty(where))
		return take(where, SPARE_EMPTY_NAME,
			    (struct place){ where->spare_dirfd, SPARE_NAME },
			    fd, has);
	if (!err && !has_empty(where) &&
	    owner_create_file(where->spare_dirfd, SPARE_EMPTY_NAME, O_RDWR,
			      &empty) == 0)
		close(empty);
	return err;
}

int spare_make(const struct journal_where *where, uint64_t bytes)
{
	uint64_t has = 0;
	int fd = -1;
	int err = -EOPNOTSUPP;

	if (where->spare_dirfd > 0)
		err = open_or_create(where, &fd, &has);
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
	if (where->spare_dirfd > 0)
		(void)unlinkat(where->spare_dirfd, SPARE_NAME, 0);
}
