/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_LIB_FAULT_H
#define MAPFS_CORE_LIB_FAULT_H

/*
 * Named points at which a test can make the core fail, or die.
 *
 * Lifetime: static.  A point costs one relaxed load while nothing is armed
 *           or counted.
 * Errors:   fault_point() returns 0, or the negative errno that was armed.
 * Locking:  none needed; arming is for a quiet moment.
 *
 * Counting is what makes tests exhaustive: fault_reset(), one good run,
 * fault_passed() says how many points it has; then arm each ordinal alone.
 */
#include "types.h"

/* Called where a system call or an allocation could fail. */
int must_check fault_point(const char *name);

/* The n-th point from now on (0 is the next) fails once with -err. */
void fault_arm(unsigned int n, int err);
/* Every point of this name fails with -err, until disarmed. */
void fault_arm_name(const char *name, int err);
/* At the n-th point from now on the process is gone, by SIGKILL. */
void fault_arm_kill(unsigned int n);
/* Nothing fails any more and nothing is counted. */
void fault_disarm(void);
/* Points passed since the last fault_reset(). */
unsigned int fault_passed(void);
/* Starts counting from 0. */
void fault_reset(void);

#endif
