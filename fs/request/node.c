/* SPDX-License-Identifier: MIT */
/*
 * Swapping two numbers is its own inverse, so one function translates in both
 * directions, and numbers stay unique whatever the root's number is.
 */
#include "node.h"

#include "fs/mount/mount.h"

static uint64_t swap_root(const struct mount *m, uint64_t n)
{
	if (n == FUSE_ROOT_ID)
		return m->root_ino;
	if (n == m->root_ino)
		return FUSE_ROOT_ID;
	return n;
}

mapfs_ino node_ino(const struct mount *m, fuse_ino_t node)
{
	return swap_root(m, node);
}

struct mapfs_file node_file(const struct mount *m, fuse_ino_t node, uint64_t fh)
{
	return (struct mapfs_file){ .ino = node_ino(m, node), .fh = fh };
}

fuse_ino_t node_of_ino(const struct mount *m, mapfs_ino ino)
{
	return swap_root(m, ino);
}

/*
 * A page that is dirty in the kernel adds no block until the file is closed,
 * and tar(1) takes a file of 0 blocks for one hole: so a file without blocks is
 * reported with the blocks of one page.  Any other number that is too small
 * does no harm: a program that finds it smaller than the size asks where the
 * holes are.
 */
uint64_t node_blocks(const struct mount *m, const struct mapfs_attr *attr)
{
	const bool may_be_dirty = m->opt->mode == MAPFS_COPY &&
				  !m->opt->snapshot;

	if (may_be_dirty && S_ISREG(attr->mode) && attr->blocks_512 == 0)
		return MAPFS_BLOCKS_PER_PAGE;
	return attr->blocks_512;
}

void node_fill_stat(const struct mount *m, const struct mapfs_attr *attr,
		    struct stat *out)
{
	*out = (struct stat){
		.st_ino = attr->ino,
		.st_mode = attr->mode,
		.st_nlink = attr->nlink,
		.st_uid = attr->uid,
		.st_gid = attr->gid,
		.st_rdev = attr->rdev,
		.st_size = (off_t)attr->size_bytes,
		.st_blksize = MAPFS_PAGE_SIZE,
		.st_blocks = (blkcnt_t)node_blocks(m, attr),
		.st_atim = attr->atime,
		.st_mtim = attr->mtime,
		.st_ctim = attr->ctime,
	};
}

void node_fill_entry(const struct mount *m, const struct mapfs_entry *e,
		     struct fuse_entry_param *out)
{
	*out = (struct fuse_entry_param){
		.ino = node_of_ino(m, e->attr.ino),
		.generation = e->generation,
		.attr_timeout = m->attr_timeout,
		.entry_timeout = m->entry_timeout,
	};
	node_fill_stat(m, &e->attr, &out->attr);
}

struct mapfs_cred node_cred(fuse_req_t req)
{
	const struct fuse_ctx *ctx = fuse_req_ctx(req);

	return (struct mapfs_cred){
		.uid = ctx->uid,
		.gid = ctx->gid,
		.umask = ctx->umask,
	};
}
