/* SPDX-License-Identifier: MIT */
/*
 * The core and a daemon's answer lend their strings for the time of a call
 * only, so the list has copies.
 */
#include "history.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control.h"
#include "core/lib/array.h"

static int add(void *arg, const struct mapfs_snapshot *s)
{
	struct history *h = arg;
	struct mapfs_snapshot *one;
	int err = array_reserve(&h->list, &h->cap, h->count + 1);

	if (err)
		return err;
	one = &h->list[h->count];
	*one = *s;
	one->name = strdup(s->name);
	one->message = strdup(s->message);
	if (!one->name || !one->message) {
		free((char *)one->name);
		free((char *)one->message);
		return -ENOMEM;
	}
	h->count++;
	return 0;
}

static int read_live(struct history *h, const struct target *t,
		     struct reason *why)
{
	const struct control_call call = { .command = MAPFS_COMMAND_LOG };
	struct control_result result;
	struct mapfs_snapshot s;
	struct wire_in in;
	int err = control_run(t->fd, t->shown, &call, &result, why);

	if (err)
		return err;
	in = control_result_wire(&result);
	while (!err && !wire_is_over(&in)) {
		wire_take_snapshot(&in, &s);
		err = in.is_bad ? -EBADMSG : add(h, &s);
	}
	control_result_fini(&result);
	if (err)
		reason_set(
			why,
			"%s: the answer of its daemon cannot be read: %s; unmount "
			"and mount again",
			t->shown, strerror(-err));
	return err;
}

static int read_resting(struct history *h, const struct target *t,
			struct reason *why)
{
	if (t->store) {
		int err = mapfs_store_trust_check(t->store, t->is_trusted, why);

		return err ? err : mapfs_store_snapshots(t->store, add, h, why);
	}
	reason_set(why,
		   "%s: this view has no kept store; mount it with -s STORE",
		   t->shown);
	return -EINVAL;
}

int history_read(struct history *out, const struct target *t,
		 struct reason *why)
{
	int err;

	*out = (struct history){ 0 };
	if (t->kind == TARGET_LIVE)
		err = read_live(out, t, why);
	else
		err = read_resting(out, t, why);
	if (err)
		history_fini(out);
	return err;
}

const struct mapfs_snapshot *history_find(const struct history *h,
					  const char *name)
{
	for (size_t i = 0; i < h->count; i++) {
		if (strcmp(h->list[i].name, name) == 0)
			return &h->list[i];
	}
	return NULL;
}

void history_fini(struct history *h)
{
	for (size_t i = 0; i < h->count; i++) {
		free((char *)h->list[i].name);
		free((char *)h->list[i].message);
	}
	free(h->list);
	*h = (struct history){ 0 };
}
