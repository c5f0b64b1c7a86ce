/* SPDX-License-Identifier: MIT */
/*
 * Records as bytes.  Each is a header of 8 bytes (type, flags, payload
 * length) and a payload padded to 8, made of fixed fields and at most one
 * run of text or value at the end.  Decoding refuses first and assigns last:
 * a record is believed only when its length is exactly what its type and its
 * own fields ask for [S1].
 */
#include "record.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "le.h"

struct head_disk {
	le16 type;
	le16 flags;
	le32 payload_bytes;
};
static_assert(sizeof(struct head_disk) == 8, "no padding");

struct time_disk {
	le64 sec;
	le32 nsec;
};
static_assert(sizeof(struct time_disk) == 12, "no padding");

struct attr_disk {
	le64 ino;
	le64 parent;
	le32 mode;
	le32 nlink;
	le32 uid;
	le32 gid;
	le64 size_bytes;
	le64 visible_base_bytes;
	struct time_disk atime;
	struct time_disk mtime;
	struct time_disk ctime;
};
static_assert(sizeof(struct attr_disk) == 84, "no padding");

struct sig_disk {
	le64 ino;
	le64 size_bytes;
	struct time_disk mtime;
	struct time_disk ctime;
	struct time_disk btime;
	le32 mode;
};
static_assert(sizeof(struct sig_disk) == 56, "no padding");

struct inode_disk {
	struct attr_disk attr;
	le64 generation;
	le64 rdev;
	le64 base_blocks_512;
	struct time_disk btime;
	struct sig_disk sig;
	le32 text_bytes;
};
static_assert(sizeof(struct inode_disk) == 180, "no padding");

struct dentry_disk {
	le64 dir;
	le64 ino;
	le32 type;
	le32 name_bytes;
};
static_assert(sizeof(struct dentry_disk) == 24, "no padding");

struct pages_disk {
	le64 ino;
	le64 first;
	le64 count;
	le64 apage;
	le32 kind;
};
static_assert(sizeof(struct pages_disk) == 36, "no padding");

struct xattr_disk {
	le64 ino;
	le32 name_bytes; /* the NUL included */
	le32 value_bytes;
};
static_assert(sizeof(struct xattr_disk) == 16, "no padding");

struct store_disk {
	le64 ino_tag;
	le64 next_ino;
	struct time_disk created;
	le32 base_bytes;
};
static_assert(sizeof(struct store_disk) == 32, "no padding");

#define FLAG_HAS_BASE 1U  /* RECORD_INODE */
#define FLAG_OVER_BASE 1U /* RECORD_DENTRY */

void group_init(struct group *g)
{
	*g = (struct group){ 0 };
}

void group_fini(struct group *g)
{
	free(g->buf);
	*g = (struct group){ 0 };
}

void group_reset(struct group *g)
{
	g->len_bytes = 0;
	g->failed = false;
}

int group_error(const struct group *g)
{
	return g->failed ? -ENOMEM : 0;
}

/* Room for `len` more bytes, or NULL and the group has failed. */
static uint8_t *group_room(struct group *g, size_t len)
{
	size_t cap = g->cap_bytes ? g->cap_bytes : 512;
	uint8_t *p;

	if (g->failed)
		return NULL;
	while (cap < g->len_bytes + len)
		cap *= 2;
	if (cap != g->cap_bytes) {
		p = realloc(g->buf, cap);
		if (!p) {
			g->failed = true;
			return NULL;
		}
		g->buf = p;
		g->cap_bytes = cap;
	}
	p = g->buf + g->len_bytes;
	g->len_bytes += len;
	return p;
}

/* One record of up to three pieces, padded to 8 bytes. */
static void group_put(struct group *g, enum record_type type, uint16_t flags,
		      const void *fixed, size_t fixed_bytes, const void *a,
		      size_t a_bytes, const void *b, size_t b_bytes)
{
	size_t payload = fixed_bytes + a_bytes + b_bytes;
	size_t padded = (payload + 7) & ~(size_t)7;
	struct head_disk head = {
		.type = le16_of((uint16_t)type),
		.flags = le16_of(flags),
		.payload_bytes = le32_of((uint32_t)payload),
	};
	uint8_t *p = group_room(g, sizeof(head) + padded);

	if (!p)
		return;
	memcpy(p, &head, sizeof(head));
	p += sizeof(head);
	memcpy(p, fixed, fixed_bytes);
	if (a_bytes)
		memcpy(p + fixed_bytes, a, a_bytes);
	if (b_bytes)
		memcpy(p + fixed_bytes + a_bytes, b, b_bytes);
	memset(p + payload, 0, padded - payload);
}

static struct time_disk time_encode(struct timespec t)
{
	return (struct time_disk){
		.sec = le64_of((uint64_t)t.tv_sec),
		.nsec = le32_of((uint32_t)t.tv_nsec),
	};
}

static struct timespec time_decode(struct time_disk d)
{
	return (struct timespec){
		.tv_sec = (time_t)le64_get(d.sec),
		.tv_nsec = (int32_t)le32_get(d.nsec),
	};
}

static struct attr_disk attr_encode(const struct record_attr *a)
{
	return (struct attr_disk){
		.ino = le64_of(a->ino),
		.parent = le64_of(a->parent),
		.mode = le32_of(a->mode),
		.nlink = le32_of(a->nlink),
		.uid = le32_of(a->uid),
		.gid = le32_of(a->gid),
		.size_bytes = le64_of(a->size_bytes),
		.visible_base_bytes = le64_of(a->visible_base_bytes),
		.atime = time_encode(a->atime),
		.mtime = time_encode(a->mtime),
		.ctime = time_encode(a->ctime),
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

static void group_add_inode(struct group *g, const struct record_inode *i)
{
	struct inode_disk d = {
		.attr = attr_encode(&i->attr),
		.generation = le64_of(i->generation),
		.rdev = le64_of(i->rdev),
		.base_blocks_512 = le64_of(i->base_blocks_512),
		.btime = time_encode(i->btime),
		.sig = {
			.ino = le64_of(i->sig.ino),
			.size_bytes = le64_of(i->sig.size_bytes),
			.mtime = time_encode(i->sig.mtime),
			.ctime = time_encode(i->sig.ctime),
			.btime = time_encode(i->sig.btime),
			.mode = le32_of(i->sig.mode),
		},
		.text_bytes = le32_of((uint32_t)i->text_bytes),
	};

	group_put(g, RECORD_INODE, i->has_base ? FLAG_HAS_BASE : 0, &d,
		  sizeof(d), i->text, i->text_bytes, NULL, 0);
}

static void group_add_dentry(struct group *g, enum record_type type,
			     const struct record_dentry *e)
{
	struct dentry_disk d = {
		.dir = le64_of(e->dir),
		.ino = le64_of(e->ino),
		.type = le32_of(e->type),
		.name_bytes = le32_of((uint32_t)e->name_bytes),
	};

	group_put(g, type, e->over_base ? FLAG_OVER_BASE : 0, &d, sizeof(d),
		  e->name, e->name_bytes, NULL, 0);
}

static void group_add_xattr(struct group *g, enum record_type type,
			    const struct record_xattr *x)
{
	size_t name_bytes = strlen(x->name) + 1;
	struct xattr_disk d = {
		.ino = le64_of(x->ino),
		.name_bytes = le32_of((uint32_t)name_bytes),
		.value_bytes = le32_of((uint32_t)x->value_bytes),
	};

	group_put(g, type, 0, &d, sizeof(d), x->name, name_bytes, x->value,
		  x->value_bytes);
}

static void group_add_pages(struct group *g, const struct record_pages *p)
{
	struct pages_disk d = {
		.ino = le64_of(p->ino),
		.first = le64_of(p->first),
		.count = le64_of(p->count),
		.apage = le64_of(p->apage),
		.kind = le32_of(p->kind),
	};

	group_put(g, RECORD_PAGES, 0, &d, sizeof(d), NULL, 0, NULL, 0);
}

static void group_add_store(struct group *g, const struct record_store *s)
{
	struct store_disk d = {
		.ino_tag = le64_of(s->ino_tag),
		.next_ino = le64_of(s->next_ino),
		.created = time_encode(s->created),
		.base_bytes = le32_of((uint32_t)s->base_bytes),
	};

	group_put(g, RECORD_STORE, 0, &d, sizeof(d), s->base, s->base_bytes,
		  NULL, 0);
}

void group_add(struct group *g, const struct record *r)
{
	switch (r->type) {
	case RECORD_STORE:
		group_add_store(g, &r->store);
		return;
	case RECORD_INODE:
		group_add_inode(g, &r->inode);
		return;
	case RECORD_ATTR: {
		struct attr_disk d = attr_encode(&r->attr);

		group_put(g, r->type, 0, &d, sizeof(d), NULL, 0, NULL, 0);
		return;
	}
	case RECORD_DENTRY:
	case RECORD_DENTRY_GONE:
		group_add_dentry(g, r->type, &r->dentry);
		return;
	case RECORD_PAGES:
		group_add_pages(g, &r->pages);
		return;
	case RECORD_XATTR:
	case RECORD_XATTR_GONE:
		group_add_xattr(g, r->type, &r->xattr);
		return;
	case RECORD_XATTR_OWN:
	case RECORD_INODE_GONE: {
		le64 d = le64_of(r->ino);

		group_put(g, r->type, 0, &d, sizeof(d), NULL, 0, NULL, 0);
		return;
	}
	}
	abort();
}

static bool time_is_sound(struct timespec t)
{
	return t.tv_nsec >= -1 && t.tv_nsec < 1000000000L;
}

static bool attr_is_sound(const struct record_attr *a)
{
	return a->ino != 0 && a->size_bytes <= MAPFS_MAX_SIZE &&
	       a->visible_base_bytes <= MAPFS_MAX_SIZE &&
	       time_is_sound(a->atime) && time_is_sound(a->mtime) &&
	       time_is_sound(a->ctime);
}

static bool name_is_sound(const char *name, size_t len)
{
	return len > 0 && len <= NAME_MAX && !memchr(name, '/', len) &&
	       !memchr(name, 0, len);
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

	if (len < sizeof(*d))
		return -EUCLEAN;
	text = le32_get(d->text_bytes);
	attr = attr_decode(&d->attr);
	if (text != len - sizeof(*d) || !attr_is_sound(&attr) ||
	    memchr(d + 1, 0, text))
		return -EUCLEAN;
	r->inode = (struct record_inode){
		.attr = attr,
		.has_base = flags & FLAG_HAS_BASE,
		.generation = le64_get(d->generation),
		.rdev = le64_get(d->rdev),
		.base_blocks_512 = le64_get(d->base_blocks_512),
		.btime = time_decode(d->btime),
		.sig = {
			.ino = le64_get(d->sig.ino),
			.size_bytes = le64_get(d->sig.size_bytes),
			.mtime = time_decode(d->sig.mtime),
			.ctime = time_decode(d->sig.ctime),
			.btime = time_decode(d->sig.btime),
			.mode = le32_get(d->sig.mode),
		},
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

	if (len < sizeof(*d))
		return -EUCLEAN;
	text = le32_get(d->name_bytes);
	if (text != len - sizeof(*d) || !name_is_sound(name, text))
		return -EUCLEAN;
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

static int decode_pages(struct record *r, const uint8_t *p, size_t len)
{
	const struct pages_disk *d = (const void *)p;
	const uint64_t most = page_ceil(MAPFS_MAX_SIZE);
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
	if (out.count == 0 || out.first >= most ||
	    out.count > most - out.first || out.apage >= most ||
	    out.count > most - out.apage || out.kind > 2)
		return -EUCLEAN;
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

	if (len != sizeof(struct attr_disk))
		return -EUCLEAN;
	attr = attr_decode((const void *)p);
	if (!attr_is_sound(&attr))
		return -EUCLEAN;
	r->attr = attr;
	return 0;
}

static int decode_ino(struct record *r, const uint8_t *p, size_t len)
{
	if (len != sizeof(le64))
		return -EUCLEAN;
	r->ino = le64_get(*(const le64 *)(const void *)p);
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
	case RECORD_XATTR_OWN:
	case RECORD_INODE_GONE:
		return decode_ino(r, p, len);
	}
	return -EUCLEAN;
}

int record_next(const uint8_t *buf, size_t len, size_t *pos, struct record *out)
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
