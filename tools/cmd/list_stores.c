/* SPDX-License-Identifier: MIT */
#include "list_stores.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "tools/lib/json.h"
#include "tools/lib/stores.h"
#include "tools/lib/text.h"

static bool is_known(const struct store_row *row)
{
	return row->state < STORE_FOREIGN;
}

static unsigned int count_branches(const struct store_row *row)
{
	unsigned int n = 0;

	while (row->info.branches && row->info.branches[n])
		n++;
	return n;
}

static void print_rows(const struct stores *s)
{
	int width = (int)strlen("STORE");

	if (s->count == 0)
		return;
	for (size_t i = 0; i < s->count; i++) {
		char *path = text_escape(s->rows[i].path);

		if ((int)strlen(path) > width)
			width = (int)strlen(path);
		free(path);
	}
	printf("%-*s  %-13s  %10s  %4s  %s\n", width, "STORE", "STATE", "SIZE",
	       "AGE", "BASE");
	for (size_t i = 0; i < s->count; i++) {
		const struct store_row *row = &s->rows[i];
		char *base = text_escape(row->info.base ? row->info.base : "-");
		char *path = text_escape(row->path);
		char age[STORE_AGE_TEXT];
		char size[TEXT_SIZE] = "-";

		store_age(age, row);
		if (is_known(row))
			text_size(size, row->bytes);
		printf("%-*s  %-13s  %10s  %4s  %s\n", width, path,
		       store_state_name(row->state), size, age, base);
		free(base);
		free(path);
	}
	fflush(stdout);
	for (size_t i = 0; i < s->count; i++)
		if (!reason_is_empty(&s->rows[i].note))
			say("%s", s->rows[i].note.text);
}

static void json_add_number(cJSON *o, const char *key, bool is_there,
			    double number)
{
	if (is_there)
		cJSON_AddNumberToObject(o, key, number);
	else
		cJSON_AddNullToObject(o, key);
}

static int print_json(const struct stores *s)
{
	cJSON *array = cJSON_CreateArray();

	for (size_t i = 0; i < s->count; i++) {
		const struct store_row *row = &s->rows[i];
		cJSON *o = cJSON_CreateObject();

		cJSON_AddItemToArray(array, o);
		json_add_string(o, "store", row->path);
		json_add_string(o, "state", store_state_name(row->state));
		cJSON_AddBoolToObject(o, "is_stale", store_is_stale(row));
		json_add_string(o, "base", row->info.base);
		json_add_string(o, "mountpoint", row->info.mountpoint);
		json_add_string(o, "parent", row->info.parent);
		json_add_number(o, "branches", row->info.path,
				count_branches(row));
		json_add_number(o, "size_bytes", is_known(row),
				(double)row->bytes);
		json_add_number(o, "changed", is_known(row),
				(double)row->changed);
		json_add_string(o, "note",
				reason_is_empty(&row->note) ? NULL :
							      row->note.text);
	}
	return json_print(array) ? COMMAND_FAILED : COMMAND_OK;
}

int list_stores(bool json)
{
	struct stores s;
	int status = COMMAND_OK;
	int err = stores_read(&s);

	if (err) {
		say("the list of stores: %s; name the stores instead (mapfs "
		    "status STORE)",
		    strerror(-err));
		return COMMAND_FAILED;
	}
	if (json)
		status = print_json(&s);
	else
		print_rows(&s);
	stores_free(&s);
	return status;
}
