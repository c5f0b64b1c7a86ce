/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TOOLS_LIB_JSON_H
#define MAPFS_TOOLS_LIB_JSON_H

/*
 * The parts of --json that several subcommands share.
 *
 * Lifetime: values belong to the object that they are added to.
 * Errors:   json_print() returns 0 or a negative errno; the others have none,
 *           and out of memory ends the program.
 */
#include <cjson/cJSON.h>

#include "core/lib/types.h"
#include "fs/control/protocol.h"

/* As text_json(), which encodes bytes that are not UTF-8; NULL is null. */
void json_add_string(cJSON *to, const char *key, const char *value);
/* What a mount says of itself; `mapfs list --help` documents it. */
void json_add_info(cJSON *to, const struct mapfs_control_info *info);
/* Prints the value to stdout, and deletes it; -EIO, -ENOMEM. */
int must_check json_print(cJSON *value);

/* The mode; "unknown" for a mode that a newer daemon has. */
const char *info_mode_name(const struct mapfs_control_info *info);

#endif
