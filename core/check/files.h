/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_CHECK_FILES_H
#define MAPFS_CORE_CHECK_FILES_H

/*
 * The files of a store that are no pages: segments of the journal, what commits
 * keep, and the records of branches.
 *
 * Lifetime: none.
 * Errors:   as ctx.h.
 * Locking:  none.
 */
#include "ctx.h"

/* Fills the survey and the facts. */
int must_check files_survey(struct check_ctx *c);
/* Reports the faults of the survey that concern a state. */
int must_check files_report_faults(struct check_ctx *c);
int must_check files_check_anchor(struct check_ctx *c);
int must_check files_check_commits(struct check_ctx *c);
int must_check files_check_branches(struct check_ctx *c);

#endif
