/* SPDX-License-Identifier: MIT */
#include "timespec.h"

int64_t timespec_monotonic_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000) + t.tv_nsec / 1000000;
}
