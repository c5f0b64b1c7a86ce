/* SPDX-License-Identifier: MIT */
/*
 * Applies the entries of a layer to a view.
 *
 * A file that the base has under one name only is changed in place.  A file
 * with several names becomes a new file, because the layer itself says which
 * names belong together.
 *
 * The times of directories are set at the end, because every name changes
 * them; also those of directories that have no entry.
 */
#include "apply.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "apply_ctx.h"
#include "attributes.h"
#include "content.h"
#include "format.h"
#include "whiteout.h"
#include "tools/lib/text.h"
#include "tools/lib/viewpath.h"

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

/* 0: the name is free; 1: `*out` is a counted object that may stay. */
static int name_prepare(struct layer_apply *l, mapfs_ino dir, const char *name,
			mode_t type, struct mapfs_entry *out)
{
	int err = mapfs_lookup(l->view, dir, name, out);

	if (err)
		return err == -ENOENT ? 0 : err;
	if ((out->attr.mode & S_IFMT) == type &&
	    (type == S_IFDIR || (type == S_IFREG && out->attr.nlink == 1)))
		return 1;
	viewpath_put(l->view, out);
	return layer_remove(l, dir, name);
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
	int err = name_prepare(l, dir, name, type, &e);

	if (err == 0)
		err = object_create(l, dir, name, entry, &e);
	if (err < 0)
		return err;
	err = 0;
	if (type == S_IFREG)
		err = layer_content_apply(l, e.attr.ino, a, entry);
	if (!err)
		err = layer_attributes_apply(l, e.attr.ino, entry);
	if (!err && type == S_IFDIR) {
		struct timespec mtime = {
			.tv_sec = archive_entry_mtime(entry),
			.tv_nsec = archive_entry_mtime_nsec(entry),
		};

		err = layer_time_set(l, e.attr.ino, &mtime);
		/* 0: the table has its lookup count now. */
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
		err = layer_remove(l, dir, name);
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
		err = layer_attributes_apply(l, root, entry);
	if (!err)
		err = layer_time_set(l, root, &mtime);
	return err < 0 ? err : 0;
}

/* The directory above; it, and those above it, are made if missing. */
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
		err = layer_time_keep(l, &up);
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
		err = layer_time_keep(l, &dir);
	if (err)
		goto free_parent;
	if (strncmp(name, LAYER_WHITEOUT, strlen(LAYER_WHITEOUT)) == 0) {
		err = layer_whiteout_apply(l, parent, dir.attr.ino, name);
		goto free_parent;
	}
	err = layer_seen_add(l, path);
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

/* The errors whose text would say too little. */
static const char *refusal_text(int err)
{
	switch (err) {
	case -ELOOP:
		return "its path leads through a symbolic link";
	case -ENOTDIR:
		return "its path leads through an object that is not a directory";
	case -EINVAL:
		return "a path or type that a layer may not have";
	case -EOVERFLOW:
		return "its owner or group has an invalid number";
	default:
		return strerror(-err);
	}
}

/*
 * No object may have the name of a mark, so no path leads through one.  1: the
 * path leads through a mark of AUFS, and the entry is ignored.
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
		    reason_is_empty(&l->why) ? refusal_text(err) : l->why.text);
	free(path);
	return err;
}

int layer_apply_end(struct layer_apply *l, bool is_complete)
{
	mapfs_ino root = mapfs_root_ino(l->view);
	struct mapfs_attr out;
	struct layer_dir_time *t;
	struct layer_dir_time *t_next;
	struct layer_seen *s;
	struct layer_seen *s_next;
	int err = 0;

	/* Without the table the elements are still a list. */
	t = l->times;
	HASH_CLEAR(hh, l->times);
	for (; t; t = t_next) {
		struct mapfs_setattr set = {
			.valid = MAPFS_SET_MTIME,
			.mtime = t->mtime,
		};

		if (is_complete && !err &&
		    (t->ino != root || !layer_root_is_fixed(l->view)))
			err = mapfs_setattr(l->view, mapfs_file_of(t->ino),
					    &set, &out);
		/* A whiteout may have removed it. */
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
