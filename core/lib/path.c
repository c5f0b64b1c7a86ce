/* SPDX-License-Identifier: MIT */
#include "path.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t joined_bytes(const char *dir, const char *name)
{
	return strlen(dir) + (*dir != '\0') + strlen(name) + 1;
}

static void join(char *out, size_t bytes, const char *dir, const char *name)
{
	(void)snprintf(out, bytes, "%s%s%s", dir, *dir ? "/" : "", name);
}

int path_join(char **out, const char *dir, const char *name)
{
	size_t bytes = joined_bytes(dir, name);
	char *path = malloc(bytes);

	if (!path)
		return -ENOMEM;
	join(path, bytes, dir, name);
	*out = path;
	return 0;
}

int path_join_into(char *out, size_t bytes, const char *dir, const char *name)
{
	if (bytes < joined_bytes(dir, name))
		return -ENAMETOOLONG;
	join(out, bytes, dir, name);
	return 0;
}

bool path_is_dot(const char *name)
{
	return name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2]));
}

void path_of_fd(int fd, char out[PATH_OF_FD_BYTES])
{
	(void)snprintf(out, PATH_OF_FD_BYTES, "/proc/self/fd/%d", fd);
}
