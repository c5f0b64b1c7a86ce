/* SPDX-License-Identifier: MIT */
/*
 * Encoding of records into groups.
 */
#include "record.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/lib/array.h"
#include "core/lib/checksum.h"
#include "record_disk.h"

#define GROUP_FIRST_BYTES 512U /* most groups never grow */

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
	size_t want = g->len_bytes + len;
	uint8_t *p;

	if (want < GROUP_FIRST_BYTES)
		want = GROUP_FIRST_BYTES;
	if (g->failed || array_reserve(&g->buf, &g->cap_bytes, want)) {
		g->failed = true;
		return NULL;
	}
	p = g->buf + g->len_bytes;
	g->len_bytes += len;
	return p;
}

/* What follows the header of a record: fixed fields, then texts. */
struct payload {
	const void *fixed;
	size_t fixed_bytes;
	const void *text;
	size_t text_bytes;
	const void *value; /* behind the text */
	size_t value_bytes;
};

static void group_put(struct group *g, enum record_type type, uint16_t flags,
		      const struct payload *p)
{
	size_t bytes = p->fixed_bytes + p->text_bytes + p->value_bytes;
	size_t padded = (bytes + 7) & ~(size_t)7;
	struct head_disk head = {
		.type = le16_of((uint16_t)type),
		.flags = le16_of(flags),
		.payload_bytes = le32_of((uint32_t)bytes),
	};
	uint8_t *at = group_room(g, sizeof(head) + padded);

	if (!at)
		return;
	memcpy(at, &head, sizeof(head));
	at += sizeof(head);
	memcpy(at, p->fixed, p->fixed_bytes);
	if (p->text_bytes)
		memcpy(at + p->fixed_bytes, p->text, p->text_bytes);
	if (p->value_bytes)
		memcpy(at + p->fixed_bytes + p->text_bytes, p->value,
		       p->value_bytes);
	memset(at + bytes, 0, padded - bytes);
}

/* A record without flags and texts. */
static void group_put_fixed(struct group *g, enum record_type type,
			    const void *fixed, size_t fixed_bytes)
{
	group_put(g, type, 0,
		  &(struct payload){
			  .fixed = fixed,
			  .fixed_bytes = fixed_bytes,
		  });
}

static struct time_disk time_encode(struct timespec t)
{
	return (struct time_disk){
		.sec = le64_of((uint64_t)t.tv_sec),
		.nsec = le32_of((uint32_t)t.tv_nsec),
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

static struct sig_disk sig_encode(const struct record_sig *sig)
{
	return (struct sig_disk){
		.ino = le64_of(sig->ino),
		.size_bytes = le64_of(sig->size_bytes),
		.mtime = time_encode(sig->mtime),
		.ctime = time_encode(sig->ctime),
		.btime = time_encode(sig->btime),
		.mode = le32_of(sig->mode),
	};
}

uint64_t sig_sum(const struct record_sig *sig)
{
	struct sig_disk d = sig_encode(sig);
	uint64_t sum = checksum64(&d, sizeof(d), 0);

	return sum ? sum : 1;
}

static void group_add_inode(struct group *g, const struct record_inode *i)
{
	struct inode_disk d = {
		.attr = attr_encode(&i->attr),
		.generation = le64_of(i->generation),
		.rdev = le64_of(i->rdev),
		.base_blocks_512 = le64_of(i->base_blocks_512),
		.btime = time_encode(i->btime),
		.sig = sig_encode(&i->sig),
		.text_bytes = le32_of((uint32_t)i->text_bytes),
	};

	group_put(g, RECORD_INODE, i->has_base ? FLAG_HAS_BASE : 0,
		  &(struct payload){
			  .fixed = &d,
			  .fixed_bytes = sizeof(d),
			  .text = i->text,
			  .text_bytes = i->text_bytes,
		  });
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

	group_put(g, type, e->over_base ? FLAG_OVER_BASE : 0,
		  &(struct payload){
			  .fixed = &d,
			  .fixed_bytes = sizeof(d),
			  .text = e->name,
			  .text_bytes = e->name_bytes,
		  });
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

	group_put(g, type, 0,
		  &(struct payload){
			  .fixed = &d,
			  .fixed_bytes = sizeof(d),
			  .text = x->name,
			  .text_bytes = name_bytes,
			  .value = x->value,
			  .value_bytes = x->value_bytes,
		  });
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

	group_put_fixed(g, RECORD_PAGES, &d, sizeof(d));
}

static void group_add_store(struct group *g, const struct record_store *s)
{
	struct store_disk d = {
		.ino_tag = le64_of(s->ino_tag),
		.next_ino = le64_of(s->next_ino),
		.created = time_encode(s->created),
		.base_bytes = le32_of((uint32_t)s->base_bytes),
	};

	group_put(g, RECORD_STORE, 0,
		  &(struct payload){
			  .fixed = &d,
			  .fixed_bytes = sizeof(d),
			  .text = s->base,
			  .text_bytes = s->base_bytes,
		  });
}

static void group_add_hidden(struct group *g, const struct record_hidden *h)
{
	struct hidden_disk d = {
		.dir = le64_of(h->dir),
		.sum = le64_of(h->sum),
		.name_bytes = le32_of((uint32_t)h->name_bytes),
	};

	group_put(g, RECORD_HIDDEN, 0,
		  &(struct payload){
			  .fixed = &d,
			  .fixed_bytes = sizeof(d),
			  .text = h->name,
			  .text_bytes = h->name_bytes,
		  });
}

static void group_add_counters(struct group *g, const struct record_counters *l)
{
	struct counters_disk d = {
		.base_version = le64_of(l->base_version),
		.next_base_version = le64_of(l->next_base_version),
		.next_snapshot = le64_of(l->next_snapshot),
	};

	group_put_fixed(g, RECORD_COUNTERS, &d, sizeof(d));
}

static void group_add_snapshot(struct group *g, const struct record_snapshot *s)
{
	struct snapshot_disk d = {
		.id = le64_of(s->id),
		.lsn = le64_of(s->lsn),
		.first_segment = le64_of(s->first_segment),
		.last_segment = le64_of(s->last_segment),
		.base_version = le64_of(s->base_version),
		.private_pages = le64_of(s->private_pages),
		.time = time_encode(s->time),
		.name_bytes = le32_of((uint32_t)s->name_bytes),
		.message_bytes = le32_of((uint32_t)s->message_bytes),
	};

	group_put(g, RECORD_SNAPSHOT, s->pins_follow ? FLAG_PINS_FOLLOW : 0,
		  &(struct payload){
			  .fixed = &d,
			  .fixed_bytes = sizeof(d),
			  .text = s->name,
			  .text_bytes = s->name_bytes,
			  .value = s->message,
			  .value_bytes = s->message_bytes,
		  });
}

static void group_add_pinned(struct group *g, const struct record_pinned *p)
{
	struct pinned_disk d = {
		.snapshot = le64_of(p->snapshot),
		.first = le64_of(p->first),
		.count = le64_of(p->count),
	};

	group_put_fixed(g, RECORD_PINNED, &d, sizeof(d));
}

static void group_add_parent(struct group *g, const struct record_parent *p)
{
	struct parent_disk d = {
		.snapshot = le64_of(p->snapshot),
		.path_bytes = le32_of((uint32_t)p->path_bytes),
	};

	memcpy(d.uuid, p->uuid, sizeof(d.uuid));
	group_put(g, RECORD_PARENT, p->begins ? FLAG_BEGINS : 0,
		  &(struct payload){
			  .fixed = &d,
			  .fixed_bytes = sizeof(d),
			  .text = p->path,
			  .text_bytes = p->path_bytes,
		  });
}

static void group_add_new_signature(struct group *g,
				    const struct record_new_signature *r)
{
	struct new_signature_disk d = {
		.sum = le64_of(r->sum),
		.sig = sig_encode(&r->sig),
	};

	group_put_fixed(g, RECORD_NEW_SIGNATURE, &d, sizeof(d));
}

static void group_add_base(struct group *g, const struct base_identity *b)
{
	struct base_disk d = {
		.ino = le64_of(b->ino),
		.btime = time_encode(b->btime),
		.handle_type = le32_of(b->handle_type),
		.handle_sum = le64_of(b->handle_sum),
	};
	struct maker_disk maker = {
		.uid = le32_of(b->uid),
		.gid = le32_of(b->gid),
	};
	struct payload p = { .fixed = &d, .fixed_bytes = sizeof(d) };

	if (b->kind == BASE_KIND_NONE) {
		p.value = &maker;
		p.value_bytes = sizeof(maker);
	}
	group_put(g, RECORD_BASE, (uint16_t)b->kind, &p);
}

static void group_add_sums(struct group *g, const struct record_sums *r)
{
	struct sums_disk d = {
		.first = le64_of(r->first),
		.count = le64_of(r->count),
	};

	group_put(g, RECORD_SUMS, 0,
		  &(struct payload){
			  .fixed = &d,
			  .fixed_bytes = sizeof(d),
			  .text = r->sums,
			  .text_bytes = r->count * sizeof(*r->sums),
		  });
}

static void group_add_region(struct group *g, enum record_type type,
			     const struct record_region *r)
{
	struct region_disk d = {
		.first = le64_of(r->first),
		.count = le64_of(r->count),
	};

	group_put_fixed(g, type, &d, sizeof(d));
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

		group_put_fixed(g, r->type, &d, sizeof(d));
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
	case RECORD_HIDDEN:
		group_add_hidden(g, &r->hidden);
		return;
	case RECORD_COUNTERS:
		group_add_counters(g, &r->counters);
		return;
	case RECORD_SNAPSHOT:
		group_add_snapshot(g, &r->snapshot);
		return;
	case RECORD_PINNED:
		group_add_pinned(g, &r->pinned);
		return;
	case RECORD_PARENT:
		group_add_parent(g, &r->parent);
		return;
	case RECORD_NEW_SIGNATURE:
		group_add_new_signature(g, &r->new_signature);
		return;
	case RECORD_BASE:
		group_add_base(g, &r->base);
		return;
	case RECORD_SUMS:
		group_add_sums(g, &r->sums);
		return;
	case RECORD_IN_FLIGHT:
	case RECORD_SETTLED:
		group_add_region(g, r->type, &r->region);
		return;
	case RECORD_SNAPSHOT_GONE:
	case RECORD_XATTR_OWN:
	case RECORD_INODE_GONE: {
		le64 d = le64_of(r->ino); /* or snapshot_id */

		group_put_fixed(g, r->type, &d, sizeof(d));
		return;
	}
	}
	abort();
}
