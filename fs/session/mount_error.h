/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_FS_SESSION_MOUNT_ERROR_H
#define MAPFS_FS_SESSION_MOUNT_ERROR_H

/*
 * What libfuse and fusermount3 write to stderr when a mount fails, and what to
 * do about it.
 *
 *   mount_error_capture()     before the call that may fail
 *   mount_error_end()         after it
 *   mount_error_explain()     if it has failed
 *
 * Lifetime: the struct is the caller's, from capture to the explanation.
 * Errors:   none; without memory the words are lost, and go to stderr.
 * Locking:  replaces the stderr of the process from capture to end, so it is
 *           called while no other thread writes there.
 */
#include "core/mapfs.h"

struct mount_error {
	int fd;	  /* receives the words; or -1 */
	int kept; /* the stderr of before; or -1 */
	char words[1024];
};

void mount_error_capture(struct mount_error *r);
void mount_error_end(struct mount_error *r);
/* One sentence about the captured words. */
void mount_error_explain(const struct mount_error *r, const char *mountpoint,
			 struct reason *why);

#endif
