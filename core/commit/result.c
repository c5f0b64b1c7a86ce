/* SPDX-License-Identifier: MIT */
/*
 * What a commit leaves behind: the signatures of all it made, so that undoing
 * can tell whether somebody worked on it since; and a delta that says what
 * the base now says itself, so nothing.
 */
#include "commit_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/lib/fault.h"
#include "saved_file.h"

static void after_of(const struct stat *st, struct commit_after *a)
{
	bool is_dir = S_ISDIR(st->st_mode);

	*a = (struct commit_after){
		.ino = st->st_ino,
		.size_bytes = is_dir ? 0 : (uint64_t)st->st_size,
		.mtime_s = (uint64_t)st->st_mtim.tv_sec,
		.mtime_ns = (uint32_t)st->st_mtim.tv_nsec,
		/* A directory's says what is done to names in it. */
		.ctime_s = is_dir ? 0 : (uint64_t)st->st_ctim.tv_sec,
		.ctime_ns = is_dir ? 0 : (uint32_t)st->st_ctim.tv_nsec,
		.mode = st->st_mode,
		.is_there = 1,
	};
}

int commit_look_after(struct commit_work *w, const struct plan_object *o,
		      struct commit_after *a)
{
	struct stat st;
	int fd;
	int err;

	*a = (struct commit_after){ 0 };
	err = work_locate(w, o->id, &fd);
	/* Below a directory that locks out even its owner: not judged. */
	if (err == -ENOENT || err == -EACCES)
		return 0;
	if (err)
		return err;
	if (fstat(fd, &st) < 0)
		err = -errno;
	else
		after_of(&st, a);
	close(fd);
	return err;
}

static int look(struct mapfs_commit *c, const struct plan_object *o,
		struct commit_after *a)
{
	*a = (struct commit_after){ 0 };
	if (!o->is_touched || !o->side[PLAN_AFTER].exists)
		return 0;
	return commit_look_after(&c->work, o, a);
}

static void put_after(struct commit_bytes *b, const struct commit_after *a)
{
	commit_put64(b, a->ino);
	commit_put64(b, a->size_bytes);
	commit_put64(b, a->mtime_s);
	commit_put64(b, a->ctime_s);
	commit_put32(b, a->mtime_ns);
	commit_put32(b, a->ctime_ns);
	commit_put32(b, a->mode);
	commit_put32(b, a->is_there);
}

static void get_after(struct commit_reader *r, struct commit_after *a)
{
	a->ino = commit_get64(r);
	a->size_bytes = commit_get64(r);
	a->mtime_s = commit_get64(r);
	a->ctime_s = commit_get64(r);
	a->mtime_ns = commit_get32(r);
	a->ctime_ns = commit_get32(r);
	a->mode = commit_get32(r);
	a->is_there = commit_get32(r);
}

int commit_save_after(int dirfd, const struct plan *p,
		      const struct commit_after *all)
{
	struct commit_bytes b = { 0 };
	int err;

	for (uint32_t i = 0; i < p->object_count; i++)
		put_after(&b, &all[i]);
	err = commit_write_file(dirfd, "after", COMMIT_FILE_AFTER, &b);
	commit_bytes_fini(&b);
	return err;
}

int commit_read_after(int dirfd, const struct plan *p,
		      struct commit_after **out)
{
	struct commit_after *all =
		calloc((size_t)p->object_count + 1, sizeof(*all));
	struct commit_reader r = { 0 };
	uint8_t *buf;
	size_t len;
	int err = all ? commit_read_file(dirfd, "after", COMMIT_FILE_AFTER,
					 &buf, &len) :
			-ENOMEM;

	if (err) {
		free(all);
		return err;
	}
	r.at = buf;
	r.left_bytes = len;
	for (uint32_t i = 0; i < p->object_count; i++)
		get_after(&r, &all[i]);
	free(buf);
	if (r.bad || r.left_bytes) {
		free(all);
		return -EUCLEAN;
	}
	*out = all;
	return 0;
}

int commit_write_after(struct mapfs_commit *c)
{
	const struct plan *p = c->work.plan;
	struct commit_after *all =
		calloc((size_t)p->object_count + 1, sizeof(*all));
	int err = all ? 0 : -ENOMEM;

	for (uint32_t i = 0; !err && i < p->object_count; i++)
		err = look(c, p->objects[i], &all[i]);
	if (!err)
		err = commit_save_after(c->work.dirfd, p, all);
	free(all);
	return err;
}

/* Names in a directory that stays are judged singly. */
bool commit_after_fits(const struct plan_object *o,
		       const struct commit_after *a,
		       const struct commit_after *b)
{
	if (a->is_there != b->is_there || a->mode != b->mode)
		return false;
	if (S_ISDIR(a->mode) && o->side[PLAN_BEFORE].exists)
		return true;
	return a->size_bytes == b->size_bytes && a->mtime_s == b->mtime_s &&
	       a->mtime_ns == b->mtime_ns && a->ctime_s == b->ctime_s &&
	       a->ctime_ns == b->ctime_ns;
}

static int check_objects(struct mapfs_commit *c, const struct commit_after *all)
{
	struct commit_work *w = &c->work;
	struct commit_after now;
	int err = 0;

	for (uint32_t i = 0; !err && i < w->plan->object_count; i++) {
		struct plan_object *o = w->plan->objects[i];

		if (!all[i].is_there)
			continue;
		err = look(c, o, &now);
		if (!err && !commit_after_fits(o, &all[i], &now))
			err = work_fail(
				w, i,
				"was changed since the commit; nothing was undone",
				-ESTALE);
	}
	return err;
}

/* A name that is to come back must be free. */
static int check_names(struct mapfs_commit *c)
{
	struct commit_work *w = &c->work;

	for (uint32_t i = 0; i < w->plan->name_count; i++) {
		const struct plan_name *n = w->plan->names[i];
		struct stat st;
		int dirfd = -1;

		if (!plan_name_changes(n) || n->object[PLAN_AFTER] != PLAN_NONE)
			continue;
		if (work_dirfd(w, n->dir, &dirfd))
			continue;
		if (fstatat(dirfd, n->name, &st, AT_SYMLINK_NOFOLLOW) == 0)
			return work_fail(
				w, n->object[PLAN_BEFORE],
				"was made again since the commit; nothing was undone",
				-EEXIST);
	}
	return 0;
}

int commit_check_after(struct mapfs_commit *c)
{
	struct commit_after *all;
	int err = commit_read_after(c->work.dirfd, c->work.plan, &all);

	if (err)
		return err;
	err = check_objects(c, all);
	free(all);
	return err ? err : check_names(c);
}
