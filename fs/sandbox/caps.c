/* SPDX-License-Identifier: MIT */
/*
 * Why a daemon of root needs each capability:
 *
 *                      read  copy  write
 *   DAC_READ_SEARCH      x     x     x    reads what the kernel allows the
 *                                         caller; opens by file handle
 *   FOWNER               x     x     x    O_NOATIME; modes and times of files
 *                                         of others
 *   SYS_ADMIN            x     x     x    trusted.* attributes; background
 *                                         requests beyond the user's limit
 *   DAC_OVERRIDE               x     x    a trusted store of another user;
 *                                         writes what the kernel allows
 *   CHOWN                      x     x    new files belong to that user, or
 *                                         to the caller
 *   LEASE                      x     x    asks who writes to a file of
 *                                         another user: core/base/writer.c
 *   SYS_RESOURCE               x     x    the part of the disk that is kept
 *                                         for root
 *   FSETID                           x    set-id bits survive a write of root
 *   LINUX_IMMUTABLE                  x    chattr +i, +a
 *   MKNOD                            x    devices
 *   SETFCAP, MAC_ADMIN               x    security.* attributes
 *   SETUID                           x    asks the base as the caller
 *
 * SYS_ADMIN is broad; most of what it permits are system calls that the seccomp
 * filter refuses.
 */
#include "caps.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BIT(cap) (UINT64_C(1) << (cap))

#define READ_CAPS \
	(BIT(CAP_DAC_READ_SEARCH) | BIT(CAP_FOWNER) | BIT(CAP_SYS_ADMIN))
#define COPY_CAPS                                                              \
	(READ_CAPS | BIT(CAP_DAC_OVERRIDE) | BIT(CAP_CHOWN) | BIT(CAP_LEASE) | \
	 BIT(CAP_SYS_RESOURCE))
#define WRITE_CAPS                                                \
	(COPY_CAPS | BIT(CAP_FSETID) | BIT(CAP_LINUX_IMMUTABLE) | \
	 BIT(CAP_MKNOD) | BIT(CAP_SETFCAP) | BIT(CAP_MAC_ADMIN) | \
	 BIT(CAP_SETUID))

static uint64_t caps_of(enum mapfs_mode mode)
{
	switch (mode) {
	case MAPFS_READ:
		return READ_CAPS;
	case MAPFS_COPY:
		return COPY_CAPS;
	case MAPFS_WRITE:
		return WRITE_CAPS;
	}
	abort();
}

/* Fails with EINVAL behind the last capability that the kernel knows. */
static int drop_bounding(uint64_t kept)
{
	for (unsigned int cap = 0; cap < 64; cap++) {
		if (kept & BIT(cap))
			continue;
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == 0)
			continue;
		return errno == EINVAL ? 0 : -errno;
	}
	return 0;
}

int caps_drop(enum mapfs_mode mode)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3];
	const uint64_t kept = caps_of(mode);
	int err = 0;

	if (syscall(SYS_capget, &head, sets) < 0)
		return -errno;
	/* Who may not drop from the bounding set cannot gain from it, either:
	   no program is executed, and no_new_privs is set. */
	if (sets[CAP_TO_INDEX(CAP_SETPCAP)].effective &
	    CAP_TO_MASK(CAP_SETPCAP))
		err = drop_bounding(kept);
	if (err)
		return err;
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	for (unsigned int i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
		sets[i].permitted &= (uint32_t)(kept >> 32 * i);
		sets[i].effective = sets[i].permitted;
		sets[i].inheritable = 0;
	}
	return syscall(SYS_capset, &head, sets) < 0 ? -errno : 0;
}
