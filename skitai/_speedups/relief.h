/* What the monitor does in the leader's place while the leader waits, for an application or for the GIL:
 * whatever is on the shelf (shelf.h, parcel.h) is sent to those who ask for it, also to those who connect meanwhile.
 *
 * A thread that holds the GIL in C for seconds stops every Python thread of the process.  The monitor is
 * none, so it goes on: sk_relieve looks at the leader's events, and asks the poller for more.  It owns
 * then what the leader owns, and for as long (sk_act_for in lead.h): the poller, the events that were
 * fetched, and of each connection its `sk_view`; no Python object.  It stops at the next connection when
 * `over` says so, because then the leader waits.
 *
 * Requests are looked at where they lie, in the socket (MSG_PEEK), and only what is answered is taken
 * out.  So what is not on the shelf is still there for the leader, whole, and the event that told of it is
 * kept for it (`sk_kept`): the sockets are watched edge-triggered, nobody else would tell.  A connection
 * that the leader itself is serving is left alone in the same way.
 *
 * A file that is not on the shelf yet may be fetched (fetching.h).  Its request is left as any other, and the
 * connection, which notes the `errand`, is looked at once more when that has ended.  What is refused, and several
 * ranges, are answers that no shelf keeps (refusing.h).
 *
 * Who connects is a *foundling*: accepted, watched by a poller of our own, answered from the shelf, and
 * given to the leader when it is back (Relief.settle in relief.pyx), as is what the access log has to
 * say (`sk_record`).  All of that is bounded; beyond the bounds things wait for the leader, as all did before.
 *
 * Plain C without Python, tested alone and under ThreadSanitizer (tests/c/relief_stress.c).
 */
#ifndef SKITAI_RELIEF_H
#define SKITAI_RELIEF_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "counting.h"
#include "fetching.h"
#include "held.h"
#include "lead.h"
#include "parcel.h"
#include "poller.h"
#include "sockets.h"

enum {
    SK_PEEKED = 16384,          /* of a socket: longer heads are the leader's */
    SK_FOUNDLINGS = 256,        /* connections that are accepted for the leader; the others wait in the backlog */
    SK_RECORDS_MAX = 16 << 20,  /* bytes of what is to be logged: some 150,000 requests; then we serve no more */
    SK_RELIEF_TURN = 1 << 20,   /* bytes of one answer before the others are looked at again, and the word */
    SK_RELIEF_ANSWERS = 64,     /* the same for requests that come one right behind the other */
};

/* How a connection in its lane stands: the drawing in lane_connection.pyx. */
typedef enum {
    SK_RESTING,
    SK_SERVING,
    SK_QUEUED,
    SK_HELD,
    SK_HELD_SENT, /* its answers were sent by the monitor; the leader has not heard of it */
    SK_SENDING,
    SK_RELAYING,  /* its request is a member's to answer (lane_relay.pyx) */
    SK_ENDED,     /* the monitor has said goodbye; the leader closes */
    SK_GONE
} sk_state;

typedef enum {
    SK_PYTHON,
    SK_CONNECTION,
    SK_LISTENER,
    SK_SEALED /* what comes there is TLS: for the leader, who has the keys */
} sk_view_kind;

/* The rest of an answer of the shelf, and what its access line will say. */
typedef struct {
    sk_parcel parcel;
    double received_at;
    int is_head;
    uint32_t target_size;
    char target[];
} sk_pending;

/* What of a watched descriptor can be seen without Python. */
typedef struct {
    sk_view_kind kind;
    int fd;
    sk_state state;
    int kept;            /* what it became ready for, kept for the leader; 0: it is not in `sk_kept` */
    const void *site;    /* of the shelf */
    sk_pending *pending; /* in state SK_SENDING, where it is an answer of the shelf */
    int left;            /* the leader has bytes that come in front of those in the socket */
    double served_at;    /* by the monitor; 0: never */
    int errand;          /* that its request waits for, from 1 on; 0: none */
} sk_view;

/* Owners of events that are kept. */
typedef struct {
    void **owners;
    int count, room;
} sk_kept;

typedef struct {
    sk_view view;        /* its kind is SK_PYTHON where there is none */
    void *listener;
    int family, port;
    char address[SK_ADDRESS_MAX];
} sk_foundling;

typedef struct {
    void *owner;         /* the connection; NULL: a foundling */
    int port, status, is_head;
    char address[SK_ADDRESS_MAX];
    double when, took;   /* as of time.time(); seconds */
    uint64_t size;
    uint32_t target_size;
    uint32_t record_size; /* to the next one */
    char target[];
} sk_record;

/* What a request says, as far as it matters here. */
typedef struct {
    size_t consumed;
    const char *target;
    uint32_t target_size;
    int is_head;
} sk_asked;

/* 1: `parcel` is the answer to the request at `data`; 0: it is Python's to answer; -N: not yet, before errand N has
 * ended. */
typedef int (*sk_picker)(
    void *context, const void *site, const unsigned char *data, size_t size, sk_parcel *parcel, sk_asked *asked);

typedef struct {
    /* Of the leader. */
    int poller;
    sk_event *events;
    const int *next_event, *event_count;
    size_t view_at;      /* in what an event's owner points to */
    sk_kept *kept;
    sk_shelf *shelf;
    sk_fetching *fetching;
    sk_picker pick;
    void *context;
    int logs;            /* somebody wants records */
    const int *draining; /* the server stops */
    /* Our own. */
    int nursery;         /* the foundlings' poller */
    uint64_t word;       /* of the leader's last absence */
    unsigned long long *statuses; /* shared columns where nobody else counts */
    unsigned long long answered; /* since the leader has counted them; none is an error of the server */
    int foundling_count;
    sk_foundling foundlings[SK_FOUNDLINGS];
    char *records;
    size_t records_size, records_room;
    sk_event fetched[SK_EVENTS_MAX];
    sk_parcel parcel;
    unsigned char peeked[SK_PEEKED];
} sk_relief;

typedef enum {
    SK_DONE,  /* until the next event */
    SK_LEAVE, /* what is left is the leader's */
    SK_OVER   /* nothing comes from or goes to this client any more */
} sk_relieved;

static inline sk_pending *sk_pend(const sk_parcel *parcel, double received_at, const sk_asked *asked) {
    sk_pending *pending = malloc(sizeof *pending + asked->target_size);
    if (pending != NULL) {
        pending->parcel = *parcel;
        pending->received_at = received_at;
        pending->is_head = asked->is_head;
        pending->target_size = asked->target_size;
        memcpy(pending->target, asked->target, asked->target_size);
    }
    return pending;
}

static inline void sk_pending_free(sk_pending *pending) {
    if (pending != NULL)
        sk_parcel_release(&pending->parcel);
    free(pending);
}

/* Whether there is room for `more` owners. */
static inline int sk_kept_room(sk_kept *kept, int more) {
    if (kept->count + more > kept->room) {
        int room = (kept->count + more) * 2;
        void **owners = realloc(kept->owners, (size_t)room * sizeof *owners);
        if (owners == NULL)
            return 0;
        kept->owners = owners;
        kept->room = room;
    }
    return 1;
}

static inline sk_view *sk_view_of(const sk_relief *relief, void *owner) {
    return (sk_view *)((char *)owner + relief->view_at);
}

/* There is room: sk_kept_room. */
static inline void sk_keep(const sk_relief *relief, void *owner, int ready) {
    sk_view *view = sk_view_of(relief, owner);
    if (view->kept == 0)
        relief->kept->owners[relief->kept->count++] = owner;
    view->kept |= ready;
}

/* -- what the access log will say ----------------------------------------------------------- */

static inline size_t sk_record_size(size_t target_size) {
    return (sizeof(sk_record) + target_size + 15) & ~(size_t)15;
}

/* Whether there is room for one more, of a request that lies in `peeked`. */
static inline int sk_records_room(sk_relief *relief) {
    size_t wanted = relief->records_size + sk_record_size(SK_PEEKED);
    if (!relief->logs || wanted <= relief->records_room)
        return 1;
    if (wanted > SK_RECORDS_MAX)
        return 0;
    size_t room = wanted * 2 < SK_RECORDS_MAX ? wanted * 2 : SK_RECORDS_MAX;
    char *records = realloc(relief->records, room);
    if (records == NULL)
        return 0;
    relief->records = records;
    relief->records_room = room;
    return 1;
}

static inline void sk_note(
    sk_relief *relief, const sk_view *view, void *owner, const sk_parcel *parcel, double received_at,
    const sk_asked *asked) {
    sk_record *record;
    relief->answered++;
    sk_count_status(relief->statuses, parcel->slot, parcel->status);
    if (!relief->logs)
        return;
    record = (sk_record *)(relief->records + relief->records_size);
    memset(record, 0, sizeof *record);
    record->owner = owner;
    if (owner == NULL) {
        const sk_foundling *foundling = (const sk_foundling *)view; /* its first member */
        memcpy(record->address, foundling->address, sizeof record->address);
        record->port = foundling->port;
    }
    record->status = parcel->status;
    record->is_head = asked->is_head;
    record->when = sk_wall_clock();
    record->took = sk_monotonic() - received_at;
    record->size = parcel->sent;
    record->target_size = asked->target_size;
    memcpy(record->target, asked->target, asked->target_size);
    record->record_size = (uint32_t)sk_record_size(asked->target_size);
    relief->records_size += record->record_size;
}

/* -- one connection --------------------------------------------------------------------------- */

/* The parcel is sent, or lost. */
static inline sk_relieved sk_sent(sk_view *view, const sk_parcel *parcel, sk_parcel_state state) {
    if (state == SK_PARCEL_SENT && parcel->stays)
        return SK_DONE;
    shutdown(view->fd, SHUT_WR); /* that is what the client waits for */
    view->state = SK_ENDED;
    return SK_OVER;
}

/* Go on with it after the others. */
static inline sk_relieved sk_give_way(const sk_relief *relief, sk_view *view, void *owner) {
    const int poller = owner == NULL ? relief->nursery : relief->poller;
    return sk_poller_again(poller, view->fd, SK_READ | SK_WRITE, owner == NULL ? view : owner) ? SK_LEAVE : SK_DONE;
}

static inline sk_relieved sk_send_pending(sk_relief *relief, sk_view *view, void *owner) {
    sk_pending *pending = view->pending;
    const sk_asked asked = {0, pending->target, pending->target_size, pending->is_head};
    const sk_parcel_state state = sk_parcel_send(&pending->parcel, view->fd, SK_RELIEF_TURN);
    sk_relieved relieved;
    if (state == SK_PARCEL_WAITS)
        return SK_DONE;
    if (state == SK_PARCEL_MORE)
        return sk_give_way(relief, view, owner);
    sk_note(relief, view, owner, &pending->parcel, pending->received_at, &asked);
    view->state = SK_RESTING;
    relieved = sk_sent(view, &pending->parcel, state);
    view->pending = NULL;
    sk_pending_free(pending);
    return relieved;
}

/* Answer one request that is on the shelf; SK_DONE: and look for the next one. */
static inline sk_relieved sk_answer_one(
    sk_relief *relief, sk_view *view, void *owner, size_t size, sk_parcel_state *state) {
    sk_parcel *parcel = &relief->parcel;
    const double received_at = sk_monotonic();
    sk_asked asked;
    sk_relieved relieved = SK_OVER;
    const int picked = relief->pick(relief->context, view->site, relief->peeked, size, parcel, &asked);
    view->errand = picked < 0 ? -picked : 0;
    if (picked <= 0)
        return SK_LEAVE;
    if (!parcel->stays && asked.consumed < size) {
        sk_parcel_release(parcel);
        return SK_LEAVE; /* bytes behind the last request want the general connection's care */
    }
    /* What lies there can be taken: nobody else reads. */
    if (recv(view->fd, relief->peeked, asked.consumed, 0) == (ssize_t)asked.consumed) {
        *state = sk_parcel_send(parcel, view->fd, SK_RELIEF_TURN);
        if (*state == SK_PARCEL_MORE || *state == SK_PARCEL_WAITS) {
            view->pending = sk_pend(parcel, received_at, &asked);
            if (view->pending != NULL) {
                view->state = SK_SENDING;
                return SK_DONE; /* the item has gone over */
            }
            *state = SK_PARCEL_LOST;
        }
        sk_note(relief, view, owner, parcel, received_at, &asked);
        relieved = sk_sent(view, parcel, *state);
    }
    sk_parcel_release(parcel);
    return relieved;
}

/* Serve the client of `view` as far as the shelf goes; `owner` as in sk_record. */
static inline sk_relieved sk_serve(sk_relief *relief, sk_view *view, void *owner) {
    sk_relieved relieved;
    sk_parcel_state state = SK_PARCEL_SENT;
    if (view->left)
        return SK_LEAVE;
    view->served_at = relief->shelf->now;
    for (int answers = 0; answers < SK_RELIEF_ANSWERS; answers++) {
        if (!sk_records_room(relief))
            return SK_LEAVE;
        if (view->state == SK_SENDING && view->pending != NULL) {
            relieved = state == SK_PARCEL_WAITS ? SK_DONE : sk_send_pending(relief, view, owner);
            if (relieved != SK_DONE || view->pending != NULL)
                return relieved;
        }
        if (view->state != SK_RESTING && view->state != SK_HELD_SENT)
            return SK_LEAVE;
        ssize_t size = recv(view->fd, relief->peeked, SK_PEEKED, MSG_PEEK);
        if (size < 0 && errno == EINTR)
            continue;
        if (size <= 0)
            return size < 0 && errno == EAGAIN ? SK_DONE : SK_OVER;
        relieved = sk_answer_one(relief, view, owner, (size_t)size, &state);
        if (relieved != SK_DONE)
            return relieved;
    }
    return sk_give_way(relief, view, owner);
}

/* -- those who connect -------------------------------------------------------------------------- */

/* It is somebody else's from here on, with all that its view says. */
static inline void sk_give_away(sk_relief *relief, sk_foundling *foundling) {
    sk_poller_remove(relief->nursery, foundling->view.fd, SK_READ | SK_WRITE);
    foundling->view.kind = SK_PYTHON;
    relief->foundling_count--;
}

static inline void sk_abandon(sk_relief *relief, sk_foundling *foundling) {
    sk_give_away(relief, foundling);
    close(foundling->view.fd);
    sk_pending_free(foundling->view.pending);
}

static inline void sk_serve_foundling(sk_relief *relief, sk_foundling *foundling) {
    if (foundling->view.kind == SK_CONNECTION && sk_serve(relief, &foundling->view, NULL) == SK_OVER)
        sk_abandon(relief, foundling);
}

static inline sk_relieved sk_accept_some(sk_relief *relief, const sk_view *listener, void *owner) {
    for (int place = 0; place < SK_FOUNDLINGS; place++) {
        sk_foundling *foundling = &relief->foundlings[place];
        if (foundling->view.kind != SK_PYTHON)
            continue;
        int fd = sk_accept(listener->fd, foundling->address, &foundling->port, &foundling->family);
        if (fd < 0 && errno == EAGAIN)
            return SK_DONE;
        if (fd < 0)
            return SK_LEAVE; /* what the lack of descriptors means is the engine's to say */
        foundling->listener = owner;
        foundling->view = (sk_view){.kind = SK_CONNECTION, .fd = fd, .site = listener->site};
        relief->foundling_count++;
        if (sk_poller_add(relief->nursery, fd, SK_READ | SK_WRITE, 1, foundling))
            sk_abandon(relief, foundling);
    }
    return SK_LEAVE;
}

/* -- all of it ------------------------------------------------------------------------------------ */

static inline sk_relieved sk_relieve_owner(sk_relief *relief, void *owner) {
    sk_view *view = sk_view_of(relief, owner);
    if (view->kind == SK_LISTENER)
        return sk_accept_some(relief, view, owner);
    return view->kind == SK_CONNECTION ? sk_serve(relief, view, owner) : SK_LEAVE;
}

static inline int sk_waits_for(const sk_view *view, uint32_t ended) {
    return view->kind == SK_CONNECTION && view->errand && ended >> (view->errand - 1) & 1;
}

/* Serve those who wait for errands that have `ended`, each a bit.  What is kept of them for the leader stays so: it
 * will find that there is nothing left to do. */
static inline void sk_serve_waiting(sk_relief *relief, uint32_t ended, const _Atomic uint64_t *word, uint64_t now) {
    for (int place = 0; ended && place < relief->kept->count && atomic_load(word) == now; place++)
        if (sk_waits_for(sk_view_of(relief, relief->kept->owners[place]), ended))
            sk_relieve_owner(relief, relief->kept->owners[place]);
    for (int place = 0; ended && relief->foundling_count && place < SK_FOUNDLINGS; place++)
        if (sk_waits_for(&relief->foundlings[place].view, ended))
            sk_serve_foundling(relief, &relief->foundlings[place]);
}

/* Serve whoever can be served now, until `*word` is not `now` any more. */
static inline void sk_relieve(sk_relief *relief, const _Atomic uint64_t *word, uint64_t now) {
    int place, count, served;
    if (*relief->draining)
        return;
    sk_shelf_clock(relief->shelf, sk_monotonic(), time(NULL));
    if (relief->word != now)
        sk_fetch_again(relief->fetching);
    relief->word = now;
    sk_serve_waiting(relief, sk_take_fetched(relief->fetching), word, now);
    /* What the leader has fetched and not looked at stays where it is, but for what is done. */
    for (place = *relief->next_event; place < *relief->event_count; place++) {
        sk_event *event = &relief->events[place];
        if (atomic_load(word) != now)
            return;
        if (event->owner != NULL && event->ready && sk_relieve_owner(relief, event->owner) == SK_DONE)
            event->ready = 0;
    }
    do {
        served = 0;
        if (atomic_load(word) != now || !sk_kept_room(relief->kept, SK_EVENTS_MAX))
            return;
        count = sk_poller_wait(relief->poller, relief->fetched, 0);
        for (place = 0; place < count; place++) {
            void *owner = relief->fetched[place].owner;
            /* Sockets of Python code and our own waker are watched level-triggered: told again. */
            if (owner == NULL || sk_view_of(relief, owner)->kind == SK_PYTHON)
                continue;
            if (atomic_load(word) == now && sk_relieve_owner(relief, owner) == SK_DONE)
                served++;
            else
                sk_keep(relief, owner, relief->fetched[place].ready);
        }
        count = relief->foundling_count ? sk_poller_wait(relief->nursery, relief->fetched, 0) : 0;
        for (place = 0; place < count; place++, served++)
            sk_serve_foundling(relief, relief->fetched[place].owner);
    } while (served);
}

typedef struct {
    sk_held *held;
    sk_relief *relief;
} sk_stand_in;

/* For `act` of sk_lead: the answers that are held are sent, then the others are served. */
static inline void sk_stand_in_for(void *actor, const _Atomic uint64_t *word, uint64_t now) {
    const sk_stand_in *stand_in = actor;
    sk_held *held = stand_in->held;
    sk_send_held(held);
    for (int place = 0; place < held->done; place++) {
        const sk_answer *answer = &held->answers[place];
        sk_view *view = sk_view_of(stand_in->relief, answer->owner);
        if (view->state == SK_HELD && answer->sent == (ssize_t)answer->size)
            view->state = SK_HELD_SENT;
    }
    sk_relieve(stand_in->relief, word, now);
}

/* Before the monitor is started. */
static inline void sk_appoint(sk_lead *lead, sk_stand_in *stand_in) {
    lead->act = sk_stand_in_for;
    lead->actor = stand_in;
}

/* NULL, and errno: there is no memory, or no descriptor. */
static inline sk_relief *sk_relief_open(void) {
    sk_relief *relief = calloc(1, sizeof *relief);
    if (relief != NULL && (relief->nursery = sk_poller_open()) < 0) {
        free(relief);
        return NULL;
    }
    return relief;
}

static inline void sk_relief_close(sk_relief *relief) {
    for (int place = 0; place < SK_FOUNDLINGS; place++)
        if (relief->foundlings[place].view.kind != SK_PYTHON)
            sk_abandon(relief, &relief->foundlings[place]);
    close(relief->nursery);
    free(relief->records);
    free(relief);
}

#endif
