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
 *
 * An unsound group is where the power failed, or it is damage.  Each mark
 * names the lsn that was already flushed when the mark was written.  So if a
 * sound mark behind an unsound group says that this group was flushed, it is
 * damage, and to roll back silently would break [D1].
 */
#include "replay.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/lib/array.h"
#include "core/lib/io.h"
#include "scan.h"
#include "state.h"

/* No journal has so many segments; a damaged record can say anything. */
#define HISTORY_MOST_SEGMENTS (1U << 20)

/* The header of a segment, decoded. */
struct segment_info {
	uint64_t number;
	mapfs_lsn first_lsn;
	mapfs_lsn durable_lsn;
	uint64_t must_refuse;
	bool from_nothing;
	bool same_epoch;
};

/* The groups of the newest segment, judged. */
struct verdict {
	mapfs_lsn last;	   /* of the last sound group */
	mapfs_lsn covered; /* by the last mark */
	bool closed;	   /* it ends in GROUP_CLOSE */
};

/* The segments that count, newest first. */
struct segment_list {
	struct segment_info *info;
	size_t count;
	uint64_t *numbers; /* of all published segments */
	size_t numbers_count;
	size_t numbers_cap;
};

/* Does a mark behind the unsound group say that the group was durable? */
static int check_for_damage(struct scan *s, const struct segment_info *seg)
{
	struct sound_group g;
	mapfs_lsn covers;
	mapfs_lsn flushed;
	int ret = 0;

	if (seg->durable_lsn >= s->lsn)
		return -EBADMSG;
	for (uint64_t off = s->off; ret >= 0 && off < s->file_bytes; off += 8) {
		ret = scan_group_at(s, off, &g);
		if (ret > 0 && g.kind != GROUP_RECORDS &&
		    mark_decode(&g, &covers, &flushed) == 0 &&
		    flushed >= s->lsn)
			return -EBADMSG;
	}
	return ret < 0 ? ret : 0;
}

/* Reads the newest segment to find how far it can be trusted. */
static int judge_groups(struct journal *j, const struct segment_info *seg,
			struct verdict *v)
{
	struct sound_group g;
	mapfs_lsn covers;
	mapfs_lsn flushed;
	struct scan s;
	int ret =
		scan_begin(&s, &j->where, &j->id, seg->number, seg->first_lsn);

	if (ret)
		return ret;
	*v = (struct verdict){ .covered = seg->first_lsn - 1 };
	while (!v->closed && (ret = scan_next(&s, &g)) > 0) {
		if (g.kind == GROUP_RECORDS)
			continue;
		ret = mark_decode(&g, &covers, &flushed);
		if (ret)
			break;
		if (covers > v->covered)
			v->covered = covers;
		v->closed = g.kind == GROUP_CLOSE;
	}
	v->last = s.lsn - 1;
	if (ret >= 0 && !v->closed)
		ret = check_for_damage(&s, seg);
	scan_end(&s);
	return ret < 0 ? ret : 0;
}

/* Counts the groups of records behind the last one that is trusted. */
static int count_discarded(struct journal *j, const struct segment_info *seg,
			   mapfs_lsn trusted, uint64_t *discarded)
{
	struct sound_group g;
	struct scan s;
	int ret =
		scan_begin(&s, &j->where, &j->id, seg->number, seg->first_lsn);

	if (ret)
		return ret;
	while ((ret = scan_next(&s, &g)) > 0)
		if (g.lsn > trusted && g.kind == GROUP_RECORDS)
			(*discarded)++;
	scan_end(&s);
	return ret;
}

/* The last lsn of the newest segment that recovery trusts [D2] [D3]. */
static int judge_last(struct journal *j, const struct segment_info *seg,
		      mapfs_lsn *trusted, uint64_t *discarded)
{
	struct verdict v;
	int err = judge_groups(j, seg, &v);

	*discarded = 0;
	if (err)
		return err;
	*trusted = v.last;
	if (seg->same_epoch || v.closed)
		return 0;
	*trusted = v.covered;
	return v.covered < v.last ?
		       count_discarded(j, seg, v.covered, discarded) :
		       0;
}

/* Calls back for each group of records up to `last`. */
static int replay_segment(struct journal *j, const struct segment_info *seg,
			  mapfs_lsn last, const struct journal_replay *r)
{
	struct sound_group g;
	struct scan s;
	int ret =
		scan_begin(&s, &j->where, &j->id, seg->number, seg->first_lsn);

	if (ret)
		return ret;
	while (s.lsn <= last && (ret = scan_next(&s, &g)) > 0) {
		ret = g.kind == GROUP_RECORDS ?
			      r->fn(r->arg, g.lsn, g.payload, g.len) :
			      0;
		if (ret)
			break;
	}
	/* The segment ends before the next one begins. */
	if (ret >= 0 && s.lsn <= last)
		ret = -EUCLEAN;
	j->older_bytes += s.off;
	scan_end(&s);
	return ret < 0 ? ret : 0;
}

static int decode_header(const struct segment_disk *d, const struct journal *j,
			 uint64_t number, struct segment_info *out)
{
	if (le64_get(d->magic) != SEGMENT_MAGIC || le32_get(d->version) == 0)
		return -EUCLEAN;
	if (le32_get(d->version) > SEGMENT_VERSION)
		return -EPROTONOSUPPORT;
	if (le64_get(d->sum) != segment_sum(d))
		return -EBADMSG;
	if (le64_get(d->must_refuse) & ~SEGMENT_KNOWN_MUST_REFUSE)
		return -EPROTONOSUPPORT;
	if (le64_get(d->number) != number || le64_get(d->first_lsn) == 0 ||
	    le64_get(d->first_lsn) > LSN_MAX ||
	    le64_get(d->durable_lsn) > LSN_MAX ||
	    (le32_get(d->flags) & ~SEGMENT_FROM_NOTHING))
		return -EUCLEAN;
	*out = (struct segment_info){
		.number = number,
		.first_lsn = le64_get(d->first_lsn),
		.durable_lsn = le64_get(d->durable_lsn),
		.must_refuse = le64_get(d->must_refuse),
		.from_nothing = le32_get(d->flags) & SEGMENT_FROM_NOTHING,
		.same_epoch = memcmp(d->epoch, j->id.epoch, sizeof(d->epoch)) ==
			      0,
	};
	return 0;
}

static int read_header(const struct journal *j, uint64_t number,
		       struct segment_info *out, uint8_t *uuid)
{
	struct segment_disk d;
	uint64_t bytes;
	int fd;
	int err = segment_open(&j->where, number, &fd, &bytes);

	if (err)
		return err;
	err = io_pread_all(fd, &d, sizeof(d), 0);
	if (!err)
		err = decode_header(&d, j, number, out);
	if (!err)
		memcpy(uuid, d.uuid, sizeof(d.uuid));
	close(fd);
	return err;
}

static int add_number(void *arg, uint64_t number, bool tmp)
{
	struct segment_list *list = arg;
	int err;

	if (tmp)
		return 0;
	err = array_reserve(&list->numbers, &list->numbers_cap,
			    list->numbers_count + 1);
	if (err)
		return err;
	list->numbers[list->numbers_count++] = number;
	return 0;
}

static int newer_first(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a;
	uint64_t y = *(const uint64_t *)b;

	return (x < y) - (x > y);
}

/* Is segment `n` the predecessor of the newer one at n - 1? */
static int check_neighbour(const struct segment_list *list, size_t n)
{
	const struct segment_info *newer = &list->info[n - 1];
	const struct segment_info *older = &list->info[n];

	if (older->number != newer->number - 1 ||
	    older->first_lsn > newer->first_lsn)
		return -EUCLEAN;
	return 0;
}

/* Reads headers, from the newest to the one that starts from nothing. */
static int collect_headers(struct journal *j, struct segment_list *list)
{
	uint8_t uuid[JOURNAL_UUID_BYTES];

	for (size_t n = 0; n < list->numbers_count; n++) {
		int err =
			read_header(j, list->numbers[n], &list->info[n], uuid);

		if (!err && n > 0)
			err = check_neighbour(list, n);
		if (!err && n > 0 &&
		    memcmp(uuid, j->id.uuid, sizeof(uuid)) != 0)
			err = -EUCLEAN;
		if (err)
			return err;
		memcpy(j->id.uuid, uuid, sizeof(uuid));
		/* Those of the newest segment hold for the store. */
		if (n == 0)
			j->id.must_refuse = list->info[0].must_refuse;
		list->count = n + 1;
		if (list->info[n].from_nothing)
			return 0;
	}
	/* The first segment of the history is missing. */
	return -EUCLEAN;
}

static int collect_segments(struct journal *j, struct segment_list *list)
{
	int err = segment_iterate(j->where.dirfd, add_number, list);

	if (err)
		return err;
	if (list->numbers_count == 0)
		return -ENOENT;
	qsort(list->numbers, list->numbers_count, sizeof(*list->numbers),
	      newer_first);
	list->info = calloc(list->numbers_count, sizeof(*list->info));
	if (!list->info)
		return -ENOMEM;
	return collect_headers(j, list);
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
		       mapfs_lsn trusted, const struct journal_replay *r)
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
	mapfs_lsn trusted;
	int err = judge_last(j, &list->info[0], &trusted, &r->discarded);

	if (!err)
		err = replay_list(j, list, trusted, r);
	if (err)
		return err;
	j->next_lsn = trusted + 1;
	j->flushed_lsn = trusted;
	j->last_number = list->info[0].number;
	j->first_number = list->info[list->count - 1].number;
	return 0;
}

static void list_fini(struct segment_list *list)
{
	free(list->info);
	free(list->numbers);
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
	err = collect_segments(j, &list);
	if (!err)
		err = replay_all(j, &list, r);
	if (!err && !read_only)
		err = flush_last(j, &list.info[0]);
	list_fini(&list);
	if (err) {
		journal_free(j);
		return err;
	}
	*id = j->id;
	*out = j;
	return 0;
}

/* The headers of the history's segments, newest first. */
static int collect_history(struct journal *j, struct segment_list *list,
			   const struct journal_history *h)
{
	uint64_t count = h->last_segment - h->first_segment + 1;
	int err;

	if (h->first_segment == 0 || h->last_segment < h->first_segment ||
	    count > HISTORY_MOST_SEGMENTS)
		return -EUCLEAN;
	list->numbers = calloc(count, sizeof(*list->numbers));
	list->info = calloc(count, sizeof(*list->info));
	if (!list->numbers || !list->info)
		return -ENOMEM;
	for (uint64_t n = 0; n < count; n++)
		list->numbers[list->numbers_count++] = h->last_segment - n;
	err = collect_headers(j, list);
	if (!err && list->info[list->count - 1].number != h->first_segment)
		err = -EUCLEAN;
	return err;
}

int journal_replay_history(const struct journal_where *where,
			   struct journal_id *id,
			   const struct journal_history *h,
			   const struct journal_replay *r)
{
	struct journal *j = journal_alloc(where, id);
	struct segment_list list = { .count = 0 };
	int err;

	if (!j)
		return -ENOMEM;
	err = collect_history(j, &list, h);
	if (!err)
		err = replay_list(j, &list, h->lsn, r);
	if (!err)
		*id = j->id;
	list_fini(&list);
	journal_free(j);
	return err;
}
