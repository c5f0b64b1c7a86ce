/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TOOLS_DIFF_RIGHTS_H
#define MAPFS_TOOLS_DIFF_RIGHTS_H

/*
 * Among many changes, those that give somebody rights: set-id bits,
 * capabilities, devices; and, from a store of another user, objects that
 * would belong to a third user.
 *
 * Calling:  fill in `owner` and `is_foreign`, the rest zero; rights_add() for
 *           each entry of a comparison; rights_print() or rights_json();
 *           rights_fini().
 * Lifetime: the lines belong to the struct until rights_fini(), which accepts
 *           a zeroed one.
 * Errors:   none; out of memory ends the program.
 */
#include <stdint.h>
#include <stdio.h>

#include <cjson/cJSON.h>

#include "core/mapfs.h"

enum rights_rank {
	RIGHTS_ROOT,  /* the rights of root, or a device */
	RIGHTS_USER,  /* the rights of another user or group */
	RIGHTS_OWNER, /* no rights, but another owner */
	RIGHTS_RANKS,
};

struct rights_line {
	enum rights_rank rank;
	char *text; /* "set-uid root: bin/x", not yet escaped */
};

struct rights {
	uid_t owner;	 /* of the store; what it adds should be this user's */
	bool is_foreign; /* the store is another user's */
	struct rights_line *lines;
	size_t count;
	size_t cap;
};

void rights_add(struct rights *r, const struct mapfs_diff_entry *e);
/*
 * Prints how many there are, and the first of them in order of rank: many
 * harmless ones must not hide a dangerous one.  Prints nothing if there are
 * none.
 */
void rights_print(const struct rights *r, FILE *to);
/* Appends each as a string. */
void rights_json(const struct rights *r, cJSON *array);
void rights_fini(struct rights *r);

#endif
