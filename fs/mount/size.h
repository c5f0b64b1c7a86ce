/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_FS_MOUNT_SIZE_H
#define MAPFS_FS_MOUNT_SIZE_H

/*
 * Sizes and offsets as people write them: 4096, 64K, 10MiB, 2048s, 0x100000.
 *
 * Lifetime: nothing is kept.
 * Errors:   0, -EINVAL: no size, -ERANGE: a size that has no room in 64 bits;
 *           *out is then not touched.
 * Locking:  none.
 */
#include "core/lib/types.h"

/*
 * `text` need not end with a NUL.  A decimal number, of bytes; with K, M, G or
 * T, which "iB" may follow, or with k, m, g or t, of 1024 bytes and so on; with
 * s, of sectors of 512 bytes.  Or 0x or 0X and a hexadecimal number of bytes.
 */
int must_check size_parse(const char *text, size_t len, uint64_t *out);

#endif
