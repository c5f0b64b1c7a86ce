/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_FS_SESSION_REFUSAL_H
#define MAPFS_FS_SESSION_REFUSAL_H

/*
 * What libfuse and fusermount3 write to stderr when a mount fails, and what to
 * do about it.
 *
 *   refusal_capture()     before the call that may fail
 *   refusal_end()         after it
 *   refusal_explain()     if it has failed
 *
 * Lifetime: the struct is the caller's, from capture to the explanation.
 * Errors:   none; without memory the words are lost, and go to stderr.
 * Locking:  replaces the stderr of the process from capture to end, so it is
 *           called while no other thread writes there.
 */
#include "core/mapfs.h"

struct refusal {
	int fd;	  /* receives the words; or -1 */
	int kept; /* the stderr of before; or -1 */
	char words[1024];
};

void refusal_capture(struct refusal *r);
void refusal_end(struct refusal *r);
/* One sentence about the captured words. */
void refusal_explain(const struct refusal *r, const char *mountpoint,
		     struct reason *why);

#endif
