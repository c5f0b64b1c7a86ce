/* SPDX-License-Identifier: MIT */
/*
 * The same view gives the same bytes: entries and extended attributes are in
 * the order of their names, and nothing depends on the time or the user.
 */
#include "write.h"

#include <archive_entry.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "collect.h"
#include "core/lib/path.h"
#include "format.h"
#include "tools/lib/progress.h"
#include "tools/lib/text.h"
#include "tools/lib/viewpath.h"
#include "write_ctx.h"

#define XATTR_LIST_BYTES ((size_t)1 << 16)

static int archive_failed(struct layer_write *l)
{
	int code = archive_errno(l->archive);

	if (code == EINTR)
		return -EINTR;
	say("layer: %s; write it to another file",
	    code > 0 ? strerror(code) : archive_error_string(l->archive));
	l->is_said = true;
	return -EIO;
}

static int by_text(const void *a, const void *b)
{
	const char *const *x = a;
	const char *const *y = b;

	return strcmp(*x, *y);
}

/* libarchive would encode other names in a way that no reader decodes. */
static bool xattr_is_plain(const char *name)
{
	for (; *name; name++) {
		if (*name <= ' ' || *name > '~' || *name == '=' || *name == '%')
			return false;
	}
	return true;
}

static int xattr_put(struct layer_write *l, mapfs_ino ino, const char *name,
		     struct archive_entry *entry)
{
	ssize_t n;

	if (!xattr_is_plain(name)) {
		say("%s: a layer cannot have its extended attribute %s; remove "
		    "it",
		    archive_entry_pathname(entry), name);
		l->is_said = true;
		return -EINVAL;
	}
	n = mapfs_getxattr(l->view, ino, name, l->buf, LAYER_IO_BYTES);
	if (n < 0)
		return n == -ENODATA ? 0 : (int)n;
	archive_entry_xattr_add_entry(entry, name, l->buf, (size_t)n);
	return 0;
}

static int xattrs_put(struct layer_write *l, mapfs_ino ino,
		      struct archive_entry *entry)
{
	char *list = malloc(XATTR_LIST_BYTES);
	const char **names = NULL;
	size_t count = 0;
	ssize_t n;
	int err = 0;

	if (!list)
		return -ENOMEM;
	n = mapfs_listxattr(l->view, ino, list, XATTR_LIST_BYTES);
	if (n > 0)
		names = calloc((size_t)n, sizeof(*names));
	if (n < 0)
		err = n == -EOPNOTSUPP ? 0 : (int)n;
	else if (n > 0 && !names)
		err = -ENOMEM;
	for (char *p = list; names && p < list + n; p += strlen(p) + 1)
		names[count++] = p;
	if (count > 0)
		qsort(names, count, sizeof(*names), by_text);
	for (size_t i = 0; i < count && !err; i++)
		err = xattr_put(l, ino, names[i], entry);
	free(names);
	free(list);
	return err;
}

static int content_write(struct layer_write *l, const struct layer_item *it)
{
	uint64_t off = 0;

	while (off < it->attr.size_bytes) {
		ssize_t n = mapfs_read(l->view, mapfs_file_of(it->attr.ino),
				       l->buf, LAYER_IO_BYTES, off);

		if (n == 0)
			return -EIO;
		if (n < 0)
			return (int)n;
		if (progress_interrupted())
			return -EINTR;
		if (archive_write_data(l->archive, l->buf, (size_t)n) < n)
			return archive_failed(l);
		off += (uint64_t)n;
		l->done_bytes += (uint64_t)n;
		progress_update(l->done_bytes);
	}
	return 0;
}

/* A mark is an empty file: its name says all. */
static int mark_write(struct layer_write *l, const char *name)
{
	struct archive_entry *entry = archive_entry_new();
	int err = 0;

	if (!entry)
		return -ENOMEM;
	archive_entry_copy_pathname(entry, name);
	archive_entry_set_filetype(entry, AE_IFREG);
	archive_entry_set_perm(entry, 0);
	archive_entry_set_size(entry, 0);
	archive_entry_set_mtime(entry, 0, 0);
	if (archive_write_header(l->archive, entry) < ARCHIVE_WARN)
		err = archive_failed(l);
	archive_entry_free(entry);
	return err;
}

static int type_fill(struct layer_write *l, struct layer_item *it,
		     struct archive_entry *entry)
{
	ssize_t n;

	if (S_ISREG(it->attr.mode))
		archive_entry_set_size(entry, (int64_t)it->attr.size_bytes);
	if (S_ISCHR(it->attr.mode) || S_ISBLK(it->attr.mode))
		archive_entry_set_rdev(entry, it->attr.rdev);
	if (!S_ISLNK(it->attr.mode))
		return 0;
	n = mapfs_readlink(l->view, it->attr.ino, l->buf, PATH_MAX);
	if (n < 0)
		return (int)n;
	l->buf[n] = '\0';
	archive_entry_copy_symlink(entry, l->buf);
	return 0;
}

/* The header of an object.  *has_content: its bytes follow. */
static int header_fill(struct layer_write *l, struct layer_item *it,
		       struct archive_entry *entry, bool *has_content)
{
	struct layer_links *g;

	archive_entry_copy_pathname(entry, it->name);
	archive_entry_set_mode(entry, it->attr.mode);
	archive_entry_set_uid(entry, it->attr.uid);
	archive_entry_set_gid(entry, it->attr.gid);
	archive_entry_set_mtime(entry, it->attr.mtime.tv_sec,
				it->attr.mtime.tv_nsec);
	HASH_FIND(hh, l->groups, &it->attr.ino, sizeof(it->attr.ino), g);
	*has_content = S_ISREG(it->attr.mode) && !(g && g->written);
	if (g && g->written) {
		archive_entry_copy_hardlink(entry, g->written);
		archive_entry_set_size(entry, 0);
		return 0;
	}
	if (g)
		g->written = it->name;
	if (type_fill(l, it, entry) < 0)
		return -EIO;
	return xattrs_put(l, it->attr.ino, entry);
}

/* Its inode number stays valid as long as the caller holds a count. */
static int object_write_counted(struct layer_write *l, struct layer_item *it)
{
	struct archive_entry *entry = archive_entry_new();
	bool has_content = false;
	int err = entry ? header_fill(l, it, entry, &has_content) : -ENOMEM;

	if (!err && archive_write_header(l->archive, entry) < ARCHIVE_WARN)
		err = archive_failed(l);
	archive_entry_free(entry);
	return !err && has_content ? content_write(l, it) : err;
}

static int object_write(struct layer_write *l, struct layer_item *it)
{
	struct mapfs_entry e;
	char *opaque;
	int err;

	if (S_ISSOCK(it->attr.mode)) {
		say("%s: a socket cannot be in a tar; it is left out",
		    it->path);
		return 0;
	}
	err = viewpath_lookup(l->view, it->path, &e);
	if (err)
		return err;
	err = object_write_counted(l, it);
	viewpath_put(l->view, &e);
	if (err || !it->is_opaque)
		return err;
	err = path_join(&opaque, it->path, LAYER_OPAQUE);
	if (err)
		return err;
	err = mark_write(l, opaque);
	free(opaque);
	return err;
}

/* 1: the view does not have all of it, and it is not written. */
static int object_check(struct layer_write *l, const struct layer_item *it)
{
	enum mapfs_held held;
	struct mapfs_entry e;
	int err = viewpath_lookup(l->view, it->path, &e);

	if (err)
		return err;
	err = mapfs_held(l->view, e.attr.ino, &held);
	viewpath_put(l->view, &e);
	if (err || held == MAPFS_HELD_ALL)
		return err;
	/* The attributes of a directory are written without its names. */
	if (S_ISDIR(it->attr.mode))
		return held == MAPFS_HELD_NOTHING;
	layer_partial_say(l, it->path, "only parts of it were changed");
	return 1;
}

static int item_write(struct layer_write *l, struct layer_item *it)
{
	int err = it->is_object ? object_check(l, it) : 0;

	if (err > 0)
		return 0;
	if (progress_interrupted())
		return -EINTR;
	if (!err)
		err = it->is_object ? object_write(l, it) :
				      mark_write(l, it->name);
	if (err && err != -EINTR && !l->is_said) {
		say("%s: cannot be exported: %s; see mapfs status", it->path,
		    strerror(-err));
		l->is_said = true;
	}
	return err;
}

/* In another base the names that only the lost one had are other files. */
static void say_unknown_links(struct layer_write *l)
{
	for (const struct layer_links *g = l->groups; g; g = g->hh.next)
		if (!l->has_base && g->written && g->known < g->nlink) {
			say("%s: had more names in the base that is gone; "
			    "they are left out",
			    g->written);
			l->is_partial = true;
		}
}

static int items_write(struct layer_write *l)
{
	int err = 0;

	for (struct layer_item *it = l->items; it && it->name && !err;
	     it = it->hh.next)
		err = item_write(l, it);
	if (!err)
		say_unknown_links(l);
	return err;
}

static void layer_write_fini(struct layer_write *l)
{
	struct layer_item *it = l->items;
	struct layer_item *it_next;
	struct layer_links *g = l->groups;
	struct layer_links *g_next;

	/* Without the table the elements are still a list. */
	HASH_CLEAR(hh, l->items);
	for (; it; it = it_next) {
		it_next = it->hh.next;
		free(it->name);
		free(it);
	}
	HASH_CLEAR(hh, l->groups);
	for (; g; g = g_next) {
		g_next = g->hh.next;
		free(g);
	}
	layer_lost_fini(l->lost);
	free(l->buf);
}

int layer_write(struct mapfs_view *view, bool has_base, struct archive *a,
		bool *is_partial)
{
	struct layer_write l = {
		.view = view,
		.archive = a,
		.has_base = has_base,
		.buf = malloc(LAYER_IO_BYTES),
	};
	int err = l.buf ? layer_collect(&l) : -ENOMEM;

	if (!err) {
		progress_set_total(l.all_bytes);
		err = items_write(&l);
	}
	if (err && err != -EINTR && !l.is_said)
		say("layer: the changes cannot be listed: %s; see mapfs status",
		    strerror(-err));
	*is_partial = l.is_partial;
	layer_write_fini(&l);
	return err;
}
