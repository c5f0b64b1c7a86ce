/* SPDX-License-Identifier: MIT */
/*
 * Cookies are the base's own, so they are as stable as the base keeps them.
 * With a handle a listing continues where the last part ended (the head of
 * core/base/readdir.c says why); without one each part is a listing of its
 * own.
 */
#include "readdir.h"

#include <errno.h>
#include <sys/stat.h>

#include "core/lib/path.h"
#include "lookup.h"

struct listing {
	struct direct *d;
	struct inode *dir;
	const struct mapfs_readdir *readdir;
};

static mapfs_ino dot_ino(const struct listing *l, const char *name)
{
	return name[1] ? inode_parent_ino(l->d->itable, l->dir) : l->dir->ino;
}

static int tell(void *arg, const char *name, uint64_t ino, mode_t type,
		uint64_t cookie)
{
	const struct listing *l = arg;
	const struct mapfs_readdir *r = l->readdir;
	struct mapfs_dirent d = {
		.name = name,
		.ino = ino,
		.type = type,
		.cookie = cookie,
	};
	struct mapfs_entry e;
	int is_full;
	int err;

	if (path_is_dot(name)) {
		d.ino = dot_ino(l, name);
		d.type = S_IFDIR;
		return r->fn(r->arg, &d);
	}
	if (!r->plus)
		return r->fn(r->arg, &d);
	err = direct_enter(l->d, l->dir, name, &e);
	if (err == -ENOENT)
		return BASE_SKIPPED; /* removed meanwhile */
	if (err)		     /* the LOOKUP of the name will report it */
		return r->fn(r->arg, &d);
	d.ino = e.attr.ino;
	d.type = e.attr.mode & S_IFMT;
	d.entry = &e;
	is_full = r->fn(r->arg, &d);
	if (is_full)
		direct_forget(&l->d->view, e.attr.ino, 1);
	return is_full;
}

/* A foreign directory shows as an empty one. */
static int tell_foreign(struct listing *l)
{
	const uint64_t cookie = l->readdir->cookie;
	int is_full = 0;

	if (cookie < 1)
		is_full = tell(l, ".", 0, S_IFDIR, 1);
	if (!is_full && cookie < 2)
		is_full = tell(l, "..", 0, S_IFDIR, 2);
	return is_full;
}

/* `from` NULL: all names behind the cookie, else some of them. */
static int list(struct direct *d, mapfs_ino dir, struct base_listing *from,
		const struct mapfs_readdir *readdir)
{
	struct listing l = { .d = d, .readdir = readdir };
	const uint64_t cookie = readdir->cookie;
	int ret = direct_dir_get(d, dir, false, &l.dir);

	if (ret)
		return ret;
	if (l.dir->is_foreign)
		ret = tell_foreign(&l);
	else if (from)
		ret = base_listing_read(from, l.dir, cookie, tell, &l);
	else
		ret = base_readdir(d->base, l.dir, cookie, tell, &l);
	direct_put(d, l.dir);
	return ret > 0 ? 0 : ret;
}

int direct_readdir(struct mapfs_view *v, mapfs_ino dir,
		   const struct mapfs_readdir *readdir)
{
	return list(direct_of(v), dir, NULL, readdir);
}

int direct_opendir(struct mapfs_view *v, mapfs_ino dir, uint64_t *fh)
{
	struct direct *d = direct_of(v);
	struct inode *i;
	int err = direct_dir_get(d, dir, false, &i);

	if (err)
		return err;
	direct_put(d, i);
	return handle_add_dir(d->handles, dir, fh);
}

int direct_readdir_open(struct mapfs_view *v, uint64_t fh,
			const struct mapfs_readdir *readdir)
{
	struct direct *d = direct_of(v);
	struct base_listing *from;
	mapfs_ino dir;
	int err = handle_take_listing(d->handles, fh, &dir, &from);

	if (err)
		return err;
	err = list(d, dir, from, readdir);
	handle_give_listing(d->handles, fh, from);
	return err;
}
