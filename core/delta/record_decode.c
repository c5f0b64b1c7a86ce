/* SPDX-License-Identifier: MIT */
/*
 * A record is accepted only if its length is exactly that which its type and
 * its own fields require [S1]; nothing is assigned before that.
 *
 * The same code verifies groups that are about to be written, so that the
 * journal has only groups that can be read again.  For these the errno says
 * which limit was exceeded; for a reader all of them are -EUCLEAN.
 */
#include "record_decode.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "record_disk.h"

#define OLD_TABLE_PAGES (1ULL << 54)

static struct timespec time_decode(struct time_disk d)
{
	return (struct timespec){
		.tv_sec = (time_t)le64_get(d.sec),
		.tv_nsec = (int32_t)le32_get(d.nsec),
	};
}

static struct record_sig sig_decode(const struct sig_disk *d)
{
	return (struct record_sig){
		.ino = le64_get(d->ino),
		.size_bytes = le64_get(d->size_bytes),
		.mtime = time_decode(d->mtime),
		.ctime = time_decode(d->ctime),
		.btime = time_decode(d->btime),
		.mode = le32_get(d->mode),
	};
}

static struct record_attr attr_decode(const struct attr_disk *d)
{
	return (struct record_attr){
		.ino = le64_get(d->ino),
		.parent = le64_get(d->parent),
		.mode = le32_get(d->mode),
		.nlink = le32_get(d->nlink),
		.uid = le32_get(d->uid),
		.gid = le32_get(d->gid),
		.size_bytes = le64_get(d->size_bytes),
		.visible_base_bytes = le64_get(d->visible_base_bytes),
		.atime = time_decode(d->atime),
		.mtime = time_decode(d->mtime),
		.ctime = time_decode(d->ctime),
	};
}

static bool time_is_sound(struct timespec t)
{
	return t.tv_nsec >= -1 && t.tv_nsec < MAPFS_NSEC_LIMIT;
}

static int check_attr(const struct record_attr *a)
{
	if (a->size_bytes > MAPFS_MAX_SIZE ||
	    a->visible_base_bytes > MAPFS_MAX_SIZE)
		return -EFBIG;
	return a->ino != 0 && time_is_sound(a->atime) &&
			       time_is_sound(a->mtime) &&
			       time_is_sound(a->ctime) ?
		       0 :
		       -EINVAL;
}

static int check_name(const char *name, size_t len)
{
	if (len > MAPFS_NAME_MAX)
		return -ENAMETOOLONG;
	return len > 0 && !memchr(name, '/', len) && !memchr(name, 0, len) ?
		       0 :
		       -EINVAL;
}

static int decode_store(struct record *r, const uint8_t *p, size_t len)
{
	const struct store_disk *d = (const void *)p;
	size_t text;

	if (len < sizeof(*d))
		return -EUCLEAN;
	text = le32_get(d->base_bytes);
	if (text != len - sizeof(*d))
		return -EUCLEAN;
	r->store = (struct record_store){
		.ino_tag = le64_get(d->ino_tag),
		.next_ino = le64_get(d->next_ino),
		.created = time_decode(d->created),
		.base = (const char *)(d + 1),
		.base_bytes = text,
	};
	return 0;
}

static int decode_inode(struct record *r, const uint8_t *p, size_t len,
			uint16_t flags)
{
	const struct inode_disk *d = (const void *)p;
	struct record_attr attr;
	size_t text;
	int err;

	if (len < sizeof(*d))
		return -EUCLEAN;
	text = le32_get(d->text_bytes);
	attr = attr_decode(&d->attr);
	if (text != len - sizeof(*d) || memchr(d + 1, 0, text))
		return -EUCLEAN;
	err = check_attr(&attr);
	if (err)
		return err;
	r->inode = (struct record_inode){
		.attr = attr,
		.has_base = flags & FLAG_HAS_BASE,
		.generation = le64_get(d->generation),
		.rdev = le64_get(d->rdev),
		.base_blocks_512 = le64_get(d->base_blocks_512),
		.btime = time_decode(d->btime),
		.sig = sig_decode(&d->sig),
		.text = (const char *)(d + 1),
		.text_bytes = text,
	};
	return 0;
}

static int decode_dentry(struct record *r, const uint8_t *p, size_t len,
			 uint16_t flags)
{
	const struct dentry_disk *d = (const void *)p;
	const char *name = (const char *)(d + 1);
	size_t text;
	int err;

	if (len < sizeof(*d))
		return -EUCLEAN;
	text = le32_get(d->name_bytes);
	if (text != len - sizeof(*d))
		return -EUCLEAN;
	err = check_name(name, text);
	if (err)
		return err;
	r->dentry = (struct record_dentry){
		.dir = le64_get(d->dir),
		.ino = le64_get(d->ino),
		.type = le32_get(d->type) & S_IFMT,
		.over_base = flags & FLAG_OVER_BASE,
		.name = name,
		.name_bytes = text,
	};
	return 0;
}

/* The pages are in one arena, and that number exists. */
static bool apages_are_sound(const struct record_pages *p)
{
	const uint64_t most = 1ULL << MAPFS_APAGE_BITS;
	uint64_t page = p->apage & (most - 1);

	return p->kind != RECORD_PAGES_ARENA ||
	       (apage_arena(p->apage) < MAPFS_ARENAS &&
		p->count <= most - page);
}

/*
 * An older version wrote the truncation of a file with pages at or behind byte
 * 2^60 as a run of kind "base" up to the end of the highest level of the page
 * table.  Behind the largest file such a run has no meaning and is cut off.
 */
static bool ends_with_old_table(const struct record_pages *p)
{
	return p->kind == RECORD_PAGES_BASE && p->first < OLD_TABLE_PAGES &&
	       p->count == OLD_TABLE_PAGES - p->first;
}

static int decode_pages(struct record *r, const uint8_t *p, size_t len)
{
	const struct pages_disk *d = (const void *)p;
	struct record_pages out;

	if (len != sizeof(*d))
		return -EUCLEAN;
	out = (struct record_pages){
		.ino = le64_get(d->ino),
		.first = le64_get(d->first),
		.count = le64_get(d->count),
		.apage = le64_get(d->apage),
		.kind = le32_get(d->kind),
	};
	if (out.count == 0 || out.kind > 2 || !apages_are_sound(&out))
		return -EUCLEAN;
	if (out.first >= MAPFS_MAX_PAGES)
		return -EFBIG;
	if (ends_with_old_table(&out))
		out.count = MAPFS_MAX_PAGES - out.first;
	if (out.count > MAPFS_MAX_PAGES - out.first)
		return -EFBIG;
	r->pages = out;
	return 0;
}

static int decode_xattr(struct record *r, const uint8_t *p, size_t len)
{
	const struct xattr_disk *d = (const void *)p;
	const char *name = (const char *)(d + 1);
	size_t name_bytes;
	size_t value_bytes;

	if (len < sizeof(*d))
		return -EUCLEAN;
	name_bytes = le32_get(d->name_bytes);
	value_bytes = le32_get(d->value_bytes);
	if (name_bytes + value_bytes != len - sizeof(*d) || name_bytes < 2 ||
	    strnlen(name, name_bytes) != name_bytes - 1)
		return -EUCLEAN;
	r->xattr = (struct record_xattr){
		.ino = le64_get(d->ino),
		.name = name,
		.value = name + name_bytes,
		.value_bytes = value_bytes,
	};
	return 0;
}

static int decode_attr(struct record *r, const uint8_t *p, size_t len)
{
	struct record_attr attr;
	int err;

	if (len != sizeof(struct attr_disk))
		return -EUCLEAN;
	attr = attr_decode((const void *)p);
	err = check_attr(&attr);
	if (!err)
		r->attr = attr;
	return err;
}

static int decode_ino(struct record *r, const uint8_t *p, size_t len)
{
	if (len != sizeof(le64))
		return -EUCLEAN;
	r->ino = le64_get(*(const le64 *)(const void *)p);
	return 0;
}

static int decode_hidden(struct record *r, const uint8_t *p, size_t len)
{
	const struct hidden_disk *d = (const void *)p;
	const char *name = (const char *)(d + 1);
	size_t text;
	int err;

	if (len < sizeof(*d))
		return -EUCLEAN;
	text = le32_get(d->name_bytes);
	if (text != len - sizeof(*d))
		return -EUCLEAN;
	err = check_name(name, text);
	if (err)
		return err;
	r->hidden = (struct record_hidden){
		.dir = le64_get(d->dir),
		.sum = le64_get(d->sum),
		.name = name,
		.name_bytes = text,
	};
	return 0;
}

static int decode_counters(struct record *r, const uint8_t *p, size_t len)
{
	const struct counters_disk *d = (const void *)p;

	if (len != sizeof(*d))
		return -EUCLEAN;
	r->counters = (struct record_counters){
		.base_version = le64_get(d->base_version),
		.next_base_version = le64_get(d->next_base_version),
		.next_snapshot = le64_get(d->next_snapshot),
	};
	return 0;
}

static int decode_snapshot(struct record *r, const uint8_t *p, size_t len,
			   uint16_t flags)
{
	const struct snapshot_disk *d = (const void *)p;
	const char *name = (const char *)(d + 1);
	size_t name_bytes;
	size_t message_bytes;
	struct timespec time;
	int err;

	if (len < sizeof(*d))
		return -EUCLEAN;
	name_bytes = le32_get(d->name_bytes);
	message_bytes = le32_get(d->message_bytes);
	time = time_decode(d->time);
	if (name_bytes + message_bytes != len - sizeof(*d) ||
	    !time_is_sound(time) || memchr(name + name_bytes, 0, message_bytes))
		return -EUCLEAN;
	err = check_name(name, name_bytes);
	if (err)
		return err;
	r->snapshot = (struct record_snapshot){
		.id = le64_get(d->id),
		.lsn = le64_get(d->lsn),
		.first_segment = le64_get(d->first_segment),
		.last_segment = le64_get(d->last_segment),
		.base_version = le64_get(d->base_version),
		.private_pages = le64_get(d->private_pages),
		.time = time,
		.pins_follow = flags & FLAG_PINS_FOLLOW,
		.name = name,
		.name_bytes = name_bytes,
		.message = name + name_bytes,
		.message_bytes = message_bytes,
	};
	return 0;
}

static int decode_pinned(struct record *r, const uint8_t *p, size_t len)
{
	const struct pinned_disk *d = (const void *)p;
	const uint64_t most = 1ULL << MAPFS_APAGE_BITS;

	if (len != sizeof(*d))
		return -EUCLEAN;
	r->pinned = (struct record_pinned){
		.snapshot = le64_get(d->snapshot),
		.first = le64_get(d->first),
		.count = le64_get(d->count),
	};
	if (r->pinned.count == 0 || r->pinned.first >= most ||
	    r->pinned.count > most - r->pinned.first)
		return -EUCLEAN;
	return 0;
}

static int decode_parent(struct record *r, const uint8_t *p, size_t len,
			 uint16_t flags)
{
	const struct parent_disk *d = (const void *)p;
	size_t text;

	if (len < sizeof(*d))
		return -EUCLEAN;
	text = le32_get(d->path_bytes);
	if (text != len - sizeof(*d) || text == 0 || memchr(d + 1, 0, text) ||
	    *(const char *)(d + 1) != '/')
		return -EUCLEAN;
	r->parent = (struct record_parent){
		.snapshot = le64_get(d->snapshot),
		.begins = flags & FLAG_BEGINS,
		.path = (const char *)(d + 1),
		.path_bytes = text,
	};
	memcpy(r->parent.uuid, d->uuid, sizeof(d->uuid));
	return 0;
}

static int decode_new_signature(struct record *r, const uint8_t *p, size_t len)
{
	const struct new_signature_disk *d = (const void *)p;

	if (len != sizeof(*d))
		return -EUCLEAN;
	r->new_signature = (struct record_new_signature){
		.sum = le64_get(d->sum),
		.sig = sig_decode(&d->sig),
	};
	return 0;
}

static int decode_base(struct record *r, const uint8_t *p, size_t len,
		       unsigned int kind)
{
	const bool is_none = kind == BASE_KIND_NONE;
	const struct base_disk *d = (const void *)p;
	const struct maker_disk *maker = (const void *)(d + 1);
	struct timespec btime;

	if (kind > BASE_KIND_NONE ||
	    len != sizeof(*d) + (is_none ? sizeof(*maker) : 0))
		return -EUCLEAN;
	btime = time_decode(d->btime);
	if (le64_get(d->ino) == 0 || !time_is_sound(btime) ||
	    (is_none && btime.tv_nsec < 0))
		return -EUCLEAN;
	r->base = (struct base_identity){
		.kind = (enum base_kind)kind,
		.ino = le64_get(d->ino),
		.btime = btime,
		.handle_type = le32_get(d->handle_type),
		.handle_sum = le64_get(d->handle_sum),
	};
	if (is_none) {
		r->base.uid = le32_get(maker->uid);
		r->base.gid = le32_get(maker->gid);
	}
	return 0;
}

static int decode_sums(struct record *r, const uint8_t *p, size_t len)
{
	const uint64_t most = 1ULL << MAPFS_APAGE_BITS;
	const struct sums_disk *d = (const void *)p;
	struct record_sums out;

	if (len < sizeof(*d))
		return -EUCLEAN;
	out = (struct record_sums){
		.first = le64_get(d->first),
		.count = le64_get(d->count),
		.sums = (const void *)(d + 1),
	};
	if (out.count == 0 || out.count > most ||
	    out.count * sizeof(*out.sums) != len - sizeof(*d) ||
	    apage_arena(out.first) >= MAPFS_ARENAS ||
	    out.count > most - apage_in_arena(out.first))
		return -EUCLEAN;
	r->sums = out;
	return 0;
}

static int decode_region(struct record *r, const uint8_t *p, size_t len)
{
	const uint64_t most = 1ULL << MAPFS_APAGE_BITS;
	const struct region_disk *d = (const void *)p;

	if (len != sizeof(*d))
		return -EUCLEAN;
	r->region = (struct record_region){
		.first = le64_get(d->first),
		.count = le64_get(d->count),
	};
	if (r->region.count == 0 || r->region.first >= most ||
	    r->region.count > most - r->region.first)
		return -EUCLEAN;
	return 0;
}

static int record_decode(struct record *r, unsigned int type, uint16_t flags,
			 const uint8_t *p, size_t len)
{
	r->type = (enum record_type)type;
	switch ((enum record_type)type) {
	case RECORD_STORE:
		return decode_store(r, p, len);
	case RECORD_INODE:
		return decode_inode(r, p, len, flags);
	case RECORD_ATTR:
		return decode_attr(r, p, len);
	case RECORD_DENTRY:
	case RECORD_DENTRY_GONE:
		return decode_dentry(r, p, len, flags);
	case RECORD_PAGES:
		return decode_pages(r, p, len);
	case RECORD_XATTR:
	case RECORD_XATTR_GONE:
		return decode_xattr(r, p, len);
	case RECORD_HIDDEN:
		return decode_hidden(r, p, len);
	case RECORD_COUNTERS:
		return decode_counters(r, p, len);
	case RECORD_SNAPSHOT:
		return decode_snapshot(r, p, len, flags);
	case RECORD_PINNED:
		return decode_pinned(r, p, len);
	case RECORD_PARENT:
		return decode_parent(r, p, len, flags);
	case RECORD_NEW_SIGNATURE:
		return decode_new_signature(r, p, len);
	case RECORD_BASE:
		return decode_base(r, p, len, flags);
	case RECORD_SUMS:
		return decode_sums(r, p, len);
	case RECORD_IN_FLIGHT:
	case RECORD_SETTLED:
		return decode_region(r, p, len);
	case RECORD_SNAPSHOT_GONE:
	case RECORD_XATTR_OWN:
	case RECORD_INODE_GONE:
		return decode_ino(r, p, len);
	}
	return -EUCLEAN;
}

/* As record_next(), but the errno says which rule the record breaks. */
static int record_step(const uint8_t *buf, size_t len, size_t *pos,
		       struct record *out)
{
	struct head_disk head;
	struct record r = { 0 };
	size_t left = len - *pos;
	size_t payload;
	size_t padded;
	int err;

	assert(*pos <= len);
	if (left == 0)
		return 0;
	if (left < sizeof(head))
		return -EUCLEAN;
	memcpy(&head, buf + *pos, sizeof(head));
	payload = le32_get(head.payload_bytes);
	padded = (payload + 7) & ~(size_t)7;
	if (padded > left - sizeof(head))
		return -EUCLEAN;
	err = record_decode(&r, le16_get(head.type), le16_get(head.flags),
			    buf + *pos + sizeof(head), payload);
	if (err)
		return err;
	*pos += sizeof(head) + padded;
	*out = r;
	return 1;
}

int record_next(const uint8_t *buf, size_t len, size_t *pos, struct record *out)
{
	int ret = record_step(buf, len, pos, out);

	return ret < 0 ? -EUCLEAN : ret;
}

/* Room for one more, or NULL. */
static struct record *records_room(struct records *all)
{
	const bool is_first = all->list == all->few;
	size_t cap = all->cap * 2;
	struct record *p;

	if (all->count < all->cap)
		return &all->list[all->count];
	p = realloc(is_first ? NULL : all->list, cap * sizeof(*p));
	if (!p)
		return NULL;
	if (is_first)
		memcpy(p, all->few, all->count * sizeof(*p));
	all->list = p;
	all->cap = cap;
	return &p[all->count];
}

int records_decode(struct records *all, const struct group *g)
{
	size_t pos = 0;
	int ret = group_error(g);

	all->list = all->few;
	all->count = 0;
	all->cap = RECORDS_FEW;
	if (!ret && g->len_bytes > GROUP_MAX_BYTES)
		ret = -E2BIG;
	while (!ret) {
		struct record *r = records_room(all);

		ret = r ? record_step(g->buf, g->len_bytes, &pos, r) : -ENOMEM;
		if (ret == 0)
			return 0;
		if (ret < 0)
			break;
		all->count++;
		ret = 0;
	}
	records_fini(all);
	return ret;
}

void records_fini(struct records *all)
{
	if (all->list != all->few)
		free(all->list);
	all->list = all->few;
	all->count = 0;
}

int group_verify(const struct group *g)
{
	struct record r;
	size_t pos = 0;
	int ret = group_error(g);

	if (!ret && g->len_bytes > GROUP_MAX_BYTES)
		ret = -E2BIG;
	if (ret)
		return ret;
	while ((ret = record_step(g->buf, g->len_bytes, &pos, &r)) > 0)
		;
	return ret;
}
