/* SPDX-License-Identifier: MIT */
/*
 * A line begins with the letter, the type and, unless it is the content only,
 * what changed:
 *
 *   M f notes               R f old.c -> new.c
 *   M f mode,owner notes    D d build
 *
 * and ends, after a tab, with a note on mode and owner (note.h):
 *
 *   M f mode,owner notes    mode 0755 -> 4755, owner al -> root
 *
 * With -z every field ends with NUL, and what changed is always given:
 *
 *   LETTER TYPE WHAT \0 [OLD \0] PATH \0
 */
#include "print.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "note.h"
#include "tools/lib/text.h"

#define WHAT_BYTES 64

static const struct {
	unsigned int bit;
	const char *name;
} whats[] = {
	{ MAPFS_WHAT_CONTENT, "content" }, { MAPFS_WHAT_MODE, "mode" },
	{ MAPFS_WHAT_OWNER, "owner" },	   { MAPFS_WHAT_TIME, "time" },
	{ MAPFS_WHAT_XATTR, "xattr" },
};

#define WHATS (sizeof(whats) / sizeof(*whats))

static char type_letter(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFDIR:
		return 'd';
	case S_IFLNK:
		return 'l';
	case S_IFIFO:
		return 'p';
	case S_IFSOCK:
		return 's';
	case S_IFCHR:
		return 'c';
	case S_IFBLK:
		return 'b';
	default:
		return 'f';
	}
}

static mode_t entry_mode(const struct mapfs_diff_entry *e)
{
	return e->change == MAPFS_DELETED ? e->old_side.mode : e->new_side.mode;
}

static void what_names(unsigned int what, char out[WHAT_BYTES])
{
	size_t len = 0;

	out[0] = '\0';
	for (size_t i = 0; i < WHATS; i++) {
		if (what & whats[i].bit)
			len += (size_t)snprintf(out + len, WHAT_BYTES - len,
						"%s%s", len ? "," : "",
						whats[i].name);
	}
}

/* A new modification time is not named if the content changed, too. */
static unsigned int what_to_say(const struct mapfs_diff_entry *e)
{
	unsigned int what = e->what;

	if (what & MAPFS_WHAT_CONTENT)
		what &= ~(unsigned int)MAPFS_WHAT_TIME;
	if (what == MAPFS_WHAT_CONTENT && e->change != MAPFS_RENAMED)
		what = 0;
	return e->change == MAPFS_RETYPED ? 0 : what;
}

static const char *or_dot(const char *path)
{
	return *path ? path : ".";
}

static void print_name(const char *path)
{
	char *text = text_escape(or_dot(path));

	fputs(text, stdout);
	free(text);
}

static void print_raw(const struct mapfs_diff_entry *e, bool name_only)
{
	char what[WHAT_BYTES];

	what_names(e->what, what);
	if (!name_only)
		printf("%c %c %s%c", (char)e->change,
		       type_letter(entry_mode(e)), *what ? what : "-", '\0');
	if (!name_only && e->change == MAPFS_RENAMED)
		printf("%s%c", or_dot(e->old_path), '\0');
	printf("%s%c", or_dot(e->path), '\0');
}

static void print_names(const struct mapfs_diff_entry *e)
{
	if (e->change == MAPFS_RENAMED) {
		print_name(e->old_path);
		fputs(" -> ", stdout);
	}
	print_name(e->path);
}

/* Escaped names have no tab, so no name can look like a note. */
static void print_letters(const struct diff_printer *p,
			  const struct mapfs_diff_entry *e)
{
	char note[DIFF_NOTE_BYTES];
	char what[WHAT_BYTES];

	what_names(what_to_say(e), what);
	printf("%c %c %s%s", (char)e->change, type_letter(entry_mode(e)), what,
	       *what ? " " : "");
	print_names(e);
	diff_note(e, p->owner, note);
	printf("%s%s\n", *note ? "\t" : "", note);
}

static void print_stat(const struct mapfs_diff_entry *e)
{
	printf("%c %c %8" PRIu64 " pages %12" PRIu64 " bytes  ",
	       (char)e->change, type_letter(entry_mode(e)), e->pages, e->bytes);
	print_names(e);
	putchar('\n');
}

static void print_pages(const struct diff_printer *p,
			const struct mapfs_diff_entry *e)
{
	print_letters(p, e);
	for (size_t i = 0; i < e->range_count; i++)
		printf("\t%" PRIu64 "+%" PRIu64 "\n", e->ranges[i].off_bytes,
		       e->ranges[i].len_bytes);
}

static void print_json_string(const char *key, const char *value)
{
	char *text = text_json(value);

	printf("\"%s\": %s", key, text);
	free(text);
}

/* After the year 2262 nanoseconds since 1970 need more than 64 bits. */
static void print_json_time(struct timespec t)
{
	intmax_t sec = t.tv_sec;
	long nsec = t.tv_nsec;

	/* Both parts have the same sign, because their digits are joined. */
	if (sec < 0 && nsec > 0) {
		sec++;
		nsec = 1000000000 - nsec;
		if (sec == 0)
			nsec = -nsec;
	}
	if (sec == 0)
		printf("%ld", nsec);
	else
		printf("%jd%09ld", sec, nsec);
}

static void print_json_side(const char *key, const struct mapfs_diff_side *s)
{
	if (s->mode == 0) {
		printf(", \"%s\": null", key);
		return;
	}
	/* Printed as integers: a double is not exact for such numbers. */
	printf(", \"%s\": {\"ino\": %" PRIu64 ", \"mode\": %u, \"uid\": %u, "
	       "\"gid\": %u, \"nlink\": %u, \"size\": %" PRIu64
	       ", \"mtime_ns\": ",
	       key, s->ino, s->mode, s->uid, s->gid, s->nlink, s->size_bytes);
	print_json_time(s->mtime);
	if (S_ISCHR(s->mode) || S_ISBLK(s->mode))
		printf(", \"rdev\": [%u, %u]", (unsigned int)(s->rdev >> 32),
		       (unsigned int)s->rdev);
	printf(", \"capabilities\": %s}", s->has_capability ? "true" : "false");
}

static void print_json_what(unsigned int what)
{
	const char *comma = "";

	fputs(", \"what\": [", stdout);
	for (size_t i = 0; i < WHATS; i++) {
		if (what & whats[i].bit) {
			printf("%s\"%s\"", comma, whats[i].name);
			comma = ", ";
		}
	}
	putchar(']');
}

static void print_json_ranges(const struct mapfs_diff_entry *e)
{
	fputs(", \"ranges\": [", stdout);
	for (size_t i = 0; i < e->range_count; i++)
		printf("%s[%" PRIu64 ", %" PRIu64 "]", i ? ", " : "",
		       e->ranges[i].off_bytes, e->ranges[i].len_bytes);
	putchar(']');
}

static void print_json(const struct diff_printer *p,
		       const struct mapfs_diff_entry *e)
{
	printf("%s\n  {\"change\": \"%c\", \"type\": \"%c\", ",
	       p->count > 1 ? "," : "", (char)e->change,
	       type_letter(entry_mode(e)));
	print_json_string("path", e->path);
	fputs(", ", stdout);
	print_json_string("old_path", e->old_path);
	print_json_what(e->what);
	print_json_side("old", &e->old_side);
	print_json_side("new", &e->new_side);
	printf(", \"pages\": %" PRIu64 ", \"bytes\": %" PRIu64, e->pages,
	       e->bytes);
	if (p->want_pages)
		print_json_ranges(e);
	putchar('}');
}

void diff_print_begin(struct diff_printer *p)
{
	if (p->format == DIFF_JSON)
		putchar('[');
}

void diff_print(struct diff_printer *p, const struct mapfs_diff_entry *e)
{
	p->count++;
	p->by_change[(unsigned char)e->change]++;
	p->pages += e->pages;
	p->bytes += e->bytes;
	if (p->is_raw) {
		print_raw(e, p->format == DIFF_NAME_ONLY);
		return;
	}
	switch (p->format) {
	case DIFF_LETTERS:
		print_letters(p, e);
		break;
	case DIFF_STAT:
		print_stat(e);
		break;
	case DIFF_NAME_ONLY:
		print_name(e->path);
		putchar('\n');
		break;
	case DIFF_PAGES:
		print_pages(p, e);
		break;
	case DIFF_JSON:
		print_json(p, e);
		break;
	case DIFF_PATCH:
		break;
	}
}

static void print_totals(const struct diff_printer *p)
{
	static const struct {
		enum mapfs_change change;
		const char *name;
	} names[] = {
		{ MAPFS_ADDED, "added" },     { MAPFS_MODIFIED, "modified" },
		{ MAPFS_DELETED, "deleted" }, { MAPFS_RENAMED, "renamed" },
		{ MAPFS_RETYPED, "retyped" },
	};

	printf("%" PRIu64 " change%s", p->count, p->count == 1 ? "" : "s");
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		uint64_t n = p->by_change[(unsigned char)names[i].change];

		if (n > 0)
			printf(", %" PRIu64 " %s", n, names[i].name);
	}
	printf("; %" PRIu64 " pages, %" PRIu64 " bytes\n", p->pages, p->bytes);
}

void diff_print_end(struct diff_printer *p)
{
	if (p->format == DIFF_JSON)
		puts(p->count > 0 ? "\n]" : "]");
	if (p->format == DIFF_STAT && !p->is_raw)
		print_totals(p);
}
