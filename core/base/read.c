/* SPDX-License-Identifier: MIT */
/*
 * Bytes of base objects: file data and link targets.
 *
 * A small file is read once and gone: opening and pread are all it gets.  A
 * large one is served out of mapped windows that stay with its cached
 * descriptor.
 */
#include "base_priv.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/lib/io.h"

#define MAP_FROM_BYTES (128U << 10)

/* The mapping of a held descriptor, made on first use; NULL: use pread. */
static struct mapping *mapping_of(struct base *b, struct base_fd *f)
{
	struct mapping *m;

	rmutex_lock(&b->lock);
	if (!f->mapping && mapping_create(&f->mapping, f->fd))
		f->mapping = NULL;
	m = f->mapping;
	rmutex_unlock(&b->lock);
	return m;
}

/* A look at a hole of tmpfs through a mapping fills it with memory [B1]. */
static bool has_holes(const struct stat *st)
{
	return st->st_blocks < st->st_size / 512;
}

/* A mapping moves the access time when it is made; reading it does not. */
static void touch_mapped(struct base *b, const struct base_fd *f,
			 const struct stat *st, uint64_t off)
{
	char byte;

	if (base_read_moves_atime(b, &st->st_atim, &st->st_mtim, &st->st_ctim))
		(void)!io_pread_some(f->fd, &byte, 1, off);
}

static ssize_t read_held(struct base *b, struct base_fd *f, void *buf,
			 size_t len, uint64_t off)
{
	struct mapping *m = NULL;
	struct stat st;
	uint64_t left;

	if (fstat(f->fd, &st) < 0)
		return -errno;
	if (off >= (uint64_t)st.st_size)
		return 0;
	left = (uint64_t)st.st_size - off;
	if (len > left)
		len = left;
	if (st.st_size > MAP_FROM_BYTES && !has_holes(&st))
		m = mapping_of(b, f);
	if (m && mapping_read(m, buf, len, off) == 0) {
		touch_mapped(b, f, &st, off);
		return (ssize_t)len;
	}
	/*
	 * Small, sparse, or not to be mapped (not every file system can), or
	 * truncated under our hands: pread tells all of these apart.
	 */
	return io_pread_some(f->fd, buf, len, off);
}

ssize_t base_read(struct base *b, struct inode *i, void *buf, size_t len,
		  uint64_t off)
{
	struct base_fd *f;
	ssize_t n;
	int err = base_hold(b, i, BASE_READ, &f);

	if (err)
		return err;
	n = read_held(b, f, buf, len, off);
	base_put(b, f);
	return n;
}

int base_seek(struct base *b, struct inode *i, uint64_t off, int whence,
	      uint64_t *out)
{
	struct base_fd *f;
	off_t at;
	int err;

	if (off > MAPFS_MAX_SIZE)
		return -ENXIO;
	err = base_hold(b, i, BASE_READ, &f);
	if (err)
		return err;
	at = lseek(f->fd, (off_t)off, whence);
	err = at < 0 ? -errno : 0;
	base_put(b, f);
	if (!err)
		*out = (uint64_t)at;
	return err;
}

ssize_t base_readlink(struct base *b, struct inode *i, char *buf, size_t len)
{
	struct base_fd *f;
	ssize_t n;
	int err = base_hold(b, i, BASE_PATH, &f);

	if (err)
		return err;
	n = readlinkat(f->fd, "", buf, len);
	if (n < 0)
		n = -errno;
	base_put(b, f);
	return n;
}
