/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_OVERLAY_OVERLAY_PRIV_H
#define MAPFS_CORE_OVERLAY_OVERLAY_PRIV_H

/*
 * What the files of copy mode share.
 *
 * Every change goes the same way: look and decide under the lock, make sure
 * the inodes concerned are in the delta (overlay_copy_up()), build a group of
 * records, store_apply() it.  Nothing is changed by hand.
 *
 * Lifetime: as overlay.h.  overlay_get() gives a hold that overlay_put() ends.
 * Errors:   0 or a negative errno; -ESTALE: no such inode any more.
 * Locking:  names: ns_lock for writing.  One inode's data, attributes or
 *           xattrs: ns_lock for reading, its stripe for writing; overlay_change_begin()
 *           and _end() do that.  Readers of a delta: its stripe.
 */
#include "core/base/base.h"
#include "core/delta/delta.h"
#include "core/store/base_record.h"
#include "core/store/compact.h"
#include "core/store/open.h"
#include "core/store/reasons.h"
#include "core/store/recover.h"
#include "core/store/snapshot.h"
#include "core/store/store.h"
#include "core/store/sync.h"
#include "overlay.h"

struct listings; /* overlay_dir.c */

struct overlay {
	struct mapfs_view view;
	struct base *base;     /* fixed while open */
	struct itable *itable; /* fixed while open */
	struct store *store;   /* fixed while open */
	struct delta_set set;
	struct rwlock ns_lock;	   /* RANK_NAMESPACE */
	struct listings *listings; /* has its own lock */
};

static inline struct overlay *overlay_of(struct mapfs_view *v)
{
	return (struct overlay *)v; /* view is the first member */
}

/* overlay.c */
int must_check overlay_get(struct overlay *o, mapfs_ino ino,
			   struct inode **out);
/* Ends the hold; an orphan nobody counts is removed. No lock held. */
void overlay_put(struct overlay *o, struct inode *i);
/* Has it an object in the base that may show? */
bool overlay_has_base(const struct overlay *o, const struct inode *i);
/* Puts the inode into the delta as it is; `locked`: its stripe is held. */
int must_check overlay_copy_up(struct overlay *o, struct inode *i, bool locked);
/* What enters the delta for a base object; its text is left out. */
void overlay_inode_record(const struct statx *stx, mapfs_ino ino,
			  mapfs_ino parent, struct record_inode *r);
int must_check overlay_change_begin(struct overlay *o, mapfs_ino ino,
				    struct inode **out);
void overlay_change_end(struct overlay *o, struct inode *i);
struct timespec overlay_now(void);
/* The signature of a base object that looks like this. */
struct record_sig overlay_sig_of(const struct statx *stx);

/* overlay_attr.c */
int must_check overlay_fill_attr(struct overlay *o, struct inode *i,
				 struct mapfs_attr *out);
/* As above, and counts a lookup for the kernel. */
int must_check overlay_fill_entry(struct overlay *o, struct inode *i,
				  struct mapfs_entry *out);
/* The data changed: new times, unless the kernel keeps them itself. */
bool overlay_touch(const struct overlay *o, struct record_attr *a);
int overlay_getattr(struct mapfs_view *v, struct mapfs_file file,
		    struct mapfs_attr *out);
int overlay_setattr(struct mapfs_view *v, struct mapfs_file file,
		    const struct mapfs_setattr *set, struct mapfs_attr *out);

/* overlay_lookup.c */
struct found {
	struct inode *inode; /* with a hold; NULL: no such name */
	bool in_delta;	     /* the delta has a dentry or whiteout for it */
	bool over_base;	     /* the base has this name */
};
/*
 * What the name means where the delta has no dentry of it, with a hold; *out
 * NULL: nothing.
 */
int must_check overlay_find_in_base(struct overlay *o, struct inode *dir,
				    const char *name, struct inode **out);
/* What the name means now; ns_lock held. 0 also when there is none. */
int must_check overlay_find(struct overlay *o, struct inode *dir,
			    const char *name, struct found *out);
int overlay_lookup(struct mapfs_view *v, mapfs_ino dir, const char *name,
		   struct mapfs_entry *out);
/* The base's object of this name, hidden or not, with a hold; or NULL. */
int must_check overlay_find_in_base(struct overlay *o, struct inode *dir,
				    const char *name, struct inode **out);
/* As overlay_find(), but asks the base with no lock held. */
int must_check overlay_find_unlocked(struct overlay *o, struct inode *dir,
				     const char *name, struct inode **out);
void overlay_forget(struct mapfs_view *v, mapfs_ino ino, uint64_t nlookup);

/* overlay_reach.c */
int overlay_reach(struct mapfs_view *v, mapfs_ino ino, bool may_walk,
		  struct mapfs_entry *out);
int overlay_above(struct mapfs_view *v, mapfs_ino dir, bool may_walk,
		  mapfs_ino *above);
void overlay_interrupt(struct mapfs_view *v);

/* overlay_lost.c */
/* Path in the base of `name` in `dir`; the caller's to free. */
int must_check overlay_base_path(struct overlay *o, struct inode *dir,
				 const char *name, char **out);
bool overlay_is_in_delta(struct overlay *o, struct inode *i);
/* `err` is the base's: has it lost this directory, and the view has not? */
bool overlay_lost_dir(struct overlay *o, struct inode *dir, int err);
/*
 * What the view has in a place where the base has another object, or none;
 * with a hold, or NULL.  has_dir: the base has a directory there, so none
 * must stand for it.
 */
int must_check overlay_find_lost(struct overlay *o, struct inode *dir,
				 const char *name, bool has_dir,
				 struct inode **out);
/* Does the file show bytes of the base?  Those of its own version only. */
bool overlay_needs_base(const struct delta *d);
int overlay_held(struct mapfs_view *v, mapfs_ino ino, enum mapfs_held *out);
int must_check overlay_stand_in_attr(struct overlay *o, struct inode *i,
				     struct mapfs_attr *out);

/* overlay_create.c */
/*
 * A device as RENAME_WHITEOUT leaves it, for one name in `dir`, which is in
 * the delta; the name is the caller's to add.  ns_lock held for writing.
 */
int must_check overlay_add_whiteout(struct overlay *o, struct group *g,
				    const struct mapfs_cred *cred,
				    struct inode *dir, mapfs_ino *ino);
int overlay_mknod(struct mapfs_view *v, const struct mapfs_new *new,
		  struct mapfs_entry *out);
int overlay_mkdir(struct mapfs_view *v, const struct mapfs_new *new,
		  struct mapfs_entry *out);
int overlay_symlink(struct mapfs_view *v, const struct mapfs_new *new,
		    const char *target, struct mapfs_entry *out);
int overlay_tmpfile(struct mapfs_view *v, const struct mapfs_new *new,
		    struct mapfs_entry *out);

/* overlay_name.c */
int overlay_link(struct mapfs_view *v, mapfs_ino ino, mapfs_ino dir,
		 const char *name, struct mapfs_entry *out);
int overlay_unlink(struct mapfs_view *v, mapfs_ino dir, const char *name);
int overlay_rmdir(struct mapfs_view *v, mapfs_ino dir, const char *name);
/* The directory as an object of names: held, a directory, not removed. */
int must_check overlay_dir_get(struct overlay *o, mapfs_ino ino,
			       struct inode **out);
/* A record that makes `name` mean `i` (NULL: nothing). */
void overlay_add_name(struct group *g, const struct inode *dir,
		      const char *name, const struct found *was,
		      const struct inode *i);
/* The directory's times, and its link count by `links`. */
void overlay_add_dir_change(struct group *g, const struct inode *dir, int links,
			    struct timespec now);

/* overlay_rename.c */
int overlay_rename(struct mapfs_view *v, const struct mapfs_cred *whiteout,
		   const struct mapfs_rename *rename);

/* overlay_dir.c */
int must_check listings_create(struct listings **out);
void listings_destroy(struct listings *l);
int must_check overlay_dir_is_empty(struct overlay *o, struct inode *dir,
				    bool *empty);
/* The directory above this one; the root is above itself. */
mapfs_ino overlay_parent_ino(struct overlay *o, struct inode *dir);
int overlay_readdir(struct mapfs_view *v, mapfs_ino dir,
		    const struct mapfs_readdir *readdir);

/* overlay_snapshot.c */
int overlay_snapshot_create(struct mapfs_view *v, const char *name,
			    const char *message, struct reason *why);
int overlay_snapshot_delete(struct mapfs_view *v, const char *name,
			    struct reason *why);
int overlay_snapshot_iterate(struct mapfs_view *v, mapfs_snapshot_fn fn,
			     void *arg);
int overlay_rollback(struct mapfs_view *v, const char *name,
		     mapfs_invalidation_fn fn, void *arg, struct reason *why);
/*
 * The whole delta becomes `state` (NULL: empty), of base version
 * `base_version`; its itable has our root.  As store_replace().
 */
int must_check overlay_replace(struct overlay *o, struct delta_set *state,
			       uint64_t base_version, mapfs_invalidation_fn fn,
			       void *arg);

/* overlay_drift.c */
int overlay_drift(struct mapfs_view *v, mapfs_drift_fn fn, void *arg);

/* overlay_path.c */
int overlay_find_path(struct mapfs_view *v, mapfs_ino ino, char **out);

/* invalidate.c: what the kernel may believe wrongly after a change. */
struct invalidation;
int must_check invalidation_create(struct invalidation **out,
				   struct overlay *o);
void invalidation_destroy(struct invalidation *s);
/* ns_lock held for writing: all that differs from the base in `set`. */
int must_check invalidation_note_set(struct invalidation *s,
				     struct delta_set *set);
int must_check invalidation_note_name(struct invalidation *s, mapfs_ino dir,
				      const char *name);
int must_check invalidation_note_inode(struct invalidation *s, mapfs_ino ino,
				       uint16_t type);
/* The change happened: cached pages of these inodes are refused. */
void invalidation_mark(struct invalidation *s);
/* Tells; no lock held. */
void invalidation_tell(struct invalidation *s, mapfs_invalidation_fn fn,
		       void *arg);
void overlay_invalidated(struct mapfs_view *v, mapfs_ino ino);

/* overlay_revert.c */
int overlay_revert(struct mapfs_view *v, const char *path,
		   mapfs_invalidation_fn fn, void *arg, struct reason *why);

/* overlay_data.c */
/* Is it the version of a file that the signature was made of? */
bool overlay_signature_fits(const struct record_sig *sig,
			    const struct statx *stx);
/* Bytes of the inode's pages, clipped by nothing; its stripe held. */
int must_check overlay_read_pages(struct overlay *o, struct inode *i, void *buf,
				  size_t len, uint64_t off);
ssize_t overlay_read(struct mapfs_view *v, struct mapfs_file file, void *buf,
		     size_t len, uint64_t off);
int overlay_lseek(struct mapfs_view *v, struct mapfs_file file, uint64_t off,
		  int whence, uint64_t *out);
ssize_t overlay_readlink(struct mapfs_view *v, mapfs_ino ino, char *buf,
			 size_t len);

/* overlay_write.c */
#define OVERLAY_FRESH_MAX 260
struct fresh_pages { /* taken for a change that is not committed yet */
	unsigned int count;
	struct {
		mapfs_apage first;
		uint64_t count;
	} run[OVERLAY_FRESH_MAX];
};
void fresh_init(struct fresh_pages *f);
/* The change failed: they were never anybody's. */
void fresh_undo(struct overlay *o, struct fresh_pages *f);
/* Pages at the start of the run that may be written in place [P1]. */
uint64_t overlay_writable_pages(struct overlay *o, const struct pt_run *run);
/* Writes into pages of the stripe-held inode; adds where they went. */
int must_check overlay_write_pages(struct overlay *o, struct inode *i,
				   struct group *g, struct fresh_pages *f,
				   const void *buf, size_t len, uint64_t off);
ssize_t overlay_write(struct mapfs_view *v, struct mapfs_file file,
		      const struct mapfs_write *write);
ssize_t overlay_copy_range(struct mapfs_view *v,
			   const struct mapfs_copy_range *copy);

/* overlay_allocate.c */
/* Shrinks or grows `a` to `size`; adds what becomes of the pages. */
int must_check overlay_add_truncate(struct overlay *o, struct inode *i,
				    struct group *g, struct fresh_pages *f,
				    struct record_attr *a, uint64_t size);
int overlay_fallocate(struct mapfs_view *v, struct mapfs_file file, int mode,
		      uint64_t off, uint64_t len);

/* overlay_fileattr.c */
int overlay_get_fileattr(struct mapfs_view *v, struct mapfs_file file,
			 enum mapfs_fileattr_kind what,
			 union mapfs_fileattr *out);
int overlay_set_fileattr(struct mapfs_view *v, const struct mapfs_cred *cred,
			 struct mapfs_file file, enum mapfs_fileattr_kind what,
			 const union mapfs_fileattr *a);

/* overlay_xattr.c */
/* As getxattr(2), the stripe or ns_lock for writing held. */
ssize_t must_check overlay_xattr_read(struct overlay *o, struct inode *i,
				      const char *name, void *buf, size_t len);
/* The base's xattrs become the delta's own, if they are not yet. */
int must_check overlay_add_own_xattrs(struct overlay *o, struct inode *i,
				      struct group *g);
/* Writing takes file capabilities away, as the kernel does on a disk. */
int must_check overlay_add_drop_caps(struct overlay *o, struct inode *i,
				     struct group *g);
/* chmod to a->mode: an access ACL follows. */
int must_check overlay_add_acl_chmod(struct overlay *o, struct inode *i,
				     struct group *g, mode_t mode);
ssize_t overlay_getxattr(struct mapfs_view *v, mapfs_ino ino, const char *name,
			 void *buf, size_t len);
ssize_t overlay_listxattr(struct mapfs_view *v, mapfs_ino ino, char *buf,
			  size_t len);
int overlay_setxattr(struct mapfs_view *v, mapfs_ino ino,
		     const struct mapfs_setxattr *set);
int overlay_removexattr(struct mapfs_view *v, mapfs_ino ino, const char *name);

#endif
