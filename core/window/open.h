/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_WINDOW_OPEN_H
#define MAPFS_CORE_WINDOW_OPEN_H

/*
 * Opening a view of windows above an open view.
 *
 * Lifetime: the view below is taken, but not on an error; mapfs_view_close() of
 *           the view of windows closes it.  The options are borrowed.
 * Errors:   0 or a negative errno and a sentence in `why`: -EINVAL for a window
 *           that is not possible (it lies outside its file, or two windows
 *           overlap), or what looking up its file said.
 * Locking:  none.
 */
#include "core/view/view.h"

int must_check window_view_open(struct mapfs_view **out,
				struct mapfs_view *below,
				const struct mapfs_options *opt,
				struct reason *why);

#endif
