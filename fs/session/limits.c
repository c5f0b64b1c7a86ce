/* SPDX-License-Identifier: MIT */
/*
 * The limits of the program that mounts are meant for the programs that it
 * starts.  The kernel checks those at each write, before it sends the data to
 * the daemon.  The daemon needs more: in a write view each open file takes a
 * descriptor.
 */
#include "limits.h"

#include <stdio.h>
#include <sys/resource.h>

/* Root may raise a hard limit, up to the kernel's own. */
static void raise_hard_limit(struct rlimit *lim)
{
	unsigned long long most = 0;
	FILE *f = fopen("/proc/sys/fs/nr_open", "re");
	struct rlimit more = *lim;

	if (!f)
		return;
	if (fscanf(f, "%llu", &most) == 1 && most > lim->rlim_max) {
		more.rlim_max = most;
		if (setrlimit(RLIMIT_NOFILE, &more) == 0)
			*lim = more;
	}
	fclose(f);
}

void limits_raise(void)
{
	static const int limits[] = { RLIMIT_NOFILE, RLIMIT_FSIZE, RLIMIT_CPU,
				      RLIMIT_AS };
	struct rlimit lim;

	for (size_t i = 0; i < sizeof(limits) / sizeof(*limits); i++) {
		if (getrlimit(limits[i], &lim) < 0)
			continue;
		if (limits[i] == RLIMIT_NOFILE)
			raise_hard_limit(&lim);
		lim.rlim_cur = lim.rlim_max;
		setrlimit(limits[i], &lim);
	}
}
