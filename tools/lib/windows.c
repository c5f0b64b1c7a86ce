/* SPDX-License-Identifier: MIT */
#include "windows.h"

#include <errno.h>

#include "control.h"
#include "fs/control/wire.h"

static int take(void *arg, struct wire_in *in)
{
	struct mapfs_window w;

	wire_take_window(in, &w);
	return in->is_bad ? -EBADMSG : window_list_put(arg, &w);
}

int windows_read(struct window_list *out, int fd, const char *shown,
		 struct reason *why)
{
	const struct control_place place = { .fd = fd, .shown = shown };
	int err = control_list(&place, MAPFS_COMMAND_WINDOWS, take, out, why);

	if (err)
		window_list_fini(out);
	return err;
}
