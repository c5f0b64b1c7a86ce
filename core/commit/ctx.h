/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_COMMIT_CTX_H
#define MAPFS_CORE_COMMIT_CTX_H

/*
 * The context of a commit, which each of its steps takes: what is to be done
 * (the plan), how far it is (the position), where (the descriptors), and how the
 * user is informed (the meter and the reason).
 *
 * Lifetime: commit.c fills it and owns what is in it; work_dir_open() opens
 *           the descriptors of one commit.
 * Errors:   0 or a negative errno, and a sentence in `why`.
 * Locking:  one thread; the store's lock is held.
 */
#include "core/arena/arena.h"
#include "core/lib/reason.h"
#include "core/overlay/inode.h"
#include "plan.h"
#include "position.h"

#define COMMIT_STAGE_BYTES 48

/* -1: not open. */
struct commit_fds {
	int root;  /* the base */
	int store; /* the store */
	int top;   /* STORE/commit */
	int dir;   /* STORE/commit/N */
	int gone;  /* its directory "gone" */
	int saved; /* its file "saved" */
	int pages; /* the file of the arena, for reading */
	int stage; /* the staging directory; -1 also if it is not there */
};

/* Looking for objects of the plan (locate.h). */
struct commit_search {
	unsigned int open_dirs; /* directories of the plan that are open */
	unsigned int number;	/* of the search under way, or of the last */
	unsigned int cuts;	/* ways given up because they led in circles */
	bool is_on;		/* a search is under way */
};

/* What is left out (left.h). */
struct commit_left {
	struct left_line *lines; /* a table, in the order of left_add() */
	bool is_changed;	 /* since the file was written */
};

struct commit_meter {
	uint64_t done_bytes;
	uint64_t all_bytes;
	int (*progress)(void *arg, uint64_t done_bytes, uint64_t all_bytes);
	void *arg;
};

struct commit_ctx {
	struct plan *plan;
	struct commit_position at;
	struct commit_fds fd;
	struct commit_search search;
	struct commit_left left;
	struct commit_meter meter;
	struct overlay *overlay; /* the view of the store */
	struct arena *arena;	 /* the store's; borrowed */
	const char *store;	 /* its absolute path, for people; borrowed */
	char stage[COMMIT_STAGE_BYTES]; /* name of the staging directory */
	struct reason *why;
};

/* Counts the bytes; -EINTR: the commit is asked to stop. */
int must_check commit_ctx_step(struct commit_ctx *ctx, uint64_t bytes);
/* All that was done so far survives a power cut, in base and store. */
int must_check commit_ctx_barrier(struct commit_ctx *ctx);
/*
 * The reason becomes "PATH: WHAT: the text of err", with the path of the
 * object; not for -EINTR.  Returns `err`.
 */
int commit_ctx_fail(struct commit_ctx *ctx, uint32_t object, const char *what,
		    int err);
/* The reason becomes "PATH: SENTENCE".  Returns `err`. */
int commit_ctx_refuse(struct commit_ctx *ctx, uint32_t object,
		      const char *sentence, int err);

#endif
