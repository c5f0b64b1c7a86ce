/* SPDX-License-Identifier: MIT */
#include "partition.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/lib/array.h"

void partition_file(char out[PARTITION_FILE_SIZE], const struct partition *p)
{
	switch (p->kind) {
	case PARTITION_USED:
		snprintf(out, PARTITION_FILE_SIZE, "p%u", p->number);
		break;
	case PARTITION_TABLE:
		if (p->number == 1)
			snprintf(out, PARTITION_FILE_SIZE, "table");
		else
			snprintf(out, PARTITION_FILE_SIZE, "table%u",
				 p->number);
		break;
	case PARTITION_GAP:
		snprintf(out, PARTITION_FILE_SIZE, "gap%u", p->number);
		break;
	}
}

int partition_set(char **field, const char *s)
{
	char *copy = NULL;

	if (s && *s) {
		copy = strdup(s);
		if (!copy)
			return -ENOMEM;
	}
	free(*field);
	*field = copy;
	return 0;
}

void partition_fini(struct partition *p)
{
	free(p->type);
	free(p->type_id);
	free(p->name);
	free(p->uuid);
	free(p->fs);
	free(p->fs_label);
	free(p->fs_uuid);
	*p = (struct partition){ 0 };
}

int partition_table_add(struct partition_table *t, struct partition *p)
{
	int err = array_reserve(&t->list, &t->cap, t->count + 1);

	if (err) {
		partition_fini(p);
		return err;
	}
	t->list[t->count++] = *p;
	*p = (struct partition){ 0 };
	return 0;
}

int partition_table_add_own(struct partition_table *t, uint64_t start_bytes,
			    uint64_t size_bytes)
{
	int err = array_reserve(&t->own, &t->own_cap, t->own_count + 1);

	if (err)
		return err;
	t->own[t->own_count++] = (struct partition_extent){
		.start_bytes = start_bytes,
		.size_bytes = size_bytes,
	};
	return 0;
}

static int compare(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

int partition_by_number(const void *a, const void *b)
{
	const struct partition *p = a;
	const struct partition *q = b;

	return compare(p->number, q->number);
}

int partition_by_start(const void *a, const void *b)
{
	const struct partition *p = a;
	const struct partition *q = b;
	int order = compare(p->start_bytes, q->start_bytes);

	return order ? order : partition_by_number(a, b);
}

void partition_table_sort(struct partition_table *t,
			  int (*order)(const void *, const void *))
{
	if (t->count)
		qsort(t->list, t->count, sizeof(*t->list), order);
}

void partition_table_fini(struct partition_table *t)
{
	for (size_t i = 0; i < t->count; i++)
		partition_fini(&t->list[i]);
	free(t->list);
	free(t->own);
	free(t->id);
	*t = (struct partition_table){ 0 };
}
