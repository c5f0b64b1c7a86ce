/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_FS_CONTROL_WIRE_H
#define MAPFS_FS_CONTROL_WIRE_H

/*
 * The encoding of a command's result, which the daemon writes and the tools
 * read; the two may be of different versions.  A number is 8 bytes,
 * little-endian.  A string is its length, its bytes and a NUL.  Records follow
 * each other without a separator.
 *
 * Lifetime: a zeroed struct wire_out is empty; wire_out_fini() frees it.  A
 *           string taken from a struct wire_in is borrowed from its bytes.
 * Errors:   of a put: stored in `err`, and later puts do nothing.  -EFBIG: the
 *           result is too large.  Of a take: `is_bad` is set if the bytes end
 *           too early or are no string, and everything taken from then on is 0
 *           or "" [S1].
 * Locking:  none.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/mapfs.h"

struct wire_out {
	char *mem;
	size_t len;
	size_t room;
	int err;
};

struct wire_in {
	const char *at;
	size_t left;
	bool is_bad;
};

void wire_put(struct wire_out *o, uint64_t value);
void wire_put_string(struct wire_out *o, const char *s);
void wire_out_fini(struct wire_out *o);

void wire_put_snapshot(struct wire_out *o, const struct mapfs_snapshot *s);
void wire_put_entry(struct wire_out *o, const struct mapfs_diff_entry *e);
void wire_put_counts(struct wire_out *o, const struct mapfs_counts *c);
void wire_put_drift(struct wire_out *o, const char *path, bool is_gone);
void wire_put_window(struct wire_out *o, const struct mapfs_window *w);
void wire_put_damage(struct wire_out *o, const struct mapfs_bad_page *d);
void wire_put_run(struct wire_out *o, const struct mapfs_run *run);

bool wire_is_over(const struct wire_in *in);
uint64_t wire_take(struct wire_in *in);
const char *wire_take_string(struct wire_in *in);
void wire_take_snapshot(struct wire_in *in, struct mapfs_snapshot *out);
/*
 * *ranges is the memory for the ranges of one entry, and starts as NULL: each
 * call may reallocate it, and the caller frees it after the last one.
 */
void wire_take_entry(struct wire_in *in, struct mapfs_diff_entry *out,
		     struct mapfs_range **ranges);
void wire_take_counts(struct wire_in *in, struct mapfs_counts *out);
void wire_take_drift(struct wire_in *in, const char **path, bool *is_gone);
void wire_take_window(struct wire_in *in, struct mapfs_window *out);
void wire_take_damage(struct wire_in *in, struct mapfs_bad_page *out);
void wire_take_run(struct wire_in *in, struct mapfs_run *out);

#endif
