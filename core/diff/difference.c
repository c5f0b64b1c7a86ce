/* SPDX-License-Identifier: MIT */
#include "difference.h"

#include <stdlib.h>

#include "core/lib/array.h"

int difference_add_range(struct difference *diff, uint64_t off, uint64_t len)
{
	struct mapfs_range *last =
		diff->range_count ? &diff->ranges[diff->range_count - 1] : NULL;
	int err;

	if (last && last->off_bytes + last->len_bytes == off) {
		last->len_bytes += len;
		return 0;
	}
	err = array_reserve(&diff->ranges, &diff->range_cap,
			    diff->range_count + 1);
	if (err)
		return err;
	diff->ranges[diff->range_count++] =
		(struct mapfs_range){ .off_bytes = off, .len_bytes = len };
	return 0;
}

int difference_add(struct difference *diff, bool want_ranges, uint64_t off,
		   uint64_t len)
{
	if (len == 0)
		return 0;
	diff->pages += page_ceil(off + len) - page_of(off);
	diff->bytes += len;
	return want_ranges ? difference_add_range(diff, off, len) : 0;
}

void difference_fini(struct difference *diff)
{
	free(diff->ranges);
	*diff = (struct difference){ 0 };
}
