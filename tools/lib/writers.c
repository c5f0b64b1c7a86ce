/* SPDX-License-Identifier: MIT */
/*
 * Nothing here may wait for a file system, because its server may be dead, or
 * be the view: links and tables of /proc are text that the kernel writes, and a
 * statx without synchronising asks no server.
 */
#include "writers.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "core/lib/array.h"
#include "core/lib/timespec.h"

#define MOST_MS 100
#define MOST_WRITERS 256

struct search {
	struct writers *out;
	const char *base;
	size_t base_bytes;
	dev_t view_dev;
	int64_t end_ms;
	pid_t pid; /* of the process at which it is */
};

static bool is_over(struct search *s)
{
	if (s->out->count >= MOST_WRITERS ||
	    timespec_monotonic_ms() > s->end_ms)
		s->out->is_cut = true;
	return s->out->is_cut;
}

/* The part of the path below the base; NULL: it is not there. */
static const char *below(const struct search *s, const char *path)
{
	if (strncmp(path, s->base, s->base_bytes) != 0)
		return NULL;
	path += s->base_bytes;
	if (*path == '\0' || s->base[s->base_bytes - 1] == '/')
		return path;
	return *path == '/' ? path + 1 : NULL;
}

static void read_program(pid_t pid, char *out, size_t bytes)
{
	char path[64];
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	f = fopen(path, "re");
	if (!f || !fgets(out, (int)bytes, f))
		(void)snprintf(out, bytes, "?");
	if (f)
		(void)fclose(f);
	out[strcspn(out, "\n")] = '\0';
}

static void add(struct search *s, const char *path, bool is_mapped)
{
	struct writers *w = s->out;
	struct writer *one;

	for (size_t n = 0; n < w->count; n++) {
		one = &w->writers[n];
		if (one->pid == s->pid && strcmp(one->path, path) == 0) {
			one->is_mapped |= is_mapped;
			return;
		}
	}
	if (array_reserve(&w->writers, &w->cap, w->count + 1)) {
		w->is_cut = true;
		return;
	}
	one = &w->writers[w->count];
	*one = (struct writer){ .pid = s->pid, .is_mapped = is_mapped };
	one->path = strdup(path);
	if (!one->path) {
		w->is_cut = true;
		return;
	}
	read_program(s->pid, one->program, sizeof(one->program));
	w->count++;
}

/* Is the open file a regular one, for writing, and not on the view? */
static bool is_for_writing(const struct search *s, const char *fd)
{
	char path[64];
	char line[64];
	struct statx stx;
	unsigned int flags = 0;
	bool has = false;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/fdinfo/%.20s", (int)s->pid,
		       fd);
	f = fopen(path, "re");
	while (f && !has && fgets(line, sizeof(line), f))
		has = sscanf(line, "flags: %o", &flags) == 1;
	if (f)
		(void)fclose(f);
	if (!has || (flags & O_PATH) || (flags & O_ACCMODE) == O_RDONLY)
		return false;
	(void)snprintf(path, sizeof(path), "/proc/%d/fd/%.20s", (int)s->pid,
		       fd);
	return statx(AT_FDCWD, path, AT_STATX_DONT_SYNC, STATX_TYPE, &stx) ==
		       0 &&
	       S_ISREG(stx.stx_mode) &&
	       makedev(stx.stx_dev_major, stx.stx_dev_minor) != s->view_dev;
}

static void look_at_descriptors(struct search *s)
{
	char path[64];
	char target[PATH_MAX];
	const struct dirent *e;
	const char *file;
	DIR *dir;

	(void)snprintf(path, sizeof(path), "/proc/%d/fd", (int)s->pid);
	dir = opendir(path);
	while (dir && !is_over(s) && (e = readdir(dir))) {
		ssize_t n = readlinkat(dirfd(dir), e->d_name, target,
				       sizeof(target) - 1);

		if (n <= 0)
			continue;
		target[n] = '\0';
		file = below(s, target);
		if (file && is_for_writing(s, e->d_name))
			add(s, file, false);
	}
	if (dir)
		(void)closedir(dir);
}

/* "START-END rw-s OFFSET MAJOR:MINOR INODE   PATH" */
static void look_at_mapping(struct search *s, char *line)
{
	unsigned int major;
	unsigned int minor;
	const char *file;
	char rights[5];
	int at = 0;

	line[strcspn(line, "\n")] = '\0';
	if (sscanf(line, "%*s %4s %*s %x:%x %*s %n", rights, &major, &minor,
		   &at) != 3 ||
	    at == 0 || rights[1] != 'w' || rights[3] != 's' ||
	    makedev(major, minor) == s->view_dev)
		return;
	file = below(s, line + at);
	if (file)
		add(s, file, true);
}

static void look_at_mappings(struct search *s)
{
	char path[64];
	char *line = NULL;
	size_t cap = 0;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/maps", (int)s->pid);
	f = fopen(path, "re");
	while (f && !is_over(s) && getline(&line, &cap, f) > 0)
		look_at_mapping(s, line);
	free(line);
	if (f)
		(void)fclose(f);
}

/* False for threads of the kernel, and for processes of other users. */
static bool may_look(const struct search *s)
{
	char path[64];
	char target[8];

	(void)snprintf(path, sizeof(path), "/proc/%d/exe", (int)s->pid);
	return readlink(path, target, sizeof(target)) > 0;
}

void writers_find(struct writers *out, const char *base, dev_t view_dev)
{
	struct search s = {
		.out = out,
		.base = base,
		.base_bytes = strlen(base),
		.view_dev = view_dev,
		.end_ms = timespec_monotonic_ms() + MOST_MS,
	};
	const struct dirent *e;
	DIR *proc = opendir("/proc");

	while (proc && !is_over(&s) && (e = readdir(proc))) {
		if (!isdigit((unsigned char)e->d_name[0]))
			continue;
		s.pid = (pid_t)strtol(e->d_name, NULL, 10);
		if (s.pid == getpid() || !may_look(&s))
			continue;
		look_at_descriptors(&s);
		look_at_mappings(&s);
	}
	if (proc)
		(void)closedir(proc);
}

void writers_fini(struct writers *w)
{
	for (size_t n = 0; n < w->count; n++)
		free(w->writers[n].path);
	free(w->writers);
	*w = (struct writers){ 0 };
}

const char *writer_text(const struct writer *w)
{
	return w->is_mapped ? "is mapped" : "is open for writing";
}
