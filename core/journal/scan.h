/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_JOURNAL_SCAN_H
#define MAPFS_CORE_JOURNAL_SCAN_H

/*
 * The sound groups of one segment, one after the other.  A group is *sound*
 * if its length fits into the file and its checksum confirms it [S1].
 *
 * Calling sequence: scan_begin(), which opens the segment; scan_next() until
 *   it returns 0 or an error; scan_end().  If scan_begin() fails, there is
 *   nothing to end.
 *
 * Lifetime: the payload of a group is valid until the next step or the end.
 * Errors:   1: a group; 0: there is none; or a negative errno.
 * Locking:  none; one thread.
 */
#include "segment.h"

struct scan {
	int fd;
	uint64_t file_bytes;
	uint64_t seed;
	uint64_t off;  /* of the next group */
	mapfs_lsn lsn; /* that the next group must have */
	uint8_t *buf;  /* file bytes from buf_off on */
	size_t buf_cap;
	size_t buf_bytes;
	uint64_t buf_off;
};

struct sound_group {
	enum group_kind kind;
	mapfs_lsn lsn;
	const uint8_t *payload;
	size_t len;
};

/* Begins with the group `first_lsn` of segment `number`.  0 or an error. */
int must_check scan_begin(struct scan *s, const struct journal_where *where,
			  const struct journal_id *id, uint64_t number,
			  mapfs_lsn first_lsn);
/* The next group, if it is sound and has the lsn that must follow. */
int must_check scan_next(struct scan *s, struct sound_group *out);
/* The sound group at this offset, whatever its lsn. */
int must_check scan_group_at(struct scan *s, uint64_t off,
			     struct sound_group *out);
/*
 * The two lsns of a GROUP_SYNC or GROUP_CLOSE.  0, or -EUCLEAN: they are
 * impossible, so mapfs did not write them.
 */
int must_check mark_decode(const struct sound_group *g, mapfs_lsn *covers,
			   mapfs_lsn *flushed);
void scan_end(struct scan *s);

#endif
