/* SPDX-License-Identifier: MIT */
/*
 * A cache of open descriptors, so that a tree of any size is served with a
 * bounded number of them.  A descriptor in use is never closed; an idle one
 * waits in a list, the least recently used first, and goes when there are
 * too many or somebody needs its number.
 */
#include "base_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <utlist.h>

#include "core/lib/log.h"

#define IDLE_MAX 1024
#define SHED_AT_ONCE 16
#define SAY_FULL_S 60

void base_cache_init(struct base *b)
{
	struct rlimit lim = { .rlim_cur = IDLE_MAX };

	rmutex_init(&b->lock, RANK_BASE);
	(void)getrlimit(RLIMIT_NOFILE, &lim);
	b->idle_max = lim.rlim_cur / 4 < IDLE_MAX ?
			      (unsigned int)(lim.rlim_cur / 4) :
			      IDLE_MAX;
}

static void base_fd_destroy(struct base_fd *f)
{
	mapping_destroy(f->mapping);
	close(f->fd);
	free(f);
}

void base_cache_fini(struct base *b)
{
	struct base_fd *f;
	struct base_fd *tmp;

	HASH_ITER(hh, b->fds, f, tmp) {
		HASH_DEL(b->fds, f);
		base_fd_destroy(f);
	}
	b->idle = NULL;
	rmutex_fini(&b->lock);
}

/* Takes the idle descriptor out of everything; the caller destroys it. */
static void detach_idle(struct base *b, struct base_fd *f)
{
	DL_DELETE(b->idle, f);
	b->idle_count--;
	HASH_DEL(b->fds, f);
}

/* Closes some idle descriptors to make room; false: there were none. */
static bool shed(struct base *b)
{
	struct base_fd *gone = NULL;
	struct base_fd *f;
	struct base_fd *tmp;

	rmutex_lock(&b->lock);
	for (int n = 0; n < SHED_AT_ONCE && b->idle; n++) {
		f = b->idle;
		detach_idle(b, f);
		DL_APPEND(gone, f);
	}
	rmutex_unlock(&b->lock);
	DL_FOREACH_SAFE(gone, f, tmp)
		base_fd_destroy(f);
	return gone != NULL;
}

void base_say_full(struct base *b, int err)
{
	struct rlimit lim = { 0 };
	struct timespec now;
	int64_t last = atomic_load(&b->full_said_s);

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (last && now.tv_sec - last < SAY_FULL_S)
		return;
	/* One of those who run into it at once. */
	if (!atomic_compare_exchange_strong(&b->full_said_s, &last,
					    now.tv_sec ? now.tv_sec : 1))
		return;
	(void)getrlimit(RLIMIT_NOFILE, &lim);
	if (err == -ENFILE)
		log_line(
			LOG_WARNING,
			"base %s: the system has no file left to open (fs.file-max); opens fail until some are closed",
			b->path);
	else
		log_line(
			LOG_WARNING,
			"base %s: too many open files for the daemon's limit of %llu descriptors (ulimit -n); opens fail until some are closed",
			b->path, (unsigned long long)lim.rlim_cur);
}

bool base_may_try_again(struct base *b, int err)
{
	if (err != -EMFILE && err != -ENFILE)
		return false;
	if (shed(b))
		return true;
	base_say_full(b, err);
	return false;
}

static struct base_fd *cache_find(struct base *b, const struct base_key *key)
{
	struct base_fd *f = NULL;

	HASH_FIND(hh, b->fds, key, sizeof(*key), f);
	if (f && f->users++ == 0) {
		DL_DELETE(b->idle, f);
		b->idle_count--;
	}
	return f;
}

struct base_fd *base_hold_cached(struct base *b, const struct inode *i,
				 enum base_want want)
{
	struct base_key key = { .ino = i->ino, .want = want };
	struct base_fd *f;

	rmutex_lock(&b->lock);
	f = cache_find(b, &key);
	rmutex_unlock(&b->lock);
	return f;
}

static struct base_fd *base_fd_create(const struct base_key *key, int fd)
{
	struct base_fd *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->key = *key;
	f->fd = fd;
	f->users = 1;
	return f;
}

/* The cached one if another thread was faster, else ours. */
static struct base_fd *cache_insert(struct base *b, struct base_fd *f)
{
	struct base_fd *there;

	rmutex_lock(&b->lock);
	there = cache_find(b, &f->key);
	if (!there) {
		HASH_ADD(hh, b->fds, key, sizeof(f->key), f);
		f->uncached = !f->hh.tbl;
	}
	rmutex_unlock(&b->lock);
	if (!there)
		return f;
	base_fd_destroy(f);
	return there;
}

int base_hold(struct base *b, struct inode *i, enum base_want want,
	      struct base_fd **out)
{
	struct base_key key = { .ino = i->ino, .want = want };
	struct base_fd *f = base_hold_cached(b, i, want);
	int fd;
	int err;

	if (f) {
		*out = f;
		return 0;
	}
	/* Opening a fifo or a device is an act of its own. */
	if (want == BASE_READ && !S_ISREG(i->type) && !S_ISDIR(i->type))
		return -EINVAL;
	err = base_open_inode(
		b, i, want == BASE_PATH ? O_PATH : O_RDONLY | O_NONBLOCK, &fd);
	if (err)
		return err;
	f = base_fd_create(&key, fd);
	if (!f) {
		close(fd);
		return -ENOMEM;
	}
	*out = cache_insert(b, f);
	return 0;
}

int base_fd_of(const struct base_fd *f)
{
	return f->fd;
}

void base_put(struct base *b, struct base_fd *f)
{
	struct base_fd *gone = NULL;

	rmutex_lock(&b->lock);
	if (--f->users == 0) {
		if (f->uncached) {
			gone = f;
		} else {
			DL_APPEND(b->idle, f);
			b->idle_count++;
		}
		if (!gone && b->idle_count > b->idle_max) {
			gone = b->idle;
			detach_idle(b, gone);
		}
	}
	rmutex_unlock(&b->lock);
	if (gone)
		base_fd_destroy(gone);
}

static struct base_fd *uncache_one(struct base *b, mapfs_ino ino,
				   enum base_want want)
{
	struct base_key key = { .ino = ino, .want = want };
	struct base_fd *f = NULL;

	HASH_FIND(hh, b->fds, &key, sizeof(key), f);
	if (!f)
		return NULL;
	if (f->users == 0) {
		detach_idle(b, f);
		return f;
	}
	HASH_DEL(b->fds, f);
	f->uncached = true;
	return NULL;
}

void base_uncache(struct base *b, const struct inode *i)
{
	struct base_fd *path;
	struct base_fd *data;

	rmutex_lock(&b->lock);
	path = uncache_one(b, i->ino, BASE_PATH);
	data = uncache_one(b, i->ino, BASE_READ);
	rmutex_unlock(&b->lock);
	if (path)
		base_fd_destroy(path);
	if (data)
		base_fd_destroy(data);
}
