/* SPDX-License-Identifier: MIT */
/*
 * An object that loses the name by which it is known can still be in use.  So
 * a descriptor of it is held while the name is removed, and pinned if the name
 * was the only way to it.  A request that resolves the inode in between waits
 * (base_move_begin()).
 */
#include "link.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "change_cookie.h"
#include "core/lib/path.h"
#include "create.h"
#include "lookup.h"

/* The object that bears a name that is about to change, if it is known. */
struct bearer {
	struct inode *inode; /* with a hold; NULL: not known */
	struct base_fd *f;
	bool was_current;
};

static void bearer_find(struct direct *d, struct inode *dir, const char *name,
			struct bearer *out)
{
	struct statx stx;
	bool foreign;

	*out = (struct bearer){ 0 };
	if (base_stat(d->base, dir, name, &stx, &foreign) || foreign)
		return;
	out->inode = itable_get(d->itable, stx.stx_ino);
	if (!out->inode)
		return;
	if (base_hold(d->base, out->inode, BASE_PATH, &out->f)) {
		direct_put(d, out->inode);
		out->inode = NULL;
		return;
	}
	out->was_current = change_cookie_begin(out->inode, base_fd_of(out->f));
}

static void bearer_put(struct direct *d, struct bearer *b)
{
	if (!b->inode)
		return;
	change_cookie_end(b->inode, base_fd_of(b->f), b->was_current);
	base_put(d->base, b->f);
	direct_put(d, b->inode);
}

/* If no descriptor is left, an unlinked file is lost to its users. */
static void bearer_pin(struct direct *d, struct bearer *b)
{
	int fd;

	do
		fd = fcntl(base_fd_of(b->f), F_DUPFD_CLOEXEC, 0);
	while (fd < 0 && base_may_try_again(d->base, -errno));
	if (fd >= 0)
		inode_pin(d->itable, b->inode, fd);
}

/* The object no longer has this name. */
static void bearer_lost(struct direct *d, struct bearer *b, struct inode *dir,
			const char *name)
{
	struct stat st;

	if (!b->inode)
		return;
	if (inode_lose_place(d->itable, b->inode, dir, name))
		bearer_pin(d, b);
	if (fstat(base_fd_of(b->f), &st) == 0 && st.st_nlink == 0)
		base_gone(d->base, b->inode);
	base_uncache(d->base, b->inode);
}

static void bearer_moved(struct direct *d, struct bearer *b, struct inode *dir,
			 const char *name)
{
	if (b->inode && inode_move(d->itable, b->inode, dir, name))
		bearer_pin(d, b);
}

int direct_link(struct mapfs_view *v, mapfs_ino ino, mapfs_ino dir_ino,
		const char *name, struct mapfs_entry *out)
{
	struct direct *d = direct_of(v);
	char path[PATH_OF_FD_BYTES];
	struct base_fd *dirfd;
	struct direct_fd f;
	struct inode *dir;
	struct inode *i;
	int err = direct_get(d, ino, &i);

	if (err)
		return err;
	err = direct_dir_get(d, dir_ino, true, &dir);
	if (err)
		goto put_inode;
	err = direct_fd_get(d, i, 0, DIRECT_PATH, &f);
	if (err)
		goto put_dir;
	err = base_hold(d->base, dir, BASE_PATH, &dirfd);
	if (err)
		goto put_fd;
	path_of_fd(f.fd, path);
	if (linkat(AT_FDCWD, path, base_fd_of(dirfd), name, AT_SYMLINK_FOLLOW) <
	    0)
		err = -errno;
	base_put(d->base, dirfd);
	if (!err)
		err = direct_enter(d, dir, name, out);
	/*
	 * A file made by O_TMPFILE has a name now.  The descriptor that pins it
	 * may be open for writing, which would forbid executing the file.
	 */
	if (!err)
		inode_unpin(d->itable, i);
put_fd:
	direct_fd_put(d, &f);
put_dir:
	direct_put(d, dir);
put_inode:
	direct_put(d, i);
	return err;
}

static int remove_name(struct direct *d, mapfs_ino dir_ino, const char *name,
		       int flags)
{
	struct base_fd *dirfd;
	struct bearer b;
	struct inode *dir;
	int err = direct_dir_get(d, dir_ino, true, &dir);

	if (err)
		return err == -EROFS ? -ENOENT : err;
	err = base_hold(d->base, dir, BASE_PATH, &dirfd);
	if (err)
		goto put_dir;
	bearer_find(d, dir, name, &b);
	base_move_begin(d->base);
	if (unlinkat(base_fd_of(dirfd), name, flags) < 0)
		err = -errno;
	else
		bearer_lost(d, &b, dir, name);
	base_move_end(d->base);
	bearer_put(d, &b);
	base_put(d->base, dirfd);
put_dir:
	direct_put(d, dir);
	return err;
}

int direct_unlink(struct mapfs_view *v, mapfs_ino dir, const char *name)
{
	return remove_name(direct_of(v), dir, name, 0);
}

int direct_rmdir(struct mapfs_view *v, mapfs_ino dir, const char *name)
{
	return remove_name(direct_of(v), dir, name, AT_REMOVEDIR);
}

/* One end of a rename. */
struct end {
	struct inode *dir;
	struct base_fd *dirfd;
	const char *name;
	struct bearer bearer;
};

static int end_get(struct direct *d, mapfs_ino dir, const char *name,
		   struct end *out)
{
	int err = direct_dir_get(d, dir, true, &out->dir);

	if (err)
		return err;
	err = base_hold(d->base, out->dir, BASE_PATH, &out->dirfd);
	if (err) {
		direct_put(d, out->dir);
		return err;
	}
	out->name = name;
	bearer_find(d, out->dir, name, &out->bearer);
	return 0;
}

static void end_put(struct direct *d, struct end *e)
{
	bearer_put(d, &e->bearer);
	base_put(d->base, e->dirfd);
	direct_put(d, e->dir);
}

static int rename_ends(struct direct *d, struct end *from, struct end *to,
		       unsigned int flags)
{
	/* Two names of one file: rename(2) leaves both. */
	bool is_same = from->bearer.inode &&
		       from->bearer.inode == to->bearer.inode;

	if (renameat2(base_fd_of(from->dirfd), from->name,
		      base_fd_of(to->dirfd), to->name, flags) < 0)
		return -errno;
	if (is_same)
		return 0;
	if (flags & RENAME_EXCHANGE)
		bearer_moved(d, &to->bearer, from->dir, from->name);
	else
		bearer_lost(d, &to->bearer, to->dir, to->name);
	bearer_moved(d, &from->bearer, to->dir, to->name);
	return 0;
}

int direct_rename(struct mapfs_view *v, const struct mapfs_cred *whiteout,
		  const struct mapfs_rename *r)
{
	struct direct *d = direct_of(v);
	struct end from;
	struct end to;
	int err = end_get(d, r->dir, r->name, &from);

	if (err)
		return err == -EROFS ? -ENOENT : err;
	err = end_get(d, r->newdir, r->newname, &to);
	if (err) {
		end_put(d, &from);
		return err == -EROFS ? -EXDEV : err;
	}
	base_move_begin(d->base);
	err = rename_ends(d, &from, &to,
			  whiteout ? r->flags | RENAME_WHITEOUT : r->flags);
	base_move_end(d->base);
	if (!err && whiteout)
		direct_give_whiteout(d, whiteout, base_fd_of(from.dirfd),
				     r->name);
	end_put(d, &to);
	end_put(d, &from);
	return err;
}
