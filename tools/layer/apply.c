/* SPDX-License-Identifier: MIT */
/*
 * Whiteouts speak of the layers below only, wherever they stand among the
 * entries; so it is remembered which names this layer has written.
 *
 * A file that the base has under one name only is changed in place, page by
 * page where it differs: an image's layers hold whole files, and the store
 * need not.  One with several names becomes a new file, as the layer says
 * itself which names belong together.
 *
 * Times of directories are set at the end, because every name changes them,
 * and also where the layer says nothing of a directory.
 */
#include "layer.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/falloc.h>
#include <linux/xattr.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <uthash.h>

#include "tools/lib/progress.h"
#include "tools/lib/text.h"
#include "tools/lib/viewpath.h"

#define DEPTH_MOST 2000

struct seen {
	UT_hash_handle hh;
	char path[];
};

/* A directory that was changed; holds one lookup count, but of the root. */
struct dir_time {
	UT_hash_handle hh;
	mapfs_ino ino;
	struct timespec mtime;
};

struct layer_apply {
	struct mapfs_view *view;
	struct seen *seen;
	struct dir_time *times;
	char *old_bytes;   /* LAYER_IO_BYTES */
	struct reason why; /* what is wrong with the entry, or "" */
};

static const struct mapfs_cred nobody = { .umask = 0 };

int layer_apply_begin(struct layer_apply **out, struct mapfs_view *view)
{
	struct layer_apply *l = calloc(1, sizeof(*l));

	if (l)
		l->old_bytes = malloc(LAYER_IO_BYTES);
	if (!l || !l->old_bytes) {
		free(l);
		say("out of memory; try again later");
		return -ENOMEM;
	}
	l->view = view;
	*out = l;
	return 0;
}

const char *layer_trouble(struct archive *a)
{
	const char *words = archive_error_string(a);

	return words ? words : "damaged, or cut off";
}

/* --- what was written ---------------------------------------------------- */

static bool seen_has(const struct layer_apply *l, const char *path)
{
	struct seen *s;

	HASH_FIND_STR(l->seen, path, s);
	return s != NULL;
}

/* The path and all that lead to it. */
static int seen_add(struct layer_apply *l, const char *path)
{
	size_t n = strlen(path);

	while (n > 0) {
		struct seen *s = calloc(1, sizeof(*s) + n + 1);

		if (!s)
			return -ENOMEM;
		memcpy(s->path, path, n);
		if (seen_has(l, s->path)) {
			free(s);
			return 0;
		}
		HASH_ADD(hh, l->seen, path, (unsigned int)n, s);
		while (n > 0 && path[n - 1] != '/')
			n--;
		if (n > 0)
			n--;
	}
	return 0;
}

static int time_note(struct layer_apply *l, mapfs_ino ino,
		     const struct timespec *mtime)
{
	struct dir_time *t;

	HASH_FIND(hh, l->times, &ino, sizeof(ino), t);
	if (t) {
		t->mtime = *mtime;
		return 1;
	}
	t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	t->ino = ino;
	t->mtime = *mtime;
	HASH_ADD(hh, l->times, ino, sizeof(t->ino), t);
	return 0;
}

/* Before names of a directory change.  Takes over the count of `dir`. */
static int dir_enter(struct layer_apply *l, const struct mapfs_entry *dir)
{
	struct dir_time *t;
	int err;

	HASH_FIND(hh, l->times, &dir->attr.ino, sizeof(dir->attr.ino), t);
	err = t ? 1 : time_note(l, dir->attr.ino, &dir->attr.mtime);
	if (err)
		viewpath_put(l->view, dir);
	return err < 0 ? err : 0;
}

/* --- taking away --------------------------------------------------------- */

struct names {
	char **all;
	size_t count;
	int err;
};

static int names_add(void *arg, const struct mapfs_dirent *d)
{
	struct names *n = arg;
	char **more;

	if (strcmp(d->name, ".") == 0 || strcmp(d->name, "..") == 0)
		return 0;
	more = realloc(n->all, (n->count + 1) * sizeof(*more));
	if (more) {
		n->all = more;
		more[n->count] = strdup(d->name);
	}
	if (!more || !more[n->count]) {
		n->err = -ENOMEM;
		return 1;
	}
	n->count++;
	return 0;
}

static void names_free(struct names *n)
{
	for (size_t i = 0; i < n->count; i++)
		free(n->all[i]);
	free(n->all);
}

static int names_read(struct layer_apply *l, mapfs_ino dir, struct names *n)
{
	int err;

	*n = (struct names){ 0 };
	err = mapfs_readdir(l->view, dir,
			    &(struct mapfs_readdir){ .fn = names_add,
						     .arg = n });
	if (!err)
		err = n->err;
	if (err)
		names_free(n);
	return err;
}

static int name_remove(struct layer_apply *l, mapfs_ino dir, const char *name,
		       int depth);

static int dir_empty(struct layer_apply *l, mapfs_ino dir, int depth)
{
	struct names n;
	int err;

	if (depth > DEPTH_MOST)
		return -ENAMETOOLONG;
	err = names_read(l, dir, &n);
	if (err)
		return err;
	for (size_t i = 0; i < n.count && !err; i++)
		err = name_remove(l, dir, n.all[i], depth);
	names_free(&n);
	return err;
}

/* With everything below it. */
static int name_remove(struct layer_apply *l, mapfs_ino dir, const char *name,
		       int depth)
{
	struct mapfs_entry e;
	int err;

	/* One mark may take away a tree as large as the base. */
	if (progress_interrupted())
		return -EINTR;
	err = mapfs_lookup(l->view, dir, name, &e);
	if (err)
		return err;
	if (S_ISDIR(e.attr.mode)) {
		err = dir_empty(l, e.attr.ino, depth + 1);
		if (!err)
			err = mapfs_rmdir(l->view, dir, name);
	} else {
		err = mapfs_unlink(l->view, dir, name);
	}
	viewpath_put(l->view, &e);
	return err;
}

static int lower_clear(struct layer_apply *l, const char *path, mapfs_ino dir,
		       int depth);

/* Unless this layer has written it; then what is below it and older. */
static int lower_remove(struct layer_apply *l, const char *path, mapfs_ino dir,
			const char *name, int depth)
{
	struct mapfs_entry e;
	int err;

	if (!seen_has(l, path))
		return name_remove(l, dir, name, depth);
	err = mapfs_lookup(l->view, dir, name, &e);
	if (err)
		return err;
	if (!S_ISDIR(e.attr.mode)) {
		viewpath_put(l->view, &e);
		return 0;
	}
	err = dir_enter(l, &e);
	return err ? err : lower_clear(l, path, e.attr.ino, depth + 1);
}

static int lower_clear(struct layer_apply *l, const char *path, mapfs_ino dir,
		       int depth)
{
	struct names n;
	int err;

	if (depth > DEPTH_MOST)
		return -ENAMETOOLONG;
	err = names_read(l, dir, &n);
	if (err)
		return err;
	for (size_t i = 0; i < n.count && !err; i++) {
		char *child = text_join(path, n.all[i]);

		err = child ? lower_remove(l, child, dir, n.all[i], depth) :
			      -ENOMEM;
		free(child);
	}
	names_free(&n);
	return err;
}

static int whiteout(struct layer_apply *l, const char *parent, mapfs_ino dir,
		    const char *name)
{
	char *path;
	int err;

	if (strcmp(name, LAYER_OPAQUE) == 0)
		return lower_clear(l, parent, dir, 0);
	if (strncmp(name, LAYER_META, strlen(LAYER_META)) == 0)
		return 0;
	name += strlen(LAYER_WHITEOUT);
	path = text_join(parent, name);
	if (!path)
		return -ENOMEM;
	err = lower_remove(l, path, dir, name, 0);
	free(path);
	return err == -ENOENT ? 0 : err;
}

/* --- attributes ---------------------------------------------------------- */

/* Those that the entry does not have. */
static int xattrs_drop(struct layer_apply *l, mapfs_ino ino,
		       struct archive_entry *entry)
{
	char *list = l->old_bytes;
	ssize_t n = mapfs_listxattr(l->view, ino, list, LAYER_IO_BYTES);
	int err = n < 0 ? (int)n : 0;
	const void *value;
	const char *name;
	size_t bytes;

	if (err == -EOPNOTSUPP)
		return 0;
	for (const char *p = list; !err && p < list + n; p += strlen(p) + 1) {
		bool is_kept = false;

		archive_entry_xattr_reset(entry);
		while (archive_entry_xattr_next(entry, &name, &value, &bytes) ==
		       ARCHIVE_OK)
			is_kept |= strcmp(name, p) == 0;
		if (!is_kept)
			err = mapfs_removexattr(l->view, ino, p);
	}
	return err;
}

/* As the kernel has it, which is not asked here. */
static bool may_have_xattr(struct archive_entry *entry, const char *name)
{
	const mode_t type = archive_entry_filetype(entry);

	return type == AE_IFREG || type == AE_IFDIR ||
	       strncmp(name, XATTR_USER_PREFIX, XATTR_USER_PREFIX_LEN) != 0;
}

static int xattrs_set(struct layer_apply *l, mapfs_ino ino,
		      struct archive_entry *entry)
{
	struct mapfs_setxattr set = { 0 };
	const char *name;
	int err = 0;

	archive_entry_xattr_reset(entry);
	while (!err && archive_entry_xattr_next(entry, &name, &set.value,
						&set.len) == ARCHIVE_OK) {
		set.name = name;
		err = may_have_xattr(entry, name) ?
			      mapfs_setxattr(l->view, ino, &set) :
			      -EPERM;
		if (err)
			reason_set(&l->why, "its extended attribute %s: %s",
				   name, strerror(-err));
	}
	return err;
}

/* A tar has room for more than there are. */
static bool is_id(int64_t id)
{
	return id >= 0 && id < UINT32_MAX;
}

/* The owner first: a change of it takes set-id bits away. */
static int attributes_set(struct layer_apply *l, mapfs_ino ino,
			  struct archive_entry *entry)
{
	struct mapfs_setattr set = {
		.valid = MAPFS_SET_UID | MAPFS_SET_GID,
		.uid = (uid_t)archive_entry_uid(entry),
		.gid = (gid_t)archive_entry_gid(entry),
		.mode = archive_entry_perm(entry),
		.mtime.tv_sec = archive_entry_mtime(entry),
		.mtime.tv_nsec = archive_entry_mtime_nsec(entry),
	};
	bool is_link = archive_entry_filetype(entry) == AE_IFLNK;
	struct mapfs_attr out;
	int err = -EOVERFLOW;

	if (is_id(archive_entry_uid(entry)) && is_id(archive_entry_gid(entry)))
		err = mapfs_setattr(l->view, mapfs_file_of(ino), &set, &out);
	if (!err)
		err = xattrs_drop(l, ino, entry);
	if (!err)
		err = xattrs_set(l, ino, entry);
	set.valid = MAPFS_SET_MTIME | (is_link ? 0 : MAPFS_SET_MODE);
	if (!err)
		err = mapfs_setattr(l->view, mapfs_file_of(ino), &set, &out);
	return err;
}

/* --- content ------------------------------------------------------------- */

/* Writes where it is not there already, in whole pages of the file. */
static int write_difference(struct layer_apply *l, mapfs_ino ino,
			    const char *bytes, size_t len, uint64_t off)
{
	ssize_t have =
		mapfs_read(l->view, mapfs_file_of(ino), l->old_bytes, len, off);
	size_t at = 0;

	if (have < 0)
		return (int)have;
	while (at < len) {
		size_t part = MAPFS_PAGE_SIZE - (off + at) % MAPFS_PAGE_SIZE;
		struct mapfs_write w = { .buf = bytes + at, .off = off + at };
		ssize_t n;

		w.len = part < len - at ? part : len - at;
		if (at + w.len > (size_t)have ||
		    memcmp(w.buf, l->old_bytes + at, w.len) != 0) {
			n = mapfs_write(l->view, mapfs_file_of(ino), &w);
			if (n < 0)
				return (int)n;
		}
		at += w.len;
	}
	return 0;
}

/* What the layer leaves out of a file is zeros. */
static int clear_range(struct layer_apply *l, mapfs_ino ino, uint64_t from,
		       uint64_t to)
{
	uint64_t data;
	int err = mapfs_lseek(l->view, mapfs_file_of(ino), from, SEEK_DATA,
			      &data);

	if (err == -ENXIO || (!err && data >= to))
		return 0;
	if (err)
		return err;
	return mapfs_fallocate(l->view, mapfs_file_of(ino),
			       FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, from,
			       to - from);
}

static int block_apply(struct layer_apply *l, mapfs_ino ino, const char *bytes,
		       size_t len, uint64_t off)
{
	int err = 0;

	while (len > 0 && !err) {
		size_t part = len < LAYER_IO_BYTES ? len : LAYER_IO_BYTES;

		err = write_difference(l, ino, bytes, part, off);
		bytes += part;
		len -= part;
		off += part;
	}
	return err;
}

static int content_apply(struct layer_apply *l, mapfs_ino ino,
			 struct archive *a, struct archive_entry *entry)
{
	uint64_t all = (uint64_t)archive_entry_size(entry);
	struct mapfs_setattr set = {
		.valid = MAPFS_SET_SIZE,
		.size_bytes = all,
	};
	struct mapfs_attr out;
	uint64_t end = 0;
	int err = mapfs_setattr(l->view, mapfs_file_of(ino), &set, &out);

	while (!err) {
		const void *bytes;
		int64_t off;
		size_t len;
		int got = archive_read_data_block(a, &bytes, &len, &off);

		if (got == ARCHIVE_EOF)
			break;
		if (got < ARCHIVE_WARN) {
			reason_set(&l->why, "%s", layer_trouble(a));
			return archive_errno(a) == EINTR ? -EINTR : -EIO;
		}
		if (progress_interrupted())
			return -EINTR;
		if ((uint64_t)off > end)
			err = clear_range(l, ino, end, (uint64_t)off);
		if (!err)
			err = block_apply(l, ino, bytes, len, (uint64_t)off);
		end = (uint64_t)off + len;
		progress_update((uint64_t)archive_filter_bytes(a, -1));
	}
	return err || end >= all ? err : clear_range(l, ino, end, all);
}

/* --- entries ------------------------------------------------------------- */

/* The name is free, or `*out` is a counted object that may stay. */
static int name_prepare(struct layer_apply *l, mapfs_ino dir, const char *name,
			mode_t type, bool *stays, struct mapfs_entry *out)
{
	int err = mapfs_lookup(l->view, dir, name, out);
	mode_t old;

	*stays = false;
	if (err)
		return err == -ENOENT ? 0 : err;
	old = out->attr.mode & S_IFMT;
	*stays = old == type &&
		 (type == S_IFDIR || (type == S_IFREG && out->attr.nlink == 1));
	if (*stays)
		return 0;
	viewpath_put(l->view, out);
	return name_remove(l, dir, name, 0);
}

static const char *link_target(struct archive_entry *entry)
{
	const char *s = archive_entry_symlink(entry);

	return s ? s : archive_entry_symlink_utf8(entry);
}

static int object_create(struct layer_apply *l, mapfs_ino dir, const char *name,
			 struct archive_entry *entry, struct mapfs_entry *out)
{
	const struct mapfs_new new = {
		.cred = &nobody,
		.dir = dir,
		.name = name,
		.mode = archive_entry_filetype(entry) |
			archive_entry_perm(entry),
		.rdev = archive_entry_rdev(entry),
	};

	switch (new.mode &S_IFMT) {
	case S_IFDIR:
		return mapfs_mkdir(l->view, &new, out);
	case S_IFLNK:
		if (!link_target(entry))
			return -EINVAL;
		return mapfs_symlink(l->view, &new, link_target(entry), out);
	case S_IFREG:
	case S_IFCHR:
	case S_IFBLK:
	case S_IFIFO:
		return mapfs_mknod(l->view, &new, out);
	default:
		return -EINVAL;
	}
}

static int object_apply(struct layer_apply *l, mapfs_ino dir, const char *name,
			struct archive *a, struct archive_entry *entry)
{
	mode_t type = archive_entry_filetype(entry);
	struct mapfs_entry e;
	bool stays;
	int err = name_prepare(l, dir, name, type, &stays, &e);

	if (!err && !stays)
		err = object_create(l, dir, name, entry, &e);
	if (err)
		return err;
	if (type == S_IFREG)
		err = content_apply(l, e.attr.ino, a, entry);
	if (!err)
		err = attributes_set(l, e.attr.ino, entry);
	if (!err && type == S_IFDIR) {
		struct timespec mtime = {
			.tv_sec = archive_entry_mtime(entry),
			.tv_nsec = archive_entry_mtime_nsec(entry),
		};

		err = time_note(l, e.attr.ino, &mtime);
		/* 0: the table has its count from now on. */
		if (err == 0)
			return 0;
		err = err < 0 ? err : 0;
	}
	viewpath_put(l->view, &e);
	return err;
}

static int hard_link_apply(struct layer_apply *l, mapfs_ino dir,
			   const char *name, const char *target)
{
	struct mapfs_entry made;
	struct mapfs_entry old;
	struct mapfs_entry e;
	int err = viewpath_lookup(l->view, target, &e);

	if (err)
		return err;
	err = mapfs_lookup(l->view, dir, name, &old);
	if (err == 0) {
		bool is_same = old.attr.ino == e.attr.ino;

		viewpath_put(l->view, &old);
		if (is_same)
			goto put;
		err = name_remove(l, dir, name, 0);
	} else if (err == -ENOENT) {
		err = 0;
	}
	if (!err)
		err = mapfs_link(l->view, e.attr.ino, dir, name, &made);
	if (!err)
		viewpath_put(l->view, &made);
put:
	viewpath_put(l->view, &e);
	return err;
}

static int root_apply(struct layer_apply *l, struct archive_entry *entry)
{
	mapfs_ino root = mapfs_root_ino(l->view);
	struct timespec mtime = {
		.tv_sec = archive_entry_mtime(entry),
		.tv_nsec = archive_entry_mtime_nsec(entry),
	};
	int err = -EINVAL;

	if (archive_entry_filetype(entry) == AE_IFDIR)
		err = attributes_set(l, root, entry);
	if (!err)
		err = time_note(l, root, &mtime);
	return err < 0 ? err : 0;
}

/* The directory above, made with those above it when missing. */
static int parent_open(struct layer_apply *l, const char *parent,
		       struct mapfs_entry *out)
{
	const char *end = strrchr(parent, '/');
	struct mapfs_entry up;
	char *above;
	int err = viewpath_lookup(l->view, parent, out);

	if (err != -ENOENT || !*parent)
		return err;
	above = strndup(parent, end ? (size_t)(end - parent) : 0);
	if (!above)
		return -ENOMEM;
	err = parent_open(l, above, &up);
	free(above);
	if (!err)
		err = dir_enter(l, &up);
	if (!err)
		err = mapfs_mkdir(l->view,
				  &(struct mapfs_new){ .cred = &nobody,
						       .dir = up.attr.ino,
						       .name = end ? end + 1 :
								     parent,
						       .mode = 0755 },
				  out);
	return err;
}

static int path_apply(struct layer_apply *l, const char *path,
		      struct archive *a, struct archive_entry *entry)
{
	const char *link = archive_entry_hardlink(entry);
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	char *parent = strndup(path, slash ? (size_t)(slash - path) : 0);
	char *target = NULL;
	struct mapfs_entry dir;
	int err;

	if (!link)
		link = archive_entry_hardlink_utf8(entry);
	err = parent ? parent_open(l, parent, &dir) : -ENOMEM;
	if (!err && !S_ISDIR(dir.attr.mode)) {
		viewpath_put(l->view, &dir);
		err = S_ISLNK(dir.attr.mode) ? -ELOOP : -ENOTDIR;
	}
	if (!err)
		err = dir_enter(l, &dir);
	if (err)
		goto free_parent;
	if (strncmp(name, LAYER_WHITEOUT, strlen(LAYER_WHITEOUT)) == 0) {
		err = whiteout(l, parent, dir.attr.ino, name);
		goto free_parent;
	}
	err = seen_add(l, path);
	if (!err && link)
		err = viewpath_normalize(link, &target);
	if (!err && link)
		err = hard_link_apply(l, dir.attr.ino, name, target);
	else if (!err)
		err = object_apply(l, dir.attr.ino, name, a, entry);
free_parent:
	free(target);
	free(parent);
	return err;
}

static const char *reason(int err)
{
	switch (err) {
	case -ELOOP:
		return "its way leads through a symbolic link";
	case -ENOTDIR:
		return "its way leads through something that is no directory";
	case -EINVAL:
		return "not a path or a type that a layer may have";
	case -EOVERFLOW:
		return "its owner or group is no number of one";
	default:
		return strerror(-err);
	}
}

/*
 * No object may have a mark's name, so nothing can be below one; 1: it is one
 * of the things that AUFS kept for itself.
 */
static int look_for_marks(const char *path)
{
	const char *slash;

	for (; (slash = strchr(path, '/')); path = slash + 1) {
		if (strncmp(path, LAYER_META, strlen(LAYER_META)) == 0)
			return 1;
		if (strncmp(path, LAYER_WHITEOUT, strlen(LAYER_WHITEOUT)) == 0)
			return -EINVAL;
	}
	return 0;
}

int layer_apply_entry(struct layer_apply *l, struct archive *a,
		      struct archive_entry *entry)
{
	const char *name = archive_entry_pathname(entry);
	char *path = NULL;
	int err;

	if (!name)
		name = archive_entry_pathname_utf8(entry);
	err = name ? viewpath_normalize(name, &path) : -EINVAL;
	if (!err)
		err = look_for_marks(path);
	if (err == 1) {
		free(path);
		return 0;
	}
	if (!err && *path)
		err = path_apply(l, path, a, entry);
	else if (!err)
		err = root_apply(l, entry);
	if (err && err != -EINTR)
		say("layer, entry %s: %s; nothing was imported",
		    name ? name : "without a name",
		    reason_is_empty(&l->why) ? reason(err) : l->why.text);
	free(path);
	return err;
}

int layer_apply_end(struct layer_apply *l, bool is_complete)
{
	mapfs_ino root = mapfs_root_ino(l->view);
	struct mapfs_attr out;
	struct dir_time *t;
	struct dir_time *t_next;
	struct seen *s;
	struct seen *s_next;
	int err = 0;

	/* Without the table the elements still know each other. */
	t = l->times;
	HASH_CLEAR(hh, l->times);
	for (; t; t = t_next) {
		struct mapfs_setattr set = {
			.valid = MAPFS_SET_MTIME,
			.mtime = t->mtime,
		};

		if (is_complete && !err)
			err = mapfs_setattr(l->view, mapfs_file_of(t->ino),
					    &set, &out);
		/* A whiteout may have taken it away again. */
		if (err == -ENOENT || err == -ESTALE)
			err = 0;
		if (t->ino != root)
			mapfs_forget(l->view, t->ino, 1);
		t_next = t->hh.next;
		free(t);
	}
	s = l->seen;
	HASH_CLEAR(hh, l->seen);
	for (; s; s = s_next) {
		s_next = s->hh.next;
		free(s);
	}
	free(l->old_bytes);
	free(l);
	if (err)
		say("layer, times of directories: %s; nothing was imported",
		    strerror(-err));
	return err;
}
