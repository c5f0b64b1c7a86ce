/* SPDX-License-Identifier: MIT */
/*
 * Windows of 1 GiB, and copies out of them that survive SIGBUS.
 *
 * A window is mapped whole even where the file ends earlier: a mapping is
 * address space, not memory, and a file that grows needs no new one.  Only an
 * access beyond the end faults, and copies are guarded against that anyway,
 * because another process may truncate the file at any moment.
 *
 *   reader:  lock, find or map window, refs++, unlock
 *            guarded memcpy
 *            lock, refs--, unlock
 *
 * Only a window without readers is unmapped to make room for another.  If all
 * of them are being read, or the address space is full, the part is read with
 * pread.
 *
 * The guard: the thread that copies keeps a jump buffer and the bounds of its
 * window in a thread-local variable.  The handler jumps there if the fault is
 * inside these bounds; any other SIGBUS kills the process as usual.
 */
#include "mapping.h"

#include <assert.h>
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "fault.h"
#include "io.h"
#include "lock.h"

#define WINDOW_BYTES (1ULL << 30)
#define WINDOWS 16

struct window {
	const uint8_t *base; /* NULL: slot unused */
	uint64_t index;	     /* file offset / WINDOW_BYTES */
	uint64_t used_at;    /* tick of the last use */
	unsigned int refs;   /* copies under way */
};

struct mapping {
	int fd;				/* fixed at birth, borrowed */
	struct rmutex lock;		/* RANK_MAPPING */
	uint64_t tick;			/* by lock */
	struct window windows[WINDOWS]; /* by lock */
};

struct guard {
	sigjmp_buf env;
	uintptr_t begin;
	uintptr_t end;
};

/* Read in a signal handler, so by the model that allocates nothing. */
static _Thread_local struct guard *volatile guard_of_thread
	__attribute__((tls_model("initial-exec")));

static void guard_on_sigbus(int sig, siginfo_t *info, void *context)
{
	const ucontext_t *interrupted = context;
	struct guard *g = guard_of_thread;
	uintptr_t at = (uintptr_t)info->si_addr;

	if (g && info->si_code > 0 && at >= g->begin && at < g->end) {
		guard_of_thread = NULL;
		/* The jump skips the return, which would do this. */
		(void)pthread_sigmask(SIG_SETMASK, &interrupted->uc_sigmask,
				      NULL);
		siglongjmp(g->env, 1);
	}
	/* Not the guard's: die as without this handler. */
	(void)signal(sig, SIG_DFL);
	(void)raise(sig);
}

int mapping_guard_init(void)
{
	struct sigaction sa = {
		.sa_sigaction = guard_on_sigbus,
		.sa_flags = SA_SIGINFO,
	};

	sigemptyset(&sa.sa_mask);
	/* At each call: another library may have set a handler since. */
	return sigaction(SIGBUS, &sa, NULL) < 0 ? -errno : 0;
}

/* False: the bytes are not there.  `dst` may be filled in part. */
static bool guard_copy(void *dst, const struct window *w, uint64_t from,
		       size_t len)
{
	struct guard g = {
		.begin = (uintptr_t)w->base,
		.end = (uintptr_t)w->base + WINDOW_BYTES,
	};

	/* Not saving the mask spares a system call per copy. */
	if (sigsetjmp(g.env, 0) != 0)
		return false;
	guard_of_thread = &g;
	atomic_signal_fence(memory_order_seq_cst);
	memcpy(dst, w->base + from, len);
	atomic_signal_fence(memory_order_seq_cst);
	guard_of_thread = NULL;
	return true;
}

int mapping_create(struct mapping **out, int fd)
{
	int err = fault_point("mapping.create");
	struct mapping *m;

	if (err)
		return err;
	m = calloc(1, sizeof(*m));
	if (!m)
		return -ENOMEM;
	m->fd = fd;
	rmutex_init(&m->lock, RANK_MAPPING);
	*out = m;
	return 0;
}

static void window_unmap(const uint8_t *base)
{
	if (base)
		(void)munmap((void *)(uintptr_t)base, WINDOW_BYTES);
}

void mapping_destroy(struct mapping *m)
{
	if (!m)
		return;
	for (int i = 0; i < WINDOWS; i++) {
		assert(m->windows[i].refs == 0);
		window_unmap(m->windows[i].base);
	}
	rmutex_fini(&m->lock);
	free(m);
}

/* The window, or the slot for it: unused, or the one idle longest; or NULL. */
static struct window *window_slot(struct mapping *m, uint64_t index)
{
	struct window *best = NULL;

	for (int i = 0; i < WINDOWS; i++) {
		struct window *w = &m->windows[i];

		if (w->base && w->index == index)
			return w;
		if (w->base && w->refs > 0)
			continue;
		if (!best ||
		    (best->base && (!w->base || w->used_at < best->used_at)))
			best = w;
	}
	return best;
}

static const uint8_t *window_map(int fd, uint64_t index)
{
	void *p;

	if (fault_point("mapping.map") != 0)
		return NULL;
	p = mmap(NULL, WINDOW_BYTES, PROT_READ, MAP_SHARED, fd,
		 (off_t)(index * WINDOW_BYTES));
	return p == MAP_FAILED ? NULL : p;
}

/* Counts a reader of the window; NULL: there is no room for it now. */
static struct window *window_hold(struct mapping *m, uint64_t index)
{
	const uint8_t *evicted = NULL;
	struct window *w;

	rmutex_lock(&m->lock);
	w = window_slot(m, index);
	if (w && (!w->base || w->index != index)) {
		const uint8_t *base = window_map(m->fd, index);

		if (base) {
			evicted = w->base;
			*w = (struct window){ .base = base, .index = index };
		} else {
			w = NULL;
		}
	}
	if (w) {
		w->refs++;
		w->used_at = ++m->tick;
	}
	rmutex_unlock(&m->lock);
	/* Not under the lock: unmapping a gigabyte takes time. */
	window_unmap(evicted);
	return w;
}

static void window_release(struct mapping *m, struct window *w)
{
	rmutex_lock(&m->lock);
	assert(w->refs > 0);
	w->refs--;
	rmutex_unlock(&m->lock);
}

int mapping_read(struct mapping *m, void *buf, size_t len, uint64_t off)
{
	uint8_t *p = buf;

	if (off > INT64_MAX || len > (uint64_t)INT64_MAX - off)
		return -EIO;
	while (len > 0) {
		uint64_t from = off % WINDOW_BYTES;
		size_t n = len;
		struct window *w;
		bool copied;

		if (n > WINDOW_BYTES - from)
			n = WINDOW_BYTES - from;
		w = window_hold(m, off / WINDOW_BYTES);
		if (w) {
			copied = guard_copy(p, w, from, n);
			window_release(m, w);
		} else {
			copied = io_pread_all(m->fd, p, n, off) == 0;
		}
		if (!copied)
			return -EIO;
		p += n;
		off += n;
		len -= n;
	}
	return 0;
}
