/* cut.pml: the balance of a running engine: lib/engine/check.c asks, core_loop.c and cut.c answer. Two cores: one takes
 * frames in and fills a ring, holding some back before it publishes; the other empties it, and drops some. (A work stage
 * is both.) They run for ever. Counters and cursors count modulo 4, where the code has 64 and 32 bits, so that their
 * turning over lies inside the model: sums are compared by difference. Each copy of a counter into the cut is a step, and
 * each that control reads.
 *
 * That a core publishes the number it was asked by, and not the one that is wanted when it has done, is not needed: its
 * cut is one moment's in either case.
 *
 * Checked: a sum that control makes is exact, of the whole and of each stage, though no core ever stops; a round that
 * was given up does not spoil the next one.
 *
 * true   ROUNDS=2
 * true   ROUNDS=1 CAP=2
 * night  ROUNDS=3 CAP=2
 * fault  NOT_ASKED           control: it adds up without looking whether all have answered
 * fault  ANY_ANSWER          control: it takes the answer to an earlier round for one to this
 * fault  NUMBER_FIRST        core: the number is published before the counters are copied
 * fault  TAKEN_AGAIN         core: a cut in each housekeeping, wanted or not
 * fault  PUBLISHED_TAIL      cut: what a stage holds back in its output is left out
 * fault  WITHIN_A_PASS       cut: taken between a stage's cursor and its counter
 * fault  DROPS_LEFT_OUT      cut: without the frames that died
 */
#ifndef ROUNDS
#define ROUNDS 2
#endif
#ifndef CAP
#define CAP 1
#endif

#define W(n) ((n) & 3)
#define FILLS 0
#define EMPTIES 1

byte wanted[2], taken[2];                     /* mailboxes: control writes the one, the core the other */
byte cut_rx, cut_tails;                       /* struct mr_stage_cut of the one that fills */
byte cut_heads, cut_tx, cut_drops;            /* and of the one that empties */
byte tail, held, head, received, sent, dropped; /* the stages' own */

/* Between a cursor and the counter that follows it, a core does nothing else. */
#ifdef FAULT_WITHIN_A_PASS
#define BETWEEN if :: take_cut() :: skip fi;
#define ONE_STEP
#else
#define BETWEEN
#define ONE_STEP atomic
#endif

/* A poll of the core's stage; nobody but its own core looks at these counters. */
inline poll()
{
    if
    :: me == FILLS && W(tail - head) < CAP -> ONE_STEP { tail = W(tail + 1); BETWEEN received = W(received + 1); held++ }
    :: me == FILLS && held > 0 -> held = 0 /* publish */
    :: me == EMPTIES && W(tail - held) != head -> ONE_STEP { head = W(head + 1); BETWEEN sent = W(sent + 1) }
    :: me == EMPTIES && W(tail - held) != head -> ONE_STEP { head = W(head + 1); BETWEEN dropped = W(dropped + 1) }
    fi
}

/* mr_cut_take */
inline copy()
{
    if
    :: me == FILLS ->
        cut_rx = received;
#ifdef FAULT_PUBLISHED_TAIL
        cut_tails = W(tail - held)
#else
        cut_tails = tail
#endif
    :: me == EMPTIES ->
        cut_tx = sent;
#ifndef FAULT_DROPS_LEFT_OUT
        cut_drops = dropped;
#endif
        cut_heads = head
    fi
}

#ifdef FAULT_TAKEN_AGAIN
#define ASKED (number != 0)
#else
#define ASKED (number != taken[me])
#endif

/* housekeeping(): when another cut is wanted than was taken */
inline take_cut()
{
    number = wanted[me];
    if
    :: ASKED ->
#ifdef FAULT_NUMBER_FIRST
        taken[me] = number;
        copy()
#else
        copy();
        taken[me] = number
#endif
    :: else
    fi;
    number = 0
}

proctype core(byte me)
{
    byte number;
    do
    :: poll()
    :: take_cut()
    od
}

#ifdef FAULT_NOT_ASKED
#define ANSWERED true
#elif defined(FAULT_ANY_ANSWER)
#define ANSWERED (taken[FILLS] != 0 && taken[EMPTIES] != 0)
#else
#define ANSWERED (taken[FILLS] == round && taken[EMPTIES] == round)
#endif

/* add_up(): each stage, then the whole; one counter after another, while the cores go on. Frames in the ring are tails -
 * heads, below 0 where the core that empties it was asked later. */
inline judge()
{
    rx = cut_rx;
    tails = cut_tails;
    assert(rx == tails);
    heads = cut_heads;
    tx = cut_tx;
    drops = cut_drops;
    assert(heads == W(tx + drops));
    assert(W(rx - tx - drops) == W(tails - heads));
    atomic { rx = 0; tails = 0; heads = 0; tx = 0; drops = 0 }
}

active proctype control()
{
    byte round, rx, tails, heads, tx, drops;
    atomic {
        run core(FILLS);
        run core(EMPTIES)
    }
    do
    :: round < ROUNDS ->
        round++;
        wanted[FILLS] = round; /* begin() */
        wanted[EMPTIES] = round;
        if
        :: ANSWERED -> judge()
        :: skip /* given up after a second: whoever answers late answers the next round */
        fi
    :: else -> break
    od
}
