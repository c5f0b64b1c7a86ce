/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_WINDOW_ATTR_H
#define MAPFS_CORE_WINDOW_ATTR_H

/*
 * The attributes of windows are those of the file, but for number, links and
 * size.  So a change of mode or owner through one window changes the others of
 * the file: whoever shows them to a kernel must tell it.  Only a whole window has
 * extended attributes.
 *
 * Lifetime, locking: as core/mapfs.h.
 * Errors:   as core/mapfs.h.  -EPERM: the window, or the directory of windows,
 *           cannot be changed so.
 */
#include "core/view/view.h"
#include "window.h"

/* From those of the window's file. */
void window_show_attr(const struct window *w, struct mapfs_attr *attr);
int must_check window_dir_attr(struct window_view *wv, struct mapfs_attr *out);
int window_getattr(struct mapfs_view *v, struct mapfs_file file,
		   struct mapfs_attr *out);
int window_peek_attr(struct mapfs_view *v, struct mapfs_file file,
		     struct mapfs_attr *out);
int window_setattr(struct mapfs_view *v, struct mapfs_file file,
		   const struct mapfs_setattr *set, struct mapfs_attr *out);
int window_statfs(struct mapfs_view *v, struct statvfs *out);
ssize_t window_getxattr(struct mapfs_view *v, mapfs_ino ino, const char *name,
			void *buf, size_t len);
ssize_t window_listxattr(struct mapfs_view *v, mapfs_ino ino, char *buf,
			 size_t len);
int window_setxattr(struct mapfs_view *v, mapfs_ino ino,
		    const struct mapfs_setxattr *set);
int window_removexattr(struct mapfs_view *v, mapfs_ino ino, const char *name);
int window_get_fileattr(struct mapfs_view *v, struct mapfs_file file,
			enum mapfs_fileattr_kind what,
			union mapfs_fileattr *out);
int window_set_fileattr(struct mapfs_view *v, const struct mapfs_cred *cred,
			struct mapfs_file file, enum mapfs_fileattr_kind what,
			const union mapfs_fileattr *a);

#endif
