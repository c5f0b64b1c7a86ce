/* SPDX-License-Identifier: MIT */
/*
 * A hostile layer of an image: applying it to a view ends in success or with a
 * sentence, and what came of it can be written as a layer again.
 *
 * An input is what mapfs import reads from standard input.
 */
#include <archive.h>
#include <archive_entry.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "tools/layer/apply.h"
#include "tools/layer/write.h"

static unsigned int sentences;

/* The linker puts it into the place of say(). */
void __wrap_say(const char *fmt, ...);
void __wrap_say(const char *fmt, ...)
{
	fuzz_must(*fmt);
	sentences++;
}

static int apply(struct mapfs_view *v, struct archive *a)
{
	struct archive_entry *entry;
	struct layer_apply *l;
	int err = layer_apply_begin(&l, v);
	int got;
	int end;

	if (err)
		return err;
	while (!err &&
	       (got = archive_read_next_header(a, &entry)) != ARCHIVE_EOF) {
		if (got < ARCHIVE_WARN)
			break;
		err = layer_apply_entry(l, a, entry);
	}
	end = layer_apply_end(l, !err);
	return err ? err : end;
}

static la_ssize_t drop(struct archive *a, void *arg, const void *buf, size_t n)
{
	(void)a;
	(void)arg;
	(void)buf;
	return (la_ssize_t)n;
}

static void write_layer(struct mapfs_view *v)
{
	struct archive *a = archive_write_new();
	bool is_partial;

	fuzz_must(a && archive_write_set_format_pax(a) == ARCHIVE_OK);
	fuzz_must(archive_write_open(a, NULL, NULL, drop, NULL) == ARCHIVE_OK);
	(void)!layer_write(v, false, a, &is_partial);
	archive_write_free(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct mapfs_options opt = {
		.mode = MAPFS_COPY,
		.store_kind = MAPFS_STORE_MEMORY,
		.base_kind = MAPFS_BASE_NONE,
		.base = MAPFS_NO_BASE,
		.size_bytes = 1 << 20,
	};
	struct archive *a = archive_read_new();
	static struct reason why;
	struct mapfs_view *v;

	(void)setlocale(LC_CTYPE, "C.UTF-8");
	sentences = 0;
	fuzz_must(a && archive_read_support_format_tar(a) >= ARCHIVE_WARN &&
		  archive_read_support_format_empty(a) >= ARCHIVE_WARN &&
		  archive_read_support_filter_gzip(a) >= ARCHIVE_WARN);
	if (archive_read_open_memory(a, data, size) == ARCHIVE_OK) {
		fuzz_must(mapfs_view_open(&v, &opt, &why) == 0);
		fuzz_must(apply(v, a) == 0 || sentences > 0);
		write_layer(v);
		(void)!mapfs_view_close(v);
	}
	archive_read_free(a);
	return 0;
}

/* An entry with content, if `text` is not NULL. */
static void add(struct archive *a, const char *path, mode_t mode,
		const char *text, const char *link)
{
	struct archive_entry *e = archive_entry_new();

	archive_entry_set_pathname(e, path);
	archive_entry_set_mode(e, mode);
	archive_entry_set_mtime(e, 1000, 5);
	if (text)
		archive_entry_set_size(e, (la_int64_t)strlen(text));
	if (link && S_ISLNK(mode))
		archive_entry_set_symlink(e, link);
	else if (link)
		archive_entry_set_hardlink(e, link);
	if (S_ISDIR(mode))
		archive_entry_xattr_add_entry(e, "user.x", "value", 5);
	fuzz_must(archive_write_header(a, e) >= ARCHIVE_WARN);
	if (text)
		fuzz_must(archive_write_data(a, text, strlen(text)) >= 0);
	archive_entry_free(e);
}

static void seed_of(fuzz_seed_fn fn, int (*format)(struct archive *a))
{
	static uint8_t buf[1 << 16];
	struct archive *a = archive_write_new();
	size_t used = 0;

	fuzz_must(a && format(a) == ARCHIVE_OK);
	fuzz_must(archive_write_open_memory(a, buf, sizeof(buf), &used) ==
		  ARCHIVE_OK);
	add(a, "d/", S_IFDIR | 0755, NULL, NULL);
	add(a, "d/f", S_IFREG | 0644, "some bytes", NULL);
	add(a, "d/l", S_IFREG | 0644, NULL, "d/f");
	add(a, "s", S_IFLNK | 0777, NULL, "d/f");
	add(a, "p", S_IFIFO | 0600, NULL, NULL);
	add(a, "d/.wh.gone", S_IFREG, "", NULL);
	add(a, "d/.wh..wh..opq", S_IFREG, "", NULL);
	archive_write_close(a);
	fn(buf, used);
	archive_write_free(a);
}

void fuzz_seeds(fuzz_seed_fn fn)
{
	seed_of(fn, archive_write_set_format_pax);
	seed_of(fn, archive_write_set_format_ustar);
	seed_of(fn, archive_write_set_format_gnutar);
}
