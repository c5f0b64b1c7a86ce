/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_STORE_STORE_PRIV_H
#define MAPFS_CORE_STORE_STORE_PRIV_H

/*
 * What the files of the store share: the store as a directory, the line of
 * stores it is a branch of, and what a store says of itself to anybody.
 *
 * Lifetime: store_dir_open() fills descriptors that store_dir_close() ends;
 *           closing the lock's descriptor releases the store.
 * Errors:   0 or a negative errno and a sentence in `why`.
 * Locking:  none; used before threads start and after they ended.
 */
#include <pthread.h>

#include "core/journal/journal.h"
#include "store.h"

/* There while a commit was begun and is not finished. */
#define STORE_COMMIT_OPEN "commit/open"

/* Of a branch that says nothing yet: without it there is no journal. */
#define STORE_JOURNAL_PART "journal.part"

struct store_dir {
	int dirfd;     /* the store, or where unlinked files go; -1: memory */
	int lockfd;    /* -1: ephemeral */
	int journalfd; /* directory of the journal; -1: ephemeral */
	int pagesfd;   /* the arena's file; taken by the arena */
	int readersfd; /* holds of snapshots; -1: none */
	bool created;  /* nothing was there before */
	char *path;    /* absolute; NULL: ephemeral */
};

int must_check store_dir_open(struct store_dir *d,
			      const struct store_options *opt,
			      struct reason *why);
/* Pages without a journal that names them are not a store to begin anew. */
bool store_dir_has_pages(const struct store_dir *d);
/* A store that is there, locked as for changing it, and nothing more. */
int must_check store_dir_lock_only(struct store_dir *d,
				   const struct store_options *opt,
				   struct reason *why);
void store_dir_close(struct store_dir *d);
/* The directory of a new branch is a store from here on; durable. */
int must_check store_dir_finish(const struct store_dir *d);
/* Removes a locked store; other files in it stay: -ENOTEMPTY. */
int must_check store_dir_remove(const struct store_dir *d);
/* 32 bytes that are the same only while the page cache of this directory's
 * file system lives: this boot, and this mount of it. */
int must_check store_dir_epoch(const struct store_dir *d, uint8_t *out);

/*
 * -EPERM and a sentence: somebody else could have written what is in the store
 * (core/owner.h).  To be asked before anything of it is read, created or
 * locked; `path` is for people.
 */
int must_check store_trust_check(int dirfd, const char *path, bool is_trusted,
				 struct reason *why);

/* Another process may be at work there: nothing is locked, much is retried. */
struct store_facts {
	uint8_t uuid[JOURNAL_UUID_BYTES];
	char *base;
	struct base_identity base_id; /* ino 0: unknown */
	struct timespec created;
	struct snapshots snapshots; /* without pins */
	bool has_parent;
	struct record_parent parent; /* its path is ours */
};

/* `dirfd` is the store, `path` is for people. */
int must_check store_facts_read(struct store_facts *f, int dirfd,
				const char *path, struct reason *why);
void store_facts_fini(struct store_facts *f);

/*
 * Is the base it is opened with the recorded one?  Another path is fine if it
 * is the very directory.  -EXDEV and a sentence: it is another one.
 */
int must_check store_check_base(const struct store_options *opt,
				const char *store, const char *path,
				const struct base_identity *id,
				struct reason *why);
/* The same sentence, of one that is known to be another. -EXDEV. */
int must_check store_refuse_base(const struct store_options *opt,
				 const char *store, const char *path,
				 struct reason *why);

/* One store up the line; its snapshot cannot be deleted while this is held. */
struct ancestor {
	bool is_trusted; /* set before it is opened */
	char *path;
	int dirfd; /* -1 once it is in the line */
	int journalfd;
	int readersfd;
	uint8_t uuid[JOURNAL_UUID_BYTES];
	struct record_snapshot snapshot; /* without texts */
	struct snapshots known;		 /* only what was signed anew */
};

struct store_line {
	bool is_trusted; /* as struct store_options has it; set before */
	bool is_branch;
	struct record_parent parent; /* its path is ours */
	struct ancestor *up;
	unsigned int count;
};

/*
 * Opens the stores up the line from the one `parent` names, and adds their
 * arenas to `a`; NULL: only to see that all are there.
 */
int must_check store_line_open(struct store_line *line, struct arena *a,
			       const struct record_parent *parent,
			       struct reason *why);
/* Applies the delta that snapshot of line->up[n] has. */
int must_check store_line_load(struct store_line *line, unsigned int n,
			       struct delta_set *set);
/* As delta_set_renew_signature(), by every store up the line. */
int must_check store_line_renew_signature(const struct store_line *line,
					  struct delta_set *set);
void store_line_close(struct store_line *line);
/* The parent record of a group, if it has one. */
int must_check store_line_find(const void *records, size_t len,
			       struct record_parent *out, bool *found);

/*
 * A shared hold of a snapshot, so that it is not deleted; `fd` is closed to
 * end it.  -EAGAIN: somebody deletes it right now.
 */
int must_check store_readers_open(int dirfd, bool create, int *fd);
int must_check store_readers_hold(int fd, uint64_t snapshot);
/* -EBUSY: somebody holds it. */
int must_check store_readers_exclude(int fd, uint64_t snapshot);
/* ... of any snapshot; ends with the descriptor. */
int must_check store_readers_exclude_all(int fd);
/*
 * Waits for who may be about to end: until nobody holds this snapshot (len 1)
 * or any from it on (len 0), or -EBUSY after two seconds.  No lock is held.
 */
int must_check store_readers_wait(int fd, uint64_t snapshot, off_t len);
void store_readers_allow(int fd, uint64_t snapshot);

/* Which stores are branches of this one: STORE/branches/<uuid>. */
int must_check store_branch_register(int dirfd, const uint8_t *uuid,
				     uint64_t snapshot, const char *path);
int must_check store_branch_unregister(int dirfd, const uint8_t *uuid);
/* Non-zero stops with it.  No branches at all is fine. */
int must_check store_branch_iterate(int dirfd,
				    int (*fn)(void *arg, uint64_t snapshot,
					      const char *uuid,
					      const char *path),
				    void *arg);
/*
 * What stands in somebody's way: "<what> has a branch", and what to do.  Reads
 * the branch, wherever that is, so no lock may be held.
 */
void store_say_branch(const char *what, const char *store, const char *uuid,
		      const char *path, struct reason *why);

struct store {
	struct store_dir dir;	      /* fixed while open */
	struct journal *journal;      /* fixed while open */
	struct arena *arena;	      /* fixed while open */
	struct delta_set *set;	      /* borrowed */
	struct rwlock *ns_lock;	      /* borrowed, from store_start() on */
	char *base;		      /* path of the base, for the record */
	struct base_identity base_id; /* fixed at birth; ino 0: unknown */
	struct store_line line;	      /* the stores it is a branch of; fixed */
	struct timespec created;      /* fixed after replay */
	bool ephemeral;		      /* fixed at birth */
	enum store_use use;	      /* fixed at birth */
	mapfs_progress_fn progress;   /* fixed at birth; or NULL */
	void *progress_arg;	      /* fixed at birth */
	_Atomic int latched;	      /* errno that latched it, or 0 */
	_Atomic uint64_t changes;     /* commits and touches so far */
	struct rmutex sync_lock;      /* RANK_SYNC */
	uint64_t synced;	      /* value of changes; by sync_lock */
	uint64_t compacted_bytes;     /* by sync_lock */
	_Atomic uint64_t made_room;   /* sync points that released pages */
	pthread_t thread;
	bool has_thread;
	pthread_mutex_t stop_lock;
	pthread_cond_t stop_cond;
	bool stopping; /* by stop_lock */
};

/* The sync point itself; sync_lock held. */
int must_check store_sync_locked(struct store *st);
void store_latch(struct store *st, int err, const char *what);
void store_compact_if_grown(struct store *st);
/* STORE, BASE and, of a branch, PARENT. */
void store_add_head(struct group *g, const struct store *st);
/* Why an opening failed, for people. */
const char *store_trouble(int err);

#endif
