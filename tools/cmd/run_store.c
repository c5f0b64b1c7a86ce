/* SPDX-License-Identifier: MIT */
/*
 * A run without --store that may have to keep its changes makes a store where
 * programs keep their state.  A store must not lie in its own base, so a run
 * on a home directory uses the next place of the list.
 */
#include "run_store.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "tools/lib/text.h"

/* Would `path` lie in the base?  Its longest part that exists decides. */
static bool is_in_base(const struct run_ctx *r, const char *path)
{
	size_t n = strlen(r->opt.base);
	char real[PATH_MAX];
	char part[PATH_MAX];

	if (snprintf(part, sizeof(part), "%s", path) >= (int)sizeof(part))
		return true;
	while (!realpath(part, real)) {
		char *slash = strrchr(part, '/');

		if (!slash || slash == part)
			return false;
		*slash = '\0';
	}
	return strncmp(real, r->opt.base, n) == 0 &&
	       (real[n] == '\0' || real[n] == '/');
}

static void make_parents(char *path)
{
	for (char *p = path + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		/* mkdtemp() fails if a directory could not be made. */
		(void)mkdir(path, 0700);
		*p = '/';
	}
}

/* 1: not possible in this place. */
static int create_in(struct run_ctx *r, const char *place, const char *below)
{
	struct tm tm;
	time_t now = time(NULL);
	char date[32];
	char *path;

	if (!place || place[0] != '/' || is_in_base(r, place))
		return 1;
	strftime(date, sizeof(date), "%Y%m%d-%H%M%S", localtime_r(&now, &tm));
	if (asprintf(&path, "%s%s/run-%s-XXXXXX", place, below, date) < 0)
		return -ENOMEM;
	make_parents(path);
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
