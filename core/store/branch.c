/* SPDX-License-Identifier: MIT */
/*
 * Making a branch: a store whose journal begins with "as snapshot S of P".
 *
 *   hold S | journal.part | first segment, durable | register it with P | journal
 *
 * The branch is registered before it is a store, so that no branch is unknown
 * to its parent.  Its first segment, which names the parent, is durable before
 * that.  So whatever a crash leaves is a leftover that tells whether the parent
 * has a record of it, and the parent can tell it from a branch (branches.h).
 */
#include "core/mapfs.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "core/base/base.h"
#include "core/delta/record_decode.h"
#include "core/journal/journal.h"
#include "core/lib/reason.h"
#include "anchor.h"
#include "base_record.h"
#include "branches.h"
#include "dir.h"
#include "epoch.h"
#include "head.h"
#include "holds.h"
#include "lineage.h"
#include "peek.h"
#include "reasons.h"
#include "remove.h"
#include "snapshot.h"
#include "trust.h"

struct branch_ctx {
	int fd; /* the parent */
	int readersfd;
	char *path; /* of the parent, absolute */
	struct store_facts facts;
	const struct snapshot *of;
	struct lineage lineage; /* of the branch */
	struct journal_id id;	/* of the branch */
};

static void branch_end(struct branch_ctx *b)
{
	lineage_close(&b->lineage);
	store_facts_fini(&b->facts);
	if (b->readersfd >= 0)
		close(b->readersfd);
	if (b->fd >= 0)
		close(b->fd);
	free(b->path);
}

static int find_snapshot(struct branch_ctx *b, const char *name,
			 struct reason *why)
{
	int err = store_peek(&b->facts, b->fd, b->path, why);

	if (err)
		return err;
	b->of = snapshots_find(&b->facts.snapshots, name);
	if (!b->of) {
		reason_no_snapshot(why, b->path, name);
		return -ENOENT;
	}
	return store_snapshot_may_show(&b->facts.snapshots, b->of, b->path,
				       why);
}

/* Finds the snapshot and holds it, so that nobody deletes it. */
static int branch_begin(struct branch_ctx *b,
			const struct mapfs_branch_options *opt,
			struct reason *why)
{
	uint64_t id;
	int err;

	b->path = realpath(opt->from, NULL);
	b->fd = open(opt->from, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (!b->path || b->fd < 0) {
		err = -errno;
		reason_set(why, "store %s: %s", opt->from, reason_of(err));
		return err;
	}
	err = store_trust_check(b->fd, b->path, opt->is_trusted, why);
	if (!err)
		err = find_snapshot(b, opt->snapshot, why);
	if (err)
		return err;
	id = b->of->rec.id;
	err = holds_open(b->fd, true, &b->readersfd);
	if (!err)
		err = holds_take(b->readersfd, id);
	if (err) {
		reason_set(
			why, "store %s: %s", b->path,
			err == -EAGAIN ?
				"the snapshot is being deleted; choose another" :
				reason_of(err));
		return err;
	}
	store_facts_fini(&b->facts);
	err = find_snapshot(b, opt->snapshot, why);
	return err || b->of->rec.id == id ? err : -EAGAIN;
}

/* Checks that the branch can be opened: all its ancestors are there. */
static int open_lineage(struct branch_ctx *b, struct reason *why)
{
	struct record_parent parent = {
		.begins = true,
		.path = b->path,
		.path_bytes = strlen(b->path),
	};

	assert(b->of);
	parent.snapshot = b->of->rec.id;
	memcpy(parent.uuid, b->facts.uuid, sizeof(parent.uuid));
	return lineage_open(&b->lineage, NULL, &parent, why);
}

static int first_records(const struct branch_ctx *b, struct group *g)
{
	struct store_head head = {
		.next_ino = 1,
		.created = { .tv_sec = time(NULL) },
		.base = b->facts.base,
		.base_id = b->facts.base_id,
		.parent = &b->lineage.parent,
	};
	int err = head_draw_ino_tag(&head.ino_tag);

	if (err)
		return err;
	head_add(g, &head);
	return group_verify(g);
}

static int begin_journal(const struct branch_ctx *b, struct store_dir *d)
{
	struct journal_where where = { .dirfd = d->journalfd };
	const struct anchor_counts none = { .snapshots = 0 };
	struct anchor anchor = { .file.fd = -1 };
	struct journal *j = NULL;
	struct group g;
	int err;

	group_init(&g);
	err = first_records(b, &g);
	if (!err)
		err = anchor_begin(&anchor, d->dirfd, b->id.uuid);
	if (!err)
		err = journal_create(&j, &where, &b->id, g.buf, g.len_bytes);
	group_fini(&g);
	if (!err)
		err = journal_mark(j, GROUP_CLOSE, journal_last_lsn(j));
	if (!err)
		err = journal_flush(j);
	if (!err)
		err = anchor_write(&anchor, j, &none, true);
	anchor_close(&anchor);
	journal_close(j);
	return err;
}

static int make_branch(struct branch_ctx *b, struct store_dir *d)
{
	int err = store_epoch(d->dirfd, b->id.epoch);

	b->id.must_refuse = head_must_refuse(&b->facts.base_id) |
			    SEGMENT_HAS_ANCHOR;
	if (!err &&
	    getrandom(b->id.uuid, sizeof(b->id.uuid), 0) != sizeof(b->id.uuid))
		err = -EIO;
	if (!err)
		err = begin_journal(b, d);
	if (!err)
		err = store_dir_sync_name(d);
	if (!err)
		err = branches_register(b->fd, b->id.uuid, b->of->rec.id,
					d->path);
	return err ? err : store_dir_finish(d);
}

/* The base that the parent records, which must still be the same one. */
static int open_base(const struct branch_ctx *b, struct store_options *opt,
		     struct reason *why)
{
	int err;

	assert(b->facts.base);
	opt->base = b->facts.base;
	if (b->facts.base_id.kind == BASE_KIND_NONE) {
		opt->base_fd = -1;
		opt->base_id = b->facts.base_id;
		return 0;
	}
	opt->base_fd = open(opt->base, O_PATH | O_CLOEXEC);
	if (opt->base_fd < 0) {
		err = -errno;
		if (err == -ENOENT || err == -ENOTDIR)
			reason_base_gone(why, b->path, opt->base);
		else
			reason_set(why, "base %s: %s", opt->base,
				   reason_of(err));
		return err;
	}
	err = base_identify(opt->base_fd, &opt->base_id);
	if (!err)
		err = store_check_base(opt, b->path, opt->base,
				       &b->facts.base_id, why);
	if (err)
		close(opt->base_fd);
	return err;
}

static int create_branch(struct branch_ctx *b, const struct store_options *opt,
			 struct reason *why)
{
	struct store_dir d;
	int err = store_dir_open(&d, opt, why);

	if (err)
		return err;
	err = make_branch(b, &d);
	/* In this order: as long as it may be a branch, its parent knows it. */
	if (err && store_remove(d.dirfd, d.path) == 0)
		(void)!branches_unregister(b->fd, b->id.uuid);
	store_dir_close(&d);
	return err;
}

int mapfs_branch(const struct mapfs_branch_options *bo, struct reason *why)
{
	struct store_options opt = {
		.is_trusted = bo->is_trusted,
		.kind = MAPFS_STORE_DIR,
		.path = bo->to,
		.is_part = true,
	};
	struct branch_ctx b = {
		.fd = -1,
		.readersfd = -1,
		.lineage = { .is_trusted = bo->is_trusted },
	};
	int err;

	reason_clear(why);
	err = branch_begin(&b, bo, why);
	if (!err)
		err = open_lineage(&b, why);
	if (!err)
		err = open_base(&b, &opt, why);
	if (!err) {
		err = create_branch(&b, &opt, why);
		if (opt.base_fd >= 0)
			close(opt.base_fd);
	}
	branch_end(&b);
	if (err && reason_is_empty(why))
		reason_set(why, "branch %s: %s", bo->to, reason_of(err));
	return err;
}
