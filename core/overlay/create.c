/* SPDX-License-Identifier: MIT */
/*
 * New objects of a copy view.  All kinds are one path: decide owner, mode and
 * inherited ACL, then one group with the inode, its name and the directory's
 * new times.
 */
#include "overlay_priv.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "core/lib/acl.h"
#include "core/lib/checksum.h"

#define LINK_FIRST_FILE 1
#define LINK_FIRST_DIR 2 /* its name and its own "." */

struct creation {
	struct overlay *o;
	const struct mapfs_cred *cred;
	struct inode *dir;
	const char *name; /* NULL: unnamed */
	mode_t mode;
	dev_t rdev;
	const char *target; /* symbolic links */
	uint8_t acl[MAPFS_XATTR_VALUE_MAX];
	ssize_t acl_bytes; /* of the directory's default ACL; 0: none */
};

/* The directory's default ACL, if it has a sound one. */
static int read_default_acl(struct creation *c)
{
	ssize_t n;

	c->acl_bytes = 0;
	if (S_ISLNK(c->mode))
		return 0;
	n = overlay_xattr_read(c->o, c->dir, ACL_DEFAULT_NAME, c->acl,
			       sizeof(c->acl));
	if (n == -ENODATA || n == -EOPNOTSUPP)
		return 0;
	if (n < 0)
		return (int)n;
	if (acl_verify(c->acl, (size_t)n) == 0)
		c->acl_bytes = n;
	return 0;
}

static void add_acl_xattr(const struct creation *c, struct group *g,
			  mapfs_ino ino, const char *name)
{
	group_add(g, &(struct record){
		.type = RECORD_XATTR,
		.xattr = {
			.ino = ino,
			.name = name,
			.value = c->acl,
			.value_bytes = (size_t)c->acl_bytes,
		},
	});
}

/* acl(5), "object creation and default ACLs"; else the umask counts. */
static void add_inherited_acl(struct creation *c, struct group *g,
			      mapfs_ino ino)
{
	mode_t mode = c->mode;
	bool minimal;

	if (c->acl_bytes == 0)
		return;
	if (S_ISDIR(c->mode))
		add_acl_xattr(c, g, ino, ACL_DEFAULT_NAME);
	acl_inherit(c->acl, (size_t)c->acl_bytes, &mode, &minimal);
	if (!minimal)
		add_acl_xattr(c, g, ino, ACL_ACCESS_NAME);
}

/* The mode an inherited ACL or the umask leaves. */
static mode_t narrowed_mode(const struct creation *c)
{
	bool minimal;

	if (S_ISLNK(c->mode))
		return c->mode;
	if (c->acl_bytes == 0)
		return c->mode & ~c->cred->umask;
	return c->mode & (~(mode_t)0777 |
			  acl_mode(c->acl, (size_t)c->acl_bytes, &minimal));
}

/*
 * Numbers only grow, but after a power cut those are given again that no sync
 * point has covered; a file handle of then must not fit.
 */
static uint64_t new_generation(mapfs_ino ino)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return checksum64(&now, sizeof(now), ino) & 0x7fffffff;
}

static void fill_inode(const struct creation *c, mapfs_ino ino,
		       struct record_inode *r)
{
	const struct record_attr *dir = &c->dir->delta->attr;
	const struct timespec now = overlay_now();
	const bool is_dir = S_ISDIR(c->mode);
	const bool setgid = dir->mode & S_ISGID;

	*r = (struct record_inode){
		.attr = {
			.ino = ino,
			.parent = is_dir ? dir->ino : 0,
			.mode = narrowed_mode(c) |
				(setgid && is_dir ? S_ISGID : 0),
			.nlink = !c->name ? 0 :
				 is_dir ? LINK_FIRST_DIR : LINK_FIRST_FILE,
			.uid = c->cred->uid,
			.gid = setgid ? dir->gid : c->cred->gid,
			.size_bytes = c->target ? strlen(c->target) : 0,
			.atime = now,
			.mtime = now,
			.ctime = now,
		},
		.generation = new_generation(ino),
		.rdev = ((uint64_t)major(c->rdev) << 32) | minor(c->rdev),
		.btime = now,
		.text = c->target ? c->target : "",
		.text_bytes = c->target ? strlen(c->target) : 0,
	};
}

static struct timespec add_object(struct creation *c, struct group *g,
				  mapfs_ino ino)
{
	struct record r = { .type = RECORD_INODE };

	fill_inode(c, ino, &r.inode);
	group_add(g, &r);
	group_add(g, &(struct record){
			     .type = RECORD_XATTR_OWN,
			     .ino = ino,
		     });
	add_inherited_acl(c, g, ino);
	return r.inode.attr.mtime;
}

static void add_creation(struct creation *c, struct group *g, mapfs_ino ino,
			 const struct found *was)
{
	struct timespec now = add_object(c, g, ino);

	if (!c->name)
		return;
	overlay_add_name(g, c->dir, c->name, was,
			 &(const struct inode){
				 .ino = ino,
				 .type = c->mode & S_IFMT,
			 });
	overlay_add_dir_change(g, c->dir, S_ISDIR(c->mode) ? 1 : 0, now);
}

int overlay_add_whiteout(struct overlay *o, struct group *g,
			 const struct mapfs_cred *cred, struct inode *dir,
			 mapfs_ino *ino)
{
	struct creation c = {
		.o = o,
		.cred = cred,
		.dir = dir,
		.name = "", /* it will have one */
		.mode = S_IFCHR,
	};
	int err = read_default_acl(&c);

	if (err)
		return err;
	*ino = delta_set_new_ino(&o->set);
	(void)add_object(&c, g, *ino);
	return 0;
}

/* ns_lock held for writing, the directory in the delta. */
static int create_locked(struct creation *c, struct mapfs_entry *out)
{
	struct overlay *o = c->o;
	mapfs_ino ino = delta_set_new_ino(&o->set);
	struct found was = { 0 };
	struct inode *i = NULL;
	struct group g;
	int err = 0;

	if (c->name)
		err = overlay_find(o, c->dir, c->name, &was);
	if (!err && was.inode) {
		(void)inode_put(o->itable, was.inode);
		err = -EEXIST;
	}
	if (!err)
		err = read_default_acl(c);
	if (err)
		return err;
	group_init(&g);
	add_creation(c, &g, ino, &was);
	err = store_apply(o->store, &g, NULL);
	group_fini(&g);
	if (!err)
		err = overlay_get(o, ino, &i);
	if (!err) {
		err = overlay_fill_entry(o, i, out);
		(void)inode_put(o->itable, i);
	}
	return err;
}

static int create_once(struct creation *c, mapfs_ino dir_ino,
		       struct mapfs_entry *out)
{
	struct overlay *o = c->o;
	int err = overlay_dir_get(o, dir_ino, &c->dir);

	if (err)
		return err;
	rwlock_write(&o->ns_lock);
	err = overlay_copy_up(o, c->dir, false);
	if (!err && c->dir->delta->attr.nlink == 0)
		err = -ENOENT; /* removed while it was somebody's cwd */
	if (!err)
		err = create_locked(c, out);
	rwlock_unlock(&o->ns_lock);
	overlay_put(o, c->dir);
	return err;
}

static int create_object(struct creation *c, mapfs_ino dir,
			 struct mapfs_entry *out)
{
	struct store *st = c->o->store;
	const uint64_t made = store_made_room(st);
	int err = create_once(c, dir, out);

	if (store_make_room(st, err, made))
		err = create_once(c, dir, out);
	return err;
}

int overlay_mknod(struct mapfs_view *v, const struct mapfs_new *new,
		  struct mapfs_entry *out)
{
	const mode_t mode = new->mode;
	struct creation c = {
		.o = overlay_of(v),
		.cred = new->cred,
		.name = new->name,
		.mode = mode &S_IFMT ? mode : mode | S_IFREG,
	};

	if (S_ISCHR(mode) || S_ISBLK(mode))
		c.rdev = new->rdev;
	else if (S_ISDIR(c.mode) || S_ISLNK(c.mode))
		return -EINVAL;
	return create_object(&c, new->dir, out);
}

int overlay_mkdir(struct mapfs_view *v, const struct mapfs_new *new,
		  struct mapfs_entry *out)
{
	struct creation c = {
		.o = overlay_of(v),
		.cred = new->cred,
		.name = new->name,
		.mode = (new->mode & ~(mode_t)S_IFMT) | S_IFDIR,
	};

	return create_object(&c, new->dir, out);
}

int overlay_symlink(struct mapfs_view *v, const struct mapfs_new *new,
		    const char *target, struct mapfs_entry *out)
{
	struct creation c = {
		.o = overlay_of(v),
		.cred = new->cred,
		.name = new->name,
		.mode = S_IFLNK | 0777,
		.target = target,
	};

	return create_object(&c, new->dir, out);
}

int overlay_tmpfile(struct mapfs_view *v, const struct mapfs_new *new,
		    struct mapfs_entry *out)
{
	struct creation c = {
		.o = overlay_of(v),
		.cred = new->cred,
		.mode = (new->mode & ~(mode_t)S_IFMT) | S_IFREG,
	};

	return create_object(&c, new->dir, out);
}
