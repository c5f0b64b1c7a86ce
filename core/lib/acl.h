/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_LIB_ACL_H
#define MAPFS_CORE_LIB_ACL_H

/*
 * POSIX access control lists in the form the kernel passes them
 * (system.posix_acl_access, system.posix_acl_default; layout and rules:
 * acl(5) and the withdrawn POSIX 1003.1e draft 17).  The kernel checks
 * permissions.  Four things are left to the file system, and are here: to
 * refuse a malformed ACL, the mode that an ACL implies, the effect of chmod on
 * an ACL, and the ACL that a new object inherits.
 *
 * Lifetime: works in the caller's buffers.
 * Errors:   acl_verify() returns -EINVAL for a malformed ACL; the others are
 *           called only with one that it has accepted.
 * Locking:  none; values.
 */
#include "types.h"

#define ACL_ACCESS_NAME "system.posix_acl_access"
#define ACL_DEFAULT_NAME "system.posix_acl_default"

/* 0, or -EINVAL. */
int must_check acl_verify(const void *acl, size_t len);
/* The permission bits that the ACL implies; *minimal: it says no more. */
mode_t acl_mode(const void *acl, size_t len, bool *minimal);
/* chmod: owner, mask (or group) and other follow the mode. */
void acl_chmod(void *acl, size_t len, mode_t mode);
/*
 * For a new object in a directory with this default ACL: turns it into the
 * object's access ACL by removing what *mode does not allow, and removes from
 * *mode what the ACL does not allow.
 */
void acl_inherit(void *acl, size_t len, mode_t *mode, bool *minimal);

#endif
