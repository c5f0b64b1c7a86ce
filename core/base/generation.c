/* SPDX-License-Identifier: MIT */
#include "generation.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "core/lib/checksum.h"
#include "inode.h"
#include "root_priv.h"

#define GENERATION_MASK 0x7fffffff

uint64_t base_generation(const struct statx *stx)
{
	int64_t birth[2] = { stx->stx_btime.tv_sec, stx->stx_btime.tv_nsec };

	if (!(stx->stx_mask & STATX_BTIME))
		return 0;
	return checksum64(birth, sizeof(birth), 0) & GENERATION_MASK;
}

/*
 * On the file systems in question a handle is a number and a generation that
 * only the file system compares.  So it is no secret, and it stays the same
 * for as long as the object lives.
 */
uint64_t base_generation_of_fd(const struct base *b, int fd,
			       const struct statx *stx)
{
	union {
		struct file_handle h;
		char room[sizeof(struct file_handle) + MAX_HANDLE_SZ];
	} u = { .h.handle_bytes = MAX_HANDLE_SZ };
	uint64_t sum = base_generation(stx);
	int mount_id;

	if (!b->has_generations ||
	    name_to_handle_at(fd, "", &u.h, &mount_id, AT_EMPTY_PATH) < 0)
		return sum;
	sum = checksum64(u.h.f_handle, u.h.handle_bytes,
			 sum ^ (uint64_t)(unsigned int)u.h.handle_type << 32);
	return sum & GENERATION_MASK;
}

static bool has_number_and_type(const struct inode *i, const struct statx *stx)
{
	return stx->stx_ino == i->ino && (stx->stx_mode & S_IFMT) == i->type;
}

bool base_is_of(const struct inode *i, const struct statx *stx)
{
	const uint64_t generation = base_generation(stx);

	return has_number_and_type(i, stx) &&
	       (!generation || !i->generation || generation == i->generation);
}

bool base_seems_to_be(const struct base *b, const struct inode *i,
		      const struct statx *stx)
{
	return b->has_handles ? has_number_and_type(i, stx) :
				base_is_of(i, stx);
}
