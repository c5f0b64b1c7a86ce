/* SPDX-License-Identifier: MIT */
/*
 * The phases, and the barriers between them.
 *
 *   build -> inos        a name may only mean a new object whose number is
 *                        on disk, or nobody could tell it from a stranger
 *   take  -> data        deepest first, so that a way still leads there
 *   place                top first, so that a directory is where its names go
 *   attr                 times last, directories deepest first
 *   clean                nothing in the base needs the staging directory any
 *                        more; what goes is in the store before its last name
 *                        is removed
 */
#include "phases.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <syslog.h>
#include <unistd.h>

#include "core/lib/fault.h"
#include "core/lib/io.h"
#include "core/lib/log.h"
#include "core/lib/owner.h"
#include "saved_file.h"

int work_fail(struct commit_work *w, uint32_t object, const char *what, int err)
{
	char *path = NULL;

	if (err == -EINTR)
		return err;
	if (plan_path(w->plan, object, PLAN_BEFORE, &path) &&
	    plan_path(w->plan, object, PLAN_AFTER, &path))
		path = NULL;
	reason_set(w->why, "%s: %s: %s", path && path[0] ? path : "the base",
		   what, strerror(-err));
	free(path);
	return err;
}

bool work_is_theirs(struct commit_work *w, uint32_t object, int err)
{
	char *path = NULL;

	if (err != -ENOENT || w->to != PLAN_BEFORE)
		return false;
	if (plan_path(w->plan, object, PLAN_BEFORE, &path) == 0)
		log_line(
			LOG_WARNING,
			"%s: somebody else removed or replaced it, and that stays",
			path);
	free(path);
	return true;
}

int work_step(struct commit_work *w, uint64_t bytes)
{
	w->done_bytes += bytes;
	return w->progress ? w->progress(w->progress_arg, w->done_bytes,
					 w->all_bytes) :
			     0;
}

static int sync_all(const char *point, int fd)
{
	int err = fault_point(point);

	if (!err && syncfs(fd) < 0)
		err = -errno;
	return err;
}

int work_barrier(struct commit_work *w)
{
	int err = sync_all("commit.sync.base", w->rootfd);

	return err ? err : sync_all("commit.sync.store", w->storefd);
}

int work_write_state(const struct commit_work *w)
{
	struct commit_bytes b = { 0 };
	int err;

	commit_put64(&b, w->number);
	commit_put64(&b, w->stage_tag);
	commit_put32(&b, w->to);
	commit_put32(&b, w->phase);
	commit_put32(&b, w->to == PLAN_AFTER ? w->phase : w->reached);
	err = commit_write_file(w->topfd, "open", COMMIT_FILE_OPEN, &b);
	commit_bytes_fini(&b);
	return err;
}

int work_read_state(int topfd, struct commit_work *w)
{
	struct commit_reader r = { 0 };
	uint32_t to;
	uint32_t phase;
	uint32_t reached;
	uint8_t *buf;
	size_t len;
	int err = commit_read_file(topfd, "open", COMMIT_FILE_OPEN, &buf, &len);

	if (err)
		return err;
	r.at = buf;
	r.left_bytes = len;
	w->number = commit_get64(&r);
	w->stage_tag = commit_get64(&r);
	to = commit_get32(&r);
	phase = commit_get32(&r);
	reached = commit_get32(&r);
	free(buf);
	if (r.bad || r.left_bytes || to >= PLAN_SIDES || phase >= WORK_PHASES ||
	    reached >= WORK_PHASES)
		return -EUCLEAN;
	w->to = (enum plan_side)to;
	w->phase = (enum work_phase)phase;
	w->reached = (enum work_phase)reached;
	return 0;
}

static int open_part(int dirfd, const char *name, int flags, int *fd)
{
	/* O_NONBLOCK: a fifo in its place must not stop us. */
	*fd = openat(dirfd, name, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	return *fd < 0 ? -errno : 0;
}

int work_open(struct commit_work *w)
{
	char name[24];
	int err;

	w->dirfd = w->gonefd = w->savedfd = w->pagesfd = w->stagefd = -1;
	(void)snprintf(name, sizeof(name), "%llu",
		       (unsigned long long)w->number);
	(void)snprintf(w->stage, sizeof(w->stage), ".mapfs-commit-%016llx",
		       (unsigned long long)w->stage_tag);
	err = open_part(w->topfd, name, O_RDONLY | O_DIRECTORY, &w->dirfd);
	if (!err)
		err = open_part(w->dirfd, "gone", O_RDONLY | O_DIRECTORY,
				&w->gonefd);
	if (!err)
		err = owner_open_file(w->dirfd, "saved", O_RDWR, &w->savedfd);
	if (!err)
		err = open_part(w->storefd, "pages", O_RDONLY, &w->pagesfd);
	if (err)
		work_close(w);
	return err;
}

void work_close(struct commit_work *w)
{
	int *const fds[] = { &w->dirfd, &w->gonefd, &w->savedfd, &w->pagesfd,
			     &w->stagefd };

	if (w->plan)
		work_drop_dirfds(w);
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
		if (*fds[i] >= 0)
			close(*fds[i]);
		*fds[i] = -1;
	}
}

/* Ours alone, and inheriting nothing from the base's root. */
static int open_stage(struct commit_work *w, bool create)
{
	char path[WORK_PROC_BYTES];
	int err = fault_point("commit.stage");

	if (err)
		return err;
	if (create && mkdirat(w->rootfd, w->stage, 0700) < 0 && errno != EEXIST)
		return work_fail(w, PLAN_ROOT, "cannot be written to", -errno);
	err = work_openat(w->rootfd, w->stage, O_RDONLY | O_DIRECTORY,
			  &w->stagefd);
	if (err)
		return err;
	work_proc_path(w->stagefd, path);
	if (removexattr(path, "system.posix_acl_default") < 0 &&
	    errno != ENODATA && errno != EOPNOTSUPP)
		return -errno;
	return 0;
}

int work_write_inos(const struct commit_work *w)
{
	struct commit_bytes b = { 0 };
	int err;

	for (uint32_t i = 0; i < w->plan->object_count; i++)
		commit_put64(&b, w->plan->objects[i]->ino);
	err = commit_write_file(w->dirfd, "inos", COMMIT_FILE_INOS, &b);
	commit_bytes_fini(&b);
	return err;
}

/* -ENOENT is fine: nothing was built yet. */
int work_read_inos(struct commit_work *w)
{
	struct commit_reader r = { 0 };
	uint8_t *buf;
	size_t len;
	int err = commit_read_file(w->dirfd, "inos", COMMIT_FILE_INOS, &buf,
				   &len);

	if (err)
		return err == -ENOENT ? 0 : err;
	r.at = buf;
	r.left_bytes = len;
	if (len == w->plan->object_count * sizeof(uint64_t))
		for (uint32_t i = 0; i < w->plan->object_count; i++)
			w->plan->objects[i]->ino = commit_get64(&r);
	else
		err = -EUCLEAN;
	free(buf);
	return err;
}

static int each_object(struct commit_work *w,
		       int (*fn)(struct commit_work *, struct plan_object *))
{
	int err = 0;

	for (uint32_t i = 0; !err && i < w->plan->object_count; i++) {
		err = fn(w, w->plan->objects[i]);
		if (!err)
			err = work_step(w, 0);
	}
	return err;
}

static int phase_build(struct commit_work *w)
{
	int err = each_object(w, work_build);

	/* Numbers count only for what is on disk. */
	if (!err)
		err = work_barrier(w);
	return err ? err : work_write_inos(w);
}

/* Names that change, in order of depth of their directory on a side. */
static int sorted_names(const struct commit_work *w, enum plan_side side,
			struct plan_name ***out, uint32_t *count)
{
	const struct plan *p = w->plan;
	uint32_t *start;
	uint32_t deepest = 0;
	struct plan_name **sorted =
		calloc(p->name_count + 1, sizeof(struct plan_name *));

	for (uint32_t i = 0; i < p->name_count; i++) {
		uint32_t depth = p->objects[p->names[i]->dir]->depth[side];

		if (depth > deepest)
			deepest = depth;
	}
	start = calloc(deepest + 2, sizeof(*start));
	if (!sorted || !start) {
		free(sorted);
		free(start);
		return -ENOMEM;
	}
	/* Counting sort: names of one depth stay in order. */
	for (uint32_t i = 0; i < p->name_count; i++)
		start[p->objects[p->names[i]->dir]->depth[side] + 1]++;
	for (uint32_t d = 1; d <= deepest; d++)
		start[d] += start[d - 1];
	for (uint32_t i = 0; i < p->name_count; i++) {
		uint32_t depth = p->objects[p->names[i]->dir]->depth[side];

		sorted[start[depth]++] = p->names[i];
	}
	free(start);
	*out = sorted;
	*count = p->name_count;
	return 0;
}

static int rename_exclusive(int fromdir, const char *from, int todir,
			    const char *to)
{
	struct stat st;
	int err = fault_point("commit.rename");

	if (err)
		return err;
	if (renameat2(fromdir, from, todir, to, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -errno;
	/* The file system has no such flag. */
	if (fstatat(todir, to, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return -EEXIST;
	return renameat(fromdir, from, todir, to) < 0 ? -errno : 0;
}

/* A directory must be writable for its ".." to change. */
static int move(int fromdir, const char *from, int todir, const char *to)
{
	struct stat st;
	int err = rename_exclusive(fromdir, from, todir, to);

	if (err != -EACCES ||
	    fstatat(fromdir, from, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    !S_ISDIR(st.st_mode) ||
	    fchmodat(fromdir, from, (st.st_mode & 07777) | 0700, 0) < 0)
		return err;
	return rename_exclusive(fromdir, from, todir, to);
}

static int take_name(struct commit_work *w, const struct plan_name *n)
{
	enum plan_side from = plan_other(w->to);
	const struct plan_object *o;
	char slot[WORK_SLOT_BYTES];
	struct stat st;
	int dirfd = -1;
	int err;

	assert(n);
	if (!plan_name_changes(n) || n->object[from] == PLAN_NONE)
		return 0;
	o = w->plan->objects[n->object[from]];
	work_name_slot(n, from, slot);
	if (fstatat(w->stagefd, slot, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	err = work_dirfd(w, n->dir, &dirfd);
	/* Taking back what was never begun. */
	if (err == -ENOENT && w->to == PLAN_BEFORE)
		return 0;
	if (err)
		return work_fail(w, n->dir, "cannot find it", err);
	if (fstatat(dirfd, n->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!work_is(o, &st)) {
		if (n->object[w->to] != PLAN_NONE &&
		    work_is(w->plan->objects[n->object[w->to]], &st))
			return 0;
		/* Nothing has to come here, or perhaps it cannot. */
		if (w->to == PLAN_BEFORE)
			return 0;
		return work_fail(w, o->id, "was replaced meanwhile", -ESTALE);
	}
	err = move(dirfd, n->name, w->stagefd, slot);
	return err ? work_fail(w, o->id, "cannot move it", err) : 0;
}

/* What nobody but the commit may have touched since it was saved. */
static int check_unchanged(struct commit_work *w, struct plan_object *o)
{
	struct stat st;
	int fd;
	int err;

	if (!o->is_touched || !o->side[PLAN_BEFORE].exists ||
	    S_ISDIR(plan_type(o)))
		return 0;
	err = work_locate(w, o->id, &fd);
	if (err == -ENOENT && !o->side[PLAN_AFTER].exists)
		return 0;
	if (err)
		return work_fail(w, o->id, "cannot find it", err);
	err = fstat(fd, &st) < 0 ? -errno : 0;
	close(fd);
	if (!err &&
	    !work_is_as(o, PLAN_BEFORE, (uint64_t)st.st_size, st.st_mtim))
		err = -ESTALE;
	return err ? work_fail(w, o->id, "somebody else changed it meanwhile",
			       err) :
		     0;
}

static int phase_take(struct commit_work *w)
{
	struct plan_name **names = NULL;
	uint32_t count = 0;
	int err = sorted_names(w, plan_other(w->to), &names, &count);

	if (err)
		return err;
	while (!err && count-- > 0) {
		err = take_name(w, names[count]);
		if (!err)
			err = work_step(w, 0);
	}
	free(names);
	/* The last moment: from the next phase on it is we who change it. */
	if (!err && w->to == PLAN_AFTER)
		err = each_object(w, check_unchanged);
	return err;
}

static int link_to(struct commit_work *w, uint32_t id, int dirfd,
		   const char *name)
{
	char path[WORK_PROC_BYTES];
	int fd;
	int err = fault_point("commit.link");

	if (!err)
		err = work_locate(w, id, &fd);
	if (err)
		return err;
	work_proc_path(fd, path);
	if (linkat(AT_FDCWD, path, dirfd, name, AT_SYMLINK_FOLLOW) < 0)
		err = -errno;
	close(fd);
	return err;
}

/* Taking back, and there is nothing left to be put anywhere. */
static bool is_gone(struct commit_work *w, const struct plan_object *o)
{
	int fd = -1;
	int err = work_locate(w, o->id, &fd);

	if (fd >= 0)
		close(fd);
	return work_is_theirs(w, o->id, err);
}

static int place_is_taken(struct commit_work *w, const struct plan_object *o,
			  const struct stat *st)
{
	if (work_is(o, st) || is_gone(w, o))
		return 0;
	return work_fail(w, o->id, "its place was taken; move that away",
			 -EEXIST);
}

static int place_name(struct commit_work *w, const struct plan_name *n)
{
	const struct plan_object *o;
	char slot[WORK_SLOT_BYTES];
	struct stat st;
	int dirfd = -1;
	int err;

	assert(n);
	if (!plan_name_changes(n) || n->object[w->to] == PLAN_NONE)
		return 0;
	o = w->plan->objects[n->object[w->to]];
	err = work_dirfd(w, n->dir, &dirfd);
	if (err == -ENOENT && is_gone(w, o))
		return 0;
	if (err)
		return work_fail(w, n->dir, "cannot find it", err);
	if (fstatat(dirfd, n->name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return place_is_taken(w, o, &st);
	/* The only name is moved: not every file system has links. */
	if (work_find_slot(w, o->id, slot) &&
	    (S_ISDIR(plan_type(o)) || o->name_count[w->to] == 1)) {
		err = move(w->stagefd, slot, dirfd, n->name);
	} else {
		/* Looking for it may close what was just opened. */
		int fd = dup(dirfd);

		err = fd < 0 ? -errno : link_to(w, o->id, fd, n->name);
		if (fd >= 0)
			close(fd);
		if (work_is_theirs(w, o->id, err))
			return 0;
	}
	return err ? work_fail(w, o->id, "cannot put it in place", err) : 0;
}

static int phase_place(struct commit_work *w)
{
	struct plan_name **names = NULL;
	uint32_t count = 0;
	int err = sorted_names(w, w->to, &names, &count);

	if (err)
		return err;
	for (uint32_t i = 0; !err && i < count; i++) {
		err = place_name(w, names[i]);
		if (!err)
			err = work_step(w, 0);
	}
	free(names);
	return err;
}

static int attr_of_file(struct commit_work *w, struct plan_object *o)
{
	return S_ISDIR(plan_type(o)) || work_left_files(w) ? 0 :
							     work_attr(w, o);
}

/* A mode that locks us out must not come before what is below. */
static int attr_of_dirs(struct commit_work *w)
{
	uint32_t deepest = 0;
	int err = 0;

	for (uint32_t i = 0; i < w->plan->object_count; i++)
		if (w->plan->objects[i]->depth[w->to] > deepest)
			deepest = w->plan->objects[i]->depth[w->to];
	for (uint32_t depth = deepest + 1; !err && depth-- > 0;) {
		for (uint32_t i = 0; !err && i < w->plan->object_count; i++) {
			struct plan_object *o = w->plan->objects[i];

			if (o->depth[w->to] == depth && o->id != PLAN_ROOT &&
			    S_ISDIR(plan_type(o)))
				err = work_attr(w, o);
		}
	}
	return err;
}

static int phase_attr(struct commit_work *w)
{
	int err = each_object(w, attr_of_file);

	/* The root's come last of all: the staging directory is in it. */
	return err ? err : attr_of_dirs(w);
}

/* Between file systems only the bytes of files go; the plan has the rest. */
static int copy_gone(struct commit_work *w, const char *slot, const char *kept)
{
	char tmp[WORK_SLOT_BYTES + 8];
	int from;
	int to = -1;
	int err;

	(void)snprintf(tmp, sizeof(tmp), "%s.tmp", kept);
	err = work_openat(w->stagefd, slot, O_RDONLY, &from);
	if (err)
		return err;
	err = owner_create_file(w->gonefd, tmp, O_RDWR, &to);
	if (!err)
		err = work_copy_all(w, from, to);
	if (!err)
		err = io_fsync("commit.gone", to);
	if (!err && renameat(w->gonefd, tmp, w->gonefd, kept) < 0)
		err = -errno;
	if (to >= 0)
		close(to);
	/* Half of it would only take the space that taking back needs. */
	if (err)
		(void)unlinkat(w->gonefd, tmp, 0);
	close(from);
	return err;
}

static int keep_gone(struct commit_work *w, struct plan_object *o)
{
	char slot[WORK_SLOT_BYTES];
	char kept[WORK_SLOT_BYTES];
	struct stat st;
	int err;

	if (!plan_goes(o, w->to) || w->to == PLAN_BEFORE ||
	    !work_find_slot(w, o->id, slot))
		return 0;
	(void)snprintf(kept, sizeof(kept), "%u", o->id);
	err = fstatat(w->gonefd, kept, &st, AT_SYMLINK_NOFOLLOW) == 0 ?
		      0 :
		      move(w->stagefd, slot, w->gonefd, kept);
	if (err == -EXDEV)
		err = S_ISREG(plan_type(o)) ? copy_gone(w, slot, kept) : 0;
	return err ? work_fail(w, o->id, "cannot keep it in the store", err) :
		     0;
}

/* Everything in the staging directory is named elsewhere, or goes. */
static int empty_stage(struct commit_work *w)
{
	int fd = dup(w->stagefd);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *e;
	int err = 0;

	if (!dir) {
		err = -errno;
		if (fd >= 0)
			close(fd);
		return err;
	}
	rewinddir(dir);
	while (!err && (e = readdir(dir))) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		err = fault_point("commit.unlink");
		if (!err && unlinkat(w->stagefd, e->d_name, 0) < 0 &&
		    ((errno != EISDIR && errno != EPERM) ||
		     unlinkat(w->stagefd, e->d_name, AT_REMOVEDIR) < 0))
			err = -errno;
	}
	closedir(dir);
	return err;
}

static int phase_clean(struct commit_work *w)
{
	int err = 0;

	if (w->stagefd >= 0) {
		err = each_object(w, keep_gone);
		/* In the store for good, before the base's last name goes. */
		if (!err)
			err = io_fsync("commit.gone", w->gonefd);
		if (!err)
			err = work_barrier(w);
		if (!err)
			err = empty_stage(w);
		if (!err)
			err = fault_point("commit.unstage");
		if (!err && unlinkat(w->rootfd, w->stage, AT_REMOVEDIR) < 0)
			err = -errno;
		if (err)
			return err;
		close(w->stagefd);
		w->stagefd = -1;
	}
	return work_attr(w, w->plan->objects[PLAN_ROOT]);
}

static int run_phase(struct commit_work *w)
{
	switch (w->phase) {
	case WORK_BUILD:
		return phase_build(w);
	case WORK_TAKE:
		return phase_take(w);
	case WORK_DATA:
		return each_object(w, work_data);
	case WORK_PLACE:
		return phase_place(w);
	case WORK_ATTR:
		return phase_attr(w);
	case WORK_CLEAN:
		return phase_clean(w);
	case WORK_DELTA:
	case WORK_PHASES:
		break;
	}
	return 0;
}

/* One directory, if it is ours and locks us out. */
static int unlock_dir(struct commit_work *w, const struct plan_object *o)
{
	char path[WORK_PROC_BYTES];
	struct stat st;
	int fd;
	int err;

	if (!S_ISDIR(plan_type(o)) ||
	    (o->id != PLAN_ROOT && !o->side[w->to].exists &&
	     !o->side[plan_other(w->to)].exists))
		return 0;
	err = work_locate(w, o->id, &fd);
	/* Not built yet, or gone; or a step says better what is wrong. */
	if (err)
		return err == -ENOENT || err == -EACCES ? 0 : err;
	work_proc_path(fd, path);
	if (fstat(fd, &st) < 0)
		err = -errno;
	else if (st.st_uid == geteuid() && (st.st_mode & 0700) != 0700 &&
		 chmod(path, (st.st_mode & 07777) | 0700) < 0)
		err = -errno;
	close(fd);
	return err;
}

/*
 * Only root works in directories whatever their mode.  Everybody else opens
 * them first, from the top down as they may be placed now; WORK_ATTR closes
 * them, and WORK_CLEAN the base's root.
 */
static int unlock_dirs(struct commit_work *w)
{
	const enum plan_side sides[] = { plan_other(w->to), w->to };
	uint32_t deepest = 0;
	int err = unlock_dir(w, w->plan->objects[PLAN_ROOT]);

	if (w->phase > WORK_ATTR)
		return err;
	for (uint32_t i = 0; i < w->plan->object_count; i++)
		for (int side = 0; side < PLAN_SIDES; side++)
			if (w->plan->objects[i]->depth[side] > deepest)
				deepest = w->plan->objects[i]->depth[side];
	for (size_t s = 0; s < PLAN_SIDES; s++)
		for (uint32_t depth = 0; depth <= deepest; depth++)
			for (uint32_t i = 0; !err && i < w->plan->object_count;
			     i++)
				if (w->plan->objects[i]->depth[sides[s]] ==
				    depth)
					err = unlock_dir(w,
							 w->plan->objects[i]);
	return err;
}

int work_run(struct commit_work *w)
{
	int err = 0;

	if (w->phase < WORK_DELTA && geteuid() != 0)
		err = unlock_dirs(w);
	if (!err && w->phase < WORK_DELTA)
		err = open_stage(w, w->phase < WORK_CLEAN);
	/* Removed already, when the last run was stopped. */
	if (err == -ENOENT && w->phase == WORK_CLEAN)
		err = 0;
	while (!err && w->phase < WORK_DELTA) {
		work_drop_dirfds(w);
		err = run_phase(w);
		/* The next phase builds on this one. */
		if (!err)
			err = work_barrier(w);
		if (!err) {
			w->phase = (enum work_phase)(w->phase + 1);
			err = work_write_state(w);
		}
	}
	if (err && reason_is_empty(w->why))
		reason_set(w->why, "%s: %s", w->stage, strerror(-err));
	return err;
}
