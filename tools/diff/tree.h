/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TOOLS_DIFF_TREE_H
#define MAPFS_TOOLS_DIFF_TREE_H

/*
 * One side of a comparison, to be read by path: a view that this process has
 * opened, or the root of a mount.
 *
 * Lifetime: diff_tree_fini() closes the view and the descriptor.  A tree with
 *           `v` NULL and `fd` -1 is empty.
 * Errors:   0 or a count, or a negative errno.
 * Locking:  none.
 */
#include <sys/types.h>

#include "core/mapfs.h"

struct diff_tree {
	struct mapfs_view *v; /* or NULL */
	int fd;		      /* of the root of a mount, or -1; the root may be
				 a file, the only object */
};

void diff_tree_fini(struct diff_tree *t);
/* The first bytes of a file, at most `len`; their count. */
ssize_t must_check diff_tree_peek(const struct diff_tree *t, const char *path,
				  char *buf, size_t len);
/* A descriptor that reads the file from its beginning; the caller closes it. */
int must_check diff_tree_read(const struct diff_tree *t, const char *path,
			      int *fd);
/* The target of a symbolic link, with a NUL: `buf` has PATH_MAX bytes. */
ssize_t must_check diff_tree_readlink(const struct diff_tree *t,
				      const char *path, char *buf);

/* `path` is borrowed; non-zero ends the list, and is returned. */
typedef int (*diff_tree_fn)(void *arg, const char *path, mode_t type);
/* Calls fn for each name of a directory ("" is the root), in no order. */
int must_check diff_tree_list(const struct diff_tree *t, const char *dir,
			      diff_tree_fn fn, void *arg);

#endif
