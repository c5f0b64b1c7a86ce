/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_BASE_READDIR_H
#define MAPFS_CORE_BASE_READDIR_H

/*
 * Listing a directory of the base: as a whole, or in parts that one reader
 * asks for one after the other.
 *
 * Lifetime: base_listing_create() .. base_listing_destroy() (accepts NULL);
 *           the base is borrowed until then.
 * Errors:   0, a negative errno, or the non-zero result of the callback.
 * Locking:  as base_hold().  A listing is used by one thread at a time; the
 *           callback is called without a lock.
 */
#include <limits.h>

#include "core/lib/types.h"

struct base;
struct base_listing;
struct inode;

/*
 * Takes one name.  A non-zero result ends the call with that result, except
 * BASE_SKIPPED: the name was of no use, the listing continues.
 *
 * `type` is S_IFMT bits, asked from the object where the directory does not
 * have them.  `ino` is what base_stat() would say, except for ".." of the
 * root.  `cookie` is the base's own d_off: with it a listing continues
 * behind this name.
 */
#define BASE_SKIPPED INT_MIN
typedef int (*base_dirent_fn)(void *arg, const char *name, uint64_t ino,
			      mode_t type, uint64_t cookie);

/*
 * All names behind `cookie` (0: from the start), "." and ".." included.  Where
 * there is no base, nothing is listed, not even these two.
 */
int must_check base_readdir(struct base *b, struct inode *dir, uint64_t cookie,
			    base_dirent_fn fn, void *arg);

int must_check base_listing_create(struct base_listing **out, struct base *b);
void base_listing_destroy(struct base_listing *l);
/*
 * Some names behind `cookie`; none: there are no more.  `dir` is the same in
 * each call.  All parts but the first come from a directory that was opened
 * once, so they list what the base says of that moment.
 */
int must_check base_listing_read(struct base_listing *l, struct inode *dir,
				 uint64_t cookie, base_dirent_fn fn, void *arg);

#endif
