/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_LIB_REASON_H
#define MAPFS_CORE_LIB_REASON_H

/*
 * Why a call failed: one sentence for people, "OBJECT: reason; next step".
 *
 * A call that can explain its failure takes a struct reason, and sets it only
 * when it fails.  The function that detects the failure knows most about it:
 * its callers set a sentence only if there is none yet.
 *
 * Lifetime: memory of the caller; all zero is an empty reason.  The text of
 *           reason_of() and reason_text() is borrowed, and valid until the
 *           thread's next call of one of them or of strerror().
 * Errors:   none; a sentence that is too long is cut.
 * Locking:  none; a reason belongs to one thread.
 */
#include <limits.h>
#include <stdbool.h>

/* A path, and the words around it. */
#define REASON_BYTES (PATH_MAX + 512)

struct reason {
	char text[REASON_BYTES];
};

void reason_clear(struct reason *r);
bool reason_is_empty(const struct reason *r);
__attribute__((format(printf, 2, 3))) void reason_set(struct reason *r,
						      const char *fmt, ...);
/* Adds to the sentence that is there. */
__attribute__((format(printf, 2, 3))) void reason_add(struct reason *r,
						      const char *fmt, ...);

/*
 * The end of a sentence, where an error number is all that is known: its text,
 * and the next step if there is one.  `err` is a negative errno.
 */
const char *reason_of(int err);
/* The sentence, or that of the error if it is empty. */
const char *reason_text(const struct reason *r, int err);

#endif
