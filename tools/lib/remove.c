/* SPDX-License-Identifier: MIT */
#include "remove.h"

#include <errno.h>
#include <unistd.h>

#include "core/mapfs.h"
#include "registry.h"
#include "text.h"

void remove_store(const char *path)
{
	struct reason why;

	registry_drop(path);
	/* An empty directory is not a store yet. */
	if (rmdir(path) == 0 || errno == ENOENT)
		return;
	if (mapfs_discard(path, &why))
		say("%s", why.text);
}
