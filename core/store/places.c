/* SPDX-License-Identifier: MIT */
/*
 * A store up the lineage is named by its path, because its directory is not
 * kept open; its snapshots are opened by that path, too.
 */
#include "places.h"

#include <fcntl.h>
#include <unistd.h>

#include "state.h"

/* An ancestor that is gone by now cannot be read anyway. */
static int ancestor_places(const struct ancestor *a, mapfs_place_fn fn,
			   void *arg)
{
	int fd = open(a->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int err = 0;

	if (fd >= 0) {
		err = fn(arg, MAPFS_PLACE_READ_STORE, fd);
		close(fd);
	}
	if (!err && a->readersfd >= 0)
		err = fn(arg, MAPFS_PLACE_HOLDS, a->readersfd);
	return err;
}

static enum mapfs_place place_of(const struct store *st)
{
	if (st->ephemeral)
		return MAPFS_PLACE_SCRATCH;
	return st->use == STORE_CHANGE ? MAPFS_PLACE_STORE :
					 MAPFS_PLACE_READ_STORE;
}

int store_places(const struct store *st, mapfs_place_fn fn, void *arg)
{
	int err = 0;

	if (st->dir.dirfd >= 0)
		err = fn(arg, place_of(st), st->dir.dirfd);
	if (!err && st->dir.readersfd >= 0)
		err = fn(arg, MAPFS_PLACE_HOLDS, st->dir.readersfd);
	for (unsigned int n = 0; n < st->lineage.count && !err; n++)
		err = ancestor_places(&st->lineage.up[n], fn, arg);
	return err;
}
