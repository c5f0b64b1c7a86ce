/* SPDX-License-Identifier: MIT */
#include "trouble.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *next_step(int err)
{
	switch (err) {
	case -ENOENT:
	case -ENOTDIR:
		return "check the name";
	case -EACCES:
	case -EPERM:
		return "ask its owner or root";
	case -EROFS:
		return "mount that for writing first, or use another place";
	case -ENOSPC:
	case -EDQUOT:
		return "free some space first";
	case -ENAMETOOLONG:
		return "use a shorter name";
	case -ELOOP:
		return "its links lead nowhere, repair them";
	case -EMFILE:
	case -ENFILE:
	case -ENOMEM:
		return "try again later";
	case -EIO:
		return "look into the kernel's log";
	default:
		return NULL;
	}
}

const char *trouble_text(int err)
{
	static __thread char text[256];
	const char *next = next_step(err);

	if (!next)
		return strerror(-err);
	snprintf(text, sizeof(text), "%s; %s", strerror(-err), next);
	return text;
}
