/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_FS_CONTROL_COMMANDS_H
#define MAPFS_FS_CONTROL_COMMANDS_H

/*
 * What a job does: each command is one call of the core; its result is bytes.
 *
 * Errors:   0, or a negative errno and perhaps a sentence in job->why.
 * Locking:  called by the thread of fs/job.c, with nothing held.
 */
#include "job.h"

bool commands_has(uint32_t command);
/* Those that it understands. */
uint64_t commands_flags(uint32_t command);
int must_check commands_run(struct mount *m, struct job *job);

#endif
