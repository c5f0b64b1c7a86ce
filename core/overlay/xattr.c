/* SPDX-License-Identifier: MIT */
/*
 * Extended attributes of a copy view.
 *
 * An access ACL and the mode of a file say the same in two ways, so setting
 * either of them changes the other (acl(5)).
 */
#include "xattr.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "core/lib/acl.h"

#define CAPS_NAME "security.capability"

struct setxattr_ctx {
	struct overlay *o;
	mapfs_ino ino;
	const struct mapfs_setxattr *set;
};

static ssize_t give(const void *value, size_t have, void *buf, size_t len)
{
	if (len == 0)
		return (ssize_t)have;
	if (have > len)
		return -ERANGE;
	memcpy(buf, value, have);
	return (ssize_t)have;
}

/* The namespaces of xattr(7); others belong to no file system. */
static int check_namespace(const char *name)
{
	static const char *const known[] = { "user.", "trusted.", "security." };

	for (size_t n = 0; n < sizeof(known) / sizeof(known[0]); n++)
		if (strncmp(name, known[n], strlen(known[n])) == 0)
			return name[strlen(known[n])] ? 0 : -EINVAL;
	if (strcmp(name, ACL_ACCESS_NAME) == 0 ||
	    strcmp(name, ACL_DEFAULT_NAME) == 0)
		return 0;
	return -EOPNOTSUPP;
}

/*
 * An inode whose base object is lost: its attributes are unknown, and it is
 * shown with none.  But an access ACL may have kept a user out, so to ask for
 * that one is an error.
 */
static ssize_t ask_base(struct overlay *o, struct inode *i, const char *name,
			void *buf, size_t len)
{
	ssize_t n = -ENODATA;

	if (!i->is_stand_in)
		n = base_getxattr(o->base, i, name, buf, len);
	if (n != -ESTALE || !i->delta)
		return n;
	return strcmp(name, ACL_ACCESS_NAME) == 0 ? -EIO : -ENODATA;
}

static ssize_t ask_base_list(struct overlay *o, struct inode *i, char *buf,
			     size_t len)
{
	ssize_t n = 0;

	if (!i->is_stand_in)
		n = base_listxattr(o->base, i, buf, len);
	return n == -ESTALE && i->delta ? 0 : n;
}

ssize_t overlay_xattr_read(struct overlay *o, struct inode *i, const char *name,
			   void *buf, size_t len)
{
	const struct xattr *x;

	if (!i->delta || !i->delta->owns_xattrs) {
		if (i->is_foreign || !overlay_has_base(o, i))
			return -ENODATA;
		return ask_base(o, i, name, buf, len);
	}
	x = delta_xattr_find(i->delta, name);
	return x ? give(xattr_value(x), x->value_bytes, buf, len) : -ENODATA;
}

static void add_xattr(struct group *g, mapfs_ino ino, const char *name,
		      const void *value, size_t len)
{
	group_add(g, &(struct record){
		.type = RECORD_XATTR,
		.xattr = {
			.ino = ino, .name = name, .value = value,
			.value_bytes = len,
		},
	});
}

static void add_xattr_gone(struct group *g, mapfs_ino ino, const char *name)
{
	group_add(g, &(struct record){
			     .type = RECORD_XATTR_GONE,
			     .xattr = { .ino = ino, .name = name },
		     });
}

/* The base's list in new memory; *n 0: it has none, or cannot have any. */
static int read_base_list(struct overlay *o, struct inode *i, char **list,
			  size_t *n)
{
	char *buf = malloc(MAPFS_XATTR_LIST_MAX);
	ssize_t len;

	if (!buf)
		return -ENOMEM;
	len = ask_base_list(o, i, buf, MAPFS_XATTR_LIST_MAX);
	if (len == -EOPNOTSUPP)
		len = 0;
	if (len < 0) {
		free(buf);
		return (int)len;
	}
	*list = buf;
	*n = (size_t)len;
	return 0;
}

int overlay_add_own_xattrs(struct overlay *o, struct inode *i, struct group *g)
{
	char *list = NULL;
	char *value;
	size_t list_bytes = 0;
	ssize_t n;
	int err = 0;

	if (i->delta->owns_xattrs)
		return 0;
	group_add(g, &(struct record){
			     .type = RECORD_XATTR_OWN,
			     .ino = i->ino,
		     });
	if (!i->delta->base)
		return 0;
	value = malloc(MAPFS_XATTR_VALUE_MAX);
	if (!value)
		return -ENOMEM;
	err = read_base_list(o, i, &list, &list_bytes);
	for (size_t at = 0; !err && at < list_bytes;
	     at += strlen(list + at) + 1) {
		n = ask_base(o, i, list + at, value, MAPFS_XATTR_VALUE_MAX);
		if (n >= 0)
			add_xattr(g, i->ino, list + at, value, (size_t)n);
		else if (n != -ENODATA && n != -EPERM && n != -EACCES)
			err = (int)n;
	}
	free(list);
	free(value);
	return err;
}

int overlay_add_drop_caps(struct overlay *o, struct inode *i, struct group *g)
{
	int err;

	if (!S_ISREG(i->type))
		return 0;
	/* The base is asked once per file: most files have none. */
	if (!i->delta->owns_xattrs && !i->delta->base_has_no_caps)
		i->delta->base_has_no_caps =
			overlay_xattr_read(o, i, CAPS_NAME, NULL, 0) < 0;
	if (i->delta->owns_xattrs ? !delta_xattr_find(i->delta, CAPS_NAME) :
				    i->delta->base_has_no_caps)
		return 0;
	err = overlay_add_own_xattrs(o, i, g);
	if (!err)
		add_xattr_gone(g, i->ino, CAPS_NAME);
	return err;
}

/* The access ACL; 0: there is none, or it is not valid. */
static ssize_t read_access_acl(struct overlay *o, struct inode *i, void *buf)
{
	ssize_t n = overlay_xattr_read(o, i, ACL_ACCESS_NAME, buf,
				       MAPFS_XATTR_VALUE_MAX);

	if (n == -ENODATA || n == -EOPNOTSUPP)
		return 0;
	if (n > 0 && acl_verify(buf, (size_t)n))
		return 0;
	return n;
}

int overlay_add_acl_chmod(struct overlay *o, struct inode *i, struct group *g,
			  mode_t mode)
{
	uint8_t *acl;
	ssize_t n;
	int err = 0;

	if (S_ISLNK(i->type))
		return 0;
	acl = malloc(MAPFS_XATTR_VALUE_MAX);
	if (!acl)
		return -ENOMEM;
	n = read_access_acl(o, i, acl);
	if (n < 0)
		err = (int)n;
	if (n > 0) {
		err = overlay_add_own_xattrs(o, i, g);
		acl_chmod(acl, (size_t)n, mode);
		add_xattr(g, i->ino, ACL_ACCESS_NAME, acl, (size_t)n);
	}
	free(acl);
	return err;
}

ssize_t overlay_getxattr(struct mapfs_view *v, mapfs_ino ino, const char *name,
			 void *buf, size_t len)
{
	struct overlay *o = overlay_of(v);
	struct rwlock *stripe;
	struct inode *i;
	ssize_t n;
	int err = overlay_get(o, ino, &i);

	if (err)
		return err;
	stripe = delta_stripe(&o->set, i);
	rwlock_read(stripe);
	n = overlay_xattr_read(o, i, name, buf, len);
	rwlock_unlock(stripe);
	overlay_put(o, i);
	return n;
}

static ssize_t list_own(const struct delta *d, char *buf, size_t len)
{
	size_t have = 0;

	for (const struct xattr *x = d->xattrs; x; x = x->next) {
		if (len > 0) {
			if (have + x->name_bytes > len)
				return -ERANGE;
			memcpy(buf + have, x->name, x->name_bytes);
		}
		have += x->name_bytes;
	}
	return (ssize_t)have;
}

ssize_t overlay_listxattr(struct mapfs_view *v, mapfs_ino ino, char *buf,
			  size_t len)
{
	struct overlay *o = overlay_of(v);
	struct rwlock *stripe;
	struct inode *i;
	ssize_t n = 0;
	int err = overlay_get(o, ino, &i);

	if (err)
		return err;
	stripe = delta_stripe(&o->set, i);
	rwlock_read(stripe);
	if (i->delta && i->delta->owns_xattrs)
		n = list_own(i->delta, buf, len);
	else if (overlay_has_base(o, i) && !i->is_foreign)
		n = ask_base_list(o, i, buf, len);
	rwlock_unlock(stripe);
	overlay_put(o, i);
	return n;
}

/* The mode as the ACL says; the ACL itself only if it says more. */
static int add_access_acl(struct inode *i, struct group *g,
			  const struct mapfs_setxattr *set)
{
	const void *value = set->value;
	const size_t len = set->len;
	struct record r = { .type = RECORD_ATTR, .attr = i->delta->attr };
	bool minimal;

	if (acl_verify(value, len))
		return -EINVAL;
	r.attr.mode = (r.attr.mode & ~(uint32_t)0777) |
		      acl_mode(value, len, &minimal);
	if (set->kill_sgid)
		r.attr.mode &= ~(uint32_t)S_ISGID;
	r.attr.ctime = overlay_now();
	if (minimal)
		add_xattr_gone(g, i->ino, ACL_ACCESS_NAME);
	else
		add_xattr(g, i->ino, ACL_ACCESS_NAME, value, len);
	group_add(g, &r);
	return 0;
}

static int add_default_acl(struct inode *i, struct group *g, const void *value,
			   size_t len)
{
	if (!S_ISDIR(i->type))
		return -EACCES;
	if (acl_verify(value, len))
		return -EINVAL;
	add_xattr(g, i->ino, ACL_DEFAULT_NAME, value, len);
	return 0;
}

static void add_ctime(struct inode *i, struct group *g)
{
	struct record r = { .type = RECORD_ATTR, .attr = i->delta->attr };

	r.attr.ctime = overlay_now();
	group_add(g, &r);
}

/*
 * A list that is too long for listxattr(2) could not be read by a backup or a
 * commit.  A file system without room for one more answers ENOSPC, too.
 */
static int check_list(struct overlay *o, struct inode *i, const char *name)
{
	ssize_t n;

	if (overlay_xattr_read(o, i, name, NULL, 0) >= 0)
		return 0;
	if (i->delta->owns_xattrs)
		n = list_own(i->delta, NULL, 0);
	else
		n = overlay_has_base(o, i) ?
			    base_listxattr(o->base, i, NULL, 0) :
			    0;
	return n > 0 && (size_t)n + strlen(name) + 1 > MAPFS_XATTR_LIST_MAX ?
		       -ENOSPC :
		       0;
}

static int check_existence(struct overlay *o, struct inode *i, const char *name,
			   int flags)
{
	ssize_t n = overlay_xattr_read(o, i, name, NULL, 0);

	if (n < 0 && n != -ENODATA)
		return (int)n;
	if (n >= 0 && (flags & XATTR_CREATE))
		return -EEXIST;
	if (n < 0 && (flags & XATTR_REPLACE))
		return -ENODATA;
	return 0;
}

static int setxattr_once(void *ctx)
{
	const struct setxattr_ctx *c = ctx;
	const struct mapfs_setxattr *set = c->set;
	struct overlay *o = c->o;
	const char *name = set->name;
	struct inode *i;
	struct group g;
	int err;

	err = check_namespace(name);
	if (err)
		return err;
	err = overlay_change_begin(o, c->ino, SPACE_GROWS, &i);
	if (err)
		return err;
	group_init(&g);
	err = check_existence(o, i, name, set->flags);
	if (!err)
		err = check_list(o, i, name);
	if (!err)
		err = overlay_add_own_xattrs(o, i, &g);
	if (!err && strcmp(name, ACL_ACCESS_NAME) == 0) {
		err = add_access_acl(i, &g, set);
	} else if (!err && strcmp(name, ACL_DEFAULT_NAME) == 0) {
		err = add_default_acl(i, &g, set->value, set->len);
		add_ctime(i, &g);
	} else if (!err) {
		add_xattr(&g, i->ino, name, set->value, set->len);
		add_ctime(i, &g);
	}
	if (!err)
		err = store_apply(o->store, &g, i);
	group_fini(&g);
	overlay_change_end(o, i);
	return err;
}

int overlay_setxattr(struct mapfs_view *v, mapfs_ino ino,
		     const struct mapfs_setxattr *set)
{
	struct setxattr_ctx c = { .o = overlay_of(v), .ino = ino, .set = set };

	return overlay_retry_full(c.o, setxattr_once, &c);
}

struct removexattr_ctx {
	struct overlay *o;
	mapfs_ino ino;
	const char *name;
};

static int removexattr_once(void *ctx)
{
	const struct removexattr_ctx *c = ctx;
	struct inode *i;
	struct group g;
	int err = overlay_change_begin(c->o, c->ino, SPACE_FREES, &i);

	if (err)
		return err;
	group_init(&g);
	g.space = SPACE_FREES;
	err = check_existence(c->o, i, c->name, XATTR_REPLACE);
	if (!err)
		err = overlay_add_own_xattrs(c->o, i, &g);
	if (!err) {
		add_xattr_gone(&g, i->ino, c->name);
		add_ctime(i, &g);
		err = store_apply(c->o->store, &g, i);
	}
	group_fini(&g);
	overlay_change_end(c->o, i);
	return err;
}

int overlay_removexattr(struct mapfs_view *v, mapfs_ino ino, const char *name)
{
	struct removexattr_ctx c = {
		.o = overlay_of(v),
		.ino = ino,
		.name = name,
	};

	return overlay_retry_full(c.o, removexattr_once, &c);
}
