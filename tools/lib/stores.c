/* SPDX-License-Identifier: MIT */
#include "stores.h"

#include <errno.h>
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/lib/array.h"
#include "registry.h"

#define HOUR 3600
#define DAY (24L * HOUR)

/*
 * What a command writes that only looks, and what a branch writes in its
 * parent, is no change of the store.
 */
static bool is_change(const FTSENT *e)
{
	static const char *const others[] = { "lock", "readers", "branches" };
	const FTSENT *top = e;

	if (e->fts_level == FTS_ROOTLEVEL)
		return false;
	while (top->fts_level > 1)
		top = top->fts_parent;
	for (size_t n = 0; n < sizeof(others) / sizeof(*others); n++)
		if (strcmp(top->fts_name, others[n]) == 0)
			return false;
	return true;
}

/* A directory that has nothing else is as old as itself. */
static int measure(struct store_row *row)
{
	char *const paths[] = { row->path, NULL };
	FTS *tree = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	time_t itself = 0;
	FTSENT *e;

	if (!tree)
		return -errno;
	while ((e = fts_read(tree))) {
		if (e->fts_info == FTS_DP || !e->fts_statp)
			continue;
		row->bytes += (uint64_t)e->fts_statp->st_blocks * 512;
		if (e->fts_level == FTS_ROOTLEVEL)
			itself = e->fts_statp->st_mtime;
		else if (is_change(e) && e->fts_statp->st_mtime > row->changed)
			row->changed = e->fts_statp->st_mtime;
	}
	fts_close(tree);
	if (!row->changed)
		row->changed = itself;
	return 0;
}

static void judge(struct store_row *row)
{
	enum mapfs_base_state base = MAPFS_BASE_FITS;

	if (row->info.pid) {
		row->state = row->info.mountpoint ? STORE_MOUNTED : STORE_BUSY;
	} else if (row->info.commit_is_open) {
		row->state = STORE_COMMIT;
		reason_set(
			&row->note,
			"store %s has a commit that was interrupted; finish it with `mapfs commit %s`",
			row->path, row->path);
	} else if (row->info.is_damaged) {
		row->state = STORE_DAMAGED;
		reason_set(
			&row->note,
			"store %s: its journal is damaged; see `mapfs check %s`",
			row->path, row->path);
	} else if (mapfs_base_state(row->path, &base, &row->note)) {
		row->state = STORE_UNREADABLE;
	} else if (base == MAPFS_BASE_GONE) {
		row->state = STORE_BASE_GONE;
	} else if (base == MAPFS_BASE_REPLACED) {
		row->state = STORE_BASE_REPLACED;
	} else {
		row->state = STORE_KEPT;
		reason_clear(&row->note);
	}
}

/* 1: there is no store. */
static int look_into(struct store_row *row)
{
	enum mapfs_leftover left;
	int err = mapfs_store_trust_check(row->path, false, &row->note);

	if (err == -ENOENT || err == -ENOTDIR)
		return 1;
	if (err) {
		row->state = err == -EPERM ? STORE_FOREIGN : STORE_UNREADABLE;
		return 0;
	}
	err = mapfs_leftover(row->path, &left, &row->note);
	if (!err && left) {
		row->state = STORE_LEFTOVER;
		return measure(row);
	}
	if (!err)
		err = mapfs_store_describe(row->path, &row->info, &row->note);
	if (err == -ENOENT)
		return 1;
	if (err == -EACCES) {
		row->state = STORE_UNREADABLE;
		return 0;
	}
	if (err)
		row->state = STORE_DAMAGED;
	else
		judge(row);
	return measure(row);
}

int store_look(struct store_row *out, const char *path)
{
	struct stat st;
	int err;

	*out = (struct store_row){ .path = strdup(path) };
	if (!out->path)
		return -ENOMEM;
	reason_clear(&out->note);
	if (stat(path, &st) == 0)
		err = S_ISDIR(st.st_mode) ? look_into(out) : 1;
	else if (errno == ENOENT || errno == ENOTDIR || errno == ELOOP)
		err = 1;
	else {
		reason_set(&out->note, "store %s: %s", path, strerror(errno));
		out->state = STORE_UNREADABLE;
		err = 0;
	}
	if (err)
		store_row_fini(out);
	return err;
}

static int add_store(void *arg, const char *path)
{
	struct stores *s = arg;
	int err = array_reserve(&s->rows, &s->cap, s->count + 1);

	if (!err)
		err = store_look(&s->rows[s->count], path);
	if (!err)
		s->count++;
	return err;
}

static int by_path(const void *a, const void *b)
{
	const struct store_row *one = a;
	const struct store_row *two = b;

	return strcmp(one->path, two->path);
}

int stores_read(struct stores *out)
{
	int err;

	*out = (struct stores){ 0 };
	err = registry_iterate(add_store, out);
	if (err)
		stores_free(out);
	else if (out->count)
		qsort(out->rows, out->count, sizeof(*out->rows), by_path);
	return err;
}

void store_row_fini(struct store_row *row)
{
	mapfs_store_info_fini(&row->info);
	free(row->path);
	*row = (struct store_row){ 0 };
}

void stores_free(struct stores *s)
{
	for (size_t i = 0; i < s->count; i++)
		store_row_fini(&s->rows[i]);
	free(s->rows);
	*s = (struct stores){ 0 };
}

const char *store_state_name(enum store_state state)
{
	static const char *const state_names[] = {
		[STORE_KEPT] = "kept",
		[STORE_MOUNTED] = "mounted",
		[STORE_BUSY] = "busy",
		[STORE_COMMIT] = "commit",
		[STORE_BASE_GONE] = "base-gone",
		[STORE_BASE_REPLACED] = "base-replaced",
		[STORE_LEFTOVER] = "leftover",
		[STORE_DAMAGED] = "damaged",
		[STORE_FOREIGN] = "foreign",
		[STORE_UNREADABLE] = "unreadable",
	};

	return state_names[state];
}

bool store_is_stale(const struct store_row *row)
{
	return row->state >= STORE_BASE_GONE && row->state <= STORE_DAMAGED;
}

void store_age(char out[STORE_AGE_TEXT], const struct store_row *row)
{
	time_t age = time(NULL) - row->changed;

	if (row->state >= STORE_FOREIGN)
		snprintf(out, STORE_AGE_TEXT, "-");
	else if (age < HOUR)
		snprintf(out, STORE_AGE_TEXT, "<1h");
	else if (age < 2 * DAY)
		snprintf(out, STORE_AGE_TEXT, "%ldh", (long)age / HOUR);
	else
		snprintf(out, STORE_AGE_TEXT, "%ldd", (long)age / DAY);
}
