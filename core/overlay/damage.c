/* SPDX-License-Identifier: MIT */
/*
 * A damaged page is met under the locks of a reader, under which a path cannot
 * be found.  So it is noted there and told once they are released.
 */
#include "damage.h"

#include <errno.h>
#include <stdlib.h>

#include "core/lib/log.h"
#include "inode.h"
#include "path.h"

static bool is_damaged(struct overlay *o, mapfs_apage apage)
{
	uint8_t bytes[MAPFS_PAGE_SIZE];

	return arena_read(store_arena(o->store), apage * MAPFS_PAGE_SIZE, bytes,
			  sizeof(bytes)) == -EBADMSG;
}

void overlay_note_damage(struct overlay *o, struct inode *i,
			 const struct pt_run *run, uint64_t count)
{
	for (uint64_t n = 0; n < count; n++)
		if (is_damaged(o, run->apage + n))
			damage_list_add(&o->damage,
					&(struct damaged_page){
						.ino = i->ino,
						.pgno = run->first + n,
						.apage = run->apage + n,
					});
}

/* The page as others see it, with a path that the caller frees. */
static int describe(struct overlay *o, const struct damaged_page *page,
		    struct mapfs_bad_page *out, char **path)
{
	int err = overlay_find_path(&o->view, page->ino, path);

	if (err == -ENOMEM)
		return err;
	if (err)
		*path = NULL;
	*out = (struct mapfs_bad_page){
		.path = *path ? *path : "(without a name)",
		.ino = page->ino,
		.off_bytes = page->pgno * MAPFS_PAGE_SIZE,
		.store = store_path_of(o->store, apage_arena(page->apage)),
		.store_page = apage_in_arena(page->apage),
	};
	return 0;
}

void overlay_tell_damage(struct overlay *o)
{
	struct damaged_page page;
	struct mapfs_bad_page one;
	char *path;

	while (damage_list_take_untold(&o->damage, &page)) {
		if (describe(o, &page, &one, &path))
			continue;
		log_line(
			LOG_ERR,
			"file %s (inode %llu): bytes %llu to %llu are damaged: page %llu of %s/pages is not as it was written; reading them fails; look further with `mapfs check %s`",
			one.path, (unsigned long long)one.ino,
			(unsigned long long)one.off_bytes,
			(unsigned long long)one.off_bytes + MAPFS_PAGE_SIZE - 1,
			(unsigned long long)one.store_page, one.store,
			one.store);
		free(path);
	}
}

/* Does the file still have the page, and is it still damaged? */
static bool is_still(struct overlay *o, const struct damaged_page *page)
{
	struct inode *i;
	struct pt_run run;
	bool is = false;

	if (overlay_get(o, page->ino, &i))
		return false;
	rwlock_read(delta_stripe(&o->set, i));
	if (i->delta) {
		pagetable_lookup(&i->delta->pages, page->pgno, 1, &run);
		is = run.kind == PT_ARENA && run.apage == page->apage &&
		     is_damaged(o, page->apage);
	}
	rwlock_unlock(delta_stripe(&o->set, i));
	overlay_put(o, i);
	return is;
}

static int compare(const void *a, const void *b)
{
	const struct damaged_page *x = a;
	const struct damaged_page *y = b;

	if (x->ino != y->ino)
		return x->ino < y->ino ? -1 : 1;
	return (x->pgno > y->pgno) - (x->pgno < y->pgno);
}

int overlay_damage(struct mapfs_view *v, mapfs_bad_page_fn fn, void *arg)
{
	struct overlay *o = overlay_of(v);
	struct damaged_page page[DAMAGE_MOST];
	size_t count = damage_list_copy(&o->damage, page);
	int err = 0;

	qsort(page, count, sizeof(*page), compare);
	for (size_t n = 0; n < count && !err; n++) {
		struct mapfs_bad_page one;
		char *path;

		if (!is_still(o, &page[n])) {
			damage_list_remove(&o->damage, &page[n]);
			continue;
		}
		err = describe(o, &page[n], &one, &path);
		if (err)
			break;
		err = fn(arg, &one);
		free(path);
	}
	return err;
}
