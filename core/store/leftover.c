/* SPDX-License-Identifier: MIT */
/*
 * The order in which a store is made and removed (dir.c, remove.c) leaves
 *
 *   nothing                                 just made, or all but removed
 *   lock, pages, README, anchor, readers, journal/
 *                                           before the first segment; pages is
 *                                           empty, all but lock may be missing
 *   journal.part/ and any of these          a branch or an import
 *   journal/ without pages                  being removed
 *
 * Only `journal` together with `pages` makes a store.  Pages without a journal
 * are a store that lost it, and no leftover.
 */
#include "leftover.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/journal/spare.h"
#include "core/lib/io.h"
#include "core/lib/path.h"
#include "anchor_file.h"
#include "layout.h"
#include "lock.h"

#define TEXT_BYTES 256

/* The names of a store's files; a bit each in struct contents. */
static const char *const names[] = {
	STORE_LOCK,    STORE_PAGES,    STORE_README,	 STORE_READERS,
	STORE_JOURNAL, STORE_BRANCHES, STORE_COMMIT,	 STORE_JOURNAL_PART,
	STORE_ANCHOR,  SPARE_NAME,     SPARE_EMPTY_NAME,
};

enum file_bit {
	HAS_LOCK = 1,
	HAS_PAGES = 2,
	HAS_README = 4,
	HAS_READERS = 8,
	HAS_JOURNAL = 16,
	HAS_BRANCHES = 32,
	HAS_COMMIT = 64,
	HAS_JOURNAL_PART = 128,
	HAS_ANCHOR = 256,
	HAS_SPARE = 512,
	HAS_SPARE_EMPTY = 1024,
};

static_assert(HAS_SPARE_EMPTY == 1U << (sizeof(names) / sizeof(*names) - 1),
	      "a bit for each name, in their order");

struct contents {
	unsigned int has;
	bool has_others;   /* a name that no store has */
	bool has_segments; /* published ones, in journal or journal.part */
	bool pages_are_empty;
	bool had_segments; /* as the anchor says */
};

/* The directory may be anybody's, so looking at it changes no time of it. */
static int open_to_list(int dirfd, const char *name)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW;
	int fd = openat(dirfd, name, flags | O_NOATIME);

	return fd < 0 && errno == EPERM ? openat(dirfd, name, flags) : fd;
}

/* Calls `fn` for each name in the directory `name`; non-zero stops with it. */
static int for_each_name(int dirfd, const char *name,
			 int (*fn)(void *arg, const char *name), void *arg)
{
	int fd = open_to_list(dirfd, name);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *e;
	int err = 0;

	if (!dir) {
		err = -errno;
		if (fd >= 0)
			close(fd);
		return err;
	}
	while (!err && (e = readdir(dir)))
		if (!path_is_dot(e->d_name))
			err = fn(arg, e->d_name);
	closedir(dir);
	return err;
}

static int add_name(void *arg, const char *name)
{
	struct contents *c = arg;

	for (size_t n = 0; n < sizeof(names) / sizeof(*names); n++) {
		if (strcmp(name, names[n]) == 0) {
			c->has |= 1U << n;
			return 0;
		}
	}
	c->has_others = true;
	return 0;
}

/* N or N.tmp */
static int add_segment(void *arg, const char *name)
{
	struct contents *c = arg;
	size_t digits = 0;

	while (isdigit((unsigned char)name[digits]))
		digits++;
	if (digits > 0 && name[digits] == '\0')
		c->has_segments = true;
	else if (digits == 0 || strcmp(name + digits, ".tmp") != 0)
		c->has_others = true;
	return 0;
}

/* Is the file empty, or does it begin as `text`, as far as it was written? */
static bool begins_as(int dirfd, const char *name, const char *text)
{
	char buf[TEXT_BYTES] = { 0 };
	struct stat st;
	ssize_t n = -1;
	int fd = openat(dirfd, name,
			O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	if (fd < 0)
		return false;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		n = io_pread_some(fd, buf, sizeof(buf), 0);
	close(fd);
	/* A power cut leaves zeros where bytes did not reach the disk. */
	while (n > 0 && buf[n - 1] == '\0')
		n--;
	if (n > (ssize_t)strlen(text))
		n = (ssize_t)strlen(text);
	return n >= 0 && strncmp(buf, text, (size_t)n) == 0;
}

static void judge_texts(int dirfd, struct contents *c)
{
	struct stat st;

	if ((c->has & HAS_LOCK) &&
	    !begins_as(dirfd, STORE_LOCK, STORE_HOLDER_MOUNTED) &&
	    !begins_as(dirfd, STORE_LOCK, STORE_HOLDER_CLOSING))
		c->has_others = true;
	if ((c->has & HAS_README) &&
	    !begins_as(dirfd, STORE_README, STORE_README_TEXT))
		c->has_others = true;
	c->pages_are_empty =
		!(c->has & HAS_PAGES) ||
		(fstatat(dirfd, STORE_PAGES, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		 S_ISREG(st.st_mode) && st.st_size == 0);
}

/* A store that lost its journal is no leftover. */
static bool had_segments(int dirfd)
{
	struct anchor_facts facts;
	struct anchor_file a;
	bool bad;
	bool had;

	if (anchor_file_open(&a, dirfd, false))
		return false;
	had = anchor_file_read(&a, &facts, &bad) == 0 && facts.bound.segment;
	anchor_file_close(&a);
	return had;
}

static enum mapfs_leftover judge(const struct contents *c)
{
	const bool has_more = c->has & (HAS_BRANCHES | HAS_COMMIT);

	if (c->has_others)
		return MAPFS_LEFTOVER_NONE;
	if (c->has & HAS_JOURNAL) {
		/* With the anchor it only lost its pages. */
		if (!(c->has & HAS_PAGES))
			return c->has & HAS_ANCHOR ? MAPFS_LEFTOVER_NONE :
						     MAPFS_LEFTOVER_REMOVED;
		return c->has_segments || c->had_segments || has_more ||
				       !c->pages_are_empty ?
			       MAPFS_LEFTOVER_NONE :
			       MAPFS_LEFTOVER_NEW;
	}
	if (has_more)
		return MAPFS_LEFTOVER_NONE;
	if (c->has & HAS_JOURNAL_PART)
		return MAPFS_LEFTOVER_PART;
	return (c->has & HAS_LOCK) && c->pages_are_empty ? MAPFS_LEFTOVER_NEW :
							   MAPFS_LEFTOVER_NONE;
}

bool leftover_is_damaged_store(int dirfd)
{
	struct contents c = { 0 };
	struct stat st;

	if (for_each_name(dirfd, STORE_JOURNAL, add_segment, &c) ||
	    c.has_others)
		return false;
	if (had_segments(dirfd))
		return true;
	return fstatat(dirfd, STORE_README, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       st.st_size >= (off_t)strlen(STORE_README_TEXT) &&
	       begins_as(dirfd, STORE_README, STORE_README_TEXT);
}

/* A directory that a command made for a store has these rights. */
static bool is_made_for_store(int dirfd)
{
	struct stat st;

	return fstat(dirfd, &st) == 0 && st.st_uid == geteuid() &&
	       (st.st_mode & 0777) == 0700;
}

int leftover_find(int dirfd, enum mapfs_leftover *out)
{
	struct contents c = { 0 };
	int err = for_each_name(dirfd, ".", add_name, &c);

	if (err)
		return err;
	if (c.has == 0 && !c.has_others) {
		*out = is_made_for_store(dirfd) ? MAPFS_LEFTOVER_EMPTY :
						  MAPFS_LEFTOVER_NONE;
		return 0;
	}
	if (c.has & HAS_JOURNAL)
		err = for_each_name(dirfd, STORE_JOURNAL, add_segment, &c);
	else if (c.has & HAS_JOURNAL_PART)
		err = for_each_name(dirfd, STORE_JOURNAL_PART, add_segment, &c);
	/* A file of that name is somebody's, or it was removed just now. */
	if (err == -ENOTDIR || err == -ELOOP || err == -ENOENT)
		c.has_others = true;
	else if (err)
		return err;
	judge_texts(dirfd, &c);
	c.had_segments = (c.has & HAS_ANCHOR) && had_segments(dirfd);
	*out = judge(&c);
	return 0;
}

static bool is_in_use(int dirfd)
{
	struct store_holder holder;
	bool is_held = false;
	int fd = openat(dirfd, STORE_LOCK,
			O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	if (fd < 0)
		return false;
	if (store_holder_read(fd, &holder, &is_held))
		is_held = false;
	close(fd);
	return is_held;
}

void leftover_explain(int dirfd, const char *path, enum mapfs_leftover kind,
		      struct reason *why)
{
	static const char *const texts[] = {
		[MAPFS_LEFTOVER_NONE] = "not a store; name one",
		[MAPFS_LEFTOVER_EMPTY] = "an empty directory, not a store",
		[MAPFS_LEFTOVER_NEW] =
			"a store that was never finished and holds nothing",
		[MAPFS_LEFTOVER_PART] =
			"the rest of a branch or an import that was never finished",
		[MAPFS_LEFTOVER_REMOVED] =
			"the rest of a store whose removal was interrupted",
	};

	if (kind == MAPFS_LEFTOVER_NONE)
		reason_set(why, "%s: %s", path, texts[kind]);
	else if (is_in_use(dirfd))
		reason_set(
			why,
			"%s: another command makes or removes a store here; try again when that has ended",
			path);
	else
		reason_set(why, "%s: %s; remove it with `mapfs discard %s`",
			   path, texts[kind], path);
}

int mapfs_leftover(const char *path, enum mapfs_leftover *out,
		   struct reason *why)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int err = fd < 0 ? -errno : leftover_find(fd, out);

	reason_clear(why);
	if (err)
		reason_set(why, "%s: %s", path, reason_of(err));
	else if (*out)
		leftover_explain(fd, path, *out, why);
	if (fd >= 0)
		close(fd);
	return err;
}
