/* SPDX-License-Identifier: MIT */
/*
 * search FILE
 *
 * A file is searched as memory: its lines are counted, and a word is found,
 * without a buffer and without read(2).
 */
#include "check.h"

static size_t count_lines(const char *p, size_t len)
{
	const char *end = p + len;
	size_t lines = 0;

	while ((p = memchr(p, '\n', (size_t)(end - p)))) {
		p++;
		lines++;
	}
	return lines;
}

static size_t count_words(const char *p, size_t len, const char *word)
{
	const char *end = p + len;
	size_t words = 0;

	while ((p = memmem(p, (size_t)(end - p), word, strlen(word)))) {
		p += strlen(word);
		words++;
	}
	return words;
}

int main(int argc, char **argv)
{
	int fd = check_open(argv[argc - 1], O_RDONLY);
	size_t len = check_size(fd);
	char *map = check_map(fd, len, PROT_READ, MAP_SHARED);
	char *bytes = check_read(fd, len);

	assert(count_lines(map, len) > 0);
	assert(count_lines(map, len) == count_lines(bytes, len));
	assert(count_words(map, len, "fox") > 0);
	assert(count_words(map, len, "fox") == count_words(bytes, len, "fox"));
	assert(memcmp(map, bytes, len) == 0);
	/* The map needs no descriptor. */
	close(fd);
	assert(madvise(map, len, MADV_DONTNEED) == 0);
	assert(memcmp(map, bytes, len) == 0);
	munmap(map, len);
	free(bytes);
	return 0;
}
