/* SPDX-License-Identifier: MIT */
/*
 * /proc/PID/status shows the capabilities and groups of a thread.
 *
 * In a user namespace of its own a thread may have every capability, and none
 * that counts for files outside; so the namespace is compared with the first
 * one, which has the same inode number on every machine.
 */
#include "caller.h"

#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define FIRST_USER_NS 0xEFFFFFFDU /* PROC_USER_INIT_INO of the kernel */

/*
 * What follows `name` in its line of /proc/PID/status; or NULL.  The result is
 * part of *line, which the caller frees.
 */
static const char *status_find(pid_t pid, const char *name, char **line)
{
	const char *value = NULL;
	size_t bytes = 0;
	char path[32];
	FILE *f;

	*line = NULL;
	if (pid <= 0)
		return NULL;
	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	f = fopen(path, "re");
	if (!f)
		return NULL;
	while (!value && getline(line, &bytes, f) >= 0)
		if (strncmp(*line, name, strlen(name)) == 0)
			value = *line + strlen(name);
	fclose(f);
	return value;
}

static bool is_in_first_namespace(pid_t pid)
{
	char path[32];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)pid);
	return stat(path, &st) == 0 && st.st_ino == FIRST_USER_NS;
}

bool caller_has_fsetid(pid_t pid)
{
	char *line;
	const char *caps = status_find(pid, "CapEff:", &line);
	bool has = caps && (strtoull(caps, NULL, 16) >> CAP_FSETID & 1);

	free(line);
	return has && is_in_first_namespace(pid);
}

bool caller_has_group(pid_t pid, gid_t gid)
{
	char *line;
	const char *at = status_find(pid, "Groups:", &line);
	bool found = false;

	while (at && !found) {
		char *end;
		unsigned long group = strtoul(at, &end, 10);

		if (end == at)
			break;
		found = group == gid;
		at = end;
	}
	free(line);
	return found;
}
