/* SPDX-License-Identifier: MIT */
#include "run_list.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/lib/array.h"

int run_list_add(struct run_list *l, uint64_t off, uint64_t end,
		 enum mapfs_source source)
{
	struct mapfs_run *last = l->count ? &l->runs[l->count - 1] : NULL;
	int err;

	if (off >= end)
		return 0;
	if (last && last->source == source) {
		last->len_bytes += end - off;
		return 0;
	}
	err = array_reserve(&l->runs, &l->cap, l->count + 1);
	if (err)
		return err;
	l->runs[l->count++] = (struct mapfs_run){
		.off_bytes = off,
		.len_bytes = end - off,
		.source = source,
	};
	return 0;
}

/*
 * The first data at or after `off`, which ends at *stop, both widened to whole
 * pages; no data before `end`: both are `end`.  Where the file cannot be asked,
 * all of it is data.
 */
static void find_data(const struct run_seek *seek, uint64_t end, uint64_t *off,
		      uint64_t *stop)
{
	const uint64_t within = MAPFS_PAGE_SIZE - 1;
	uint64_t data = end;
	uint64_t hole = end;
	int err = seek->fn(seek->arg, *off, SEEK_DATA, &data);

	*stop = end;
	if (err == -ENXIO || (!err && data >= end)) {
		*off = end;
		return;
	}
	if (err)
		return;
	if (seek->fn(seek->arg, data, SEEK_HOLE, &hole) == 0 && hole < end) {
		/* A hole may have been made just now: go on by a page. */
		hole = hole > data ? hole : data + 1;
		hole = (hole + within) & ~within;
		*stop = hole < end ? hole : end;
	}
	if ((data & ~within) > *off)
		*off = data & ~within;
}

int run_list_add_base(struct run_list *l, uint64_t off, uint64_t end,
		      const struct run_seek *seek)
{
	int err = 0;

	while (off < end && !err) {
		uint64_t data = off;
		uint64_t stop;

		find_data(seek, end, &data, &stop);
		err = run_list_add(l, off, data, MAPFS_SOURCE_HOLE);
		if (!err)
			err = run_list_add(l, data, stop, MAPFS_SOURCE_BASE);
		off = stop;
	}
	return err;
}

int run_list_tell(const struct run_list *l, mapfs_run_fn fn, void *arg)
{
	int err = 0;

	for (size_t i = 0; i < l->count && !err; i++)
		err = fn(arg, &l->runs[i]);
	return err;
}

void run_list_fini(struct run_list *l)
{
	free(l->runs);
	*l = (struct run_list){ 0 };
}
