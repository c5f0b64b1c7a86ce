/* SPDX-License-Identifier: MIT */
#include "print.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/lib/json.h"
#include "tools/lib/text.h"

enum column {
	COLUMN_NAME,
	COLUMN_START,
	COLUMN_BYTES,
	COLUMN_SIZE,
	COLUMN_TYPE,
	COLUMN_FS,
	COLUMN_LABEL,
	COLUMN_PARTLABEL,
	COLUMNS
};

/* The list for people. */
struct sheet {
	char *(*rows)[COLUMNS];
	size_t count;
	int widths[COLUMNS];
};

static const char *table_name(enum partition_table_kind kind)
{
	switch (kind) {
	case TABLE_GPT:
		return "gpt";
	case TABLE_DOS:
		return "dos";
	case TABLE_NONE:
	case TABLE_GPT_LOST:
	case TABLE_OTHER:
		break;
	}
	return "none";
}

static const char *kind_name(enum partition_kind kind)
{
	switch (kind) {
	case PARTITION_USED:
		return "partition";
	case PARTITION_TABLE:
		return "table";
	case PARTITION_GAP:
		break;
	}
	return "gap";
}

/* --- for people ----------------------------------------------------------- */

static const char *type_text(const struct partition *p)
{
	switch (p->kind) {
	case PARTITION_TABLE:
		return "partition table";
	case PARTITION_GAP:
		return "not allocated";
	case PARTITION_USED:
		break;
	}
	return p->type ? p->type : p->type_id;
}

static void sheet_add(struct sheet *s, const char *const cells[COLUMNS])
{
	for (int i = 0; i < COLUMNS; i++) {
		char *cell = text_escape(cells[i] ? cells[i] : "");

		s->rows[s->count][i] = cell;
		if ((int)strlen(cell) > s->widths[i])
			s->widths[i] = (int)strlen(cell);
	}
	s->count++;
}

static void sheet_add_partition(struct sheet *s, const struct partition *p)
{
	char file[PARTITION_FILE_SIZE];
	char start[24];
	char bytes[24];
	char size[TEXT_SIZE];
	const char *const cells[COLUMNS] = {
		[COLUMN_NAME] = file,	      [COLUMN_START] = start,
		[COLUMN_BYTES] = bytes,	      [COLUMN_SIZE] = size,
		[COLUMN_TYPE] = type_text(p), [COLUMN_FS] = p->fs,
		[COLUMN_LABEL] = p->fs_label, [COLUMN_PARTLABEL] = p->name,
	};

	partition_file(file, p);
	snprintf(start, sizeof(start), "%" PRIu64, p->start_bytes);
	snprintf(bytes, sizeof(bytes), "%" PRIu64, p->size_bytes);
	text_size(size, p->size_bytes);
	sheet_add(s, cells);
}

static bool is_empty_column(const struct sheet *s, int column)
{
	for (size_t i = 1; i < s->count; i++) {
		if (*s->rows[i][column])
			return false;
	}
	return true;
}

static bool is_number_column(int column)
{
	return column == COLUMN_START || column == COLUMN_BYTES ||
	       column == COLUMN_SIZE;
}

static void row_print(const struct sheet *s, char *const cells[COLUMNS])
{
	int blanks = 0; /* before the next cell that is not empty */

	for (int c = 0; c < COLUMNS; c++) {
		const int width = s->widths[c];
		const int pad = width - (int)strlen(cells[c]);

		if (is_empty_column(s, c))
			continue;
		if (is_number_column(c))
			blanks += pad;
		if (*cells[c]) {
			printf("%*s%s", blanks, "", cells[c]);
			blanks = 0;
		}
		blanks += is_number_column(c) ? 2 : pad + 2;
	}
	putchar('\n');
}

/* A column in which no row has anything is left out. */
static void sheet_print(const struct sheet *s)
{
	for (size_t i = 0; i < s->count; i++)
		row_print(s, s->rows[i]);
}

static void caption_print(const struct partition_table *t, const char *path)
{
	char *image = text_escape(path);
	char size[TEXT_SIZE];

	text_size(size, t->size_bytes);
	if (t->kind == TABLE_NONE)
		printf("%s: no partition table, %s\n", image, size);
	else
		printf("%s: %s, sectors of %u bytes, %s%s\n", image,
		       table_name(t->kind), t->sector_bytes, size,
		       t->count > 0 ? "" : ", no partitions");
	free(image);
}

int print_people(const struct partition_table *t, const char *image)
{
	static const char *const head[COLUMNS] = {
		[COLUMN_NAME] = "NAME",	  [COLUMN_START] = "START",
		[COLUMN_BYTES] = "BYTES", [COLUMN_SIZE] = "SIZE",
		[COLUMN_TYPE] = "TYPE",	  [COLUMN_FS] = "FS",
		[COLUMN_LABEL] = "LABEL", [COLUMN_PARTLABEL] = "PARTLABEL",
	};
	struct sheet s = { .rows = calloc(t->count + 1, sizeof(*s.rows)) };

	if (!s.rows) {
		return -ENOMEM;
	}
	sheet_add(&s, head);
	for (size_t i = 0; i < t->count; i++)
		sheet_add_partition(&s, &t->list[i]);
	caption_print(t, image);
	if (t->count > 0)
		sheet_print(&s);
	for (size_t i = 0; i < s.count; i++) {
		for (int c = 0; c < COLUMNS; c++)
			free(s.rows[i][c]);
	}
	free(s.rows);
	return 0;
}

/* --- for programs --------------------------------------------------------- */

static void json_add_partition(cJSON *list, const struct partition *p)
{
	cJSON *o = cJSON_CreateObject();
	char file[PARTITION_FILE_SIZE];

	partition_file(file, p);
	cJSON_AddItemToArray(list, o);
	json_add_string(o, "name", file);
	json_add_string(o, "kind", kind_name(p->kind));
	cJSON_AddNumberToObject(o, "number", p->number);
	cJSON_AddNumberToObject(o, "start_bytes", (double)p->start_bytes);
	cJSON_AddNumberToObject(o, "size_bytes", (double)p->size_bytes);
	json_add_string(o, "type", p->type);
	json_add_string(o, "type_id", p->type_id);
	json_add_string(o, "partlabel", p->name);
	json_add_string(o, "partuuid", p->uuid);
	json_add_string(o, "fs", p->fs);
	json_add_string(o, "label", p->fs_label);
	json_add_string(o, "uuid", p->fs_uuid);
}

int print_json(const struct partition_table *t, const char *image)
{
	cJSON *o = cJSON_CreateObject();
	cJSON *list;

	json_add_string(o, "image", image);
	json_add_string(o, "table", table_name(t->kind));
	json_add_string(o, "id", t->id);
	cJSON_AddNumberToObject(o, "sector_bytes", t->sector_bytes);
	cJSON_AddNumberToObject(o, "size_bytes", (double)t->size_bytes);
	list = cJSON_AddArrayToObject(o, "partitions");
	for (size_t i = 0; i < t->count; i++)
		json_add_partition(list, &t->list[i]);
	return json_print(o);
}
