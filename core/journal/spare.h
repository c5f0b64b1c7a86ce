/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_JOURNAL_SPARE_H
#define MAPFS_CORE_JOURNAL_SPARE_H

/*
 * The spare: a file in the store that has space and no bytes.  The next
 * segment is created from it by a rename, so that a store can be opened, and
 * its journal be replaced, where no space can be had [A2].
 *
 *               spare_make             spare_take
 *   no file ----------------> spare ----------------> N.tmp, see segment.h
 *
 * Beside it is an empty file, which becomes the spare, or the segment, where a
 * new file cannot be created either: some file systems want more free space for
 * that than a whole segment takes.
 *
 * Only a file that was never written to is a spare: groups of an attempt that
 * was given up could otherwise look like groups of the segment.
 *
 * Lifetime: spare_take() gives the caller the descriptor.
 * Errors:   0 or a negative errno; -ENOENT: there is no spare.
 * Locking:  none here; the owner of the journal keeps the calls apart.
 */
#include "where.h"

#define SPARE_NAME "spare"
#define SPARE_EMPTY_NAME "spare.empty"

/* Renames the spare to `name` and opens it; `bytes` of it have space. */
int must_check spare_take(const struct journal_where *where, const char *name,
			  int *fd, uint64_t *bytes);
/*
 * Makes the spare, or changes its size to `bytes`.  -ENOSPC, -EDQUOT: there is
 * none, or a smaller one; -EOPNOTSUPP: the file system cannot reserve.
 */
int must_check spare_make(const struct journal_where *where, uint64_t bytes);
/* Gives its space back, where even renaming it takes some. */
void spare_drop(const struct journal_where *where);

#endif
