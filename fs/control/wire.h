/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_FS_CONTROL_WIRE_H
#define MAPFS_FS_CONTROL_WIRE_H

/*
 * Results of a job as bytes: written by the daemon, read by the command,
 * which may be of another version.  Little-endian numbers of 8 bytes, strings
 * as their length, their bytes and a NUL; records one behind the other.
 *
 * Lifetime: a zeroed struct wire_out is empty; wire_out_fini().  What is
 *           taken out of a struct wire_in is borrowed from its bytes.
 * Errors:   putting: remembered in `err`, later puts do nothing.  Taking:
 *           `is_bad` when the bytes end early; everything taken is then 0
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
void wire_put_drift(struct wire_out *o, const char *path, bool is_gone);

bool wire_is_over(const struct wire_in *in);
uint64_t wire_take(struct wire_in *in);
const char *wire_take_string(struct wire_in *in);
void wire_take_snapshot(struct wire_in *in, struct mapfs_snapshot *out);
/* `ranges` is made anew: the caller's to free after the last one. */
void wire_take_entry(struct wire_in *in, struct mapfs_diff_entry *out,
		     struct mapfs_range **ranges);
void wire_take_drift(struct wire_in *in, const char **path, bool *is_gone);

#endif
