/* SPDX-License-Identifier: MIT */
/*
 * A run without --store that may have to keep its changes makes a store where
 * programs keep their state.  A store must not lie in its own base, so a run
 * on a home directory uses the next place of the list.
 */
#include "run_store.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "tools/lib/state.h"
#include "tools/lib/text.h"

/* 1: not possible in this place. */
static int create_in(struct run_ctx *r, const char *place, const char *below)
{
	struct tm tm;
	time_t now = time(NULL);
	char date[32];
	char *path;

	if (!place || place[0] != '/' || state_is_in(place, r->opt.base))
		return 1;
	strftime(date, sizeof(date), "%Y%m%d-%H%M%S", localtime_r(&now, &tm));
	if (asprintf(&path, "%s%s/run-%s-XXXXXX", place, below, date) < 0)
		return -ENOMEM;
	/* mkdtemp() fails if a directory could not be made. */
	state_make_parents(path);
	if (!mkdtemp(path)) {
		free(path);
		return 1;
	}
	free(r->opt.store);
	r->opt.store = path;
	r->opt.store_kind = MAPFS_STORE_DIR;
	r->has_own_store = true;
	return 0;
}

int run_store_create(struct run_ctx *r)
{
	const struct {
		const char *place;
		const char *below;
	} places[] = {
		{ getenv("XDG_STATE_HOME"), "/mapfs" },
		{ getenv("HOME"), "/.local/state/mapfs" },
		{ getenv("TMPDIR"), "/mapfs" },
		{ "/var/tmp", "" },
		{ "/tmp", "" },
	};
	int err = 1;

	for (size_t i = 0; i < sizeof(places) / sizeof(*places) && err > 0; i++)
		err = create_in(r, places[i].place, places[i].below);
	if (!err)
		return 0;
	say("store: no directory can be made for the changes; name one with "
	    "--store");
	return err < 0 ? err : -ENOENT;
}
