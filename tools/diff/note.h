/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TOOLS_DIFF_NOTE_H
#define MAPFS_TOOLS_DIFF_NOTE_H

/*
 * What an entry of a comparison does to mode and owner, in words.
 *
 * Lifetime: none; texts go to the caller's room.
 * Errors:   none.
 */
#include <stdbool.h>
#include <sys/types.h>

#include "core/mapfs.h"

#define DIFF_NOTE_BYTES 512
/*
 * "mode 0755 -> 4755, owner al -> root"; of what is added, what is not usual:
 * set-id bits, capabilities, devices, another owner than `usual`.  "": nothing.
 */
void diff_note(const struct mapfs_diff_entry *e, uid_t usual,
	       char out[DIFF_NOTE_BYTES]);
/*
 * What gives people rights that the bytes alone would not: set-id bits,
 * capabilities, devices.  "": nothing.
 */
void diff_note_rights(const struct mapfs_diff_entry *e,
		      char out[DIFF_NOTE_BYTES]);

#endif
