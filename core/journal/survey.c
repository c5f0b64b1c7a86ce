/* SPDX-License-Identifier: MIT */
/*
 * Segments are read from the oldest to the newest.  Where the next one begins
 * is known from its header; up to there every group must exist, and what is
 * not sound is a fault.  Of the newest segment, and of one before a gap, the
 * end is not known: there an unsound group is a fault only if the header or a
 * mark behind it says that it was durable (replay.c); otherwise it is where a
 * crash cut the segment off.
 *
 * Behind a fault the next sound group is searched at every multiple of 8.
 */
#include "survey.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/lib/array.h"
#include "scan.h"

/* The reading of one segment. */
struct segment_read {
	struct journal_survey *survey;
	struct survey_segment *seg;
	struct scan scan;
	journal_survey_fn fn;
	void *arg;
	uint64_t told; /* bytes of it that were counted */
};

static int add_number(void *arg, uint64_t number, bool tmp)
{
	struct journal_survey *s = arg;
	int err;

	if (tmp)
		return 0;
	err = array_reserve(&s->segment, &s->cap, s->count + 1);
	if (!err)
		s->segment[s->count++] =
			(struct survey_segment){ .number = number };
	return err;
}

static int older_first(const void *a, const void *b)
{
	const struct survey_segment *x = a;
	const struct survey_segment *y = b;

	return (x->number > y->number) - (x->number < y->number);
}

static int add_fault(struct journal_survey *s, const struct journal_fault *f)
{
	int err = array_reserve(&s->fault, &s->fault_cap, s->fault_count + 1);

	if (!err)
		s->fault[s->fault_count++] = *f;
	return err;
}

/* Is it not the segment of that number that the bound names? */
static bool is_exchanged(const struct journal_survey *s,
			 const struct segment_info *info)
{
	return s->has_bound && s->bound.segment == info->number &&
	       (s->bound.header_sum != info->header_sum ||
		memcmp(s->bound.uuid, info->uuid, sizeof(info->uuid)) != 0);
}

/* Does it begin before what the bound says of a segment before it ends? */
static bool precedes_bound(const struct journal_survey *s,
			   const struct segment_info *info)
{
	return s->has_bound && s->bound.segment > 0 &&
	       info->number > s->bound.segment &&
	       info->first_lsn <= s->bound.lsn;
}

/* The newest header that is sound says which store it is. */
static int read_header(struct journal_survey *s, struct survey_segment *seg,
		       bool *has_uuid)
{
	struct journal_damage damage = { .kind = JOURNAL_SOUND };
	struct segment_info info;
	int err = segment_info_read(&s->where, &s->id, seg->number, &info,
				    &damage);

	/* A header that is sound, but of a newer version, is no damage. */
	if (err)
		return err == -EUCLEAN || err == -EBADMSG ? 0 : err;
	if (*has_uuid && memcmp(info.uuid, s->id.uuid, sizeof(info.uuid)) != 0)
		return 0;
	if (is_exchanged(s, &info) || precedes_bound(s, &info))
		return 0;
	*seg = (struct survey_segment){
		.need_lsn =
			s->has_bound ? journal_bound_need(&s->bound, &info) : 0,
		.number = info.number,
		.first_lsn = info.first_lsn,
		.last_lsn = info.first_lsn - 1,
		.covered = info.first_lsn - 1,
		.durable_lsn = info.durable_lsn,
		.from_nothing = info.from_nothing,
		.same_epoch = info.same_epoch,
		.is_readable = true,
	};
	if (!*has_uuid) {
		memcpy(s->id.uuid, info.uuid, sizeof(info.uuid));
		s->id.must_refuse = info.must_refuse;
		*has_uuid = true;
	}
	return 0;
}

static int read_headers(struct journal_survey *s)
{
	bool has_uuid = false;
	int err = 0;

	for (size_t n = s->count; !err && n-- > 0;)
		err = read_header(s, &s->segment[n], &has_uuid);
	for (size_t n = 0; n + 1 < s->count; n++) {
		const struct survey_segment *next = &s->segment[n + 1];
		struct survey_segment *seg = &s->segment[n];

		if (next->number != seg->number + 1 || !next->is_readable)
			continue;
		seg->end_lsn = next->first_lsn;
		/* Which of them is wrong? The older one is not followed. */
		if (seg->first_lsn > next->first_lsn)
			seg->is_readable = false;
	}
	return err;
}

/* Counts what was read of the segment since the last call. */
static int tell(struct segment_read *r, uint64_t off)
{
	r->survey->bytes += off - r->told;
	r->told = off;
	return r->fn ? r->fn(r->arg, r->survey->bytes) : 0;
}

static int note_mark(struct survey_segment *seg, const struct sound_group *g)
{
	mapfs_lsn covers;
	mapfs_lsn flushed;
	int err;

	if (g->kind == GROUP_RECORDS)
		return 0;
	err = mark_decode(g, &covers, &flushed);
	if (err)
		return err;
	if (covers > seg->covered)
		seg->covered = covers;
	seg->is_closed = g->kind == GROUP_CLOSE;
	return 0;
}

/* Does a mark say that the group which should be here was durable? */
static int was_durable(struct segment_read *r, bool *out)
{
	struct scan *s = &r->scan;
	struct sound_group g;
	mapfs_lsn covers;
	mapfs_lsn flushed;
	int ret = 0;

	*out = r->seg->durable_lsn >= s->lsn || r->seg->need_lsn >= s->lsn;
	for (uint64_t off = s->off; ret >= 0 && !*out && off < s->file_bytes;
	     off += 8) {
		ret = scan_group_at(s, off, &g);
		*out = ret > 0 && g.kind != GROUP_RECORDS &&
		       mark_decode(&g, &covers, &flushed) == 0 &&
		       flushed >= s->lsn;
	}
	return ret < 0 ? ret : 0;
}

/* Moves on to the next sound group that counts.  1: there is one. */
static int find_next(struct segment_read *r)
{
	const mapfs_lsn end = r->seg->end_lsn;
	struct scan *s = &r->scan;
	struct sound_group g;
	int ret = 0;

	for (uint64_t off = s->off + 8; ret >= 0 && off < s->file_bytes;
	     off += 8) {
		ret = scan_group_at(s, off, &g);
		if (ret > 0 && g.lsn > s->lsn && (!end || g.lsn < end)) {
			s->off = off;
			s->lsn = g.lsn;
			return 1;
		}
	}
	return ret < 0 ? ret : 0;
}

/*
 * The group that should be here is not sound.  1: reading continues behind the
 * fault; 0: the segment ends, by a fault or not.
 */
static int meet_unsound(struct segment_read *r)
{
	struct survey_segment *seg = r->seg;
	struct scan *s = &r->scan;
	struct journal_fault f = {
		.kind = JOURNAL_GROUPS,
		.segment = seg->number,
		.segment_count = 1,
		.off_bytes = s->off,
		.first_lsn = s->lsn,
	};
	bool is_fault = seg->end_lsn != 0;
	int more;
	int err = 0;

	if (!is_fault)
		err = was_durable(r, &is_fault);
	if (err || !is_fault)
		return err;
	more = find_next(r);
	if (more < 0)
		return more;
	if (more) {
		f.len_bytes = s->off - f.off_bytes;
		f.next_lsn = s->lsn;
	} else {
		f.len_bytes = s->file_bytes - f.off_bytes;
		f.next_lsn = seg->end_lsn;
	}
	seg->faults++;
	err = add_fault(r->survey, &f);
	return err ? err : more;
}

static int read_groups(struct segment_read *r)
{
	struct survey_segment *seg = r->seg;
	struct scan *s = &r->scan;
	struct sound_group g;
	int ret = 1;
	int err = 0;

	while (ret > 0 && !err && (!seg->end_lsn || s->lsn < seg->end_lsn)) {
		ret = scan_next(s, &g);
		/* A mark that cannot be is as bad as a group. */
		if (ret > 0 && note_mark(seg, &g)) {
			s->off -= sizeof(struct group_disk) +
				  ((g.len + 7) & ~(size_t)7);
			s->lsn--;
			ret = 0;
		}
		if (ret > 0) {
			seg->last_lsn = g.lsn;
			err = tell(r, s->off);
			if (seg->is_closed && !seg->end_lsn)
				break;
		} else if (ret == 0) {
			ret = meet_unsound(r);
		}
	}
	if (ret >= 0 && !err)
		err = tell(r, s->file_bytes);
	return ret < 0 ? ret : err;
}

static int read_segment(struct journal_survey *s, struct survey_segment *seg,
			journal_survey_fn fn, void *arg)
{
	struct segment_read r = {
		.survey = s,
		.seg = seg,
		.fn = fn,
		.arg = arg,
	};
	int err;

	if (!seg->is_readable) {
		seg->faults++;
		return add_fault(s, &(struct journal_fault){
					    .kind = JOURNAL_HEADER,
					    .segment = seg->number,
					    .segment_count = 1,
					    .len_bytes = SEGMENT_HEADER_BYTES,
				    });
	}
	err = scan_begin(&r.scan, &s->where, &s->id, seg->number,
			 seg->first_lsn);
	if (err)
		return err;
	err = read_groups(&r);
	scan_end(&r.scan);
	if (seg->last_lsn > s->last_lsn)
		s->last_lsn = seg->last_lsn;
	return err;
}

/* What lies between the segment and the one before it. */
static int check_gap(struct journal_survey *s, size_t n)
{
	const struct survey_segment *seg = &s->segment[n];
	const struct survey_segment *before = &s->segment[n - 1];

	if (seg->number == before->number + 1)
		return 0;
	return add_fault(s, &(struct journal_fault){
				    .kind = JOURNAL_MISSING,
				    .segment = before->number + 1,
				    .segment_count =
					    seg->number - before->number - 1,
				    .next_lsn = seg->first_lsn,
			    });
}

/* Segments that the bound names, or that are before it, and are not there. */
static int check_newest(struct journal_survey *s)
{
	const uint64_t newest = s->segment[s->count - 1].number;

	if (!s->has_bound || s->bound.segment <= newest)
		return 0;
	return add_fault(s, &(struct journal_fault){
				    .kind = JOURNAL_MISSING,
				    .segment = newest + 1,
				    .segment_count = s->bound.segment - newest,
			    });
}

/* Recovery trusts the last segment so far [D2] [D3]. */
static mapfs_lsn trusted_of(const struct survey_segment *seg)
{
	return seg->same_epoch || seg->is_closed ? seg->last_lsn : seg->covered;
}

static mapfs_lsn first_fault_lsn(const struct journal_survey *s,
				 uint64_t segment)
{
	for (size_t n = 0; n < s->fault_count; n++)
		if (s->fault[n].segment == segment &&
		    s->fault[n].kind == JOURNAL_GROUPS)
			return s->fault[n].first_lsn;
	return 0;
}

/* A state that a segment begins with counts as a whole. */
static bool begins_sound(const struct journal_survey *s,
			 const struct survey_segment *seg)
{
	const mapfs_lsn fault = first_fault_lsn(s, seg->number);
	const mapfs_lsn sound = fault ? fault - 1 : seg->last_lsn;

	return sound >= seg->first_lsn && sound >= seg->durable_lsn;
}

/* The newest segment to begin with, if possible one that can be replayed. */
static void find_first(struct journal_survey *s)
{
	bool is_sound = false;

	s->first = s->count;
	for (size_t n = 0; n < s->count; n++) {
		const struct survey_segment *seg = &s->segment[n];

		if (!seg->is_readable || !seg->from_nothing ||
		    (is_sound && !begins_sound(s, seg)))
			continue;
		s->first = n;
		is_sound = begins_sound(s, seg);
	}
}

static void find_sound_end(struct journal_survey *s)
{
	if (s->first == s->count || !begins_sound(s, &s->segment[s->first]))
		return;
	for (size_t n = s->first; n < s->count; n++) {
		const struct survey_segment *seg = &s->segment[n];
		const bool is_last = seg->end_lsn == 0;

		if (!seg->is_readable)
			break;
		if (seg->faults) {
			s->sound_lsn = first_fault_lsn(s, seg->number) - 1;
			break;
		}
		s->sound_lsn = is_last ? trusted_of(seg) : seg->end_lsn - 1;
		if (is_last)
			break;
	}
}

int journal_survey(struct journal_survey *s, journal_survey_fn fn, void *arg)
{
	int err = segment_iterate(s->where.dirfd, add_number, s);

	if (!err && s->count == 0)
		err = -ENOENT;
	if (!err) {
		qsort(s->segment, s->count, sizeof(*s->segment), older_first);
		err = read_headers(s);
	}
	for (size_t n = 0; !err && n < s->count; n++) {
		if (n > 0)
			err = check_gap(s, n);
		if (!err)
			err = read_segment(s, &s->segment[n], fn, arg);
	}
	if (!err)
		err = check_newest(s);
	if (err)
		journal_survey_fini(s);
	if (!err) {
		find_first(s);
		find_sound_end(s);
	}
	return err;
}

void journal_survey_fini(struct journal_survey *s)
{
	free(s->segment);
	free(s->fault);
	*s = (struct journal_survey){ 0 };
}

bool journal_survey_is_damaged(const struct journal_survey *s)
{
	if (s->first == s->count || s->sound_lsn == 0)
		return true;
	for (size_t n = 0; n < s->fault_count; n++)
		if (s->fault[n].segment >= s->segment[s->first].number)
			return true;
	return false;
}

static const struct survey_segment *find_segment(const struct journal_survey *s,
						 uint64_t number)
{
	for (size_t n = 0; n < s->count; n++)
		if (s->segment[n].number == number)
			return &s->segment[n];
	return NULL;
}

const struct journal_fault *
journal_survey_history(const struct journal_survey *s,
		       const struct journal_history *h)
{
	static const struct journal_fault gone = {
		.kind = JOURNAL_MISSING,
		.segment_count = 1,
	};
	const struct survey_segment *last = find_segment(s, h->last_segment);

	for (size_t n = 0; n < s->fault_count; n++) {
		const struct journal_fault *f = &s->fault[n];

		if (f->segment + f->segment_count <= h->first_segment ||
		    f->segment > h->last_segment)
			continue;
		/* The snapshot may end before the fault. */
		if (f->kind != JOURNAL_GROUPS || f->first_lsn <= h->lsn)
			return f;
	}
	if (!find_segment(s, h->first_segment) || !last ||
	    last->last_lsn < h->lsn)
		return &gone;
	return NULL;
}

/* 1: go on. */
static int call_back(const struct journal_replay *r,
		     const struct sound_group *g)
{
	int err = r->fn(r->arg, g->lsn, g->payload, g->len);

	return err ? err : 1;
}

static int replay_segment(const struct journal_survey *s,
			  const struct survey_segment *seg, mapfs_lsn from,
			  mapfs_lsn to, const struct journal_replay *r)
{
	struct sound_group g;
	struct segment_read rd = {
		.survey = (struct journal_survey *)s,
		.seg = (struct survey_segment *)seg,
	};
	int ret = scan_begin(&rd.scan, &s->where, &s->id, seg->number,
			     seg->first_lsn);

	if (ret)
		return ret;
	while (rd.scan.lsn <= to && rd.scan.lsn <= seg->last_lsn) {
		ret = scan_next(&rd.scan, &g);
		if (ret == 0)
			ret = find_next(&rd);
		else if (ret > 0 && g.kind == GROUP_RECORDS && g.lsn >= from)
			ret = call_back(r, &g);
		if (ret <= 0)
			break;
	}
	scan_end(&rd.scan);
	return ret < 0 ? ret : 0;
}

int journal_survey_replay(const struct journal_survey *s, mapfs_lsn from,
			  mapfs_lsn to, const struct journal_replay *r)
{
	int err = 0;

	for (size_t n = s->first; !err && n < s->count; n++) {
		const struct survey_segment *seg = &s->segment[n];

		if (seg->is_readable && seg->last_lsn >= from &&
		    seg->first_lsn <= to)
			err = replay_segment(s, seg, from, to, r);
	}
	return err;
}

static int count_group(void *arg, mapfs_lsn lsn, const void *records,
		       size_t len)
{
	(void)lsn;
	(void)records;
	(void)len;
	++*(uint64_t *)arg;
	return 0;
}

int journal_survey_count(const struct journal_survey *s, mapfs_lsn from,
			 mapfs_lsn to, uint64_t *out)
{
	const struct journal_replay r = { .fn = count_group, .arg = out };

	*out = 0;
	return journal_survey_replay(s, from, to, &r);
}
