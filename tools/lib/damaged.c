/* SPDX-License-Identifier: MIT */
#include "damaged.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control.h"
#include "core/lib/array.h"
#include "fs/control/wire.h"

static int add(struct damaged *d, const struct mapfs_bad_page *one)
{
	struct damaged_page *page;
	int err = array_reserve(&d->page, &d->cap, d->count + 1);

	if (err)
		return err;
	page = &d->page[d->count];
	*page = (struct damaged_page){
		.path = strdup(one->path),
		.store = strdup(one->store),
		.off_bytes = one->off_bytes,
		.store_page = one->store_page,
	};
	d->count++;
	return page->path && page->store ? 0 : -ENOMEM;
}

static int take(void *arg, struct wire_in *in)
{
	struct mapfs_bad_page one;

	wire_take_damage(in, &one);
	return in->is_bad ? -EBADMSG : add(arg, &one);
}

int damaged_read(struct damaged *out, int fd, const char *shown,
		 struct reason *why)
{
	const struct control_place place = { .fd = fd, .shown = shown };
	int err = control_list(&place, MAPFS_COMMAND_DAMAGE, take, out, why);

	if (err)
		damaged_fini(out);
	return err;
}

void damaged_fini(struct damaged *d)
{
	for (size_t n = 0; n < d->count; n++) {
		free(d->page[n].path);
		free(d->page[n].store);
	}
	free(d->page);
	*d = (struct damaged){ .count = 0 };
}
