/* SPDX-License-Identifier: MIT */
/*
 *   journal.part | pages | segments of snapshots, branches | present | journal
 *
 * Pages keep their numbers, so segments of snapshots are copied as they are.
 * The present state is written as one segment that starts from nothing.  The
 * last step makes a store of the directory; before it, it is a leftover.
 */
#include "rebuild.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/base.h"
#include "core/journal/journal.h"
#include "core/lib/io.h"
#include "core/lib/owner.h"
#include "branches.h"
#include "compact.h"
#include "epoch.h"
#include "layout.h"
#include "location.h"
#include "remove.h"
#include "state.h"
#include "store.h"

#define COPY_BYTES (1U << 20)

struct rebuild {
	struct store *from;
	const struct store_rebuild *opt;
	struct store_dir to;
	uint8_t *buf; /* COPY_BYTES */
};

static int tell(const struct rebuild *b, uint64_t bytes)
{
	const struct store_rebuild *opt = b->opt;

	return opt->progress ? opt->progress(opt->arg, bytes) : 0;
}

/* Pages that cannot be read stay holes; they are known to be damaged. */
static int copy_page_by_page(struct rebuild *b, int from, int to, uint64_t off,
			     size_t len)
{
	int err = 0;

	for (size_t n = 0; !err && n < len; n += MAPFS_PAGE_SIZE) {
		ssize_t got =
			io_pread_some(from, b->buf, MAPFS_PAGE_SIZE, off + n);

		if (got > 0)
			err = io_pwrite_all("rebuild.copy", to, b->buf,
					    (size_t)got, off + n);
		else if (got < 0 && got != -EIO)
			err = (int)got;
	}
	return err;
}

static int copy_range(struct rebuild *b, int from, int to, uint64_t off,
		      uint64_t end)
{
	int err = 0;

	while (!err && off < end) {
		size_t len = end - off < COPY_BYTES ? (size_t)(end - off) :
						      COPY_BYTES;
		ssize_t got = io_pread_some(from, b->buf, len, off);

		if (got == 0)
			return 0;
		if (got == -EIO) {
			err = copy_page_by_page(b, from, to, off, len);
			got = (ssize_t)len;
		} else if (got < 0) {
			err = (int)got;
		} else {
			err = io_pwrite_all("rebuild.copy", to, b->buf,
					    (size_t)got, off);
		}
		if (!err)
			err = tell(b, (uint64_t)got);
		off += (uint64_t)got;
	}
	return err;
}

/* Holes stay holes. */
static int copy_data(struct rebuild *b, int from, int to)
{
	const off_t all = lseek(from, 0, SEEK_END);
	off_t data = 0;
	off_t hole;
	int err = 0;

	if (all < 0 || ftruncate(to, all) < 0)
		return -errno;
	while (!err && data < all) {
		data = lseek(from, data, SEEK_DATA);
		if (data < 0)
			return errno == ENXIO ? 0 : -errno;
		hole = lseek(from, data, SEEK_HOLE);
		if (hole < 0)
			return -errno;
		err = copy_range(b, from, to, (uint64_t)data, (uint64_t)hole);
		data = hole;
	}
	return err;
}

static int copy_pages(struct rebuild *b)
{
	const off_t least = (off_t)(b->opt->pages << MAPFS_PAGE_SHIFT);
	int from = openat(b->from->dir.dirfd, STORE_PAGES,
			  O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	int err = 0;

	if (from < 0 && errno != ENOENT)
		return -errno;
	if (from >= 0) {
		err = copy_data(b, from, b->to.pagesfd);
		close(from);
	}
	if (!err && lseek(b->to.pagesfd, 0, SEEK_END) < least &&
	    ftruncate(b->to.pagesfd, least) < 0)
		err = -errno;
	return err ? err : io_fsync("rebuild.pages", b->to.pagesfd);
}

static int copy_segment(struct rebuild *b, uint64_t number)
{
	char name[SEGMENT_NAME_BYTES];
	int from;
	int to = -1;
	int err;

	segment_name(number, false, name);
	if (faccessat(b->to.journalfd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return 0; /* another snapshot has it, too */
	from = openat(b->from->dir.journalfd, name,
		      O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (from < 0)
		return -errno;
	err = owner_create_file(b->to.journalfd, name, O_RDWR, &to);
	if (!err)
		err = copy_data(b, from, to);
	if (!err)
		err = io_fsync("rebuild.segment", to);
	if (to >= 0)
		close(to);
	close(from);
	return err;
}

static int copy_segments(struct rebuild *b)
{
	const struct snapshot *one = b->from->set->snapshots.list;
	int err = 0;

	for (; !err && one; one = one->next)
		for (uint64_t n = one->rec.first_segment;
		     !err && n <= one->rec.last_segment; n++)
			err = copy_segment(b, n);
	return err;
}

static void uuid_of(const char *text, uint8_t out[JOURNAL_UUID_BYTES])
{
	char byte[3] = "";

	for (size_t n = 0; n < JOURNAL_UUID_BYTES; n++) {
		memcpy(byte, text + 2 * n, 2);
		out[n] = (uint8_t)strtoul(byte, NULL, 16);
	}
}

/* The new store protects their snapshots when it has taken the old one's place. */
static int copy_branch(void *arg, const struct branch_entry *e)
{
	struct rebuild *b = arg;
	uint8_t uuid[JOURNAL_UUID_BYTES];

	if (!snapshots_find_id(&b->from->set->snapshots, e->snapshot))
		return 0;
	uuid_of(e->uuid, uuid);
	return branches_register(b->to.dirfd, uuid, e->snapshot, e->path);
}

static int write_present(struct rebuild *b)
{
	const struct journal_where where = { .dirfd = b->to.journalfd };
	struct journal_id id = b->opt->id;
	struct journal_compaction *c;
	struct store *st = b->from;
	struct journal *j;
	int err = store_epoch(b->to.dirfd, id.epoch);

	if (!err)
		err = journal_compact_new(&j, &where, &id, &b->opt->at, &c);
	if (err)
		return err;
	/* The segment has the whole delta, that of the parent included. */
	st->lineage.parent.begins = false;
	err = store_write_state(st, c);
	if (err)
		journal_compact_abort(c);
	else
		err = journal_compact_end(c);
	journal_close(j);
	return err;
}

static int fill(struct rebuild *b)
{
	int err = copy_pages(b);

	if (!err)
		err = copy_segments(b);
	if (!err)
		err = branches_iterate(b->from->dir.dirfd, copy_branch, b);
	if (!err)
		err = write_present(b);
	if (!err)
		err = store_dir_sync_name(&b->to);
	return err ? err : store_dir_finish(&b->to);
}

/* The base is the one that is recorded, wherever that is now. */
static int take_base(struct store *st)
{
	char *base = strdup(st->set->base);

	if (!base)
		return -ENOMEM;
	free(st->base);
	st->base = base;
	st->base_id = st->set->base_id;
	return 0;
}

/* For the check that the new store is outside; -1: the base is elsewhere. */
static int open_base(const struct store *st)
{
	struct base_identity id;
	int fd;

	if (st->base_id.kind == BASE_KIND_NONE)
		return -1;
	fd = open(st->base, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return -1;
	if (base_identify(fd, &id) == 0 &&
	    base_is_same(&id, &st->base_id, false))
		return fd;
	close(fd);
	return -1;
}

static int check_place(const struct rebuild *b, struct reason *why)
{
	const struct store_dir *from = &b->from->dir;
	char *copy = strdup(b->opt->to);
	int err = 0;
	int fd;

	if (!copy)
		return -ENOMEM;
	fd = open(dirname(copy), O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0) {
		err = location_check_apart(fd, from->dirfd, from->path,
					   b->opt->to, why);
		close(fd);
	}
	free(copy);
	return err;
}

int store_rebuild(struct store *st, const struct store_rebuild *r,
		  struct reason *why)
{
	struct rebuild b = { .from = st, .opt = r };
	struct store_options opt = {
		.use = STORE_CHANGE,
		.is_part = true,
		.kind = MAPFS_STORE_DIR,
		.path = r->to,
		.base_fd = -1,
	};
	int err = take_base(st);

	if (err)
		return err;
	opt.base = st->base;
	opt.base_id = st->base_id;
	err = check_place(&b, why);
	if (err)
		return err;
	b.buf = malloc(COPY_BYTES);
	if (!b.buf)
		return -ENOMEM;
	opt.base_fd = open_base(st);
	err = store_dir_open(&b.to, &opt, why);
	if (opt.base_fd >= 0)
		close(opt.base_fd);
	if (!err) {
		err = fill(&b);
		if (err)
			(void)!store_remove(b.to.dirfd, b.to.path);
		store_dir_close(&b.to);
	}
	free(b.buf);
	if (err && reason_is_empty(why))
		reason_set(why, "store %s: cannot make it: %s", r->to,
			   reason_of(err));
	return err;
}

int store_rebuild_without(struct store *st, uint64_t snapshot)
{
	const struct record r = {
		.type = RECORD_SNAPSHOT_GONE,
		.snapshot_id = snapshot,
	};

	return snapshots_apply(&st->set->snapshots, &r, st->arena, true);
}
