/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_DELTA_RECORD_DECODE_H
#define MAPFS_CORE_DELTA_RECORD_DECODE_H

/*
 * Reading groups of records: those of the journal, which are not trusted
 * [S1], and those that are about to be written to it.
 *
 * Lifetime: a decoded record borrows its texts from the group.
 *           records_decode() .. records_fini().
 * Errors:   record_next() returns 1 and a record, 0 at the end, -EUCLEAN for
 *           bytes that break the format.  group_verify() and records_decode()
 *           return 0 or a negative errno that says which rule is broken:
 *           -E2BIG: longer than GROUP_MAX_BYTES; -EFBIG: a size or a page
 *           beyond the largest file; -ENAMETOOLONG: a name; -EINVAL,
 *           -EUCLEAN: another rule of the format; -ENOMEM as group_error().
 * Locking:  none; values.
 */
#include "record.h"

/* The record at *pos of `len` bytes; moves *pos behind it. */
int must_check record_next(const uint8_t *buf, size_t len, size_t *pos,
			   struct record *out);

/*
 * Would record_next() accept the whole group?  A group must pass before it is
 * appended to a journal, because one that does not would make the journal
 * unreadable.
 */
int must_check group_verify(const struct group *g);

#define RECORDS_FEW 6 /* as many as most operations have */

/* A whole group, decoded. */
struct records {
	struct record *list;
	size_t count;
	size_t cap;
	struct record few[RECORDS_FEW];
};

/* Verifies and decodes at once.  On error there is nothing to free. */
int must_check records_decode(struct records *all, const struct group *g);
void records_fini(struct records *all);

#endif
