/* SPDX-License-Identifier: MIT */
/*
 * While its writeback cache is on, the kernel takes the size and the times of a
 * regular file from the daemon once, when it first looks the inode up, and
 * never again while it holds the inode.  So the kernel is first made to release
 * the inode: by FUSE_NOTIFY_PRUNE, which drops the names of the inode that
 * nobody uses (Linux 6.18), or by invalidating one name.
 *
 * The kernel does not release an open file, and no notification sets a size.
 * But the kernel believes the answer to a truncate(2) and a utimensat(2).  So
 * this thread makes those calls through the mount, on inodes whose attributes
 * differ from those of the view; op_setattr() recognises the requests of this
 * thread, changes nothing and answers with the attributes of the view.  The
 * time of change cannot be corrected in this way: it shows the time of the
 * correction until the file is closed.
 *
 * The inode is opened by its file handle, which needs no name and finds only
 * inodes that the kernel holds.  Without CAP_DAC_READ_SEARCH it is reached by a
 * path walk.  A descriptor in the mount keeps the mount busy, so it is closed
 * at once.
 */
#include "invalidate.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/request/loop.h"
#include "core/lib/path.h"
#include "core/lib/timespec.h"
#include "fs/mount/mount.h"
#include "fs/mount/root.h"
#include "fs/request/node.h"

/* A file handle as the kernel's fs/fuse makes it: node and generation. */
#define HANDLE_BYTES 12
#define HANDLE_TYPE 0x81

#define NOTIFY_PRUNE 9 /* FUSE_NOTIFY_PRUNE in Linux 6.18 */

void kernel_refresh_begin(struct kernel_refresh *r, struct mount *m)
{
	*r = (struct kernel_refresh){ .m = m };
	/* Another mount may cover this one. */
	if (root_open(m->opt->mountpoint, atomic_load(&m->dev), &r->root_fd))
		r->root_fd = -1;
}

void kernel_refresh_end(struct kernel_refresh *r)
{
	if (r->root_fd >= 0)
		close(r->root_fd);
	r->root_fd = -1;
	if (r->failed)
		fuse_log(FUSE_LOG_WARNING,
			 "%u open files keep the size or time that they had; "
			 "close them to see those of the view\n",
			 r->failed);
}

/* libfuse 3.18 has no function for this notification. */
static int prune_names(const struct kernel_refresh *r, mapfs_ino ino)
{
	struct {
		struct fuse_out_header head;
		uint32_t count;
		uint32_t padding;
		uint64_t spare;
		uint64_t node;
	} message = {
		.head = { .len = sizeof(message), .error = NOTIFY_PRUNE },
		.count = 1,
		.node = node_of_ino(r->m, ino),
	};

	if (write(fuse_session_fd(r->m->se), &message, sizeof(message)) < 0)
		return -errno;
	return 0;
}

/* Finds the directory and the last name of `path`, which is changed. */
static int find_dir(const struct kernel_refresh *r, char *path, mapfs_ino *dir,
		    const char **name)
{
	struct mapfs_entry e;
	char *slash;
	int err = 0;

	*dir = r->m->root_ino;
	while (!err && (slash = strchr(path, '/'))) {
		*slash = '\0';
		err = mapfs_lookup(r->m->view, *dir, path, &e);
		if (err)
			break;
		/* The count that the kernel holds keeps the inode known. */
		mapfs_forget(r->m->view, e.attr.ino, 1);
		*dir = e.attr.ino;
		path = slash + 1;
	}
	*name = path;
	return err;
}

/* Invalidates one name; other names may still hold the inode. */
static int drop_name(const struct kernel_refresh *r, mapfs_ino ino)
{
	const char *name;
	mapfs_ino dir;
	char *path;
	int err = mapfs_find_path(r->m->view, ino, &path);

	if (err)
		return err;
	err = find_dir(r, path, &dir, &name);
	if (!err)
		err = fuse_lowlevel_notify_inval_entry(
			r->m->se, node_of_ino(r->m, dir), name, strlen(name));
	free(path);
	return err;
}

/* Best effort: an inode that the kernel still holds is corrected later. */
static void release_inode(struct kernel_refresh *r, mapfs_ino ino)
{
	if (!r->cannot_prune && prune_names(r, ino) == -EINVAL)
		r->cannot_prune = true;
	if (r->cannot_prune && drop_name(r, ino))
		fuse_log(FUSE_LOG_DEBUG, "inode %llu: no name to drop\n",
			 (unsigned long long)ino);
}

static int open_by_handle(const struct kernel_refresh *r,
			  const struct mapfs_invalidation *what, int *fd)
{
	union {
		struct file_handle h;
		char room[sizeof(struct file_handle) + HANDLE_BYTES];
	} u = { .h = { .handle_bytes = HANDLE_BYTES,
		       .handle_type = HANDLE_TYPE } };
	uint64_t node = node_of_ino(r->m, what->ino);
	const uint32_t words[] = {
		(uint32_t)(node >> 32),
		(uint32_t)node,
		(uint32_t)what->generation,
	};

	_Static_assert(sizeof(words) == HANDLE_BYTES, "three words");
	memcpy(u.h.f_handle, words, sizeof(words));
	*fd = open_by_handle_at(r->root_fd, &u.h, O_PATH | O_CLOEXEC);
	return *fd < 0 ? -errno : 0;
}

/* Opens `path`, which is changed; follows no symbolic link. */
static int walk(const struct kernel_refresh *r, char *path, int *out)
{
	int at = dup(r->root_fd);
	char *save = NULL;

	for (char *name = strtok_r(path, "/", &save); name && at >= 0;
	     name = strtok_r(NULL, "/", &save)) {
		int next = openat(at, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
		int err = errno;

		close(at);
		at = next;
		errno = err;
	}
	*out = at;
	return at < 0 ? -errno : 0;
}

static int open_by_path(const struct kernel_refresh *r,
			const struct mapfs_invalidation *what, int *fd)
{
	struct stat st;
	char *path;
	int err = mapfs_find_path(r->m->view, what->ino, &path);

	if (err)
		return err;
	err = walk(r, path, fd);
	free(path);
	if (err)
		return err;
	if (fstat(*fd, &st) == 0 && st.st_ino == what->ino &&
	    st.st_dev == atomic_load(&r->m->dev))
		return 0;
	close(*fd);
	return -ENOENT;
}

/*
 * Makes only the calls that are needed, because each of them sets the time of
 * change by the kernel's clock.  A program may write to the file meanwhile, and
 * the view drops what it writes until mapfs_invalidated().  That is called
 * during the last truncate(2), which sets the size once more: during a
 * truncate(2) the kernel writes no page back, and none can extend the file.
 */
static int correct(struct mount *m, int fd, const struct mapfs_attr *attr)
{
	const struct timespec times[] = {
		{ .tv_nsec = UTIME_OMIT },
		attr->mtime,
	};
	char path[PATH_OF_FD_BYTES];
	struct stat st;
	int err = 0;

	path_of_fd(fd, path);
	if (fstat(fd, &st) < 0)
		return -errno;
	if ((uint64_t)st.st_size == attr->size_bytes &&
	    timespec_is_equal(st.st_mtim, attr->mtime))
		return 0;
	if ((uint64_t)st.st_size != attr->size_bytes &&
	    truncate(path, (off_t)attr->size_bytes) < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!timespec_is_equal(st.st_mtim, attr->mtime) &&
	    utimensat(AT_FDCWD, path, times, 0) < 0)
		return -errno;
	atomic_store(&m->is_last_correction, true);
	if (truncate(path, (off_t)attr->size_bytes) < 0)
		err = -errno;
	atomic_store(&m->is_last_correction, false);
	return err;
}

static int correct_file(const struct kernel_refresh *r,
			const struct mapfs_invalidation *what)
{
	struct mapfs_attr attr;
	int fd;
	int err = mapfs_getattr(r->m->view, mapfs_file_of(what->ino), &attr);

	if (err)
		return err;
	if (r->root_fd < 0)
		return -EXDEV;
	err = open_by_handle(r, what, &fd);
	if (err == -ESTALE)
		return 0; /* the kernel no longer holds the inode */
	if (err)
		err = open_by_path(r, what, &fd);
	if (err)
		return err;
	atomic_store(&r->m->corrector, gettid());
	err = correct(r->m, fd, &attr);
	atomic_store(&r->m->corrector, 0);
	close(fd);
	return err;
}

/* Does the kernel keep the size and the times of the inode itself? */
static bool kernel_keeps_attr(const struct mount *m,
			      const struct mapfs_invalidation *what)
{
	return m->has_writeback && S_ISREG(what->type) && !what->is_gone;
}

/*
 * Pages that were written before mapfs_invalidated() are clean in the kernel,
 * but the view has dropped them: they are read again.
 */
static void drop_pages(struct mount *m, mapfs_ino ino)
{
	int err = fuse_lowlevel_notify_inval_inode(m->se, node_of_ino(m, ino),
						   0, 0);

	if (err && err != -ENOENT)
		fuse_log(FUSE_LOG_NOTICE,
			 "inode %llu: its cached pages stay: %s\n",
			 (unsigned long long)ino, strerror(-err));
}

static void forget_inode(struct kernel_refresh *r,
			 const struct mapfs_invalidation *what)
{
	struct mount *m = r->m;
	int err = fuse_lowlevel_notify_inval_inode(
		m->se, node_of_ino(m, what->ino), 0, 0);

	if (!err && kernel_keeps_attr(m, what)) {
		release_inode(r, what->ino);
		err = correct_file(r, what);
		/* Then the kernel releases the inode with its last user. */
		if (err && drop_name(r, what->ino) == 0)
			fuse_log(FUSE_LOG_DEBUG, "inode %llu: dropped a name\n",
				 (unsigned long long)what->ino);
	}
	/* -ENOENT: the kernel has forgotten the inode by itself. */
	if (err && err != -ENOENT) {
		fuse_log(FUSE_LOG_NOTICE,
			 "inode %llu: cannot be refreshed: %s\n",
			 (unsigned long long)what->ino, strerror(-err));
		r->failed++;
	}
	mapfs_invalidated(m->view, what->ino);
	if (S_ISREG(what->type) && !what->is_gone)
		drop_pages(m, what->ino);
}

static void forget_name(struct kernel_refresh *r,
			const struct mapfs_invalidation *what)
{
	int err = fuse_lowlevel_notify_inval_entry(r->m->se,
						   node_of_ino(r->m, what->dir),
						   what->name,
						   strlen(what->name));

	if (!err || err == -ENOENT)
		return;
	fuse_log(FUSE_LOG_NOTICE, "name %s: cannot be invalidated: %s\n",
		 what->name, strerror(-err));
	r->failed++;
}

/*
 * A request that is being served may still be answered with the state before
 * the change.  That answer must not arrive after the invalidation, because the
 * kernel would cache it without limit.  The threads of io_uring belong to
 * libfuse, and cannot be waited for.
 */
static void wait_for_answers(struct kernel_refresh *r)
{
	struct loop_mark mark;

	if (r->has_waited)
		return;
	r->has_waited = true;
	if (!r->m->loop)
		return;
	loop_mark(r->m->loop, &mark);
	loop_wait(r->m->loop, &mark);
}

void kernel_refresh_apply(void *refresh, const struct mapfs_invalidation *what)
{
	wait_for_answers(refresh);
	if (what->name)
		forget_name(refresh, what);
	else
		forget_inode(refresh, what);
}

bool kernel_refresh_is_correction(struct mount *m, fuse_req_t req)
{
	pid_t corrector = atomic_load(&m->corrector);

	return corrector && fuse_req_ctx(req)->pid == corrector;
}

int kernel_refresh_answer_correction(struct mount *m, mapfs_ino ino,
				     const struct mapfs_setattr *set,
				     struct mapfs_attr *out)
{
	struct mapfs_setattr times = *set;

	if (!atomic_load(&m->is_last_correction))
		return mapfs_getattr(m->view, mapfs_file_of(ino), out);
	mapfs_invalidated(m->view, ino);
	/* The truncate(2) cut off a write: the kernel keeps these times. */
	times.valid &= MAPFS_SET_MTIME | MAPFS_SET_CTIME;
	if (times.valid & MAPFS_SET_MTIME)
		return mapfs_setattr(m->view, mapfs_file_of(ino), &times, out);
	return mapfs_getattr(m->view, mapfs_file_of(ino), out);
}
