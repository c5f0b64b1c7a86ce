/* SPDX-License-Identifier: MIT */
/*
 * Objects of all types are created in the same way: owner, mode and inherited
 * ACL are decided, then one group adds the inode, its name and the new times
 * of the directory.
 */
#include "create.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "attr.h"
#include "core/lib/acl.h"
#include "core/lib/checksum.h"
#include "link.h"
#include "lookup.h"
#include "xattr.h"

#define LINK_FIRST_FILE 1
#define LINK_FIRST_DIR 2 /* its name and its own "." */

struct create_ctx {
	struct overlay *o;
	const struct mapfs_cred *cred;
	mapfs_ino dir_ino;
	struct inode *dir; /* with a hold, while create_once() runs */
	const char *name;  /* NULL: unnamed */
	mode_t mode;
	dev_t rdev;
	const char *target; /* symbolic links */
	uint8_t acl[MAPFS_XATTR_VALUE_MAX];
	ssize_t acl_bytes; /* of the directory's default ACL; 0: none */
	struct mapfs_entry *out;
};

/* The directory's default ACL, if it has one that is valid. */
static int read_default_acl(struct create_ctx *c)
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

static void add_acl_xattr(const struct create_ctx *c, struct group *g,
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

/* acl(5), "object creation and default ACLs". */
static void add_inherited_acl(struct create_ctx *c, struct group *g,
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

/* The mode that an inherited ACL, or else the umask, leaves. */
static mode_t narrowed_mode(const struct create_ctx *c)
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
 * Inode numbers only grow, but after a power cut a number that no sync point
 * has covered is given to another inode.  A file handle of the first one must
 * not open the second.
 */
static uint64_t new_generation(mapfs_ino ino)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return checksum64(&now, sizeof(now), ino) & 0x7fffffff;
}

static void fill_inode(const struct create_ctx *c, mapfs_ino ino,
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

static struct timespec add_object(struct create_ctx *c, struct group *g,
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

static void add_creation(struct create_ctx *c, struct group *g, mapfs_ino ino,
			 const struct lookup_result *was)
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
	struct create_ctx c = {
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
static int create_locked(struct create_ctx *c)
{
	struct overlay *o = c->o;
	mapfs_ino ino = delta_set_new_ino(&o->set);
	struct lookup_result was = { 0 };
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
		err = overlay_fill_entry(o, i, c->out);
		(void)inode_put(o->itable, i);
	}
	return err;
}

static int create_once(void *ctx)
{
	struct create_ctx *c = ctx;
	struct overlay *o = c->o;
	int err = overlay_dir_get(o, c->dir_ino, &c->dir);

	if (err)
		return err;
	rwlock_write(&o->ns_lock);
	err = overlay_copy_up(o, c->dir, false, SPACE_GROWS);
	if (!err && c->dir->delta->attr.nlink == 0)
		err = -ENOENT; /* removed, but still a process's cwd */
	if (!err)
		err = create_locked(c);
	rwlock_unlock(&o->ns_lock);
	overlay_put(o, c->dir);
	return err;
}

static int create_object(struct create_ctx *c, mapfs_ino dir,
			 struct mapfs_entry *out)
{
	c->dir_ino = dir;
	c->out = out;
	return overlay_retry_full(c->o, create_once, c);
}

int overlay_mknod(struct mapfs_view *v, const struct mapfs_new *new,
		  struct mapfs_entry *out)
{
	const mode_t mode = new->mode;
	struct create_ctx c = {
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
	struct create_ctx c = {
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
	struct create_ctx c = {
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
	struct create_ctx c = {
		.o = overlay_of(v),
		.cred = new->cred,
		.mode = (new->mode & ~(mode_t)S_IFMT) | S_IFREG,
	};

	return create_object(&c, new->dir, out);
}
