/* SPDX-License-Identifier: MIT */
/*
 * What the kernel was last shown of a file, to tell changes made by others
 * from our own (close-to-open, as network file systems do it).
 *
 * Kept as 64 bits per inode.  Two versions with one hash are as likely as a
 * broken machine.
 */
#include "direct_priv.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "core/lib/checksum.h"

/* Never 0, which means "nothing was shown". */
static uint64_t version_of(const struct statx *stx)
{
	const uint64_t parts[] = {
		stx->stx_size,		(uint64_t)stx->stx_mtime.tv_sec,
		stx->stx_mtime.tv_nsec, (uint64_t)stx->stx_ctime.tv_sec,
		stx->stx_ctime.tv_nsec,
	};

	return checksum64(parts, sizeof(parts), 0) | 1;
}

void direct_show(struct inode *i, const struct statx *stx)
{
	atomic_store(&i->shown, version_of(stx));
}

bool direct_is_changed(const struct inode *i, const struct statx *stx)
{
	return atomic_load(&i->shown) != version_of(stx);
}

bool direct_change_begin(const struct inode *i, int fd)
{
	struct statx stx;

	return S_ISREG(i->type) &&
	       statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &stx) == 0 &&
	       !direct_is_changed(i, &stx);
}

void direct_change_end(struct inode *i, int fd, bool was_shown)
{
	struct statx stx;

	if (was_shown &&
	    statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &stx) == 0)
		direct_show(i, &stx);
}
