/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_LIB_ACL_H
#define MAPFS_CORE_LIB_ACL_H

/*
 * POSIX access control lists in the form the kernel passes them
 * (system.posix_acl_access, system.posix_acl_default; layout and rules:
 * acl(5) and the withdrawn POSIX 1003.1e draft 17).  The kernel checks
 * permissions; a file system owes it four things, which are here: refusing
 * nonsense, the mode that an ACL implies, what chmod does to an ACL, and
 * what a new object inherits.
 *
 * Lifetime: works in the caller's buffers.
 * Errors:   -EINVAL: not a sound ACL.
 * Locking:  none; values.
 */
#include "types.h"

#define ACL_ACCESS_NAME "system.posix_acl_access"
#define ACL_DEFAULT_NAME "system.posix_acl_default"

/* 0, or -EINVAL. */
int must_check acl_verify(const void *acl, size_t len);
/* The permission bits the ACL stands for; *minimal: a mode says it all. */
mode_t acl_mode(const void *acl, size_t len, bool *minimal);
/* chmod: owner, mask (or group) and other follow the mode. */
void acl_chmod(void *acl, size_t len, mode_t mode);
/*
 * A new object in a directory with this default ACL: the ACL becomes the
 * object's access ACL, narrowed by *mode; *mode is narrowed by it.
 */
void acl_inherit(void *acl, size_t len, mode_t *mode, bool *minimal);

#endif
