/* SPDX-License-Identifier: MIT */
#include "state.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool state_is_in(const char *path, const char *base)
{
	size_t n = strlen(base);
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
	return strncmp(real, base, n) == 0 &&
	       (real[n] == '\0' || real[n] == '/');
}

void state_make_parents(char *path)
{
	for (char *p = path + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		(void)mkdir(path, 0700);
		*p = '/';
	}
}

/*
 * root may be started with the home directory of a user (sudo), in which it
 * must not leave files of its own.
 */
int state_place(char **out)
{
	const char *state = getenv("XDG_STATE_HOME");
	const char *home = getenv("HOME");
	int n;

	if (state && state[0] == '/')
		n = asprintf(out, "%s/mapfs", state);
	else if (geteuid() == 0)
		n = asprintf(out, "/var/lib/mapfs");
	else if (home && home[0] == '/')
		n = asprintf(out, "%s/.local/state/mapfs", home);
	else
		return -ENOENT;
	return n < 0 ? -ENOMEM : 0;
}
