/* ring.pml: include/millrace/ring.h, one producer and one consumer, for all time: items are numbered round and round, so
 * the search ends when every state was seen and not when the items are used up.
 *
 * Indices are counted modulo 8 where the code counts modulo 2^32: the wrap lies inside the model, on every second lap.
 * One step is one access to memory that the other side may touch, with the arithmetic on private fields around it.
 * A side that got 0 waits until what it read last has changed: to look again before would lead back to the same state.
 * So a lost wake-up of this kind is a deadlock, which the search reports. Left out: the prefetch cursor, which only
 * prefetches look at. Sequentially consistent: whether A–D suffice on a weaker machine is not asked here.
 *
 * Checked: each item arrives once, in order, as it was filled; a slot is filled only after it was read; spans end with the
 * array; what room promised can be reserved; nobody waits for ever.
 *
 * true   CAP=2 LAZY=1
 * true   CAP=4 LAZY=1
 * true   CAP=4 LAZY=2
 * fault  PUBLISH_FIRST       B before the slots are filled
 * fault  PUBLISH_TOO_FAR     publish: one more than was advanced over
 * fault  LIMIT_WITHOUT_SIZE  A without + capacity
 * fault  LIMIT_OFF_BY_ONE    A with one credit too many
 * fault  RESERVE_UNCLIPPED   reserve: after A, n is not cut to the room
 * fault  SPAN_PAST_THE_END   reserve: the span is not cut at the end of the array
 * fault  HELD_WHILE_WAITING  a producer that waits for room keeps what it has not published
 * fault  STALE_SEEN          peek: after C, n is not cut to what is there
 * fault  COMPARED_NOT_SUBTRACTED  peek: indices compared by <
 * fault  RELEASE_FIRST       D before the slots are read
 * fault  RELEASE_TOO_MUCH    release: one more than was read
 * fault  NOTED_NOT_RETURNED  return: `returned` is set, D is not stored
 * fault  EMPTY_KEEPS_CREDITS an empty look returns no credits (with LAZY above the size)
 * fault  PARKED_WITH_CREDITS a consumer that stops looking keeps its credits
 */
#ifndef CAP
#define CAP 4
#endif
#ifndef LAZY
#define LAZY 2
#endif
#ifdef FAULT_EMPTY_KEEPS_CREDITS
#undef LAZY
#define LAZY (CAP + 1)
#endif

#define W(i) ((i) & 7)
#define AT(i) ((i) & (CAP - 1))
#define LEAST(a, b) ((a) < (b) -> (a) : (b))
#define NUMBERS (CAP + 1) /* one more than fit: an item of the lap before is never taken for this one */
#define READ 9            /* what the consumer leaves in a slot: work functions write in place */

byte slot[CAP] = READ;
byte tail, limit = CAP;     /* struct mr_ring_producer */
byte head, seen, returned;  /* struct mr_ring_consumer */
byte tail_published;        /* producer writes, consumer reads */
byte head_published;        /* consumer writes, producer reads */
byte looked_head;           /* what A brought last */

/* limit = load_acquire(head.published) + capacity: A, in mr_ring_reserve and mr_ring_room */
inline look_at_head()
{
    looked_head = head_published;
#if defined(FAULT_LIMIT_WITHOUT_SIZE)
    limit = head_published;
#elif defined(FAULT_LIMIT_OFF_BY_ONE)
    limit = W(head_published + CAP + 1);
#else
    limit = W(head_published + CAP);
#endif
}

/* mr_ring_reserve: n in: wanted; n out: how many */
inline reserve(n)
{
    atomic {
        if
        :: W(limit - tail) < n ->
            look_at_head();
#ifndef FAULT_RESERVE_UNCLIPPED
            n = LEAST(W(limit - tail), n)
#endif
        :: else
        fi;
#ifndef FAULT_SPAN_PAST_THE_END
        n = LEAST(CAP - AT(tail), n)
#endif
    }
}

/* mr_ring_room */
inline room(enough, n)
{
    atomic {
        if
        :: W(limit - tail) < enough -> look_at_head()
        :: else
        fi;
        n = W(limit - tail)
    }
}

/* The caller fills k slots of the span. */
inline fill(k)
{
    i = 0;
    do
    :: i < k ->
        atomic {
            assert(AT(tail) + i < CAP); /* inside the array */
            assert(slot[AT(tail) + i] == READ); /* read before it is overwritten */
            slot[AT(tail) + i] = next;
            next = (next + 1) % NUMBERS;
            i++
        }
    :: else -> break
    od
}

/* mr_ring_advance: private */
inline advance(k)
{
    tail = W(tail + k)
}

/* mr_ring_publish: B */
inline publish()
{
#ifdef FAULT_PUBLISH_TOO_FAR
    tail_published = W(tail + 1)
#else
    tail_published = tail
#endif
}

/* Fill and advance over k of n reserved ones: all, or fewer, as a driver does that got less than it had room for. */
inline put(k)
{
#ifdef FAULT_PUBLISH_FIRST
    tail_published = W(tail + k);
#endif
    fill(k);
    advance(k)
}

/* What a producer does that has no room: stage_work flushes what it holds (`ask(s, 0, now)`), push publishes. */
inline wait_for_room()
{
#ifndef FAULT_HELD_WHILE_WAITING
    publish();
#endif
    head_published != looked_head
}

active proctype producer()
{
    byte next, i, n, k, all;
    do
    :: /* as stage_rx: one reserve, a part of it filled, commit at once or later */
        atomic { n = 1; do :: n < CAP -> n++ :: break od }
        reserve(n);
        if
        :: n == 0 -> wait_for_room()
        :: n > 0 ->
            atomic { k = 0; do :: k < n -> k++ :: break od }
            put(k);
            if
            :: publish()
            :: skip /* held back */
            fi
        fi;
        atomic { n = 0; k = 0; i = 0 }
    :: /* as stage_work: ask for room, then fill all of it, in two spans at the end of the array; publish later */
        atomic { all = 1; do :: all < CAP -> all++ :: break od }
        room(all, k);
        all = LEAST(all, k);
        if
        :: all == 0 -> wait_for_room()
        :: else ->
            do
            :: all > 0 ->
                n = all;
                reserve(n);
                assert(n > 0); /* room was asked: emit never drops */
                put(n);
                all = all - n
            :: else -> break
            od
        fi;
        atomic { n = 0; k = 0; i = 0; all = 0 }
    :: publish() /* mr_ring_commit(r, 0), a flush */
    od
}

/* mr_ring_return: D */
inline give_back()
{
    if
    :: returned != head ->
        atomic {
            returned = head;
#ifndef FAULT_NOTED_NOT_RETURNED
            head_published = head
#endif
        }
    :: else
    fi
}

/* mr_ring_peek: n in: wanted; n out: how many */
inline peek(n)
{
    atomic {
#ifdef FAULT_COMPARED_NOT_SUBTRACTED
        have = (seen > head -> seen - head : 0);
#else
        have = W(seen - head);
#endif
        if
        :: have < n ->
            seen = tail_published; /* C */
#ifdef FAULT_COMPARED_NOT_SUBTRACTED
            have = (seen > head -> seen - head : 0);
#else
            have = W(seen - head);
#endif
#ifdef FAULT_STALE_SEEN
            n = (have == 0 -> 0 : n)
#else
            n = LEAST(have, n)
#endif
        :: else
        fi;
        n = LEAST(CAP - AT(head), n)
    }
    if
#ifndef FAULT_EMPTY_KEEPS_CREDITS
    :: n == 0 -> give_back() /* mr_ring_look_empty */
#endif
    :: else
    fi
}

/* mr_ring_release */
inline release(count)
{
    head = W(head + count);
    if
    :: W(head - returned) >= LAZY -> give_back()
    :: else
    fi
}

active proctype consumer()
{
    byte next, i, n, k, have;
    do
    :: atomic { n = 1; do :: n < CAP -> n++ :: break od }
        peek(n);
        if
        :: n == 0 -> tail_published != seen
        :: n > 0 ->
            atomic { k = 0; do :: k < n -> k++ :: break od }
#ifdef FAULT_RELEASE_FIRST
            release(k);
            head = W(head - k);
#endif
            do
            :: i < n -> /* the span's numbers go up; what is not released comes again */
                atomic {
                    assert(slot[AT(head) + i] == (next + i) % NUMBERS);
                    i++
                }
            :: else -> break
            od;
            i = 0;
            do
            :: i < k ->
                atomic {
                    assert(slot[AT(head) + i] == (next + i) % NUMBERS); /* still ours */
                    slot[AT(head) + i] = READ;
                    i++
                }
            :: else -> break
            od;
            next = (next + k) % NUMBERS;
#if defined(FAULT_RELEASE_FIRST)
            head = W(head + k)
#elif defined(FAULT_RELEASE_TOO_MUCH)
            if
            :: k > 0 -> release(k + 1)
            :: else
            fi
#else
            release(k)
#endif
        fi;
        atomic { n = 0; k = 0; i = 0; have = 0 }
    :: seen = tail_published /* mr_ring_visible: C */
    :: /* it stops looking, as a stage does whose own output is full, until the ring is full again */
        skip; /* decided: from here it waits */
#ifndef FAULT_PARKED_WITH_CREDITS
        give_back();
#endif
        W(tail_published - head) == CAP
    od
}
