/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TESTS_UNIT_SUPPORT_CHILD_H
#define MAPFS_TESTS_UNIT_SUPPORT_CHILD_H

/*
 * A step of a test in a process of its own, which may die.
 *
 * Lifetime: the child has ended when the call returns.
 * Errors:   a fork or wait that fails fails the test.
 * Locking:  none; the test must have no other thread at that moment.
 */

/* How the child ended: the exit status that fn() returned, or -signal. */
int child_run(int (*fn)(void *arg), void *arg);
/* The signal that ended fn(), 0: none; what it says on stderr is dropped. */
int child_signal(void (*fn)(void));

#endif
