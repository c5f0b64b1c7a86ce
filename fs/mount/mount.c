/* SPDX-License-Identifier: MIT */
/*
 * The mode decides how long the kernel may cache names and attributes.  In copy
 * mode only the kernel changes the view, so it may cache them without limit.
 * In read and write mode other programs change the base, and their changes must
 * be visible after a second.  In write mode the kernel must not cache at all
 * that a name is missing: a stale inode is corrected by ESTALE when it is
 * opened, but nothing corrects a stale "no such file".
 */
#include "mount.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#define NO_LIMIT (365.0 * 24 * 60 * 60)

struct buffer {
	size_t bytes;
	char *mem;
};

static void buffer_destroy(void *arg)
{
	struct buffer *b = arg;

	if (b)
		free(b->mem);
	free(b);
}

static void mount_set_timeouts(struct mount *m)
{
	switch (m->opt->mode) {
	case MAPFS_COPY:
		m->entry_timeout = NO_LIMIT;
		m->negative_timeout = NO_LIMIT;
		m->attr_timeout = NO_LIMIT;
		return;
	case MAPFS_READ:
		m->entry_timeout = 1;
		m->negative_timeout = 1;
		m->attr_timeout = 1;
		return;
	case MAPFS_WRITE:
		m->entry_timeout = 1;
		m->negative_timeout = 0;
		m->attr_timeout = 1;
		return;
	}
	abort();
}

int mount_init(struct mount *m, struct mapfs_view *view,
	       const struct fs_options *opt)
{
	struct mapfs_info info;

	memset(m, 0, sizeof(*m));
	m->view = view;
	m->opt = opt;
	m->root_ino = mapfs_root_ino(view);
	m->owner = getuid();
	m->is_stateless = mapfs_is_stateless(view);
	mapfs_view_info(view, &info);
	m->has_windows = info.is_windows;
	mount_set_timeouts(m);
	return -pthread_key_create(&m->buffer_key, buffer_destroy);
}

void mount_fini(struct mount *m)
{
	buffer_destroy(pthread_getspecific(m->buffer_key));
	pthread_key_delete(m->buffer_key);
}

struct mount *mount_of(fuse_req_t req, enum mapfs_op op)
{
	struct mount *m = fuse_req_userdata(req);

	atomic_fetch_add_explicit(&m->requests[op], 1, memory_order_relaxed);
	return m;
}

int mount_sync_names(struct mount *m, mapfs_ino dir)
{
	if (!(m->opt->flags & (MS_SYNCHRONOUS | MS_DIRSYNC)))
		return 0;
	return mapfs_fsync(m->view, mapfs_file_of(dir), false);
}

int mount_sync_inode(struct mount *m, mapfs_ino ino)
{
	if (!(m->opt->flags & MS_SYNCHRONOUS))
		return 0;
	return mapfs_fsync(m->view, mapfs_file_of(ino), false);
}

static char *thread_buffer(struct mount *m, size_t len)
{
	struct buffer *b = pthread_getspecific(m->buffer_key);
	void *mem;

	if (!b) {
		b = calloc(1, sizeof(*b));
		if (!b || pthread_setspecific(m->buffer_key, b)) {
			free(b);
			return NULL;
		}
	}
	if (b->bytes >= len)
		return b->mem;
	if (len < MOUNT_IO_BYTES)
		len = MOUNT_IO_BYTES;
	if (posix_memalign(&mem, MAPFS_PAGE_SIZE, len))
		return NULL;
	free(b->mem);
	b->mem = mem;
	b->bytes = len;
	return b->mem;
}

char *mount_buffer(struct mount *m, fuse_req_t req, size_t len)
{
#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 18)
	size_t room;
	char *mem;

	if (fuse_req_is_uring(req) &&
	    fuse_req_get_payload(req, &mem, &room, NULL) == 0 && room >= len)
		return mem;
#endif
	return thread_buffer(m, len);
}
