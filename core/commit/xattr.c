/* SPDX-License-Identifier: MIT */
/*
 * Only differences are written: setting an attribute changes the ctime even if
 * the value is the same, and may need a right that the user does not have.
 */
#include "xattr.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

#include "core/lib/fault.h"
#include "core/lib/path.h"

static int read_list(const char *path, char **list, size_t *len)
{
	char *buf = malloc(XATTR_LIST_MAX);
	ssize_t n;

	if (!buf)
		return -ENOMEM;
	n = listxattr(path, buf, XATTR_LIST_MAX);
	if (n < 0 && (errno == EOPNOTSUPP || errno == EPERM))
		n = 0;
	if (n < 0) {
		int err = -errno;

		free(buf);
		return err;
	}
	*list = buf;
	*len = (size_t)n;
	return 0;
}

int xattrs_read(int fd, struct plan_state *s)
{
	char path[PATH_OF_FD_BYTES];
	char *list = NULL;
	uint8_t *value;
	size_t len = 0;
	int err;

	path_of_fd(fd, path);
	err = read_list(path, &list, &len);
	if (err)
		return err;
	value = malloc(XATTR_SIZE_MAX);
	if (!value)
		err = -ENOMEM;
	for (const char *p = list; !err && p < list + len; p += strlen(p) + 1) {
		ssize_t n = getxattr(path, p, value, XATTR_SIZE_MAX);

		if (n >= 0)
			err = plan_add_xattr(s, p, value, (size_t)n);
		else if (errno != ENODATA)
			err = -errno;
	}
	free(value);
	free(list);
	return err;
}

static const struct plan_xattr *find_xattr(const struct plan_state *s,
					   const char *name)
{
	for (size_t i = 0; i < s->xattr_count; i++)
		if (strcmp(s->xattrs[i].name, name) == 0)
			return &s->xattrs[i];
	return NULL;
}

static bool same_value(const struct plan_xattr *a, const struct plan_xattr *b)
{
	return a && b && a->value_bytes == b->value_bytes &&
	       memcmp(a->value, b->value, a->value_bytes) == 0;
}

/* A label that a security module gives by itself cannot always be removed. */
static bool is_label(const char *name)
{
	return strncmp(name, "security.", 9) == 0 &&
	       strcmp(name, "security.capability") != 0;
}

int xattrs_write(int fd, const struct plan_state *s)
{
	struct plan_state now = { 0 };
	char path[PATH_OF_FD_BYTES];
	int err = fault_point("commit.xattr");

	if (!err)
		err = xattrs_read(fd, &now);
	path_of_fd(fd, path);
	for (size_t i = 0; !err && i < now.xattr_count; i++) {
		const char *name = now.xattrs[i].name;

		if (!find_xattr(s, name) && removexattr(path, name) < 0 &&
		    errno != ENODATA && !is_label(name))
			err = -errno;
	}
	for (size_t i = 0; !err && i < s->xattr_count; i++) {
		const struct plan_xattr *x = &s->xattrs[i];

		if (!same_value(find_xattr(&now, x->name), x) &&
		    setxattr(path, x->name, x->value, x->value_bytes, 0) < 0)
			err = -errno;
	}
	for (size_t i = 0; i < now.xattr_count; i++) {
		free(now.xattrs[i].name);
		free(now.xattrs[i].value);
	}
	free(now.xattrs);
	return err;
}
