/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_FS_MOUNT_MOUNT_H
#define MAPFS_FS_MOUNT_MOUNT_H

/*
 * The state of one mount: its view, its options, and what serves it.  libfuse
 * gives it to every operation.  session_mount() of fs/session mounts it.
 *
 * Lifetime: mount_init() borrows the view and the options; mount_fini() follows
 *           the end of all threads that serve requests.
 * Errors:   0 or a negative errno.
 * Locking:  none; a field is atomic, or fixed before the first request.
 */
#include <fuse_lowlevel.h>
#include <pthread.h>
#include <stdatomic.h>

#include "core/mapfs.h"
#include "operation.h"
#include "options.h"

struct broker;
struct job_queue;
struct logfile;
struct lookup_queue;
struct loop;
struct seek_queue;

/* The size of the largest READ and WRITE; a larger one is not faster. */
#define MOUNT_IO_BYTES (1U << 20)

struct mount {
	struct mapfs_view *view;      /* fixed at birth */
	const struct fs_options *opt; /* fixed at birth */
	struct logfile *log;	      /* fixed at birth */
	struct broker *broker;	      /* set before the first request; NULL:
					 there is no sandbox */
	unsigned int sandbox;	      /* likewise: the parts in force, of enum
					 sandbox_part */
	struct fuse_session *se;      /* set before the first request */
	struct loop *loop;	      /* likewise; NULL with io_uring */
	struct job_queue *jobs;	      /* likewise */
	struct lookup_queue *lookups; /* likewise */
	struct seek_queue *seeks;     /* likewise; NULL in read mode */
	mapfs_ino root_ino;	      /* fixed at birth */
	uid_t owner;		      /* fixed at birth */
	bool is_stateless;	      /* fixed at birth */
	bool has_windows;	      /* fixed at birth */
	bool has_writeback;	      /* fixed before the first request */
	bool base_drops_setid;	      /* set before the first request: see
					   fs/ops/setid.h */
	_Atomic dev_t dev;	 /* of the mount; 0 until it has answered */
	_Atomic pid_t corrector; /* a thread, or 0: see
					   fs/cache/invalidate.c */
	atomic_bool is_last_correction; /* likewise; atomic */
	double entry_timeout;		/* seconds, fixed at birth */
	double negative_timeout;	/* seconds, fixed at birth */
	double attr_timeout;		/* seconds, fixed at birth */
	/* Progress of a compaction of the journal; 0: there is none. */
	atomic_uint_fast64_t compaction_done_bytes; /* atomic */
	atomic_uint_fast64_t compaction_all_bytes;  /* atomic */
	pthread_key_t buffer_key; /* of the buffer of each thread */
	atomic_uint_fast64_t requests[MAPFS_OP_COUNT]; /* atomic */
};

int must_check mount_init(struct mount *m, struct mapfs_view *view,
			  const struct fs_options *opt);
void mount_fini(struct mount *m);

/* The mount of the request, which is counted. */
struct mount *mount_of(fuse_req_t req, enum mapfs_op op);

/*
 * For the mount options sync and dirsync, which the kernel applies to written
 * data only.  With either, changes of names in `dir` become durable before the
 * reply; with sync, changes of the inode as well.  Without them: 0.
 */
int must_check mount_sync_names(struct mount *m, mapfs_ino dir);
int must_check mount_sync_inode(struct mount *m, mapfs_ino ino);

/*
 * Memory for a reply of `len` bytes, valid until the request is answered: with
 * io_uring that of the ring, else a buffer of the thread.  NULL: no memory.
 */
char *mount_buffer(struct mount *m, fuse_req_t req, size_t len);

#endif
