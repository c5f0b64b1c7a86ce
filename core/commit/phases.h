/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_COMMIT_PHASES_H
#define MAPFS_CORE_COMMIT_PHASES_H

/*
 * Making one side of a plan true in the base, in phases.  A phase begins
 * when all before it is durable, and can be done again from its start
 * whatever part of it was done; so a kill or a power cut anywhere costs
 * nothing but doing one phase again.
 *
 *   WORK_BUILD   what comes is made in a staging directory of the base
 *   WORK_TAKE    names that change give their objects to the staging directory
 *   WORK_DATA    files that stay get their pages and size, in place
 *   WORK_PLACE   names that change get their objects
 *   WORK_ATTR    owners, modes, extended attributes, times
 *   WORK_CLEAN   what goes leaves for the store (for good when undoing), the
 *                staging directory is removed
 *   WORK_DELTA   the store's delta follows (commit.c)
 *
 * An object is looked for wherever a phase of either direction may have left
 * it, and believed only by its inode number.  So taking back may begin at
 * any point of committing.
 *
 * Lifetime: work_open() fills a struct that work_close() ends.
 * Errors:   0 or a negative errno, and a sentence in work.why.
 * Locking:  one thread; the store's lock is held.
 */
#include <sys/stat.h>

#include "core/arena/arena.h"
#include "core/lib/reason.h"
#include "plan.h"

enum work_phase {
	WORK_BUILD,
	WORK_TAKE,
	WORK_DATA,
	WORK_PLACE,
	WORK_ATTR,
	WORK_CLEAN,
	WORK_DELTA,
	WORK_PHASES,
};

#define WORK_STAGE_BYTES 48

struct commit_work {
	struct plan *plan; /* borrowed */
	uint64_t number;   /* STORE/commit/<number> */
	enum plan_side to;
	enum work_phase phase;
	enum work_phase reached; /* ... before it was taken back */
	uint64_t stage_tag;
	char stage[WORK_STAGE_BYTES]; /* name of the staging directory */
	int rootfd;		      /* the base; borrowed */
	int storefd;		      /* the store; borrowed */
	int topfd;		      /* STORE/commit; borrowed */
	int dirfd;		      /* STORE/commit/<number> */
	int gonefd;		      /* its directory "gone" */
	int savedfd;		      /* its file "saved" */
	int pagesfd;		      /* the arena's file, for reading */
	int stagefd;		      /* -1: not there */
	struct arena *arena;	      /* borrowed */
	unsigned int open_dirs;
	unsigned int search; /* number of the one that is on, or was last */
	unsigned int cuts;   /* ways not gone because they led in circles */
	bool is_searching;
	uint64_t done_bytes;
	uint64_t all_bytes;
	int (*progress)(void *arg, uint64_t done_bytes, uint64_t all_bytes);
	void *progress_arg;
	struct reason *why;
};

/* commit_work.c */
/* Opens the files of commit `number`; the rest of *w is filled already. */
int must_check work_open(struct commit_work *w);
void work_close(struct commit_work *w);
/* From w->phase on to the end of WORK_CLEAN. */
int must_check work_run(struct commit_work *w);
/* The present phase and direction become durable. */
int must_check work_write_state(const struct commit_work *w);
/* -ENOENT: no commit is under way. */
int must_check work_read_state(int topfd, struct commit_work *w);
/* The numbers of objects as they were last built, if ever. */
int must_check work_read_inos(struct commit_work *w);
int must_check work_write_inos(const struct commit_work *w);
/* Everything done so far survives a power cut, in base and store. */
int must_check work_barrier(struct commit_work *w);
int must_check work_step(struct commit_work *w, uint64_t bytes);
/* Nothing of the data and attributes of files was touched yet. */
static inline bool work_left_files(const struct commit_work *w)
{
	return w->to == PLAN_BEFORE && w->reached < WORK_DATA;
}
/*
 * Taking back what somebody else did away with in between: that is theirs, and
 * no reason to stop.  It is told, and true is returned.
 */
bool work_is_theirs(struct commit_work *w, uint32_t object, int err);
/* "PATH: what: reason"; returns err. */
int work_fail(struct commit_work *w, uint32_t object, const char *what,
	      int err);

/* commit_locate.c */
int must_check work_openat(int dirfd, const char *name, int flags, int *fd);
/* Borrowed until the next call. -ENOENT: it is nowhere. */
int must_check work_dirfd(struct commit_work *w, uint32_t id, int *fd);
/* O_PATH, the caller's own. -ENOENT: it is nowhere. */
int must_check work_locate(struct commit_work *w, uint32_t id, int *fd);
/* A name in the staging directory that holds the object. */
#define WORK_SLOT_BYTES 24
bool work_find_slot(struct commit_work *w, uint32_t id,
		    char slot[WORK_SLOT_BYTES]);
void work_name_slot(const struct plan_name *n, enum plan_side from,
		    char slot[WORK_SLOT_BYTES]);
void work_build_slot(uint32_t id, char slot[WORK_SLOT_BYTES]);
void work_drop_dirfds(struct commit_work *w);
uint32_t plan_type(const struct plan_object *o);
bool work_is(const struct plan_object *o, const struct stat *st);
/* Has it the size and time of that side?  For all but directories. */
bool work_is_as(const struct plan_object *o, enum plan_side side,
		uint64_t size_bytes, struct timespec mtime);

/* commit_object.c */
int must_check work_build(struct commit_work *w, struct plan_object *o);
int must_check work_data(struct commit_work *w, struct plan_object *o);
int must_check work_attr(struct commit_work *w, struct plan_object *o);
/* Its data, as it is in the base, at the end of the file `to`. */
int must_check work_copy_all(struct commit_work *w, int from, int to);

/* commit_xattr.c */
#define WORK_PROC_BYTES 64
void work_proc_path(int fd, char out[WORK_PROC_BYTES]);
/* All extended attributes of the object into *s. */
int must_check work_read_xattrs(int fd, struct plan_state *s);
/* The object's extended attributes become those of *s. */
int must_check work_write_xattrs(int fd, const struct plan_state *s);

/* commit_copy.c */
/* Appends what [off, off + len) of `fd` holds to the saved bytes. */
int must_check work_save(struct commit_work *w, int fd, uint64_t off,
			 uint64_t len, struct plan_state *s);
/* Bytes from one file to another, shared where the file system can. */
int must_check work_copy(struct commit_work *w, int from, uint64_t from_off,
			 int to, uint64_t to_off, uint64_t len);

#endif
