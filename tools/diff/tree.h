/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TOOLS_DIFF_TREE_H
#define MAPFS_TOOLS_DIFF_TREE_H

/*
 * One side of a comparison to be read from: a view that was opened in this
 * process, or the root of a mount.
 *
 * Lifetime: diff_tree_fini() closes what there is; a zeroed one with `fd` -1
 *           is empty.
 * Errors:   0 (or a count) or a negative errno.
 */
#include <sys/types.h>

#include "core/mapfs.h"

struct diff_tree {
	struct mapfs_view *v; /* or NULL */
	int fd;		      /* of the root of a mount, or -1 */
};

void diff_tree_fini(struct diff_tree *t);
/* What a file begins with, at most `len` bytes. */
ssize_t must_check diff_tree_peek(const struct diff_tree *t, const char *path,
				  char *buf, size_t len);
/* A descriptor of all bytes of a file, at its beginning. */
int must_check diff_tree_read(const struct diff_tree *t, const char *path,
			      int *fd);
/* The target of a symbolic link with a NUL; at most PATH_MAX bytes. */
ssize_t must_check diff_tree_readlink(const struct diff_tree *t,
				      const char *path, char *buf);

/* `dir` is "" for the root; other than 0 stops with that. */
typedef int (*diff_tree_fn)(void *arg, const char *path, mode_t type);
/* Each name in one directory, in no order. */
int must_check diff_tree_list(const struct diff_tree *t, const char *dir,
			      diff_tree_fn fn, void *arg);

#endif
