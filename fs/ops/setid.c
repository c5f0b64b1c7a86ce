/* SPDX-License-Identifier: MIT */
/*
 * The session uses HANDLE_KILLPRIV_V2: without it the kernel would ask for the
 * file capabilities at every write(2).  With it the kernel leaves the set-id
 * bits to the daemon, and does not look at the mode again.  A file that other
 * users may write to would then run their bytes with the rights of its owner.
 * So whenever the daemon clears a bit, it tells the kernel before it replies.
 *
 * That cannot deadlock, though the thread that waits for the reply holds the
 * lock of the inode, and in a write through the page cache also locks of
 * folios.  A notification without a range marks the attributes as unknown under
 * a spin lock: it takes none of those locks and sends no request.  It is
 * written to /dev/fuse, with io_uring as well, and needs no free entry of a
 * ring.  An answer to GETATTR from before the change does not undo it, because
 * the kernel drops attributes that are older than the notification.
 *
 * The file cannot be executed in between: it is open for writing, so exec(2)
 * fails with ETXTBSY.  Changes of one file exclude each other in the kernel, by
 * the inode's lock, so no change is answered while the bits that another one
 * has cleared are still to be told.
 *
 * File capabilities need nothing here: the kernel removes them by a request of
 * its own, and asks for them each time the file is executed.
 */
#include "setid.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "caller.h"
#include "fs/mount/broker.h"
#include "fs/mount/mount.h"
#include "fs/request/node.h"

#define SET_ID_BITS (S_ISUID | S_ISGID)

/*
 * Of a process outside of its sandbox the daemon may not even know the user
 * namespace.
 */
static bool has_fsetid(const struct mount *m, pid_t pid)
{
	return m->broker ? broker_has_fsetid(m->broker, pid) :
			   caller_has_fsetid(pid);
}

static bool is_in_group(const struct mount *m, const struct fuse_ctx *ctx,
			gid_t gid)
{
	if (ctx->gid == gid)
		return true;
	return m->broker ? broker_has_group(m->broker, ctx->pid, gid) :
			   caller_has_group(ctx->pid, gid);
}

bool setid_may_keep_group_bit(fuse_req_t req, const struct mapfs_attr *attr)
{
	const struct fuse_ctx *ctx = fuse_req_ctx(req);
	const struct mount *m = fuse_req_userdata(req);

	return is_in_group(m, ctx, attr->gid) || has_fsetid(m, ctx->pid);
}

bool setid_base_drops(const struct mount *m)
{
	return m->opt->mode == MAPFS_WRITE && !caller_has_fsetid(getpid());
}

static bool may_keep(fuse_req_t req, enum setid_caller caller)
{
	switch (caller) {
	case SETID_CALLER_HAS_IT:
		return true;
	case SETID_CALLER_LACKS_IT:
		return false;
	case SETID_CALLER_UNKNOWN:
		return has_fsetid(fuse_req_userdata(req),
				  fuse_req_ctx(req)->pid);
	}
	abort();
}

/* The bits to clear, of enum mapfs_set. */
static unsigned int bits_to_clear(fuse_req_t req, const struct mapfs_attr *attr,
				  enum setid_caller caller)
{
	unsigned int set = MAPFS_SET_KILL_PRIV;

	if (may_keep(req, caller))
		return 0;
	if ((attr->mode & (S_ISGID | S_IXGRP)) == S_ISGID &&
	    !is_in_group(fuse_req_userdata(req), fuse_req_ctx(req), attr->gid))
		set |= MAPFS_SET_KILL_SGID;
	return set;
}

/* Clears the bits of a file that has some. */
static int clear_bits(struct setid *s, fuse_req_t req, uint64_t fh,
		      const struct mapfs_attr *attr, enum setid_caller caller)
{
	struct mapfs_setattr set = { .valid =
					     bits_to_clear(req, attr, caller) };
	struct mapfs_attr after = *attr;
	int err = 0;

	if (set.valid)
		err = mapfs_setattr(s->m->view, node_file(s->m, s->node, fh),
				    &set, &after);
	s->is_cleared = after.mode != attr->mode;
	if (!s->m->base_drops_setid)
		return err;
	/* The kernel clears the bits of the base's file when it is written. */
	s->is_cleared = true;
	return err == -EPERM ? 0 : err;
}

int setid_begin(struct setid *s, fuse_req_t req, fuse_ino_t node, uint64_t fh,
		enum setid_caller caller)
{
	struct mount *m = fuse_req_userdata(req);
	struct mapfs_attr attr;
	int err;

	*s = (struct setid){ .m = m, .node = node };
	if (caller == SETID_CALLER_HAS_IT && !m->base_drops_setid)
		return 0;
	err = mapfs_peek_attr(m->view, node_file(m, node, fh), &attr);
	if (err || !S_ISREG(attr.mode) || !(attr.mode & SET_ID_BITS))
		return err;
	return clear_bits(s, req, fh, &attr, caller);
}

int setid_end(const struct setid *s)
{
	int err;

	if (!s->is_cleared)
		return 0;
	err = fuse_lowlevel_notify_inval_inode(s->m->se, s->node, -1, 0);
	if (!err || err == -ENOENT)
		return 0;
	fuse_log(FUSE_LOG_WARNING,
		 "inode %llu: cannot tell the kernel that its set-id "
		 "bits are cleared: %s\n",
		 (unsigned long long)node_ino(s->m, s->node), strerror(-err));
	return -EIO;
}
