/* SPDX-License-Identifier: MIT */
#include "damage.h"

#include <errno.h>
#include <stdlib.h>

int journal_damage_error(enum journal_damage_kind kind)
{
	switch (kind) {
	case JOURNAL_SOUND:
		return 0;
	case JOURNAL_BAD_HEADER_SUM:
	case JOURNAL_BAD_GROUP:
	case JOURNAL_CUT_OFF:
		return -EBADMSG;
	case JOURNAL_HAS_NO_FILE:
	case JOURNAL_HAS_NO_START:
	case JOURNAL_BAD_HEADER:
	case JOURNAL_OTHER_SEGMENT:
	case JOURNAL_BAD_ORDER:
	case JOURNAL_BAD_MARK:
	case JOURNAL_BAD_RECORDS:
		return -EUCLEAN;
	}
	abort();
}

const char *journal_damage_text(enum journal_damage_kind kind)
{
	switch (kind) {
	case JOURNAL_SOUND:
		return "it is sound";
	case JOURNAL_HAS_NO_FILE:
		return "the file is missing";
	case JOURNAL_HAS_NO_START:
		return "it builds on a segment that never was";
	case JOURNAL_BAD_HEADER:
		return "its header breaks the format";
	case JOURNAL_BAD_HEADER_SUM:
		return "its header has a wrong checksum";
	case JOURNAL_OTHER_SEGMENT:
		return "it is not the segment that was here";
	case JOURNAL_BAD_ORDER:
		return "it does not follow the segment before";
	case JOURNAL_BAD_GROUP:
		return "a group of records that was durable has a wrong checksum";
	case JOURNAL_CUT_OFF:
		return "the file ends here, and groups of records that were durable are missing";
	case JOURNAL_BAD_MARK:
		return "mapfs wrote no such mark";
	case JOURNAL_BAD_RECORDS:
		return "mapfs wrote no such records";
	}
	abort();
}

int journal_damage_set(struct journal_damage *out,
		       enum journal_damage_kind kind, uint64_t segment,
		       uint64_t offset)
{
	if (out->kind == JOURNAL_SOUND)
		*out = (struct journal_damage){ kind, segment, offset };
	return journal_damage_error(kind);
}
