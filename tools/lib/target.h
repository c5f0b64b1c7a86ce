/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TOOLS_LIB_TARGET_H
#define MAPFS_TOOLS_LIB_TARGET_H

/*
 * What people mean by MOUNTPOINT, STORE or STORE@NAME:
 *
 *   a path in a mapfs mount           that mount
 *   the directory of a store          where it is mounted now, if it is and
 *                                     that place answers; else the store
 *   STORE@NAME                        a snapshot of it; but a path of that
 *                                     name that exists is meant literally
 *
 * Lifetime: target_find() fills it, target_fini() ends it and accepts a
 *           zeroed one.
 * Errors:   0 or a negative errno and a sentence in `why`.
 */
#include "mounts.h"

enum target_kind {
	TARGET_LIVE,  /* mounted; `fd` is its root */
	TARGET_STORE, /* resting */
};

struct target {
	enum target_kind kind;
	char *shown;	 /* the mount point or the store, absolute */
	char *inside;	 /* LIVE: the path named, below the root; "" is it */
	char *store;	 /* absolute; NULL: the view has no kept one */
	char *snapshot;	 /* NULL: as it is now */
	bool is_trusted; /* --trust: whoever made the store; set by commands */
	int fd;		 /* LIVE, else -1 */
	struct mapfs_control_info info; /* LIVE */
};

int must_check target_find(struct target *out, const char *arg,
			   struct reason *why);
/*
 * A path that people give beside the target, as the view has it: counted from
 * the path that was named, or absolute and in the mount.  The caller's to
 * free.
 */
int must_check target_path(const struct target *t, const char *arg, char **out,
			   struct reason *why);
/* For what is done to a whole store. */
int must_check target_refuse_snapshot(const struct target *t,
				      struct reason *why);
/* Its store, or a snapshot of that, without a mount, for looking only. */
int must_check target_look(const struct target *t, const char *snapshot,
			   struct mapfs_view **out, struct reason *why);
/*
 * A resting store, or any store's snapshot, opened in this process; the
 * caller closes it.
 */
int must_check target_open_view(const struct target *t, bool look_only,
				struct mapfs_view **out, struct reason *why);
/*
 * The same for looking only, of what the store has, whatever became of its
 * base; a sentence in `lost` says that, or it is "".
 */
int must_check target_open_store(const struct target *t,
				 struct mapfs_view **out, struct reason *lost,
				 struct reason *why);
void target_fini(struct target *t);

#endif
