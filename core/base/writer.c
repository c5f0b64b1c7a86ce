/* SPDX-License-Identifier: MIT */
/*
 * The kernel gives a lease for reading only if nobody has the file open for
 * writing; a shared mapping holds its open file.  The lease is released in the
 * same moment.  Should a program open the file for writing in between, its open
 * waits for that (with O_NONBLOCK it fails), and the kernel signals this
 * process: with SIGURG, which nobody handles, because SIGIO would kill it.
 */
#include "writer.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <time.h>

#include "core/lib/io.h"
#include "resolve.h"
#include "root.h"
#include "root_priv.h"

#define NS_PER_S 1000000000L
#define TICK_NS 20000000L /* longer than any kernel's tick, which is 10 ms */

static enum base_writer try_lease(int fd)
{
	if (fcntl(fd, F_SETSIG, SIGURG) < 0)
		return BASE_WRITER_UNKNOWN;
	if (fcntl(fd, F_SETLEASE, F_RDLCK) < 0)
		return errno == EAGAIN ? BASE_WRITER_SOME : BASE_WRITER_UNKNOWN;
	/* -EAGAIN: another thread has released the lease of this descriptor. */
	(void)!fcntl(fd, F_SETLEASE, F_UNLCK);
	return BASE_WRITER_NONE;
}

/* Is the file out of reach, so that none of its bytes shows, either? */
static bool is_out_of_reach(int err)
{
	return err == -EACCES || err == -EPERM || err == -ENOENT ||
	       err == -ESTALE || err == -EINVAL;
}

int base_find_writer(struct base *b, struct inode *i, enum base_writer *out)
{
	struct base_fd *f;
	int err;

	*out = BASE_WRITER_NONE;
	/* Nothing tells of changes of a device: README. */
	if (b->is_none || base_is_device(b))
		return 0;
	err = base_hold(b, i, BASE_READ, &f);
	if (err)
		return is_out_of_reach(err) ? 0 : err;
	/*
	 * A server gives leases by rules of its own, and the mappings of a
	 * stacked file belong to the file below.
	 */
	*out = b->is_remote || b->is_stacked ? BASE_WRITER_UNKNOWN :
					       try_lease(base_fd_of(f));
	base_put(b, f);
	return 0;
}

/*
 * Kernels before 6.13 stamp all changes of one tick alike: a store that comes
 * soon after the last change would not show.
 */
static int pass_tick(int fd)
{
	const struct timespec tick = { .tv_nsec = TICK_NS };
	struct timespec now;
	struct stat st;
	int64_t age_ns;

	if (fstat(fd, &st) < 0)
		return -errno;
	clock_gettime(CLOCK_REALTIME, &now);
	age_ns = (now.tv_sec - st.st_ctim.tv_sec) * NS_PER_S + now.tv_nsec -
		 st.st_ctim.tv_nsec;
	if (age_ns >= 0 && age_ns < TICK_NS)
		(void)nanosleep(&tick, NULL);
	return 0;
}

int base_guard(struct base *b, struct inode *i)
{
	struct base_fd *f;
	int err = base_hold(b, i, BASE_READ, &f);

	if (err)
		return is_out_of_reach(err) ? 0 : err;
	err = pass_tick(base_fd_of(f));
	/* Only fsync passes from a stacked file to the one below. */
	if (!err)
		err = b->is_stacked ?
			      io_fdatasync("base.guard", base_fd_of(f)) :
			      io_write_back("base.guard", base_fd_of(f));
	base_put(b, f);
	return err;
}

bool base_hides_stores(const struct base *b)
{
	return b->hides_stores;
}
