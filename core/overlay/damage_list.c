/* SPDX-License-Identifier: MIT */
#include "damage_list.h"

void damage_list_init(struct damage_list *l)
{
	*l = (struct damage_list){ .count = 0 };
	rmutex_init(&l->lock, RANK_LEAF);
}

void damage_list_fini(struct damage_list *l)
{
	rmutex_fini(&l->lock);
}

/* Its place in the list, or `count`; lock held. */
static size_t find(const struct damage_list *l, const struct damaged_page *page)
{
	size_t n = 0;

	while (n < l->count &&
	       (l->page[n].ino != page->ino || l->page[n].apage != page->apage))
		n++;
	return n;
}

void damage_list_add(struct damage_list *l, const struct damaged_page *page)
{
	rmutex_lock(&l->lock);
	if (find(l, page) == l->count && l->count < DAMAGE_MOST) {
		l->page[l->count++] = *page;
		l->has_untold = true;
	}
	rmutex_unlock(&l->lock);
}

void damage_list_remove(struct damage_list *l, const struct damaged_page *page)
{
	size_t n;

	rmutex_lock(&l->lock);
	n = find(l, page);
	if (n < l->count)
		l->page[n] = l->page[--l->count];
	rmutex_unlock(&l->lock);
}

bool damage_list_take_untold(struct damage_list *l, struct damaged_page *out)
{
	bool has = false;

	/* Nearly always nothing is damaged, and then no lock is needed. */
	if (!l->has_untold)
		return false;
	rmutex_lock(&l->lock);
	for (size_t n = 0; n < l->count && !has; n++) {
		if (l->page[n].is_told)
			continue;
		l->page[n].is_told = true;
		*out = l->page[n];
		has = true;
	}
	if (!has)
		l->has_untold = false;
	rmutex_unlock(&l->lock);
	return has;
}

size_t damage_list_copy(struct damage_list *l,
			struct damaged_page out[DAMAGE_MOST])
{
	size_t count;

	rmutex_lock(&l->lock);
	count = l->count;
	for (size_t n = 0; n < count; n++)
		out[n] = l->page[n];
	rmutex_unlock(&l->lock);
	return count;
}
