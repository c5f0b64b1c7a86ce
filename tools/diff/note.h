/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TOOLS_DIFF_NOTE_H
#define MAPFS_TOOLS_DIFF_NOTE_H

/*
 * Notes: how an entry of a comparison changes mode and owner, in words.
 *
 * Lifetime: a note is written to memory of the caller.
 * Errors:   none; a note that is too long is cut.
 * Locking:  none.
 */
#include <stdbool.h>
#include <sys/types.h>

#include "core/mapfs.h"

#define DIFF_NOTE_BYTES 512
/*
 * "mode 0755 -> 4755, owner al -> root".  Of an added object: set-id bits,
 * capabilities, device number, and an owner other than `owner`.  "" if there is
 * nothing to note.
 */
void diff_note(const struct mapfs_diff_entry *e, uid_t owner,
	       char out[DIFF_NOTE_BYTES]);
/*
 * What gives somebody rights beyond those of the content: set-id bits,
 * capabilities, devices.  "" if there is none.
 */
void diff_note_rights(const struct mapfs_diff_entry *e,
		      char out[DIFF_NOTE_BYTES]);

#endif
