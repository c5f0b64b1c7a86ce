/* SPDX-License-Identifier: MIT */
/*
 * Directories by identity.  A directory of the base is known by its path there
 * (a directory has one name), one made in a view by its inode number.
 *
 * Where a side has a directory of the base follows from the path alone.  Take
 * the nearest directory above it that the side changed: either its delta has
 * another target for the next name of the path, or all below is as in the
 * base.  So a directory that neither side changed is not looked up in the base.
 */
#include "dir.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/lib/timespec.h"

static struct diff_dir *find_path(const struct differ *d, const char *path,
				  size_t bytes)
{
	struct diff_dir *dir = NULL;

	if (d->by_path)
		HASH_FIND(hh_path, d->by_path, path, bytes, dir);
	return dir;
}

struct diff_dir *dir_of_id(const struct differ *d, mapfs_ino id)
{
	struct diff_dir *dir = NULL;

	if (d->by_id && id)
		HASH_FIND(hh_id, d->by_id, &id, sizeof(id), dir);
	return dir;
}

static int dir_add_id(struct differ *d, struct diff_dir *dir, mapfs_ino id)
{
	assert(dir->id == 0);
	dir->id = id;
	HASH_ADD(hh_id, d->by_id, id, sizeof(dir->id), dir);
	if (dir->hh_id.tbl)
		return 0;
	dir->id = 0;
	return -ENOMEM;
}

static int dir_create(struct differ *d, struct diff_dir **out)
{
	struct diff_dir *dir = calloc(1, sizeof(*dir));

	if (!dir)
		return -ENOMEM;
	dir->next = d->dirs;
	d->dirs = dir;
	*out = dir;
	return 0;
}

int dir_of_path(struct differ *d, const char *path, size_t bytes,
		struct diff_dir **out)
{
	struct diff_dir *dir = find_path(d, path, bytes);
	int err;

	if (dir) {
		*out = dir;
		return 0;
	}
	err = dir_create(d, &dir);
	if (err)
		return err;
	dir->base_path = strndup(path, bytes);
	if (!dir->base_path)
		return -ENOMEM;
	HASH_ADD_KEYPTR(hh_path, d->by_path, dir->base_path, bytes, dir);
	if (!dir->hh_path.tbl)
		return -ENOMEM;
	*out = dir;
	return 0;
}

/*
 * The base may have replaced a directory that is in the delta by another one of
 * the same path that is in the delta too.  Only one of them is found by path.
 */
static int displaced_create(struct differ *d, const char *path,
			    struct diff_dir **out)
{
	int err = dir_create(d, out);

	if (err)
		return err;
	(*out)->base_path = strdup(path);
	return (*out)->base_path ? 0 : -ENOMEM;
}

static int load_dir(struct differ *d, enum side s, const struct side_inode *si)
{
	struct diff_dir *dir = dir_of_id(d, si->id);
	int err = 0;

	if (dir)
		return 0;
	if (si->base_path)
		err = dir_of_path(d, si->base_path, strlen(si->base_path),
				  &dir);
	else
		err = dir_create(d, &dir);
	if (!err && dir->id != 0)
		err = displaced_create(d, si->base_path, &dir);
	if (!err)
		err = dir_add_id(d, dir, si->id);
	/* By number, so that its path cannot lead to another directory. */
	if (!err && si->base_path && d->side[s].o == d->to) {
		inode_hold(d->to->itable, si->inode);
		dir->inode = si->inode;
	}
	return err;
}

int dirs_load(struct differ *d)
{
	struct side_inode *si;
	int err = dir_of_path(d, "", 0, &d->root);

	if (!err)
		err = dir_add_id(d, d->root, d->to->view.root_ino);
	if (err)
		return err;
	d->root->inode = itable_get(d->to->itable, d->to->view.root_ino);
	/* Of two with one path, the one that was not removed is found by it. */
	for (int pass = 0; pass < 2 * SIDES; pass++) {
		const enum side s = pass % SIDES == OLD ? OLD : NEW;

		for (si = d->side[s].all; si; si = si->next) {
			if (S_ISDIR(si->attr.mode) &&
			    (si->attr.nlink > 0) == (pass < SIDES))
				err = load_dir(d, s, si);
			if (err)
				return err;
		}
	}
	return 0;
}

void dirs_unload(struct differ *d)
{
	HASH_CLEAR(hh_id, d->by_id);
	HASH_CLEAR(hh_path, d->by_path);
	while (d->dirs) {
		struct diff_dir *dir = d->dirs;

		d->dirs = dir->next;
		if (dir->inode)
			overlay_put(d->to, dir->inode);
		free(dir->base_path);
		free(dir);
	}
}

/* Length of the parent's path, and the name behind it. */
static size_t split_path(const char *path, size_t bytes, const char **name)
{
	while (bytes > 0 && path[bytes - 1] != '/')
		bytes--;
	*name = path + bytes;
	return bytes > 0 ? bytes - 1 : 0;
}

/* Does the path lead to the same place on this side as in the base? */
static bool is_where_base_has_it(const struct differ *d, const char *path,
				 enum side s)
{
	size_t bytes = strlen(path);

	while (bytes > 0) {
		const char *name;
		size_t above = split_path(path, bytes, &name);
		const struct diff_dir *dir = find_path(d, path, above);
		const struct side_inode *si =
			dir ? side_inode(&d->side[s], dir->id) : NULL;

		if (si)
			return si->attr.nlink > 0 &&
			       !side_dentry(&d->side[s], dir->id, name,
					    (size_t)(path + bytes - name));
		bytes = above;
	}
	return true;
}

static int find_place(struct differ *d, struct diff_dir *dir, enum side s,
		      struct place *p)
{
	const struct side_inode *si = side_inode(&d->side[s], dir->id);

	if (dir == d->root) {
		p->is_present = true;
		return 0;
	}
	if (si && si->attr.nlink == 0)
		return 0;
	if (si && si->names) {
		p->parent = dir_of_id(d, si->names->dir);
		p->name = si->names->name;
		p->is_present = p->parent != NULL;
		return p->parent ? 0 : -EUCLEAN;
	}
	if (!dir->base_path || !is_where_base_has_it(d, dir->base_path, s))
		return 0;
	p->is_present = true;
	return dir_of_path(d, dir->base_path,
			   split_path(dir->base_path, strlen(dir->base_path),
				      &p->name),
			   &p->parent);
}

int dir_place(struct differ *d, struct diff_dir *dir, enum side s,
	      const struct place **out)
{
	struct place *p = &dir->place[s];
	int err = 0;

	if (!p->is_known) {
		err = find_place(d, dir, s, p);
		p->is_known = !err;
	}
	*out = p;
	return err;
}

int dir_is_present(struct differ *d, struct diff_dir *dir, enum side s,
		   bool *present)
{
	const struct place *p;
	int err = dir_place(d, dir, s, &p);

	*present = !err && p->is_present;
	return err;
}

int dir_on(struct differ *d, struct diff_dir *dir, enum side s,
	   struct diff_dir **out)
{
	bool present;
	int err = dir_is_present(d, dir, s, &present);

	*out = present ? dir : dir->replacement;
	return err;
}

int dir_is_moved(struct differ *d, struct diff_dir *dir, bool *moved)
{
	const struct place *old_place = &dir->place[OLD];
	const struct place *new_place = &dir->place[NEW];
	int err = dir_place(d, dir, OLD, &old_place);

	*moved = false;
	if (!err)
		err = dir_place(d, dir, NEW, &new_place);
	if (err || !old_place->is_present || !new_place->is_present ||
	    dir == d->root)
		return err;
	*moved = strcmp(old_place->name, new_place->name) != 0 ||
		 (old_place->parent != new_place->parent &&
		  old_place->parent != new_place->parent->replacement);
	return 0;
}

/* The directory `name` of the base, in one whose inode is known. */
static int find_inode(struct differ *d, struct diff_dir *above,
		      const char *name, struct diff_dir *dir)
{
	struct inode_facts facts;
	struct statx stx;
	bool foreign;
	int err = base_stat(d->to->base, above->inode, name, &stx, &foreign);

	if (!err && (foreign || !S_ISDIR(stx.stx_mode)))
		err = -ENOTDIR;
	if (!err) {
		facts = base_facts(&stx, above->inode, name);
		err = itable_get_or_add(d->to->itable, &facts, &dir->inode);
	}
	/* It is not the directory that the delta changed. */
	if (!err && dir->id && dir->inode->ino != dir->id) {
		overlay_put(d->to, dir->inode);
		dir->inode = NULL;
		err = -ESTALE;
	}
	return err;
}

int dir_inode(struct differ *d, struct diff_dir *dir, struct inode **out)
{
	const char *path = dir->base_path;
	struct diff_dir *above = d->root;
	char name[NAME_MAX + 1];
	int err = 0;

	assert(path);
	while (!dir->inode && !err) {
		size_t start = above == d->root ? 0 :
						  strlen(above->base_path) + 1;
		size_t bytes = strcspn(path + start, "/");
		struct diff_dir *next;

		if (bytes == 0 || bytes > NAME_MAX)
			return -EUCLEAN;
		memcpy(name, path + start, bytes);
		name[bytes] = '\0';
		err = dir_of_path(d, path, start + bytes, &next);
		if (!err && !next->inode)
			err = find_inode(d, above, name, next);
		above = next;
	}
	*out = dir->inode;
	return err;
}

/*
 * The base reuses a number once its object is gone.  Is this the object that
 * the deltas know by the number?
 */
static bool is_of_delta(const struct differ *d, const struct statx *stx)
{
	for (int s = OLD; s < SIDES; s++) {
		const struct side_inode *si =
			side_inode(&d->side[s], stx->stx_ino);

		if (si && !base_is_of(si->inode, stx))
			return false;
	}
	return true;
}

static void facts_of(const struct differ *d, const struct statx *stx,
		     bool foreign, struct base_facts *facts)
{
	*facts = (struct base_facts){
		.ino = is_of_delta(d, stx) ? stx->stx_ino :
					     stx->stx_ino | ANOTHER_OBJECT,
		.generation = base_generation(stx),
		.rdev = (uint64_t)stx->stx_rdev_major << 32 |
			stx->stx_rdev_minor,
		.size_bytes = stx->stx_size,
		.mode = stx->stx_mode,
		.nlink = stx->stx_nlink,
		.uid = stx->stx_uid,
		.gid = stx->stx_gid,
		.mtime = timespec_of_statx(stx->stx_mtime),
		.is_foreign = foreign,
	};
}

int dir_base_lookup(struct differ *d, struct diff_dir *dir, const char *name,
		    struct base_facts *facts)
{
	struct inode *inode;
	struct statx stx;
	bool foreign;
	int err;

	*facts = (struct base_facts){ 0 };
	if (!dir->base_path || dir->is_foreign)
		return 0;
	err = dir_inode(d, dir, &inode);
	if (!err)
		err = base_stat(d->to->base, inode, name, &stx, &foreign);
	if (!err)
		facts_of(d, &stx, foreign, facts);
	/* The base may have lost the name or the directory meanwhile. */
	return err == -ENOENT || err == -ENOTDIR || err == -ESTALE ? 0 : err;
}

/* One step towards the root, as side `s` has it if it does. */
static int step_up(struct differ *d, struct diff_dir **dir, enum side s,
		   const char **name)
{
	const enum side other = s == OLD ? NEW : OLD;
	const struct place *p;
	int err = dir_place(d, *dir, s, &p);

	if (!err && !p->is_present && (*dir)->replacement)
		err = dir_place(d, (*dir)->replacement, s, &p);
	if (!err && !p->is_present)
		err = dir_place(d, *dir, other, &p);
	if (!err && (!p->is_present || !p->parent))
		err = -EUCLEAN;
	if (err)
		return err;
	*name = p->name;
	*dir = p->parent;
	return 0;
}

/* A path that is extended at its beginning. */
struct path_buf {
	char *buf;
	size_t at; /* of the first byte */
	size_t cap;
};

static int path_prepend(struct path_buf *w, const char *name)
{
	size_t len = strlen(name);
	size_t cap = w->cap ? w->cap : 128;
	char *p;

	while (cap - (w->cap - w->at) < len + 1)
		cap *= 2;
	if (cap > w->cap) {
		p = malloc(cap);
		if (!p)
			return -ENOMEM;
		if (w->buf)
			memcpy(p + cap - (w->cap - w->at), w->buf + w->at,
			       w->cap - w->at);
		w->at = cap - (w->cap - w->at);
		free(w->buf);
		w->buf = p;
		w->cap = cap;
	}
	w->at -= len + 1;
	memcpy(w->buf + w->at, name, len);
	/* Ends the path, or separates two names. */
	w->buf[w->at + len] = w->at + len + 1 == w->cap ? '\0' : '/';
	return 0;
}

int dir_path(struct differ *d, struct diff_dir *dir, const char *name,
	     enum side s, char **out)
{
	/* More steps than there are directories: the delta has a circle. */
	const uint64_t most = 2 * (HASH_CNT(hh_id, d->by_id) +
				   HASH_CNT(hh_path, d->by_path)) +
			      4096;
	struct path_buf w = { 0 };
	uint64_t steps = 0;
	int err = dir || *name ? path_prepend(&w, name) : 0;

	while (!err && dir && dir != d->root) {
		err = step_up(d, &dir, s, &name);
		if (!err)
			err = ++steps > most ? -EUCLEAN :
					       path_prepend(&w, name);
	}
	if (!err) {
		*out = pool_copy(&d->mem, w.buf ? w.buf + w.at : "",
				 w.buf ? w.cap - w.at - 1 : 0);
		err = *out ? 0 : -ENOMEM;
	}
	free(w.buf);
	return err;
}
