/* SPDX-License-Identifier: MIT */
/*
 * The tools talk to a daemon through its mount.  So there is no socket and no
 * file of states that could be left behind or disagree with the mount.
 */
#include "ioctl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "fileattr.h"
#include "fs/request/barrier.h"
#include "fs/mount/mount.h"
#include "fs/request/node.h"
#include "fs/request/reply.h"
#include "job_queue.h"

static void info_fill(struct mount *m, struct mapfs_control_info *out)
{
	struct mapfs_info info;

	mapfs_view_info(m->view, &info);
	out->bytes = sizeof(*out);
	out->mode = (uint32_t)info.mode;
	out->pid = getpid();
	out->owner_uid = m->owner;
	out->private_pages = info.private_pages;
	out->journal_bytes = info.journal_bytes;
	out->inodes_known = info.inodes_known;
	out->inodes_changed = info.inodes_changed;
	for (unsigned int i = 0; i < MAPFS_OP_COUNT; i++)
		out->requests[i] = atomic_load_explicit(&m->requests[i],
							memory_order_relaxed);
	snprintf(out->version, sizeof(out->version), "%s", MAPFS_VERSION);
	snprintf(out->base, sizeof(out->base), "%s", info.base);
	snprintf(out->store, sizeof(out->store), "%s",
		 info.store ? info.store : "");
}

static void reply_info(struct mount *m, fuse_req_t req)
{
	struct mapfs_control_info *info = calloc(1, sizeof(*info));

	if (!info) {
		reply_err(req, -ENOMEM);
		return;
	}
	info_fill(m, info);
	reply_ioctl(req, 0, info, sizeof(*info));
	free(info);
}

static uint32_t option_flags(const struct fs_options *opt)
{
	uint32_t flags = 0;

	if (opt->mode == MAPFS_READ || opt->snapshot)
		flags |= MAPFS_CONTROL_NO_WRITE;
	flags |= opt->allow_other ? MAPFS_CONTROL_ALLOW_OTHER : 0;
	flags |= opt->acl ? MAPFS_CONTROL_ACL : 0;
	flags |= opt->xattr ? MAPFS_CONTROL_XATTR : 0;
	flags |= opt->writeback ? MAPFS_CONTROL_WRITEBACK : 0;
	flags |= opt->uring ? MAPFS_CONTROL_URING : 0;
	flags |= opt->debug ? MAPFS_CONTROL_DEBUG : 0;
	flags |= opt->store_kind == MAPFS_STORE_DIR ? MAPFS_CONTROL_KEPT : 0;
	flags |= opt->store_kind == MAPFS_STORE_MEMORY ? MAPFS_CONTROL_MEMORY :
							 0;
	return flags;
}

static const char *or_empty(const char *s)
{
	return s ? s : "";
}

static void reply_options(struct mount *m, fuse_req_t req)
{
	const struct fs_options *opt = m->opt;
	struct mapfs_control_options *out = calloc(1, sizeof(*out));

	if (!out) {
		reply_err(req, -ENOMEM);
		return;
	}
	out->bytes = sizeof(*out);
	out->flags = option_flags(opt) |
		     opt->sandbox << CONTROL_SANDBOX_ASKED_SHIFT |
		     m->sandbox << CONTROL_SANDBOX_SHIFT;
	out->mount_flags = opt->flags;
	out->size_bytes = opt->size_bytes;
	out->max_threads = opt->max_threads;
	out->uring_depth = opt->uring_depth;
	snprintf(out->snapshot, sizeof(out->snapshot), "%s",
		 or_empty(opt->snapshot));
	snprintf(out->store, sizeof(out->store), "%s", or_empty(opt->store));
	snprintf(out->logfile, sizeof(out->logfile), "%s",
		 or_empty(opt->logfile));
	reply_ioctl(req, 0, out, sizeof(*out));
	free(out);
}

static bool is_terminated(const char *s, size_t room)
{
	return memchr(s, '\0', room) != NULL;
}

static int start(struct mount *m, struct mapfs_control_start *ask)
{
	if (ask->bytes != sizeof(*ask) ||
	    (ask->flags & ~commands_flags(ask->command)))
		return -EINVAL;
	/* A list of paths ends with an empty path. */
	if (ask->path[sizeof(ask->path) - 1] != '\0' ||
	    ask->path[sizeof(ask->path) - 2] != '\0')
		return -EINVAL;
	if (!is_terminated(ask->name, sizeof(ask->name)) ||
	    !is_terminated(ask->message, sizeof(ask->message)))
		return -EINVAL;
	if (ask->command == MAPFS_COMMAND_MARK) {
		ask->since = barrier_moment(m);
		return 0;
	}
	if (!commands_has(ask->command))
		return -EOPNOTSUPP;
	return job_queue_start(m->jobs, ask);
}

/* The bytes of a request may be unaligned, so the handlers copy them. */
static void reply_start(struct mount *m, fuse_req_t req, const void *in)
{
	struct mapfs_control_start ask;

	memcpy(&ask, in, sizeof(ask));
	reply_ioctl(req, start(m, &ask), &ask, sizeof(ask));
}

static void reply_poll(struct mount *m, fuse_req_t req, const void *in)
{
	struct mapfs_control_poll poll;
	int err = -EINVAL;

	memcpy(&poll, in, sizeof(poll));
	if (poll.bytes == sizeof(poll))
		err = job_queue_poll(m->jobs, &poll);
	reply_ioctl(req, err, &poll, sizeof(poll));
}

static void reply_read(struct mount *m, fuse_req_t req, const void *in)
{
	struct mapfs_control_read read;
	int err = -EINVAL;

	memcpy(&read, in, sizeof(read));
	if (read.bytes == sizeof(read))
		err = job_queue_read(m->jobs, &read);
	reply_ioctl(req, err, &read, sizeof(read));
}

/* The ioctls of the protocol, and how much memory each needs. */
static const struct control_ioctl {
	unsigned int cmd;
	size_t in_bytes;
	size_t out_bytes;
} ioctls[] = {
	{ (unsigned int)MAPFS_IOC_INFO, 0, sizeof(struct mapfs_control_info) },
	{ (unsigned int)MAPFS_IOC_OPTIONS, 0,
	  sizeof(struct mapfs_control_options) },
	{ (unsigned int)MAPFS_IOC_START, sizeof(struct mapfs_control_start),
	  sizeof(struct mapfs_control_start) },
	{ (unsigned int)MAPFS_IOC_POLL, sizeof(struct mapfs_control_poll),
	  sizeof(struct mapfs_control_poll) },
	{ (unsigned int)MAPFS_IOC_READ, sizeof(struct mapfs_control_read),
	  sizeof(struct mapfs_control_read) },
};

static bool is_control(unsigned int cmd, size_t in_bytes, size_t out_bytes)
{
	for (size_t i = 0; i < sizeof(ioctls) / sizeof(*ioctls); i++) {
		const struct control_ioctl *c = &ioctls[i];

		if (c->cmd == cmd)
			return in_bytes >= c->in_bytes &&
			       out_bytes >= c->out_bytes;
	}
	return false;
}

void op_ioctl(fuse_req_t req, fuse_ino_t node, unsigned int cmd, void *arg,
	      struct fuse_file_info *fi, unsigned int flags, const void *in,
	      size_t in_bytes, size_t out_bytes)
{
	struct mount *m = mount_of(req, MAPFS_OP_IOCTL);
	uid_t uid = fuse_req_ctx(req)->uid;
	const struct fileattr_call call = {
		.ino = node_ino(m, node),
		.fh = fi->fh,
		.cmd = cmd,
		.has_pointer = arg != NULL,
		.in = in,
		.in_bytes = in_bytes,
		.out_bytes = out_bytes,
	};

	/* Inode flags are for every user: the kernel checks permissions. */
	if (fileattr_ioctl(m, req, &call))
		return;
	if (node != FUSE_ROOT_ID || !is_control(cmd, in_bytes, out_bytes))
		reply_err(req, -ENOTTY);
	else if (uid != 0 && uid != m->owner)
		reply_err(req, -EPERM);
	else if (cmd == (unsigned int)MAPFS_IOC_INFO)
		reply_info(m, req);
	else if (cmd == (unsigned int)MAPFS_IOC_OPTIONS)
		reply_options(m, req);
	else if (cmd == (unsigned int)MAPFS_IOC_START)
		reply_start(m, req, in);
	else if (cmd == (unsigned int)MAPFS_IOC_POLL)
		reply_poll(m, req, in);
	else
		reply_read(m, req, in);
}
