/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TOOLS_LIB_TARGET_H
#define MAPFS_TOOLS_LIB_TARGET_H

/*
 * What the arguments MOUNTPOINT, STORE and STORE@NAME mean:
 *
 *   a path in a mapfs mount     that mount
 *   the directory of a store    the mount that shows the store, if there is
 *                               one and it answers; else the store itself
 *   STORE@NAME                  a snapshot of the store; but a path of that
 *                               name, if it exists
 *
 * Lifetime: target_find() fills it, target_fini() ends it and accepts a
 *           zeroed one.
 * Errors:   0 or a negative errno and a sentence in `why`.
 * Locking:  none.
 */
#include "mounts.h"

enum target_kind {
	TARGET_LIVE,  /* mounted; `fd` is its root */
	TARGET_STORE, /* not mounted */
};

struct target {
	enum target_kind kind;
	char *shown;	 /* the mount point or the store, absolute */
	char *inside;	 /* LIVE: the path that was given, from the root of the
			    view; "" is the root */
	char *store;	 /* absolute; NULL: the view has no kept store */
	char *snapshot;	 /* NULL: the current state */
	bool is_trusted; /* --trust; set by the subcommand */
	int fd;		 /* LIVE, else -1 */
	struct mapfs_control_info info; /* LIVE */
};

int must_check target_find(struct target *out, const char *arg,
			   struct reason *why);
/*
 * A path argument that follows the target, as a path from the root of the view.
 * It is relative to the path that the target names, or absolute and in the
 * mount.  The caller frees *out.
 */
int must_check target_path(const struct target *t, const char *arg, char **out,
			   struct reason *why);
/* -EINVAL, and a sentence, if the target is a snapshot. */
int must_check target_refuse_snapshot(const struct target *t,
				      struct reason *why);
/*
 * Opens the store of the target in this process, read-only; or a snapshot of
 * it.  The caller closes the view.
 */
int must_check target_look(const struct target *t, const char *snapshot,
			   struct mapfs_view **out, struct reason *why);
/*
 * Opens a store that is not mounted, or the snapshot that the target names, in
 * this process.  The caller closes the view.
 */
int must_check target_open_view(const struct target *t, bool look_only,
				struct mapfs_view **out, struct reason *why);
/*
 * The same, read-only, also if the base of the store was replaced or is gone.
 * The view then shows what the store has, and `lost` holds a sentence about the
 * base; otherwise `lost` is empty.
 */
int must_check target_open_store(const struct target *t,
				 struct mapfs_view **out, struct reason *lost,
				 struct reason *why);
void target_fini(struct target *t);

#endif
