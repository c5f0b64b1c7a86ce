/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_FS_CONTROL_PROTOCOL_H
#define MAPFS_FS_CONTROL_PROTOCOL_H

/*
 * Asking a mount about itself, and telling it to do something: ioctls on its
 * root directory, for whoever mounted it and for root; -EPERM for others,
 * -ENOTTY elsewhere.
 *
 * What may take long is a job: START gives its number, POLL says how far it
 * is, READ hands out its result piece by piece.  A job begins when all that
 * the kernel sent before START has been done, so to have what programs wrote
 *
 *    fd = the mount's root
 *    ioctl START with command MARK    -> moment
 *    syncfs(fd)                    the kernel sends its dirty pages
 *    ioctl START with the command and that moment    -> job
 *    ioctl POLL until its state is DONE or FAILED
 *    ioctl READ from 0 on, as far as POLL's result_bytes
 *
 * A client that dies leaves a job that ends by itself; a result is forgotten
 * once its last byte was read, or a minute after its last POLL or READ; two
 * seconds after when there are too many.
 *
 * The layout is an agreement between a daemon and commands of other
 * versions: fields are only ever added behind `bytes`' end, by growing a
 * new request number.
 *
 * Lifetime: plain values.
 * Locking:  none; the numbers are a moment's.
 */
#include <stdint.h>
#include <sys/ioctl.h>

#include "fs/mount/operation.h"

#define CONTROL_OPS 64 /* room for more in the same layout */

struct mapfs_control_info {
	uint32_t bytes; /* of this struct */
	uint32_t mode;	/* enum mapfs_mode */
	int32_t pid;	/* of the daemon, in its namespace */
	uint32_t owner_uid;
	uint64_t private_pages;
	uint64_t journal_bytes;
	uint64_t inodes_known;
	uint64_t inodes_changed;
	uint64_t requests[CONTROL_OPS]; /* by enum mapfs_op */
	char version[32];
	char base[4096];
	char store[4096]; /* empty: none, or nothing to keep */
};

_Static_assert(sizeof(struct mapfs_control_info) < (1 << 14),
	       "the size fits a request number");
_Static_assert(MAPFS_OP_COUNT <= CONTROL_OPS, "every count has room");

#define MAPFS_IOC_INFO _IOR('M', 0xf5, struct mapfs_control_info)

enum mapfs_control_flag {
	MAPFS_CONTROL_NO_WRITE = 1 << 0, /* whatever its mount says */
	MAPFS_CONTROL_ALLOW_OTHER = 1 << 1,
	MAPFS_CONTROL_ACL = 1 << 2,
	MAPFS_CONTROL_XATTR = 1 << 3,
	MAPFS_CONTROL_WRITEBACK = 1 << 4,
	MAPFS_CONTROL_URING = 1 << 5,
	MAPFS_CONTROL_DEBUG = 1 << 6,
	MAPFS_CONTROL_KEPT = 1 << 7,   /* `store` is kept ... */
	MAPFS_CONTROL_MEMORY = 1 << 8, /* ... or there is none at all */
};

/* With which options it was mounted, as far as they cannot be seen. */
struct mapfs_control_options {
	uint32_t bytes;	      /* of this struct */
	uint32_t flags;	      /* enum mapfs_control_flag, or-ed */
	uint64_t mount_flags; /* MS_... of mount(2) that were asked for */
	uint32_t max_threads;
	uint32_t uring_depth;
	char snapshot[256];
	char store[4096]; /* as given, absolute; or empty */
	char logfile[4096];
};

#define MAPFS_IOC_OPTIONS _IOR('M', 0xf9, struct mapfs_control_options)

/* What is to be done; results are records as fs/wire.h has them. */
enum mapfs_command {
	MAPFS_COMMAND_MARK,	/* no job: `since` is the moment */
	MAPFS_COMMAND_FLUSH,	/* nothing but wait for what was sent before */
	MAPFS_COMMAND_LOG,	/* result: the snapshots, oldest first */
	MAPFS_COMMAND_STATUS,	/* result: latched or not, then what drifted */
	MAPFS_COMMAND_SNAPSHOT, /* `name`, `message` */
	MAPFS_COMMAND_SNAPSHOT_DELETE, /* `name` */
	MAPFS_COMMAND_ROLLBACK,	       /* to `name` */
	MAPFS_COMMAND_REVERT,	       /* `path`, from the view's root */
	/*
	 * What changed since snapshot `name` (empty: the base); `flags` is
	 * enum mapfs_control_diff; `path`: only these and what is below, each
	 * ended by a NUL and the last by two; none: all.
	 */
	MAPFS_COMMAND_DIFF,
	MAPFS_COMMAND_BASE, /* result: the daemon's descriptor of the base */
	MAPFS_COMMAND_COUNT
};

struct mapfs_control_start {
	uint32_t bytes;	  /* of this struct */
	uint32_t command; /* enum mapfs_command */
	uint64_t since;	  /* the moment before syncfs(); MARK: the answer */
	uint64_t job;	  /* the answer */
	uint64_t flags;	  /* of the command; others must be 0 */
	char name[256];
	char message[2048];
	char path[4096];
};

enum mapfs_control_diff {
	MAPFS_CONTROL_RANGES = 1 << 0, /* want_ranges */
	MAPFS_CONTROL_TREE = 1 << 1,   /* want_tree */
};

enum mapfs_job_state {
	MAPFS_JOB_WAITS,
	MAPFS_JOB_RUNS,
	MAPFS_JOB_DONE,
	MAPFS_JOB_FAILED,
};

struct mapfs_control_poll {
	uint32_t bytes;	       /* of this struct */
	uint32_t state;	       /* enum mapfs_job_state */
	uint64_t job;	       /* asked for */
	uint64_t done;	       /* progress of the job; unless */
	uint64_t all;	       /* not 0: of so much, that of writing the journal
			   anew, which is part of the job or goes before it */
	uint64_t result_bytes; /* DONE */
	int32_t err;	       /* FAILED: a negative errno */
	uint32_t unused;
	char why[1024]; /* FAILED: one sentence, or empty */
};

#define CONTROL_READ_BYTES 8192

struct mapfs_control_read {
	uint32_t bytes; /* of this struct */
	uint32_t len;	/* the answer: bytes of `chunk` */
	uint64_t job;
	uint64_t off;
	char chunk[CONTROL_READ_BYTES];
};

#define MAPFS_IOC_START _IOWR('M', 0xf6, struct mapfs_control_start)
#define MAPFS_IOC_POLL _IOWR('M', 0xf7, struct mapfs_control_poll)
#define MAPFS_IOC_READ _IOWR('M', 0xf8, struct mapfs_control_read)

_Static_assert(sizeof(struct mapfs_control_start) < 8192,
	       "two pages are enough to ask");

#endif
