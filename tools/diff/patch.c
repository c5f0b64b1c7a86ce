/* SPDX-License-Identifier: MIT */
/*
 * Entries are kept until the last one was added: a renamed directory becomes
 * a rename of each file in it that has no entry of its own, so all entries must
 * be known.
 */
#include "patch.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uthash.h>

#include "core/lib/array.h"
#include "core/lib/path.h"
#include "hunks.h"
#include "tools/lib/text.h"

#define MODE_LINK 0120000U
#define MODE_FILE 0100644U
#define MODE_PROGRAM 0100755U
/* As in git, a file is binary if it has a NUL this early; or if it is larger
   than diff(1) could keep in memory. */
#define LOOK_BYTES 8000
#define TEXT_BYTES_MOST ((uint64_t)512 << 20)

struct item {
	UT_hash_handle hh; /* by old_path, if it has an old side */
	enum mapfs_change change;
	unsigned int what;
	char *path;
	char *old_path;
	mode_t old_mode; /* 0: the side does not exist */
	mode_t new_mode;
	uint64_t old_bytes;
	uint64_t new_bytes;
};

struct diff_patch {
	struct item **items;
	size_t count;
	size_t cap;
	uint64_t entries; /* items that the caller added */
	struct item *by_old;
	const struct diff_tree *old_tree;
	const struct diff_tree *new_tree;
	const char *const *paths; /* NULL: all */
	size_t path_count;
	const char *at;	  /* the path that is being worked on */
	const char *lost; /* a renamed directory that the base has lost; NULL */
};

_Noreturn static void out_of_memory(void)
{
	say("out of memory; try again later");
	exit(2);
}

static void *need(void *p)
{
	if (!p)
		out_of_memory();
	return p;
}

struct diff_patch *diff_patch_create(void)
{
	return need(calloc(1, sizeof(struct diff_patch)));
}

static struct item *item_add(struct diff_patch *p, const char *path,
			     const char *old_path)
{
	struct item *i = need(calloc(1, sizeof(*i)));

	if (array_reserve_bytes(&p->items, sizeof(struct item *), &p->cap,
				p->count + 1))
		out_of_memory();
	p->items[p->count++] = i;
	i->path = need(strdup(path));
	i->old_path = need(strdup(old_path));
	return i;
}

int diff_patch_add(struct diff_patch *p, const struct mapfs_diff_entry *e)
{
	struct item *i = item_add(p, e->path, e->old_path);

	i->change = e->change;
	i->what = e->what;
	i->old_mode = e->old_side.mode;
	i->new_mode = e->new_side.mode;
	i->old_bytes = e->old_side.size_bytes;
	i->new_bytes = e->new_side.size_bytes;
	if (i->old_mode)
		HASH_ADD_KEYPTR(hh, p->by_old, i->old_path, strlen(i->old_path),
				i);
	p->entries++;
	return 0;
}

void diff_patch_limit(struct diff_patch *p, const char *const *paths,
		      size_t count)
{
	p->paths = paths;
	p->path_count = count;
}

/* A path may be here only because a renamed directory above it was listed. */
static bool is_in_limit(const struct diff_patch *p, const char *path)
{
	for (size_t n = 0; n < p->path_count; n++) {
		const size_t len = strlen(p->paths[n]);

		if (len == 0 || (strncmp(path, p->paths[n], len) == 0 &&
				 (path[len] == '\0' || path[len] == '/')))
			return true;
	}
	return p->paths == NULL;
}

uint64_t diff_patch_count(const struct diff_patch *p)
{
	return p->entries;
}

/* --- renamed directories ----------------------------------------------- */

struct spelling {
	struct diff_patch *patch;
	const struct item *dir;
};

static int spell_name(void *arg, const char *old_path, mode_t type)
{
	struct spelling *s = arg;
	struct item *i;
	char *path;

	HASH_FIND_STR(s->patch->by_old, old_path, i);
	if (S_ISDIR(type)) {
		if (i && i->change != MAPFS_MODIFIED)
			return 0; /* it has an entry of its own */
		return diff_tree_list(s->patch->old_tree, old_path, spell_name,
				      s);
	}
	if (i)
		return 0;
	if (path_join(&path, s->dir->path,
		      old_path + strlen(s->dir->old_path) + 1))
		out_of_memory();
	i = item_add(s->patch, path, old_path);
	free(path);
	i->change = MAPFS_RENAMED;
	i->old_mode = type;
	i->new_mode = type;
	return 0;
}

/* Errors of a directory that the base has lost; other entries are valid. */
static bool is_lost(int err)
{
	return err == -ENOENT || err == -ENOTDIR || err == -ELOOP ||
	       err == -ESTALE;
}

static int spell_dirs(struct diff_patch *p)
{
	const size_t given = p->count;
	int err = 0;

	for (size_t n = 0; n < given && !err; n++) {
		struct spelling s = { .patch = p, .dir = p->items[n] };

		if (s.dir->change != MAPFS_RENAMED || !S_ISDIR(s.dir->new_mode))
			continue;
		p->at = s.dir->old_path;
		err = diff_tree_list(p->old_tree, s.dir->old_path, spell_name,
				     &s);
		if (is_lost(err)) {
			p->lost = s.dir->old_path;
			err = 0;
		}
	}
	return err;
}

static int by_path(const void *a, const void *b)
{
	const struct item *x = *(struct item *const *)a;
	const struct item *y = *(struct item *const *)b;
	int order = strcmp(x->path, y->path);

	if (order)
		return order;
	return (x->change != MAPFS_DELETED) - (y->change != MAPFS_DELETED);
}

/* --- names ------------------------------------------------------------- */

static bool is_plain(const char *name)
{
	const unsigned char *c = (const unsigned char *)name;

	for (; *c; c++)
		if (*c < 0x20 || *c >= 0x7f || *c == '"' || *c == '\\')
			return false;
	/* patch(1) does not take a space at the end as a part of the name. */
	return (const char *)c == name || c[-1] != ' ';
}

/* As git quotes names. */
static void put_quoted(FILE *to, const char *prefix, const char *name)
{
	static const char letters[] = "abtnvfr"; /* from \a on */

	fprintf(to, "\"%s", prefix);
	for (const unsigned char *c = (const unsigned char *)name; *c; c++) {
		if (*c >= '\a' && *c <= '\r')
			fprintf(to, "\\%c", letters[*c - '\a']);
		else if (*c == '"' || *c == '\\')
			fprintf(to, "\\%c", *c);
		else if (*c < 0x20 || *c >= 0x7f)
			fprintf(to, "\\%03o", *c);
		else
			putc(*c, to);
	}
	putc('"', to);
}

/* `prefix` belongs to the name. */
static void put_name(FILE *to, const char *prefix, const char *name)
{
	if (is_plain(name))
		fprintf(to, "%s%s", prefix, name);
	else
		put_quoted(to, prefix, name);
}

/* One of the two lines above hunks; name NULL: the side does not exist. */
static void put_head(FILE *to, const char *mark, const char *prefix,
		     const char *name)
{
	fputs(mark, to);
	if (name)
		put_name(to, prefix, name);
	else
		fputs("/dev/null", to);
	/* The tab marks the end of a name with spaces. */
	fputs(name && is_plain(name) && strchr(name, ' ') ? "\t\n" : "\n", to);
}

/* patch(1) would not see where a name with spaces ends. */
static void put_git_name(const char *prefix, const char *name)
{
	if (strchr(name, ' '))
		put_quoted(stdout, prefix, name);
	else
		put_name(stdout, prefix, name);
}

static void put_git_line(const char *old_path, const char *path)
{
	fputs("diff --git ", stdout);
	put_git_name("a/", old_path);
	putchar(' ');
	put_git_name("b/", path);
	putchar('\n');
}

/* --- one file ---------------------------------------------------------- */

/* The mode in a patch; 0: git cannot store this type. */
static unsigned int git_mode(mode_t mode)
{
	if (S_ISLNK(mode))
		return MODE_LINK;
	if (!S_ISREG(mode))
		return 0;
	return mode & S_IXUSR ? MODE_PROGRAM : MODE_FILE;
}

/* The bytes of a link are its target. */
static int open_link(const struct diff_tree *t, const char *path, int *fd)
{
	char *target = need(malloc(PATH_MAX));
	ssize_t n = diff_tree_readlink(t, path, target);
	FILE *copy = n < 0 ? NULL : tmpfile();
	int err = n < 0 ? (int)n : 0;

	if (!err && !copy)
		err = -errno;
	if (copy) {
		if (fwrite(target, 1, (size_t)n, copy) != (size_t)n ||
		    fflush(copy))
			err = -errno;
		*fd = err ? -1 : dup(fileno(copy));
		if (!err && (*fd < 0 || lseek(*fd, 0, SEEK_SET) < 0))
			err = -errno;
		fclose(copy);
	}
	free(target);
	return err;
}

/* path NULL: the file is not there. */
static int open_side(struct diff_patch *p, const struct diff_tree *t,
		     const char *path, mode_t mode, int *fd)
{
	*fd = -1;
	if (!path)
		return 0;
	p->at = path;
	return S_ISLNK(mode) ? open_link(t, path, fd) :
			       diff_tree_read(t, path, fd);
}

static int put_hunks(int old_fd, int new_fd, const char *old_path,
		     const char *path)
{
	char *head = NULL;
	size_t bytes;
	FILE *to = need(open_memstream(&head, &bytes));
	int err;

	put_head(to, "--- ", "a/", old_path);
	put_head(to, "+++ ", "b/", path);
	fclose(to);
	err = diff_hunks_print(old_fd, new_fd, need(head));
	free(head);
	return err;
}

static void put_binary(const char *old_path, const char *path)
{
	fputs("Binary files ", stdout);
	if (old_path)
		put_name(stdout, "a/", old_path);
	else
		fputs("/dev/null", stdout);
	fputs(" and ", stdout);
	if (path)
		put_name(stdout, "b/", path);
	else
		fputs("/dev/null", stdout);
	fputs(" differ\n", stdout);
}

/* Done before the file is copied; path NULL: the side does not exist. */
static int look_for_binary(struct diff_patch *p, const struct diff_tree *t,
			   const char *path, mode_t mode, bool *is_binary)
{
	char buf[LOOK_BYTES];
	ssize_t n;

	if (!path || S_ISLNK(mode))
		return 0;
	p->at = path;
	n = diff_tree_peek(t, path, buf, sizeof(buf));
	if (n < 0)
		return (int)n;
	*is_binary |= memchr(buf, '\0', (size_t)n) != NULL;
	return 0;
}

/* The content of an item; a path that is NULL: the side does not exist. */
static int put_content(struct diff_patch *p, const struct item *i,
		       const char *old_path, const char *path)
{
	bool is_binary = (old_path && i->old_bytes > TEXT_BYTES_MOST) ||
			 (path && i->new_bytes > TEXT_BYTES_MOST);
	int old_fd;
	int new_fd = -1;
	int err = look_for_binary(p, p->old_tree, old_path, i->old_mode,
				  &is_binary);

	if (!err)
		err = look_for_binary(p, p->new_tree, path, i->new_mode,
				      &is_binary);
	if (err)
		return err;
	if (is_binary) {
		put_binary(old_path, path);
		return 0;
	}
	err = open_side(p, p->old_tree, old_path, i->old_mode, &old_fd);
	if (!err)
		err = open_side(p, p->new_tree, path, i->new_mode, &new_fd);
	if (!err)
		err = put_hunks(old_fd, new_fd, old_path, path);
	if (old_fd >= 0)
		close(old_fd);
	if (new_fd >= 0)
		close(new_fd);
	return err;
}

static int put_deleted(struct diff_patch *p, const struct item *i)
{
	if (!git_mode(i->old_mode))
		return 0;
	put_git_line(i->old_path, i->old_path);
	printf("deleted file mode %o\n", git_mode(i->old_mode));
	/* Without hunks patch(1) needs this line: the file is empty. */
	if (i->old_bytes == 0)
		puts("index e69de29..0000000");
	return put_content(p, i, i->old_path, NULL);
}

static int put_added(struct diff_patch *p, const struct item *i)
{
	if (!git_mode(i->new_mode))
		return 0;
	put_git_line(i->path, i->path);
	printf("new file mode %o\n", git_mode(i->new_mode));
	if (i->new_bytes == 0)
		puts("index 0000000..e69de29");
	return put_content(p, i, NULL, i->path);
}

static int put_changed(struct diff_patch *p, const struct item *i)
{
	const unsigned int old_mode = git_mode(i->old_mode);
	const unsigned int new_mode = git_mode(i->new_mode);
	const bool is_renamed = strcmp(i->old_path, i->path) != 0;
	const bool is_other = i->what & MAPFS_WHAT_CONTENT;

	if (!is_renamed && !is_other && old_mode == new_mode)
		return 0;
	put_git_line(i->old_path, i->path);
	if (old_mode != new_mode)
		printf("old mode %o\nnew mode %o\n", old_mode, new_mode);
	if (is_renamed) {
		if (!is_other)
			puts("similarity index 100%");
		fputs("rename from ", stdout);
		put_name(stdout, "", i->old_path);
		fputs("\nrename to ", stdout);
		put_name(stdout, "", i->path);
		putchar('\n');
	}
	if (!is_other)
		return 0;
	return put_content(p, i, i->old_path, i->path);
}

static int put_item(struct diff_patch *p, const struct item *i)
{
	const bool is_kept = git_mode(i->old_mode) && git_mode(i->new_mode) &&
			     (i->old_mode & S_IFMT) == (i->new_mode & S_IFMT);
	int err;

	/* patch(1) can neither change nor rename a symbolic link. */
	if (is_kept &&
	    !(S_ISLNK(i->new_mode) && ((i->what & MAPFS_WHAT_CONTENT) ||
				       strcmp(i->old_path, i->path) != 0)))
		return put_changed(p, i);
	err = put_deleted(p, i);
	return err ? err : put_added(p, i);
}

int diff_patch_write(struct diff_patch *p, const struct diff_tree *old_tree,
		     const struct diff_tree *new_tree, struct reason *why)
{
	int err;

	p->old_tree = old_tree;
	p->new_tree = new_tree;
	err = spell_dirs(p);
	if (p->count > 1)
		qsort(p->items, p->count, sizeof(struct item *), by_path);
	for (size_t n = 0; n < p->count && !err && !ferror(stdout); n++) {
		const struct item *i = p->items[n];

		p->at = i->path;
		if (is_in_limit(p, i->path) || is_in_limit(p, i->old_path))
			err = put_item(p, i);
	}
	if (err == -ENOENT)
		reason_set(why,
			   "%s: was removed meanwhile, or diff(1) is missing; "
			   "compare again, or install diffutils",
			   p->at);
	else if (err)
		reason_set(why, "%s: cannot be read: %s; the patch ends here",
			   p->at, strerror(-err));
	if (err || !p->lost)
		return err;
	reason_set(why,
		   "%s: the base has lost it; the patch is without the files "
		   "that the view has moved from there",
		   p->lost);
	return -ENODATA;
}

void diff_patch_destroy(struct diff_patch *p)
{
	if (!p)
		return;
	HASH_CLEAR(hh, p->by_old);
	for (size_t n = 0; n < p->count; n++) {
		free(p->items[n]->path);
		free(p->items[n]->old_path);
		free(p->items[n]);
	}
	free(p->items);
	free(p);
}
