/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TESTS_UNIT_SUPPORT_RUN_TEXT_H
#define MAPFS_TESTS_UNIT_SUPPORT_RUN_TEXT_H

/*
 * The runs of a file as one line: "base 0+8192, hole 8192+4096".
 *
 * Lifetime: the text belongs to the caller's struct.
 * Errors:   fail the test, also for runs with a gap, or neighbours alike.
 * Locking:  none.
 */
#include "core/mapfs.h"

struct run_text {
	char text[512];
	struct mapfs_run last;
};

/* Asks for `len` bytes from `off` on. */
void run_text_read(struct run_text *out, struct mapfs_view *v, mapfs_ino ino,
		   uint64_t off, uint64_t len);

#define assert_runs_of(v_, ino_, off_, len_, want_)                 \
	do {                                                        \
		struct run_text got_;                               \
                                                                    \
		run_text_read(&got_, (v_), (ino_), (off_), (len_)); \
		assert_string_equal(got_.text, (want_));            \
	} while (0)

#define assert_runs(v_, ino_, want_) \
	assert_runs_of((v_), (ino_), 0, UINT64_MAX, (want_))

#endif
