/* SPDX-License-Identifier: MIT */
#include "epoch.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "core/base/identity.h"
#include "core/lib/checksum.h"
#include "core/lib/io.h"
#include "layout.h"

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

int store_identify_pages(int dirfd, struct base_identity *out)
{
	struct statfs fs;
	int err;
	int fd = openat(dirfd, STORE_PAGES, O_PATH | O_CLOEXEC | O_NOFOLLOW);

	*out = (struct base_identity){ .kind = BASE_KIND_FILE };
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	err = fstatfs(fd, &fs) < 0 ? -errno : base_identify(fd, out);
	close(fd);
	/* These number their inodes when they are read. */
	if (!err && ((unsigned long)fs.f_type == MSDOS_SUPER_MAGIC ||
		     (unsigned long)fs.f_type == EXFAT_SUPER_MAGIC))
		*out = (struct base_identity){ .kind = BASE_KIND_FILE };
	return err;
}

static int add_pages(int dirfd, uint8_t *out)
{
	struct base_identity id;
	uint64_t words[5];
	uint64_t sum;
	int err = store_identify_pages(dirfd, &id);

	if (err || id.ino == 0)
		return err;
	words[0] = id.ino;
	words[1] = (uint64_t)id.btime.tv_sec;
	words[2] = (uint64_t)id.btime.tv_nsec;
	words[3] = id.handle_type;
	words[4] = id.handle_sum;
	sum = checksum64(words, sizeof(words), 0);
	memcpy(out, &sum, sizeof(sum));
	return 0;
}

int store_epoch(int dirfd, uint8_t out[JOURNAL_EPOCH_BYTES])
{
	struct statx stx = { 0 };
	uint64_t mount_id;
	int err;

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
	err = read_boot_id(out);
	return err ? err : add_pages(dirfd, out + JOURNAL_EPOCH_BYTES_BEFORE);
}
