/* SPDX-License-Identifier: MIT */
#include "damage.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

#define NAMES_MOST 4 /* in one line */

/* "s1, s2 and the present state"; hidden snapshots are not for people. */
static void print_states(FILE *to, const struct mapfs_check_damage *d)
{
	size_t count = 0;

	for (size_t n = 0; n < d->snapshot_count; n++) {
		if (d->snapshots[n][0] == '.')
			continue;
		if (count < NAMES_MOST)
			fprintf(to, "%s%s", count ? ", " : "", d->snapshots[n]);
		count++;
	}
	if (count > NAMES_MOST)
		fprintf(to, ", %zu more", count - NAMES_MOST);
	if (d->is_present)
		fprintf(to, "%sthe present state", count ? " and " : "");
	else if (!count)
		fputs("what a commit keeps", to);
}

char *damage_text(const struct mapfs_check_damage *d)
{
	char *text = NULL;
	size_t bytes;
	FILE *to = open_memstream(&text, &bytes);

	if (!to) {
		say("out of memory; try again later");
		exit(EXIT_FAILURE);
	}
	fputs(d->text, to);
	if (d->kind == MAPFS_DAMAGE_PAGES || d->kind == MAPFS_DAMAGE_JOURNAL) {
		fputs(d->kind == MAPFS_DAMAGE_PAGES ? " (shown by " :
						      " (concerns ",
		      to);
		print_states(to, d);
		fputs(")", to);
	}
	if (fclose(to) || !text) {
		say("out of memory; try again later");
		exit(EXIT_FAILURE);
	}
	return text;
}

static int say_one(void *arg, const struct mapfs_check_damage *d)
{
	char *text = damage_text(d);

	say("%s: %s", (const char *)arg, text);
	free(text);
	return 0;
}

void damage_say(const char *store, bool is_trusted)
{
	const struct mapfs_check_options opt = {
		.store = store,
		.is_trusted = is_trusted,
		.without_pages = true,
		.fn = say_one,
		.arg = (void *)store,
	};
	struct mapfs_check_result result;
	struct reason why;

	if (mapfs_check(&opt, &result, &why) == 0 && result.damages)
		say("%s: only what is sound of it can be shown, read-only "
		    "(operations behind the damage that cannot be applied: "
		    "%" PRIu64 "); see `mapfs check %s`",
		    store, result.operations_skipped, store);
	mapfs_check_result_fini(&result);
}
