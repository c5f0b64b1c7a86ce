/* SPDX-License-Identifier: MIT */
/*
 * With its writeback cache the kernel takes size and times of a regular file
 * from the daemon once, when it first meets the inode, and never again while
 * it holds it.  So first it is made to let go of the inode: by a request to
 * drop the names that nobody uses (Linux 6.18), or by taking back a name.
 *
 * An open file it goes on to hold, and there is no notification that says
 * what its size is; but the kernel believes the answer to a truncate(2) and a
 * utimensat(2).  So this thread makes those calls through the mount, on
 * inodes whose attributes differ from the view's, and op_setattr answers a
 * request of this thread with what the view has, and changes nothing.  The
 * time of change cannot be put right that way, and shows the correction until
 * the file is closed.
 *
 * The inode is reached by its handle, which finds only what the kernel holds
 * and needs no name; who may not do that walks down a path instead.  A
 * descriptor in the mount is closed at once, because it keeps it busy.
 */
#include "invalidate.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/request/loop.h"
#include "fs/mount/mount.h"
#include "fs/request/node.h"

/* As the kernel's fs/fuse makes it: node and generation, 12 bytes. */
#define HANDLE_BYTES 12
#define HANDLE_TYPE 0x81

#define NOTIFY_PRUNE 9 /* FUSE_NOTIFY_PRUNE in Linux 6.18 */

void kernel_refresh_begin(struct kernel_refresh *r, struct mount *m)
{
	struct stat st;

	*r = (struct kernel_refresh){ .m = m };
	r->root_fd =
		open(m->opt->mountpoint, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (r->root_fd < 0)
		return;
	/* Another mount may cover ours. */
	if (fstat(r->root_fd, &st) == 0 && st.st_dev == atomic_load(&m->dev))
		return;
	close(r->root_fd);
	r->root_fd = -1;
}

void kernel_refresh_end(struct kernel_refresh *r)
{
	if (r->root_fd >= 0)
		close(r->root_fd);
	r->root_fd = -1;
	if (r->failed)
		fuse_log(FUSE_LOG_WARNING,
			 "%u open files keep the size or time they had; close "
			 "them to see what the view has\n",
			 r->failed);
}

/* libfuse does not know this one yet. */
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

/* `path` is taken apart into the directory's number and the last name. */
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
		/* The kernel has what it needs of it counted. */
		mapfs_forget(r->m->view, e.attr.ino, 1);
		*dir = e.attr.ino;
		path = slash + 1;
	}
	*name = path;
	return err;
}

/* Takes one name back; others may go on to hold the inode. */
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

/* Best effort: what is still held then is corrected. */
static void let_go(struct kernel_refresh *r, mapfs_ino ino)
{
	if (!r->cannot_prune && prune_names(r, ino) == -EINVAL)
		r->cannot_prune = true;
	if (r->cannot_prune && drop_name(r, ino))
		fuse_log(FUSE_LOG_DEBUG, "inode %llu has no name to drop\n",
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

/* `path` is taken apart; no symbolic link is followed. */
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

static bool same_time(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

/*
 * Only what differs: each of these calls has the kernel's clock set ctime.
 * The file may be written to all the while, and what reaches us before it is
 * settled is dropped.  So the last call sets the size once more, and settles:
 * during a truncate no page is under way and none can make the file longer.
 */
static int correct(struct mount *m, int fd, const struct mapfs_attr *attr)
{
	const struct timespec times[] = {
		{ .tv_nsec = UTIME_OMIT },
		attr->mtime,
	};
	char path[32];
	struct stat st;
	int err = 0;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (fstat(fd, &st) < 0)
		return -errno;
	if ((uint64_t)st.st_size == attr->size_bytes &&
	    same_time(st.st_mtim, attr->mtime))
		return 0;
	if ((uint64_t)st.st_size != attr->size_bytes &&
	    truncate(path, (off_t)attr->size_bytes) < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!same_time(st.st_mtim, attr->mtime) &&
	    utimensat(AT_FDCWD, path, times, 0) < 0)
		return -errno;
	atomic_store(&m->correction_settles, true);
	if (truncate(path, (off_t)attr->size_bytes) < 0)
		err = -errno;
	atomic_store(&m->correction_settles, false);
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
		return 0; /* the kernel holds it no more */
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

/* Does the kernel believe to own its size and times? */
static bool is_owned(const struct mount *m,
		     const struct mapfs_invalidation *what)
{
	return m->has_writeback && S_ISREG(what->type) && !what->is_gone;
}

/* Pages written before it was settled look clean, but were dropped. */
static void look_again(struct mount *m, mapfs_ino ino)
{
	int err = fuse_lowlevel_notify_inval_inode(m->se, node_of_ino(m, ino),
						   0, 0);

	if (err && err != -ENOENT)
		fuse_log(FUSE_LOG_NOTICE, "inode %llu: cached pages stay: %s\n",
			 (unsigned long long)ino, strerror(-err));
}

static void forget_inode(struct kernel_refresh *r,
			 const struct mapfs_invalidation *what)
{
	struct mount *m = r->m;
	int err = fuse_lowlevel_notify_inval_inode(
		m->se, node_of_ino(m, what->ino), 0, 0);

	if (!err && is_owned(m, what)) {
		let_go(r, what->ino);
		err = correct_file(r, what);
		/* Then the inode goes when its last user does. */
		if (err && drop_name(r, what->ino) == 0)
			fuse_log(FUSE_LOG_DEBUG, "dropped its name\n");
	}
	/* -ENOENT: the kernel has forgotten it by itself. */
	if (err && err != -ENOENT) {
		fuse_log(FUSE_LOG_NOTICE, "inode %llu: %s\n",
			 (unsigned long long)what->ino, strerror(-err));
		r->failed++;
	}
	mapfs_invalidated(m->view, what->ino);
	if (is_owned(m, what))
		look_again(m, what->ino);
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
	fuse_log(FUSE_LOG_NOTICE, "name %s: %s\n", what->name, strerror(-err));
	r->failed++;
}

/*
 * An answer on its way may still say what was before, and must not come in
 * behind the invalidation: the kernel would believe it for good.  The rings'
 * threads are libfuse's, and cannot be waited for.
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

	if (!atomic_load(&m->correction_settles))
		return mapfs_getattr(m->view, mapfs_file_of(ino), out);
	mapfs_invalidated(m->view, ino);
	/* It cut a write off: the kernel goes on with these times. */
	times.valid &= MAPFS_SET_MTIME | MAPFS_SET_CTIME;
	if (times.valid & MAPFS_SET_MTIME)
		return mapfs_setattr(m->view, mapfs_file_of(ino), &times, out);
	return mapfs_getattr(m->view, mapfs_file_of(ino), out);
}
