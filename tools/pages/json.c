/* SPDX-License-Identifier: MIT */
/*
 * Printed run by run: a file can have millions of them, for which a tree of
 * cJSON would need a gigabyte, and its numbers are doubles, which are not exact
 * for large offsets.
 */
#include "json.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "kind.h"
#include "tools/lib/text.h"

static void print_run(const struct page_map *m, const struct page_run *r)
{
	printf("{\"off_bytes\": %" PRIu64 ", \"len_bytes\": %" PRIu64
	       ", \"source\": \"%s\"",
	       r->run.off_bytes, r->run.len_bytes,
	       kind_styles[kind_of_source(r->run.source)].name);
	if (m->is_compared)
		printf(", \"differs\": %s", r->differs ? "true" : "false");
	putchar('}');
}

static void print_totals(const struct page_map *m)
{
	const int kinds = m->is_compared ? KINDS : KIND_DIFFERS;
	struct kind_totals totals;

	kind_totals_count(&totals, m);
	for (int k = 0; k < kinds; k++)
		printf("%s\"%s\": {\"pages\": %" PRIu64 ", \"bytes\": %" PRIu64
		       "}",
		       k ? ", " : "", kind_styles[k].name, totals.pages[k],
		       totals.bytes[k]);
}

void page_map_json(const struct page_map *m, const char *name)
{
	char *text = text_json(name);

	printf("{\n  \"file\": %s,\n  \"size_bytes\": %" PRIu64
	       ",\n  \"page_bytes\": %u,\n  \"totals\": {",
	       text, m->size_bytes, PAGE_BYTES);
	free(text);
	print_totals(m);
	fputs("},\n  \"runs\": [", stdout);
	for (size_t i = 0; i < m->count; i++) {
		fputs(i ? ",\n    " : "\n    ", stdout);
		print_run(m, &m->runs[i]);
	}
	puts(m->count ? "\n  ]\n}" : "]\n}");
}
