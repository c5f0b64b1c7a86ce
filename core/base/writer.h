/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_BASE_WRITER_H
#define MAPFS_CORE_BASE_WRITER_H

/*
 * Other programs that can change a base file at any time, because they have it
 * open for writing or have a shared mapping of such an open.
 *
 * A store into a mapping moves the time stamps of the file only if the page is
 * write-protected at that moment, which it is after a write-back.  On a file
 * system in memory no page ever is.  So a signature alone does not tell that
 * the bytes are those of before; base_guard() makes it tell where it can.
 *
 * Lifetime: nothing is kept.
 * Errors:   0 or a negative errno.
 * Locking:  as base_hold().
 * Invariants: [B1] no byte and no time stamp of the base moves.
 */
#include "core/lib/types.h"

struct base;
struct inode;

enum base_writer {
	BASE_WRITER_NONE,
	BASE_WRITER_SOME,
	BASE_WRITER_UNKNOWN, /* the kernel does not tell this user */
};

/* A file that may not be read here has none: no byte of it is ever shown. */
int must_check base_find_writer(struct base *b, struct inode *i,
				enum base_writer *out);
/*
 * Write-protects all mappings of the file, so that the next store into any page
 * of it moves a time stamp.  Takes as long as writing its dirty pages does, and
 * some milliseconds more if the file was changed just now.
 */
int must_check base_guard(struct base *b, struct inode *i);
/* Does a store into a mapping never move a time stamp here? */
bool base_hides_stores(const struct base *b);

#endif
