/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_JOURNAL_DAMAGE_H
#define MAPFS_CORE_JOURNAL_DAMAGE_H

/*
 * Where a journal is damaged, and what is wrong there.
 *
 * Lifetime: a value; the texts are static.
 * Errors:   journal_damage_error() is the errno that a call with this result
 *           returns: -EBADMSG where bytes changed or are missing, -EUCLEAN
 *           where mapfs wrote no such bytes.
 * Locking:  none.
 */
#include "core/lib/types.h"

enum journal_damage_kind {
	JOURNAL_SOUND,		/* no damage is known */
	JOURNAL_HAS_NO_FILE,	/* a segment that counts is missing */
	JOURNAL_HAS_NO_START,	/* segment 1 does not start from nothing */
	JOURNAL_BAD_HEADER,	/* the segment's header breaks the format */
	JOURNAL_BAD_HEADER_SUM, /* ... or its checksum */
	JOURNAL_OTHER_SEGMENT,	/* of another store, or not the one that was
				   here */
	JOURNAL_BAD_ORDER,	/* it does not follow the segment before */
	JOURNAL_BAD_GROUP,	/* a group that was durable is not sound */
	JOURNAL_CUT_OFF,	/* the file ends before groups that were
				   durable */
	JOURNAL_BAD_MARK,    /* a sound group, but mapfs wrote no such mark */
	JOURNAL_BAD_RECORDS, /* ... no such records */
};

struct journal_damage {
	enum journal_damage_kind kind;
	uint64_t segment; /* 0: the journal as a whole */
	uint64_t offset;  /* in its file */
};

/* Fills *out unless an earlier damage is in it; the errno to return. */
int journal_damage_set(struct journal_damage *out,
		       enum journal_damage_kind kind, uint64_t segment,
		       uint64_t offset);
/* 0: none. */
int journal_damage_error(enum journal_damage_kind kind);
/* The end of a sentence about the place: "its header has a wrong checksum". */
const char *journal_damage_text(enum journal_damage_kind kind);

#endif
