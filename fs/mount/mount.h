/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_FS_MOUNT_MOUNT_H
#define MAPFS_FS_MOUNT_MOUNT_H

/*
 * One mounted view, as every FUSE operation finds it.
 *
 * Lifetime: mount_init() borrows the view and the options; mount_fini() ends
 *           it after the session's threads are gone.
 * Errors:   0 or a negative errno.
 * Locking:  fields are fixed once requests arrive, but for the counters.
 */
#include <fuse_lowlevel.h>
#include <pthread.h>
#include <stdatomic.h>

#include "core/mapfs.h"
#include "operation.h"
#include "options.h"

struct lookup_queue;
struct job_queue;
struct logfile;
struct loop;
struct seek_queue;

/* The largest READ and WRITE; more gains nothing (256 pages). */
#define MOUNT_IO_BYTES (1U << 20)

struct mount {
	struct mapfs_view *view;	/* fixed at birth */
	const struct fs_options *opt;	/* fixed at birth */
	struct logfile *log;		/* fixed at birth; or NULL */
	struct fuse_session *se;	/* set before the first request */
	struct loop *loop;		/* likewise; NULL with io_uring */
	struct job_queue *jobs;		/* likewise */
	struct lookup_queue *lookups;	/* likewise */
	struct seek_queue *seeks;	/* likewise; NULL in read mode */
	mapfs_ino root_ino;		/* fixed at birth */
	uid_t owner;			/* fixed at birth */
	bool is_stateless;		/* fixed at birth */
	bool has_writeback;		/* fixed before the first request */
	bool base_drops_setid;		/* set before the first request: see
					   fs/ops/setid.h */
	_Atomic dev_t dev;		/* 0 until the mount has answered */
	_Atomic pid_t corrector;	/* see fs/cache/invalidate.c; or 0 */
	atomic_bool correction_settles; /* likewise */
	double entry_timeout;		/* seconds, fixed at birth */
	double negative_timeout;	/* seconds, fixed at birth */
	double attr_timeout;		/* seconds, fixed at birth */
	/* How far the journal is written anew; 0: it is not. */
	atomic_uint_fast64_t compaction_done_bytes; /* atomic */
	atomic_uint_fast64_t compaction_all_bytes;  /* atomic */
	pthread_key_t buffer_key; /* each thread's own buffer */
	atomic_uint_fast64_t requests[MAPFS_OP_COUNT]; /* atomic */
};

int must_check mount_init(struct mount *m, struct mapfs_view *view,
			  const struct fs_options *opt);
void mount_fini(struct mount *m);

/* The mount a request belongs to; counts the request. */
struct mount *mount_of(fuse_req_t req, enum mapfs_op op);

/*
 * With the options sync or dirsync (the kernel leaves them to us, but for
 * data): what was done to names of `dir` is durable before the reply; with
 * sync also what was done to `ino` itself.
 */
int must_check mount_sync_names(struct mount *m, mapfs_ino dir);
int must_check mount_sync_inode(struct mount *m, mapfs_ino ino);

/*
 * Room for `len` bytes of a reply, valid until the request is answered:
 * the ring's own memory with io_uring, else the thread's.  NULL: no memory.
 */
char *mount_buffer(struct mount *m, fuse_req_t req, size_t len);

#endif
