/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TOOLS_LIB_JSON_H
#define MAPFS_TOOLS_LIB_JSON_H

/*
 * What the --json of several commands has in common.
 *
 * Lifetime: values belong to the object they are added to.
 * Errors:   none but those of printing; out of memory ends the program.
 */
#include <cjson/cJSON.h>

#include "fs/control/protocol.h"

/* cJSON itself would pass on bytes that are no UTF-8; NULL is null. */
void json_add_string(cJSON *to, const char *key, const char *value);
/* What a mount says of itself, as `mapfs list --json' documents it. */
void json_add_info(cJSON *to, const struct mapfs_control_info *info);
/* Prints and deletes; the command's exit status. */
int json_print(cJSON *value);

/* "unknown" for one of another version. */
const char *info_mode_name(const struct mapfs_control_info *info);

#endif
