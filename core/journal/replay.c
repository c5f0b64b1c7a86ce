/* SPDX-License-Identifier: MIT */
/*
 * Replay: which segments count, how far the newest one is trusted, and their
 * groups in order.
 *
 *   segment 3 (from nothing)   segment 4               segment 5 (newest)
 *   | a b c d e |              | f g h  x x            | f' g' S i j S k ~~
 *     all groups up to the first lsn of the next         up to `trusted`
 *
 * x: groups that an earlier recovery discarded.  They lie behind the first lsn
 * of the next segment and so never count again.  S: mark.  ~: a torn group, or
 * bytes never written.
 */
#include "replay.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/lib/io.h"
#include "scan.h"
#include "state.h"

/* The groups of records behind the last one that is trusted. */
static int show_untrusted(struct journal *j, const struct segment_info *seg,
			  mapfs_lsn trusted, struct journal_replay *r)
{
	struct sound_group g;
	struct scan s;
	int ret =
		scan_begin(&s, &j->where, &j->id, seg->number, seg->first_lsn);

	if (ret)
		return ret;
	while ((ret = scan_next(&s, &g)) > 0) {
		if (g.lsn <= trusted || g.kind != GROUP_RECORDS)
			continue;
		r->discarded++;
		ret = r->untrusted ?
			      r->untrusted(r->arg, g.lsn, g.payload, g.len) :
			      0;
		if (ret)
			break;
	}
	scan_end(&s);
	return ret;
}

/*
 * The last lsn of the newest segment that recovery trusts [D2] [D3].  It must
 * have what the bound says [S4].
 */
static int judge_last(struct journal *j, const struct segment_list *list,
		      struct journal_replay *r, mapfs_lsn *trusted)
{
	const struct segment_info *seg = &list->info[0];
	struct segment_verdict v;
	int err = segment_judge(&j->where, &j->id, seg,
				journal_bound_need(r->bound, seg), &v);

	if (err)
		return err;
	j->unused_from = v.end;
	r->damage = v.damage;
	if (v.damage.kind != JOURNAL_SOUND)
		return journal_damage_error(v.damage.kind);
	r->after_cut = !seg->same_epoch && !v.closed;
	*trusted = r->after_cut ? v.covered : v.last;
	if (r->bound)
		err = journal_bound_check(r->bound, list, &v, *trusted,
					  &r->damage);
	return err;
}

/* The group at `off` is sound, but its content is not what mapfs writes. */
static int call_back(struct journal_replay *r, const struct segment_info *seg,
		     uint64_t off, const struct sound_group *g)
{
	int err = r->fn(r->arg, g->lsn, g->payload, g->len);

	if (err == -EUCLEAN)
		(void)journal_damage_set(&r->damage, JOURNAL_BAD_RECORDS,
					 seg->number, off);
	return err;
}

/* Calls back for each group of records up to `last`. */
static int replay_segment(struct journal *j, const struct segment_info *seg,
			  mapfs_lsn last, struct journal_replay *r)
{
	struct sound_group g;
	struct scan s;
	uint64_t off;
	int ret =
		scan_begin(&s, &j->where, &j->id, seg->number, seg->first_lsn);

	if (ret)
		return ret;
	off = s.off;
	while (s.lsn <= last && (ret = scan_next(&s, &g)) > 0) {
		ret = g.kind == GROUP_RECORDS ? call_back(r, seg, off, &g) : 0;
		if (ret)
			break;
		off = s.off;
	}
	/* The segment ends before the next one begins. */
	if (ret >= 0 && s.lsn <= last)
		ret = journal_damage_set(
			&r->damage,
			s.file_bytes - s.off < sizeof(struct group_disk) ?
				JOURNAL_CUT_OFF :
				JOURNAL_BAD_GROUP,
			seg->number, s.off);
	j->older_bytes += s.off;
	scan_end(&s);
	return ret < 0 ? ret : 0;
}

/* Trusted groups must be durable before a new segment follows them. */
static int flush_last(struct journal *j, const struct segment_info *seg)
{
	uint64_t bytes;
	int fd;
	int err = segment_open(&j->where, seg->number, &fd, &bytes);

	if (err)
		return err;
	err = io_fdatasync("journal.flush", fd);
	close(fd);
	return err;
}

/* Replays the listed segments, the newest up to `trusted`. */
static int replay_list(struct journal *j, const struct segment_list *list,
		       mapfs_lsn trusted, struct journal_replay *r)
{
	int err = 0;

	for (size_t n = list->count; !err && n-- > 0;) {
		mapfs_lsn last = n > 0 ? list->info[n - 1].first_lsn - 1 :
					 trusted;

		err = replay_segment(j, &list->info[n], last, r);
	}
	return err;
}

static int replay_all(struct journal *j, const struct segment_list *list,
		      struct journal_replay *r)
{
	mapfs_lsn trusted = 0;
	int err = judge_last(j, list, r, &trusted);

	r->discarded = 0;
	if (!err)
		err = replay_list(j, list, trusted, r);
	if (!err && r->after_cut)
		err = show_untrusted(j, &list->info[0], trusted, r);
	if (err)
		return err;
	j->next_lsn = trusted + 1;
	j->flushed_lsn = trusted;
	j->last_number = list->info[0].number;
	j->first_number = list->info[list->count - 1].number;
	return 0;
}

int journal_open(struct journal **out, const struct journal_where *where,
		 struct journal_id *id, bool read_only,
		 struct journal_replay *r)
{
	struct journal *j = journal_alloc(where, id);
	struct segment_list list = { .count = 0 };
	int err;

	assert(!where->ephemeral);
	if (!j)
		return -ENOMEM;
	r->damage = (struct journal_damage){ .kind = JOURNAL_SOUND };
	err = segment_list_newest(where, &j->id, &list, &r->damage);
	if (!err)
		err = replay_all(j, &list, r);
	if (!err && !read_only)
		err = flush_last(j, &list.info[0]);
	segment_list_fini(&list);
	if (err) {
		journal_free(j);
		return err;
	}
	*id = j->id;
	*out = j;
	return 0;
}

int journal_replay_history(const struct journal_where *where,
			   struct journal_id *id,
			   const struct journal_history *h,
			   struct journal_replay *r)
{
	struct journal *j = journal_alloc(where, id);
	struct segment_list list = { .count = 0 };
	int err;

	if (!j)
		return -ENOMEM;
	r->damage = (struct journal_damage){ .kind = JOURNAL_SOUND };
	err = segment_list_of(where, &j->id, h, &list, &r->damage);
	if (!err)
		err = replay_list(j, &list, h->lsn, r);
	if (!err)
		*id = j->id;
	segment_list_fini(&list);
	journal_free(j);
	return err;
}
