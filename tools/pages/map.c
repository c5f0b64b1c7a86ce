/* SPDX-License-Identifier: MIT */
#include "map.h"

#include <errno.h>
#include <stdlib.h>

#include "core/lib/array.h"

int page_map_add(struct page_map *m, const struct mapfs_run *run)
{
	int err;

	if (run->len_bytes == 0 || run->off_bytes != m->size_bytes ||
	    run->len_bytes > UINT64_MAX - run->off_bytes)
		return -EBADMSG;
	err = array_reserve(&m->runs, &m->cap, m->count + 1);
	if (err)
		return err;
	m->runs[m->count++] = (struct page_run){ .run = *run };
	m->size_bytes += run->len_bytes;
	return 0;
}

/* Adds the part of a run from its `from` to its `to`; both are offsets. */
static int add_part(struct page_map *m, const struct page_run *of,
		    uint64_t from, uint64_t to, bool differs)
{
	const struct mapfs_run part = {
		.off_bytes = from,
		.len_bytes = to - from,
		.source = of->run.source,
	};
	int err = from < to ? page_map_add(m, &part) : 0;

	if (!err && from < to)
		m->runs[m->count - 1].differs = differs;
	return err;
}

/* Adds one run, cut where a range begins or ends. */
static int add_cut(struct page_map *m, const struct page_run *of,
		   const struct mapfs_range *ranges, size_t count, size_t *next)
{
	const uint64_t end = of->run.off_bytes + of->run.len_bytes;
	uint64_t at = of->run.off_bytes;
	int err = 0;

	while (at < end && !err) {
		const struct mapfs_range *r = *next < count ? &ranges[*next] :
							      NULL;
		uint64_t from = r ? r->off_bytes : end;
		uint64_t to = r ? from + r->len_bytes : end;

		if (to <= at) {
			++*next;
			continue;
		}
		from = from < at ? at : from;
		from = from < end ? from : end;
		to = to < end ? to : end;
		err = add_part(m, of, at, from, false);
		if (!err && from < to)
			err = add_part(m, of, from, to, true);
		at = to > from ? to : from;
	}
	return err;
}

int page_map_compare(struct page_map *m, const struct mapfs_range *ranges,
		     size_t count)
{
	struct page_map cut = { .is_compared = true };
	size_t next = 0;
	int err = 0;

	for (size_t i = 0; i < m->count && !err; i++)
		err = add_cut(&cut, &m->runs[i], ranges, count, &next);
	if (err) {
		page_map_fini(&cut);
		return err;
	}
	page_map_fini(m);
	*m = cut;
	return 0;
}

void page_map_fini(struct page_map *m)
{
	free(m->runs);
	*m = (struct page_map){ 0 };
}

uint64_t pages_of(uint64_t len_bytes)
{
	return len_bytes / PAGE_BYTES + (len_bytes % PAGE_BYTES != 0);
}
