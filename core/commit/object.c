/* SPDX-License-Identifier: MIT */
/*
 * Each call looks at the object in the base first, and does what is missing.
 */
#include "object.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "copy.h"
#include "core/arena/arena.h"
#include "core/lib/fault.h"
#include "core/lib/io.h"
#include "core/lib/path.h"
#include "core/lib/timespec.h"
#include "gone.h"
#include "kept.h"
#include "left.h"
#include "locate.h"
#include "stage.h"
#include "xattr.h"

#define ZEROS_BYTES 65536U
#define COPY_BYTES (1U << 20)

static int source_fd(const struct commit_ctx *ctx, enum plan_source source)
{
	return source == PLAN_ARENA ? ctx->fd.pages : ctx->fd.saved;
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

/* Pages of a store of which this one is a branch. */
static int copy_from_parent(struct commit_ctx *ctx, int fd,
			    const struct plan_run *r)
{
	uint8_t *buf = malloc(COPY_BYTES);
	uint64_t done = 0;
	int err = buf ? 0 : -ENOMEM;

	while (!err && done < r->len_bytes) {
		uint64_t n = r->len_bytes - done;

		if (n > COPY_BYTES)
			n = COPY_BYTES;
		err = arena_read(ctx->arena, r->from_bytes + done, buf, n);
		if (!err)
			err = io_pwrite_all("commit.write", fd, buf, n,
					    r->off_bytes + done);
		if (!err)
			err = commit_ctx_step(ctx, n);
		done += n;
	}
	free(buf);
	return err;
}

static int write_run(struct commit_ctx *ctx, int fd, const struct plan_run *r)
{
	int err;

	if (r->source == PLAN_ARENA &&
	    apage_arena(r->from_bytes >> MAPFS_PAGE_SHIFT) > 0)
		return copy_from_parent(ctx, fd, r);
	if (r->source != PLAN_HOLE)
		return copy_range(ctx,
				  &(struct copy_range){
					  .from = source_fd(ctx, r->source),
					  .to = fd,
					  .from_off = r->from_bytes,
					  .to_off = r->off_bytes,
					  .len = r->len_bytes,
				  });
	err = io_punch(fd, r->off_bytes, r->len_bytes);
	return err == -EOPNOTSUPP ?
		       write_zeros(fd, r->off_bytes, r->len_bytes) :
		       err;
}

/* Cuts off what is not kept, sets the size, then writes each run. */
static int write_state(struct commit_ctx *ctx, int fd, uint64_t keep,
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
		err = write_run(ctx, fd, &s->runs[i]);
	return err;
}

/* Opens a located object for writing, even if its mode forbids that. */
static int open_for_writing(int fd, int *out)
{
	char path[PATH_OF_FD_BYTES];
	int got;

	path_of_fd(fd, path);
	got = open(path, O_RDWR | O_CLOEXEC);
	/* The owner may give himself the right; PHASE_ATTR sets the mode. */
	if (got < 0 && errno == EACCES && chmod(path, 0600) == 0)
		got = open(path, O_RDWR | O_CLOEXEC);
	if (got < 0)
		return -errno;
	*out = got;
	return 0;
}

int object_write(struct commit_ctx *ctx, struct plan_object *o)
{
	int file = -1;
	int fd;
	int err;

	if (!o->has_data || !o->side[PLAN_BEFORE].exists ||
	    !o->side[PLAN_AFTER].exists || position_left_files(&ctx->at))
		return 0;
	if (o->is_damaged)
		return left_add(
			ctx, o->id,
			"its former bytes are damaged in the store, and it stays as the commit left it");
	err = left_locate(ctx, o->id, &fd);
	if (err)
		return err < 0 ? err : 0;
	err = open_for_writing(fd, &file);
	close(fd);
	if (!err) {
		err = write_state(ctx, file, o->keep_bytes,
				  &o->side[ctx->at.to]);
		close(file);
	}
	return err ? commit_ctx_fail(ctx, o->id, "cannot write it", err) : 0;
}

static int build_file(struct commit_ctx *ctx, const struct plan_object *o,
		      const char *slot)
{
	int fd = openat(ctx->fd.stage, slot,
			O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
			0600);
	int err;

	if (fd < 0)
		return -errno;
	err = ctx->at.to == PLAN_AFTER ?
		      write_state(ctx, fd, 0, &o->side[ctx->at.to]) :
		      gone_copy_back(ctx, o, fd);
	close(fd);
	return err;
}

static int build_special(struct commit_ctx *ctx, const struct plan_object *o,
			 const char *slot)
{
	dev_t dev =
		makedev((unsigned int)(o->rdev >> 32), (unsigned int)o->rdev);
	uint32_t type = plan_type(o);
	int ret;

	if (S_ISDIR(type))
		ret = mkdirat(ctx->fd.stage, slot, 0700);
	else if (S_ISLNK(type))
		ret = symlinkat(o->target, ctx->fd.stage, slot);
	else
		ret = mknodat(ctx->fd.stage, slot, type | 0600, dev);
	return ret < 0 ? -errno : 0;
}

static int build(struct commit_ctx *ctx, const struct plan_object *o,
		 const char *slot)
{
	/* A process that was killed may have built half of it. */
	int err = stage_wipe(ctx, slot);

	if (!err)
		err = fault_point("commit.build");
	if (err)
		return err;
	if (ctx->at.to == PLAN_BEFORE) {
		err = gone_move_back(ctx, o, slot);
		if (err != -ENOENT && err != -EXDEV)
			return err;
	}
	if (S_ISREG(plan_type(o)))
		return build_file(ctx, o, slot);
	return build_special(ctx, o, slot);
}

/* Somebody else had removed it before the commit could keep its bytes. */
static bool is_not_kept(const struct commit_ctx *ctx,
			const struct plan_object *o)
{
	return ctx->at.to == PLAN_BEFORE && S_ISREG(plan_type(o)) &&
	       !gone_has(ctx, o);
}

/* Undoing: one that had no place any more was kept by the commit, too. */
static bool has_to_be_built(const struct commit_ctx *ctx,
			    const struct plan_object *o)
{
	return plan_creates(o, ctx->at.to) ||
	       (ctx->at.to == PLAN_BEFORE && o->side[PLAN_BEFORE].exists &&
		o->id != PLAN_ROOT && gone_has(ctx, o));
}

int object_build(struct commit_ctx *ctx, struct plan_object *o)
{
	char slot[STAGE_SLOT_BYTES];
	struct stat st;
	int fd;
	int err;

	if (!has_to_be_built(ctx, o))
		return 0;
	if (o->is_damaged && plan_creates(o, ctx->at.to))
		return left_add(ctx, o->id, KEPT_LEFT_OUT);
	err = locate_object(ctx, o->id, &fd);
	if (!err) {
		close(fd);
		return 0;
	}
	stage_slot_of_build(o->id, slot);
	if (err == -ENOENT && is_not_kept(ctx, o))
		return 0;
	if (err == -ENOENT)
		err = build(ctx, o, slot);
	if (!err && fstatat(ctx->fd.stage, slot, &st, AT_SYMLINK_NOFOLLOW) < 0)
		err = -errno;
	if (err)
		return commit_ctx_fail(ctx, o->id, "cannot make it", err);
	o->ino = st.st_ino;
	return 0;
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
	char path[PATH_OF_FD_BYTES];
	struct stat st;
	int err = fault_point("commit.mode");

	if (err || S_ISLNK(s->mode))
		return err;
	if (fstat(fd, &st) < 0)
		return -errno;
	if ((st.st_mode & 07777) == (s->mode & 07777))
		return 0;
	path_of_fd(fd, path);
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
	if (timespec_is_equal(st.st_mtim, s->mtime) &&
	    timespec_is_equal(st.st_atim, s->atime))
		return 0;
	return utimensat(fd, "", times, AT_EMPTY_PATH) < 0 ? -errno : 0;
}

/*
 * Only the owner of an object may set its times, and a commit changes the times
 * of a directory that others may write to.  An undo must not fail because of
 * that: the commit could then neither be finished nor undone.
 */
static int forgive(const struct stat *st, bool may_fail, int err)
{
	return may_fail && err == -EPERM && geteuid() != 0 &&
			       st->st_uid != geteuid() ?
		       0 :
		       err;
}

int object_set_attr(struct commit_ctx *ctx, struct plan_object *o)
{
	const struct plan_state *s = &o->side[ctx->at.to];
	bool is_back = ctx->at.to == PLAN_BEFORE;
	struct stat st;
	int fd;
	int err;

	if (!o->is_touched || !s->exists || o->is_damaged)
		return 0;
	err = left_locate(ctx, o->id, &fd);
	if (err)
		return err < 0 ? err : 0;
	err = fstat(fd, &st) < 0 ? -errno : 0;
	/*
	 * In this order: a new owner clears the set-id bits, and an ACL changes
	 * the mode.
	 */
	if (!err)
		err = set_owner(fd, &st, s);
	if (!err && o->has_xattrs)
		err = forgive(&st, is_back, xattrs_write(fd, s));
	if (!err)
		err = forgive(&st, is_back, set_mode(fd, s));
	if (!err)
		err = forgive(&st, true, set_times(fd, s));
	close(fd);
	return err ? commit_ctx_fail(ctx, o->id, "cannot set its attributes",
				     err) :
		     0;
}
