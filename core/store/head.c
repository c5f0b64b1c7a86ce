/* SPDX-License-Identifier: MIT */
#include "head.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "state.h"

int head_draw_ino_tag(uint64_t *out)
{
	uint64_t tag;

	if (getrandom(&tag, sizeof(tag), 0) != sizeof(tag))
		return -EIO;
	*out = tag & ((1U << 22) - 1);
	return 0;
}

uint64_t head_must_refuse(const struct base_identity *base)
{
	return base->kind == BASE_KIND_DIR ? 0 : SEGMENT_HAS_BASE_KIND;
}

struct store_head head_of(const struct store *st)
{
	return (struct store_head){
		.ino_tag = st->set->ino_tag,
		.next_ino = st->set->next_ino,
		.created = st->created,
		.base = st->base,
		.base_id = st->base_id,
		.parent = st->lineage.is_branch ? &st->lineage.parent : NULL,
	};
}

void head_add_base(struct group *g, const struct store_head *h)
{
	group_add(g, &(struct record){
		.type = RECORD_STORE,
		.store = {
			.ino_tag = h->ino_tag,
			.next_ino = h->next_ino,
			.created = h->created,
			.base = h->base,
			.base_bytes = strlen(h->base),
		},
	});
	if (h->base_id.ino)
		group_add(g, &(struct record){
				     .type = RECORD_BASE,
				     .base = h->base_id,
			     });
}

void head_add(struct group *g, const struct store_head *h)
{
	head_add_base(g, h);
	if (h->parent)
		group_add(g, &(struct record){
				     .type = RECORD_PARENT,
				     .parent = *h->parent,
			     });
}
