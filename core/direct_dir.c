/* SPDX-License-Identifier: MIT */
/*
 * Listing a base directory.  Cookies are the base's own, so they stay as true
 * as the base keeps them; no state belongs to an open directory.
 */
#include "direct_priv.h"

#include <errno.h>
#include <sys/stat.h>

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

	if (base_is_dot(name))
		return l->fn(l->arg, name, dot_ino(l, name), S_IFDIR, cookie,
			     NULL);
	if (!l->plus)
		return l->fn(l->arg, name, ino, type, cookie, NULL);
	err = direct_enter(l->d, l->dir, name, &e);
	if (err == -ENOENT)
		return 0; /* gone meanwhile */
	if (err)	  /* its LOOKUP will say why */
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

int direct_readdir(struct mapfs_view *v, mapfs_ino dir_ino, uint64_t cookie,
		   bool plus, mapfs_dirent_fn fn, void *arg)
{
	struct listing l = {
		.d = direct_of(v),
		.plus = plus,
		.fn = fn,
		.arg = arg,
	};
	int ret = direct_dir_get(l.d, dir_ino, false, &l.dir);

	if (ret)
		return ret;
	ret = l.dir->is_foreign ?
		      tell_foreign(&l, cookie) :
		      base_readdir(l.d->base, l.dir, cookie, tell, &l);
	direct_put(l.d, l.dir);
	return ret > 0 ? 0 : ret;
}
