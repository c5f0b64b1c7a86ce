/* SPDX-License-Identifier: MIT */
#include "epoch.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/lib/io.h"

#ifndef STATX_MNT_ID_UNIQUE
#define STATX_MNT_ID_UNIQUE 0x00004000U /* Linux 6.8 */
#endif
#ifndef STATX_MNT_ID
#define STATX_MNT_ID 0x00001000U /* Linux 5.8 */
#endif

/* The 32 hexadecimal digits of the boot id as 16 bytes. */
static int read_boot_id(uint8_t *out)
{
	char text[64] = { 0 };
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	unsigned int digits = 0;
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = io_pread_some(fd, text, sizeof(text) - 1, 0);
	close(fd);
	for (const char *p = text; *p && digits < 32; p++) {
		int v = *p >= 'a' ? *p - 'a' + 10 : *p - '0';

		if (*p == '-' || v < 0 || v > 15)
			continue;
		out[digits / 2] = (uint8_t)(out[digits / 2] << 4 | v);
		digits++;
	}
	return n < 0 ? (int)n : digits == 32 ? 0 : -EIO;
}

int store_epoch(int dirfd, uint8_t out[JOURNAL_EPOCH_BYTES])
{
	struct statx stx = { 0 };
	uint64_t mount_id;

	memset(out, 0, JOURNAL_EPOCH_BYTES);
	if (dirfd < 0)
		return 0;
	if (statx(dirfd, "", AT_EMPTY_PATH, STATX_MNT_ID_UNIQUE, &stx) < 0)
		return -errno;
	if (!(stx.stx_mask & STATX_MNT_ID_UNIQUE) &&
	    statx(dirfd, "", AT_EMPTY_PATH, STATX_MNT_ID, &stx) < 0)
		return -errno;
	mount_id = stx.stx_mnt_id;
	memcpy(out + 16, &mount_id, sizeof(mount_id));
	return read_boot_id(out);
}
