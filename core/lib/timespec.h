/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_LIB_TIMESPEC_H
#define MAPFS_CORE_LIB_TIMESPEC_H

/*
 * Points in time: the conversion from statx(2), the comparisons, and the clock
 * that measures how long something takes.
 *
 * Lifetime, errors, locking: values.
 */
#include <sys/stat.h>
#include <time.h>

#include "types.h"

static inline struct timespec timespec_of_statx(struct statx_timestamp t)
{
	return (struct timespec){ .tv_sec = t.tv_sec, .tv_nsec = t.tv_nsec };
}

static inline bool timespec_is_equal(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static inline bool timespec_is_after(struct timespec a, struct timespec b)
{
	return a.tv_sec != b.tv_sec ? a.tv_sec > b.tv_sec :
				      a.tv_nsec > b.tv_nsec;
}

/* Since 1970, until 2262. */
static inline int64_t timespec_ns(struct timespec t)
{
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static inline struct timespec timespec_of_ns(int64_t ns)
{
	struct timespec t = { .tv_sec = ns / 1000000000,
			      .tv_nsec = ns % 1000000000 };

	if (t.tv_nsec < 0) {
		t.tv_sec--;
		t.tv_nsec += 1000000000;
	}
	return t;
}

/* CLOCK_MONOTONIC: only the difference of two of these means something. */
int64_t timespec_monotonic_ms(void);

#endif
