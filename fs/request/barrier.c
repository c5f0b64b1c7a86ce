/* SPDX-License-Identifier: MIT */
/*
 * syncfs(2) makes the kernel send every dirty page as a WRITE before it
 * returns, but does not wait for answers.  Requests are handed out in order,
 * so when a request that was sent after it is taken, those WRITEs have been
 * taken; loop_wait() then waits until they are done.
 *
 * Two things break the order:
 *
 *  - WRITEs of dirty pages are background requests, and only so many of them
 *    are let into the queue at a time.  We ask for as many as can be; if that
 *    many were taken since the moment before syncfs, more may be waiting.
 *  - With io_uring there is a queue for each processor, and libfuse owns the
 *    threads.
 *
 * Then the caches of every file that the kernel knows are invalidated, one
 * by one, which makes the kernel write back and wait for it.
 */
#include "barrier.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "fs/mount/mount.h"
#include "node.h"

#define USER_LIMIT "/sys/module/fuse/parameters/max_user_bgreq"
#define KERNEL_DEFAULT 12

/* How many background requests the kernel lets into its queue. */
static uint64_t background_limit(void)
{
	unsigned int limit = KERNEL_DEFAULT;
	FILE *f;

	if (geteuid() == 0)
		return BARRIER_BACKGROUND;
	f = fopen(USER_LIMIT, "re");
	if (!f)
		return limit;
	if (fscanf(f, "%u", &limit) != 1)
		limit = KERNEL_DEFAULT;
	fclose(f);
	return limit < BARRIER_BACKGROUND ? limit : BARRIER_BACKGROUND;
}

/* What may be a background request. */
uint64_t barrier_moment(struct mount *m)
{
	return atomic_load(&m->requests[MAPFS_OP_READ]) +
	       atomic_load(&m->requests[MAPFS_OP_WRITE]);
}

void barrier_take(struct mount *m, uint64_t moment, struct barrier *out)
{
	uint64_t taken = barrier_moment(m) - moment;

	*out = (struct barrier){ .may_be_late = true };
	if (!m->loop)
		return;
	loop_mark(m->loop, &out->mark);
	/* At `moment` each thread may have been at work on one. */
	out->may_be_late = taken + LOOP_THREADS >= background_limit();
}

static int flush_file(struct mount *m, mapfs_ino ino)
{
	int err = fuse_lowlevel_notify_inval_inode(m->se, node_of_ino(m, ino),
						   0, 0);

	/* The kernel has forgotten it since: it holds no pages of it. */
	return err == -ENOENT ? 0 : err;
}

int barrier_flush(struct mount *m)
{
	mapfs_ino *files;
	size_t count;
	int err = mapfs_known_files(m->view, &files, &count);

	if (err)
		return err;
	for (size_t i = 0; !err && i < count; i++)
		err = flush_file(m, files[i]);
	free(files);
	return err;
}

int barrier_wait(struct mount *m, const struct barrier *b)
{
	if (m->loop)
		loop_wait(m->loop, &b->mark);
	return b->may_be_late ? barrier_flush(m) : 0;
}
