/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_VIEW_VIEW_H
#define MAPFS_CORE_VIEW_VIEW_H

/*
 * The operations that a kind of view provides: the calls of core/mapfs.h behind
 * a table, which is chosen once, when the view is opened.  The kinds are
 * core/overlay (copy mode) and core/direct (read and write mode), and above one
 * of them core/window, which shows parts of its files.
 *
 * Lifetime: a view starts with a struct mapfs_view as its first member; `close`
 *           ends it.
 * Errors, locking: as core/mapfs.h for the call of the same name.  view.c has
 *           refused arguments that no kind of view can accept: names with '/',
 *           values beyond the limits of core/lib/limit.h, and changes of a view
 *           that cannot be changed.
 */
#include "core/mapfs.h"

struct view_ops {
	int (*close)(struct mapfs_view *v);
	void (*info)(struct mapfs_view *v, struct mapfs_info *out);
	/* Of the view that view_whole() gives: */
	int (*places)(struct mapfs_view *v, mapfs_place_fn fn, void *arg);
	int (*start)(struct mapfs_view *v); /* NULL: it has no thread */
	int (*lookup)(struct mapfs_view *v, mapfs_ino dir, const char *name,
		      struct mapfs_entry *out);
	/* mapfs_lookup() of "." and, after `above`, of ".." */
	int (*reach)(struct mapfs_view *v, mapfs_ino ino, bool may_walk,
		     struct mapfs_entry *out);
	int (*above)(struct mapfs_view *v, mapfs_ino dir, bool may_walk,
		     mapfs_ino *above);
	void (*interrupt)(struct mapfs_view *v);
	void (*forget)(struct mapfs_view *v, mapfs_ino ino, uint64_t nlookup);
	int (*known_files)(struct mapfs_view *v, mapfs_ino **out,
			   size_t *count);
	int (*mknod)(struct mapfs_view *v, const struct mapfs_new *new,
		     struct mapfs_entry *out);
	int (*mkdir)(struct mapfs_view *v, const struct mapfs_new *new,
		     struct mapfs_entry *out);
	int (*symlink)(struct mapfs_view *v, const struct mapfs_new *new,
		       const char *target, struct mapfs_entry *out);
	int (*link)(struct mapfs_view *v, mapfs_ino ino, mapfs_ino dir,
		    const char *name, struct mapfs_entry *out);
	int (*unlink)(struct mapfs_view *v, mapfs_ino dir, const char *name);
	int (*rmdir)(struct mapfs_view *v, mapfs_ino dir, const char *name);
	/* whiteout: owner of one that is left at the old name, or NULL */
	int (*rename)(struct mapfs_view *v, const struct mapfs_cred *whiteout,
		      const struct mapfs_rename *rename);
	int (*tmpfile)(struct mapfs_view *v, const struct mapfs_new *new,
		       struct mapfs_entry *out);
	ssize_t (*readlink)(struct mapfs_view *v, mapfs_ino ino, char *buf,
			    size_t len);
	int (*readdir)(struct mapfs_view *v, mapfs_ino dir,
		       const struct mapfs_readdir *readdir);
	/*
	 * Handles, down to `release`.  NULL: there is no handle of that kind; a
	 * view without `open` is stateless.
	 */
	int (*opendir)(struct mapfs_view *v, mapfs_ino dir, uint64_t *fh);
	int (*readdir_open)(struct mapfs_view *v, uint64_t fh,
			    const struct mapfs_readdir *readdir);
	int (*open)(struct mapfs_view *v, mapfs_ino ino, int flags,
		    uint64_t *fh, bool *changed);
	bool (*only_appends)(struct mapfs_view *v, uint64_t fh);
	bool (*read_counts)(struct mapfs_view *v, uint64_t fh);
	int (*create)(struct mapfs_view *v, const struct mapfs_new *new,
		      int flags, struct mapfs_entry *out, uint64_t *fh);
	void (*release)(struct mapfs_view *v, uint64_t fh);
	int (*getattr)(struct mapfs_view *v, struct mapfs_file file,
		       struct mapfs_attr *out);
	int (*peek_attr)(struct mapfs_view *v, struct mapfs_file file,
			 struct mapfs_attr *out);
	int (*setattr)(struct mapfs_view *v, struct mapfs_file file,
		       const struct mapfs_setattr *set, struct mapfs_attr *out);
	int (*statfs)(struct mapfs_view *v, struct statvfs *out);
	ssize_t (*read)(struct mapfs_view *v, struct mapfs_file file, void *buf,
			size_t len, uint64_t off);
	ssize_t (*write)(struct mapfs_view *v, struct mapfs_file file,
			 const struct mapfs_write *write);
	int (*fsync)(struct mapfs_view *v, struct mapfs_file file,
		     bool data_only);
	int (*fallocate)(struct mapfs_view *v, struct mapfs_file file, int mode,
			 uint64_t off, uint64_t len);
	int (*lseek)(struct mapfs_view *v, struct mapfs_file file, uint64_t off,
		     int whence, uint64_t *out);
	ssize_t (*copy_range)(struct mapfs_view *v,
			      const struct mapfs_copy_range *copy);
	int (*pages)(struct mapfs_view *v, struct mapfs_file file,
		     const struct mapfs_range *range, mapfs_run_fn fn,
		     void *arg);
	ssize_t (*getxattr)(struct mapfs_view *v, mapfs_ino ino,
			    const char *name, void *buf, size_t len);
	ssize_t (*listxattr)(struct mapfs_view *v, mapfs_ino ino, char *buf,
			     size_t len);
	int (*setxattr)(struct mapfs_view *v, mapfs_ino ino,
			const struct mapfs_setxattr *set);
	int (*removexattr)(struct mapfs_view *v, mapfs_ino ino,
			   const char *name);
	int (*get_fileattr)(struct mapfs_view *v, struct mapfs_file file,
			    enum mapfs_fileattr_kind what,
			    union mapfs_fileattr *out);
	int (*set_fileattr)(struct mapfs_view *v, const struct mapfs_cred *cred,
			    struct mapfs_file file,
			    enum mapfs_fileattr_kind what,
			    const union mapfs_fileattr *a);
	/* For a window of the file; -EBUSY and -ETXTBSY as base_claim(). */
	int (*claim)(struct mapfs_view *v, mapfs_ino ino);
	/* From here on NULL: the view keeps no changes of its own. */
	void (*announce_mount)(struct mapfs_view *v, dev_t dev);
	void (*announce_close)(struct mapfs_view *v);
	int (*snapshot_create)(struct mapfs_view *v, const char *name,
			       const char *message, struct reason *why);
	int (*snapshot_delete)(struct mapfs_view *v, const char *name,
			       struct reason *why);
	int (*snapshot_iterate)(struct mapfs_view *v, mapfs_snapshot_fn fn,
				void *arg);
	int (*drift)(struct mapfs_view *v, mapfs_drift_fn fn, void *arg);
	int (*damage)(struct mapfs_view *v, mapfs_bad_page_fn fn, void *arg);
	int (*held)(struct mapfs_view *v, mapfs_ino ino, enum mapfs_held *out);
	int (*find_path)(struct mapfs_view *v, mapfs_ino ino, char **out);
	void (*invalidated)(struct mapfs_view *v, mapfs_ino ino);
	int (*rollback)(struct mapfs_view *v, const char *name,
			mapfs_invalidation_fn fn, void *arg,
			struct reason *why);
	int (*revert)(struct mapfs_view *v, const char *path,
		      mapfs_invalidation_fn fn, void *arg, struct reason *why);
};

struct mapfs_view {
	const struct view_ops *ops; /* fixed at birth */
	enum mapfs_mode mode;	    /* fixed at birth */
	mapfs_ino root_ino;	    /* fixed at birth */
	int base_fd;		    /* fixed while open, borrowed; or -1 */
	bool look_only;		    /* fixed while open: nothing changes */
	bool kernel_times;	    /* fixed before the first request */
	/* The view that this one shows parts of, which it owns; or NULL. */
	struct mapfs_view *below;
	/* The base is this file of the root; or NULL.  Lives as the base. */
	const char *file_name;
};

/* The view that keeps the changes: the one below a view of windows, or `v`. */
static inline struct mapfs_view *view_whole(struct mapfs_view *v)
{
	return v->below ? v->below : v;
}

#endif
