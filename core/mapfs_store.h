/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_MAPFS_STORE_H
#define MAPFS_CORE_MAPFS_STORE_H

/*
 * The part of the door (core/mapfs.h, whose rules hold here) that is about what
 * a copy view keeps: the store and its base, snapshots, rollback, revert,
 * branches, and stores that no view has open.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "core/lib/reason.h"
#include "core/lib/types.h"

struct mapfs_view;

/* Where the base of a kept store is now. */
enum mapfs_base_state {
	MAPFS_BASE_FITS,     /* it is where it was, or there is none */
	MAPFS_BASE_REPLACED, /* another directory has its path */
	MAPFS_BASE_GONE,     /* nothing has its path */
};
/* `why` says what to do, unless it fits. */
int must_check mapfs_base_state(const char *store, enum mapfs_base_state *out,
				struct reason *why);

/*
 * A snapshot is a moment of a kept store that stays as it was.  A copy view
 * creates and deletes snapshots of its own store.  -EINVAL: the store is not a
 * kept one.  -EROFS: the view was opened to look only.  The caller makes the
 * kernel send its dirty pages first (syncfs(2) on the mount).
 */
struct mapfs_snapshot {
	uint64_t id;	     /* never used again in this store */
	const char *name;    /* one file name, without '@' */
	const char *message; /* "" if none was given */
	struct timespec time;
	uint64_t private_pages;
	bool is_reachable; /* false: a commit has changed the base since */
};

/* Strings are borrowed until it returns; non-zero stops and is returned. */
typedef int (*mapfs_snapshot_fn)(void *arg, const struct mapfs_snapshot *s);

/* Durable on return [D1].  -EEXIST: the name is taken. */
int must_check mapfs_snapshot_create(struct mapfs_view *v, const char *name,
				     const char *message, struct reason *why);
/* Frees its pages.  -EBUSY: a branch or a mount needs it; `why` names that. */
int must_check mapfs_snapshot_delete(struct mapfs_view *v, const char *name,
				     struct reason *why);
/*
 * A killed `mapfs branch` must not hold the snapshot.  mapfs_snapshot_delete()
 * looks for what it left; of a mounted store the client does it first, because
 * the daemon may be forbidden to open other stores.
 */
void mapfs_snapshot_forget_leftovers(const char *store, const char *name);
/* Oldest first; also of a view that was opened to look only. */
int must_check mapfs_snapshot_iterate(struct mapfs_view *v,
				      mapfs_snapshot_fn fn, void *arg);
/* ... of a store that may be in use, and may have lost its base. */
int must_check mapfs_store_snapshots(const char *path, mapfs_snapshot_fn fn,
				     void *arg, struct reason *why);

/*
 * What a kernel that shows this view may believe wrongly after a change that
 * did not come through it.  Either a name (dir, name), or an inode (name is
 * NULL): its attributes and pages.
 */
struct mapfs_invalidation {
	mapfs_ino dir;
	const char *name;
	mapfs_ino ino;
	uint64_t generation; /* of ino, as in its struct mapfs_entry */
	mode_t type;	     /* S_IFMT bits of ino */
	bool is_gone;	     /* the inode does not exist any more */
	uint64_t size_bytes; /* after the change */
	uint64_t was_bytes;  /* before it */
};
typedef void (*mapfs_invalidation_fn)(void *arg,
				      const struct mapfs_invalidation *s);

/*
 * The kernel's caches of the inode were invalidated.  Between such a change and
 * this call the kernel may still send pages that it had cached before: a write
 * with MAPFS_WRITE_CACHED to an inode of a struct mapfs_invalidation is then
 * answered as done, and dropped.
 */
void mapfs_invalidated(struct mapfs_view *v, mapfs_ino ino);

/*
 * One path of the inode, from the root, without leading '/'; the caller frees
 * it.  A directory above may be renamed at any time, so the caller checks that
 * the path leads to the inode.  -ENOENT: no name of it is known.
 */
int must_check mapfs_find_path(struct mapfs_view *v, mapfs_ino ino, char **out);

/*
 * Drift: base files that were changed in the base after the view had changed
 * them.  The view shows its own pages of such a file; reading any other page
 * fails.  `path` is in the base; non-zero stops and is returned.
 */
typedef int (*mapfs_drift_fn)(void *arg, const char *path, bool is_gone);
int must_check mapfs_drift(struct mapfs_view *v, mapfs_drift_fn fn, void *arg);

/*
 * Damage: pages of the view whose bytes are not those that were written, as
 * far as somebody met them; reading or committing them is -EIO, and writing
 * the whole page heals it.  `path` is in the view.  Non-zero stops and is
 * returned.
 */
struct mapfs_bad_page {
	const char *path;
	mapfs_ino ino;
	uint64_t off_bytes;  /* of the page, in the file */
	const char *store;   /* which has the page: this one or a parent */
	uint64_t store_page; /* of STORE/pages */
};
typedef int (*mapfs_bad_page_fn)(void *arg, const struct mapfs_bad_page *d);
int must_check mapfs_bad_pages(struct mapfs_view *v, mapfs_bad_page_fn fn,
			       void *arg);

/* How much of an object the view has, if the base may have lost it. */
enum mapfs_held {
	MAPFS_HELD_ALL,	    /* all of it can be read */
	MAPFS_HELD_PARTS,   /* some bytes, or names, only the base had */
	MAPFS_HELD_NOTHING, /* it stands for a lost directory; its attributes
			       are not those of that directory */
};
int must_check mapfs_held(struct mapfs_view *v, mapfs_ino ino,
			  enum mapfs_held *out);

/*
 * Returns to a snapshot.  Later changes are lost, unless another snapshot has
 * them.  After the change `fn`, if it is not NULL, is called for each name and
 * inode that it concerned, with no lock held.
 */
int must_check mapfs_rollback(struct mapfs_view *v, const char *name,
			      mapfs_invalidation_fn fn, void *arg,
			      struct reason *why);
/*
 * Discards the changes of `path` (from the view's root; "" is the root) and of
 * everything below it: the view shows again what the base has there.
 */
int must_check mapfs_revert(struct mapfs_view *v, const char *path,
			    mapfs_invalidation_fn fn, void *arg,
			    struct reason *why);

/*
 * A branch is a new store that begins as a snapshot of another one, which may
 * be in use.  It takes constant time and space: it uses the parent's pages.
 */
struct mapfs_branch_options {
	const char *from;     /* the parent */
	const char *snapshot; /* of the parent */
	const char *to;	      /* the new store */
	bool is_trusted;      /* as in struct mapfs_options */
};
int must_check mapfs_branch(const struct mapfs_branch_options *opt,
			    struct reason *why);

/*
 * A store of another user, or one that others may write to, could have been
 * made to harm the base by a commit.  Opening one is -EPERM unless it is
 * trusted.  This checks the same and opens nothing; 0, too: there is no store.
 */
int must_check mapfs_store_trust_check(const char *path, bool is_trusted,
				       struct reason *why);

/*
 * Waits for a process that is about to close the store; -EBUSY: the store is in
 * use.  For a caller that mounts before it opens the store: the new mount may
 * get the device number of the old one, which could not be told apart then.
 */
int must_check mapfs_store_await(const char *path, struct reason *why);

/*
 * A leftover is a directory that is no store because a command was killed while
 * it made or removed one.  Nothing that was kept is in it.
 */
enum mapfs_leftover {
	MAPFS_LEFTOVER_NONE,	/* it is a store, or something else */
	MAPFS_LEFTOVER_EMPTY,	/* an empty directory, as a command makes it */
	MAPFS_LEFTOVER_NEW,	/* a new store; it may as well be mounted */
	MAPFS_LEFTOVER_PART,	/* a branch or an import */
	MAPFS_LEFTOVER_REMOVED, /* a store that was being removed */
};
/* `why` says what it is and what removes it. */
int must_check mapfs_leftover(const char *path, enum mapfs_leftover *out,
			      struct reason *why);
/*
 * Makes a store of a directory in which a view was opened with `is_part` and
 * closed; durable on return.
 */
int must_check mapfs_store_finish(const char *path, struct reason *why);

/*
 * Checking a store [S5]: the checksums of its journal, of its pages and of what
 * commits keep, and whether each state can be replayed.  Nothing is written,
 * and the store may be in use.
 */
enum mapfs_damage_kind {
	MAPFS_DAMAGE_JOURNAL,  /* a part of the journal is lost */
	MAPFS_DAMAGE_SNAPSHOT, /* a state cannot be replayed */
	MAPFS_DAMAGE_PAGES,    /* bytes of a file are lost */
	MAPFS_DAMAGE_COMMIT,   /* what a commit keeps, for undoing it */
	MAPFS_DAMAGE_BRANCH,   /* between branches and their parent */
};

/* Strings are borrowed until the callback returns. */
struct mapfs_check_damage {
	enum mapfs_damage_kind kind;
	const char *text;   /* a sentence without a next step */
	const char *path;   /* PAGES: in the view; NULL: the file has no name */
	uint64_t off_bytes; /* PAGES: of the file */
	uint64_t len_bytes;
	const char *file;  /* in the store; NULL: no file alone */
	uint64_t file_off; /* in it */
	uint64_t file_len;
	const char *const *snapshots; /* that it concerns, oldest first */
	size_t snapshot_count;
	bool is_present; /* it concerns the present state */
};

/* How far a check came: all pages of earlier states and inodes are read. */
struct mapfs_check_position {
	uint64_t snapshot; /* UINT64_MAX: the present state; 0: no page was
			      read */
	mapfs_ino ino;
	struct mapfs_check_run {
		uint64_t first;
		uint64_t count;
	} * bad; /* pages of the arena that were found damaged */
	size_t bad_count;
};

struct mapfs_check_result {
	uint8_t uuid[16];
	uint64_t lsn; /* of the last sound group */
	uint64_t damages;
	/* Sound ones that cannot be applied, because one before is lost. */
	uint64_t operations_skipped;
	uint64_t pages; /* that were read */
	uint64_t pages_damaged;
	unsigned int snapshots;
	unsigned int snapshots_damaged;	      /* that cannot be shown at all */
	struct mapfs_check_position position; /* after -EINTR */
};

struct mapfs_check_options {
	const char *store;
	bool is_trusted;    /* as in struct mapfs_options */
	bool without_pages; /* pages are not read */
	/* All may be NULL; non-zero stops the check, progress with -EINTR. */
	int (*progress)(void *arg, uint64_t done_bytes, uint64_t all_bytes);
	int (*fn)(void *arg, const struct mapfs_check_damage *d);
	/*
	 * Asked once `uuid` and `lsn` are known: the position of an interrupted
	 * check of the same store and lsn, borrowed; NULL: from the start.
	 */
	const struct mapfs_check_position *(*resume)(
		void *arg, const struct mapfs_check_result *so_far);
	void *arg;
};

/*
 * 0: it was checked, and out->damages tells.  *out is filled also after
 * -EINTR; the caller ends it.
 */
int must_check mapfs_check(const struct mapfs_check_options *opt,
			   struct mapfs_check_result *out, struct reason *why);
/*
 * The same, and then makes a new store of what is sound: its newest sound state
 * and the snapshots that can be shown.  Damaged pages stay damaged (EIO), and
 * commits can no longer be undone.  `to` is a new or an empty directory; the
 * old store is not changed, and the new one can take its place.  -EBUSY: it is
 * in use, or a commit of it is unfinished; -EUCLEAN: nothing of it is sound.
 */
int must_check mapfs_repair(const struct mapfs_check_options *opt,
			    const char *to, struct mapfs_check_result *out,
			    struct reason *why);
void mapfs_check_result_fini(struct mapfs_check_result *r);

/* What can be read of a store by any process, whether it is in use or not. */
struct mapfs_store_info {
	char *path;	  /* absolute */
	char *base;	  /* path of the base, or MAPFS_NO_BASE */
	char *mountpoint; /* where it is mounted now, or NULL */
	pid_t pid;	  /* of the process that uses it, or 0 */
	char *parent;	  /* the store it is a branch of, or NULL */
	char *parent_snapshot;
	char **branches;      /* stores that are branches of it; NULL ends */
	char **branches_of;   /* the snapshot of each branch */
	bool is_damaged;      /* its journal is: only snapshots may be sound */
	bool commit_is_open;  /* an interrupted commit must be finished */
	bool commit_is_undo;  /* ... or rather its undo */
	unsigned int commits; /* that can be undone */
	struct timespec created;
};
int must_check mapfs_store_describe(const char *path,
				    struct mapfs_store_info *out,
				    struct reason *why);
void mapfs_store_info_fini(struct mapfs_store_info *info);
/* Would mapfs_discard() succeed?  0, or -EBUSY and a sentence. */
int must_check mapfs_may_discard(const char *path, struct reason *why);
/*
 * Removes a store, or a leftover.  -EBUSY: it is mounted, or a branch needs it; `why` names
 * that.  -ENOTEMPTY: the directory has files that are not a store's, and they
 * stay.  Its content is not trusted, so a store of any user can be removed; but
 * if its parent is a third user's, the parent keeps its record of the branch.
 */
int must_check mapfs_discard(const char *path, struct reason *why);

#endif
