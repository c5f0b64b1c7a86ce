/* SPDX-License-Identifier: MIT */
#include "peek.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/delta/record_decode.h"
#include "anchor.h"
#include "epoch.h"
#include "layout.h"
#include "lock.h"
#include "reasons.h"
#include "survey.h"

#define LOOKS 20 /* 10 ms apart: a segment may be being replaced meanwhile */

struct peek {
	struct store_facts *facts;
	bool seen_head;
	/* Of a damaged journal: records may build on others that are lost. */
	const struct journal_survey *survey;
	uint64_t head_segment; /* the last one that began with a head */
};

/* Why a look failed. */
struct peek_failure {
	const char *path; /* of the store, for people */
	struct reason *why;
	struct journal_damage damage;
};

static char *copy_text(const char *text, size_t bytes)
{
	return strndup(text, bytes);
}

static int peek_at_head(struct store_facts *f, const struct record *r)
{
	if (r->type == RECORD_STORE) {
		free(f->base);
		f->base = copy_text(r->store.base, r->store.base_bytes);
		f->created = r->store.created;
		return f->base ? 0 : -ENOMEM;
	}
	if (f->has_parent)
		free((char *)f->parent.path);
	f->parent = r->parent;
	f->parent.path = copy_text(r->parent.path, r->parent.path_bytes);
	f->has_parent = f->parent.path != NULL;
	return f->has_parent ? 0 : -ENOMEM;
}

/* In stores without a record of the base the root in the delta identifies it. */
static void peek_at_inode(struct store_facts *f, const struct record_inode *i)
{
	if (f->base_id.ino || !i->has_base || i->text_bytes > 0)
		return;
	f->base_id = (struct base_identity){
		.ino = i->sig.ino,
		.btime = i->sig.btime,
	};
	if (i->sig.btime.tv_sec == 0)
		f->base_id.btime.tv_nsec = -1;
}

static int peek_at_record(struct peek *p, const struct record *r)
{
	switch (r->type) {
	case RECORD_STORE:
	case RECORD_PARENT:
		p->seen_head |= r->type == RECORD_STORE;
		return peek_at_head(p->facts, r);
	case RECORD_BASE:
		p->facts->base_id = r->base;
		return 0;
	case RECORD_INODE:
		peek_at_inode(p->facts, &r->inode);
		return 0;
	case RECORD_COUNTERS:
	case RECORD_NEW_SIGNATURE:
	case RECORD_SNAPSHOT:
	case RECORD_SNAPSHOT_GONE:
	case RECORD_PINNED:
		return snapshots_apply(&p->facts->snapshots, r, NULL, true);
	case RECORD_ATTR:
	case RECORD_DENTRY:
	case RECORD_DENTRY_GONE:
	case RECORD_PAGES:
	case RECORD_XATTR:
	case RECORD_XATTR_GONE:
	case RECORD_XATTR_OWN:
	case RECORD_INODE_GONE:
	case RECORD_HIDDEN:
	case RECORD_SUMS:
	case RECORD_IN_FLIGHT:
	case RECORD_SETTLED:
		break; /* the delta itself is not peeked at */
	}
	return 0;
}

/* A segment that starts from nothing lists the snapshots that there are. */
static void peek_at_beginning(struct peek *p, mapfs_lsn lsn)
{
	const struct journal_survey *s = p->survey;

	for (size_t n = s->first; n < s->count; n++) {
		const struct survey_segment *seg = &s->segment[n];

		if (!seg->is_readable || !seg->from_nothing ||
		    seg->first_lsn != lsn)
			continue;
		snapshots_fini(&p->facts->snapshots, NULL);
		snapshots_init(&p->facts->snapshots);
		p->head_segment = seg->number;
	}
}

static int peek_at_group(void *arg, mapfs_lsn lsn, const void *records,
			 size_t len)
{
	struct peek *p = arg;
	struct record r;
	size_t pos = 0;
	int ret;

	if (p->survey)
		peek_at_beginning(p, lsn);
	while ((ret = record_next(records, len, &pos, &r)) > 0) {
		ret = peek_at_record(p, &r);
		if (ret == -EUCLEAN && p->survey)
			continue;
		if (ret)
			break;
	}
	return ret;
}

/* `anchor`, which was read before: NULL for a leftover; and its path. */
static int peek_at_journal(struct store_facts *f, int dirfd, const char *name,
			   struct anchor *anchor, struct peek_failure *failure)
{
	struct peek arg = { .facts = f };
	struct journal_where where = { 0 };
	struct journal_id id = { 0 };
	struct journal_replay replay = { .fn = peek_at_group, .arg = &arg };
	struct journal *j = NULL;
	int err = store_epoch(dirfd, id.epoch);

	if (err)
		return err;
	where.dirfd = openat(dirfd, name,
			     O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (where.dirfd < 0)
		return -errno;
	snapshots_init(&f->snapshots);
	if (anchor)
		replay.bound = anchor_bound(anchor);
	err = journal_open(&j, &where, &id, true, &replay);
	failure->damage = replay.damage;
	close(where.dirfd);
	if (!err && !arg.seen_head)
		err = -EUCLEAN;
	if (anchor && (!err || err == -ENOENT) &&
	    anchor_check(anchor, j, id.must_refuse, failure->path,
			 failure->why))
		err = -EUCLEAN;
	journal_close(j);
	if (!err)
		memcpy(f->uuid, id.uuid, sizeof(f->uuid));
	return err;
}

static int peek_once(struct store_facts *f, int dirfd,
		     struct peek_failure *failure)
{
	struct anchor anchor;
	int err;

	reason_clear(failure->why);
	failure->damage = (struct journal_damage){ .kind = JOURNAL_SOUND };
	/* First: what it says must hold for the segments that are there later. */
	err = anchor_look(&anchor, dirfd, false);
	if (!err)
		err = peek_at_journal(f, dirfd, STORE_JOURNAL, &anchor,
				      failure);
	f->is_copy = anchor.is_copy;
	anchor_close(&anchor);
	return err;
}

/* May a lost head have begun another version of the base? */
static bool has_lost_head(const struct peek *p)
{
	const struct journal_survey *s = p->survey;

	for (size_t n = 0; n < s->fault_count; n++)
		if (s->fault[n].segment > p->head_segment &&
		    s->fault[n].kind != JOURNAL_GROUPS)
			return true;
	for (size_t n = 0; n < s->count; n++)
		if (s->segment[n].number > p->head_segment &&
		    s->segment[n].is_readable && s->segment[n].from_nothing)
			return true;
	return false;
}

/* Only a commit makes a new version of the base, and leaves a directory. */
static bool had_commit(int dirfd)
{
	return faccessat(dirfd, STORE_COMMIT, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static int peek_at_survey(struct store_facts *f, int dirfd,
			  const struct journal_survey *s)
{
	struct peek arg = { .facts = f, .survey = s };
	const struct journal_replay replay = {
		.fn = peek_at_group,
		.arg = &arg,
	};
	int err;

	if (s->first == s->count)
		return -EUCLEAN;
	snapshots_init(&f->snapshots);
	err = journal_survey_replay(s, 0, LSN_MAX, &replay);
	memcpy(f->uuid, s->id.uuid, sizeof(f->uuid));
	f->is_damaged = true;
	/* Without the anchor the newest segment may be lost. */
	f->may_be_old = (has_lost_head(&arg) || !s->has_bound) &&
			had_commit(dirfd);
	return err || arg.seen_head ? err : -EUCLEAN;
}

/* What the sound groups of a damaged journal state. */
static int peek_damaged(struct store_facts *f, int dirfd)
{
	struct journal_survey survey;
	int fd = openat(dirfd, STORE_JOURNAL,
			O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	int err;

	if (fd < 0)
		return -errno;
	err = store_survey(&survey, dirfd, fd, NULL, NULL);
	if (!err) {
		err = peek_at_survey(f, dirfd, &survey);
		journal_survey_fini(&survey);
	}
	close(fd);
	return err;
}

/* Nobody replaces a segment of a store that nobody holds. */
static bool may_be_replaced(int dirfd)
{
	struct store_holder holder;
	bool is_held = true;
	int err;
	int fd = openat(dirfd, STORE_LOCK,
			O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	if (fd < 0)
		return errno != ENOENT;
	err = store_holder_read(fd, &holder, &is_held);
	close(fd);
	return err || is_held;
}

static bool is_damage(int err)
{
	return err == -EUCLEAN || err == -EBADMSG;
}

int store_peek(struct store_facts *f, int dirfd, const char *path,
	       struct reason *why)
{
	const struct timespec tick = { .tv_nsec = 10000000 };
	struct peek_failure failure = { .path = path, .why = why };
	int looks = LOOKS;
	int err;

	for (int n = 0;; n++) {
		*f = (struct store_facts){ 0 };
		err = peek_once(f, dirfd, &failure);
		if (!err)
			return 0;
		store_facts_fini(f);
		/* The holder may have ended since: then it is looked again. */
		if (n == 0 && is_damage(err) && !may_be_replaced(dirfd))
			looks = 1;
		if ((err != -ENOENT && !is_damage(err)) || n >= looks)
			break;
		nanosleep(&tick, NULL);
	}
	if (is_damage(err)) {
		int again = peek_damaged(f, dirfd);

		if (again) {
			store_facts_fini(f);
		} else {
			reason_clear(why);
			return 0;
		}
	}
	if (err == -ENOENT)
		reason_not_a_store(why, path);
	else if (reason_is_empty(why))
		reason_damaged(why, path, err, &failure.damage);
	return err;
}

int store_peek_leftover(struct store_facts *f, int dirfd,
			enum mapfs_leftover kind)
{
	struct peek_failure failure = { .path = "" };
	int err;

	*f = (struct store_facts){ 0 };
	err = peek_at_journal(f, dirfd,
			      kind == MAPFS_LEFTOVER_PART ? STORE_JOURNAL_PART :
							    STORE_JOURNAL,
			      NULL, &failure);
	if (err)
		store_facts_fini(f);
	return err;
}

void store_facts_fini(struct store_facts *f)
{
	snapshots_fini(&f->snapshots, NULL);
	if (f->has_parent)
		free((char *)f->parent.path);
	free(f->base);
	*f = (struct store_facts){ 0 };
}
