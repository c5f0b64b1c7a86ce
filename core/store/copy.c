/* SPDX-License-Identifier: MIT */
#include "copy.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/arena/data.h"
#include "core/lib/log.h"
#include "reasons.h"
#include "state.h"

#define READ_PAGES 256U

struct copy_ctx {
	struct arena *arena;
	uint8_t *buf; /* READ_PAGES */
	uint64_t bad_pages;
	uint64_t bad_files;
};

static bool is_damage(int err)
{
	return err == -EBADMSG || err == -EUCLEAN || err == -EIO;
}

static int check_pages(struct copy_ctx *c, mapfs_apage first, uint64_t count)
{
	int err = arena_read(c->arena, first << MAPFS_PAGE_SHIFT, c->buf,
			     count << MAPFS_PAGE_SHIFT);

	if (!is_damage(err))
		return err;
	if (count == 1) {
		c->bad_pages++;
		return 0;
	}
	err = 0;
	for (uint64_t n = 0; !err && n < count; n++)
		err = check_pages(c, first + n, 1);
	return err;
}

static int check_file(struct copy_ctx *c, const struct pagetable *pages)
{
	const uint64_t bad = c->bad_pages;
	struct pt_run run;
	mapfs_pgno at = 0;
	int err = 0;

	while (!err && pagetable_next(pages, at, &run)) {
		/* A page of a parent was not copied with this store. */
		const bool is_own = run.kind == PT_ARENA &&
				    apage_arena(run.apage) == 0;

		for (uint64_t n = 0; !err && is_own && n < run.count;
		     n += READ_PAGES)
			err = check_pages(c, run.apage + n,
					  run.count - n < READ_PAGES ?
						  run.count - n :
						  READ_PAGES);
		at = run.first + run.count;
	}
	c->bad_files += c->bad_pages > bad;
	return err;
}

static int check_all(struct copy_ctx *c, struct itable *table)
{
	mapfs_ino *inos = NULL;
	size_t count = 0;
	int err = itable_list_kept(table, &inos, &count);

	for (size_t n = 0; !err && n < count; n++) {
		struct inode *i = itable_get(table, inos[n]);

		if (i->delta && S_ISREG(i->delta->attr.mode))
			err = check_file(c, &i->delta->pages);
		(void)inode_put(table, i);
	}
	free(inos);
	return err;
}

int copy_check(struct store *st, struct reason *why)
{
	struct copy_ctx c = { .arena = st->arena };
	int err = 0;

	if (!st->anchor.is_copy)
		return 0;
	c.buf = malloc((size_t)READ_PAGES << MAPFS_PAGE_SHIFT);
	if (!c.buf)
		return -ENOMEM;
	err = check_all(&c, st->set->itable);
	free(c.buf);
	if (err || c.bad_pages == 0)
		return err;
	reason_set(
		why,
		"store %s is a copy that was taken while the store was in use: %" PRIu64
		" pages of %" PRIu64
		" files do not fit together with its journal; nothing was changed; copy the original while it is not mounted, or see what is sound with `mapfs mount -o salvage`, or keep that with `mapfs check --repair NEWSTORE %s`",
		st->dir.path, c.bad_pages, c.bad_files, st->dir.path);
	return -EBADMSG;
}

int copy_warn(struct store *st)
{
	struct reason text;

	if (!st->anchor.is_copy)
		return 0;
	reason_copy(&text, st->dir.path);
	log_line(LOG_NOTICE, "%s", text.text);
	st->warning = strdup(text.text);
	return st->warning ? 0 : -ENOMEM;
}
