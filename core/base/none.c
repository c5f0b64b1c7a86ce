/* SPDX-License-Identifier: MIT */
#include "none.h"

#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "identity.h"

/* As the root of a new file system has it. */
#define ROOT_MODE (S_IFDIR | S_IRWXU | S_IRGRP | S_IXGRP | S_IROTH | S_IXOTH)
#define ROOT_LINKS 2
#define ROOT_INO 1

void none_make(struct base_identity *out)
{
	*out = (struct base_identity){
		.kind = BASE_KIND_NONE,
		.ino = ROOT_INO,
		.uid = geteuid(),
		.gid = getegid(),
	};
	/* The clock of the view, as nothing in it may be older. */
	clock_gettime(CLOCK_REALTIME_COARSE, &out->btime);
}

void none_stat(const struct base_identity *made, struct statx *out)
{
	const struct statx_timestamp time = {
		.tv_sec = made->btime.tv_sec,
		.tv_nsec = (uint32_t)made->btime.tv_nsec,
	};

	memset(out, 0, sizeof(*out));
	out->stx_mask = STATX_BASIC_STATS | STATX_BTIME;
	out->stx_blksize = MAPFS_PAGE_SIZE;
	out->stx_mode = ROOT_MODE;
	out->stx_nlink = ROOT_LINKS;
	out->stx_uid = made->uid;
	out->stx_gid = made->gid;
	out->stx_ino = made->ino;
	out->stx_atime = time;
	out->stx_mtime = time;
	out->stx_ctime = time;
	out->stx_btime = time;
}
