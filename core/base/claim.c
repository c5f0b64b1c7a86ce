/* SPDX-License-Identifier: MIT */
/*
 * All locks are read locks, because a write lock needs a descriptor that may
 * write, and there the right to read is enough.  Who claims a file sets its own
 * lock first and looks for others then: of two at the same time both see the
 * other one, and both give up.
 */
#include "claim.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "core/lib/array.h"
#include "resolve.h"
#include "root_priv.h"

/* "mapfs"; SQLite locks bytes from 2^30 on, QEMU from 100 on. */
#define CLAIM_OFFSET 0x6d61706673L

static const off_t offsets[] = {
	[CLAIM_WRITE] = CLAIM_OFFSET,
	[CLAIM_COPY] = CLAIM_OFFSET + 1,
};

static int lock_call(int fd, int command, short type, enum claim what,
		     short *found)
{
	struct flock l = {
		.l_type = type,
		.l_whence = SEEK_SET,
		.l_start = offsets[what],
		.l_len = 1,
	};

	if (fcntl(fd, command, &l) < 0)
		return -errno;
	*found = l.l_type;
	return 0;
}

static int keep(struct base *b, int fd)
{
	int err = array_reserve(&b->claims, &b->claim_cap, b->claim_count + 1);

	if (!err)
		b->claims[b->claim_count++] = fd;
	return err;
}

static bool is_held(int fd, enum claim what)
{
	short found = F_UNLCK;

	return lock_call(fd, F_OFD_GETLK, F_WRLCK, what, &found) == 0 &&
	       found != F_UNLCK;
}

int base_claim(struct base *b, struct inode *i, enum claim what)
{
	short found;
	int fd;
	int err = base_reopen(b, i, O_RDONLY, &fd);

	if (err)
		return err;
	/* A lock that cannot be had is no reason to refuse the file. */
	(void)!lock_call(fd, F_OFD_SETLK, F_RDLCK, what, &found);
	if (is_held(fd, CLAIM_WRITE))
		err = -EBUSY;
	else if (what == CLAIM_WRITE && is_held(fd, CLAIM_COPY))
		err = -ETXTBSY;
	if (!err)
		err = keep(b, fd);
	if (err)
		close(fd);
	return err;
}
