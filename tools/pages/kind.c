/* SPDX-License-Identifier: MIT */
#include "kind.h"

const struct kind_style kind_styles[KINDS] = {
	[KIND_HOLE] = { "hole", '.', "100", "#e0e0e0", "nowhere: zeros" },
	[KIND_BASE] = { "base", 'b', "44", "#4a90d9", "in the base" },
	[KIND_PARENT] = { "parent", 'p', "45", "#9b59b6",
			  "in a parent of the store" },
	[KIND_SNAPSHOT] = { "snapshot", 'S', "43", "#f1c40f",
			    "in the store and in a snapshot" },
	[KIND_PRIVATE] = { "private", 'P', "41", "#e74c3c",
			   "in the store and in no snapshot" },
	[KIND_DIFFERS] = { "differs", 'D', "107", "#000000",
			   "changed from A to B, of any source" },
};

enum page_kind kind_of_source(enum mapfs_source source)
{
	switch (source) {
	case MAPFS_SOURCE_BASE:
		return KIND_BASE;
	case MAPFS_SOURCE_PARENT:
		return KIND_PARENT;
	case MAPFS_SOURCE_SNAPSHOT:
		return KIND_SNAPSHOT;
	case MAPFS_SOURCE_PRIVATE:
		return KIND_PRIVATE;
	case MAPFS_SOURCE_HOLE:
	case MAPFS_SOURCES:
		break;
	}
	return KIND_HOLE;
}

enum page_kind kind_of_run(const struct page_run *run)
{
	return run->differs ? KIND_DIFFERS : kind_of_source(run->run.source);
}

void kind_totals_count(struct kind_totals *out, const struct page_map *m)
{
	*out = (struct kind_totals){ 0 };
	for (size_t i = 0; i < m->count; i++) {
		const struct mapfs_run *run = &m->runs[i].run;
		const uint64_t pages = pages_of(run->len_bytes);
		const enum page_kind kind = kind_of_source(run->source);

		out->bytes[kind] += run->len_bytes;
		out->pages[kind] += pages;
		if (m->runs[i].differs) {
			out->bytes[KIND_DIFFERS] += run->len_bytes;
			out->pages[KIND_DIFFERS] += pages;
		}
	}
}
