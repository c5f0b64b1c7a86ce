/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_FS_CONTROL_COMMANDS_H
#define MAPFS_FS_CONTROL_COMMANDS_H

/*
 * The commands of the control protocol.  Each makes one call of the core and
 * encodes its result.
 *
 * Lifetime: nothing is kept.
 * Errors:   0 or a negative errno, and perhaps a sentence in job->why.
 * Locking:  commands_run() is called by the thread of the job queue, which
 *           holds no lock.
 */
#include "job.h"

/* Is it a command that runs as a job? */
bool commands_has(uint32_t command);
/* The flags that the command accepts. */
uint64_t commands_flags(uint32_t command);
/* Does it leave much free memory behind, as far as one can say? */
bool commands_free_much(const struct mapfs_control_start *ask);
/*
 * Waits until the requests are finished that the kernel sent before the job was
 * started, then runs the command.
 */
int must_check commands_run(struct mount *m, struct job *job);

#endif
