/* SPDX-License-Identifier: MIT */
#include "rights.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "core/lib/array.h"
#include "note.h"
#include "tools/lib/text.h"

#define SHOWN_MOST 20

static void out_of_memory(void)
{
	say("out of memory; try again later");
	exit(1);
}

/* Does a store of another user make or change an object of a third one? */
static bool is_given_away(const struct rights *r,
			  const struct mapfs_diff_entry *e)
{
	if (!r->is_foreign || e->change == MAPFS_DELETED ||
	    e->new_side.uid == r->owner)
		return false;
	return e->change == MAPFS_ADDED || e->change == MAPFS_RETYPED ||
	       (e->what & MAPFS_WHAT_OWNER);
}

static enum rights_rank rank_of(const struct mapfs_diff_side *s)
{
	if (!S_ISREG(s->mode) || s->has_capability)
		return RIGHTS_ROOT;
	if ((s->mode & S_ISUID) && s->uid == 0)
		return RIGHTS_ROOT;
	return (s->mode & S_ISGID) && s->gid == 0 ? RIGHTS_ROOT : RIGHTS_USER;
}

static void add_line(struct rights *r, enum rights_rank rank, const char *note,
		     const char *path)
{
	struct rights_line *line;

	if (array_reserve(&r->lines, &r->cap, r->count + 1))
		out_of_memory();
	line = &r->lines[r->count];
	line->rank = rank;
	if (asprintf(&line->text, "%s: %s", note, *path ? path : ".") < 0)
		out_of_memory();
	r->count++;
}

void rights_add(struct rights *r, const struct mapfs_diff_entry *e)
{
	char note[DIFF_NOTE_BYTES];

	diff_note_rights(e, note);
	if (*note) {
		add_line(r, rank_of(&e->new_side), note, e->path);
	} else if (is_given_away(r, e)) {
		diff_note(e, r->owner, note);
		add_line(r, RIGHTS_OWNER, note, e->path);
	}
}

static size_t print_rank(const struct rights *r, enum rights_rank rank,
			 size_t room, FILE *to)
{
	size_t shown = 0;

	for (size_t n = 0; n < r->count && shown < room; n++) {
		char *line;

		if (r->lines[n].rank != rank)
			continue;
		line = text_escape(r->lines[n].text);
		fprintf(to, "  %s\n", line);
		free(line);
		shown++;
	}
	return shown;
}

void rights_print(const struct rights *r, FILE *to)
{
	size_t room = SHOWN_MOST;

	if (r->count == 0)
		return;
	fprintf(to, "%zu of them give%s rights:\n", r->count,
		r->count == 1 ? "s" : "");
	for (int rank = 0; rank < RIGHTS_RANKS; rank++)
		room -= print_rank(r, (enum rights_rank)rank, room, to);
	if (r->count > SHOWN_MOST)
		fprintf(to, "  ... and %zu more\n", r->count - SHOWN_MOST);
}

void rights_json(const struct rights *r, cJSON *array)
{
	for (size_t n = 0; n < r->count; n++) {
		char *text = text_json(r->lines[n].text);

		cJSON_AddItemToArray(array, cJSON_CreateRaw(text));
		free(text);
	}
}

void rights_fini(struct rights *r)
{
	for (size_t n = 0; n < r->count; n++)
		free(r->lines[n].text);
	free(r->lines);
	r->lines = NULL;
	r->count = 0;
	r->cap = 0;
}
