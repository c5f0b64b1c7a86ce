/* SPDX-License-Identifier: MIT */
/*
 * Pages of other stores.  A branch begins as a snapshot of its parent, whose
 * pages are pinned there as long as the branch lives; so they can be read
 * from the parent's file at any time, and are nobody's to write or to free.
 */
#include "arena_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct arena_parent {
	int fd; /* owned */
	uint64_t file_bytes;
	struct mapping *mapping;
};

#define PAGE_MASK ((1ULL << MAPFS_APAGE_BITS) - 1)
#define OFFSET_BITS (MAPFS_APAGE_BITS + MAPFS_PAGE_SHIFT)

int arena_add_parent(struct arena *a, int fd)
{
	struct arena_parent p = { .fd = fd };
	struct arena_parent *all;
	struct stat st;
	int err;

	if (a->parent_count + 1 >= MAPFS_ARENAS)
		return -EMLINK;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EUCLEAN;
	p.file_bytes = (uint64_t)st.st_size;
	all = realloc(a->parents, (a->parent_count + 1) * sizeof(*all));
	if (!all)
		return -ENOMEM;
	a->parents = all;
	err = mapping_create(&p.mapping, fd);
	if (err)
		return err;
	all[a->parent_count++] = p;
	return 0;
}

void arena_parents_fini(struct arena *a)
{
	for (unsigned int n = 0; n < a->parent_count; n++) {
		mapping_destroy(a->parents[n].mapping);
		close(a->parents[n].fd);
	}
	free(a->parents);
	a->parents = NULL;
	a->parent_count = 0;
}

int arena_parent_check(struct arena *a, mapfs_apage first, uint64_t count)
{
	unsigned int n = apage_arena(first);
	uint64_t page = first & PAGE_MASK;
	uint64_t in_file;

	if (n > a->parent_count)
		return -EUCLEAN;
	in_file = a->parents[n - 1].file_bytes >> MAPFS_PAGE_SHIFT;
	if (count == 0 || page >= in_file || count > in_file - page)
		return -EUCLEAN;
	return 0;
}

int arena_parent_read(struct arena *a, uint64_t off, void *buf, size_t len)
{
	unsigned int n = (unsigned int)(off >> OFFSET_BITS);

	if (n > a->parent_count)
		return -EIO;
	return mapping_read(a->parents[n - 1].mapping, buf, len,
			    off & ((1ULL << OFFSET_BITS) - 1));
}
