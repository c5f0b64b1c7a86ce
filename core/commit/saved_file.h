/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_COMMIT_SAVED_FILE_H
#define MAPFS_CORE_COMMIT_SAVED_FILE_H

/*
 * The files a commit keeps in the store, each whole or not there:
 *
 *   STORE/commit/open     which commit is under way, which way, how far;
 *                         not there: none is
 *   STORE/commit/N/plan   what it is about (commit_plan.h)
 *   STORE/commit/N/inos   the inode of each object, once all are built
 *   STORE/commit/N/after  what it left behind; not there: never finished
 *   STORE/commit/N/saved  bytes it overwrites
 *   STORE/commit/N/gone/  what it removes, by number of the object
 *
 * Lifetime: commit_read_file() allocates for the caller.
 * Errors:   0 or a negative errno.  Building bytes is sticky (`failed`), so
 *           is reading them (`bad`).  -EUCLEAN, -EBADMSG: damaged [S1].
 * Locking:  none; the store's lock is held.
 */
#include "core/lib/types.h"
#include "plan.h"

enum commit_kind {
	COMMIT_FILE_OPEN = 1,
	COMMIT_FILE_PLAN,
	COMMIT_FILE_INOS,
	COMMIT_FILE_AFTER,
};

void commit_put(struct commit_bytes *b, const void *p, size_t len);
void commit_put32(struct commit_bytes *b, uint32_t v);
void commit_put64(struct commit_bytes *b, uint64_t v);
void commit_bytes_fini(struct commit_bytes *b);

struct commit_reader {
	const uint8_t *at;
	size_t left_bytes;
	bool bad;
};

/* Borrowed; NULL and r->bad: there is not that much. */
const uint8_t *commit_get(struct commit_reader *r, size_t len);
uint32_t commit_get32(struct commit_reader *r);
uint64_t commit_get64(struct commit_reader *r);

/* Durable on return, in place of what had the name before. */
int must_check commit_write_file(int dirfd, const char *name,
				 enum commit_kind kind,
				 const struct commit_bytes *b);
/* -ENOENT: not there. */
int must_check commit_read_file(int dirfd, const char *name,
				enum commit_kind kind, uint8_t **buf,
				size_t *len);

#endif
