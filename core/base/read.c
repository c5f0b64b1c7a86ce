/* SPDX-License-Identifier: MIT */
/*
 * A small file is mostly read once, as a whole: it is read by pread.  A large
 * one is read out of mapped windows, which stay with its cached descriptor.
 */
#include "read.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/lib/io.h"
#include "core/lib/mapping.h"
#include "core/lib/timespec.h"
#include "inode.h"
#include "only_file.h"
#include "resolve.h"
#include "root.h"
#include "root_priv.h"

#define MAP_FROM_BYTES (128U << 10)

/* Reading a hole of tmpfs through a mapping allocates memory for it [B1]. */
static bool has_holes(const struct stat *st)
{
	return st->st_blocks < st->st_size / 512;
}

/*
 * Making a mapping moves the access time, reading it does not: a read of one
 * byte moves it where the mount's rule says so.
 */
static void touch_mapped(const struct base *b, int fd, const struct stat *st,
			 uint64_t off)
{
	char byte;

	if (base_read_moves_atime(b, &st->st_atim, &st->st_mtim, &st->st_ctim))
		(void)!io_pread_some(fd, &byte, 1, off);
}

/* A device has no size of its own. */
static int stat_data(const struct base *b, int fd, struct stat *st)
{
	if (fstat(fd, st) < 0)
		return -errno;
	if (S_ISBLK(st->st_mode))
		st->st_size = (off_t)b->only->device_bytes;
	return 0;
}

/* An open file, as it was before it is read. */
struct held {
	struct base *b;
	struct base_fd *f;
	struct stat st;
};

static ssize_t read_held(const struct held *h, void *buf, size_t len,
			 uint64_t off)
{
	struct mapping *m = NULL;
	const int fd = base_fd_of(h->f);
	uint64_t left;

	if (off >= (uint64_t)h->st.st_size)
		return 0;
	left = (uint64_t)h->st.st_size - off;
	if (len > left)
		len = left;
	if (h->st.st_size > MAP_FROM_BYTES && !has_holes(&h->st))
		m = fd_cache_mapping(h->b->fds, h->f);
	if (m && mapping_read(m, buf, len, off) == 0) {
		touch_mapped(h->b, fd, &h->st, off);
		return (ssize_t)len;
	}
	/*
	 * Small, sparse, on a file system that maps nothing, or truncated just
	 * now: pread gives the right answer in each case.
	 */
	return io_pread_some(fd, buf, len, off);
}

/* The first reader notes the version. */
static void note_version(struct inode *i, const struct stat *st)
{
	int64_t none = 0;

	if (i->read_ctime_ns == 0)
		(void)atomic_compare_exchange_strong(&i->read_ctime_ns, &none,
						     timespec_ns(st->st_ctim));
}

ssize_t base_read(struct base *b, struct inode *i, void *buf, size_t len,
		  uint64_t off)
{
	struct held h = { .b = b };
	ssize_t n;
	int err = base_hold(b, i, BASE_READ, &h.f);

	if (err)
		return err;
	n = stat_data(b, base_fd_of(h.f), &h.st);
	if (n == 0) {
		note_version(i, &h.st);
		n = read_held(&h, buf, len, off);
	}
	base_put(b, h.f);
	return n;
}

/* A device has no holes. */
static int seek_device(const struct only_file *f, uint64_t off, int whence,
		       uint64_t *out)
{
	if (off >= f->device_bytes)
		return -ENXIO;
	*out = whence == SEEK_DATA ? off : f->device_bytes;
	return 0;
}

int base_seek(struct base *b, struct inode *i, uint64_t off, int whence,
	      uint64_t *out)
{
	struct base_fd *f;
	off_t at;
	int err;

	if (off > MAPFS_MAX_SIZE)
		return -ENXIO;
	if (base_is_device(b))
		return seek_device(b->only, off, whence, out);
	err = base_hold(b, i, BASE_READ, &f);
	if (err)
		return err;
	at = lseek(base_fd_of(f), (off_t)off, whence);
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
	n = readlinkat(base_fd_of(f), "", buf, len);
	if (n < 0)
		n = -errno;
	base_put(b, f);
	return n;
}
