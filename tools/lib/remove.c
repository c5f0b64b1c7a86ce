/* SPDX-License-Identifier: MIT */
#include "remove.h"

#include <errno.h>
#include <unistd.h>

#include "core/mapfs.h"
#include "text.h"

#define WHY_BYTES 1024

void remove_store(const char *path)
{
	char why[WHY_BYTES];

	/* One that was never filled is no store yet. */
	if (rmdir(path) == 0 || errno == ENOENT)
		return;
	if (mapfs_discard(path, why, sizeof(why)))
		say("%s", why);
}
