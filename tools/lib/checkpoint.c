/* SPDX-License-Identifier: MIT */
#include "checkpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/lib/array.h"
#include "state.h"

#define BAD_MOST 1000000

static int path_of(const struct mapfs_check_result *of, char **out)
{
	char uuid[2 * sizeof(of->uuid) + 1];
	char *state = NULL;
	int err = state_place(&state);

	if (err)
		return err;
	for (size_t n = 0; n < sizeof(of->uuid); n++)
		(void)snprintf(uuid + 2 * n, 3, "%02x", of->uuid[n]);
	if (asprintf(out, "%s/check/%s-%" PRIu64, state, uuid, of->lsn) < 0)
		err = -ENOMEM;
	free(state);
	return err;
}

static int read_runs(FILE *f, struct mapfs_check_position *p)
{
	struct mapfs_check_run run;
	size_t cap = 0;
	int err;

	while (p->bad_count < BAD_MOST &&
	       fscanf(f, "%" SCNu64 " %" SCNu64, &run.first, &run.count) == 2) {
		err = array_reserve(&p->bad, &cap, p->bad_count + 1);
		if (err)
			return err;
		p->bad[p->bad_count++] = run;
	}
	return feof(f) ? 0 : -EINVAL;
}

/* A file of another user would say that damaged pages are sound. */
static bool is_mine(FILE *f)
{
	struct stat st;

	return fstat(fileno(f), &st) == 0 && S_ISREG(st.st_mode) &&
	       st.st_uid == geteuid() && !(st.st_mode & (S_IWGRP | S_IWOTH));
}

int checkpoint_read(const struct mapfs_check_result *of,
		    struct mapfs_check_position *out)
{
	struct mapfs_check_position p = { 0 };
	char *path = NULL;
	FILE *f;
	int err = path_of(of, &path);

	if (err)
		return err;
	f = fopen(path, "re");
	free(path);
	if (!f)
		return -errno;
	if (!is_mine(f) ||
	    fscanf(f, "%" SCNu64 " %" SCNu64, &p.snapshot, &p.ino) != 2)
		err = -EINVAL;
	else
		err = read_runs(f, &p);
	fclose(f);
	if (err)
		free(p.bad);
	else
		*out = p;
	return err;
}

static int write_to(const char *tmp, const struct mapfs_check_position *p)
{
	int fd = open(tmp,
		      O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
		      0600);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "we");

	if (!f)
		return -errno;
	fprintf(f, "%" PRIu64 " %" PRIu64 "\n", p->snapshot, p->ino);
	for (size_t n = 0; n < p->bad_count; n++)
		fprintf(f, "%" PRIu64 " %" PRIu64 "\n", p->bad[n].first,
			p->bad[n].count);
	return fclose(f) ? -errno : 0;
}

int checkpoint_write(const struct mapfs_check_result *of)
{
	char *path = NULL;
	char *tmp = NULL;
	int err = path_of(of, &path);

	if (err)
		return err;
	state_make_parents(path);
	if (asprintf(&tmp, "%s.tmp", path) < 0) {
		free(path);
		return -ENOMEM;
	}
	err = write_to(tmp, &of->position);
	if (!err && rename(tmp, path) < 0)
		err = -errno;
	free(tmp);
	free(path);
	return err;
}

void checkpoint_drop(const struct mapfs_check_result *of)
{
	char *path = NULL;

	if (path_of(of, &path))
		return;
	(void)unlink(path);
	free(path);
}
