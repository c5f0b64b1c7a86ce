/* SPDX-License-Identifier: MIT */
#include "change_cookie.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "core/lib/checksum.h"

/*
 * Never 0, which says that the kernel was told of no version.  With 63 bits two
 * versions have the same hash less often than a machine breaks.
 */
static uint64_t version_of(const struct statx *stx)
{
	const uint64_t parts[] = {
		stx->stx_size,		(uint64_t)stx->stx_mtime.tv_sec,
		stx->stx_mtime.tv_nsec, (uint64_t)stx->stx_ctime.tv_sec,
		stx->stx_ctime.tv_nsec,
	};

	return checksum64(parts, sizeof(parts), 0) | 1;
}

void change_cookie_set(struct inode *i, const struct statx *stx)
{
	atomic_store(&i->change_cookie, version_of(stx));
}

bool change_cookie_differs(const struct inode *i, const struct statx *stx)
{
	return atomic_load(&i->change_cookie) != version_of(stx);
}

bool change_cookie_begin(const struct inode *i, int fd)
{
	struct statx stx;

	return S_ISREG(i->type) &&
	       statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &stx) == 0 &&
	       !change_cookie_differs(i, &stx);
}

void change_cookie_end(struct inode *i, int fd, bool was_current)
{
	struct statx stx;

	if (was_current &&
	    statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &stx) == 0)
		change_cookie_set(i, &stx);
}
