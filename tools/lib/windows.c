/* SPDX-License-Identifier: MIT */
/*
 * A daemon that does not know the command has no windows.
 */
#include "windows.h"

#include <errno.h>

#include "control.h"
#include "fs/control/wire.h"

int windows_read(struct window_list *out, int fd, const char *shown,
		 struct reason *why)
{
	const struct control_call call = { .command = MAPFS_COMMAND_WINDOWS };
	struct control_result result;
	struct mapfs_window w;
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
		wire_take_window(&in, &w);
		err = in.is_bad ? -EBADMSG : window_list_put(out, &w);
	}
	control_result_fini(&result);
	if (!err)
		return 0;
	window_list_fini(out);
	reason_set(why,
		   "%s: the answer of its daemon cannot be read: %s; unmount "
		   "and mount again",
		   shown, reason_of(err));
	return err;
}
