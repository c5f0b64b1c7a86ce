/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TOOLS_LIB_WINDOWS_H
#define MAPFS_TOOLS_LIB_WINDOWS_H

/*
 * The windows of a mounted view, as its daemon tells them.
 *
 * Lifetime: windows_read() fills an empty list; the caller ends it with
 *           window_list_fini().
 * Errors:   0 or a negative errno and a sentence in `why`; the list is then
 *           empty.
 * Locking:  none.
 */
#include "fs/mount/window.h"

/* `fd` is the root of the mount; messages call it `shown`. */
int must_check windows_read(struct window_list *out, int fd, const char *shown,
			    struct reason *why);

#endif
