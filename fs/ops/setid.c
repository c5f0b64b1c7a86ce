/* SPDX-License-Identifier: MIT */
/*
 * With HANDLE_KILLPRIV_V2, without which the kernel would ask for a file's
 * capabilities at every write(2), it leaves set-id bits to the daemon and does
 * not look at the mode again: a file that somebody else may write to would run
 * his bytes as its owner.  So whenever we drop bits the kernel is told before
 * the call returns.
 *
 * That cannot deadlock, though the thread which waits for our answer holds the
 * inode's lock, and in a write through the page cache locks of folios, too:
 * a notification without a range marks the attributes as unknown under a spin
 * lock, takes neither of those and asks us nothing.  It goes through
 * /dev/fuse, in io_uring mode as well, and needs no free entry of a ring.
 * An answer to GETATTR from before the change does not undo it: the kernel
 * drops attributes that are older than the notification.
 *
 * Nobody runs the file in between: it is open for writing, so exec is ETXTBSY.
 * Changes of one file exclude each other in the kernel (the inode's lock), so
 * none of them is answered while another one's bits are still to be told.
 *
 * File capabilities need no care here: the kernel removes them by a request of
 * its own, and asks for them anew whenever the file is run.
 */
#include "setid.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "caller.h"
#include "fs/mount/mount.h"
#include "fs/request/node.h"

#define SET_ID_BITS (S_ISUID | S_ISGID)

bool setid_may_keep_group_bit(fuse_req_t req, const struct mapfs_attr *attr)
{
	const struct fuse_ctx *ctx = fuse_req_ctx(req);

	return caller_is_in_group(ctx, attr->gid) ||
	       caller_has_fsetid(ctx->pid);
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
		return caller_has_fsetid(fuse_req_ctx(req)->pid);
	}
	return false;
}

/* As enum mapfs_set. */
static unsigned int what_goes(fuse_req_t req, const struct mapfs_attr *attr,
			      enum setid_caller caller)
{
	unsigned int set = MAPFS_SET_KILL_PRIV;

	if (may_keep(req, caller))
		return 0;
	if ((attr->mode & (S_ISGID | S_IXGRP)) == S_ISGID &&
	    !caller_is_in_group(fuse_req_ctx(req), attr->gid))
		set |= MAPFS_SET_KILL_SGID;
	return set;
}

/* Of a file that has set-id bits. */
static int drop(struct setid *s, fuse_req_t req, uint64_t fh,
		const struct mapfs_attr *attr, enum setid_caller caller)
{
	struct mapfs_setattr set = { .valid = what_goes(req, attr, caller) };
	struct mapfs_attr after = *attr;
	int err = 0;

	if (set.valid)
		err = mapfs_setattr(s->m->view, node_file(s->m, s->node, fh),
				    &set, &after);
	s->is_dropped = after.mode != attr->mode;
	if (!s->m->base_drops_setid)
		return err;
	/* The base's kernel does what we may not. */
	s->is_dropped = true;
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
	return drop(s, req, fh, &attr, caller);
}

int setid_end(const struct setid *s)
{
	int err;

	if (!s->is_dropped)
		return 0;
	err = fuse_lowlevel_notify_inval_inode(s->m->se, s->node, -1, 0);
	if (!err || err == -ENOENT)
		return 0;
	fuse_log(FUSE_LOG_WARNING,
		 "inode %llu: the kernel cannot be told that "
		 "its set-id bits are gone: error %d\n",
		 (unsigned long long)node_ino(s->m, s->node), -err);
	return -EIO;
}
