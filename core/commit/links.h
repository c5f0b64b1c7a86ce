/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_COMMIT_LINKS_H
#define MAPFS_CORE_COMMIT_LINKS_H

/*
 * Further hard links of files that lose every name known to the view.  One of
 * them is looked for by a walk over the base: without it the file could not be
 * located again to undo the commit.
 *
 * Errors:   0 or a negative errno.  A directory that may not be entered is
 *           left out.
 * Locking:  as planning.h.
 */
#include "planning.h"

/* After all names of the delta are in the plan and it is indexed. */
int must_check links_find(struct planning_ctx *c);

#endif
