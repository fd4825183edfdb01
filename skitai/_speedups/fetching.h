/* Files that nobody has asked for yet, put on the shelf without Python.
 *
 * The monitor (relief.h) meets a request for one while the leader is away.  If routes say that a folder alone has to
 * be asked (grounds.h), it has the file opened by another thread (errands.h), leaves the request where it is, and looks
 * again at a later tick: then the file is on the shelf, where everything else about the request is decided.  If the
 * leader is back first, it finds the request as ever, and takes what was opened onto the shelf.
 *
 * What the shelf gets is what Engine.keep would give it: the same heads, tag and witnesses.  Not put there: what is
 * not there or is no plain file, and one that may change again within the resolution of its times.
 *
 * A makeshift is an answer in another coding than Python would choose, which may have more libraries: it stays on the
 * shelf until the leader is back.
 *
 * The monitor's, or the leader's in whose place that acts.  Plain C without Python, tested alone.
 */
#ifndef SKITAI_FETCHING_H
#define SKITAI_FETCHING_H

#include "clock.h"
#include "errands.h"
#include "grounds.h"
#include "notice.h"
#include "refusing.h"
#include "shelf.h"

enum { SK_ASKED_HOST_MAX = 255 };

/* Of one slot of the errands. */
typedef struct {
    enum {
        SK_UNASKED,
        SK_ASKED,
        SK_IN_VAIN, /* not to be asked again in this absence of the leader */
        SK_ABSENT   /* it is not there; nor is it for SK_TRUST, as with what is */
    } state;
    double looked_at;           /* SK_ABSENT */
    const void *site;
    size_t host_size, path_size;
    char host[SK_ASKED_HOST_MAX], path[SK_ASKED_PATH_MAX];
    size_t accept_size;
    char accept[SK_LIKES_MAX];
    sk_place place;
} sk_question;

typedef struct {
    sk_shelf *shelf;
    int notice, *folders;       /* notice.h */
    sk_grounds grounds;
    sk_coder code;              /* NULL: what would be coded is the leader's */
    const sk_pages *pages;      /* NULL: what is refused is */
    int next;                   /* where a slot is looked for first: what was in vain for longest */
    int slot;                   /* where the last request that was looked at is counted */
    sk_errands *errands;        /* NULL: nothing was ever asked for */
    sk_question questions[SK_ERRANDS];
} sk_fetching;

static inline int sk_is_question(
    const sk_question *question, const void *site, sk_text host, sk_text path, sk_text accept) {
    return question->site == site && sk_same((sk_text){question->host, question->host_size}, host)
        && sk_same((sk_text){question->path, question->path_size}, path)
        && sk_same((sk_text){question->accept, question->accept_size}, accept);
}

/* A slot for a new question, or if all are under way one of them that is SK_ASKED. */
static inline int sk_free_question(sk_fetching *fetching) {
    for (int turn = 0; turn < SK_ERRANDS; turn++) {
        const int place = (fetching->next + turn) % SK_ERRANDS;
        if (fetching->questions[place].state != SK_ASKED) {
            fetching->next = (place + 1) % SK_ERRANDS;
            return place;
        }
    }
    fetching->next = (fetching->next + 1) % SK_ERRANDS;
    return fetching->next;
}

/* Which files of the place are coded on their way, from how many bytes on. */
static inline uint64_t sk_coded_from(const sk_place *place) {
    const sk_type *type = sk_type_of(place);
    return type != NULL && type->is_coded && !sk_forbids_coding(sk_cache_control(place)) ? place->folder->coded_from
                                                                                         : UINT64_MAX;
}

/* What the opener is to find for `question`. */
static inline void sk_write_errand(sk_finding *finding, const sk_question *question) {
    const sk_folder *folder = question->place.folder;
    finding->follows = folder->follows;
    finding->looks_beside = folder->looks_beside;
    finding->root_size = folder->root.size;
    finding->size = folder->root.size + question->place.size;
    memcpy(finding->path, folder->root.bytes, folder->root.size);
    memcpy(finding->path + folder->root.size, question->place.path, question->place.size + 1);
    finding->likes_size = question->accept_size;
    memcpy(finding->likes, question->accept, question->accept_size);
    finding->coded_from = sk_coded_from(&question->place);
    finding->level = folder->level;
    finding->has_forms = finding->is_makeshift = finding->is_absent = 0;
    finding->coding = NULL;
}

enum { SK_IS_ABSENT = -1 };

/* What is known of the question already, as sk_fetch has it; SK_ERRANDS + 1: it is new. */
static inline int sk_known(sk_fetching *fetching, const void *site, sk_text host, sk_text path, sk_text accept) {
    for (int number = 0; number < SK_ERRANDS; number++) {
        sk_question *question = &fetching->questions[number];
        if (question->state == SK_UNASKED || !sk_is_question(question, site, host, path, accept))
            continue;
        if (question->state == SK_ASKED)
            return number + 1;
        if (question->state == SK_IN_VAIN)
            return 0;
        if (fetching->shelf->now - question->looked_at <= SK_TRUST)
            return SK_IS_ABSENT;
        question->state = SK_UNASKED;
    }
    return SK_ERRANDS + 1;
}

/* Have the file opened that is asked for by `path` at `host`, for a client that sends `accept` as Accept-Encoding; 0:
 * there is none for us, SK_IS_ABSENT: for nobody, else the number of the errand behind which to ask again, from 1 on. */
static inline int sk_fetch(sk_fetching *fetching, const void *site, sk_text host, sk_text path, sk_text accept) {
    sk_question *question;
    sk_place place;
    sk_named named;
    int number;
    if (host.size > SK_ASKED_HOST_MAX || accept.size > SK_LIKES_MAX || !fetching->grounds.count)
        return 0;
    named = sk_find_place(&fetching->grounds, site, host, path, &place);
    if (named == SK_NO_FILE)
        fetching->slot = place.ground->slot;
    if (named != SK_SOME_FILE)
        return named == SK_NO_FILE && place.ground->ends ? SK_IS_ABSENT : 0;
    fetching->slot = place.ground->slot;
    number = sk_known(fetching, site, host, path, accept);
    if (number <= SK_ERRANDS)
        return number;
    if (fetching->errands == NULL && (fetching->errands = sk_errands_open(fetching->code)) == NULL)
        return 0;
    if (place.folder->root.size + place.size >= SK_FOUND_PATH_MAX)
        return 0;
    number = sk_free_question(fetching);
    question = &fetching->questions[number];
    if (question->state == SK_ASKED)
        return number + 1;
    *question = (sk_question){.state = SK_ASKED, .site = site, .host_size = host.size, .path_size = path.size,
        .accept_size = accept.size, .place = place};
    memcpy(question->host, host.bytes, host.size);
    memcpy(question->path, path.bytes, path.size);
    memcpy(question->accept, accept.bytes, accept.size);
    sk_write_errand(&fetching->errands->slots[number].finding, question);
    sk_errand_begins(fetching->errands, number);
    return number + 1;
}

/* The witnesses of a file that was found: that it is so, and what is beside it; their paths are in `names`. */
static inline int sk_witness_file(
    const sk_finding *finding, sk_witness witnesses[1 + SK_FORMS],
    char names[SK_FORMS][SK_FOUND_PATH_MAX + SK_FORM_NAME_MAX + 1]) {
    witnesses[0] = (sk_witness){finding->path, 1, sk_identity_of(&finding->status)};
    if (!finding->looks_beside)
        return 1;
    for (int place = 0; place < SK_FORMS; place++) {
        snprintf(names[place], sizeof names[place], "%s%s", finding->path, SK_FORM_NAMES[place]);
        witnesses[1 + place] =
            (sk_witness){names[place], finding->beside[place].is_there, finding->beside[place].identity};
    }
    return 1 + SK_FORMS;
}

/* Whether what is seen of all of them lasts. */
static inline int sk_are_settled(const sk_witness *witnesses, int count) {
    const double now = sk_wall_clock();
    for (int place = 0; place < count; place++)
        if (!sk_settled(&witnesses[place], now))
            return 0;
    return 1;
}

static inline sk_sending sk_sending_of(const sk_finding *finding) {
    if (finding->coding != NULL)
        return finding->coded != NULL ? SK_CODED : SK_FORM;
    if ((uint64_t)finding->status.st_size >= finding->coded_from)
        return SK_COULD_BE_CODED;
    return finding->has_forms ? SK_BESIDE_FORMS : SK_PLAIN;
}

/* As Engine.keep: whether it is kept. */
static inline int sk_keep_watched(sk_fetching *fetching, const sk_offer *offer) {
    for (int place = 0; place < offer->witness_count; place++) {
        sk_notice_folder_of(fetching->notice, offer->witnesses[place].path, fetching->folders);
        if (!sk_still(&offer->witnesses[place]))
            return 0; /* changed while nobody told of it */
    }
    return sk_shelf_put(fetching->shelf, offer);
}

/* Values of a file's own fields, as text. */
typedef struct {
    char etag[SK_WEAK_ETAG_SIZE + 1], modified[SK_DATE_SIZE + 1], length[24];
} sk_values;

/* Fill in the heads of the offer, and what else is said of the content; `heads` has room. */
static inline int sk_describe(
    const sk_question *question, const sk_finding *finding, sk_values *values, char heads[SK_HEADS][SK_HEAD_MAX],
    sk_offer *offer) {
    const sk_sending kind = sk_sending_of(finding);
    const sk_type *type = sk_type_of(&question->place);
    const sk_identity identity = sk_identity_of(&finding->opened);
    const char *coding = finding->coding != NULL ? finding->coding : "";
    char *etag = values->etag;
    sk_text slots[SK_SLOTS];
    if (type == NULL || finding->opened.st_mtime < 0)
        return 0;
    if (kind == SK_CODED) /* the same content in other bytes: RFC 9110 section 8.8.1 */
        *etag++ = 'W', *etag++ = '/';
    sk_write_etag(&identity, kind == SK_FORM ? coding : "", etag);
    sk_write_date(values->modified, finding->opened.st_mtime);
    offer->size = finding->coded != NULL ? finding->coded_size : (uint64_t)finding->opened.st_size;
    snprintf(values->length, sizeof values->length, "%llu", (unsigned long long)offer->size);
    slots[SK_SLOT_TYPE] = type->value;
    slots[SK_SLOT_LENGTH] = (sk_text){values->length, strlen(values->length)};
    slots[SK_SLOT_MODIFIED] = offer->modified = (sk_text){values->modified, SK_DATE_SIZE};
    slots[SK_SLOT_ETAG] = offer->etag = (sk_text){values->etag, strlen(values->etag)};
    slots[SK_SLOT_CACHE] = sk_cache_control(&question->place);
    slots[SK_SLOT_CODING] = (sk_text){coding, strlen(coding)};
    for (int status = 0; status < SK_HEADS; status++) {
        const sk_head *head = &question->place.folder->heads[kind][status];
        offer->heads[status] = (sk_head){sk_fill(head->text, slots, heads[status], SK_HEAD_MAX), head->date};
        if (offer->heads[status].text.size == 0 && head->text.size > 0)
            return 0;
    }
    if (kind != SK_PLAIN)
        offer->accept = (sk_text){question->accept, question->accept_size};
    return 1;
}

/* Put what was opened for `question` on the shelf; whether it is kept. */
static inline int sk_keep_fetched(sk_fetching *fetching, const sk_question *question, const sk_finding *finding) {
    char names[SK_FORMS][SK_FOUND_PATH_MAX + SK_FORM_NAME_MAX + 1];
    char heads[SK_HEADS][SK_HEAD_MAX];
    sk_values values;
    sk_witness witnesses[1 + SK_FORMS];
    const int witness_count = sk_witness_file(finding, witnesses, names);
    const sk_text accept = {question->accept, question->accept_size};
    sk_offer offer = {.site = question->site, .host = {question->host, question->host_size},
        .path = {question->path, question->path_size}, .descriptor = finding->coded == NULL ? finding->descriptor : -1,
        .content = {finding->coded, finding->coded_size}, .is_makeshift = finding->is_makeshift, .witnesses = witnesses,
        .witness_count = witness_count, .slot = question->place.ground->slot};
    sk_item *item;
    if (!sk_are_settled(witnesses, witness_count) || !sk_describe(question, finding, &values, heads, &offer))
        return 0;
    item = sk_shelf_find(fetching->shelf, offer.site, offer.host, offer.path);
    if (item != NULL && sk_shelf_take(fetching->shelf, item, accept) != NULL)
        return 1; /* the leader was quicker */
    return sk_keep_watched(fetching, &offer);
}

/* Whether errands have ended that nobody has looked at. */
static inline int sk_has_fetched(const sk_fetching *fetching) {
    return fetching->errands != NULL && atomic_load(&fetching->errands->ended) > 0;
}

/* Take onto the shelf what was opened since; the shelf has looked at the clock.  Errands that have ended, a bit for
 * each: who asked for them may look on the shelf, or has asked in vain. */
static inline uint32_t sk_take_fetched(sk_fetching *fetching) {
    uint32_t ended = 0;
    if (!sk_has_fetched(fetching))
        return 0;
    for (int place = 0; place < SK_ERRANDS; place++) {
        sk_question *question = &fetching->questions[place];
        sk_finding *finding = &fetching->errands->slots[place].finding;
        sk_errand_state state;
        if (question->state != SK_ASKED)
            continue;
        state = sk_errand_ends(fetching->errands, place);
        if (state != SK_FOUND && state != SK_MISSED)
            continue;
        ended |= UINT32_C(1) << place;
        question->state = SK_IN_VAIN;
        if (state == SK_MISSED && finding->is_absent && question->place.ground->ends && !question->place.is_index) {
            question->state = SK_ABSENT;
            question->looked_at = fetching->shelf->now;
        }
        if (state == SK_FOUND) {
            if (sk_keep_fetched(fetching, question, finding))
                question->state = SK_UNASKED;
            sk_finding_clear(finding);
        }
    }
    return ended;
}

/* The leader was back since: what was in vain may be asked again. */
static inline void sk_fetch_again(sk_fetching *fetching) {
    for (int place = 0; place < SK_ERRANDS; place++)
        if (fetching->questions[place].state != SK_ASKED)
            fetching->questions[place].state = SK_UNASKED;
}

static inline void sk_fetching_close(sk_fetching *fetching) {
    if (fetching->errands != NULL)
        sk_errands_close(fetching->errands);
    fetching->errands = NULL;
}

#endif
