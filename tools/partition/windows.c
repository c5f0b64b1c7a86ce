/* SPDX-License-Identifier: MIT */
#include "windows.h"

#include <inttypes.h>
#include <stdio.h>

/* The name, two numbers, and what is between them. */
#define WINDOW_TEXT (PARTITION_FILE_SIZE + 48)

int windows_add(struct fs_options *opt, const struct partition_table *t,
		struct reason *why)
{
	int err = 0;

	for (size_t i = 0; i < t->count && !err; i++) {
		const struct partition *p = &t->list[i];
		char file[PARTITION_FILE_SIZE];
		char text[WINDOW_TEXT];

		partition_file(file, p);
		/* An empty path is the base itself. */
		snprintf(text, sizeof(text), "%s=:%" PRIu64 ":%" PRIu64, file,
			 p->start_bytes, p->size_bytes);
		err = options_add_window(opt, text, why);
	}
	return err;
}
