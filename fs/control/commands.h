/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_FS_CONTROL_COMMANDS_H
#define MAPFS_FS_CONTROL_COMMANDS_H

/*
 * What a job does: each verb as one call of the core and its result as bytes.
 *
 * Errors:   0, or a negative errno and perhaps a sentence in job->why.
 * Locking:  called by the thread of fs/job.c, with nothing held.
 */
#include "job.h"

bool verb_is_known(uint32_t verb);
/* Those that it understands. */
uint64_t verb_flags(uint32_t verb);
int must_check verb_run(struct mount *m, struct job *job);

#endif
