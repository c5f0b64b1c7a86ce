/* SPDX-License-Identifier: MIT */
/*
 * mapfs partitions: the table of a disk image.
 */
#include <argp.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "tools/lib/json.h"
#include "tools/lib/text.h"
#include "tools/partition/table.h"

struct partitions_args {
	const char *image;
	struct partition_options opt;
	bool json;
};

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

static void caption_print(const struct partitions_args *a,
			  const struct partition_table *t)
{
	char *image = text_escape(a->image);
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

static int list_people(const struct partitions_args *a,
		       const struct partition_table *t)
{
	static const char *const head[COLUMNS] = {
		[COLUMN_NAME] = "NAME",	  [COLUMN_START] = "START",
		[COLUMN_BYTES] = "BYTES", [COLUMN_SIZE] = "SIZE",
		[COLUMN_TYPE] = "TYPE",	  [COLUMN_FS] = "FS",
		[COLUMN_LABEL] = "LABEL", [COLUMN_PARTLABEL] = "PARTLABEL",
	};
	struct sheet s = { .rows = calloc(t->count + 1, sizeof(*s.rows)) };

	if (!s.rows) {
		say("out of memory; try again later");
		return COMMAND_FAILED;
	}
	sheet_add(&s, head);
	for (size_t i = 0; i < t->count; i++)
		sheet_add_partition(&s, &t->list[i]);
	caption_print(a, t);
	if (t->count > 0)
		sheet_print(&s);
	for (size_t i = 0; i < s.count; i++) {
		for (int c = 0; c < COLUMNS; c++)
			free(s.rows[i][c]);
	}
	free(s.rows);
	return COMMAND_OK;
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

static int list_json(const struct partitions_args *a,
		     const struct partition_table *t)
{
	cJSON *o = cJSON_CreateObject();
	cJSON *list;

	json_add_string(o, "image", a->image);
	json_add_string(o, "table", table_name(t->kind));
	json_add_string(o, "id", t->id);
	cJSON_AddNumberToObject(o, "sector_bytes", t->sector_bytes);
	cJSON_AddNumberToObject(o, "size_bytes", (double)t->size_bytes);
	list = cJSON_AddArrayToObject(o, "partitions");
	for (size_t i = 0; i < t->count; i++)
		json_add_partition(list, &t->list[i]);
	return json_print(o) ? COMMAND_FAILED : COMMAND_OK;
}

/* -------------------------------------------------------------------------- */

static int partitions_run(const struct partitions_args *a)
{
	struct partition_table t = { 0 };
	struct reason why;
	int status;

	if (partition_table_read(&t, a->image, &a->opt, &why)) {
		say("%s", why.text);
		return COMMAND_FAILED;
	}
	if (!reason_is_empty(&t.note))
		say("%s", t.note.text);
	status = a->json ? list_json(a, &t) : list_people(a, &t);
	if (!reason_is_empty(&t.fault)) {
		fflush(stdout);
		say("%s", t.fault.text);
		status = COMMAND_FAILED;
	}
	partition_table_fini(&t);
	return status;
}

static unsigned int sector_bytes(const char *arg)
{
	char *end;
	unsigned long value;

	errno = 0;
	value = strtoul(arg, &end, 10);
	if (errno || *end || !partition_sector_is_valid(value)) {
		say("sector size %s: is not 512, 1024, 2048 or 4096; choose "
		    "one of them",
		    arg);
		exit(COMMAND_USAGE);
	}
	return (unsigned int)value;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct partitions_args *a = state->input;

	switch (key) {
	case 'j':
		a->json = true;
		return 0;
	case 'a':
		a->opt.has_rest = true;
		return 0;
	case 'b':
		a->opt.sector_bytes = sector_bytes(arg);
		return 0;
	case ARGP_KEY_ARG:
		if (a->image)
			argp_error(state, "too many arguments");
		a->image = arg;
		return 0;
	case ARGP_KEY_END:
		if (!a->image)
			argp_error(state, "IMAGE is missing");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_option partitions_options[] = {
	{ "all", 'a', NULL, 0,
	  "List every byte of the image: the table itself and the gaps, too",
	  0 },
	{ "json", 'j', NULL, 0, "Print a JSON object", 0 },
	{ "sector-size", 'b', "BYTES", 0,
	  "The sectors of the disk, if they cannot be told from the image", 0 },
	{ 0 },
};

static const struct argp partitions_argp = {
	.options = partitions_options,
	.parser = parse_option,
	.args_doc = "IMAGE",
	.doc = "Lists the partitions of a disk image: a file or a block "
	       "device. IMAGE is only read.\v"
	       "The table is a GPT or an MBR with its logical partitions; "
	       "an image of one file system without a table is listed as p1. "
	       "START and BYTES are bytes of the image. An extended partition "
	       "is not listed, because its logical partitions are.\n\n"
	       "With --all, `table', `table2', ... are the bytes of the "
	       "partition table, its backup and the boot records of logical "
	       "partitions; `gap1', `gap2', ... are those that belong to "
	       "nothing. Each byte is in one entry.\n\n"
	       "A GPT tells the size of its sectors. Without --sector-size, "
	       "those of an MBR in a file are taken to be 512 bytes, unless "
	       "only 4096 fits what is in the partitions.\n\n"
	       "With --json the object has image, table (gpt, dos or none), "
	       "id, sector_bytes, size_bytes, and partitions: objects with "
	       "name, kind (partition, table or gap), number, start_bytes, "
	       "size_bytes, type, type_id, partlabel and partuuid (from the "
	       "table), fs, label and uuid (of the file system). Unknown "
	       "values are null; fs is `ambiguous' if several signatures "
	       "are found.\n\n"
	       "Exit status: 0 done, 1 failed, or the table contradicts "
	       "itself or the image, 2 the command line is wrong.\n\n"
	       "Example: mapfs partitions --all disk.img",
};

int cmd_partitions(int argc, char **argv)
{
	struct partitions_args a = { .opt.has_file_systems = true };

	if (argp_parse(&partitions_argp, argc, argv, 0, NULL, &a))
		return COMMAND_USAGE;
	return partitions_run(&a);
}
