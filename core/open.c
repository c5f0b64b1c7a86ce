/* SPDX-License-Identifier: MIT */
/*
 * Opening a view: the only file that knows all kinds of views.
 */
#include <assert.h>
#include <errno.h>

#include "core/direct/open.h"
#include "core/lib/log.h"
#include "core/overlay/open.h"
#include "core/window/open.h"
#include "mapfs.h"

/* The view of a directory cannot be the root of a mount on a file. */
static int refuse_directory(struct mapfs_view *v,
			    const struct mapfs_options *opt, struct reason *why)
{
	reason_set(
		why,
		"%s: is a directory, but the mount point is a file; mount on a directory",
		opt->base);
	(void)!mapfs_view_close(v);
	return -EISDIR;
}

int mapfs_view_open(struct mapfs_view **out, const struct mapfs_options *opt,
		    struct reason *why)
{
	struct mapfs_view *v;
	int err;

	reason_clear(why);
	if (opt->log)
		log_set(opt->log, opt->log_arg);
	assert(opt->mode == MAPFS_COPY ||
	       (opt->base_kind != MAPFS_BASE_NONE && !opt->size_bytes));
	err = opt->mode == MAPFS_COPY ?
		      overlay_open(&v, opt, OVERLAY_SERVE, why) :
		      direct_open(&v, opt, why);
	if (!err && (v->file_name || opt->window_count))
		err = window_view_open(&v, v, opt, why);
	else if (!err && opt->root_is_file)
		err = refuse_directory(v, opt, why);
	if (!err)
		*out = v;
	else if (reason_is_empty(why))
		reason_set(why, "%s: %s", opt->base, reason_of(err));
	return err;
}
