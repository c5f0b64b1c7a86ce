/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TESTS_UNIT_SUPPORT_OPERATIONS_H
#define MAPFS_TESTS_UNIT_SUPPORT_OPERATIONS_H

/*
 * What can be done with a store and its view, as a table, for tests that do
 * something to each operation.
 *
 * Calling sequence: operations_begin(), which makes base and store and leaves
 *   the view closed; prepare(); run().
 *
 * Lifetime: the fixture is the caller's.
 * Errors:   run() returns 0 or a negative errno, and sets f->why unless
 *           `is_silent`; everything else asserts.
 * Locking:  one thread.
 */
#include "commit_fixture.h"

/* What an error may leave. */
enum leaves {
	LEAVES_OLD,    /* an operation of a program: nothing has changed */
	LEAVES_EITHER, /* old or new */
	LEAVES_REST,   /* something that the same operation brings to its end */
	LEAVES_PARTS,  /* likewise; what the base has then is not one state */
};

struct operation {
	const char *name;
	enum leaves leaves;
	/* After the common state; the view is not open.  Or NULL. */
	void (*prepare)(struct fixture *f);
	int (*run)(struct fixture *f);
	bool is_silent;		  /* it has no sentence for an error */
	bool is_killed_elsewhere; /* tests/unit/commit kills it */
};

extern const struct operation operations[];
extern const size_t operation_count;

void operations_begin(struct fixture *f);
/* A path beside the base; borrowed, for the next two calls. */
const char *beside(const struct fixture *f, const char *name);
/* The store that a branch and a repair make. */
#define OPERATIONS_MADE "branch"

int run_close(struct fixture *f);
int run_open(struct fixture *f);

#endif
