/* SPDX-License-Identifier: MIT */
/*
 * The inode number alone does not identify a directory: once it is removed,
 * its number is used again, often for the very next one.  The birth time tells
 * the two apart, and no program that copies or restores a directory can set
 * it.  Where the file system keeps none, the file handle contains the
 * generation of the number.  A handle of a remote file system tells nothing:
 * some of them make new handles after each mount.
 */
#include "identity.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "core/lib/checksum.h"
#include "core/lib/timespec.h"
#include "fs_type.h"

#define HANDLE_BYTES 128 /* MAX_HANDLE_SZ of <fcntl.h> */

static void learn_handle(int fd, struct base_identity *out)
{
	union {
		struct file_handle handle;
		char room[sizeof(struct file_handle) + HANDLE_BYTES];
	} h;
	struct statfs fs;
	int mount_id;

	if (fstatfs(fd, &fs) < 0 || !fs_type_is_local(&fs))
		return;
	memset(&h, 0, sizeof(h));
	h.handle.handle_bytes = HANDLE_BYTES;
	if (name_to_handle_at(fd, "", &h.handle, &mount_id, AT_EMPTY_PATH) < 0)
		return;
	out->handle_type = (uint32_t)h.handle.handle_type;
	out->handle_sum =
		checksum64(h.handle.f_handle, h.handle.handle_bytes, 0);
}

int base_identify(int fd, struct base_identity *out)
{
	struct base_identity id = { .btime = { 0, -1 } };
	struct statx stx;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_BTIME,
		  &stx) < 0)
		return -errno;
	id.kind = S_ISDIR(stx.stx_mode) ? BASE_KIND_DIR : BASE_KIND_FILE;
	id.ino = stx.stx_ino;
	/* Some file systems claim to know the birth time and report 1970. */
	if ((stx.stx_mask & STATX_BTIME) && stx.stx_btime.tv_sec != 0)
		id.btime = timespec_of_statx(stx.stx_btime);
	learn_handle(fd, &id);
	*out = id;
	return 0;
}

bool base_is_same(const struct base_identity *a, const struct base_identity *b,
		  bool strictly)
{
	const bool has_births = a->btime.tv_nsec >= 0 && b->btime.tv_nsec >= 0;
	/* A later kernel may make handles of another type. */
	const bool has_handles = a->handle_sum && b->handle_sum &&
				 a->handle_type == b->handle_type;

	if (a->kind != b->kind || a->ino != b->ino)
		return false;
	if (a->kind == BASE_KIND_NONE)
		return true;
	if (has_births && !timespec_is_equal(a->btime, b->btime))
		return false;
	if (has_handles && (strictly || !has_births))
		return a->handle_sum == b->handle_sum;
	return true;
}
