/* SPDX-License-Identifier: MIT */
#include "peek.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/delta/record_decode.h"
#include "epoch.h"
#include "layout.h"
#include "reasons.h"

#define LOOKS 20 /* 10 ms apart: a segment may be being replaced meanwhile */

struct peek {
	struct store_facts *facts;
	bool seen_head;
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
		break; /* the delta itself is not peeked at */
	}
	return 0;
}

static int peek_at_group(void *arg, mapfs_lsn lsn, const void *records,
			 size_t len)
{
	struct record r;
	size_t pos = 0;
	int ret;

	(void)lsn;
	while ((ret = record_next(records, len, &pos, &r)) > 0) {
		ret = peek_at_record(arg, &r);
		if (ret)
			break;
	}
	return ret;
}

static int peek_once(struct store_facts *f, int dirfd, const char *name,
		     struct journal_damage *damage)
{
	struct peek arg = { .facts = f };
	struct journal_where where = { 0 };
	struct journal_id id = { 0 };
	struct journal_replay replay = { .fn = peek_at_group, .arg = &arg };
	struct journal *j;
	int err = store_epoch(dirfd, id.epoch);

	if (err)
		return err;
	where.dirfd = openat(dirfd, name,
			     O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (where.dirfd < 0)
		return -errno;
	snapshots_init(&f->snapshots);
	err = journal_open(&j, &where, &id, true, &replay);
	*damage = replay.damage;
	close(where.dirfd);
	if (err)
		return err;
	journal_close(j);
	memcpy(f->uuid, id.uuid, sizeof(f->uuid));
	return arg.seen_head ? 0 : -EUCLEAN;
}

int store_peek(struct store_facts *f, int dirfd, const char *path,
	       struct reason *why)
{
	const struct timespec tick = { .tv_nsec = 10000000 };
	struct journal_damage damage;
	int err;

	for (int n = 0;; n++) {
		*f = (struct store_facts){ 0 };
		damage = (struct journal_damage){ .kind = JOURNAL_SOUND };
		err = peek_once(f, dirfd, STORE_JOURNAL, &damage);
		if (!err)
			return 0;
		store_facts_fini(f);
		if ((err != -ENOENT && err != -EUCLEAN && err != -EBADMSG) ||
		    n == LOOKS)
			break;
		nanosleep(&tick, NULL);
	}
	if (err == -ENOENT)
		reason_not_a_store(why, path);
	else
		reason_damaged(why, path, err, &damage);
	return err;
}

int store_peek_leftover(struct store_facts *f, int dirfd,
			enum mapfs_leftover kind)
{
	struct journal_damage damage;
	int err;

	*f = (struct store_facts){ 0 };
	err = peek_once(f, dirfd,
			kind == MAPFS_LEFTOVER_PART ? STORE_JOURNAL_PART :
						      STORE_JOURNAL,
			&damage);
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
