/* SPDX-License-Identifier: MIT */
#include "reason.h"

#include <errno.h>
#include <stdarg.h>
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

void reason_clear(struct reason *r)
{
	r->text[0] = '\0';
}

bool reason_is_empty(const struct reason *r)
{
	return r->text[0] == '\0';
}

void reason_set(struct reason *r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(r->text, sizeof(r->text), fmt, ap);
	va_end(ap);
}

void reason_add(struct reason *r, const char *fmt, ...)
{
	size_t len = strlen(r->text);
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(r->text + len, sizeof(r->text) - len, fmt, ap);
	va_end(ap);
}

const char *reason_of(int err)
{
	static __thread char text[256];
	const char *next = next_step(err);

	if (!next)
		return strerror(-err);
	snprintf(text, sizeof(text), "%s; %s", strerror(-err), next);
	return text;
}

const char *reason_text(const struct reason *r, int err)
{
	return reason_is_empty(r) ? strerror(-err) : r->text;
}
