/* SPDX-License-Identifier: MIT */
#include "journal_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/lib/io.h"

struct journal_where where_dir;
static char journal_dir[64];

int journal_fixture_begin(void **state)
{
	(void)state;
	/* In memory if possible: thousands of fsyncs prove nothing here. */
	(void)snprintf(journal_dir, sizeof(journal_dir),
		       "%s/mapfs-journal-XXXXXX",
		       access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	if (!mkdtemp(journal_dir))
		return -1;
	where_dir = (struct journal_where){
		.dirfd = open(journal_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC),
	};
	return where_dir.dirfd < 0 ? -1 : 0;
}

unsigned int files_in_dir(bool remove)
{
	DIR *d = opendir(journal_dir);
	const struct dirent *e;
	unsigned int n = 0;

	assert_non_null(d);
	while ((e = readdir(d))) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		n++;
		if (remove)
			(void)unlinkat(where_dir.dirfd, e->d_name, 0);
	}
	closedir(d);
	return n;
}

int journal_fixture_end(void **state)
{
	(void)state;
	(void)files_in_dir(true);
	close(where_dir.dirfd);
	return rmdir(journal_dir);
}

struct journal_id id_of(char epoch)
{
	struct journal_id id = { .must_refuse = 0 };

	memset(id.uuid, 'u', sizeof(id.uuid));
	memset(id.epoch, epoch, sizeof(id.epoch));
	return id;
}

/* Every length from 8 on, so every padding too. */
size_t group_bytes(uint64_t tag)
{
	return 8 + (size_t)(tag * 37 % (GROUP_BYTES_MAX - 8));
}

size_t group_fill(uint64_t tag, uint8_t *out)
{
	size_t len = group_bytes(tag);

	memcpy(out, &tag, sizeof(tag));
	for (size_t i = sizeof(tag); i < len; i++)
		out[i] = (uint8_t)(tag + i);
	return len;
}

static int note_group(void *arg, mapfs_lsn lsn, const void *records, size_t len)
{
	struct seen *s = arg;
	uint8_t want[GROUP_BYTES_MAX];
	uint64_t tag;

	assert_true(len >= sizeof(tag));
	memcpy(&tag, records, sizeof(tag));
	assert_int_equal(len, group_bytes(tag));
	(void)group_fill(tag, want);
	assert_memory_equal(records, want, len);
	assert_true(lsn > s->last_lsn);
	assert_true(s->count < SEEN_MAX);
	s->last_lsn = lsn;
	s->tag[s->count++] = tag;
	return 0;
}

struct journal *create_journal(char epoch)
{
	const struct journal_id id = id_of(epoch);
	uint8_t buf[GROUP_BYTES_MAX];
	struct journal *j = NULL;

	assert_int_equal(journal_create(&j, &where_dir, &id, buf,
					group_fill(0, buf)),
			 0);
	return j;
}

int try_append(struct journal *j, uint64_t tag)
{
	uint8_t buf[GROUP_BYTES_MAX];
	mapfs_lsn lsn;

	return journal_append(j, buf, group_fill(tag, buf), &lsn);
}

void append(struct journal *j, uint64_t first, uint64_t last)
{
	for (uint64_t tag = first; tag <= last; tag++)
		assert_int_equal(try_append(j, tag), 0);
}

void sync_journal(struct journal *j)
{
	assert_int_equal(journal_mark(j, GROUP_SYNC, journal_last_lsn(j)), 0);
	assert_int_equal(journal_flush(j), 0);
}

int look(char epoch, struct seen *s)
{
	struct journal_id id = id_of(epoch);
	struct journal_replay replay = { .fn = note_group, .arg = s };
	struct journal *j = NULL;
	int err;

	*s = (struct seen){ .count = 0 };
	memset(id.uuid, 0, sizeof(id.uuid));
	err = journal_open(&j, &where_dir, &id, true, &replay);
	s->discarded = replay.discarded;
	if (!err)
		assert_int_equal(id.uuid[0], 'u');
	journal_close(j);
	return err;
}

int try_reopen(char epoch, struct journal **j)
{
	struct journal_id id = id_of(epoch);
	struct seen s = { .count = 0 };
	struct journal_replay replay = { .fn = note_group, .arg = &s };
	int err = journal_open(j, &where_dir, &id, false, &replay);

	if (err)
		return err;
	err = journal_start(*j);
	if (err)
		journal_close(*j);
	return err;
}

struct journal *reopen(char epoch)
{
	struct journal *j = NULL;

	assert_int_equal(try_reopen(epoch, &j), 0);
	return j;
}

bool seen_is(const struct seen *s, const uint64_t (*runs)[2], size_t count)
{
	size_t n = 0;

	for (size_t r = 0; r < count; r++)
		for (uint64_t tag = runs[r][0]; tag <= runs[r][1]; tag++)
			if (n >= s->count || s->tag[n++] != tag)
				return false;
	return n == s->count;
}

uint8_t *read_segment(const char *name, size_t *bytes)
{
	int fd = openat(where_dir.dirfd, name, O_RDONLY | O_CLOEXEC);
	struct stat st;
	uint8_t *p;

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	p = malloc((size_t)st.st_size + 1);
	assert_non_null(p);
	assert_int_equal(io_pread_all(fd, p, (size_t)st.st_size, 0), 0);
	close(fd);
	*bytes = (size_t)st.st_size;
	return p;
}

void write_segment(const char *name, const void *p, size_t bytes)
{
	int fd = openat(where_dir.dirfd, name,
			O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(io_pwrite_all("t", fd, p, bytes, 0), 0);
	close(fd);
}

bool segment_exists(const char *name)
{
	return faccessat(where_dir.dirfd, name, F_OK, 0) == 0;
}
