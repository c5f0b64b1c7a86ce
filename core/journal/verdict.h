/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_JOURNAL_VERDICT_H
#define MAPFS_CORE_JOURNAL_VERDICT_H

/*
 * One segment, judged: how far its groups are sound, and whether what follows
 * is a torn end or damage.  A group is damaged, not torn, if it was durable:
 * by the caller, by the header, or by a sound mark anywhere behind it.
 *
 * Lifetime: a value.
 * Errors:   0 or a negative errno of reading.  Damage is no error here: it is
 *           in the verdict, and everything before it is sound.
 * Locking:  none.
 */
#include "damage.h"
#include "history.h"

struct segment_verdict {
	mapfs_lsn last;	   /* of the last sound group; below first_lsn: none */
	mapfs_lsn covered; /* by the last sound mark */
	uint64_t end;	   /* offset behind the last sound group */
	uint64_t file_bytes; /* of the file; space that is reserved, too */
	bool closed;	     /* it ends in GROUP_CLOSE */
	struct journal_damage damage;
};

/* `need`: groups up to this lsn must be there; 0: no such lsn is known. */
int must_check segment_judge(const struct journal_where *where,
			     const struct journal_id *id,
			     const struct segment_info *seg, mapfs_lsn need,
			     struct segment_verdict *out);

#endif
