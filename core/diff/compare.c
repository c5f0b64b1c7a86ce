/* SPDX-License-Identifier: MIT */
/*
 * Attributes, content, xattrs and targets are compared.  Attributes that change
 * with names or with reading do not count: the number of links, change and
 * access times, and the modification time of a directory.
 */
#include "compare.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "content.h"
#include "core/lib/timespec.h"

/* The names of all xattrs, for the caller to free. */
static ssize_t list_xattrs(struct differ *d, const struct diff_object *o,
			   char **out)
{
	ssize_t n;

	*out = malloc(XATTR_LIST_MAX);
	if (!*out)
		return -ENOMEM;
	n = object_listxattr(d, o, *out, XATTR_LIST_MAX);
	return n == -EOPNOTSUPP ? 0 : n;
}

static size_t count_names(const char *list, ssize_t n)
{
	size_t count = 0;

	for (ssize_t at = 0; at < n; at += (ssize_t)strlen(list + at) + 1)
		count++;
	return count;
}

static int compare_values(struct differ *d,
			  const struct diff_object *const s[2],
			  const char *name, bool *same)
{
	char *value = malloc(2 * XATTR_SIZE_MAX);
	ssize_t a;
	ssize_t b;

	if (!value)
		return -ENOMEM;
	a = object_getxattr(d, s[OLD], name, value, XATTR_SIZE_MAX);
	b = object_getxattr(d, s[NEW], name, value + XATTR_SIZE_MAX,
			    XATTR_SIZE_MAX);
	*same = a == b &&
		(a < 0 || !memcmp(value, value + XATTR_SIZE_MAX, (size_t)a));
	free(value);
	if (a < 0 && a != -ENODATA)
		return (int)a;
	return b < 0 && b != -ENODATA ? (int)b : 0;
}

static int compare_xattrs(struct differ *d,
			  const struct diff_object *const s[2],
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

static int compare_targets(struct differ *d, const struct diff_object *a,
			   const struct diff_object *b, struct difference *out)
{
	char *target[SIDES] = { malloc(PATH_MAX), malloc(PATH_MAX) };
	ssize_t n = -ENOMEM;
	ssize_t m = -ENOMEM;

	if (target[OLD] && target[NEW]) {
		n = object_readlink(d, a, target[OLD], PATH_MAX);
		m = object_readlink(d, b, target[NEW], PATH_MAX);
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

static void compare_attrs(const struct mapfs_diff_side *a,
			  const struct mapfs_diff_side *b,
			  struct difference *out)
{
	if ((a->mode & 07777) != (b->mode & 07777))
		out->what |= MAPFS_WHAT_MODE;
	if (a->uid != b->uid || a->gid != b->gid)
		out->what |= MAPFS_WHAT_OWNER;
	if (!S_ISDIR(a->mode) && !timespec_is_equal(a->mtime, b->mtime))
		out->what |= MAPFS_WHAT_TIME;
}

static bool owns_xattrs(const struct diff_object *o)
{
	return o->changed && o->changed->owns_xattrs;
}

static int compare_all(struct differ *d, const struct diff_object *a,
		       const struct diff_object *b, struct difference *out)
{
	const struct diff_object *const both[SIDES] = { a, b };
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
 * Both are of the same type, unless the base lost the object meanwhile.  Its
 * content is then not known any more: the entry says that it differs, and the
 * comparison continues with the other objects.
 */
int objects_compare(struct differ *d, const struct diff_object *a,
		    const struct diff_object *b, struct difference *out)
{
	int err = -ESTALE;

	*out = (struct difference){ 0 };
	/* Only that it is in the delta is known. */
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
