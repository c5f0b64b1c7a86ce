/* SPDX-License-Identifier: MIT */
/*
 * A daemon that does not know the command has no sums and finds no damage.
 */
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

int damaged_read(struct damaged *out, int fd, const char *shown,
		 struct reason *why)
{
	const struct control_call call = { .command = MAPFS_COMMAND_DAMAGE };
	struct control_result result;
	struct mapfs_bad_page one;
	struct wire_in in;
	int err = control_run(fd, shown, &call, &result, why);

	if (err == -EOPNOTSUPP) {
		reason_clear(why);
		return 0;
	}
	if (err)
		return err;
	in = control_result_wire(&result);
	while (!err && !wire_is_over(&in)) {
		wire_take_damage(&in, &one);
		err = in.is_bad ? -EBADMSG : add(out, &one);
	}
	control_result_fini(&result);
	if (!err)
		return 0;
	damaged_fini(out);
	reason_set(why,
		   "%s: the answer of its daemon cannot be read: %s; unmount "
		   "and mount again",
		   shown, reason_of(err));
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
