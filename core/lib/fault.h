/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_LIB_FAULT_H
#define MAPFS_CORE_LIB_FAULT_H

/*
 * Named points at which a test can make the core fail, or kill the process.
 *
 * Calling sequence of a test that fails each point of an operation: call
 * fault_reset(), run the operation once, and ask fault_passed() how many
 * points it has; then for each n: fault_arm(n, err), run it, fault_disarm().
 *
 * Lifetime: static.  A point costs one relaxed load while nothing is armed
 *           or counted.
 * Errors:   fault_point() returns 0, or the negative errno that was armed.
 * Locking:  any thread may pass a point with any lock held.  Arm and disarm
 *           while no operation is under way.
 */
#include "types.h"

/* Called where a system call or an allocation could fail. */
int must_check fault_point(const char *name);
/*
 * The same where up to *len bytes are transferred: of a short count that is
 * armed, *len is what the call is to transfer.
 */
int must_check fault_transfer(const char *name, size_t *len);

/* In the place of an errno; points without bytes do not count then. */
enum fault_count {
	FAULT_SHORT = 4096, /* a part of the bytes, as after a signal */
	FAULT_FULL,	    /* ... and ENOSPC at the point that follows */
};

/* The n-th point from now on (0 is the next) fails once with -err. */
void fault_arm(unsigned int n, int err);
/* Every point of this name fails with -err, until disarmed. */
void fault_arm_name(const char *name, int err);
/* At the n-th point from now on the process is killed by SIGKILL. */
void fault_arm_kill(unsigned int n);
/* From now on no point fails, and none is counted. */
void fault_disarm(void);
/* Points passed since the last fault_reset(). */
unsigned int fault_passed(void);
/* Starts counting from 0. */
void fault_reset(void);

#endif
