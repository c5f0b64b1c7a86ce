/* SPDX-License-Identifier: MIT */
/*
 * Listing a base directory.  Cookies are the base's own, so they stay as true
 * as the base keeps them.  An open directory goes on where it was (base_dir.c
 * says why); without one every part is a listing of its own.
 */
#include "direct_priv.h"

#include <errno.h>
#include <sys/stat.h>

#include "core/lib/path.h"

struct listing {
	struct direct *d;
	struct inode *dir;
	bool plus;
	mapfs_dirent_fn fn;
	void *arg;
};

static mapfs_ino dot_ino(const struct listing *l, const char *name)
{
	return name[1] ? inode_parent_ino(l->d->itable, l->dir) : l->dir->ino;
}

static int tell(void *arg, const char *name, uint64_t ino, mode_t type,
		uint64_t cookie)
{
	const struct listing *l = arg;
	struct mapfs_entry e;
	int is_full;
	int err;

	if (path_is_dot(name))
		return l->fn(l->arg, name, dot_ino(l, name), S_IFDIR, cookie,
			     NULL);
	if (!l->plus)
		return l->fn(l->arg, name, ino, type, cookie, NULL);
	err = direct_enter(l->d, l->dir, name, &e);
	if (err == -ENOENT)
		return BASE_SKIPPED; /* gone meanwhile */
	if (err)		     /* its LOOKUP will say why */
		return l->fn(l->arg, name, ino, type, cookie, NULL);
	is_full = l->fn(l->arg, name, e.attr.ino, e.attr.mode & S_IFMT, cookie,
			&e);
	if (is_full)
		direct_forget(&l->d->view, e.attr.ino, 1);
	return is_full;
}

/* Another file system is mounted there: an empty directory. */
static int tell_foreign(struct listing *l, uint64_t cookie)
{
	int is_full = 0;

	if (cookie < 1)
		is_full = tell(l, ".", 0, S_IFDIR, 1);
	if (!is_full && cookie < 2)
		is_full = tell(l, "..", 0, S_IFDIR, 2);
	return is_full;
}

/* `from` NULL: all names behind `cookie`, not some. */
static int list(struct listing *l, struct base_listing *from, mapfs_ino dir,
		uint64_t cookie)
{
	int ret = direct_dir_get(l->d, dir, false, &l->dir);

	if (ret)
		return ret;
	if (l->dir->is_foreign)
		ret = tell_foreign(l, cookie);
	else if (from)
		ret = base_listing_read(l->d->base, l->dir, from, cookie, tell,
					l);
	else
		ret = base_readdir(l->d->base, l->dir, cookie, tell, l);
	direct_put(l->d, l->dir);
	return ret > 0 ? 0 : ret;
}

int direct_readdir(struct mapfs_view *v, mapfs_ino dir, uint64_t cookie,
		   bool plus, mapfs_dirent_fn fn, void *arg)
{
	struct listing l = {
		.d = direct_of(v),
		.plus = plus,
		.fn = fn,
		.arg = arg,
	};

	return list(&l, NULL, dir, cookie);
}

int direct_opendir(struct mapfs_view *v, mapfs_ino dir, uint64_t *fh)
{
	struct direct *d = direct_of(v);
	struct inode *i;
	int err = direct_dir_get(d, dir, false, &i);

	if (err)
		return err;
	direct_put(d, i);
	return handle_add_dir(d, dir, fh);
}

int direct_readdir_open(struct mapfs_view *v, uint64_t fh, uint64_t cookie,
			bool plus, mapfs_dirent_fn fn, void *arg)
{
	struct listing l = {
		.d = direct_of(v),
		.plus = plus,
		.fn = fn,
		.arg = arg,
	};
	struct base_listing *from;
	mapfs_ino dir;
	int err = handle_take_listing(l.d, fh, &dir, &from);

	if (err)
		return err;
	err = list(&l, from, dir, cookie);
	handle_give_listing(l.d, fh, from);
	return err;
}
