/* SPDX-License-Identifier: MIT */
#include "attr.h"

#include <errno.h>
#include <unistd.h>

#define DIR_MODE 0555

void window_show_attr(const struct window *w, struct mapfs_attr *attr)
{
	uint64_t blocks;

	attr->ino = w->ino;
	if (window_is_whole(w))
		return;
	attr->nlink = 1;
	attr->size_bytes = window_clip(w, attr->size_bytes);
	/* An estimate: how many blocks of the file are the window's is unknown. */
	blocks = (attr->size_bytes + 511) / 512;
	if (attr->blocks_512 > blocks)
		attr->blocks_512 = blocks;
}

/* Everybody may list it: who may open a window, its mode says. */
int window_dir_attr(struct window_view *wv, struct mapfs_attr *out)
{
	*out = (struct mapfs_attr){
		.ino = wv->dir_ino,
		.mode = S_IFDIR | DIR_MODE,
		.nlink = 2,
		.uid = geteuid(),
		.gid = getegid(),
		.atime = wv->made_at,
		.mtime = wv->made_at,
		.ctime = wv->made_at,
		.btime = { .tv_nsec = -1 },
	};
	return 0;
}

/* mapfs_getattr() or mapfs_peek_attr() */
typedef int (*getattr_fn)(struct mapfs_view *v, struct mapfs_file file,
			  struct mapfs_attr *out);

static int get_attr(struct mapfs_view *v, struct mapfs_file file, getattr_fn fn,
		    struct mapfs_attr *out)
{
	struct window_view *wv = window_view_of(v);
	struct mapfs_file below;
	struct window *w;
	int err;

	if (file.ino == wv->dir_ino)
		return window_dir_attr(wv, out);
	err = window_get(wv, file, &w, &below);
	if (!err)
		err = fn(v->below, below, out);
	if (!err)
		window_show_attr(w, out);
	return err;
}

/*
 * The kernel is told of this version of one window, but not of the other ones
 * of the file: only window_open() makes it the version that the kernel knows.
 */
int window_getattr(struct mapfs_view *v, struct mapfs_file file,
		   struct mapfs_attr *out)
{
	const struct window *w = window_of_ino(window_view_of(v), file.ino);

	return get_attr(
		v, file,
		w && window_is_whole(w) ? mapfs_getattr : mapfs_peek_attr, out);
}

int window_peek_attr(struct mapfs_view *v, struct mapfs_file file,
		     struct mapfs_attr *out)
{
	return get_attr(v, file, mapfs_peek_attr, out);
}

/* Moves the size to that of the file. */
static int adjust(const struct window *w, const struct mapfs_attr *now,
		  struct mapfs_setattr *set)
{
	if ((set->valid & MAPFS_SET_SIZE) && !window_is_open(w)) {
		if (set->size_bytes != window_clip(w, now->size_bytes))
			return -EPERM;
		set->valid &= ~(unsigned int)MAPFS_SET_SIZE;
	}
	set->size_bytes += w->off_bytes;
	return 0;
}

int window_setattr(struct mapfs_view *v, struct mapfs_file file,
		   const struct mapfs_setattr *set, struct mapfs_attr *out)
{
	struct window_view *wv = window_view_of(v);
	struct mapfs_setattr moved = *set;
	struct mapfs_file below;
	struct mapfs_attr attr;
	struct window *w;
	int err;

	if (file.ino == wv->dir_ino)
		return -EPERM;
	err = window_get(wv, file, &w, &below);
	if (!err)
		err = mapfs_peek_attr(v->below, below, &attr);
	if (!err)
		err = adjust(w, &attr, &moved);
	if (!err)
		err = moved.valid ?
			      mapfs_setattr(v->below, below, &moved, &attr) :
			      mapfs_peek_attr(v->below, below, &attr);
	if (err)
		return err;
	window_show_attr(w, &attr);
	*out = attr;
	return 0;
}

int window_statfs(struct mapfs_view *v, struct statvfs *out)
{
	return mapfs_statfs(v->below, out);
}

/* `refusal`: of an object that has no attributes of its own. */
static int get_whole(struct mapfs_view *v, mapfs_ino ino, int refusal,
		     mapfs_ino *below)
{
	struct window_view *wv = window_view_of(v);
	struct mapfs_file file;
	struct window *w;
	int err;

	if (ino == wv->dir_ino)
		return refusal;
	err = window_get(wv, mapfs_file_of(ino), &w, &file);
	if (!err && !window_is_whole(w))
		err = refusal;
	if (!err)
		*below = file.ino;
	return err;
}

ssize_t window_getxattr(struct mapfs_view *v, mapfs_ino ino, const char *name,
			void *buf, size_t len)
{
	mapfs_ino below;
	int err = get_whole(v, ino, -ENODATA, &below);

	return err ? err : mapfs_getxattr(v->below, below, name, buf, len);
}

ssize_t window_listxattr(struct mapfs_view *v, mapfs_ino ino, char *buf,
			 size_t len)
{
	mapfs_ino below;
	int err = get_whole(v, ino, -ENODATA, &below);

	if (err == -ENODATA)
		return 0;
	return err ? err : mapfs_listxattr(v->below, below, buf, len);
}

int window_setxattr(struct mapfs_view *v, mapfs_ino ino,
		    const struct mapfs_setxattr *set)
{
	mapfs_ino below;
	int err = get_whole(v, ino, -EPERM, &below);

	return err ? err : mapfs_setxattr(v->below, below, set);
}

int window_removexattr(struct mapfs_view *v, mapfs_ino ino, const char *name)
{
	mapfs_ino below;
	int err = get_whole(v, ino, -EPERM, &below);

	return err ? err : mapfs_removexattr(v->below, below, name);
}

int window_get_fileattr(struct mapfs_view *v, struct mapfs_file file,
			enum mapfs_fileattr_kind what,
			union mapfs_fileattr *out)
{
	mapfs_ino below;
	int err = get_whole(v, file.ino, -ENOTTY, &below);

	if (err)
		return err;
	file.ino = below;
	return mapfs_get_fileattr(v->below, file, what, out);
}

int window_set_fileattr(struct mapfs_view *v, const struct mapfs_cred *cred,
			struct mapfs_file file, enum mapfs_fileattr_kind what,
			const union mapfs_fileattr *a)
{
	mapfs_ino below;
	int err = get_whole(v, file.ino, -EPERM, &below);

	if (err)
		return err;
	file.ino = below;
	return mapfs_set_fileattr(v->below, cred, file, what, a);
}
