/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TOOLS_LIB_CONTROL_H
#define MAPFS_TOOLS_LIB_CONTROL_H

/*
 * Runs one command in the daemon of a mounted view, from start to result: the
 * client of fs/control/protocol.h.  A command sees everything that programs
 * have written before, also pages that only the kernel has.
 *
 * Lifetime: a result belongs to the caller until control_result_fini(), which
 *           accepts a zeroed one.
 * Errors:   0 or a negative errno and a sentence in `why`.
 * Locking:  none.
 */
#include <stddef.h>
#include <stdint.h>

#include "core/mapfs.h"
#include "fs/control/wire.h"
#include "fs/control/protocol.h"

struct control_call {
	enum mapfs_command command;
	const char *name;    /* or NULL */
	const char *message; /* or NULL */
	const char *path;    /* below the view's root, or NULL */
	const char *paths;   /* instead: a list as of MAPFS_COMMAND_DIFF */
	size_t paths_bytes;
	uint64_t flags; /* of PAGES: the inode number */
	/* Called repeatedly while the command runs; may be NULL. */
	void (*progress)(void *arg, uint64_t done);
	void *progress_arg;
};

struct control_result {
	char *bytes; /* to be read with fs/control/wire.h */
	size_t len;
};

struct control_place {
	int fd;		   /* the root of the mount */
	const char *shown; /* what messages call it */
};

/* `fd` and `shown` as in struct control_place. */
int must_check control_run(int fd, const char *shown,
			   const struct control_call *call,
			   struct control_result *out, struct reason *why);
/*
 * The same for a result that is read while the command runs: `take` is called
 * again and again with what is there.  It takes whole records and leaves `in` at
 * the first one that is not complete; if `is_over`, nothing follows.  Its
 * non-zero result ends the call and is returned; then `why` is its own.
 */
typedef int (*control_take_fn)(void *arg, struct wire_in *in, bool is_over);

int must_check control_stream(const struct control_place *place,
			      const struct control_call *call,
			      control_take_fn take, void *arg,
			      struct reason *why);
struct wire_in control_result_wire(const struct control_result *r);
/*
 * Runs a command whose answer is a list.  `take` decodes one element and keeps
 * it (-EBADMSG: `in` is bad); a result of it other than 0 ends the list.  A
 * daemon that does not know the command has an empty list.
 */
int must_check control_list(const struct control_place *place,
			    enum mapfs_command command,
			    int (*take)(void *arg, struct wire_in *in),
			    void *arg, struct reason *why);
void control_result_fini(struct control_result *r);

#endif
