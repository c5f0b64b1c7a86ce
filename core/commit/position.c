/* SPDX-License-Identifier: MIT */
/*
 * Encoding the file `open`, and checking it when it is read [S1].
 */
#include "position.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/lib/fault.h"
#include "core/lib/io.h"
#include "saved_file.h"

int position_write(int topfd, const struct commit_position *p)
{
	/* Undoing does not change how far committing had got. */
	const enum commit_phase reached = p->to == PLAN_AFTER ? p->phase :
								p->reached;
	struct bytes b = { 0 };
	int err;

	bytes_put64(&b, p->number);
	bytes_put64(&b, p->stage_tag);
	bytes_put32(&b, p->to);
	bytes_put32(&b, p->phase);
	bytes_put32(&b, reached);
	err = saved_file_write(topfd, SAVED_FILE_OPEN, &b);
	bytes_fini(&b);
	return err;
}

int position_read(int topfd, struct commit_position *p, struct reason *why)
{
	struct bytes_reader r = { 0 };
	struct commit_position got;
	uint32_t to;
	uint32_t phase;
	uint32_t reached;
	uint8_t *buf;
	size_t len;
	int err = saved_file_read(topfd, SAVED_FILE_OPEN, &buf, &len, why);

	if (err)
		return err;
	r.at = buf;
	r.left_bytes = len;
	got.number = bytes_get64(&r);
	got.stage_tag = bytes_get64(&r);
	to = bytes_get32(&r);
	phase = bytes_get32(&r);
	reached = bytes_get32(&r);
	free(buf);
	if (r.bad || r.left_bytes || to >= PLAN_SIDES || phase >= PHASE_COUNT ||
	    reached >= PHASE_COUNT) {
		saved_file_refuse(topfd, SAVED_FILE_OPEN, len, why);
		return -EUCLEAN;
	}
	got.to = (enum plan_side)to;
	got.phase = (enum commit_phase)phase;
	got.reached = (enum commit_phase)reached;
	*p = got;
	return 0;
}

int position_remove(int topfd)
{
	int err = fault_point("commit.close");

	if (!err && unlinkat(topfd, "open", 0) < 0 && errno != ENOENT)
		err = -errno;
	return err ? err : io_fsync("commit.dir", topfd);
}

bool position_left_files(const struct commit_position *p)
{
	return p->to == PLAN_BEFORE && p->reached < PHASE_DATA;
}
