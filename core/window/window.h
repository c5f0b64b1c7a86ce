/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_WINDOW_WINDOW_H
#define MAPFS_CORE_WINDOW_WINDOW_H

/*
 * A view of windows: an adapter above another view, which it owns (*below*).
 * Its root shows the windows and nothing else.  A *fixed* window has a length;
 * an *open* one ends with its file.  An open window that begins with its file
 * is *whole*: it is that file, and has its attributes; any other window behaves
 * as a block device of its size.
 *
 * A window's inode is not that of its file: it has a number of its own, made of
 * the file's number and the offset, so that it is the same in each mount.
 *
 * Lifetime: windows live as long as the view.
 * Errors:   0 or a negative errno.  -ESTALE: no window has that number, or the
 *           file of the window is gone.
 * Locking:  none.  Only the number of the window's file can change, when a
 *           rollback or a revert brings another file to its path; it is atomic,
 *           and so are the flags.
 */
#include <stdatomic.h>

#include "core/lib/uthash_safe.h"
#include "core/mapfs.h"
#include "core/view/view.h"

struct window {
	char *name;		   /* fixed at birth */
	char *path;		   /* fixed at birth: from the root below */
	uint64_t off_bytes;	   /* fixed at birth */
	uint64_t len_bytes;	   /* fixed at birth; or MAPFS_WINDOW_OPEN */
	mapfs_ino ino;		   /* fixed while open */
	uint64_t generation;	   /* fixed while open */
	_Atomic mapfs_ino below;   /* number of the file; 0: it is gone */
	atomic_bool awaits_kernel; /* mapfs_invalidated() has not come yet */
	atomic_bool is_outdated;   /* the next open says so: window_open() */
	bool is_moved;		   /* during a rollback, by its thread: it
				      shows another file than before */
	UT_hash_handle hh;	   /* by ino; fixed while open */
};

struct window_view {
	struct mapfs_view view; /* .below is the view below */
	struct window *windows; /* fixed while open; in order of name */
	size_t window_count;	/* fixed while open */
	struct window *by_ino;	/* fixed while open */
	mapfs_ino dir_ino;	/* fixed while open: the directory of windows */
	struct timespec made_at; /* fixed while open */
};

static inline struct window_view *window_view_of(struct mapfs_view *v)
{
	return (struct window_view *)v;
}

/* NULL: no window has this number, or name. */
struct window *window_of_ino(struct window_view *wv, mapfs_ino ino);
struct window *window_of_name(struct window_view *wv, const char *name);

/* The path of the window's file; the name itself if it is no window. */
const char *window_file_of(struct mapfs_view *v, const char *name);

static inline bool window_is_open(const struct window *w)
{
	return w->len_bytes == MAPFS_WINDOW_OPEN;
}

static inline bool window_is_whole(const struct window *w)
{
	return window_is_open(w) && w->off_bytes == 0;
}

/* The window, and the same handle of its file. */
int must_check window_get(struct window_view *wv, struct mapfs_file file,
			  struct window **out, struct mapfs_file *below);
/* How many bytes of a file of this size lie in the window? */
uint64_t window_clip(const struct window *w, uint64_t file_bytes);
/* The part of `len` bytes from `off` that a fixed window has room for. */
uint64_t window_room(const struct window *w, uint64_t off, uint64_t len);
/*
 * [C1]: no byte of a file is in two windows.  *a and *b overlap, or are NULL.
 * -ENOMEM.
 */
int must_check window_find_overlap(struct window_view *wv, struct window **a,
				   struct window **b);

/*
 * Looks the path of the window up below.  *out has one more lookup counted; on
 * an error it is untouched.  -EISDIR, -EINVAL: it is no regular file; -ELOOP: it
 * leads through a symbolic link, -EXDEV: it has "..", and neither is followed.
 */
int must_check window_look_up(struct mapfs_view *below, const char *path,
			      struct mapfs_entry *out);

#endif
