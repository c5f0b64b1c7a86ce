/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_FS_MOUNT_WINDOW_H
#define MAPFS_FS_MOUNT_WINDOW_H

/*
 * The windows of a view, as options describe them: NAME=PATH:OFFSET[:LENGTH].
 *
 * Lifetime: all zero is an empty list; window_list_fini() ends it.  The list
 *           owns the strings of its windows.
 * Errors:   0, -EINVAL or -ENOMEM; and one sentence in `why`.  On an error the
 *           list is as it was before.
 * Locking:  none.
 */
#include "core/mapfs.h"

struct window_list {
	struct mapfs_window *windows;
	size_t count;
	size_t cap;
};

/*
 * PATH may be empty, and may have colons: OFFSET and LENGTH are the last fields
 * that size_parse() can read, at most two.  NAME ends with the first '='.
 */
int must_check window_list_add(struct window_list *l, const char *text,
			       struct reason *why);
/*
 * -EINVAL if two have the same name.  Not an error of window_list_add(), because
 * the list of a remount may repeat windows: mount(8) puts those of fstab first.
 */
int must_check window_list_check_names(const struct window_list *l,
				       struct reason *why);
/* Adds a copy. */
int must_check window_list_put(struct window_list *l,
			       const struct mapfs_window *w);
/* The same windows, in any order and however often each? */
bool window_list_is_same(const struct window_list *a,
			 const struct window_list *b);
void window_list_fini(struct window_list *l);

#endif
