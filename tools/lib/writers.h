/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TOOLS_LIB_WRITERS_H
#define MAPFS_TOOLS_LIB_WRITERS_H

/*
 * Programs that have files of a base open for writing, or mapped so that they
 * can store into them, as /proc shows them: those that this user may look into,
 * with the paths that they have here.  So the list is a help for people, and no
 * proof that there is none; core/base/writer.h asks the kernel.
 *
 * Lifetime: writers_find() fills the list; the caller ends it with
 *           writers_fini(), which accepts an empty one.
 * Errors:   none: what cannot be seen is left out.
 * Locking:  none.
 */
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct writer {
	char *path; /* in the base; of a base that is a file, "" */
	pid_t pid;
	char program[32];
	bool is_mapped;
};

/* Each file of each process once. */
struct writers {
	struct writer *writers;
	size_t count;
	size_t cap;
	bool is_cut; /* time or memory ran out before all was seen */
};

/*
 * `base` is absolute.  Files on the device `view_dev` are left out, because a
 * view can cover its base; 0: there is none.  Takes at most about 100 ms.
 */
void writers_find(struct writers *out, const char *base, dev_t view_dev);
void writers_fini(struct writers *w);
/* "is mapped", "is open for writing". */
const char *writer_text(const struct writer *w);

#endif
