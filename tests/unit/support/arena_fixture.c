/* SPDX-License-Identifier: MIT */
#include "arena_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <unistd.h>

#include "core/lib/io.h"

static struct fixture open_arena_on(int fd)
{
	struct fixture f = { .fd = dup(fd) };

	assert_true(f.fd >= 0);
	assert_int_equal(arena_open(&f.a, fd), 0);
	return f;
}

struct fixture open_arena(void)
{
	int fd = -1;

	assert_int_equal(io_tmpfile(-1, &fd), 0);
	return open_arena_on(fd);
}

void close_arena(struct fixture *f)
{
	assert_true(arena_check(f->a));
	arena_close(f->a);
	close(f->fd);
}

void reopen_arena(struct fixture *f)
{
	int fd = dup(f->fd);

	close_arena(f);
	*f = open_arena_on(fd);
}

mapfs_apage take(struct arena *a, uint64_t count, mapfs_apage hint)
{
	mapfs_apage first = 0;
	uint64_t got = 0;

	assert_int_equal(arena_alloc(a, count, hint, &first, &got), 0);
	assert_int_equal(got, count);
	return first;
}

void sync_point(struct arena *a)
{
	arena_seal_freed(a);
	assert_int_equal(arena_sync(a), 0);
	arena_release_sealed(a);
}

struct arena_stats stats_of(struct arena *a)
{
	struct arena_stats s;

	arena_stats(a, &s);
	return s;
}

struct stat stat_of(const struct fixture *f)
{
	struct stat st;

	assert_int_equal(fstat(f->fd, &st), 0);
	return st;
}
