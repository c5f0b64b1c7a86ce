/* SPDX-License-Identifier: MIT */
/*
 * An unsound group is where the power failed, or it is damage.  Each mark
 * names the lsn that was already flushed when the mark was written.  So if a
 * sound mark behind an unsound group says that this group was flushed, it is
 * damage, and to roll back silently would break [D1].
 */
#include "verdict.h"

#include "scan.h"

/* Does a mark behind the unsound group say that the group was durable? */
static int was_durable(struct scan *s, const struct segment_info *seg,
		       mapfs_lsn need, bool *out)
{
	struct sound_group g;
	mapfs_lsn covers;
	mapfs_lsn flushed;
	int ret = 0;

	*out = seg->durable_lsn >= s->lsn || need >= s->lsn;
	for (uint64_t off = s->off; !*out && ret >= 0 && off < s->file_bytes;
	     off += 8) {
		ret = scan_group_at(s, off, &g);
		*out = ret > 0 && g.kind != GROUP_RECORDS &&
		       mark_decode(&g, &covers, &flushed) == 0 &&
		       flushed >= s->lsn;
	}
	return ret < 0 ? ret : 0;
}

/* The group behind the last sound one: torn, or damaged? */
static int judge_end(struct scan *s, const struct segment_info *seg,
		     mapfs_lsn need, struct segment_verdict *v)
{
	const bool is_cut = s->file_bytes - s->off < sizeof(struct group_disk);
	bool is_damage;
	int err = was_durable(s, seg, need, &is_damage);

	if (!err && is_damage)
		(void)journal_damage_set(&v->damage,
					 is_cut ? JOURNAL_CUT_OFF :
						  JOURNAL_BAD_GROUP,
					 seg->number, s->off);
	return err;
}

/* The sound groups; 1: one of them is no mark that mapfs wrote. */
static int judge_groups(struct scan *s, struct segment_verdict *v)
{
	struct sound_group g;
	mapfs_lsn covers;
	mapfs_lsn flushed;
	uint64_t off = s->off;
	int ret;

	while (!v->closed && (ret = scan_next(s, &g)) > 0) {
		if (g.kind != GROUP_RECORDS) {
			if (mark_decode(&g, &covers, &flushed)) {
				s->off = off;
				s->lsn = g.lsn;
				return 1;
			}
			if (covers > v->covered)
				v->covered = covers;
			v->closed = g.kind == GROUP_CLOSE;
		}
		off = s->off;
	}
	return v->closed ? 0 : ret;
}

int segment_judge(const struct journal_where *where,
		  const struct journal_id *id, const struct segment_info *seg,
		  mapfs_lsn need, struct segment_verdict *out)
{
	struct segment_verdict v = { .covered = seg->first_lsn - 1 };
	struct scan s;
	int ret = scan_begin(&s, where, id, seg->number, seg->first_lsn);

	if (ret)
		return ret;
	ret = judge_groups(&s, &v);
	if (ret > 0)
		(void)journal_damage_set(&v.damage, JOURNAL_BAD_MARK,
					 seg->number, s.off);
	v.last = s.lsn - 1;
	v.end = s.off;
	v.file_bytes = s.file_bytes;
	if (ret == 0 && !v.closed)
		ret = judge_end(&s, seg, need, &v);
	scan_end(&s);
	if (ret < 0)
		return ret;
	*out = v;
	return 0;
}
