/* SPDX-License-Identifier: MIT */
/*
 * Opening a view: the only file that knows all kinds of views.
 */
#include <errno.h>

#include "core/direct/open.h"
#include "core/lib/log.h"
#include "core/overlay/open.h"
#include "mapfs.h"

int mapfs_view_open(struct mapfs_view **out, const struct mapfs_options *opt,
		    struct reason *why)
{
	int err;

	reason_clear(why);
	if (opt->log)
		log_set(opt->log, opt->log_arg);
	if (opt->window_count || opt->root_is_file || opt->size_bytes ||
	    opt->base_kind != MAPFS_BASE_AT_PATH) {
		reason_set(why, "windows: not supported yet");
		return -EOPNOTSUPP;
	}
	err = opt->mode == MAPFS_COPY ?
		      overlay_open(out, opt, OVERLAY_SERVE, why) :
		      direct_open(out, opt, why);
	if (err && reason_is_empty(why))
		reason_set(why, "%s: %s", opt->base, reason_of(err));
	return err;
}
