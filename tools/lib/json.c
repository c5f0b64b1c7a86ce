/* SPDX-License-Identifier: MIT */
/*
 * Names are bytes, which cJSON would write as they are; so strings are encoded
 * by text_json() and added as raw JSON.
 */
#include "json.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/mapfs.h"
#include "fs/mount/operation.h"
#include "text.h"

void json_add_string(cJSON *to, const char *key, const char *value)
{
	char *text;

	if (!value) {
		cJSON_AddNullToObject(to, key);
		return;
	}
	text = text_json(value);
	cJSON_AddRawToObject(to, key, text);
	free(text);
}

const char *info_mode_name(const struct mapfs_control_info *info)
{
	if (info->mode > MAPFS_COPY)
		return "unknown";
	return mapfs_mode_name((enum mapfs_mode)info->mode);
}

void json_add_info(cJSON *to, const struct mapfs_control_info *info)
{
	cJSON *requests;

	json_add_string(to, "mode", info_mode_name(info));
	json_add_string(to, "store", *info->store ? info->store : NULL);
	cJSON_AddNumberToObject(to, "pid", info->pid);
	cJSON_AddNumberToObject(to, "uid", info->owner_uid);
	json_add_string(to, "version", info->version);
	cJSON_AddNumberToObject(to, "private_pages",
				(double)info->private_pages);
	cJSON_AddNumberToObject(to, "journal_bytes",
				(double)info->journal_bytes);
	cJSON_AddNumberToObject(to, "inodes_known", (double)info->inodes_known);
	cJSON_AddNumberToObject(to, "inodes_changed",
				(double)info->inodes_changed);
	requests = cJSON_AddObjectToObject(to, "requests");
	for (unsigned int i = 0; operation_name(i); i++)
		cJSON_AddNumberToObject(requests, operation_name(i),
					(double)info->requests[i]);
}

int json_print(cJSON *value)
{
	char *text = cJSON_Print(value);
	int err = text ? 0 : -ENOMEM;

	if (!err && puts(text) < 0)
		err = -EIO;
	cJSON_free(text);
	cJSON_Delete(value);
	return err;
}
