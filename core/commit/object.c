/* SPDX-License-Identifier: MIT */
/*
 * One object made as its side says: from nothing, or in place.  Each step
 * looks at what is there first, so doing it again does nothing more.
 */
#include "phases.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "core/arena/arena.h"
#include "core/lib/fault.h"
#include "core/lib/io.h"

#define ZEROS_BYTES 65536U
#define COPY_BYTES (1U << 20)

static int source_fd(const struct commit_work *w, enum plan_source source)
{
	return source == PLAN_ARENA ? w->pagesfd : w->savedfd;
}

static int write_zeros(int fd, uint64_t off, uint64_t len)
{
	static const uint8_t zeros[ZEROS_BYTES];
	int err = 0;

	while (!err && len > 0) {
		size_t n = len < ZEROS_BYTES ? len : ZEROS_BYTES;

		err = io_pwrite_all("commit.write", fd, zeros, n, off);
		off += n;
		len -= n;
	}
	return err;
}

/* Pages of a store that this one is a branch of. */
static int copy_from_parent(struct commit_work *w, int fd,
			    const struct plan_run *r)
{
	uint8_t *buf = malloc(COPY_BYTES);
	uint64_t done = 0;
	int err = buf ? 0 : -ENOMEM;

	while (!err && done < r->len_bytes) {
		uint64_t n = r->len_bytes - done;

		if (n > COPY_BYTES)
			n = COPY_BYTES;
		err = arena_read(w->arena, r->from_bytes + done, buf, n);
		if (!err)
			err = io_pwrite_all("commit.write", fd, buf, n,
					    r->off_bytes + done);
		if (!err)
			err = work_step(w, n);
		done += n;
	}
	free(buf);
	return err;
}

static int write_run(struct commit_work *w, int fd, const struct plan_run *r)
{
	int err;

	if (r->source == PLAN_ARENA &&
	    apage_arena(r->from_bytes >> MAPFS_PAGE_SHIFT) > 0)
		return copy_from_parent(w, fd, r);
	if (r->source != PLAN_HOLE)
		return work_copy(w, source_fd(w, r->source), r->from_bytes, fd,
				 r->off_bytes, r->len_bytes);
	err = io_punch(fd, r->off_bytes, r->len_bytes);
	return err == -EOPNOTSUPP ?
		       write_zeros(fd, r->off_bytes, r->len_bytes) :
		       err;
}

/* What is kept, then the size, then every run that differs. */
static int write_state(struct commit_work *w, int fd, uint64_t keep,
		       const struct plan_state *s)
{
	struct stat st;
	int err = fault_point("commit.truncate");

	if (err)
		return err;
	if (fstat(fd, &st) < 0)
		return -errno;
	if ((uint64_t)st.st_size > keep && ftruncate(fd, (off_t)keep) < 0)
		return -errno;
	if (ftruncate(fd, (off_t)s->size_bytes) < 0)
		return -errno;
	for (size_t i = 0; !err && i < s->run_count; i++)
		err = write_run(w, fd, &s->runs[i]);
	return err;
}

/* Opens a located object for writing, whatever its mode says. */
static int open_for_writing(int fd, int *out)
{
	char path[WORK_PROC_BYTES];
	int got;

	work_proc_path(fd, path);
	got = open(path, O_RDWR | O_CLOEXEC);
	/* Its own owner may lack the right; WORK_ATTR sets the mode again. */
	if (got < 0 && errno == EACCES && chmod(path, 0600) == 0)
		got = open(path, O_RDWR | O_CLOEXEC);
	if (got < 0)
		return -errno;
	*out = got;
	return 0;
}

int work_data(struct commit_work *w, struct plan_object *o)
{
	int file = -1;
	int fd;
	int err;

	if (!o->has_data || !o->side[PLAN_BEFORE].exists ||
	    !o->side[PLAN_AFTER].exists || work_left_files(w))
		return 0;
	err = work_locate(w, o->id, &fd);
	if (work_is_theirs(w, o->id, err))
		return 0;
	if (!err) {
		err = open_for_writing(fd, &file);
		close(fd);
	}
	if (!err) {
		err = write_state(w, file, o->keep_bytes, &o->side[w->to]);
		close(file);
	}
	return err ? work_fail(w, o->id, "cannot write it", err) : 0;
}

/* A file that was moved out of the base's file system comes back. */
static int restore_file(struct commit_work *w, const char *kept, int to)
{
	int from = openat(w->gonefd, kept,
			  O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	int err;

	if (from < 0)
		return -errno;
	err = work_copy_all(w, from, to);
	close(from);
	return err;
}

static int build_file(struct commit_work *w, struct plan_object *o,
		      const char *slot, const char *kept)
{
	int fd = openat(w->stagefd, slot,
			O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
			0600);
	int err;

	if (fd < 0)
		return -errno;
	err = w->to == PLAN_AFTER ? write_state(w, fd, 0, &o->side[w->to]) :
				    restore_file(w, kept, fd);
	close(fd);
	return err;
}

static int build_special(struct commit_work *w, const struct plan_object *o,
			 const char *slot)
{
	dev_t dev =
		makedev((unsigned int)(o->rdev >> 32), (unsigned int)o->rdev);
	uint32_t type = plan_type(o);
	int ret;

	if (S_ISDIR(type))
		ret = mkdirat(w->stagefd, slot, 0700);
	else if (S_ISLNK(type))
		ret = symlinkat(o->target, w->stagefd, slot);
	else
		ret = mknodat(w->stagefd, slot, type | 0600, dev);
	return ret < 0 ? -errno : 0;
}

/* Half built by a run that was killed, and nobody knows it yet. */
static int wipe_slot(struct commit_work *w, const char *slot)
{
	if (unlinkat(w->stagefd, slot, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return -errno;
	return unlinkat(w->stagefd, slot, AT_REMOVEDIR) < 0 ? -errno : 0;
}

static int build(struct commit_work *w, struct plan_object *o, const char *slot)
{
	char kept[WORK_SLOT_BYTES];
	int err = wipe_slot(w, slot);

	(void)snprintf(kept, sizeof(kept), "%u", o->id);
	if (!err)
		err = fault_point("commit.build");
	if (err)
		return err;
	if (w->to == PLAN_BEFORE &&
	    renameat(w->gonefd, kept, w->stagefd, slot) == 0)
		return 0;
	if (w->to == PLAN_BEFORE && errno != ENOENT && errno != EXDEV)
		return -errno;
	if (S_ISREG(plan_type(o)))
		return build_file(w, o, slot, kept);
	return build_special(w, o, slot);
}

/* Somebody else removed it before the commit could keep its bytes. */
static bool is_not_kept(const struct commit_work *w,
			const struct plan_object *o)
{
	char kept[WORK_SLOT_BYTES];

	(void)snprintf(kept, sizeof(kept), "%u", o->id);
	return w->to == PLAN_BEFORE && S_ISREG(plan_type(o)) &&
	       faccessat(w->gonefd, kept, F_OK, AT_SYMLINK_NOFOLLOW) < 0 &&
	       errno == ENOENT;
}

int work_build(struct commit_work *w, struct plan_object *o)
{
	char slot[WORK_SLOT_BYTES];
	struct stat st;
	int fd;
	int err;

	if (!plan_comes(o, w->to))
		return 0;
	err = work_locate(w, o->id, &fd);
	if (!err) {
		close(fd);
		return 0;
	}
	work_build_slot(o->id, slot);
	if (err == -ENOENT && is_not_kept(w, o))
		return 0;
	if (err == -ENOENT)
		err = build(w, o, slot);
	if (!err && fstatat(w->stagefd, slot, &st, AT_SYMLINK_NOFOLLOW) < 0)
		err = -errno;
	if (err)
		return work_fail(w, o->id, "cannot make it", err);
	o->ino = st.st_ino;
	return 0;
}

static bool same_time(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static int set_owner(int fd, const struct stat *st, const struct plan_state *s)
{
	int err = fault_point("commit.owner");

	if (err || (st->st_uid == s->uid && st->st_gid == s->gid))
		return err;
	return fchownat(fd, "", s->uid, s->gid, AT_EMPTY_PATH) < 0 ? -errno : 0;
}

static int set_mode(int fd, const struct plan_state *s)
{
	char path[WORK_PROC_BYTES];
	struct stat st;
	int err = fault_point("commit.mode");

	if (err || S_ISLNK(s->mode))
		return err;
	if (fstat(fd, &st) < 0)
		return -errno;
	if ((st.st_mode & 07777) == (s->mode & 07777))
		return 0;
	work_proc_path(fd, path);
	return chmod(path, s->mode & 07777) < 0 ? -errno : 0;
}

static int set_times(int fd, const struct plan_state *s)
{
	const struct timespec times[2] = { s->atime, s->mtime };
	struct stat st;
	int err = fault_point("commit.times");

	if (err)
		return err;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (same_time(st.st_mtim, s->mtime) && same_time(st.st_atim, s->atime))
		return 0;
	return utimensat(fd, "", times, AT_EMPTY_PATH) < 0 ? -errno : 0;
}

/*
 * Only its owner may set an object's times, and a directory that others may
 * write to gets new ones by that.  Taking back must not fail for what the
 * commit could do and its maker may not: there would be no way out.
 */
static int forgive(const struct stat *st, bool may_fail, int err)
{
	return may_fail && err == -EPERM && geteuid() != 0 &&
			       st->st_uid != geteuid() ?
		       0 :
		       err;
}

int work_attr(struct commit_work *w, struct plan_object *o)
{
	const struct plan_state *s = &o->side[w->to];
	bool is_back = w->to == PLAN_BEFORE;
	struct stat st;
	int fd;
	int err;

	if (!o->is_touched || !s->exists)
		return 0;
	err = work_locate(w, o->id, &fd);
	/* That was told when it could not be put in place. */
	if (err == -ENOENT && w->to == PLAN_BEFORE)
		return 0;
	if (err)
		return work_fail(w, o->id, "cannot find it", err);
	err = fstat(fd, &st) < 0 ? -errno : 0;
	/* A new owner takes set-id bits away, an ACL changes the mode. */
	if (!err)
		err = set_owner(fd, &st, s);
	if (!err && o->has_xattrs)
		err = forgive(&st, is_back, work_write_xattrs(fd, s));
	if (!err)
		err = forgive(&st, is_back, set_mode(fd, s));
	if (!err)
		err = forgive(&st, true, set_times(fd, s));
	close(fd);
	return err ? work_fail(w, o->id, "cannot set its attributes", err) : 0;
}
