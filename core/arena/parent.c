/* SPDX-License-Identifier: MIT */
/*
 * Pages of other stores.  A branch begins as a snapshot of its parent, whose
 * pages are pinned there as long as the branch lives.  So the branch can read
 * them from the parent's file at any time, and never writes or frees them.
 */
#include "parent.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/lib/array.h"
#include "core/lib/mapping.h"
#include "sums.h"

struct arena_parent {
	int fd; /* owned */
	uint64_t file_bytes;
	struct mapping *mapping;
	struct sums sums;
};

#define PAGE_MASK ((1ULL << MAPFS_APAGE_BITS) - 1)
#define OFFSET_BITS (MAPFS_APAGE_BITS + MAPFS_PAGE_SHIFT)

int parents_add(struct arena_parents *p, int fd)
{
	struct arena_parent one = { .fd = fd };
	struct stat st;
	int err;

	if (p->count + 1 >= MAPFS_ARENAS)
		return -EMLINK;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EUCLEAN;
	one.file_bytes = (uint64_t)st.st_size;
	err = array_reserve(&p->list, &p->cap, p->count + 1);
	if (!err)
		err = mapping_create(&one.mapping, fd);
	if (err)
		return err;
	p->list[p->count++] = one;
	return 0;
}

void parents_fini(struct arena_parents *p)
{
	for (size_t n = 0; n < p->count; n++) {
		mapping_destroy(p->list[n].mapping);
		close(p->list[n].fd);
		sums_fini(&p->list[n].sums);
	}
	free(p->list);
	*p = (struct arena_parents){ .count = 0 };
}

uint64_t parents_within(const struct arena_parents *p, mapfs_apage first,
			uint64_t count)
{
	unsigned int n = apage_arena(first);
	uint64_t page = first & PAGE_MASK;
	uint64_t in_file;

	assert(n > 0 && n <= p->count);
	in_file = p->list[n - 1].file_bytes >> MAPFS_PAGE_SHIFT;
	if (page >= in_file)
		return 0;
	return count < in_file - page ? count : in_file - page;
}

struct sums *parents_sums(const struct arena_parents *p, unsigned int n)
{
	assert(n > 0 && n <= p->count);
	return &p->list[n - 1].sums;
}

int parents_read(const struct arena_parents *p, uint64_t off, void *buf,
		 size_t len)
{
	unsigned int n = (unsigned int)(off >> OFFSET_BITS);

	if (n == 0 || n > p->count)
		return -EIO;
	return mapping_read(p->list[n - 1].mapping, buf, len,
			    off & ((1ULL << OFFSET_BITS) - 1));
}
