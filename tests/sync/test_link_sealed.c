/* What goes over a sealed link, byte by byte: the tests carry each message themselves, so
 * they can keep it, change it, swap it and play it back. */

#include "sync/link_sealed.h"
#include "tests/support/fault_alloc.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

/* ---- a wire that the test carries on ---- */

typedef struct sent {
    uint8_t bytes[4096];
    size_t size;
    uint64_t token;
    uint32_t peer;
    uint32_t timeout_ms;
} sent;

typedef struct wire {
    sync_link head;
    sent published;
    sent requested;
    sent replied;
    size_t publish_count;
    size_t request_count;
    size_t reply_count;
    uint8_t topic[64];
    size_t topic_size;
    sync_link_event next; /* what receive gives */
    bool waiting;
    bool closed;
    crdt_err request_err;
} wire;

static void keep(sent *to, crdt_span bytes, uint64_t token)
{
    cr_assert_leq(bytes.size, sizeof to->bytes);
    *to = (sent){.size = bytes.size, .token = token};
    if (bytes.size > 0) {
        memcpy(to->bytes, bytes.data, bytes.size);
    }
}

static crdt_err wire_subscribe(sync_link *head, crdt_span topic)
{
    wire *w = (wire *)head;
    memcpy(w->topic, topic.data, topic.size);
    w->topic_size = topic.size;
    return CRDT_OK;
}

static crdt_err wire_dial(sync_link *head, uint32_t peer, const char *url,
                          crdt_diag *diag)
{
    (void)head;
    (void)peer;
    (void)url;
    (void)diag;
    return CRDT_OK;
}

static void wire_undial(sync_link *head, uint32_t peer)
{
    (void)head;
    (void)peer;
}

static crdt_err wire_publish(sync_link *head, crdt_span bytes)
{
    wire *w = (wire *)head;
    keep(&w->published, bytes, 0);
    w->publish_count++;
    return CRDT_OK;
}

static crdt_err wire_request(sync_link *head, uint32_t peer, crdt_span bytes,
                             uint64_t token, uint32_t timeout_ms)
{
    wire *w = (wire *)head;
    keep(&w->requested, bytes, token);
    w->requested.peer = peer;
    w->requested.timeout_ms = timeout_ms;
    w->request_count++;
    return w->request_err;
}

static crdt_err wire_reply(sync_link *head, uint64_t token, crdt_span bytes)
{
    wire *w = (wire *)head;
    keep(&w->replied, bytes, token);
    w->reply_count++;
    return CRDT_OK;
}

static bool wire_receive(sync_link *head, sync_link_event *event)
{
    wire *w = (wire *)head;
    bool any = w->waiting;
    *event = w->next;
    w->waiting = false;
    return any;
}

static sync_link_counts wire_count(sync_link *head)
{
    (void)head;
    return (sync_link_counts){0};
}

static void wire_close(sync_link *head)
{
    ((wire *)head)->closed = true;
}

static const sync_link_ops wire_ops = {.subscribe = wire_subscribe,
                                       .dial = wire_dial,
                                       .undial = wire_undial,
                                       .publish = wire_publish,
                                       .request = wire_request,
                                       .reply = wire_reply,
                                       .receive = wire_receive,
                                       .count = wire_count,
                                       .close = wire_close};

/* ---- two ends of it ---- */

typedef struct end {
    wire wire;
    sync_link *link;
    sync_link_event event; /* the last one it received */
} end;

static uint64_t clock_ms;

static uint64_t read_clock(void)
{
    return clock_ms;
}

static const uint8_t KEY[SYNC_CRYPTO_KEY_SIZE] = {1, 2, 3};
static const uint8_t OTHER_KEY[SYNC_CRYPTO_KEY_SIZE] = {1, 2, 4};
#define PEER 5u

static void end_open_with(end *e, const uint8_t *key, crdt_alloc alloc)
{
    *e = (end){.wire.head.ops = &wire_ops};
    sync_link_sealed_options options = sync_link_sealed_options_default();
    options.alloc = alloc;
    options.key = key;
    options.message_size_max = 2048;
    options.now_ms = read_clock;
    cr_assert_eq(sync_link_sealed_open(&e->link, &e->wire.head, &options), CRDT_OK);
    cr_assert_eq(sync_link_dial(e->link, PEER, "tcp://other:1", NULL), CRDT_OK);
}

static void end_open(end *e, const uint8_t *key)
{
    clock_ms = clock_ms == 0 ? 1000000 : clock_ms;
    end_open_with(e, key, crdt_alloc_default());
}

static void end_close(end *e)
{
    sync_link_close(e->link);
    cr_assert(e->wire.closed);
}

/* Give `e` an event; does its user see one? It is in e->event then. */
static bool give(end *e, sync_link_event_kind kind, uint64_t token, const sent *bytes)
{
    e->wire.next = (sync_link_event){.kind = kind,
                                     .peer = PEER,
                                     .token = token,
                                     .bytes = {bytes->bytes, bytes->size}};
    e->wire.waiting = true;
    return sync_link_receive(e->link, &e->event);
}

static bool hears(end *e, const sent *publication)
{
    return give(e, SYNC_LINK_PUBLISHED, 0, publication);
}

static bool said(const end *e, const char *text)
{
    return crdt_span_equal(e->event.bytes, crdt_span_of(text));
}

/* `from` asks `to`, and gets `answer`; challenges are carried there and back. What was on
 * the wire last is in from->wire.requested and to->wire.replied. */
static bool ask(end *from, end *to, const char *question, const char *answer)
{
    static uint64_t token = 100;
    token++;
    cr_assert_eq(
        sync_link_request(from->link, PEER, crdt_span_of(question), token, 500),
        CRDT_OK);
    for (int tries = 0; tries < 3; tries++) {
        size_t asked = from->wire.request_count;
        if (give(to, SYNC_LINK_REQUEST, 7, &from->wire.requested)) {
            cr_assert_eq(to->event.kind, SYNC_LINK_REQUEST);
            cr_assert(said(to, question));
            cr_assert_eq(sync_link_reply(to->link, 7, crdt_span_of(answer)), CRDT_OK);
        }
        if (to->wire.replied.size == 0) {
            return false;
        }
        if (give(from, SYNC_LINK_REPLY, token, &to->wire.replied)) {
            cr_assert_eq(from->event.token, token);
            return from->event.kind == SYNC_LINK_REPLY && said(from, answer);
        }
        cr_assert_eq(from->wire.request_count, asked + 1, "asked again by itself");
    }
    return false;
}

static sent publish(end *e, const char *text)
{
    cr_assert_eq(sync_link_publish(e->link, crdt_span_of(text)), CRDT_OK);
    return e->wire.published;
}

static bool contains(const sent *bytes, const char *text)
{
    return memmem(bytes->bytes, bytes->size, text, strlen(text)) != NULL;
}

/* ---- what goes through ---- */

/* Questions, answers and publications arrive as they were said; on the wire there is none
 * of it, and the topic is what the other end subscribed to. */
Test(link_sealed, what_is_said_arrives)
{
    end a;
    end b;
    end_open(&a, KEY);
    end_open(&b, KEY);
    cr_assert_eq(sync_link_subscribe(b.link, crdt_span_of("SSNtopicplaz")), CRDT_OK);
    cr_assert(ask(&b, &a, "a question", "an answer"));
    cr_assert(!contains(&b.wire.requested, "question"));
    cr_assert(!contains(&a.wire.replied, "answer"));
    sent first = publish(&a, "SSNtopicplaza chair");
    cr_assert(!contains(&first, "plaz") && !contains(&first, "SSN"));
    cr_assert_arr_eq(first.bytes, b.wire.topic, b.wire.topic_size);
    cr_assert(hears(&b, &first) && said(&b, "SSNtopicplaza chair"));
    cr_assert_eq(b.event.peer, PEER);
    sent second = publish(&a, "SSNtopicplaza table");
    cr_assert(hears(&b, &second) && said(&b, "SSNtopicplaza table"));
    sent other = publish(&a, "SSNtopicXlaza table");
    cr_assert(memcmp(other.bytes, b.wire.topic, b.wire.topic_size) != 0);
    cr_assert_eq(sync_link_count(b.link).unsealed, 0);
    end_close(&a);
    end_close(&b);
}

/* Messages up to the limit, and what sealing adds is bounded. */
Test(link_sealed, limits_hold)
{
    static uint8_t bytes[2049];
    end a;
    end b;
    end_open(&a, KEY);
    end_open(&b, KEY);
    crdt_span most = {bytes, 2048};
    crdt_span more = {bytes, 2049};
    cr_assert_eq(sync_link_publish(a.link, more), CRDT_ELIMIT);
    cr_assert_eq(sync_link_publish(a.link, most), CRDT_OK);
    cr_assert_leq(a.wire.published.size, 2048 + SYNC_LINK_SEALED_OVERHEAD);
    cr_assert_eq(sync_link_request(a.link, PEER, more, 1, 100), CRDT_ELIMIT);
    cr_assert_eq(sync_link_request(a.link, PEER, most, 1, 100), CRDT_OK);
    cr_assert_leq(a.wire.requested.size, 2048 + SYNC_LINK_SEALED_OVERHEAD);
    give(&b, SYNC_LINK_REQUEST, 7, &a.wire.requested); /* a challenge */
    give(&a, SYNC_LINK_REPLY, 1, &b.wire.replied);
    cr_assert(give(&b, SYNC_LINK_REQUEST, 7, &a.wire.requested));
    cr_assert_eq(b.event.bytes.size, 2048);
    cr_assert_eq(sync_link_reply(b.link, 7, most), CRDT_OK);
    cr_assert_leq(b.wire.replied.size, 2048 + SYNC_LINK_SEALED_OVERHEAD);
    cr_assert(ask(&a, &b, "again", "yes"));
    end_close(&a);
    end_close(&b);
}

/* ---- who has not the key ---- */

/* Neither is heard, neither gets an answer, and both are told of. */
static void note_told(void *ctx, uint32_t peer, const char *reason)
{
    unsigned *told = ctx;
    cr_assert(reason[0] != '\0');
    *told |= peer == 0 ? 1u : peer == PEER ? 2u : 4u;
}

Test(link_sealed, another_key_is_not_heard)
{
    end a;
    end b;
    end_open(&a, KEY);
    end_open(&b, OTHER_KEY);
    unsigned told = 0;
    sync_link_look(a.link, note_told, &told);
    cr_assert_eq(told, 0, "nothing is wrong yet");
    cr_assert(!ask(&b, &a, "a question", "an answer"));
    cr_assert_eq(a.wire.replied.size, 0, "no answer, not even a word");
    sent publication = publish(&a, "SSNtopicplaza chair");
    cr_assert(!hears(&b, &publication));
    cr_assert_eq(sync_link_count(a.link).unsealed, 1);
    cr_assert_eq(sync_link_count(b.link).unsealed, 1);
    sync_link_look(a.link, note_told, &told);
    cr_assert_eq(told, 1, "somebody asked");
    told = 0;
    sync_link_look(a.link, note_told, &told);
    cr_assert_eq(told, 0, "since the last look");
    sync_link_look(b.link, note_told, &told);
    cr_assert_eq(told, 2, "the peer has another key");
    end_close(&a);
    end_close(&b);
}

/* Who does not seal at all: what it says is not heard either. */
Test(link_sealed, plain_words_are_not_heard)
{
    end a;
    end_open(&a, KEY);
    sent plain = {0};
    for (size_t size = 0; size < 400; size += 13) {
        plain.size = size;
        memset(plain.bytes, 'S', size);
        cr_assert(!hears(&a, &plain));
        cr_assert(!give(&a, SYNC_LINK_REQUEST, 7, &plain));
        cr_assert_eq(a.wire.replied.size, 0);
        cr_assert_eq(
            sync_link_request(a.link, PEER, crdt_span_of("hello"), size + 1, 100),
            CRDT_OK);
        cr_assert(give(&a, SYNC_LINK_REPLY, size + 1, &plain), "it has failed");
        cr_assert_eq(a.event.kind, SYNC_LINK_FAILED);
        cr_assert_eq(a.event.err, CRDT_EREFUSED);
        cr_assert_eq(a.event.bytes.size, 0);
    }
    cr_assert_gt(sync_link_count(a.link).unsealed, 90);
    end_close(&a);
}

/* Each bit of a message matters. */
Test(link_sealed, changed_bytes_are_not_heard)
{
    end a;
    end b;
    end_open(&a, KEY);
    end_open(&b, KEY);
    cr_assert(ask(&b, &a, "hello", "welcome"));
    sent publication = publish(&a, "SSNtopicplaza chair");
    for (size_t i = 0; i < publication.size; i++) {
        publication.bytes[i] ^= 0x10;
        cr_assert(!hears(&b, &publication), "byte %zu", i);
        publication.bytes[i] ^= 0x10;
    }
    unsigned told = 0;
    sync_link_look(b.link, note_told, &told);
    cr_assert_eq(told, 1, "somebody is on the wire; the peer is right");
    cr_assert(hears(&b, &publication));
    sent request = b.wire.requested;
    for (size_t i = 0; i < request.size; i++) {
        request.bytes[i] ^= 0x10;
        cr_assert(!give(&a, SYNC_LINK_REQUEST, 7, &request), "byte %zu", i);
        cr_assert_eq(a.wire.replied.size, 0);
        request.bytes[i] ^= 0x10;
    }
    end_close(&a);
    end_close(&b);
}

/* ---- what is what ---- */

/* A publication is no request, a request no reply, and so on, in all six ways. */
Test(link_sealed, no_message_is_taken_for_another_kind)
{
    end a;
    end b;
    end_open(&a, KEY);
    end_open(&b, KEY);
    cr_assert(ask(&b, &a, "hello", "welcome"));
    sent publication = publish(&a, "SSNtopicplaza chair");
    sent stripped = publication; /* without its topic it begins as the others do */
    stripped.size -= 16;
    memmove(stripped.bytes, stripped.bytes + 16, stripped.size);
    sent request = b.wire.requested;
    sent reply = a.wire.replied;
    const sent *no_request[] = {&publication, &stripped, &reply};
    for (size_t i = 0; i < 3; i++) {
        cr_assert(!give(&a, SYNC_LINK_REQUEST, 7, no_request[i]));
    }
    cr_assert(!hears(&b, &request) && !hears(&b, &reply) && !hears(&b, &stripped));
    const sent *no_reply[] = {&publication, &stripped, &request};
    for (size_t i = 0; i < 3; i++) {
        cr_assert_eq(sync_link_request(b.link, PEER, crdt_span_of("?"), 9, 100),
                     CRDT_OK);
        cr_assert(give(&b, SYNC_LINK_REPLY, 9, no_reply[i]));
        cr_assert_eq(b.event.kind, SYNC_LINK_FAILED);
    }
    sent moved = publication; /* another topic: of another scene */
    moved.bytes[0] ^= 1;
    cr_assert(!hears(&b, &moved));
    end_close(&a);
    end_close(&b);
}

/* The answers to two questions, exchanged on the way: neither is taken. */
Test(link_sealed, replies_cannot_be_swapped)
{
    end a;
    end b;
    end_open(&a, KEY);
    end_open(&b, KEY);
    cr_assert(ask(&b, &a, "hello", "welcome"));
    sent replies[2];
    for (uint64_t i = 0; i < 2; i++) {
        cr_assert_eq(
            sync_link_request(b.link, PEER, crdt_span_of("which?"), i + 1, 100),
            CRDT_OK);
        cr_assert(give(&a, SYNC_LINK_REQUEST, 7, &b.wire.requested));
        cr_assert_eq(sync_link_reply(a.link, 7, crdt_span_of(i == 0 ? "0" : "1")),
                     CRDT_OK);
        replies[i] = a.wire.replied;
    }
    cr_assert(give(&b, SYNC_LINK_REPLY, 1, &replies[1]));
    cr_assert_eq(b.event.kind, SYNC_LINK_FAILED);
    cr_assert(give(&b, SYNC_LINK_REPLY, 2, &replies[0]));
    cr_assert_eq(b.event.kind, SYNC_LINK_FAILED);
    end_close(&a);
    end_close(&b);
}

/* ---- playing back ---- */

/* Nothing is taken twice: publications, requests, replies. */
Test(link_sealed, nothing_is_taken_twice)
{
    end a;
    end b;
    end_open(&a, KEY);
    end_open(&b, KEY);
    cr_assert(ask(&b, &a, "hello", "welcome"));
    sent first = publish(&a, "SSNtopicplaza 1");
    sent second = publish(&a, "SSNtopicplaza 2");
    cr_assert(hears(&b, &second), "one may get lost");
    cr_assert(!hears(&b, &first), "none comes late");
    cr_assert(!hears(&b, &second), "none comes twice");
    cr_assert(!give(&a, SYNC_LINK_REQUEST, 8, &b.wire.requested), "nor a request");
    cr_assert_eq(a.wire.replied.size, 0);
    sent reply = a.wire.replied;
    cr_assert(ask(&b, &a, "more", "yes"));
    reply = a.wire.replied;
    cr_assert(!give(&b, SYNC_LINK_REPLY, b.event.token, &reply), "nobody waits for it");
    end_close(&a);
    end_close(&b);
}

/* Requests that overtake each other are all taken, once. */
Test(link_sealed, requests_may_overtake_each_other)
{
    end a;
    end b;
    end_open(&a, KEY);
    end_open(&b, KEY);
    cr_assert(ask(&b, &a, "hello", "welcome"));
    static sent requests[80];
    for (uint64_t i = 0; i < 80; i++) {
        cr_assert_eq(sync_link_request(b.link, PEER, crdt_span_of("?"), 1000 + i, 100),
                     CRDT_OK);
        requests[i] = b.wire.requested;
    }
    for (size_t i = 80; i-- > 0;) {
        bool taken = give(&a, SYNC_LINK_REQUEST, i, &requests[i]);
        cr_assert_eq(taken, i >= 16, "request %zu", i);
        cr_assert(!give(&a, SYNC_LINK_REQUEST, 100 + i, &requests[i]));
    }
    end_close(&a);
    end_close(&b);
}

/* Somebody recorded all that a worker said. It dies, and its words are played back, to
 * who knew it, to who comes new, and to who took its place: nobody hears them, nobody
 * answers. */
Test(link_sealed, the_dead_do_not_speak)
{
    end a;
    end b;
    end_open(&a, KEY);
    end_open(&b, KEY);
    cr_assert(ask(&b, &a, "hello", "welcome"));
    sent reply = a.wire.replied;
    cr_assert(ask(&a, &b, "hello", "welcome"));
    sent request = a.wire.requested;
    static sent beacons[5];
    for (size_t i = 0; i < 5; i++) {
        beacons[i] = publish(&a, "SSNtopicplaza beacon");
    }
    cr_assert(hears(&b, &beacons[3]), "heard while it lived; the last was lost");
    end_close(&a);
    clock_ms += 5001;
    cr_assert(!hears(&b, &beacons[4]), "the lost one comes too late");

    end fresh; /* who never met it */
    end_open(&fresh, KEY);
    cr_assert(!give(&fresh, SYNC_LINK_REQUEST, 7, &request), "its HELLO");
    cr_assert_eq(fresh.wire.request_count, 0);
    for (size_t i = 0; i < 5; i++) {
        cr_assert(!hears(&fresh, &beacons[i]));
    }
    cr_assert_eq(sync_link_request(fresh.link, PEER, crdt_span_of("hello"), 1, 100),
                 CRDT_OK);
    cr_assert(give(&fresh, SYNC_LINK_REPLY, 1, &reply), "its WELCOME");
    cr_assert_eq(fresh.event.kind, SYNC_LINK_FAILED);

    end again; /* it was started again */
    end_open(&again, KEY);
    cr_assert(ask(&fresh, &again, "hello", "welcome"));
    for (size_t i = 0; i < 5; i++) {
        cr_assert(!hears(&fresh, &beacons[i]), "its former words");
    }
    sent beacon = publish(&again, "SSNtopicplaza new");
    cr_assert(hears(&fresh, &beacon));
    end_close(&again);
    end_close(&fresh);
    end_close(&b);
}

/* A request that was held back for more than a minute, or till after a restart, is not
 * answered but by a challenge, which says nothing. */
Test(link_sealed, old_requests_are_not_answered)
{
    end a;
    end b;
    end_open(&a, KEY);
    end_open(&b, KEY);
    cr_assert(ask(&b, &a, "hello", "welcome"));
    cr_assert_eq(sync_link_request(b.link, PEER, crdt_span_of("held"), 1, 100),
                 CRDT_OK);
    sent held = b.wire.requested;
    clock_ms += 61000;
    cr_assert(!give(&a, SYNC_LINK_REQUEST, 7, &held));
    cr_assert(ask(&b, &a, "still there?", "yes"), "who asks anew is answered");
    end_close(&a);
    end_open(&a, KEY);
    cr_assert(!give(&a, SYNC_LINK_REQUEST, 7, &held));
    cr_assert(ask(&b, &a, "still there?", "yes"));
    end_close(&a);
    end_close(&b);
}

/* Publications before the first reply are not taken, nor after the peer was started again,
 * until it has replied once more. */
Test(link_sealed, who_publishes_must_have_replied)
{
    end a;
    end b;
    end_open(&a, KEY);
    end_open(&b, KEY);
    sent early = publish(&a, "SSNtopicplaza 1");
    cr_assert(!hears(&b, &early));
    cr_assert(ask(&b, &a, "hello", "welcome"));
    cr_assert(!hears(&b, &early), "older than the reply");
    sent next = publish(&a, "SSNtopicplaza 2");
    cr_assert(hears(&b, &next));
    end_close(&a);
    end_open(&a, KEY);
    next = publish(&a, "SSNtopicplaza 3");
    cr_assert(!hears(&b, &next));
    cr_assert(ask(&b, &a, "hello", "welcome"));
    next = publish(&a, "SSNtopicplaza 4");
    cr_assert(hears(&b, &next));
    cr_assert_eq(sync_link_count(b.link).unsealed, 0, "none of this is an attack");
    end_close(&a);
    end_close(&b);
}

/* The clocks of two machines run apart: a reply sets them right again. */
Test(link_sealed, clocks_run_apart)
{
    end a;
    end b;
    end_open(&a, KEY);
    end_open(&b, KEY);
    cr_assert(ask(&b, &a, "hello", "welcome"));
    sent next = publish(&a, "SSNtopicplaza 1");
    clock_ms += 4900;
    cr_assert(hears(&b, &next), "slow, but it came");
    next = publish(&a, "SSNtopicplaza 2"); /* b's clock makes a leap now */
    clock_ms += 100000;
    cr_assert(!hears(&b, &next));
    cr_assert(ask(&b, &a, "hello", "welcome"));
    next = publish(&a, "SSNtopicplaza 3");
    cr_assert(hears(&b, &next));
    end_close(&a);
    end_close(&b);
}

/* ---- ends ---- */

/* Failures of the link below come through, each request ends once. */
Test(link_sealed, failures_come_through)
{
    end a;
    end_open(&a, KEY);
    static const sent nothing = {.size = 0};
    cr_assert_eq(sync_link_request(a.link, PEER, crdt_span_of("?"), 1, 100), CRDT_OK);
    a.wire.next = (sync_link_event){
        .kind = SYNC_LINK_FAILED, .peer = PEER, .token = 1, .err = CRDT_ECLOSED};
    a.wire.waiting = true;
    cr_assert(sync_link_receive(a.link, &a.event));
    cr_assert_eq(a.event.err, CRDT_ECLOSED);
    cr_assert(!give(&a, SYNC_LINK_REPLY, 1, &nothing), "it is over");
    a.wire.request_err = CRDT_EBUSY;
    cr_assert_eq(sync_link_request(a.link, PEER, crdt_span_of("?"), 2, 100),
                 CRDT_EBUSY);
    cr_assert_eq(sync_link_request(a.link, PEER + 1, crdt_span_of("?"), 3, 100),
                 CRDT_ENOTFOUND);
    sync_link_undial(a.link, PEER);
    a.wire.request_err = CRDT_OK;
    cr_assert_eq(sync_link_request(a.link, PEER, crdt_span_of("?"), 4, 100),
                 CRDT_ENOTFOUND);
    cr_assert_eq(sync_link_reply(a.link, 77, crdt_span_of("!")), CRDT_ENOTFOUND);
    end_close(&a);
}

/* One allocation after the other fails: an error or a lost message, nothing leaks. */
Test(link_sealed, without_memory)
{
    for (uint64_t at = 0; at < 60; at++) {
        fault_alloc fault;
        end a;
        end b;
        crdt_alloc alloc = fault_alloc_init(&fault);
        end_open(&a, KEY);
        end_open_with(&b, KEY, alloc);
        fault_alloc_fail_at(&fault, at);
        crdt_err err = sync_link_request(b.link, PEER, crdt_span_of("hello"), 1, 100);
        for (int i = 0; err == CRDT_OK && i < 2; i++) {
            if (give(&a, SYNC_LINK_REQUEST, 7, &b.wire.requested)) {
                sync_link_reply(a.link, 7, crdt_span_of("welcome"));
            }
            give(&b, SYNC_LINK_REPLY, 1, &a.wire.replied);
        }
        sent beacon = publish(&a, "SSNtopicplaza beacon");
        hears(&b, &beacon);
        sync_link_publish(b.link, crdt_span_of("SSNtopicplaza beacon"));
        fault_alloc_heal(&fault);
        cr_assert(ask(&b, &a, "still there?", "yes"), "allocation %d", (int)at);
        end_close(&a);
        end_close(&b);
        cr_assert(fault_alloc_balanced(&fault));
    }
}
