/*
 * vault - keeper, worker, saver, view, two clients and the kernel, with SIGKILL at any step
 *
 * What the keeper decides is not written here: it is enclave/lockstate.c's table, printed by
 * table.c. What it does then is, next to the name of the C function it stands for. README.md says
 * what is checked, how to read a counterexample, and what the model leaves out.
 */
#include "names.pml"
#include "switches.h"

c_decl {
\#include "cells.h"
\#include "switches.h"
\#include "checker.h"
}

/* A repair or a care that is taken away (switches.h), so that its need can be shown. */
#define WITHOUT(what)	c_expr { taz_without == what }
#define WITH(what)	c_expr { taz_without != what }
/* Only when a trail is replayed. */
#define SAY(...)	c_code { if (readtrail) printf("| " __VA_ARGS__); }

/*
 * TAZ_RUN. SESSIONS: two clients, nothing is written. SAVING: one client, its session writes and saves.
 * Both at once are too many states for every run. ENDS: one client, a bounded number of requests, a
 * view that may be stopped for ever: does everything come to an end?
 */
#define SESSIONS  c_expr { taz_run == RUN_SESSIONS }
#define ENDS	  c_expr { taz_run == RUN_ENDS }
#define MAY_WRITE c_expr { taz_run != RUN_SESSIONS }
#define SHORT	  c_expr { taz_run == RUN_SAVING } /* opening and taking down are one step */
#define N	  2 /* clients */

/* TAZ_REQUESTS a client, TAZ_DEATHS of anything: a bound, or as many as there may be. */
byte left[N], deaths;
#define ASKED	c_code { now.left[PKeeper->c] -= taz_requests >= 0; }
#define MAY_DIE	(deaths > 0)
#define DIED	c_code { now.deaths -= taz_deaths >= 0; }

/* --- the kernel's objects ---------------------------------------------------------------------- */

bit map, doomed, crypt; /* a mapping, deferred removal is set, it has the key */
bit loop, mnt;		/* a loop device; ext4 is mounted (in no namespace) */
bit h_worker, h_flight, h_keeper, h_view; /* who holds the decrypted root */
bit w_devs;		/* the worker holds the loop or the mapping open */
bit pin;		/* somebody else holds it, too: a root's descriptor, map, mount */
bit husk;		/* a stack whose key was cut and that is still pinned: it can only fail */
bit cutting;		/* lock_cut()'s child is at work */
bit door;		/* the view's mount is attached */
bit id_reused;		/* a mount of somebody else has the id of one of ours that is long gone */

/* --- contents: what is newer than what ---------------------------------------------------------- */

bit newer;	  /* the image has a change that the sealed file has not */
bit unsaved;	  /* and it is one that client 0 was told is written */
bit copy;	  /* the saver has a copy, or is at it */
bit since, since0; /* the same, seen from that copy */
bit torn;	  /* the image changed under it */

#define IMAGE_CHANGES	 torn = torn || s_st == S_COPYING

/* --- the keeper (struct keeper) ----------------------------------------------------------------- */

byte ls = LS_LOCKED; /* state */
byte kdead;	     /* 1: its descriptors are closed; 2: its children have got their signal */
bit dirty, image, kb, loop_known, listed; /* kb: the seal key; listed: n_mounts */
byte phase;	     /* save_phase */
bit chan_open, pidfd_open, view_pid; /* view.fd, view_pidfd.fd, view_pid */
bit w_sock, s_sock;
bit g_view = 1, g_map = 1, g_loop = 1, g_mount = 1, g_key = 1; /* report.checks[].gone: what was seen to be gone */
bit armed;	     /* step_timer */
bit want;	     /* a lock was asked for, and has not been reported */
byte conn[N];	     /* enum conn_state */
bit sess[N];	     /* sessions */

#define SAVE_NONE	0
#define SAVE_QUIESCING	1
#define SAVE_COPYING	2
#define SAVE_PROVING	3
#define SAVE_COMMITTING 4

#define C_IDLE	    0
#define C_QUEUED    1 /* CONN_ASKING and CONN_PROMPT are the user's time only */
#define C_WORKING   2
#define C_STARTING  3
#define C_ADMITTING 4
#define C_REFUSED   5
#define C_LOCK	    6
#define C_SAVE	    7
#define C_SAVE_NEXT 8

/* --- the worker that opens (worker.c do_open(), stack.c stack_up()) ------------------------------ */

byte w_st; /* how far it is; 0: dead or never born */
byte w_kill, w_res;
bit w_kept;

#define W_JOB	 1 /* it has its job, and is not yet told of the keeper's death */
#define W_ARMED	 2 /* PR_SET_PDEATHSIG */
#define W_KEY	 3 /* the seal key is in the keybox */
#define W_LOOP	 4
#define W_MAP	 5 /* DM_DEVICE_CREATE */
#define W_DOOMED 6
#define W_CRYPT	 7
#define W_ROOT	 8 /* mounted */
#define W_SENT	 9
#define RES_NONE 0
#define RES_OK	 1
#define RES_ERR	 2

/* --- the saver (saver.c), for as long as the image is in RAM --------------------------------------- */

byte s_st, s_kill;
bit s_armed, s_hung; /* s_hung: the disk does not answer, for ever */
byte s_stale;	     /* so many of its next answers are to what was given up: their id is not save.id */
bit retried;	     /* save.retried */
byte quiesces;	     /* save.quiesces */
#define S_BORN	     1
#define S_IDLE	     2
#define S_COPYING    3
#define S_COMMITTING 4
#define S_COMMITTED  5 /* the names are exchanged, and nobody is told */
#define S_WORKS	     (s_st == S_COPYING || s_st >= S_COMMITTING)
chan k2s = [2] of { byte };
chan s2k = [2] of { byte };
#define COPY	  1
#define COMMIT	  2
#define COPIED	  3
#define SAVED_OK  4
#define FAILED	  5 /* SAVER_COPIED or SAVER_DONE with an error */

/* --- the view (tazfs) ------------------------------------------------------------------------------ */

byte v_st, v_kill;
bit v_zombie, v_reset, v_gate, v_stop;
byte v_dirty;	/* 0, 1: a thread has marked it and not yet told the keeper, 2: told */
bit v_sess[N];
#define V_STARTING 1
#define V_OPEN	   2
#define V_SCRUB	   3
#define V_EXITING  4 /* its descriptors are closed */
chan k2v = [2] of { byte };
chan v2k = [2] of { byte };
#define QUIESCE	     1
#define RESUME	     2
#define LOCK	     3
#define ADD	     4 /* + client */
#define DEL	     6 /* + client */
#define READY	     1
#define DIRTY	     2
#define QUIESCED     3
#define QUIESCED_ERR 4
#define RESUMED	     5
#define ADDED	     6 /* + client */
#define VIEW_ALIVE   (v_st != 0 && v_st != V_EXITING)

/* --- the clients ------------------------------------------------------------------------------------ */

/* Client and request, handed over when the keeper takes it; nobody listens to ask[0]. */
chan ask[2] = [0] of { byte, byte };
#define REQ_OPEN  1 /* with REQ_SEALED */
#define REQ_LOCK  2
#define REQ_SAVE  3
#define REQ_LEAVE 4 /* or its session's leader dies */
#define HANG_UP	  5

proctype Client(byte me)
{
#define MAY_ASK	(left[me] > 0 && kdead == 0)

end:	do
	:: atomic { ask[MAY_ASK && conn[me] == C_IDLE && !sess[me]]!me, REQ_OPEN }
	:: atomic { ask[MAY_ASK && conn[me] == C_IDLE]!me, REQ_LOCK }
	:: atomic { ask[MAY_ASK && conn[me] == C_IDLE && MAY_WRITE]!me, REQ_SAVE }
	:: atomic { ask[MAY_ASK && sess[me]]!me, REQ_LEAVE }
	:: atomic { ask[MAY_ASK && conn[me] != C_IDLE]!me, HANG_UP }
	od
}

/* --- the keeper ---------------------------------------------------------------------------------- */

#define VIEW_TO_READ (chan_open && (len(v2k) > 0 || !VIEW_ALIVE || v_reset))
#define VIEW_IS_DEAD (pidfd_open && v_zombie)
#define VIEW_TO_REAP (view_pid && v_zombie)
#define WORKER_HEARD (w_sock && (w_res != RES_NONE || w_st == 0))
#define SAVER_HEARD  (s_sock && (len(s2k) > 0 || s_st == 0))

/* How a save has ended. */
#define FIN_OK	1
#define FIN_ERR 2

/* SIGKILL between two steps of a handler. The label is at the end of the process. */
#ifdef FULL
#define CRASH if :: true :: goto killed fi
#else
#define CRASH skip
#endif

inline drain(c)
{
	do
	:: len(c) > 0 -> c?_
	:: len(c) == 0 -> break
	od
}

/* view_kill() */
inline view_kill()
{
	if
	:: view_pid && !v_zombie && v_kill == 0 -> v_kill = 1
	:: else
	fi
}

/* view_send(), view_add_session(): a channel that is full, or whose peer is dead, is an error */
inline view_send(m)
{
	if
	:: chan_open && VIEW_ALIVE && len(k2v) < 2 -> k2v!m
	:: chan_open && !(VIEW_ALIVE && len(k2v) < 2) -> view_kill()
	:: !chan_open
	fi
}

/* keeper_unwatch(&k->view) */
inline close_channel()
{
	chan_open = 0;
	v_reset = 0;
	drain(v2k)
}

/* conn_drop_worker() of the one that opens: what it has sent and nobody took is closed, too */
inline drop_worker()
{
	w_sock = 0;
	w_res = RES_NONE;
	h_flight = 0;
	if
	:: w_st != 0 && w_kill == 0 -> w_kill = 1
	:: else
	fi
}

/* open_refuse() */
inline open_refuse()
{
	i = 0;
	do
	:: i < N ->
		if
		:: conn[i] == C_WORKING || conn[i] == C_STARTING || conn[i] == C_ADMITTING ->
			if
			:: conn[i] == C_WORKING && w_sock -> drop_worker()
			:: else
			fi;
			conn[i] = C_REFUSED
		:: else
		fi;
		i++
	:: else -> break
	od
}

/* keeper_unwatch(&save.saver). It finishes what it has been asked for, and then sees that. */
inline close_saver()
{
	s_sock = 0;
	drain(s2k)
}

/* saver_gone() */
inline saver_gone()
{
	close_saver();
	if
	:: s_st != 0 && s_kill == 0 -> s_kill = 1
	:: else
	fi
}

/* save_abort(), forget_view() */
inline save_abort()
{
	quiesces = 0;
	if
	:: phase == SAVE_NONE || phase == SAVE_COMMITTING
	:: else ->
		if
		:: WITHOUT(CARE_ABORT_ID)
		:: WITH(CARE_ABORT_ID) ->
			drain(s2k);
			s_stale = len(k2s) + S_WORKS
		fi;
		phase = SAVE_NONE;
		if
		:: WITH(CARE_ABORT_DIRTY) -> dirty = 1
		:: WITHOUT(CARE_ABORT_DIRTY)
		fi
	fi
}

/* keeper_saver.c saver_need(), as far as there is none */
inline start_saver()
{
	if
	:: s_sock && s_st != 0 && s_kill == 0
	:: else ->
		drain(s2k);
		drain(k2s);
		s_st = S_BORN;
		s_kill = 0;
		s_armed = 0;
		s_hung = 0;
		s_stale = 0;
		copy = 0; since = 0; since0 = 0; torn = 0;
		s_sock = 1
	fi
}

/* ask(). A full channel is an error, as no memory is. */
inline ask_saver(what, then)
{
	if
	:: s_sock && s_st != 0 && len(k2s) < 2 -> k2s!what; phase = then
	:: !(s_sock && s_st != 0 && len(k2s) < 2) -> fin = FIN_ERR
	fi
}

/* save_request(), while UNLOCKED. PREPARING touches nothing of what is here: it is left out. */
inline save_request()
{
	if
	:: ls == LS_UNLOCKED && phase == SAVE_NONE ->
		if
		:: start_saver();
		   phase = SAVE_QUIESCING;
		   quiesces++;
		   view_send(QUIESCE)
		:: !ENDS -> told = 0; conns_saved() /* it could not be begun */
		fi
	:: else
	fi
}

/* conns_saved(): those who asked learn the result. Client 0 asks, and nobody else. */
inline conns_saved()
{
	if
	:: conn[0] == C_SAVE ->
		assert(!told || !unsaved); /* told saved what is not */
		conn[0] = C_IDLE
	:: else
	fi
}

/* save_begin_again(): with another saver. Sets request or again, or leaves fin as it is. */
inline begin_again()
{
	if
	:: ls == LS_UNLOCKED || ls == LS_SAVING ->
		phase = SAVE_NONE;
		dirty = dirty || WITH(CARE_FAILED_DIRTY);
		request = ls == LS_UNLOCKED;
		again = ls == LS_SAVING;
		fin = 0
	:: else
	fi
}

/* save_done(), next(), next_while_unlocked(): a save has ended. Sets ev, again, request or tell. */
inline save_done()
{
	phase = SAVE_NONE;
	dirty = dirty || (fin == FIN_ERR && WITH(CARE_FAILED_DIRTY));
	retried = retried && fin == FIN_ERR;
	if
	:: ls == LS_SAVING && fin == FIN_OK && dirty && WITH(CARE_SAVE_AGAIN) -> again = 1 /* before the last writes */
	:: else ->
		told = fin == FIN_OK;
		asked = conn[0] == C_SAVE_NEXT;
		conns_saved();
		if
		:: ls == LS_SAVING -> ev = (fin == FIN_OK -> LE_SAVED : LE_NOT_SAVED)
		:: ls == LS_LOCKED && fin == FIN_OK -> ev = LE_LOCK /* late */
		:: ls == LS_UNLOCKED && asked ->
			conn[0] = C_SAVE;
			if
			:: fin == FIN_OK && dirty -> request = 1
			:: fin == FIN_OK && !dirty -> tell = 1
			:: fin == FIN_ERR -> told = 0; conns_saved()
			fi
		:: else
		fi
	fi;
	asked = 0;
	told = 0;
	fin = 0
}

#define UNDER_WAY(c) (conn[c] == C_WORKING || conn[c] == C_STARTING || conn[c] == C_ADMITTING)

/* open_or_lock(). Sets ev. */
inline open_or_lock()
{
	if
	:: ls == LS_UNLOCKED && !sess[0] && !sess[1] && !(UNDER_WAY(0) || UNDER_WAY(1)) -> ev = LE_LOCK
	:: else
	fi
}
/* keeper_open.c admit() */
inline admit(c)
{
	conn[c] = C_ADMITTING;
	if
	:: chan_open && VIEW_ALIVE && len(k2v) < 2 -> k2v!(ADD + c)
	:: !(chan_open && VIEW_ALIVE && len(k2v) < 2) ->
		view_kill();
		conn[c] = C_IDLE
	fi
}

/* view_del_session(), unless it is registered */
inline del_session(c)
{
	if
	:: !sess[c] -> view_send((DEL + c))
	:: else
	fi
}

/* take_message(), one of the view's */
inline on_message()
{
	v2k?m;
	if
	:: m == READY ->
		if
		:: ls == LS_STARTING || WITHOUT(CARE_READY) -> ev = LE_READY
		:: else
		fi
	:: m == DIRTY -> dirty = 1 /* save_mark_dirty() */
	:: m == QUIESCED || m == QUIESCED_ERR -> /* save_quiesced() */
		quiesces = quiesces - (quiesces > 0);
		if
		:: phase == SAVE_QUIESCING && (quiesces == 0 || WITHOUT(REPAIR_COUNT)) ->
			if
			:: WITH(CARE_CLEAN_AT_QUIESCE) -> dirty = 0
			:: WITHOUT(CARE_CLEAN_AT_QUIESCE)
			fi;
			if
			:: m == QUIESCED -> ask_saver(COPY, SAVE_COPYING)
			:: m == QUIESCED_ERR -> fin = FIN_ERR
			fi;
			if
			:: fin == FIN_ERR -> view_send(RESUME)
			:: else
			fi
		:: else
		fi
	:: m == RESUMED -> /* save_resumed() */
		if
		:: phase == SAVE_PROVING -> ask_saver(COMMIT, SAVE_COMMITTING)
		:: else
		fi
	:: m >= ADDED -> /* open_admitted() */
		m = m - ADDED;
		if
		:: conn[m] == C_ADMITTING && ls == LS_UNLOCKED ->
			sess[m] = 1;
			conn[m] = C_IDLE;
			door = 1; /* its next request: on_mount() */
			listed = 1
		:: conn[m] == C_ADMITTING && ls != LS_UNLOCKED ->
			del_session(m);
			conn[m] = C_IDLE
		:: else
		fi
	fi;
	m = 0
}

/* saver_lost(), saver_gone(); @retry: it died, and was not given up */
inline on_saver_dead(retry)
{
	saver_gone();
	if
	:: (phase == SAVE_QUIESCING || phase == SAVE_COPYING) && ls == LS_UNLOCKED -> view_send(RESUME)
	:: else
	fi;
	if
	:: phase == SAVE_NONE
	:: phase != SAVE_NONE ->
		fin = FIN_ERR;
		if
		:: retry && !retried -> retried = 1; begin_again()
		:: else
		fi
	fi
}

/* on_saver(), after it has heard the view */
inline on_saver()
{
	if
	:: !s_sock || !SAVER_HEARD
	:: s_sock && len(s2k) > 0 ->
		s2k?m;
		if
		:: m == COPIED && phase == SAVE_COPYING -> /* on_copied() */
			if
			:: ls == LS_UNLOCKED && WITH(REPAIR_COMMIT) -> view_send(RESUME); phase = SAVE_PROVING
			:: ls == LS_UNLOCKED && WITHOUT(REPAIR_COMMIT) ->
				view_send(RESUME);
				ask_saver(COMMIT, SAVE_COMMITTING)
			:: ls != LS_UNLOCKED -> ask_saver(COMMIT, SAVE_COMMITTING)
			fi;
			if
			:: WITHOUT(CARE_CLEAN_AT_QUIESCE) -> dirty = 0
			:: else
			fi
		:: m == SAVED_OK && phase == SAVE_COMMITTING -> fin = FIN_OK /* on_done() */
		:: m == FAILED && (phase == SAVE_COPYING || phase == SAVE_COMMITTING) ->
			if
			:: phase == SAVE_COPYING && ls == LS_UNLOCKED -> view_send(RESUME)
			:: else
			fi;
			fin = FIN_ERR
		:: else
		fi;
		m = 0
	:: s_sock && len(s2k) == 0 && SAVER_HEARD -> on_saver_dead(1)
	fi
}

/* save_on_watch(): no sign of life in time */
inline save_on_watch()
{
	SAY("timer: the disk hangs\n");
	if
	:: ls == LS_UNLOCKED -> on_saver_dead(0) /* COPYING */
	:: ls == LS_SAVING -> ev = LE_NOT_SAVED /* the saver goes on */
	fi
}

/* lock_check(): look_at_all(), and what follows from it; what was seen to be gone stays so */
#define MAY_LOOK (w_st == 0 || WITHOUT(REPAIR_WAIT_WORKER) || WITHOUT(REPAIR_VIEW_FIRST))
inline check(late)
{
	if
	:: !view_pid && (w_st == 0 || WITHOUT(REPAIR_WAIT_WORKER)) -> g_view = 1
	:: else
	fi;
	if
	:: MAY_LOOK && !g_map && map && !doomed && !w_devs && !mnt -> map = 0; crypt = 0 /* dm_remove() */
	:: else
	fi;
	g_map = g_map || (MAY_LOOK && !map);
	g_loop = g_loop || (MAY_LOOK && (!loop || !loop_known));
	g_mount = g_mount || (MAY_LOOK && !door && !id_reused);
	g_key = g_key || (MAY_LOOK && !crypt);
	if
	:: g_view && g_map && g_loop && g_mount && g_key -> ev = LE_CLEAN
	:: else ->
		if
		:: ls == LS_CUTTING && g_view && g_key && g_mount ->
			assert(!crypt);
			husk = 1; /* the next stack has another name */
			map = 0; loop = 0; mnt = 0; doomed = 0; pin = 0;
			ev = LE_PINNED
		:: late && ls == LS_DRAINING -> ev = LE_TIMEOUT
		:: late && ls == LS_CUTTING && !ENDS -> ev = LE_TIMEOUT
		:: !late || !ENDS || (ls == LS_CUTTING && !(g_view && g_key && g_mount)) /* in ENDS every bound passes at once */
		fi
	fi;
	if
	:: ev == LE_CLEAN || ev == LE_PINNED -> /* not looked at any more */
		loop_known = 0;
		g_view = 1; g_map = 1; g_loop = 1; g_mount = 1; g_key = 1
	:: else
	fi;
	armed = (ev == NO_EVENT)
}

/* The actions, in the order of keeper.c's actions[]. */
inline act_kill_worker() /* open_kill_worker() */
{
	drop_worker()
}

inline act_shut_door() /* lock_shut_door() */
{
	door = 0; /* view_unmount() */
	armed = 0;
	g_view = 0; g_map = 0; g_loop = 0; g_mount = 0; g_key = 0;
	save_abort();
	sess[0] = 0;
	sess[1] = 0;
	open_refuse()
}

inline act_forget() /* forget() */
{
	assert(!newer); /* what only RAM has is forgotten */
	assert(phase == SAVE_NONE);
	close_saver(); /* save_end() */
	retried = 0;
	quiesces = 0;
	image = 0;
	kb = 0;
	dirty = 0;
	unsaved = 0;
	listed = 0
}

inline act_report() /* report(), conns_report() */
{
	assert(!map && !loop && !mnt && !door); /* reported as locked */
	i = 0;
	do
	:: i < N ->
		if
		:: conn[i] == C_LOCK || conn[i] == C_REFUSED -> conn[i] = C_IDLE
		:: conn[i] == C_SAVE || conn[i] == C_SAVE_NEXT ->
			assert(image || !unsaved);
			conn[i] = C_IDLE
		:: else
		fi;
		i++
	:: else -> break
	od;
	if
	:: !image || WITH(REPAIR_MOUNT_LIST) -> listed = 0
	:: else
	fi
}

inline act_ask_view() /* view_ask_lock() */
{
	view_send(LOCK);
	armed = 1
}

inline act_admit() /* admit(), open_admit() */
{
	armed = 0;
	i = 0;
	do
	:: i < N ->
		if
		:: conn[i] == C_STARTING -> admit(i)
		:: else
		fi;
		i++
	:: else -> break
	od
}

inline act_start_worker() /* start_worker(), open_start_worker() */
{
	save_abort(); /* of what could not be saved before */
	loop_known = 0; /* new_name() */
	if
	:: listed -> id_reused = 1 /* ours are long gone, and their ids are free */
	:: true
	fi;
	assert(w_st == 0); /* another one still works */
	i = (conn[0] == C_QUEUED -> 0 : 1);
	conn[i] = C_WORKING;
	w_sock = 1;
	w_kept = image;
	w_kill = 0;
	if
	:: w_st = W_JOB
	:: w_st = W_ARMED
	:: ev = LE_FAILED /* it died before */
	fi
}

inline act_start_view() /* start_view(), view_start() */
{
	if
	:: ev = LE_FAILED /* before there is a process */
	:: h_view = 1;
	   h_keeper = 0;
	   v_st = V_STARTING;
	   v_kill = 0;
	   v_zombie = 0;
	   v_gate = 0;
	   v_dirty = 0;
	   view_pid = 1;
	   if
	   :: pidfd_open = 1;
	      chan_open = 1;
	      armed = 1
	   :: ev = LE_FAILED /* it cannot be watched */
	   fi
	fi
}

inline act_check() /* lock_start_check(), view_forget() */
{
	if
	:: pidfd_open && WITH(REPAIR_DRAIN) /* on_view_dead() will */
	:: else -> close_channel()
	fi;
	h_keeper = 0;
	check(0) /* its bound begins now */
}

inline act_cut() /* lock_cut(): a child, which may take its time */
{
	cutting = 1
}

inline act_save() /* save_at_lock() */
{
	if
	:: phase != SAVE_NONE /* save_done() comes back here */
	:: phase == SAVE_NONE && (!image || !dirty) -> ev = LE_SAVED
	:: phase == SAVE_NONE && image && dirty ->
		dirty = 0;
		if
		:: start_saver();
		   ask_saver(COPY, SAVE_COPYING)
		:: fin = FIN_ERR
		fi
	fi
}

/* open_pump(): go on with those who wait */
inline pump()
{
	if
	:: ls == LS_LOCKED && (conn[0] == C_QUEUED || conn[1] == C_QUEUED) -> ev = LE_OPEN
	:: ls == LS_UNLOCKED && (sess[0] || sess[1]) && conn[0] != C_WORKING && conn[1] != C_WORKING ->
		if
		:: conn[0] == C_QUEUED -> conn[0] = C_WORKING
		:: conn[0] != C_QUEUED && conn[1] == C_QUEUED -> conn[1] = C_WORKING
		:: else
		fi
	:: else
	fi
}

/* keeper_event(), what follows from it, and at last open_pump() */
inline carry_out()
{
	do
	:: fin != 0 -> save_done()
	:: fin == 0 && request -> request = 0; save_request()
	:: fin == 0 && tell -> tell = 0; told = 1; conns_saved(); told = 0
	:: fin == 0 && again -> again = 0; act_save() /* next() calls save_at_lock() */
	:: fin == 0 && !again && !request && !tell && ev != NO_EVENT ->
		want = want || (ev == LE_LOCK && ENDS);
		c_code {
			struct taz_step step = taz_step(now.ls, PKeeper->ev);

			if (readtrail)
				taz_say(now.ls, PKeeper->ev, &step);
			PKeeper->refused = !step.known;
			PKeeper->acts = step.actions;
			now.ls = step.next;
		};
		ev = NO_EVENT;
		assert(!refused); /* an event that has no place in the state */
		do
		:: acts == 0 -> break
		:: else ->
			c_code { PKeeper->doing = taz_first(&PKeeper->acts); };
			if
			:: doing == ACT_KILL_WORKER -> act_kill_worker(); CRASH
			:: doing == ACT_KILL_VIEW -> view_kill(); CRASH
			:: doing == ACT_REFUSE -> open_refuse(); CRASH
			:: doing == ACT_SHUT_DOOR -> act_shut_door(); CRASH
			:: doing == ACT_COMPLAIN || doing == ACT_KEEP /* words only */
			:: doing == ACT_FORGET -> act_forget(); CRASH
			:: doing == ACT_REPORT -> act_report(); CRASH
			:: doing == ACT_ASK_VIEW -> act_ask_view(); CRASH
			:: doing == ACT_ADMIT -> act_admit(); CRASH
			:: doing == ACT_START_WORKER -> act_start_worker(); CRASH
			:: doing == ACT_START_VIEW -> act_start_view(); CRASH
			:: doing == ACT_CHECK -> act_check(); CRASH
			:: doing == ACT_CUT -> act_cut(); CRASH
			:: doing == ACT_SAVE -> act_save(); CRASH
			:: else -> assert(false) /* an action that the model does not know */
			fi
		od;
		doing = 0;
		want = want && ls != LS_LOCKED;
		pumped = 0
	:: fin == 0 && !again && !request && !tell && ev == NO_EVENT && hear == 0 && !pumped ->
		pumped = 1;
		pump()
	:: fin == 0 && !again && !request && !tell && ev == NO_EVENT && (hear != 0 || pumped) -> break
	od
}

inline on_save()
{
	if
	:: ls == LS_LOCKED && image -> conn[c] = C_SAVE; ev = LE_LOCK
	:: ls != LS_LOCKED && ls != LS_UNLOCKED /* refused: locked */
	:: !(ls == LS_LOCKED && image) && (ls == LS_LOCKED || ls == LS_UNLOCKED) ->
		conn[c] = (phase > SAVE_QUIESCING -> C_SAVE_NEXT : C_SAVE);
		request = phase == SAVE_NONE && dirty;
		tell = phase == SAVE_NONE && !dirty
	fi
}

#define HEAR_ONE  1 /* on_view() */
#define HEAR_DEAD 2 /* on_view_dead() */
#define HEAR_SAVE 3 /* on_save() listens first */
#define HEAR_SAVER 4 /* on_saver() too */
#define LISTENS	  (hear != HEAR_SAVE || WITH(REPAIR_ASK_FIRST)) && (hear != HEAR_SAVER || WITH(REPAIR_SAVER_LAST))

/* take_message(): one, or what follows when there is none */
inline hear_view()
{
	if
	:: chan_open && v_reset && WITH(REPAIR_RESET) && LISTENS -> v_reset = 0
	:: chan_open && !v_reset && len(v2k) > 0 && LISTENS ->
		on_message();
		hear = (hear == HEAR_ONE -> 0 : hear)
	:: else ->
		if
		:: hear == HEAR_ONE -> /* it has closed */
			close_channel();
			view_kill()
		:: hear == HEAR_DEAD ->
			pidfd_open = 0;
			close_channel();
			ev = LE_GONE
		:: hear == HEAR_SAVE -> on_save()
		:: hear == HEAR_SAVER -> on_saver()
		fi;
		hear = 0
	fi
}

#define CHECKS	     (ls == LS_DRAINING || ls == LS_CUTTING)
/* ENDS: epoll(7) serves all in turn, so a timer does not come again and again before what is there. */
#define TIMER	     !(ENDS && (VIEW_TO_READ || VIEW_IS_DEAD || VIEW_TO_REAP || SAVER_HEARD || WORKER_HEARD))

proctype Keeper()
{
	byte ev = NO_EVENT, i, m, c;
	short acts, doing;
	bit refused, again, asked, told, request, tell, pumped;
	byte fin, hear;

end:	do
	:: atomic {
		if
		/* on_worker(), on_result() of the one that opens */
		:: WORKER_HEARD ->
			assert(ls == LS_OPENING);
			i = (conn[0] == C_WORKING -> 0 : 1);
			if
			:: w_res == RES_OK ->
				SAY("worker: here is the root\n");
				image = 1; /* take_vault() */
				h_keeper = 1;
				loop_known = 1;
				conn[i] = C_STARTING;
				if
				:: !w_kept && MAY_WRITE -> dirty = 1; newer = 1 /* created */
				:: true
				fi;
				ev = LE_OPENED
			:: else ->
				SAY("worker: it failed, or died\n");
				ev = LE_FAILED
			fi;
			drop_worker()
		/* on_worker() of one that verifies the passphrase of a second session */
		:: ls == LS_UNLOCKED && conn[0] == C_WORKING -> i = 0; goto verified
		:: ls == LS_UNLOCKED && conn[1] == C_WORKING -> i = 1;
verified:
			if
			:: admit(i)
			:: conn[i] = C_IDLE;
			   open_or_lock()
			fi
		/* on_view(), view_listen() */
		:: VIEW_TO_READ -> hear = (hear == 0 -> HEAR_ONE : hear)
		/* on_view_dead(), or view_died(): first what it said */
		:: VIEW_IS_DEAD ->
			SAY("view: it is dead\n");
			hear = HEAR_DEAD
		/* reap() */
		:: VIEW_TO_REAP ->
			view_pid = 0;
			if
			:: pidfd_open && WITH(REPAIR_STALE_GONE) -> hear = HEAR_DEAD
			:: else
			fi
		:: SAVER_HEARD -> hear = HEAR_SAVER
		/* on_step() */
		:: CHECKS && armed && TIMER -> check(1)
		:: (ls == LS_STARTING || ls == LS_CLOSING) && armed && TIMER ->
			armed = 0;
			SAY("timer: the bound has passed\n");
			ev = LE_TIMEOUT
		/* idle, a signal, nobody entered in time */
		:: ls == LS_UNLOCKED && TIMER -> ev = LE_LOCK
		/* on_settle(), and its bound */
		:: ls == LS_UNLOCKED && dirty && phase == SAVE_NONE && TIMER -> request = 1
		:: TIMER && ls == LS_UNLOCKED && (phase == SAVE_QUIESCING || phase == SAVE_PROVING) -> ev = LE_LOCK
		/* conn_expect(), on_bound() */
		:: TIMER && ls == LS_UNLOCKED && (conn[0] == C_ADMITTING || conn[1] == C_ADMITTING) -> view_kill()
		:: TIMER && ((ls == LS_UNLOCKED && phase == SAVE_COPYING) ||
			     (ls == LS_SAVING && (phase == SAVE_COPYING || phase == SAVE_COMMITTING))) -> save_on_watch()
		/* key_pump(), apply(): the changed header goes into the image between two copies */
		:: MAY_WRITE && ls == LS_UNLOCKED && sess[0] && conn[0] == C_IDLE && phase != SAVE_COPYING ->
			SAY("keeper: changes the keys\n");
			newer = 1; since = copy;
			unsaved = 1; since0 = copy;
			IMAGE_CHANGES;
			dirty = 1
		/* keeper_conn.c */
		:: ask[1]?c, REQ_OPEN -> ASKED;
			SAY("client %d: open\n", PKeeper->c);
			conn[c] = C_QUEUED
		:: ask[1]?c, REQ_LOCK -> ASKED;
			SAY("client %d: lock\n", PKeeper->c);
			conn[c] = C_LOCK;
			ev = LE_LOCK
		:: ask[1]?c, REQ_LEAVE -> ASKED;
			SAY("client %d: leaves\n", PKeeper->c);
			sess[c] = 0;
			del_session(c);
			open_or_lock()
		:: ask[1]?c, REQ_SAVE -> ASKED; /* on_save() */
			SAY("client %d: save\n", PKeeper->c);
			hear = HEAR_SAVE
		:: ask[1]?c, HANG_UP -> ASKED; /* drop() */
			SAY("client %d: hangs up\n", PKeeper->c);
			if
			:: WITHOUT(CARE_HANG_UP)
			:: conn[c] == C_STARTING || (conn[c] == C_WORKING && ls == LS_OPENING) -> ev = LE_LOCK
			:: else
			fi;
			if
			:: conn[c] == C_WORKING && w_sock -> drop_worker()
			:: conn[c] == C_ADMITTING -> del_session(c)
			:: else
			fi;
			conn[c] = C_IDLE;
			open_or_lock()
		fi;
		do
		:: true ->
			if
			:: hear != 0 -> hear_view()
			:: else
			fi;
			carry_out();
			if
			:: hear == 0 -> break
			:: else
			fi
		od;
		c = 0;
		pumped = 0;
		i = 0
	   }
	:: atomic { MAY_DIE; DIED; goto killed }
	od;

killed:
	atomic {
		SAY("keeper: killed\n");
		kdead = 1; /* the kernel closes its descriptors */
		h_keeper = 0;
		h_flight = 0;
		door = 0; /* the namespace's mount is dead with the view's connection; see README.md */
		w_sock = 0;
		s_sock = 0;
		w_res = RES_NONE;
		close_channel();
		pidfd_open = 0;
		view_pid = 0;
		drain(s2k);
		drain(k2v);
		s_stale = 0;
		retried = 0;
		quiesces = 0;
		newer = 0;
		unsaved = 0;
		kb = 0;
		image = 0;
		dirty = 0;
		conn[0] = 0;
		conn[1] = 0;
		sess[0] = 0;
		sess[1] = 0;
		listed = 0;
		phase = 0;
		ls = LS_LOCKED;
		ev = 0; i = 0; m = 0; c = 0; acts = 0; doing = 0; refused = 0; again = 0; asked = 0;
		told = 0; request = 0; tell = 0; pumped = 0; fin = 0; hear = 0; want = 0; armed = 0
	};
	atomic { /* and gives its children their signal */
		kdead = 2;
		if
		:: w_st >= W_ARMED && w_kill == 0 -> w_kill = 2
		:: else
		fi;
		if
		:: s_st != 0 && s_armed && s_kill == 0 -> s_kill = 2
		:: else
		fi;
		if
		:: WITH(REPAIR_CONT) -> v_stop = 0
		:: WITHOUT(REPAIR_CONT)
		fi
	}
}

/* --- the worker ---------------------------------------------------------------------------------- */

/* A process that was sent SIGKILL can still do one system call: the one that it is in. */
#define LAST(kill) if :: kill == 1 -> kill = 2 :: kill == 0 fi

inline worker_ends()
{
	if
	:: !crypt -> loop = 0 /* its last user: cleared before the process is a zombie */
	:: else
	fi;
	w_st = 0;
	w_kill = 0;
	w_devs = 0;
	h_worker = 0;
	w_kept = 0
}

proctype Worker()
{
end:	do
	:: atomic { w_st == W_JOB && w_kill < 2 -> LAST(w_kill); /* privs_die_with_parent() */
		if
		:: kdead != 0 && WITH(REPAIR_HANG_UP) -> worker_ends()
		:: kdead == 0 || WITHOUT(REPAIR_HANG_UP) -> w_st = W_ARMED;
			if
			:: kdead == 1 -> w_st = W_ARMED
			:: else
			fi
		fi }
	:: atomic { w_st == W_ARMED && w_kill < 2 -> LAST(w_kill);
		assert(kdead < 2 || w_kill == 2); /* it opens the vault for nobody */
		w_st = W_KEY;
		kb = (kdead == 0) }
	:: atomic { SHORT && w_st == W_KEY && w_kill < 2 -> LAST(w_kill); w_st = W_ROOT;
		loop = 1; loop_known = 1; map = 1; doomed = 1; crypt = 1; w_devs = 1;
		mnt = 1; h_worker = 1; IMAGE_CHANGES }
	:: atomic { !SHORT && w_st == W_KEY && w_kill < 2 -> LAST(w_kill); w_st = W_LOOP;
		SAY("worker: attaches the loop\n");
		loop = 1; w_devs = 1;
		if
		:: WITH(REPAIR_LOOP_KNOWN) && w_sock -> loop_known = 1
		:: else
		fi }
	:: atomic { w_st == W_LOOP && w_kill < 2 -> LAST(w_kill); w_st = W_MAP;
		SAY("worker: makes the mapping\n");
		map = 1; doomed = 0 }
	:: atomic { w_st == W_MAP && w_kill < 2 -> LAST(w_kill); w_st = W_DOOMED;
		if
		:: WITH(CARE_DOOM_FIRST) -> doomed = 1
		:: WITHOUT(CARE_DOOM_FIRST) -> crypt = 1
		fi }
	:: atomic { w_st == W_DOOMED && w_kill < 2 -> LAST(w_kill); w_st = W_CRYPT; doomed = 1; crypt = 1 }
	:: atomic { w_st == W_CRYPT && w_kill < 2 -> LAST(w_kill); w_st = W_ROOT;
		mnt = 1; h_worker = 1; IMAGE_CHANGES }
	:: atomic { w_st == W_ROOT && w_kill < 2 -> LAST(w_kill); w_st = W_SENT;
		if
		:: w_sock -> w_res = RES_OK; h_flight = 1
		:: else
		fi }
	/* It fails, at any step: a wrong passphrase, no memory, no device. */
	:: atomic { w_st >= W_ARMED && w_st < W_SENT && w_kill < 2 ->
		if
		:: w_sock -> w_res = RES_ERR
		:: else
		fi;
		kb = kb && w_kept;
		if
		:: w_st == W_MAP -> map = 0; crypt = 0
		:: else
		fi;
		worker_ends() }
	/* It ends, or is killed, at any step. */
	:: atomic { w_st == W_SENT || w_kill != 0 -> worker_ends() }
	:: atomic { w_st != 0 && MAY_DIE -> SAY("worker: is killed at step %d\n", now.w_st); DIED; worker_ends() }
	od
}

/* --- the saver ------------------------------------------------------------------------------------ */

inline saver_says(what)
{
	if
	:: s_stale > 0 -> s_stale-- /* its id is an old one: nobody hears it */
	:: s_stale == 0 && s_sock && len(s2k) < 2 -> s2k!what
	:: s_stale == 0 && !(s_sock && len(s2k) < 2)
	fi
}

inline saver_ends()
{
	s_st = 0;
	s_kill = 0;
	s_armed = 0;
	s_hung = 0;
	s_stale = 0;
	drain(k2s);
	copy = 0;
	torn = 0;
	since = 0;
	since0 = 0
}

#define S_RUNS (s_kill < 2 && !s_hung)

proctype Saver() /* saver_main() */
{
	byte m;

end:	do
	:: atomic { s_st == S_BORN && !s_armed && s_kill < 2 -> LAST(s_kill); s_armed = 1;
		if
		:: kdead != 0 && WITH(REPAIR_HANG_UP) -> saver_ends()
		:: else -> s_st = S_IDLE
		fi }
	:: atomic { s_st == S_IDLE && S_RUNS && len(k2s) > 0 -> LAST(s_kill);
		k2s?m;
		if
		:: m == COPY ->
			SAY("saver: begins to copy\n");
			s_st = S_COPYING; copy = 1; torn = 0; since = 0; since0 = 0
		:: m == COMMIT -> s_st = S_COMMITTING
		fi;
		m = 0 }
	:: atomic { s_st == S_COPYING && S_RUNS -> LAST(s_kill);
		SAY("saver: has copied\n");
		s_st = S_IDLE;
		saver_says(COPIED) }
	:: atomic { s_st == S_COMMITTING && S_RUNS -> LAST(s_kill);
		SAY("saver: commits%s\n", now.torn ? " a torn copy" : "");
		assert(copy && !torn); /* a torn copy takes the sealed file's place */
		newer = since; unsaved = since0;
		copy = 0; since = 0; since0 = 0;
		s_st = S_COMMITTED }
	:: atomic { s_st == S_COMMITTED && S_RUNS -> s_st = S_IDLE; saver_says(SAVED_OK) }
	:: atomic { (s_st == S_COPYING || s_st == S_COMMITTING) && S_RUNS -> /* disk full */
		SAY("saver: fails\n");
		s_st = S_IDLE;
		copy = 0; since = 0; since0 = 0; torn = 0;
		saver_says(FAILED) }
	:: atomic { s_st != 0 && s_kill != 0 -> saver_ends() }
	:: atomic { s_st != 0 && MAY_DIE -> SAY("saver: is killed at step %d\n", now.s_st); DIED; saver_ends() }
	:: atomic { ENDS && S_WORKS && !s_hung && MAY_DIE -> SAY("the disk hangs\n"); DIED; s_hung = 1 }
	/* The keeper's end of the socket is closed. */
	:: atomic { s_st == S_IDLE && !s_sock && len(k2s) == 0 -> saver_ends() }
	od
}

/* --- the view ------------------------------------------------------------------------------------- */

#define RUNS (v_kill < 2 && !v_stop)

inline view_says(what)
{
	if
	:: chan_open && VIEW_ALIVE -> v2k!what
	:: !(chan_open && VIEW_ALIVE)
	fi
}

/* A change that the store gets; @acked: its writer is told so */
inline view_writes(acked)
{
	newer = 1; since = copy;
	IMAGE_CHANGES;
	if
	:: acked && v_sess[0] && conn[0] != C_SAVE && conn[0] != C_SAVE_NEXT -> unsaved = 1; since0 = copy
	:: true
	fi
}

#define SERVES	 (MAY_WRITE && v_st == V_OPEN && !v_gate && (v_sess[0] || v_sess[1]))
/* ENDS: the thread that talks to the keeper, and the watchdog of a scrub, have their turn, too. */
#define WRITES	 ((SERVES || MAY_WRITE && v_st == V_SCRUB) && \
		  !(ENDS && (v_st == V_SCRUB || len(k2v) > 0 || !chan_open)))

inline view_exits()
{
	v_reset = chan_open && len(k2v) > 0; /* unix(7): ECONNRESET, once, before what was sent */
	do
	:: len(k2v) > 0 -> k2v?_
	:: len(k2v) == 0 -> break
	od;
	v_st = V_EXITING;
	h_view = 0;
	v_gate = 0;
	v_dirty = 0;
	v_sess[0] = 0;
	v_sess[1] = 0
}

proctype View()
{
	byte m;

end:	do
	:: atomic { v_st == V_STARTING && RUNS && len(v2k) < 2 -> LAST(v_kill);
		SAY("view: is ready\n");
		v_st = V_OPEN;
		view_says(READY) }
	/* link.c serve_one() */
	:: atomic { v_st == V_OPEN && RUNS && len(k2v) > 0 && len(v2k) < 2 && v_dirty != 1 -> LAST(v_kill);
		k2v?m;
		if
		:: m == QUIESCE ->
			if
			:: v_gate = 1; v_dirty = 0; SAY("view: holds its writers\n"); view_says(QUIESCED)
			:: v_gate = 1; view_says(QUIESCED_ERR)
			fi
		:: m == RESUME -> v_gate = 0; view_says(RESUMED)
		:: m == LOCK -> v_gate = 0; v_st = V_SCRUB
		:: m == ADD || m == ADD + 1 -> v_sess[m - ADD] = 1; view_says((ADDED + m - ADD))
		:: m == DEL || m == DEL + 1 -> v_sess[m - DEL] = 0
		fi;
		m = 0 }
	/* view_changed(), then the change */
	:: atomic { WRITES && RUNS && v_dirty == 0 && len(v2k) < 2 -> LAST(v_kill);
		if
		:: WITH(REPAIR_SEND_FIRST) -> view_says(DIRTY); v_dirty = 2
		:: WITHOUT(REPAIR_SEND_FIRST) -> v_dirty = 1
		fi }
	:: atomic { WRITES && RUNS && v_dirty == 1 && len(v2k) < 2 -> LAST(v_kill); v_dirty = 2; view_says(DIRTY) }
	:: atomic { WRITES && RUNS && v_dirty >= 1 -> LAST(v_kill);
		SAY("view: writes\n");
		if
		:: v_st == V_OPEN -> view_writes(1)
		:: v_st == V_SCRUB -> view_writes(0)
		fi }
	/* It has scrubbed; or its channel is closed, or it fails, or is killed: its descriptors close. */
	:: atomic { v_st == V_SCRUB && RUNS -> view_exits() }
	:: atomic { v_st == V_OPEN && RUNS && !chan_open -> view_exits() }
	:: atomic { v_st == V_STARTING && RUNS && !chan_open -> view_exits() }
	:: atomic { VIEW_ALIVE && v_kill != 0 -> SAY("view: dies of it\n"); view_exits() }
	:: atomic { VIEW_ALIVE && MAY_DIE -> SAY("view: is killed\n"); DIED; view_exits() }
	:: atomic { VIEW_ALIVE && ENDS && !v_stop && kdead == 0 && MAY_DIE -> SAY("view: is stopped\n"); DIED; v_stop = 1 }
	:: atomic { v_st == V_EXITING -> v_st = 0; v_kill = 0; v_stop = 0; v_zombie = (kdead == 0) }
	od
}

/* --- the kernel: what nobody holds goes away, in this order, at some time ------------------------- */

#define HELD (h_worker || h_flight || h_keeper || h_view || pin)

proctype Kernel()
{
end:	do
	:: atomic { mnt && !HELD && !(SHORT && w_devs) -> SAY("kernel: unmounts ext4\n");
		mnt = 0;
		if
		:: crypt -> IMAGE_CHANGES
		:: else
		fi;
		if
		:: SHORT -> map = 0; doomed = 0; crypt = 0; loop = 0 /* all of it at once */
		:: else
		fi }
	:: atomic { !SHORT && !mnt && map && doomed && !w_devs -> SAY("kernel: removes the mapping\n");
		map = 0; doomed = 0; crypt = 0 }
	:: atomic { !SHORT && !crypt && loop && !w_devs -> SAY("kernel: clears the loop\n");
		loop = 0 }
	/* The child of lock_cut(), after the death of the keeper, too. */
	:: atomic { cutting -> SAY("cutter: an error target in the place of the key\n");
		cutting = 0;
		crypt = 0 }
	/* Somebody who may, another root, pins the volume, for some time or for ever. */
	:: atomic { h_view && mnt && !pin && !SHORT && MAY_DIE -> SAY("somebody pins the volume\n"); DIED; pin = 1 }
	:: atomic { pin && !ENDS -> pin = 0 }
	:: atomic { husk && !ENDS -> husk = 0 }
	od
}

/* --- what must never be ---------------------------------------------------------------------------- */

#define STANDS	  (map || loop || mnt)
#define THINKS_IT_LOCKED (kdead == 0 && (ls == LS_LOCKED || ls == LS_SAVING))
#define ALL_DEAD  (kdead == 2 && w_st == 0 && s_st == 0 && v_st == 0)

#define RESTS	   (ls == LS_LOCKED || ls == LS_UNLOCKED)
#define WAITS	   (conn[0] > C_QUEUED || conn[1] > C_QUEUED)
#define PENDING	   (kdead == 0 && (want || !RESTS || WAITS))
#define LEFT	   (kdead != 0 && !pin && (crypt || loop || mnt))

proctype Monitor()
{
end:	do
	:: atomic { THINKS_IT_LOCKED && (STANDS || door) -> assert(!STANDS); assert(!door) }
	:: atomic { THINKS_IT_LOCKED && (sess[0] || sess[1] || v_st != 0) -> assert(false) }
	:: atomic { kdead == 0 && ls == LS_LOCKED && kb && !image -> assert(!kb) }
	:: atomic { ls != LS_UNLOCKED && kdead == 0 && (sess[0] || sess[1] || door) -> assert(false) }
	:: atomic { ls == LS_UNLOCKED && !sess[0] && !sess[1] && !UNDER_WAY(0) && !UNDER_WAY(1) &&
		    chan_open && VIEW_ALIVE && v_kill == 0 -> assert(false) }
	:: atomic { timeout && (kdead == 0 && (!RESTS || WAITS) || LEFT) -> assert(false) } /* and nothing will ever happen */
	:: atomic { ALL_DEAD && (HELD && !pin || (crypt && !doomed)) -> assert(false) }
	od
}

init
{
	atomic {
		c_code {
			taz_begin();
			now.left[0] = now.left[1] = taz_requests >= 0 ? taz_requests : 1;
			now.deaths = taz_deaths >= 0 ? taz_deaths : 1;
		};
		run Keeper();
		run Worker();
		run Saver();
		run View();
		run Kernel();
		run Client(0);
		if
		:: SESSIONS -> run Client(1)
		:: else
		fi;
		run Monitor()
	}
}

ltl ends { [] <> !(PENDING || LEFT) }
