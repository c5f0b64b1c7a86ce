/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_COMMIT_STAGE_H
#define MAPFS_CORE_COMMIT_STAGE_H

/*
 * The staging directory: `.mapfs-commit-T` in the root of the base, where new
 * objects are built and where objects wait while their names change.  It is in
 * the base because a rename or a hard link needs one file system.
 *
 * A *slot* is a name in it: `n<object>` of an object that was built there,
 * `b<name>` or `a<name>` of an object that was taken from a name of the before
 * or the after side; `k<object>` of an object that stays here for good, because
 * it has no place any more and cannot be moved to the store.
 *
 * Lifetime: stage_open() .. stage_remove(), or work_dir_close(), which leaves
 *           the directory where it is.
 * Errors:   0 or a negative errno.
 * Locking:  as ctx.h.
 */
#include "ctx.h"

#define STAGE_SLOT_BYTES 24
/*
 * Made and removed before a commit begins, to see whether that can be done.  A
 * power cut may bring it back; then stage_remove() removes it.
 */
#define STAGE_TRY ".mapfs-commit-try"
#define STAGE_TRY_FILE "file"
#define STAGE_TRY_LINK "link"

/* -ENOENT: it is not there, and `create` is false. */
int must_check stage_open(struct commit_ctx *ctx, bool create);
void stage_slot_of_name(const struct plan_name *n, enum plan_side from,
			char slot[STAGE_SLOT_BYTES]);
void stage_slot_of_build(uint32_t id, char slot[STAGE_SLOT_BYTES]);
void stage_slot_of_kept(uint32_t id, char slot[STAGE_SLOT_BYTES]);
/* Is the object in the staging directory, and in which slot? */
bool stage_find(const struct commit_ctx *ctx, uint32_t id,
		char slot[STAGE_SLOT_BYTES]);
/*
 * Renames, never over something: -EEXIST.  A directory whose mode forbids its
 * owner to write is given that right, because its ".." has to change.
 */
int must_check stage_move(int fromdir, const char *from, int todir,
			  const char *to);
/* Removes what is in the slot, a directory only if it is empty. */
int must_check stage_wipe(const struct commit_ctx *ctx, const char *slot);
/*
 * Removes the directory and every slot in it.  *is_full: what stays for good is
 * left in it, and directories that are not empty.
 */
int must_check stage_remove(struct commit_ctx *ctx, bool *is_full);

#endif
