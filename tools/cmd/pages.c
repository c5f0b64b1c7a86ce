/* SPDX-License-Identifier: MIT */
/*
 * mapfs pages: where each page of a file is.
 */
#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "core/mapfs.h"
#include "tools/lib/range.h"
#include "tools/lib/text.h"
#include "tools/lib/trust.h"
#include "tools/pages/json.h"
#include "tools/pages/print.h"
#include "tools/pages/source.h"
#include "tools/pages/svg.h"

enum key {
	KEY_SVG = 0x100,
};

struct pages_args {
	const char *file;
	const char *svg; /* or NULL */
	char *from;	 /* of A..B; NULL: the base */
	char *to;	 /* NULL: the current state */
	bool is_compared;
	bool json;
	bool is_trusted;
};

static int write_svg(const struct page_map *m, const struct pages_args *a)
{
	FILE *to = fopen(a->svg, "we");
	int err = to ? page_map_svg(m, a->file, to) : -errno;

	if (to && fclose(to) != 0 && !err)
		err = -errno;
	if (err)
		say("%s: the picture cannot be written: %s; name another file",
		    a->svg, strerror(-err));
	return err;
}

static int run_pages(const struct pages_args *a)
{
	const struct page_source source = {
		.file = a->file,
		.is_compared = a->is_compared,
		.from = a->from,
		.to = a->to,
		.is_trusted = a->is_trusted,
	};
	struct page_map m;
	struct reason why;
	int err = page_source_read(&m, &source, &why);

	if (err) {
		say("%s", reason_text(&why, err));
		return COMMAND_FAILED;
	}
	if (a->svg)
		err = write_svg(&m, a);
	if (a->json)
		page_map_json(&m, a->file);
	else if (!a->svg)
		err = page_map_print(&m, a->file);
	page_map_fini(&m);
	return err ? COMMAND_FAILED : COMMAND_OK;
}

static error_t take_argument(struct pages_args *a, const char *arg,
			     struct argp_state *state)
{
	if (!a->file)
		a->file = arg;
	else if (!a->is_compared &&
		 (strcmp(arg, "..") == 0 || range_parse(arg, &a->from, &a->to)))
		a->is_compared = true;
	else
		argp_error(state, "%s: not of the form A..B", arg);
	return 0;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct pages_args *a = state->input;

	switch (key) {
	case 'j':
		a->json = true;
		return 0;
	case KEY_SVG:
		a->svg = arg;
		return 0;
	case TRUST_KEY:
		a->is_trusted = true;
		return 0;
	case ARGP_KEY_ARG:
		return take_argument(a, arg, state);
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "FILE is missing");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_option pages_options[] = {
	{ "json", 'j', NULL, 0, "Print a JSON object", 0 },
	{ "svg", KEY_SVG, "PICTURE", 0,
	  "Write the map to the file PICTURE, as SVG, and print only what "
	  "--json asks for",
	  0 },
	TRUST_OPTION,
	{ 0 },
};

static const struct argp pages_argp = {
	.options = pages_options,
	.parser = parse_option,
	.args_doc = "FILE [A..B]",
	.doc = "Shows where each page of a file is. FILE is a file in a "
	       "view; STORE:PATH, a file of a store, mounted or not, also "
	       "if it is mounted as windows; or STORE@NAME:PATH, a file of a "
	       "snapshot. With A..B the pages "
	       "are marked that differ between the snapshots A and B; "
	       "without A the base is compared, without B the current "
	       "state, so .. alone compares these two.\v"
	       "A page is P private: in the store, and in no snapshot, so "
	       "that discarding the store frees it; S snapshot: in the "
	       "store, where a snapshot has it, too; p parent: in a store "
	       "that this one is a branch of; b base: in the file of the "
	       "base; . hole: nowhere, it reads as zeros. D marks a page "
	       "that differs. A cell of the map stands for one or more "
	       "pages, and shows the first of D, P, S, p, b and . that is "
	       "among them.\n\n"
	       "The map is as wide as the terminal, or COLUMNS. On a "
	       "terminal it has colours instead of letters, unless NO_COLOR "
	       "is set.\n\n"
	       "The JSON object has file, size_bytes, page_bytes, totals "
	       "(pages and bytes of each source) and runs: off_bytes, "
	       "len_bytes, source, and with A..B differs. The runs cover "
	       "the file in order.\n\n"
	       "Exit status: 0 done, 1 failed, 2 the command line is "
	       "wrong.\n\n"
	       "Example: mapfs pages view/disk.img v1..",
};

int cmd_pages(int argc, char **argv)
{
	struct pages_args a = { 0 };
	int status;

	if (argp_parse(&pages_argp, argc, argv, 0, NULL, &a))
		return COMMAND_USAGE;
	status = run_pages(&a);
	free(a.from);
	free(a.to);
	return status;
}
