/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_COMMIT_SAVED_FILE_H
#define MAPFS_CORE_COMMIT_SAVED_FILE_H

/*
 * The small files that a commit keeps in the store.  Each is there as a whole
 * or not at all:
 *
 *   STORE/commit/open     which commit is under way, in which direction, how
 *                         far (position.h); not there: none is
 *   STORE/commit/N/plan   what commit N changes (plan.h)
 *   STORE/commit/N/inos   the inode number of each object, once all new
 *                         objects are built (work_dir.h)
 *   STORE/commit/N/after  what commit N left behind (result.h); not there:
 *                         it never ended
 *   STORE/commit/N/sums   checksums of STORE/commit/N/saved (sums.h)
 *
 * Two parts of a commit are not such files: STORE/commit/N/saved has the bytes
 * that the commit overwrites, STORE/commit/N/gone/ the objects that it removes.
 *
 * Lifetime: saved_file_read() allocates, the caller frees.
 * Errors:   0 or a negative errno.  -EUCLEAN, -EBADMSG: damaged [S1], and the
 *           reason names the file and its bytes.  -EPROTONOSUPPORT: written by a
 *           later version.
 * Locking:  none; the store's lock is held.
 */
#include "bytes.h"
#include "core/lib/reason.h"

enum saved_file_kind {
	SAVED_FILE_OPEN = 1,
	SAVED_FILE_PLAN,
	SAVED_FILE_INOS,
	SAVED_FILE_AFTER,
	SAVED_FILE_SUMS,
};

/* Replaces the file; durable on return.  After a crash: the old or the new. */
int must_check saved_file_write(int dirfd, enum saved_file_kind kind,
				const struct bytes *b);
/* -ENOENT: not there; then, too, there is no reason. */
int must_check saved_file_read(int dirfd, enum saved_file_kind kind,
			       uint8_t **buf, size_t *len, struct reason *why);
/* The reason of a file that was read and makes no sense: for -EUCLEAN. */
void saved_file_refuse(int dirfd, enum saved_file_kind kind, uint64_t len,
		       struct reason *why);

#endif
