/* SPDX-License-Identifier: MIT */
/*
 * syncfs(2) makes the kernel send every dirty page in a WRITE before it
 * returns, but does not wait for the answers.  The kernel gives out requests in
 * order, so once a worker has received a request that was sent after syncfs(2),
 * those WRITEs have been received, too; loop_wait() waits until they are
 * finished.
 *
 * In two cases this order does not hold:
 *
 *  - WRITEs of dirty pages are background requests, and the kernel limits how
 *    many of them are in its queue.  The session requests the largest limit.
 *    If as many were received since the moment before syncfs(2), more may wait
 *    outside the queue.
 *  - With io_uring there is a queue for each processor, and its threads belong
 *    to libfuse.
 *
 * In these cases the caches of every file that the kernel knows are
 * invalidated, one by one: the kernel then writes back the file's dirty pages
 * and waits for the answers.
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

/* How many background requests the kernel admits to its queue. */
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

/* Counts the requests that may be background requests. */
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
	/* At `moment` each thread may have been serving another one. */
	out->may_be_late = taken + LOOP_THREADS >= background_limit();
}

static int flush_file(struct mount *m, mapfs_ino ino)
{
	int err = fuse_lowlevel_notify_inval_inode(m->se, node_of_ino(m, ino),
						   0, 0);

	/* The kernel has forgotten the inode, so it holds no pages of it. */
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
