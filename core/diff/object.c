/* SPDX-License-Identifier: MIT */
/*
 * One object compared with another, or with itself as the other side has it.
 * What follows from names and from being looked at does not count: links,
 * change and access times, and the modification time of a directory.
 */
#include "diff_priv.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static void show_changed(const struct side_inode *si,
			 struct mapfs_diff_side *out)
{
	const struct record_attr *a = &si->attr;

	*out = (struct mapfs_diff_side){
		.ino = a->ino,
		.mode = a->mode,
		.uid = a->uid,
		.gid = a->gid,
		.nlink = a->nlink,
		.size_bytes = a->size_bytes,
		.mtime = a->mtime,
	};
}

static void show_base(const struct base_facts *f, struct mapfs_diff_side *out)
{
	*out = (struct mapfs_diff_side){
		.ino = f->ino,
		.mode = f->mode,
		.uid = f->uid,
		.gid = f->gid,
		.nlink = f->nlink,
		.size_bytes = f->size_bytes,
		.mtime = f->mtime,
	};
}

/* The inode of what the base has at the edge. */
static int open_base(struct differ *d, const struct edge *e, enum side where,
		     struct subject *out)
{
	const struct base_facts *f = &e->facts[where];
	struct dnode *dir = e->dir;
	struct inode *above;
	int err = 0;

	if (!e->dir || f->is_foreign || base_is_absent(d->to->base))
		return 0;
	if (where == NEW)
		err = dnode_on(d, e->dir, NEW, &dir);
	if (!dir)
		dir = e->dir;
	if (!err)
		err = dnode_inode(d, dir, &above);
	if (!err)
		err = itable_get_or_add(d->to->itable, f->ino, f->generation,
					f->mode & S_IFMT, above, e->name, false,
					&out->inode);
	out->held = !err;
	return err;
}

int subject_init(struct differ *d, enum side s, const struct edge *e,
		 enum side where, const struct object *object,
		 struct subject *out)
{
	struct side_inode *si = side_inode(&d->side[s], object->id);

	*out = (struct subject){ .id = object->id, .changed = si };
	if (si) {
		out->o = d->side[s].o;
		out->inode = si->inode;
		out->rdev = si->rdev;
		show_changed(si, &out->shown);
		return 0;
	}
	show_base(&e->facts[where], &out->shown);
	out->rdev = e->facts[where].rdev;
	if (!e->dir)
		out->inode = d->root->inode;
	return open_base(d, e, where, out);
}

void subject_fini(struct differ *d, struct subject *s)
{
	if (s->held)
		overlay_put(d->to, s->inode);
}

static ssize_t get_xattr(struct differ *d, const struct subject *s,
			 const char *name, void *buf, size_t len)
{
	if (s->o)
		return overlay_getxattr(&s->o->view, s->inode->ino, name, buf,
					len);
	return base_getxattr(d->to->base, s->inode, name, buf, len);
}

struct mapfs_diff_side subject_show(struct differ *d, const struct subject *s)
{
	struct mapfs_diff_side shown = s->shown;

	if (S_ISCHR(shown.mode) || S_ISBLK(shown.mode))
		shown.rdev = s->rdev;
	/* As good as a set-uid bit of root's. */
	if (S_ISREG(shown.mode) && s->inode)
		shown.has_capability =
			get_xattr(d, s, "security.capability", NULL, 0) > 0;
	return shown;
}

/* Names into fresh memory of XATTR_LIST_MAX bytes. */
static ssize_t list_xattrs(struct differ *d, const struct subject *s,
			   char **out)
{
	ssize_t n = 0;

	*out = malloc(XATTR_LIST_MAX);
	if (!*out)
		return -ENOMEM;
	if (s->o)
		n = overlay_listxattr(&s->o->view, s->inode->ino, *out,
				      XATTR_LIST_MAX);
	else if (s->inode)
		n = base_listxattr(d->to->base, s->inode, *out, XATTR_LIST_MAX);
	return n == -EOPNOTSUPP ? 0 : n;
}

static size_t count_names(const char *list, ssize_t n)
{
	size_t count = 0;

	for (ssize_t at = 0; at < n; at += (ssize_t)strlen(list + at) + 1)
		count++;
	return count;
}

static int compare_values(struct differ *d, const struct subject *const s[2],
			  const char *name, bool *same)
{
	char *value = malloc(2 * XATTR_SIZE_MAX);
	ssize_t a;
	ssize_t b;

	if (!value)
		return -ENOMEM;
	a = get_xattr(d, s[OLD], name, value, XATTR_SIZE_MAX);
	b = get_xattr(d, s[NEW], name, value + XATTR_SIZE_MAX, XATTR_SIZE_MAX);
	*same = a == b &&
		(a < 0 || !memcmp(value, value + XATTR_SIZE_MAX, (size_t)a));
	free(value);
	if (a < 0 && a != -ENODATA)
		return (int)a;
	return b < 0 && b != -ENODATA ? (int)b : 0;
}

static int compare_xattrs(struct differ *d, const struct subject *const s[2],
			  struct difference *out)
{
	char *list[SIDES] = { NULL, NULL };
	ssize_t n[SIDES] = { 0, 0 };
	bool same;
	int err = 0;

	for (int i = OLD; i < SIDES && !err; i++) {
		n[i] = list_xattrs(d, s[i], &list[i]);
		err = n[i] < 0 ? (int)n[i] : 0;
	}
	same = !err &&
	       count_names(list[OLD], n[OLD]) == count_names(list[NEW], n[NEW]);
	for (ssize_t at = 0; !err && same && at < n[OLD];
	     at += (ssize_t)strlen(list[OLD] + at) + 1)
		err = compare_values(d, s, list[OLD] + at, &same);
	if (!err && !same)
		out->what |= MAPFS_WHAT_XATTR;
	free(list[OLD]);
	free(list[NEW]);
	return err;
}

static ssize_t read_target(struct differ *d, const struct subject *s, char *buf)
{
	if (s->o)
		return overlay_readlink(&s->o->view, s->inode->ino, buf,
					PATH_MAX);
	return base_readlink(d->to->base, s->inode, buf, PATH_MAX);
}

static int compare_targets(struct differ *d, const struct subject *a,
			   const struct subject *b, struct difference *out)
{
	char *target[SIDES] = { malloc(PATH_MAX), malloc(PATH_MAX) };
	ssize_t n = -ENOMEM;
	ssize_t m = -ENOMEM;

	if (target[OLD] && target[NEW]) {
		n = read_target(d, a, target[OLD]);
		m = read_target(d, b, target[NEW]);
	}
	if (n >= 0 && m >= 0 &&
	    (n != m || memcmp(target[OLD], target[NEW], (size_t)n) != 0))
		out->what |= MAPFS_WHAT_CONTENT;
	free(target[OLD]);
	free(target[NEW]);
	if (n < 0)
		return (int)n;
	return m < 0 ? (int)m : 0;
}

static bool is_same_time(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static void compare_attrs(const struct mapfs_diff_side *a,
			  const struct mapfs_diff_side *b,
			  struct difference *out)
{
	if ((a->mode & 07777) != (b->mode & 07777))
		out->what |= MAPFS_WHAT_MODE;
	if (a->uid != b->uid || a->gid != b->gid)
		out->what |= MAPFS_WHAT_OWNER;
	if (!S_ISDIR(a->mode) && !is_same_time(a->mtime, b->mtime))
		out->what |= MAPFS_WHAT_TIME;
}

static bool owns_xattrs(const struct subject *s)
{
	return s->changed && s->changed->owns_xattrs;
}

static int compare_all(struct differ *d, const struct subject *a,
		       const struct subject *b, struct difference *out)
{
	const struct subject *const both[SIDES] = { a, b };
	const bool is_same = a->id == b->id;
	int err = 0;

	if (is_same && !a->changed && !b->changed)
		return 0;
	compare_attrs(&a->shown, &b->shown, out);
	if (S_ISREG(a->shown.mode))
		err = content_compare(d, a, b, out);
	else if (S_ISLNK(a->shown.mode) && !is_same)
		err = compare_targets(d, a, b, out);
	else if ((S_ISCHR(a->shown.mode) || S_ISBLK(a->shown.mode)) &&
		 a->rdev != b->rdev)
		out->what |= MAPFS_WHAT_CONTENT;
	if (!err && (!is_same || owns_xattrs(a) || owns_xattrs(b)))
		err = compare_xattrs(d, both, out);
	return err;
}

/*
 * Both are of the same type, unless the base lost the object meanwhile; then
 * what it was nobody can say any more, and all else is still to be told.
 */
int subject_compare(struct differ *d, const struct subject *a,
		    const struct subject *b, struct difference *out)
{
	int err = -ESTALE;

	*out = (struct difference){ 0 };
	/* It is in the delta, and more nobody can say. */
	if (base_is_absent(d->to->base) && !(a->o && b->o)) {
		out->what = MAPFS_WHAT_CONTENT;
		return 0;
	}
	if ((a->shown.mode & S_IFMT) == (b->shown.mode & S_IFMT))
		err = compare_all(d, a, b, out);
	if (err != -ESTALE && err != -ENOENT)
		return err;
	difference_fini(out);
	if (!S_ISDIR(b->shown.mode))
		out->what = MAPFS_WHAT_CONTENT;
	return 0;
}

void difference_fini(struct difference *diff)
{
	free(diff->ranges);
	*diff = (struct difference){ 0 };
}
