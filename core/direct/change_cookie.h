/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_DIRECT_CHANGE_COOKIE_H
#define MAPFS_CORE_DIRECT_CHANGE_COOKIE_H

/*
 * The version of a file that the kernel was told of last.
 *
 * The kernel caches pages and attributes.  A *change cookie* per inode, a hash
 * of size, mtime and ctime, tells whether another process has changed the base
 * file since: then what the kernel caches is stale (close-to-open consistency,
 * as network file systems have it).  A change by this view must not look like
 * one of another process:
 *
 *	was_current = change_cookie_begin(i, fd);
 *	... change the file ...
 *	change_cookie_end(i, fd, was_current);
 *
 * Lifetime: the cookie is a field of struct inode.
 * Errors:   none; a failed statx counts as a change.
 * Locking:  none; the field is atomic.
 */
#include "core/base/inode.h"

struct statx;

/* The kernel is being told of this version. */
void change_cookie_set(struct inode *i, const struct statx *stx);
/* Is this another version than the one that the kernel was told of? */
bool change_cookie_differs(const struct inode *i, const struct statx *stx);
/* True: the file is the version that the kernel knows. */
bool change_cookie_begin(const struct inode *i, int fd);
/* If it was, the changed version counts as known, too. */
void change_cookie_end(struct inode *i, int fd, bool was_current);

#endif
