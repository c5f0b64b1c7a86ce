/* SPDX-License-Identifier: MIT */
#include "run_text.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static int add(void *arg, const struct mapfs_run *run)
{
	static const char *const names[MAPFS_SOURCES] = {
		[MAPFS_SOURCE_HOLE] = "hole",
		[MAPFS_SOURCE_BASE] = "base",
		[MAPFS_SOURCE_PARENT] = "parent",
		[MAPFS_SOURCE_SNAPSHOT] = "snapshot",
		[MAPFS_SOURCE_PRIVATE] = "private",
	};
	struct run_text *out = arg;
	size_t len = strlen(out->text);

	assert_true(run->source < MAPFS_SOURCES);
	assert_true(run->len_bytes > 0);
	if (len > 0) {
		assert_int_equal(out->last.off_bytes + out->last.len_bytes,
				 run->off_bytes);
		assert_int_not_equal(out->last.source, run->source);
	}
	out->last = *run;
	(void)snprintf(out->text + len, sizeof(out->text) - len,
		       "%s%s %" PRIu64 "+%" PRIu64, len ? ", " : "",
		       names[run->source], run->off_bytes, run->len_bytes);
	return 0;
}

void run_text_read(struct run_text *out, struct mapfs_view *v, mapfs_ino ino,
		   uint64_t off, uint64_t len)
{
	const struct mapfs_range range = { .off_bytes = off, .len_bytes = len };

	*out = (struct run_text){ 0 };
	assert_int_equal(mapfs_pages(v, mapfs_file_of(ino), &range, add, out),
			 0);
}
