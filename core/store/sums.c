/* SPDX-License-Identifier: MIT */
#include "sums.h"

#include <errno.h>
#include <stdlib.h>

#include "core/arena/page_sums.h"
#include "core/delta/record_decode.h"
#include "core/lib/log.h"
#include "intent.h"
#include "state.h"

#define RUN_PAGES 4096U		 /* of one record */
#define GROUP_BYTES (256U << 10) /* at which a group is appended */

/* Sums as they are in a record. */
struct run {
	uint64_t sum[RUN_PAGES];
	le64 disk[RUN_PAGES];
};

static void add_run(struct group *g, struct run *r, mapfs_apage first,
		    uint64_t count)
{
	for (uint64_t n = 0; n < count; n++)
		r->disk[n] = le64_of(r->sum[n]);
	group_add(g, &(struct record){
			     .type = RECORD_SUMS,
			     .sums.first = first,
			     .sums.count = count,
			     .sums.sums = r->disk,
		     });
}

/* A group of unrecorded sums; `from` is the page behind them. */
static void add_unrecorded(struct store *st, struct group *g, struct run *r,
			   uint64_t *from)
{
	uint64_t first;
	uint64_t count;

	while (g->len_bytes < GROUP_BYTES && !g->failed &&
	       (count = arena_take_unrecorded(st->arena, *from, &first, r->sum,
					      RUN_PAGES)) > 0) {
		add_run(g, r, first, count);
		*from = first + count;
	}
}

int sums_append(struct store *st)
{
	struct run *r;
	struct group g;
	uint64_t from = 0;
	int err = 0;

	if (st->ephemeral || !arena_has_unrecorded(st->arena))
		return 0;
	r = malloc(sizeof(*r));
	if (!r)
		return -ENOMEM;
	group_init(&g);
	while (!err) {
		const uint64_t begin = from;
		mapfs_lsn lsn;

		group_reset(&g);
		add_unrecorded(st, &g, r, &from);
		err = group_error(&g);
		if (!err && g.len_bytes == 0)
			break;
		if (!err)
			err = journal_append(st->journal, g.buf, g.len_bytes,
					     &lsn);
		if (err)
			arena_put_unrecorded(st->arena, begin, from - begin);
	}
	group_fini(&g);
	free(r);
	return err;
}

int sums_dump(struct store *st, struct group *g,
	      int (*emit)(void *arg, struct group *g), void *arg)
{
	struct run *r = malloc(sizeof(*r));
	uint64_t from = 0;
	uint64_t first;
	uint64_t count;
	int err = r ? 0 : -ENOMEM;

	while (!err && (count = arena_next_sums(st->arena, from, &first, r->sum,
						RUN_PAGES)) > 0) {
		add_run(g, r, first, count);
		from = first + count;
		err = emit(arg, g);
	}
	free(r);
	if (err)
		return err;
	intent_add(st, g);
	return emit(arg, g);
}

/* The sums of one run of a parent's pages. */
static void add_of_parent(struct store *st, struct group *g, struct run *r,
			  const struct record_pages *p)
{
	uint64_t done = 0;

	while (done < p->count) {
		uint64_t n = p->count - done;

		if (n > RUN_PAGES)
			n = RUN_PAGES;
		arena_get_sums(st->arena, p->apage + done, r->sum, n);
		add_run(g, r, p->apage + done, n);
		done += n;
	}
}

int sums_add_of_parents(struct store *st, const struct group *named,
			struct group *g)
{
	struct run *r = malloc(sizeof(*r));
	struct record rec;
	size_t pos = 0;
	int ret = r ? 0 : -ENOMEM;

	while (!ret && (ret = record_next(named->buf, named->len_bytes, &pos,
					  &rec)) > 0) {
		if (rec.type == RECORD_PAGES &&
		    apage_arena(rec.pages.apage) > 0)
			add_of_parent(st, g, r, &rec.pages);
		ret = 0;
	}
	free(r);
	return ret;
}

bool sums_settle(struct store *st, uint64_t most)
{
	return arena_settle(st->arena, most);
}

int sums_recover(struct store *st, bool after_cut)
{
	uint64_t region;
	uint64_t lost;

	if (!arena_next_in_flight(st->arena, 0, &region))
		return 0;
	/* In a copy a page may be of any moment: only the sums can tell. */
	lost = st->anchor.is_copy ? 0 : arena_forget_in_flight(st->arena);
	if (lost > 0 && after_cut)
		log_line(
			LOG_NOTICE,
			"store %s: %llu pages were near an overwrite when the machine went down; they are taken as they are, without a checksum",
			st->dir.path, (unsigned long long)lost);
	return intent_recover(st);
}
