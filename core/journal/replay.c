/* SPDX-License-Identifier: MIT */
/*
 * Opening a journal: which segments count, how far the last one can be
 * trusted, and their groups in order.
 *
 * Everything read here is a stranger [S1]: a length is compared with what the
 * file really has before it is used, a group with its checksum before it is
 * believed, and an lsn must be the one that is due.
 *
 *   segment 3 (from nothing)   segment 4               segment 5 (newest)
 *   | a b c d e |              | f g h  x x            | f' g' S i j S k ~~
 *     up to the first lsn of the next: all of it         up to `trusted`
 *
 * x: recovery gave it up once; it lies behind the first lsn of the next
 * segment and never comes back.  S: mark.  ~: torn, or never written.
 *
 * A group that is not sound is where the power went off, or it is damage.
 * Each mark names what was already flushed when it was written, so when a
 * sound mark lies behind an unsound group and vouches for it, it is damage,
 * and rolling back silently would break [D1].
 */
#include "journal_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/lib/fault.h"
#include "core/lib/io.h"

#define PAST_MOST_SEGMENTS (1U << 20)
#define READ_BYTES ((size_t)1 << 20)

/* A segment as its header tells. */
struct found_segment {
	uint64_t number;
	mapfs_lsn first_lsn;
	mapfs_lsn durable_lsn;
	bool from_nothing;
	bool same_epoch;
};

/* Sound groups of one segment, one after the other. */
struct scan {
	int fd;
	uint64_t file_bytes;
	uint64_t seed;
	uint64_t off;  /* of the next group */
	mapfs_lsn lsn; /* that is due */
	uint8_t *buf;  /* file bytes from buf_off on */
	size_t buf_cap;
	size_t buf_bytes;
	uint64_t buf_off;
};

struct sound_group {
	enum group_kind kind;
	mapfs_lsn lsn;
	const uint8_t *payload; /* until the next step */
	size_t len;
};

/* What the groups of the newest segment say. */
struct verdict {
	mapfs_lsn last;	   /* of the last sound group */
	mapfs_lsn covered; /* by the last mark */
	bool closed;	   /* it ends in GROUP_CLOSE */
};

/* The segments that count, newest first. */
struct found {
	struct found_segment *segs;
	size_t count;
	uint64_t *numbers; /* of all that have a name, not in order */
	size_t numbers_count;
	size_t numbers_cap;
};

static int segment_open_file(const struct journal *j, uint64_t number, int *fd,
			     uint64_t *bytes)
{
	char name[SEGMENT_NAME_BYTES];
	struct stat st;
	int err = fault_point("journal.open");

	if (err)
		return err;
	segment_name(number, false, name);
	/* O_NONBLOCK: a fifo in the place of a segment must not stop us. */
	*fd = openat(j->where.dirfd, name,
		     O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (*fd < 0)
		return errno == ENOENT || errno == ELOOP ? -EUCLEAN : -errno;
	if (fstat(*fd, &st) < 0)
		err = -errno;
	else if (!S_ISREG(st.st_mode) || st.st_size < SEGMENT_HEADER_BYTES)
		err = -EUCLEAN;
	if (err) {
		close(*fd);
		return err;
	}
	*bytes = (uint64_t)st.st_size;
	return 0;
}

static int scan_begin(struct scan *s, const struct journal *j,
		      const struct found_segment *seg)
{
	*s = (struct scan){
		.seed = segment_seed(&j->id, seg->number),
		.off = SEGMENT_HEADER_BYTES,
		.lsn = seg->first_lsn,
	};
	return segment_open_file(j, seg->number, &s->fd, &s->file_bytes);
}

static void scan_end(struct scan *s)
{
	close(s->fd);
	free(s->buf);
}

/* Room for a look at `len` bytes, and at more of the file if there is. */
static int scan_grow(struct scan *s, size_t len)
{
	size_t cap = READ_BYTES;
	uint8_t *p;

	if (cap > s->file_bytes)
		cap = (size_t)s->file_bytes;
	if (cap < len)
		cap = len;
	if (s->buf && len <= s->buf_cap)
		return 0;
	if (fault_point("journal.memory") != 0)
		return -ENOMEM;
	p = realloc(s->buf, cap);
	if (!p)
		return -ENOMEM;
	s->buf = p;
	s->buf_cap = cap;
	return 0;
}

/* 1 and `len` bytes of the file at `off`; 0: it is not that long. */
static int scan_bytes(struct scan *s, uint64_t off, size_t len,
		      const uint8_t **out)
{
	ssize_t n;
	int err;

	if (len > s->file_bytes || off > s->file_bytes - len)
		return 0;
	if (off < s->buf_off || off + len > s->buf_off + s->buf_bytes) {
		err = scan_grow(s, len);
		if (err)
			return err;
		n = io_pread_some(s->fd, s->buf, s->buf_cap, off);
		s->buf_bytes = n > 0 ? (size_t)n : 0;
		s->buf_off = off;
		if (n < 0)
			return (int)n;
		if (s->buf_bytes < len)
			return 0;
	}
	*out = s->buf + (off - s->buf_off);
	return 1;
}

static bool kind_is_known(uint32_t kind)
{
	return kind == GROUP_RECORDS || kind == GROUP_SYNC ||
	       kind == GROUP_CLOSE;
}

/* 1 and the sound group at `off`, whatever its lsn; 0: there is none. */
static int scan_group_at(struct scan *s, uint64_t off, struct sound_group *out)
{
	struct group_disk d;
	const uint8_t *p = NULL;
	uint64_t len;
	int ret = scan_bytes(s, off, sizeof(d), &p);

	if (ret <= 0)
		return ret;
	assert(p);
	memcpy(&d, p, sizeof(d));
	len = le64_get(d.payload_bytes);
	if (le32_get(d.magic) != GROUP_MAGIC || len > GROUP_MAX_BYTES ||
	    !kind_is_known(le32_get(d.kind)))
		return 0;
	ret = scan_bytes(s, off, sizeof(d) + (size_t)len, &p);
	if (ret <= 0)
		return ret;
	if (group_sum(&d, p + sizeof(d), (size_t)len, s->seed) !=
	    le64_get(d.sum))
		return 0;
	*out = (struct sound_group){
		.kind = (enum group_kind)le32_get(d.kind),
		.lsn = le64_get(d.lsn),
		.payload = p + sizeof(d),
		.len = (size_t)len,
	};
	return 1;
}

/* 1 and the group that is due; 0 at the first unsound one; or an error. */
static int scan_next(struct scan *s, struct sound_group *out)
{
	int ret = scan_group_at(s, s->off, out);

	if (ret <= 0)
		return ret;
	if (out->lsn != s->lsn)
		return 0;
	s->off += sizeof(struct group_disk) + ((out->len + 7) & ~(uint64_t)7);
	s->lsn++;
	return 1;
}

/* A mark that claims what cannot be was not written by us. */
static int decode_mark(const struct sound_group *g, mapfs_lsn *covers,
		       mapfs_lsn *flushed)
{
	struct mark_disk d;

	if (g->len != sizeof(d))
		return -EUCLEAN;
	memcpy(&d, g->payload, sizeof(d));
	if (le64_get(d.covers) >= g->lsn || le64_get(d.flushed) >= g->lsn)
		return -EUCLEAN;
	*covers = le64_get(d.covers);
	*flushed = le64_get(d.flushed);
	return 0;
}

/* Does a mark behind the unsound group say that it had been durable? */
static int check_for_damage(struct scan *s, const struct found_segment *seg)
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
		    decode_mark(&g, &covers, &flushed) == 0 &&
		    flushed >= s->lsn)
			return -EBADMSG;
	}
	return ret < 0 ? ret : 0;
}

/* Reads the newest segment for what can be trusted of it. */
static int judge_groups(struct journal *j, const struct found_segment *seg,
			struct verdict *v)
{
	struct sound_group g;
	mapfs_lsn covers;
	mapfs_lsn flushed;
	struct scan s;
	int ret = scan_begin(&s, j, seg);

	if (ret)
		return ret;
	*v = (struct verdict){ .covered = seg->first_lsn - 1 };
	while (!v->closed && (ret = scan_next(&s, &g)) > 0) {
		if (g.kind == GROUP_RECORDS)
			continue;
		ret = decode_mark(&g, &covers, &flushed);
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

/* Records behind the last group that is trusted. */
static int count_discarded(struct journal *j, const struct found_segment *seg,
			   mapfs_lsn trusted, uint64_t *discarded)
{
	struct sound_group g;
	struct scan s;
	int ret = scan_begin(&s, j, seg);

	if (ret)
		return ret;
	while ((ret = scan_next(&s, &g)) > 0)
		if (g.lsn > trusted && g.kind == GROUP_RECORDS)
			(*discarded)++;
	scan_end(&s);
	return ret;
}

/* The last lsn of the newest segment that recovery trusts [D2] [D3]. */
static int judge_last(struct journal *j, const struct found_segment *seg,
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

/* Hands the records of the segment up to `last` to the caller. */
static int replay_segment(struct journal *j, const struct found_segment *seg,
			  mapfs_lsn last, journal_replay_fn fn, void *arg)
{
	struct sound_group g;
	struct scan s;
	int ret = scan_begin(&s, j, seg);

	if (ret)
		return ret;
	while (s.lsn <= last && (ret = scan_next(&s, &g)) > 0) {
		ret = g.kind == GROUP_RECORDS ?
			      fn(arg, g.lsn, g.payload, g.len) :
			      0;
		if (ret)
			break;
	}
	/* History ends before the next segment begins. */
	if (ret >= 0 && s.lsn <= last)
		ret = -EUCLEAN;
	j->older_bytes += s.off;
	scan_end(&s);
	return ret < 0 ? ret : 0;
}

static int decode_header(const struct segment_disk *d, const struct journal *j,
			 uint64_t number, struct found_segment *out)
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
	*out = (struct found_segment){
		.number = number,
		.first_lsn = le64_get(d->first_lsn),
		.durable_lsn = le64_get(d->durable_lsn),
		.from_nothing = le32_get(d->flags) & SEGMENT_FROM_NOTHING,
		.same_epoch = memcmp(d->epoch, j->id.epoch, sizeof(d->epoch)) ==
			      0,
	};
	return 0;
}

static int read_header(const struct journal *j, uint64_t number,
		       struct found_segment *out, uint8_t *uuid)
{
	struct segment_disk d;
	uint64_t bytes;
	int fd;
	int err = segment_open_file(j, number, &fd, &bytes);

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
	struct found *f = arg;

	if (tmp)
		return 0;
	if (f->numbers_count == f->numbers_cap) {
		size_t cap = f->numbers_cap ? f->numbers_cap * 2 : 16;
		uint64_t *p = realloc(f->numbers, cap * sizeof(*p));

		if (!p)
			return -ENOMEM;
		f->numbers = p;
		f->numbers_cap = cap;
	}
	f->numbers[f->numbers_count++] = number;
	return 0;
}

static int newer_first(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a;
	uint64_t y = *(const uint64_t *)b;

	return (x < y) - (x > y);
}

/* Does the segment fit in front of the newer one found before? */
static int check_neighbour(const struct found *f, size_t n)
{
	const struct found_segment *newer = &f->segs[n - 1];
	const struct found_segment *older = &f->segs[n];

	if (older->number != newer->number - 1 ||
	    older->first_lsn > newer->first_lsn)
		return -EUCLEAN;
	return 0;
}

/* Headers from the newest down to the one that starts from nothing. */
static int collect_headers(struct journal *j, struct found *f)
{
	uint8_t uuid[JOURNAL_UUID_BYTES];

	for (size_t n = 0; n < f->numbers_count; n++) {
		int err = read_header(j, f->numbers[n], &f->segs[n], uuid);

		if (!err && n > 0)
			err = check_neighbour(f, n);
		if (!err && n > 0 &&
		    memcmp(uuid, j->id.uuid, sizeof(uuid)) != 0)
			err = -EUCLEAN;
		if (err)
			return err;
		memcpy(j->id.uuid, uuid, sizeof(uuid));
		f->count = n + 1;
		if (f->segs[n].from_nothing)
			return 0;
	}
	/* The beginning of history is missing. */
	return -EUCLEAN;
}

static int collect_segments(struct journal *j, struct found *f)
{
	int err = segment_iterate(j->where.dirfd, add_number, f);

	if (err)
		return err;
	if (f->numbers_count == 0)
		return -ENOENT;
	qsort(f->numbers, f->numbers_count, sizeof(*f->numbers), newer_first);
	f->segs = calloc(f->numbers_count, sizeof(*f->segs));
	if (!f->segs)
		return -ENOMEM;
	return collect_headers(j, f);
}

/* What was trusted must last before a new segment builds on it. */
static int flush_last(struct journal *j, const struct found_segment *seg)
{
	uint64_t bytes;
	int fd;
	int err = segment_open_file(j, seg->number, &fd, &bytes);

	if (err)
		return err;
	err = io_fdatasync("journal.flush", fd);
	close(fd);
	return err;
}

static int replay_all(struct journal *j, const struct found *f,
		      journal_replay_fn fn, void *arg, uint64_t *discarded)
{
	mapfs_lsn trusted;
	int err = judge_last(j, &f->segs[0], &trusted, discarded);

	for (size_t n = f->count; !err && n-- > 0;) {
		mapfs_lsn last = n > 0 ? f->segs[n - 1].first_lsn - 1 : trusted;

		err = replay_segment(j, &f->segs[n], last, fn, arg);
	}
	if (err)
		return err;
	j->next_lsn = trusted + 1;
	j->flushed_lsn = trusted;
	j->last_number = f->segs[0].number;
	j->first_number = f->segs[f->count - 1].number;
	return 0;
}

int journal_open(struct journal **out, const struct journal_where *where,
		 struct journal_id *id, bool read_only, journal_replay_fn fn,
		 void *arg, uint64_t *discarded)
{
	struct journal *j = journal_alloc(where, id);
	struct found f = { .count = 0 };
	int err;

	assert(!where->ephemeral);
	if (!j)
		return -ENOMEM;
	err = collect_segments(j, &f);
	if (!err)
		err = replay_all(j, &f, fn, arg, discarded);
	if (!err && !read_only)
		err = flush_last(j, &f.segs[0]);
	free(f.segs);
	free(f.numbers);
	if (err) {
		journal_close(j);
		return err;
	}
	*id = j->id;
	*out = j;
	return 0;
}

/* Headers of first .. last, oldest last as replay_all() has them. */
static int collect_past(struct journal *j, struct found *f, uint64_t first,
			uint64_t last)
{
	uint64_t count = last - first + 1;

	/* No store gets that far; a damaged record can say anything. */
	if (first == 0 || last < first || count > PAST_MOST_SEGMENTS)
		return -EUCLEAN;
	f->numbers = calloc(count, sizeof(*f->numbers));
	f->segs = calloc(count, sizeof(*f->segs));
	if (!f->numbers || !f->segs)
		return -ENOMEM;
	for (uint64_t n = 0; n < count; n++)
		f->numbers[f->numbers_count++] = last - n;
	return collect_headers(j, f);
}

int journal_replay_past(const struct journal_where *where,
			struct journal_id *id, uint64_t first, uint64_t last,
			mapfs_lsn upto, journal_replay_fn fn, void *arg)
{
	struct journal *j = journal_alloc(where, id);
	struct found f = { .count = 0 };
	int err;

	if (!j)
		return -ENOMEM;
	err = collect_past(j, &f, first, last);
	if (!err && f.segs[f.count - 1].number != first)
		err = -EUCLEAN;
	for (size_t n = f.count; !err && n-- > 0;)
		err = replay_segment(j, &f.segs[n],
				     n > 0 ? f.segs[n - 1].first_lsn - 1 : upto,
				     fn, arg);
	if (!err)
		*id = j->id;
	free(f.segs);
	free(f.numbers);
	journal_close(j);
	return err;
}
