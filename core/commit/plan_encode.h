/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_COMMIT_PLAN_ENCODE_H
#define MAPFS_CORE_COMMIT_PLAN_ENCODE_H

/*
 * A plan as bytes, and back (core/FORMAT.md).
 *
 * Lifetime: plan_decode() creates a plan; the caller destroys it.
 * Errors:   0 or a negative errno.  -EUCLEAN: the bytes are not a plan that
 *           makes sense [S1]; *out is untouched then.
 * Locking:  none.
 */
#include "bytes.h"
#include "plan.h"

int must_check plan_encode(const struct plan *p, struct bytes *out);
int must_check plan_decode(struct plan **out, const uint8_t *buf, size_t len);

#endif
