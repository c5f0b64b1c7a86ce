/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_WINDOW_NAMES_H
#define MAPFS_CORE_WINDOW_NAMES_H

/*
 * The directory of windows: its names, which never change.
 *
 * Lifetime, locking: as core/mapfs.h.  A window exists as long as the view, so
 *           lookups are not counted.
 * Errors:   as core/mapfs.h.  -EPERM: names can be neither created nor removed,
 *           as open(2) and mkdir(2) have it for file systems without that.
 */
#include "core/view/view.h"

int window_lookup(struct mapfs_view *v, mapfs_ino dir, const char *name,
		  struct mapfs_entry *out);
int window_reach(struct mapfs_view *v, mapfs_ino ino, bool may_walk,
		 struct mapfs_entry *out);
int window_above(struct mapfs_view *v, mapfs_ino ino, bool may_walk,
		 mapfs_ino *above);
void window_forget(struct mapfs_view *v, mapfs_ino ino, uint64_t nlookup);
int window_known_files(struct mapfs_view *v, mapfs_ino **out, size_t *count);
int window_find_path(struct mapfs_view *v, mapfs_ino ino, char **out);
int window_opendir(struct mapfs_view *v, mapfs_ino dir, uint64_t *fh);
int window_readdir(struct mapfs_view *v, mapfs_ino dir,
		   const struct mapfs_readdir *readdir);
ssize_t window_readlink(struct mapfs_view *v, mapfs_ino ino, char *buf,
			size_t len);
/* Each of these is -EPERM. */
int window_mknod(struct mapfs_view *v, const struct mapfs_new *new,
		 struct mapfs_entry *out);
int window_create(struct mapfs_view *v, const struct mapfs_new *new, int flags,
		  struct mapfs_entry *out, uint64_t *fh);
int window_symlink(struct mapfs_view *v, const struct mapfs_new *new,
		   const char *target, struct mapfs_entry *out);
int window_link(struct mapfs_view *v, mapfs_ino ino, mapfs_ino dir,
		const char *name, struct mapfs_entry *out);
int window_tmpfile(struct mapfs_view *v, const struct mapfs_new *new,
		   struct mapfs_entry *out);
int window_unlink(struct mapfs_view *v, mapfs_ino dir, const char *name);
int window_rename(struct mapfs_view *v, const struct mapfs_cred *whiteout,
		  const struct mapfs_rename *rename);

#endif
