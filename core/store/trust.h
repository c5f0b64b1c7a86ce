/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_STORE_TRUST_H
#define MAPFS_CORE_STORE_TRUST_H

/*
 * May the content of a store be believed?  Not if another user could have
 * written it (core/lib/owner.h), because a crafted store could do harm in the
 * base.
 *
 * Lifetime: `dirfd` is borrowed.
 * Errors:   0 or a negative errno and a sentence in `why`; -EPERM: another
 *           user could have written the file that the sentence names.
 * Locking:  none; called before anything of the store is read, created or
 *           locked.
 */
#include "core/lib/reason.h"
#include "core/lib/types.h"

/* `path` is for people. */
int must_check store_trust_check(int dirfd, const char *path, bool is_trusted,
				 struct reason *why);

#endif
