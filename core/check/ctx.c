/* SPDX-License-Identifier: MIT */
#include "ctx.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

int check_step(struct check_ctx *c, uint64_t bytes)
{
	const struct mapfs_check_options *opt = c->opt;

	c->done_bytes += bytes;
	if (c->all_bytes < c->done_bytes)
		c->all_bytes = c->done_bytes;
	if (opt->progress &&
	    opt->progress(opt->arg, c->done_bytes, c->all_bytes))
		return -EINTR;
	return 0;
}

int check_report(struct check_ctx *c, struct mapfs_check_damage *d,
		 const char *fmt, ...)
{
	struct reason text;
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text.text, sizeof(text.text), fmt, ap);
	va_end(ap);
	d->text = text.text;
	c->out->damages++;
	return c->opt->fn ? c->opt->fn(c->opt->arg, d) : 0;
}
