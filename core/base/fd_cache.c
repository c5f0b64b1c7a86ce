/* SPDX-License-Identifier: MIT */
/*
 * One hash table of all open descriptors, and a list of the idle ones among
 * them, the least recently used first.  An entry that could not be added to
 * the table, or was removed from it while in use, is `uncached`: its last user
 * closes it.
 */
#include "fd_cache.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#include <utlist.h>

#include "core/lib/lock.h"
#include "core/lib/log.h"
#include "core/lib/mapping.h"
#include "core/lib/uthash_safe.h"

#define IDLE_MAX 1024
#define SHED_AT_ONCE 16
#define SAY_FULL_S 60

struct base_fd {
	UT_hash_handle hh; /* by fd_cache.lock */
	struct fd_key {
		mapfs_ino ino;
		uint64_t want;	 /* enum base_want */
	} key;			 /* fixed while open */
	int fd;			 /* fixed while open */
	unsigned int users;	 /* by fd_cache.lock */
	bool uncached;		 /* by fd_cache.lock: close when unused */
	struct mapping *mapping; /* by fd_cache.lock; large files */
	struct base_fd *prev;	 /* idle list, by fd_cache.lock */
	struct base_fd *next;
};

struct fd_cache {
	struct rmutex lock;	     /* RANK_BASE */
	struct base_fd *fds;	     /* by lock; uthash */
	struct base_fd *idle;	     /* by lock; least recently used first */
	unsigned int idle_count;     /* by lock */
	unsigned int idle_max;	     /* fixed */
	const char *base_path;	     /* fixed; borrowed */
	_Atomic int64_t full_said_s; /* when; 0: never */
};

int fd_cache_create(struct fd_cache **out, const char *base_path)
{
	struct rlimit lim = { .rlim_cur = IDLE_MAX };
	struct fd_cache *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	rmutex_init(&c->lock, RANK_BASE);
	(void)getrlimit(RLIMIT_NOFILE, &lim);
	c->idle_max = lim.rlim_cur / 4 < IDLE_MAX ?
			      (unsigned int)(lim.rlim_cur / 4) :
			      IDLE_MAX;
	c->base_path = base_path;
	*out = c;
	return 0;
}

static void base_fd_destroy(struct base_fd *f)
{
	mapping_destroy(f->mapping);
	close(f->fd);
	free(f);
}

void fd_cache_destroy(struct fd_cache *c)
{
	struct base_fd *f;
	struct base_fd *tmp;

	if (!c)
		return;
	HASH_ITER(hh, c->fds, f, tmp) {
		HASH_DEL(c->fds, f);
		base_fd_destroy(f);
	}
	rmutex_fini(&c->lock);
	free(c);
}

/* Takes the idle descriptor out of the cache; the caller destroys it. */
static void detach_idle_locked(struct fd_cache *c, struct base_fd *f)
{
	DL_DELETE(c->idle, f);
	c->idle_count--;
	HASH_DEL(c->fds, f);
}

/* Closes some idle descriptors to make room; false: there were none. */
static bool shed(struct fd_cache *c)
{
	struct base_fd *gone = NULL;
	struct base_fd *f;
	struct base_fd *tmp;

	rmutex_lock(&c->lock);
	for (int n = 0; n < SHED_AT_ONCE && c->idle; n++) {
		f = c->idle;
		detach_idle_locked(c, f);
		DL_APPEND(gone, f);
	}
	rmutex_unlock(&c->lock);
	DL_FOREACH_SAFE(gone, f, tmp)
		base_fd_destroy(f);
	return gone != NULL;
}

void fd_cache_say_full(struct fd_cache *c, int err)
{
	struct rlimit lim = { 0 };
	struct timespec now;
	int64_t last = atomic_load(&c->full_said_s);

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (last && now.tv_sec - last < SAY_FULL_S)
		return;
	/* Of several threads that get here at once only one writes the line. */
	if (!atomic_compare_exchange_strong(&c->full_said_s, &last,
					    now.tv_sec ? now.tv_sec : 1))
		return;
	(void)getrlimit(RLIMIT_NOFILE, &lim);
	if (err == -ENFILE)
		log_line(
			LOG_WARNING,
			"base %s: the system has no file left to open (fs.file-max); opens fail until some are closed",
			c->base_path);
	else
		log_line(
			LOG_WARNING,
			"base %s: too many open files for the daemon's limit of %llu descriptors (ulimit -n); opens fail until some are closed",
			c->base_path, (unsigned long long)lim.rlim_cur);
}

bool fd_cache_may_try_again(struct fd_cache *c, int err)
{
	if (err != -EMFILE && err != -ENFILE)
		return false;
	if (shed(c))
		return true;
	fd_cache_say_full(c, err);
	return false;
}

static struct base_fd *get_locked(struct fd_cache *c, const struct fd_key *key)
{
	struct base_fd *f = NULL;

	HASH_FIND(hh, c->fds, key, sizeof(*key), f);
	if (f && f->users++ == 0) {
		DL_DELETE(c->idle, f);
		c->idle_count--;
	}
	return f;
}

struct base_fd *fd_cache_get(struct fd_cache *c, mapfs_ino ino,
			     enum base_want want)
{
	const struct fd_key key = { .ino = ino, .want = want };
	struct base_fd *f;

	rmutex_lock(&c->lock);
	f = get_locked(c, &key);
	rmutex_unlock(&c->lock);
	return f;
}

int fd_cache_add(struct fd_cache *c, mapfs_ino ino, enum base_want want, int fd,
		 struct base_fd **out)
{
	struct base_fd *f = calloc(1, sizeof(*f));
	struct base_fd *there;

	if (!f) {
		close(fd);
		return -ENOMEM;
	}
	f->key = (struct fd_key){ .ino = ino, .want = want };
	f->fd = fd;
	f->users = 1;
	rmutex_lock(&c->lock);
	there = get_locked(c, &f->key);
	if (!there) {
		HASH_ADD(hh, c->fds, key, sizeof(f->key), f);
		f->uncached = !f->hh.tbl;
	}
	rmutex_unlock(&c->lock);
	if (there)
		base_fd_destroy(f);
	*out = there ? there : f;
	return 0;
}

int base_fd_of(const struct base_fd *f)
{
	return f->fd;
}

struct mapping *fd_cache_mapping(struct fd_cache *c, struct base_fd *f)
{
	struct mapping *m;

	rmutex_lock(&c->lock);
	if (!f->mapping && mapping_create(&f->mapping, f->fd))
		f->mapping = NULL;
	m = f->mapping;
	rmutex_unlock(&c->lock);
	return m;
}

void fd_cache_put(struct fd_cache *c, struct base_fd *f)
{
	struct base_fd *gone = NULL;

	rmutex_lock(&c->lock);
	if (--f->users == 0) {
		if (f->uncached) {
			gone = f;
		} else {
			DL_APPEND(c->idle, f);
			c->idle_count++;
		}
		if (!gone && c->idle_count > c->idle_max) {
			gone = c->idle;
			detach_idle_locked(c, gone);
		}
	}
	rmutex_unlock(&c->lock);
	if (gone)
		base_fd_destroy(gone);
}

/* The descriptor for the caller to destroy, or NULL. */
static struct base_fd *remove_locked(struct fd_cache *c, mapfs_ino ino,
				     enum base_want want)
{
	const struct fd_key key = { .ino = ino, .want = want };
	struct base_fd *f = NULL;

	HASH_FIND(hh, c->fds, &key, sizeof(key), f);
	if (!f)
		return NULL;
	if (f->users == 0) {
		detach_idle_locked(c, f);
		return f;
	}
	HASH_DEL(c->fds, f);
	f->uncached = true;
	return NULL;
}

void fd_cache_remove(struct fd_cache *c, mapfs_ino ino)
{
	struct base_fd *path;
	struct base_fd *data;

	rmutex_lock(&c->lock);
	path = remove_locked(c, ino, BASE_PATH);
	data = remove_locked(c, ino, BASE_READ);
	rmutex_unlock(&c->lock);
	if (path)
		base_fd_destroy(path);
	if (data)
		base_fd_destroy(data);
}
