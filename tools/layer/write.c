/* SPDX-License-Identifier: MIT */
/*
 * Collects first, for a layer cannot be written as the differences come:
 *
 *    a renamed directory   a whiteout at the old place, everything below it
 *                          at the new one
 *    a hard link           all names of the file, also unchanged ones: a
 *                          layer can only link to what it brings itself
 *    a changed name        the directories it is in, for their times
 *
 * The same view gives the same bytes: entries in the order of their names,
 * xattrs in the order of theirs, and nothing that depends on when or who.
 */
#include "layer.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <uthash.h>

#include "lost.h"
#include "tools/lib/progress.h"
#include "tools/lib/text.h"
#include "tools/lib/viewpath.h"

#define DEPTH_MOST 2000
#define XATTR_LIST_BYTES ((size_t)1 << 16)

/* What the layer says of one path of the base or the view. */
struct item {
	UT_hash_handle hh;
	bool is_object; /* else a whiteout */
	bool is_gone;	/* what the base has there is gone */
	bool is_opaque; /* and is hidden by a mark below it */
	bool is_whole;	/* all below is in the layer */
	struct mapfs_attr attr;
	char *name; /* in the tar */
	char path[];
};

/* A file with several names. */
struct link_group {
	UT_hash_handle hh;
	mapfs_ino ino;
	uint32_t nlink;
	uint32_t known;	     /* names that are in the layer */
	const char *written; /* the first one, an item's */
};

struct layer_write {
	struct mapfs_view *view;
	struct archive *archive;
	struct item *items;
	struct link_group *groups;
	uint64_t all_bytes;
	uint64_t done_bytes;
	char *buf;    /* LAYER_IO_BYTES */
	bool is_said; /* the error */
	bool has_base;
	bool is_partial; /* something had to be left out */
	struct layer_lost *lost;
};

static struct item *item_find(struct layer_write *l, const char *path)
{
	struct item *it;

	HASH_FIND_STR(l->items, path, it);
	return it;
}

static struct item *item_add(struct layer_write *l, const char *path)
{
	size_t n = strlen(path);
	struct item *it = item_find(l, path);

	if (it)
		return it;
	it = calloc(1, sizeof(*it) + n + 1);
	if (!it)
		return NULL;
	memcpy(it->path, path, n);
	HASH_ADD_STR(l->items, path, it);
	return it;
}

/* "" for a name in the root; the caller's to free. */
static char *path_above(const char *path)
{
	const char *slash = strrchr(path, '/');

	return strndup(path, slash ? (size_t)(slash - path) : 0);
}

/* --- collecting ---------------------------------------------------------- */

static int group_note(struct layer_write *l, const struct mapfs_attr *attr)
{
	struct link_group *g;

	if (S_ISDIR(attr->mode) || attr->nlink < 2)
		return 0;
	HASH_FIND(hh, l->groups, &attr->ino, sizeof(attr->ino), g);
	if (!g) {
		g = calloc(1, sizeof(*g));
		if (!g)
			return -ENOMEM;
		g->ino = attr->ino;
		g->nlink = attr->nlink;
		HASH_ADD(hh, l->groups, ino, sizeof(g->ino), g);
	}
	g->known++;
	return 0;
}

/* The object at `path` of the view; 1: there is none. */
static int object_add(struct layer_write *l, const char *path,
		      struct item **out)
{
	struct item *it = item_add(l, path);
	struct mapfs_entry e;
	int err;

	if (!it)
		return -ENOMEM;
	*out = it;
	if (it->attr.ino)
		return 0;
	err = viewpath_lookup(l->view, path, &e);
	if (err)
		return err;
	it->is_object = true;
	it->attr = e.attr;
	viewpath_put(l->view, &e);
	if (S_ISREG(it->attr.mode))
		l->all_bytes += it->attr.size_bytes;
	return group_note(l, &it->attr);
}

struct children {
	char **all;
	size_t count;
	int err;
};

static int child_add(void *arg, const struct mapfs_dirent *d)
{
	struct children *c = arg;
	char **more;

	if (strcmp(d->name, ".") == 0 || strcmp(d->name, "..") == 0)
		return 0;
	more = realloc(c->all, (c->count + 1) * sizeof(*more));
	if (more) {
		c->all = more;
		more[c->count] = strdup(d->name);
	}
	if (!more || !more[c->count]) {
		c->err = -ENOMEM;
		return 1;
	}
	c->count++;
	return 0;
}

/* Calls fn with the path of each name in a directory. */
static int children_iterate(struct layer_write *l, const char *path,
			    int (*fn)(struct layer_write *l, const char *path,
				      int depth),
			    int depth)
{
	struct children c = { 0 };
	struct mapfs_entry dir;
	int err = viewpath_lookup(l->view, path, &dir);

	if (err)
		return err;
	err = mapfs_readdir(l->view, dir.attr.ino,
			    &(struct mapfs_readdir){ .fn = child_add,
						     .arg = &c });
	if (!err)
		err = c.err;
	viewpath_put(l->view, &dir);
	for (size_t i = 0; i < c.count; i++) {
		char *child = err ? NULL : text_join(path, c.all[i]);

		if (!err)
			err = child ? fn(l, child, depth) : -ENOMEM;
		free(child);
		free(c.all[i]);
	}
	free(c.all);
	return err;
}

static int tree_add(struct layer_write *l, const char *path, int depth)
{
	struct item *it;
	int err = object_add(l, path, &it);

	if (err || !S_ISDIR(it->attr.mode) || it->is_whole)
		return err;
	it->is_whole = true;
	return depth > DEPTH_MOST ?
		       -ENAMETOOLONG :
		       children_iterate(l, path, tree_add, depth + 1);
}

static int whiteout_add(struct layer_write *l, const char *path)
{
	struct item *it = item_add(l, path);

	if (it)
		it->is_gone = true;
	return it ? 0 : -ENOMEM;
}

static void say_partial(struct layer_write *l, const char *path,
			const char *what)
{
	say("%s: %s; the rest was in the base that is gone, and is left out",
	    path, what);
	l->is_partial = true;
}

/* Where not all of it can be given, the old place keeps it. */
static int renamed_add(struct layer_write *l, const struct mapfs_diff_entry *e)
{
	enum mapfs_held held;
	struct mapfs_entry entry;
	int err = viewpath_lookup(l->view, e->path, &entry);

	if (err)
		return err;
	err = mapfs_held(l->view, entry.attr.ino, &held);
	viewpath_put(l->view, &entry);
	if (!err && held == MAPFS_HELD_ALL)
		err = whiteout_add(l, e->old_path);
	else if (!err && S_ISDIR(entry.attr.mode))
		say_partial(l, e->path, "renamed here with all that is in it");
	return err ? err : tree_add(l, e->path, 0);
}

static int difference_add(void *arg, const struct mapfs_diff_entry *e)
{
	struct layer_write *l = arg;
	struct item *it;
	int err;

	if (progress_interrupted())
		return -EINTR;
	if (e->change != MAPFS_DELETED && !S_ISDIR(e->new_side.mode) &&
	    layer_lost_is_theirs(l->lost, e->path))
		return 0;
	switch (e->change) {
	case MAPFS_RETYPED:
		/* Nobody knows what it hides: it must not shine through. */
		err = !l->has_base && S_ISDIR(e->new_side.mode) ?
			      whiteout_add(l, e->path) :
			      0;
		return err ? err : object_add(l, e->path, &it);
	case MAPFS_ADDED:
	case MAPFS_MODIFIED:
		return object_add(l, e->path, &it);
	case MAPFS_DELETED:
		return whiteout_add(l, e->old_path);
	case MAPFS_RENAMED:
		return renamed_add(l, e);
	}
	abort();
}

static bool group_is_complete(const struct layer_write *l)
{
	for (struct link_group *g = l->groups; g; g = g->hh.next) {
		if (g->known < g->nlink)
			return false;
	}
	return true;
}

/* Adds every name of the files that are in the layer under some. */
static int links_find(struct layer_write *l, const char *path, int depth)
{
	struct mapfs_entry e;
	struct link_group *g;
	struct item *it;
	int err;

	if (depth > DEPTH_MOST)
		return -ENAMETOOLONG;
	if (progress_interrupted())
		return -EINTR;
	err = viewpath_lookup(l->view, path, &e);
	if (err)
		return err;
	viewpath_put(l->view, &e);
	if (S_ISDIR(e.attr.mode))
		return children_iterate(l, path, links_find, depth + 1);
	HASH_FIND(hh, l->groups, &e.attr.ino, sizeof(e.attr.ino), g);
	return g ? object_add(l, path, &it) : 0;
}

/* The directory that a name is in, unless that is gone. */
static int parent_add(struct layer_write *l, const char *path)
{
	char *above = path_above(path);
	struct mapfs_entry e;
	struct item *dir;
	int err = above ? viewpath_lookup(l->view, above, &e) : -ENOMEM;

	if (!err) {
		viewpath_put(l->view, &e);
		if (S_ISDIR(e.attr.mode))
			err = object_add(l, above, &dir);
	} else if (err == -ENOENT || err == -ENOTDIR || err == -ELOOP) {
		err = 0;
	}
	free(above);
	return err;
}

/* What is added comes behind, and gets its own in turn. */
static int parents_add(struct layer_write *l)
{
	int err = 0;

	for (struct item *it = l->items; it && !err; it = it->hh.next) {
		if (*it->path)
			err = parent_add(l, it->path);
	}
	return err;
}

/* --- which whiteouts are needed ------------------------------------------ */

/* Is the way to it gone from the base already, or never of the base? */
static bool is_covered(struct layer_write *l, const struct item *it)
{
	char *path = strdup(it->path);
	bool found = false;
	char *slash;

	while (path && !found && (slash = strrchr(path, '/'))) {
		const struct item *up;

		*slash = '\0';
		up = item_find(l, path);
		found = up && (!up->is_object || up->is_whole ||
			       !S_ISDIR(up->attr.mode));
	}
	free(path);
	return found;
}

/* Its name in the tar; 1: it is not needed. */
static int item_name(struct layer_write *l, struct item *it)
{
	const char *slash = strrchr(it->path, '/');
	const char *last = slash ? slash + 1 : it->path;
	size_t above = (size_t)(last - it->path);

	if (strncmp(last, LAYER_WHITEOUT, strlen(LAYER_WHITEOUT)) == 0) {
		say("%s: a layer cannot have a name that begins with %s; "
		    "rename it",
		    it->path, LAYER_WHITEOUT);
		l->is_said = true;
		return -EINVAL;
	}
	if (it->is_object) {
		it->name = strdup(*it->path ? it->path : ".");
		return it->name ? 0 : -ENOMEM;
	}
	if (is_covered(l, it))
		return 1;
	if (asprintf(&it->name, "%.*s%s%s", (int)above, it->path,
		     LAYER_WHITEOUT, last) < 0) {
		it->name = NULL;
		return -ENOMEM;
	}
	return 0;
}

/* What is not written has no name, and comes last. */
static int by_name(const struct item *a, const struct item *b)
{
	if (!a->name || !b->name)
		return !a->name - !b->name;
	return strcmp(a->name, b->name);
}

static int items_sort(struct layer_write *l)
{
	int err = 0;

	for (struct item *it = l->items; it && err >= 0; it = it->hh.next)
		err = item_name(l, it);
	HASH_SORT(l->items, by_name);
	return err < 0 ? err : 0;
}

/* --- writing ------------------------------------------------------------- */

static int archive_failed(struct layer_write *l)
{
	int code = archive_errno(l->archive);

	if (code == EINTR)
		return -EINTR;
	say("layer: %s",
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

/* libarchive would write it in a way that nobody reads back. */
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

static int content_write(struct layer_write *l, const struct item *it)
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

/* Marks whose names say everything. */
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

static int type_fill(struct layer_write *l, struct item *it,
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

/* The header of an object; true in *has_content: its bytes follow. */
static int header_fill(struct layer_write *l, struct item *it,
		       struct archive_entry *entry, bool *has_content)
{
	struct link_group *g;

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

/* Counted as long as it is used by number. */
static int object_write_counted(struct layer_write *l, struct item *it)
{
	struct archive_entry *entry = archive_entry_new();
	bool has_content = false;
	int err = entry ? header_fill(l, it, entry, &has_content) : -ENOMEM;

	if (!err && archive_write_header(l->archive, entry) < ARCHIVE_WARN)
		err = archive_failed(l);
	archive_entry_free(entry);
	return !err && has_content ? content_write(l, it) : err;
}

static int object_write(struct layer_write *l, struct item *it)
{
	struct mapfs_entry e;
	char *opaque;
	int err;

	if (S_ISSOCK(it->attr.mode)) {
		say("%s: a socket, which no tar can hold; left out", it->path);
		return 0;
	}
	err = viewpath_lookup(l->view, it->path, &e);
	if (err)
		return err;
	err = object_write_counted(l, it);
	viewpath_put(l->view, &e);
	if (err || !it->is_opaque)
		return err;
	opaque = text_join(it->path, LAYER_OPAQUE);
	err = opaque ? mark_write(l, opaque) : -ENOMEM;
	free(opaque);
	return err;
}

/* 1: not all of it is there to be written. */
static int object_check(struct layer_write *l, const struct item *it)
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
	/* What a directory says of itself counts without its names. */
	if (S_ISDIR(it->attr.mode))
		return held == MAPFS_HELD_NOTHING;
	say_partial(l, it->path, "only parts of it were changed here");
	return 1;
}

static int item_write(struct layer_write *l, struct item *it)
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
		say("%s: cannot be exported: %s", it->path, strerror(-err));
		l->is_said = true;
	}
	return err;
}

/* Names that only the old base knew: in another one they are other files. */
static void say_unknown_links(struct layer_write *l)
{
	for (const struct link_group *g = l->groups; g; g = g->hh.next)
		if (!l->has_base && g->written && g->known < g->nlink) {
			say("%s: had more names in the base that is gone; "
			    "those are left out, whatever they are by now",
			    g->written);
			l->is_partial = true;
		}
}

static int items_write(struct layer_write *l)
{
	int err = items_sort(l);

	for (struct item *it = l->items; it && it->name && !err;
	     it = it->hh.next)
		err = item_write(l, it);
	if (!err)
		say_unknown_links(l);
	return err;
}

/* A directory that took the place of another shows nothing of that. */
static int replaced_add(struct layer_write *l)
{
	for (struct item *it = l->items; it; it = it->hh.next) {
		int err = 0;

		if (it->is_gone && it->is_object && S_ISDIR(it->attr.mode))
			err = tree_add(l, it->path, 0);
		if (err)
			return err;
	}
	return 0;
}

/* The topmost of what is there whole; it may replace what the base has. */
static int opaque_mark(struct layer_write *l)
{
	for (struct item *it = l->items; it; it = it->hh.next) {
		char *above = path_above(it->path);
		const struct item *up = above ? item_find(l, above) : NULL;

		if (!above)
			return -ENOMEM;
		it->is_opaque = it->is_whole && !(up && up->is_whole);
		free(above);
	}
	return 0;
}

static int go_on(void *arg, uint64_t done_bytes)
{
	(void)arg;
	(void)done_bytes;
	return progress_interrupted() ? -EINTR : 0;
}

static int collect(struct layer_write *l)
{
	const struct mapfs_diff_options opt = {
		.want_tree = true,
		.progress = go_on,
	};
	int err = l->has_base ? layer_lost_find(l->view, &l->lost) : 0;

	if (!err)
		err = mapfs_diff(NULL, l->view, &opt, difference_add, l);
	if (!err)
		err = replaced_add(l);
	if (!err && !group_is_complete(l))
		err = links_find(l, "", 0);
	if (!err)
		err = opaque_mark(l);
	/* Of a base that nobody sees, what is above may not be known. */
	if (!err && l->has_base)
		err = parents_add(l);
	return err;
}

static void layer_write_fini(struct layer_write *l)
{
	struct item *it = l->items;
	struct item *it_next;
	struct link_group *g = l->groups;
	struct link_group *g_next;
	/* Without the table the elements still know each other. */
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
	int err = l.buf ? collect(&l) : -ENOMEM;

	if (!err) {
		progress_set_total(l.all_bytes);
		err = items_write(&l);
	}
	if (err && err != -EINTR && !l.is_said)
		say("the changes cannot be listed: %s", strerror(-err));
	*is_partial = l.is_partial;
	layer_write_fini(&l);
	return err;
}
