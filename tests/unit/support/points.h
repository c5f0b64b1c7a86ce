/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TESTS_UNIT_SUPPORT_POINTS_H
#define MAPFS_TESTS_UNIT_SUPPORT_POINTS_H

/*
 * An operation that is killed, or that fails, at each of its fault points in
 * turn: a new point in the core is covered without a change of the test.
 *
 * Calling sequence, for n = 0, 1, ...: prepare(); begin(); operation() with
 *   its n-th point armed; check().  The last round is the one in which the
 *   operation has no more than n points, and so succeeds.
 *
 * Lifetime: `arg` is the test's, and is passed to each step.
 * Errors:   a step asserts.  points_kill() fails the test if a round ends
 *           otherwise than by the kill or by success.
 * Locking:  none; one thread.
 */
#include <stdbool.h>

struct points_test {
	void (*prepare)(void *arg); /* or NULL */
	/* In the process of the operation, which begins with it; or NULL. */
	void (*begin)(void *arg);
	int (*operation)(void *arg); /* 0, or a negative errno */
	/* Its result, of which the kill leaves none: then it is -EINTR. */
	void (*check)(void *arg, int result);
	/* points_kill(): begin() to check() once more after each death. */
	bool dies_twice;
	/* Only each so many-th point, from `first` on; 0: each. */
	unsigned int step;
	/* With sanitizers, too (MAPFS_TEST_KILL_STEP). */
	bool all;
	unsigned int first;
};

/*
 * begin() and operation() run in a child, which dies of SIGKILL at the point.
 * Returns the first point that it has not, or, without a step, their number.
 */
unsigned int points_kill(const struct points_test *t, void *arg);
/*
 * Each point fails once with -err; when check() is called, no point fails any
 * more.  Returns the number of rounds in which the operation failed.
 */
unsigned int points_fail(const struct points_test *t, int err, void *arg);

#endif
