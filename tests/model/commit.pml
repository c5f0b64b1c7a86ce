/* SPDX-License-Identifier: MIT */
/*
 * A commit to the base and its undo, as core/commit does them, with power cuts
 * and kills at any moment, each followed by a repair: to finish, or to undo.
 *
 * The base has one file whose bytes change in place, and one object whose name
 * changes: from its old name to the work directory, and from there to the new
 * name.  Base and store are two file systems.  What was written and not
 * flushed may be on disk or not, each thing by itself.
 *
 *     save    saved := old bytes, plan | flush the store | open := build
 *     take    old name -> work directory    | flush the base | open := data
 *     data    bytes := new                  | flush the base | open := place
 *     place   work directory -> new name    | flush the base | open := delta
 *     delta   after, an empty delta         | flush the store| no open
 *
 * Asserted:
 *  [K1] without `open`, base and delta are both of before, or both of after;
 *  [K2] bytes are written only while what they replace is safe in the store;
 *  [K3] finishing makes the state after, undoing that before, from wherever a
 *       crash left it, also if undoing crashes itself;
 *  [K4] undoing writes to no file that the commit did not reach.
 *
 * Each MUTATE_... leaves out one barrier; run.py shows that each is found.
 */
#define CRASHES 2

#define OLD 0
#define NEW 1

/* Where the object is. */
#define AT_OLD 0
#define IN_WORK 1
#define AT_NEW 2

/* What `open` says: that there is none, or which phase was reached. */
#define NONE 0
#define TAKE 1
#define DATA 2
#define PLACE 3
#define DELTA 4

/* The base: in the page cache, and on disk. */
byte bytes;
byte disk_bytes;
byte place;
byte disk_place;

/* The store; saved: 0 nothing, 1 the old bytes. */
byte saved;
byte disk_saved;
byte open;
byte disk_open;
byte side;
byte disk_side;
byte delta = 1;
byte disk_delta = 1; /* 1: full, 0: empty */

byte crashes = 0;
bool was_written = false; /* the commit reached the file's bytes */

inline flush_base()
{
	disk_bytes = bytes;
	disk_place = place
}

inline flush_store()
{
	disk_saved = saved;
	disk_delta = delta
}

/* Each thing that was not flushed is on disk, or not. */
inline settle_disk()
{
	if
	:: disk_bytes = bytes
	:: skip
	fi;
	if
	:: disk_place = place
	:: skip
	fi;
	if
	:: disk_saved = saved
	:: skip
	fi;
	if
	:: disk_open = open;
	   disk_side = side
	:: skip
	fi;
	if
	:: disk_delta = delta
	:: skip
	fi
}

/* At any moment: the machine goes down, and all that is left is on disk. */
inline may_crash()
{
	if
	:: crashes < CRASHES ->
		atomic {
			crashes++;
			settle_disk();
			bytes = disk_bytes;
			place = disk_place;
			saved = disk_saved;
			open = disk_open;
			side = disk_side;
			delta = disk_delta
		};
		goto repair
	:: true -> skip
	fi
}

/* `open` is replaced by a rename of a flushed file: old or new, never torn. */
inline set_open(phase, to)
{
	atomic {
		open = phase;
		side = to
	};
	may_crash();
	atomic {
		disk_open = open;
		disk_side = side
	}
}

inline barrier_base()
{
#ifdef MUTATE_NO_BASE_FLUSH
	skip
#else
	atomic { flush_base() }
#endif
}

active proctype commit()
{
	/* save */
	saved = 1;
	may_crash();
#ifndef MUTATE_NO_SAVED_FLUSH
	atomic { flush_store() };
	may_crash();
#endif
	set_open(TAKE, NEW);
	may_crash();

forward:
	/* `open` has said so, and all phases before it are on disk. */
	if
	:: open == TAKE ->
		if
		:: place == AT_OLD -> place = IN_WORK
		:: else -> skip
		fi;
		may_crash();
		barrier_base();
		may_crash();
		set_open(DATA, NEW);
		may_crash()
	:: else -> skip
	fi;
	if
	:: open == DATA ->
		assert(disk_saved == 1 && saved == 1);	/* [K2] */
		assert(disk_open >= DATA);
		bytes = NEW;
		was_written = true;
		may_crash();
		barrier_base();
		may_crash();
		set_open(PLACE, NEW);
		may_crash()
	:: else -> skip
	fi;
	if
	:: open == PLACE ->
		if
		:: place == IN_WORK -> place = AT_NEW
		:: else -> skip
		fi;
		may_crash();
		barrier_base();
		may_crash();
		set_open(DELTA, NEW);
		may_crash()
	:: else -> skip
	fi;
	assert(bytes == NEW && place == AT_NEW);	/* [K3] */
#ifndef MUTATE_OPEN_GONE_FIRST
	delta = 0;
	may_crash();
	atomic { flush_store() };
	may_crash();
	set_open(NONE, NEW);
	may_crash();
#else
	set_open(NONE, NEW);
	may_crash();
	delta = 0;
	may_crash();
	atomic { flush_store() };
	may_crash();
#endif
	goto ended;

backward:
	/* Phases behind the one that `open` names were never begun. */
	if
	:: open >= PLACE && place == AT_NEW -> place = IN_WORK
	:: else -> skip
	fi;
	may_crash();
#ifdef MUTATE_UNDO_ALL
	assert(was_written);				/* [K4] */
	bytes = OLD;
#else
	if
	:: open >= DATA ->
		assert(saved == 1 && disk_saved == 1);	/* [K2] */
		bytes = OLD
	:: else ->
		assert(!was_written)			/* [K4] */
	fi;
#endif
	may_crash();
	if
	:: place == IN_WORK -> place = AT_OLD
	:: else -> skip
	fi;
	may_crash();
	barrier_base();
	may_crash();
	assert(bytes == OLD && place == AT_OLD);	/* [K3] */
	assert(delta == 1 || open == DELTA);
	delta = 1;
	may_crash();
	atomic { flush_store() };
	may_crash();
	set_open(NONE, OLD);
	may_crash();
	goto ended;

repair:
	if
	:: open == NONE -> goto ended
	:: open != NONE && side == NEW -> goto forward
	:: open != NONE ->
		/* The phase that was reached stays. */
		set_open(open, OLD);
		goto backward
	fi;

ended:
	/* [K1], in memory and whatever a power cut leaves. */
	assert((bytes == OLD && place == AT_OLD && delta == 1) ||
	       (bytes == NEW && place == AT_NEW && delta == 0));
	atomic {
		settle_disk();
		assert((disk_bytes == OLD && disk_place == AT_OLD &&
			disk_delta == 1) ||
		       (disk_bytes == NEW && disk_place == AT_NEW &&
			disk_delta == 0) || disk_open != NONE)
	}
}
