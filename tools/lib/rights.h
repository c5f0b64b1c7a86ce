/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TOOLS_LIB_RIGHTS_H
#define MAPFS_TOOLS_LIB_RIGHTS_H

/*
 * Among many changes, those that give rights: set-id bits, capabilities,
 * devices; and, from a store of another user, objects that would belong to
 * somebody else yet.
 *
 * Lifetime: a struct rights with its first members filled in, then
 *           rights_fini().
 * Errors:   none; out of memory ends the program.
 */
#include <stdint.h>
#include <stdio.h>

#include "core/mapfs.h"
#include "json.h"

enum rights_rank {
	RIGHTS_ROOT,  /* those of root, or a device */
	RIGHTS_USER,  /* those of another user or group */
	RIGHTS_OWNER, /* only another owner */
	RIGHTS_RANKS,
};

struct rights_line {
	enum rights_rank rank;
	char *text; /* "set-uid root: bin/x", not yet escaped */
};

struct rights {
	uid_t usual;	 /* who owns what such a store adds */
	bool is_foreign; /* the store is another user's */
	uint64_t count;
	struct rights_line *lines;
};

void rights_add(struct rights *r, const struct mapfs_diff_entry *e);
/*
 * How many there are, and some of them, the worst first: many harmless ones
 * must not hide one that is not.  Nothing when there are none.
 */
void rights_print(const struct rights *r, FILE *to);
/* As strings at the end of the array. */
void rights_json(const struct rights *r, cJSON *array);
void rights_fini(struct rights *r);

#endif
