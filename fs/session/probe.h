/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_FS_SESSION_PROBE_H
#define MAPFS_FS_SESSION_PROBE_H

/*
 * Accesses a mount, to see whether it answers.
 *
 * Lifetime: nothing is kept.
 * Errors:   in the result.
 * Locking:  called by a thread that is no worker and holds no lock: the daemon
 *           must answer.
 */
#include <sys/types.h>

struct probe {
	int err;   /* 0, or a negative errno: it does not answer */
	dev_t dev; /* st_dev of the mount */
};

/*
 * Afterwards the kernel has sent one OPENDIR, or OPEN for a root that is a file.
 * In copy mode its answer is ENOSYS, so that the kernel sends no other.
 */
struct probe probe_mount(const char *mountpoint);

#endif
