/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_FS_CONTROL_PROTOCOL_H
#define MAPFS_FS_CONTROL_PROTOCOL_H

/*
 * The control protocol: ioctls on the root of a mount, by which the tools ask its
 * daemon about itself and let it run commands.  They are allowed to the user who
 * mounted and to root; others get -EPERM.  On any other file they fail with
 * -ENOTTY.
 *
 * INFO and OPTIONS answer at once.  A command may take long, so it runs as a
 * job: START answers with the job's number, POLL with its progress, READ with a
 * piece of its result.  A job begins when all requests are finished that the
 * kernel sent before START.  To include everything that programs have written:
 *
 *    fd = the root of the mount
 *    START with the command MARK      -> a moment
 *    syncfs(fd)                       the kernel sends its dirty pages
 *    START with the command, and the moment in `since`   -> a job
 *    POLL                             until its state is DONE or FAILED
 *    READ                             from 0 to result_bytes of POLL, in order
 *
 * A result that grows with the view, that of DIFF, may also be read while the job
 * runs: so the daemon does not keep it.  READ is then -EAGAIN where nothing is
 * there yet.  The job may still fail.
 *
 * If the client dies, its job ends by itself.  A result is forgotten when its
 * last byte was read; or a minute after the last POLL or READ, two seconds if
 * there are too many jobs.
 *
 * Daemon and client may be of different versions, so the layout of a struct
 * never changes.  A struct with other fields has another size, and the size is
 * part of the number of its ioctl: a daemon that does not know the number
 * answers -ENOTTY.
 *
 * Lifetime: plain values.
 * Errors:   of START: -EINVAL: the struct is not as described below;
 *           -EOPNOTSUPP: unknown command; -EBUSY: too many jobs; -ESHUTDOWN:
 *           the mount ends.  Of POLL and READ: -ENOENT: no such job (any more).
 *           Of READ: -EAGAIN: not yet; -EINVAL: nothing at `off`, or no more.
 * Locking:  none; the numbers are those of one moment.
 */
#include <stdint.h>
#include <sys/ioctl.h>

#include "fs/mount/operation.h"

#define CONTROL_OPS 64 /* leaves room for more operations */

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
	char store[4096]; /* empty: there is none, or it is not kept */
};

_Static_assert(sizeof(struct mapfs_control_info) < (1 << 14),
	       "the size fits a request number");
_Static_assert(MAPFS_OP_COUNT <= CONTROL_OPS, "every count has room");

#define MAPFS_IOC_INFO _IOR('M', 0xf5, struct mapfs_control_info)

enum mapfs_control_flag {
	MAPFS_CONTROL_NO_WRITE = 1 << 0, /* even when remounted rw */
	MAPFS_CONTROL_ALLOW_OTHER = 1 << 1,
	MAPFS_CONTROL_ACL = 1 << 2,
	MAPFS_CONTROL_XATTR = 1 << 3,
	MAPFS_CONTROL_WRITEBACK = 1 << 4,
	MAPFS_CONTROL_URING = 1 << 5,
	MAPFS_CONTROL_DEBUG = 1 << 6,
	MAPFS_CONTROL_KEPT = 1 << 7,   /* the store is a directory */
	MAPFS_CONTROL_MEMORY = 1 << 8, /* the store is memory */
	/* Two times enum sandbox_part: asked for, and in force. */
	MAPFS_CONTROL_SANDBOX_ASKED = 0xf << 9,
	MAPFS_CONTROL_SANDBOX = 0xf << 13,
};

#define CONTROL_SANDBOX_ASKED_SHIFT 9
#define CONTROL_SANDBOX_SHIFT 13

/* The options of the mount, as far as the mount table does not show them. */
struct mapfs_control_options {
	uint32_t bytes;	      /* of this struct */
	uint32_t flags;	      /* enum mapfs_control_flag, or-ed */
	uint64_t mount_flags; /* MS_... of mount(2), as requested */
	uint64_t size_bytes;  /* of private pages; 0: no limit */
	uint32_t max_threads;
	uint32_t uring_depth;
	char snapshot[256];
	char store[4096]; /* as given, absolute; or empty */
	char logfile[4096];
};

#define MAPFS_IOC_OPTIONS _IOR('M', 0xf9, struct mapfs_control_options)

/* The result of a command is a sequence of records; see wire.h. */
enum mapfs_command {
	MAPFS_COMMAND_MARK,	/* answers at once, with a moment in `since` */
	MAPFS_COMMAND_FLUSH,	/* only waits for what was sent before */
	MAPFS_COMMAND_LOG,	/* result: the snapshots, oldest first */
	MAPFS_COMMAND_STATUS,	/* result: is_latched, then each drifted path */
	MAPFS_COMMAND_SNAPSHOT, /* `name`, `message` */
	MAPFS_COMMAND_SNAPSHOT_DELETE, /* `name` */
	MAPFS_COMMAND_ROLLBACK,	       /* to `name` */
	MAPFS_COMMAND_REVERT,	       /* `path`, from the view's root */
	/*
	 * Result: what changed since the snapshot `name`, or if that is empty
	 * since the base.  `flags` is of enum mapfs_control_diff.  `path` is a
	 * list: only these paths and what is below them; empty: all.
	 */
	MAPFS_COMMAND_DIFF,
	/* Result: the number of the daemon's descriptor of the base. */
	MAPFS_COMMAND_BASE,
	/* Result: the windows of the mount, as its options named them. */
	MAPFS_COMMAND_WINDOWS,
	/*
	 * Result: the runs of the regular file `ino`, which the client keeps
	 * open.
	 */
	MAPFS_COMMAND_PAGES,
	/* The same of all of the file that the window `ino` is a part of. */
	MAPFS_COMMAND_PAGES_OF_WHOLE,
	/* Result: the damaged pages that the view has met. */
	MAPFS_COMMAND_DAMAGE,
	/* Result: is_latched, then the fields of struct mapfs_counts. */
	MAPFS_COMMAND_COUNTS,
	MAPFS_COMMAND_COUNT
};

struct mapfs_control_start {
	uint32_t bytes;	  /* of this struct */
	uint32_t command; /* enum mapfs_command */
	uint64_t since;	  /* the moment before syncfs(2); MARK: the answer */
	uint64_t job;	  /* the answer */
	union {
		uint64_t flags; /* DIFF: of enum mapfs_control_diff; else 0 */
		uint64_t ino;	/* PAGES, PAGES_OF_WHOLE: st_ino */
	};
	char name[256];
	char message[2048];
	char path[4096]; /* paths, each ended by a NUL, the last by two */
};

enum mapfs_control_diff {
	/* As the fields of struct mapfs_diff_options: */
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
	uint32_t bytes; /* of this struct */
	uint32_t state; /* enum mapfs_job_state */
	uint64_t job;	/* the number that START gave */
	/*
	 * Progress.  `all` is 0: `done` is the number of bytes that DIFF has
	 * compared.  Else the journal is being compacted, which the job does or
	 * waits for, and `done` of `all` bytes are written.
	 */
	uint64_t done;
	uint64_t all;
	uint64_t result_bytes; /* of a job that is DONE */
	int32_t err;	       /* of a job that FAILED: a negative errno */
	uint32_t unused;
	char why[1024]; /* of a job that FAILED: one sentence, or empty */
};

#define CONTROL_READ_BYTES 8192

struct mapfs_control_read {
	uint32_t bytes; /* of this struct */
	uint32_t len;	/* the answer: how many bytes of `chunk` count */
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
