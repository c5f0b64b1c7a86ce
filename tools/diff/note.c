/* SPDX-License-Identifier: MIT */
#include "note.h"

#include <grp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>

#include "tools/lib/text.h"

#define NAME_BYTES TEXT_USER

/* A note: phrases, separated by commas. */
struct note {
	char *out;
	size_t len;
};

__attribute__((format(printf, 2, 3))) static void note_add(struct note *n,
							   const char *fmt, ...)
{
	va_list ap;
	int more;

	if (n->len >= DIFF_NOTE_BYTES - 3)
		return;
	if (n->len)
		n->len += (size_t)snprintf(n->out + n->len,
					   DIFF_NOTE_BYTES - n->len, ", ");
	va_start(ap, fmt);
	more = vsnprintf(n->out + n->len, DIFF_NOTE_BYTES - n->len, fmt, ap);
	va_end(ap);
	if (more > 0)
		n->len += (size_t)more;
}

static void group_name(gid_t gid, char out[NAME_BYTES])
{
	const struct group *gr = getgrgid(gid);

	if (gr)
		snprintf(out, NAME_BYTES, "%s", gr->gr_name);
	else
		snprintf(out, NAME_BYTES, "%u", (unsigned int)gid);
}

/* On a file that cannot be executed this bit means mandatory locking. */
static bool is_set_gid(mode_t mode)
{
	return S_ISREG(mode) &&
	       (mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP);
}

static void add_rights(struct note *n, const struct mapfs_diff_side *s)
{
	char name[NAME_BYTES];

	if (S_ISREG(s->mode) && (s->mode & S_ISUID)) {
		text_user(name, s->uid);
		note_add(n, "set-uid %s", name);
	}
	if (is_set_gid(s->mode)) {
		group_name(s->gid, name);
		note_add(n, "set-gid %s", name);
	}
	if (s->has_capability)
		note_add(n, "capabilities");
	if (S_ISCHR(s->mode) || S_ISBLK(s->mode))
		note_add(n, "device %u:%u", (unsigned int)(s->rdev >> 32),
			 (unsigned int)s->rdev);
}

/* Of an object that the base has lost, the old side is all zero. */
static void add_changes(struct note *n, const struct mapfs_diff_entry *e)
{
	const struct mapfs_diff_side *a = &e->old_side;
	const struct mapfs_diff_side *b = &e->new_side;
	const bool is_given = e->what & MAPFS_WHAT_OWNER;
	char was[NAME_BYTES];
	char is[NAME_BYTES];

	if (e->what & MAPFS_WHAT_MODE)
		note_add(n, "mode %04o -> %04o", (unsigned int)a->mode & 07777,
			 (unsigned int)b->mode & 07777);
	if (is_given && a->uid != b->uid) {
		text_user(was, a->uid);
		text_user(is, b->uid);
		note_add(n, "owner %s -> %s", was, is);
	}
	if (is_given && a->gid != b->gid) {
		group_name(a->gid, was);
		group_name(b->gid, is);
		note_add(n, "group %s -> %s", was, is);
	}
	if (a->has_capability && !b->has_capability)
		note_add(n, "capabilities gone");
}

static void add_unusual(struct note *n, const struct mapfs_diff_side *s,
			uid_t owner)
{
	char name[NAME_BYTES];

	if (S_ISREG(s->mode) && (s->mode & (S_ISUID | S_ISGID)))
		note_add(n, "mode %04o", (unsigned int)s->mode & 07777);
	if (s->uid != owner) {
		text_user(name, s->uid);
		note_add(n, "owner %s", name);
	}
}

void diff_note(const struct mapfs_diff_entry *e, uid_t owner,
	       char out[DIFF_NOTE_BYTES])
{
	struct note n = { .out = out };

	out[0] = '\0';
	switch (e->change) {
	case MAPFS_DELETED:
		return;
	case MAPFS_ADDED:
	case MAPFS_RETYPED:
		add_unusual(&n, &e->new_side, owner);
		break;
	case MAPFS_MODIFIED:
	case MAPFS_RENAMED:
		add_changes(&n, e);
		break;
	}
	add_rights(&n, &e->new_side);
}

void diff_note_rights(const struct mapfs_diff_entry *e,
		      char out[DIFF_NOTE_BYTES])
{
	struct note n = { .out = out };

	out[0] = '\0';
	if (e->change != MAPFS_DELETED)
		add_rights(&n, &e->new_side);
}
