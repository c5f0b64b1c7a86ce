/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_LIB_PATH_H
#define MAPFS_CORE_LIB_PATH_H

/*
 * Paths as text.  A path of the base or of a view has no leading slash, and
 * the root's is empty.
 *
 * Lifetime: path_join() gives memory to the caller, who frees it with free(3).
 * Errors:   0 or a negative errno; on an error the result is not touched.
 * Locking:  none.
 */
#include "types.h"

/* Enough for path_of_fd(). */
#define PATH_OF_FD_BYTES 32

/* "DIR/NAME"; just NAME if `dir` is empty.  -ENOMEM. */
int must_check path_join(char **out, const char *dir, const char *name);
/* The same into memory of the caller.  -ENAMETOOLONG. */
int must_check path_join_into(char *out, size_t bytes, const char *dir,
			      const char *name);

/* Is the name "." or ".."? */
bool path_is_dot(const char *name);

/*
 * The path in /proc that opens the descriptor's object once more, whatever its
 * name is now.
 */
void path_of_fd(int fd, char out[PATH_OF_FD_BYTES]);

#endif
