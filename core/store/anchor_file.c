/* SPDX-License-Identifier: MIT */
#include "anchor_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/lib/checksum.h"
#include "core/lib/io.h"
#include "core/lib/le.h"
#include "core/lib/owner.h"
#include "layout.h"

#define ANCHOR_MAGIC 0x434e41534650414dULL /* "MAPFSANC" */
#define ANCHOR_VERSION 1U
#define SLOT_BYTES 4096U
#define SLOTS 2U

enum anchor_flag {
	ANCHOR_CLOSED = 1,
};

/*
 * The start of a slot; the rest is zero.  All of it is in one sector.
 *
 *   off  size  meaning
 *     0     8  ANCHOR_MAGIC
 *     8     4  version, ANCHOR_VERSION
 *    12     4  enum anchor_flag
 *    16     8  sequence number; its lowest bit is the number of the slot
 *    24    16  uuid of the store
 *    40     8  newest segment, or 0
 *    48     8  checksum in the header of that segment
 *    56     8  its first lsn
 *    64     8  lsn that is covered; closed: of the last group
 *    72     8  end of what is durable of it; closed: of the last group
 *    80     8  segments that count
 *    88     8  snapshots
 *    96     8  private pages
 *   104     8  bytes of the file `pages`
 *   112     8  inode number of that file
 *   120    12  its time of birth: seconds, nanoseconds or -1
 *   132     4  type of its file handle
 *   136     8  sum of its file handle
 *   144     8  XXH3-64 (seed: the slot) of bytes 0..143
 */
struct anchor_disk {
	le64 magic;
	le32 version;
	le32 flags;
	le64 sequence;
	uint8_t uuid[JOURNAL_UUID_BYTES];
	le64 segment;
	le64 header_sum;
	le64 first_lsn;
	le64 lsn;
	le64 end;
	le64 segments;
	le64 snapshots;
	le64 private_pages;
	le64 pages_bytes;
	le64 ino;
	le64 birth_s;
	le32 birth_ns;
	le32 handle_type;
	le64 handle_sum;
	le64 sum;
};
static_assert(sizeof(struct anchor_disk) == 152, "no padding");
static_assert(offsetof(struct anchor_disk, uuid) == 24, "as in the table");
static_assert(offsetof(struct anchor_disk, ino) == 112, "as in the table");
static_assert(offsetof(struct anchor_disk, sum) == 144, "sum covers 0..143");
static_assert(sizeof(struct anchor_disk) <= 512, "in one sector");

static uint64_t slot_sum(const struct anchor_disk *d, unsigned int slot)
{
	return checksum64(d, offsetof(struct anchor_disk, sum), slot);
}

static void encode(const struct anchor_facts *f, uint64_t sequence,
		   uint8_t out[SLOT_BYTES])
{
	const struct journal_bound *b = &f->bound;
	struct anchor_disk d = {
		.magic = le64_of(ANCHOR_MAGIC),
		.version = le32_of(ANCHOR_VERSION),
		.flags = le32_of(b->closed ? ANCHOR_CLOSED : 0U),
		.sequence = le64_of(sequence),
		.segment = le64_of(b->segment),
		.header_sum = le64_of(b->header_sum),
		.first_lsn = le64_of(b->first_lsn),
		.lsn = le64_of(b->lsn),
		.end = le64_of(b->end),
		.segments = le64_of(f->segments),
		.snapshots = le64_of(f->snapshots),
		.private_pages = le64_of(f->private_pages),
		.pages_bytes = le64_of(f->pages_bytes),
		.ino = le64_of(f->pages.ino),
		.birth_s = le64_of((uint64_t)f->pages.btime.tv_sec),
		.birth_ns = le32_of((uint32_t)f->pages.btime.tv_nsec),
		.handle_type = le32_of(f->pages.handle_type),
		.handle_sum = le64_of(f->pages.handle_sum),
	};

	memcpy(d.uuid, b->uuid, sizeof(d.uuid));
	d.sum = le64_of(slot_sum(&d, sequence % SLOTS));
	memset(out, 0, SLOT_BYTES);
	memcpy(out, &d, sizeof(d));
}

static int decode(const struct anchor_disk *d, unsigned int slot,
		  struct anchor_facts *out, uint64_t *sequence)
{
	const uint32_t flags = le32_get(d->flags);

	if (le64_get(d->magic) != ANCHOR_MAGIC || le32_get(d->version) == 0)
		return -EBADMSG;
	if (le32_get(d->version) > ANCHOR_VERSION)
		return -EPROTONOSUPPORT;
	if (le64_get(d->sum) != slot_sum(d, slot) ||
	    (flags & ~(uint32_t)ANCHOR_CLOSED) ||
	    le64_get(d->sequence) % SLOTS != slot)
		return -EBADMSG;
	*out = (struct anchor_facts){
		.bound = {
			.segment = le64_get(d->segment),
			.header_sum = le64_get(d->header_sum),
			.first_lsn = le64_get(d->first_lsn),
			.lsn = le64_get(d->lsn),
			.end = le64_get(d->end),
			.closed = flags & ANCHOR_CLOSED,
		},
		.segments = le64_get(d->segments),
		.snapshots = le64_get(d->snapshots),
		.private_pages = le64_get(d->private_pages),
		.pages_bytes = le64_get(d->pages_bytes),
		.pages = {
			.kind = BASE_KIND_FILE,
			.ino = le64_get(d->ino),
			.btime = {
				(int64_t)le64_get(d->birth_s),
				(int32_t)le32_get(d->birth_ns),
			},
			.handle_type = le32_get(d->handle_type),
			.handle_sum = le64_get(d->handle_sum),
		},
	};
	memcpy(out->bound.uuid, d->uuid, sizeof(d->uuid));
	*sequence = le64_get(d->sequence);
	return 0;
}

int anchor_file_make(int dirfd)
{
	int fd;
	int err = owner_create_file(dirfd, STORE_ANCHOR, O_WRONLY, &fd);

	if (!err)
		close(fd);
	return err;
}

int anchor_file_open(struct anchor_file *a, int dirfd, bool for_change)
{
	struct stat st;
	int err = 0;

	*a = (struct anchor_file){ .fd = -1 };
	/* O_NONBLOCK: to open a fifo of that name must not block. */
	a->fd = openat(dirfd, STORE_ANCHOR,
		       (for_change ? O_RDWR : O_RDONLY) | O_CLOEXEC |
			       O_NOFOLLOW | O_NONBLOCK);
	if (a->fd < 0)
		return errno == ELOOP ? -EBADMSG : -errno;
	if (fstat(a->fd, &st) < 0)
		err = -errno;
	else if (!S_ISREG(st.st_mode))
		err = -EBADMSG;
	else if (for_change)
		err = owner_check_target(dirfd, a->fd);
	if (err)
		anchor_file_close(a);
	return err;
}

int anchor_file_read(struct anchor_file *a, struct anchor_facts *out, bool *bad)
{
	bool found = false;

	*bad = false;
	for (unsigned int slot = 0; slot < SLOTS; slot++) {
		struct anchor_facts facts;
		struct anchor_disk d = { 0 };
		uint64_t sequence = 0;
		ssize_t n = io_pread_some(a->fd, &d, sizeof(d),
					  (uint64_t)slot * SLOT_BYTES);
		int err = n < 0 ? (int)n : decode(&d, slot, &facts, &sequence);

		if (err && err != -EBADMSG)
			return err;
		if (err) {
			*bad = true;
			continue;
		}
		if (found && sequence < a->sequence)
			continue;
		found = true;
		a->sequence = sequence;
		a->safe = slot;
		*out = facts;
	}
	return found ? 0 : -EBADMSG;
}

int anchor_file_sync(struct anchor_file *a)
{
	return io_fdatasync("anchor.sync", a->fd);
}

int anchor_file_begin(struct anchor_file *a, const struct anchor_facts *facts)
{
	uint8_t both[SLOTS * SLOT_BYTES];
	int err;

	encode(facts, 2, both);
	encode(facts, 1, both + SLOT_BYTES);
	err = io_pwrite_all("anchor.begin", a->fd, both, sizeof(both), 0);
	if (!err)
		err = io_fsync("anchor.fsync", a->fd);
	if (err)
		return err;
	a->sequence = 2;
	a->safe = 0;
	return 0;
}

int anchor_file_write(struct anchor_file *a, const struct anchor_facts *facts,
		      bool flush)
{
	const unsigned int slot = 1 - a->safe;
	const uint64_t next = a->sequence + 1;
	/* Again to the slot of the last write, if that was not flushed. */
	const uint64_t sequence = next % SLOTS == slot ? next : next + 1;
	uint8_t block[SLOT_BYTES];
	int err;

	encode(facts, sequence, block);
	err = io_pwrite_all("anchor.write", a->fd, block, sizeof(block),
			    (uint64_t)slot * SLOT_BYTES);
	if (err)
		return err;
	a->sequence = sequence;
	if (!flush)
		return 0;
	err = io_fdatasync("anchor.flush", a->fd);
	if (!err)
		a->safe = slot;
	return err;
}

void anchor_file_close(struct anchor_file *a)
{
	if (a->fd >= 0)
		close(a->fd);
	a->fd = -1;
}
