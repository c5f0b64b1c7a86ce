/* SPDX-License-Identifier: MIT */
/*
 * Opening a view: the only file that knows all kinds of views.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/direct/open.h"
#include "core/lib/log.h"
#include "core/overlay/open.h"
#include "core/window/open.h"
#include "mapfs.h"

/* The view of a directory cannot be the root of a mount on a file. */
static int refuse_directory(const struct mapfs_options *opt, struct reason *why)
{
	reason_set(
		why,
		"%s: is a directory, but the mount point is a file; mount on a directory",
		opt->base);
	return -EISDIR;
}

/* What was refused leaves no store behind. */
static void abandon(struct mapfs_view *v)
{
	struct reason ignored;
	struct mapfs_info info;
	char *made = NULL;

	mapfs_view_info(v, &info);
	if (info.store && info.store_is_new)
		made = strdup(info.store);
	(void)!mapfs_view_close(v);
	if (made)
		(void)!mapfs_discard(made, &ignored);
	free(made);
}

/* Shows parts of the view, or the file that is its base. */
static int open_windows(struct mapfs_view **v, const struct mapfs_options *opt,
			struct reason *why)
{
	struct mapfs_view *below = *v;
	int err = 0;

	if (below->file_name || opt->window_count)
		err = window_view_open(v, below, opt, why);
	else if (opt->root_is_file)
		err = refuse_directory(opt, why);
	if (err)
		abandon(below);
	return err;
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
	if (!err)
		err = open_windows(&v, opt, why);
	if (!err)
		*out = v;
	else if (reason_is_empty(why))
		reason_set(why, "%s: %s", opt->base, reason_of(err));
	return err;
}
