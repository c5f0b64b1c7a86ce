/* SPDX-License-Identifier: MIT */
/*
 * Sync points, sums and recovery, as core/store/sync.c and core/journal do
 * them, with a power cut or a kill at any moment.
 *
 * Two files have one page each, somewhere in an arena of three pages.  The
 * writer gives a file a new page, or overwrites its page in place; the syncer
 * makes sync points; the kernel writes any page back whenever it likes.  A
 * page's content is file * 16 + version, so a page of another file, or an older
 * copy of the page, is recognised.  The journal is a list of groups, of which
 * a power cut keeps any beginning that has all that was flushed.
 *
 * Asserted after a power cut, and after a kill (where the page cache stays):
 *  [D1] the version that a sync returned success for is there, or a later one;
 *  [D2] each file shows a page of its own, with the bytes of the sync point or
 *       later ones;
 *  [D3] after a kill, everything is there;
 *  [A1] no page was reused too early (otherwise [D2] fails);
 *  [S3] a page whose sum counts, in a region that is not in flight, fits it.
 *
 * Each MUTATE_... leaves out one barrier; run.py shows that each is found.
 */
#define FILES 2
#define PAGES 3
#define OPS 3
#define SYNCS 2
#define GROUPS 14

#define NAMES 1	 /* `file` has `page` now */
#define SUM 2	 /* `page` has the sum `val` */
#define FLAG 3	 /* pages may be overwritten in place */
#define SETTLE 4 /* ... no longer */
#define MARK 5	 /* groups up to `val` are durable, and their pages */

/* Nothing happens any more after the end. */
#define IS_UP !is_down

#define VERSION(c) (c % 16)
#define OWNER(c) (c / 16)

typedef group {
	byte kind;
	byte file;
	byte page;
	byte val
};

/* The journal: groups 1 .. last; those up to `flushed` are durable. */
group journal[GROUPS + 1];
byte last = 0;
byte flushed = 0;

/* The arena. */
byte cached[PAGES];
byte on_disk[PAGES];
bool taken[PAGES];
bool pending[PAGES]; /* freed, waiting for a sync point to begin */
bool sealed[PAGES];  /* ... for it to succeed */
bool unsettled[PAGES];
bool writing[PAGES];
bool is_flagged = false;

/* The delta in memory. */
byte page_of[FILES];  /* page + 1, 0: none */
byte version[FILES];  /* that reached the daemon */
byte synced[FILES];   /* that a sync returned success for */
bool is_down = false; /* the machine, or the daemon */

inline append(k, f, p, v)
{
	d_step {
		assert(last < GROUPS);
		last++;
		journal[last].kind = k;
		journal[last].file = f;
		journal[last].page = p;
		journal[last].val = v;
	}
}

inline find_free(p)
{
	p = 0;
	do
	:: p < PAGES && taken[p] -> p++
	:: else -> break
	od
}

/*
 * The kernel writes a page back whenever it likes, or not; when, makes a
 * difference only just before the page is overwritten, and at the end.
 */
inline write_back(p)
{
	if
	:: on_disk[p] = cached[p]
	:: skip
	fi
}

proctype writer()
{
	byte ops = 0;
	byte p;
	byte f;
	byte old;

	do
	:: ops < OPS ->
		/* The files are alike, so the first one is written first. */
		if
		:: f = 0
		:: ops > 0 -> f = 1
		fi;
		ops++;
		if
		:: /* A new page: its bytes first, then the record. */
			atomic {
				IS_UP;
				find_free(p);
				if
				:: p < PAGES ->
					taken[p] = true;
					write_back(p);
					cached[p] = f * 16 + version[f] + 1;
					unsettled[p] = true
				:: else -> skip
				fi
			}
			if
			:: p < PAGES ->
				/* The record is appended and applied at once. */
				atomic {
					IS_UP;
					append(NAMES, f, p, version[f] + 1);
					version[f]++;
					old = page_of[f];
					page_of[f] = p + 1;
					if
					:: old > 0 ->
#ifdef MUTATE_REUSE_AT_ONCE
						taken[old - 1] = false
#else
						pending[old - 1] = true
#endif
					:: else -> skip
					fi;
					old = 0
				}
			:: else -> skip
			fi
		:: page_of[f] > 0 ->
			/* In place; the region must be in flight on disk. */
			p = page_of[f] - 1;
			atomic {
				/* Under one lock with the check of the flag. */
				IS_UP;
				writing[p] = true;
				unsettled[p] = true;
				if
				:: !is_flagged ->
					append(FLAG, 0, 0, 0);
#ifndef MUTATE_NO_FLAG_FLUSH
					flushed = last;
#endif
					is_flagged = true
				:: else -> skip
				fi
			}
			atomic {
				IS_UP;
				write_back(p);
				cached[p] = f * 16 + version[f] + 1;
				version[f]++;
				writing[p] = false
			}
		fi;
		p = 0;
		f = 0
	:: else -> break
	od
}

proctype syncer()
{
	byte syncs = 0;
	byte p;
	byte covers;
	byte mine[FILES];
	bool may_settle;

	do
	:: syncs < SYNCS ->
		/* All that reached the daemon before is covered. */
		atomic {
			IS_UP;
			syncs++;
			mine[0] = version[0];
			mine[1] = version[1];
			do
			:: p < PAGES ->
				sealed[p] = sealed[p] || pending[p];
				pending[p] = false;
				p++
			:: else -> break
			od;
			p = 0
		}
		/* Sums; a page that is being written keeps none for now. */
		do
		:: p < PAGES ->
			atomic {
				IS_UP;
				if
				:: taken[p] && unsettled[p] && !writing[p] ->
					unsettled[p] = false;
					append(SUM, 0, p, cached[p])
				:: else -> skip
				fi;
				p++
			}
		:: else -> break
		od;
		p = 0;
		/* The region becomes settled, if nothing of it is in flight. */
		if
		:: is_flagged ->
			atomic {
				IS_UP;
				may_settle = true;
#ifndef MUTATE_SETTLE_UNSETTLED
				do
				:: p < PAGES ->
					may_settle = may_settle &&
						!(taken[p] && unsettled[p]);
					p++
				:: else -> break
				od;
				p = 0;
#endif
				if
				:: may_settle ->
#ifndef MUTATE_SETTLE_LATE
					is_flagged = false;
#endif
					append(SETTLE, 0, 0, 0)
				:: else -> skip
				fi;
				may_settle = false
			}
#ifdef MUTATE_SETTLE_LATE
			is_flagged = false
#endif
		:: true -> skip
		fi;
#ifndef MUTATE_COVERS_LATE
		covers = last;
#endif
#ifndef MUTATE_NO_PAGE_FLUSH
		do
		:: p < PAGES ->
			atomic {
				IS_UP;
				on_disk[p] = cached[p];
				p++
			}
		:: else -> break
		od;
		p = 0;
#endif
#ifdef MUTATE_COVERS_LATE
		covers = last;
#endif
		atomic {
			IS_UP;
			append(MARK, 0, 0, covers)
		}
		atomic {
			IS_UP;
#ifndef MUTATE_NO_JOURNAL_FLUSH
			flushed = last;
#endif
			do
			:: p < PAGES ->
				if
				:: sealed[p] ->
					sealed[p] = false;
					taken[p] = false
				:: else -> skip
				fi;
				p++
			:: else -> break
			od;
			p = 0;
			synced[0] = mine[0];
			synced[1] = mine[1];
			mine[0] = 0;
			mine[1] = 0;
			covers = 0
		}
	:: else -> break
	od
}

/* Replays the groups up to `trusted`, and judges what is found. */
inline judge(trusted)
{
	n = 1;
	do
	:: n <= trusted ->
		if
		:: journal[n].kind == NAMES ->
			found[journal[n].file] = journal[n].page + 1;
			least[journal[n].file] = journal[n].val;
			sum[journal[n].page] = 0
		:: journal[n].kind == SUM ->
			sum[journal[n].page] = journal[n].val
		:: journal[n].kind == FLAG -> in_flight = true
		:: journal[n].kind == SETTLE -> in_flight = false
		:: else -> skip
		fi;
		n++
	:: else -> break
	od;
#ifndef MUTATE_FORGET_FLAGS
	/* Groups that do not count still tell what was being written. */
	do
	:: n <= sound ->
		in_flight = in_flight || journal[n].kind == FLAG;
		n++
	:: else -> break
	od;
#endif
	n = 0;
	do
	:: n < FILES ->
		assert(found[n] > 0 || synced[n] == 0);	/* [D1] */
		if
		:: found[n] > 0 ->
			c = shown[found[n] - 1];
			assert(OWNER(c) == n);		/* [D2] [A1] */
			assert(VERSION(c) >= least[n]);	/* [D2] */
			assert(VERSION(c) >= synced[n]); /* [D1] */
			assert(!was_killed || VERSION(c) >= version[n]);
			assert(in_flight || sum[found[n] - 1] == 0 ||
			       sum[found[n] - 1] == c);	/* [S3] */
		:: else -> assert(!was_killed || version[n] == 0) /* [D3] */
		fi;
		n++
	:: else -> break
	od
}

proctype end_of_it()
{
	byte shown[PAGES];
	byte found[FILES];
	byte least[FILES];
	byte sum[PAGES];
	byte n;
	byte c;
	byte sound;
	byte trusted;
	bool in_flight;
	bool was_killed;

	atomic {
		is_down = true;
		if
		:: /* The daemon is killed: the page cache stays. */
			was_killed = true;
			sound = last;
			shown[0] = cached[0];
			shown[1] = cached[1];
			shown[2] = cached[2];
			judge(last)
		:: /* The power fails: a beginning of the journal stays. */
			sound = flushed;
			do
			:: sound < last -> sound++
			:: break
			od;
			n = 1;
			do
			:: n <= sound ->
				if
				:: journal[n].kind == MARK &&
				   journal[n].val > trusted ->
					trusted = journal[n].val
				:: else -> skip
				fi;
				n++
			:: else -> break
			od;
#ifdef MUTATE_TRUST_ALL
			trusted = sound;
#endif
			write_back(0);
			write_back(1);
			write_back(2);
			shown[0] = on_disk[0];
			shown[1] = on_disk[1];
			shown[2] = on_disk[2];
			judge(trusted)
		fi
	}
}

init {
	atomic {
		run writer();
		run syncer();
		run end_of_it()
	}
}
