/* Nodes and who else is on the bus: keys, presence, strangers, peers that are not there. */

#include "crdt/template.h"
#include "sync/link_sealed.h"
#include "sync/message.h"
#include "tests/sync/node_box.h"
#include "tests/sync/relay.h"

#include <criterion/criterion.h>

#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WAIT_MS 120000
#define ANY "tcp://127.0.0.1:0"

static const uint8_t KEY[32] = {1, 2, 3};
static const uint8_t OTHER_KEY[32] = {1, 2, 4};
#define SCENE "hidden-plaza"
#define ENTITY "secret-lamp"

static void start(node_box *box, const char *url, const char *peer, const uint8_t *key)
{
    sync_node_options options = box_options(box);
    options.scene = SCENE;
    options.listen_urls = &url;
    options.listen_count = url != NULL;
    options.peer_urls = &peer;
    options.peer_count = peer != NULL;
    options.key = key;
    cr_assert_eq(box_open(box, &options), CRDT_OK, "%s", box->text[0]);
}

/* A URL for this test's process alone: below the ports that are given out for port 0, so
 * nobody takes it while no node is there. */
static void own_url(char url[SYNC_NODE_NAME_SIZE])
{
    snprintf(url, SYNC_NODE_NAME_SIZE, "tcp://127.0.0.1:%d",
             20000 + (int)(getpid() % 5000) * 2);
}

static sync_node_status status_of(node_box *box)
{
    sync_node_status status;
    cr_assert_eq(sync_node_status_get(box->node, &status), CRDT_OK);
    return status;
}

static uint64_t refused_by(node_box *box)
{
    sync_node_status status = status_of(box);
    uint64_t refused = status.refused;
    sync_node_status_deinit(&status);
    return refused;
}

/* The guests' own trouble may be told before the host has counted them. */
static void await_refused(node_box *box, uint64_t count)
{
    uint64_t deadline = box_now_ms() + WAIT_MS;
    while (refused_by(box) < count) {
        cr_assert_lt(box_now_ms(), deadline, "%d refused", (int)refused_by(box));
        poll(NULL, 0, 10);
    }
}

static bool has_lineage(node_box *box)
{
    sync_node_status status = status_of(box);
    bool known = status.lineage_known;
    sync_node_status_deinit(&status);
    return known;
}

static bool saw(relay *wire, const char *text)
{
    return relay_contains(wire, text, strlen(text));
}

/* ---- keys ---- */

/* Two nodes over a wire that is listened to: it sees scene and entity without a key,
 * neither with one; and with a key they sync as well as without, both ways. */
static void meet_over_a_wire(const uint8_t *key, bool shown)
{
    node_box a;
    node_box b;
    start(&a, ANY, NULL, key);
    relay *wire = relay_open(a.url);
    cr_assert_eq(box_set(&a, ENTITY, "x", 1, NULL), CRDT_OK);
    cr_assert_eq(sync_node_presence(a.node, crdt_span_of("secret-ann")), CRDT_OK);
    start(&b, NULL, relay_url(wire), key);
    cr_assert(box_await(&b, SYNC_EVENT_SYNCED, 1));
    cr_assert(box_await_presence(&b, "secret-ann"));
    cr_assert_eq(box_set(&b, ENTITY, "y", 2, NULL), CRDT_OK); /* pushed: no dial back */
    cr_assert_eq(box_set(&a, ENTITY, "z", 3, NULL), CRDT_OK); /* published */
    node_box *both[] = {&a, &b};
    cr_assert(box_await_equal(both, 2, WAIT_MS));
    cr_assert_eq(box_get(&a, ENTITY, "y"), 2);
    cr_assert_eq(box_get(&b, ENTITY, "z"), 3);
    cr_assert_gt(relay_seen(wire), 1000);
    cr_assert_eq(saw(wire, SCENE), shown);
    cr_assert_eq(saw(wire, ENTITY), shown);
    cr_assert_eq(saw(wire, "secret-ann"), shown);
    const char topic[] = {'S', 'S', 'N', SYNC_MESSAGE_VERSION};
    cr_assert_eq(relay_contains(wire, topic, sizeof topic), shown,
                 "the topic of the scene");
    cr_assert_eq(refused_by(&a) + refused_by(&b), 0);
    uint64_t quickest_ms = UINT64_MAX; /* silence is never so quick */
    for (int round = 0; round < 10 && quickest_ms >= 2500; round++) {
        if (round > 0) { /* the machine was busy: it comes and goes once more */
            uint64_t joined = box_count(&a, SYNC_EVENT_JOINED);
            start(&b, NULL, relay_url(wire), key);
            cr_assert(box_await(&a, SYNC_EVENT_JOINED, joined + 1));
        }
        uint64_t left = box_count(&a, SYNC_EVENT_LEFT);
        uint64_t left_ms = box_now_ms();
        cr_assert_eq(box_close(&b), CRDT_OK);
        cr_assert(box_await(&a, SYNC_EVENT_LEFT, left + 1), "it said goodbye");
        uint64_t took_ms = box_now_ms() - left_ms;
        printf("leaving by HELLO took %d ms\n", (int)took_ms);
        quickest_ms = took_ms < quickest_ms ? took_ms : quickest_ms;
    }
    cr_assert_lt(quickest_ms, 2500, "not by silence");
    cr_assert_eq(box_close(&a), CRDT_OK);
    relay_close(wire);
}

Test(keys, without_one_all_is_seen)
{
    meet_over_a_wire(NULL, true);
}

Test(keys, with_one_nothing_is_seen)
{
    meet_over_a_wire(KEY, false);
}

/* `guest` comes to `host` with another key, or either has none: no word of the host's
 * scene goes over the wire, neither changes, and both are told why. */
static void be_refused(const uint8_t *host_key, const uint8_t *guest_key)
{
    node_box host;
    node_box guest;
    start(&host, ANY, NULL, host_key);
    cr_assert_eq(box_set(&host, ENTITY, "x", 1, NULL), CRDT_OK);
    cr_assert_eq(sync_node_presence(host.node, crdt_span_of("secret-ann")), CRDT_OK);
    crdt_digest before = box_digest(&host);
    relay *wire = relay_open(host.url);
    start(&guest, ANY, relay_url(wire), guest_key);
    cr_assert(box_await_text(&guest, SYNC_EVENT_UNREACHABLE, "key"), "%s",
              guest.text[SYNC_EVENT_UNREACHABLE]);
    if (host_key != NULL) {
        cr_assert(box_await_text(&host, SYNC_EVENT_REFUSED, "key"));
        cr_assert(!saw(wire, ENTITY) && !saw(wire, "secret-ann"));
        cr_assert(guest_key == NULL || !saw(wire, SCENE));
    }
    await_refused(&host, 1);
    cr_assert_gt(relay_seen(wire), 0);
    cr_assert(!has_lineage(&guest), "it learnt nothing");
    cr_assert(crdt_digest_equal(before, box_digest(&host)));
    cr_assert_eq(box_count(&host, SYNC_EVENT_JOINED), 0);
    cr_assert_eq(box_count(&guest, SYNC_EVENT_JOINED), 0);
    cr_assert_eq(box_count(&guest, SYNC_EVENT_PRESENCE), 0);
    cr_assert_eq(box_close(&guest), CRDT_OK);
    cr_assert_eq(box_close(&host), CRDT_OK);
    relay_close(wire);
}

Test(keys, another_one_is_refused)
{
    be_refused(KEY, OTHER_KEY);
}

Test(keys, a_guest_without_one_is_refused)
{
    be_refused(KEY, NULL);
}

Test(keys, a_host_without_one_is_refused)
{
    be_refused(NULL, KEY);
}

/* The first of the refusals is told at once, the thousandth is not told a thousand times. */
Test(keys, refusals_are_told_now_and_then)
{
    node_box host;
    node_box guests[6];
    uint64_t begin_ms = box_now_ms();
    start(&host, ANY, NULL, KEY);
    for (size_t i = 0; i < 6; i++) {
        start(&guests[i], NULL, host.url, OTHER_KEY);
    }
    for (size_t i = 0; i < 6; i++) {
        cr_assert(box_await(&guests[i], SYNC_EVENT_UNREACHABLE, 1));
    }
    cr_assert(box_await(&host, SYNC_EVENT_REFUSED, 1));
    await_refused(&host, 6);
    uint64_t told = box_count(&host, SYNC_EVENT_REFUSED);
    cr_assert_leq(told, 2 + (box_now_ms() - begin_ms) / 10000, "once in ten seconds");
    for (size_t i = 0; i < 6; i++) {
        cr_assert_eq(box_close(&guests[i]), CRDT_OK);
    }
    cr_assert_eq(box_close(&host), CRDT_OK);
}

/* A scene of many messages, the smallest messages there are, over a link that loses a
 * tenth: sealed ones keep the limit too. */
Test(keys, short_messages_and_losses)
{
    node_box a;
    node_box b;
    sync_node_options options = box_options(&a);
    const char *url = ANY;
    options.listen_urls = &url;
    options.listen_count = 1;
    options.key = KEY;
    options.message_size_max = 4096;
    options.fault_drop = 0.1;
    cr_assert_eq(box_open(&a, &options), CRDT_OK);
    char name[16];
    for (int i = 0; i < 300; i++) {
        snprintf(name, sizeof name, "object-%d", i);
        cr_assert_eq(box_set(&a, name, "x", i, NULL), CRDT_OK);
    }
    options = box_options(&b);
    const char *peer = a.url;
    options.listen_urls = &url;
    options.listen_count = 1;
    options.peer_urls = &peer;
    options.peer_count = 1;
    options.key = KEY;
    options.message_size_max = 4096;
    options.fault_drop = 0.1;
    cr_assert_eq(box_open(&b, &options), CRDT_OK);
    node_box *both[] = {&a, &b};
    cr_assert(box_await_equal(both, 2, WAIT_MS));
    cr_assert_eq(box_get(&b, "object-299", "x"), 299);
    cr_assert_eq(box_set(&b, "object-1", "x", 7, NULL), CRDT_OK);
    cr_assert(box_await_equal(both, 2, WAIT_MS));
    cr_assert_eq(box_close(&b), CRDT_OK);
    cr_assert_eq(box_close(&a), CRDT_OK);
}

/* ---- peers that are not there ---- */

/* Nobody listens: it is told why, and once somebody does, they meet. */
Test(reach, nobody_listens)
{
    node_box a;
    node_box b;
    char url[SYNC_NODE_NAME_SIZE];
    own_url(url);
    uint64_t begin_ms = box_now_ms();
    start(&b, NULL, url, NULL);
    cr_assert(box_await(&b, SYNC_EVENT_UNREACHABLE, 1));
    cr_assert(box_await_text(&b, SYNC_EVENT_UNREACHABLE, "nobody listens"), "%s",
              b.text[SYNC_EVENT_UNREACHABLE]);
    uint64_t told = box_count(&b, SYNC_EVENT_UNREACHABLE);
    cr_assert_leq(told, 1 + (box_now_ms() - begin_ms) / 10000, "not again and again");
    start(&a, url, NULL, NULL);
    cr_assert(box_await(&b, SYNC_EVENT_JOINED, 1));
    cr_assert_eq(box_close(&b), CRDT_OK);
    cr_assert_eq(box_close(&a), CRDT_OK);
}

/* The wire is cut: the peer has left after three beacons, and is not reached; the wire is
 * whole again: it is back, and so is what it tells of its people. */
Test(reach, a_wire_is_cut)
{
    node_box a;
    node_box b;
    start(&a, ANY, NULL, NULL);
    relay *wire = relay_open(a.url);
    cr_assert_eq(sync_node_presence(a.node, crdt_span_of("ann")), CRDT_OK);
    start(&b, NULL, relay_url(wire), NULL);
    cr_assert(box_await(&b, SYNC_EVENT_JOINED, 1));
    cr_assert(box_await_presence(&b, "ann"));
    /* On a busy machine it may have been away before. b hears a after this moment: */
    uint64_t left = box_count(&b, SYNC_EVENT_LEFT);
    uint64_t heard_ms = box_now_ms();
    cr_assert_eq(sync_node_presence(a.node, crdt_span_of("ann, too")), CRDT_OK);
    cr_assert(box_await_presence(&b, "ann, too"));
    relay_cut(wire, true);
    cr_assert(box_await(&b, SYNC_EVENT_LEFT, left + 1));
    printf("a dead peer left after %d ms\n", (int)(box_now_ms() - heard_ms));
    cr_assert(box_now_ms() - heard_ms > 1500,
              "not at the first beacon that is missing");
    cr_assert(box_await(&b, SYNC_EVENT_UNREACHABLE, 1));
    uint64_t joined = box_count(&b, SYNC_EVENT_JOINED);
    uint64_t present = box_count(&b, SYNC_EVENT_PRESENCE);
    relay_cut(wire, false);
    cr_assert(box_await(&b, SYNC_EVENT_JOINED, joined + 1));
    cr_assert(box_await(&b, SYNC_EVENT_PRESENCE, present + 1), "told again");
    cr_assert_eq(box_close(&b), CRDT_OK);
    cr_assert_eq(box_close(&a), CRDT_OK);
    relay_close(wire);
}

/* Connections that carry nothing any more, and nobody says so: a NAT forgot them, or an
 * address moved. The kernel would notice after a quarter of an hour; workers behind a NAT
 * stayed away for so long when their address changed. They are given up and made anew. */
Test(reach, a_wire_forgets_its_connections)
{
    node_box a;
    node_box b;
    start(&a, ANY, NULL, NULL);
    relay *wire = relay_open(a.url);
    start(&b, NULL, relay_url(wire), NULL);
    cr_assert(box_await(&b, SYNC_EVENT_JOINED, 1));
    relay_forget(wire);
    uint64_t forgotten_ms = box_now_ms();
    cr_assert(box_await(&b, SYNC_EVENT_LEFT, 1));
    cr_assert(box_await(&b, SYNC_EVENT_JOINED, 2));
    printf("a way that was forgotten was made anew after %d ms\n",
           (int)(box_now_ms() - forgotten_ms));
    cr_assert_eq(box_close(&b), CRDT_OK);
    cr_assert_eq(box_close(&a), CRDT_OK);
    relay_close(wire);
}

/* Two limits of messages: both sides say so. */
Test(reach, unequal_message_limits_are_told)
{
    node_box a;
    node_box b;
    start(&a, ANY, NULL, NULL);
    sync_node_options options = box_options(&b);
    const char *peer = a.url;
    options.scene = SCENE;
    options.peer_urls = &peer;
    options.peer_count = 1;
    options.message_size_max = 65536;
    cr_assert_eq(box_open(&b, &options), CRDT_OK);
    cr_assert(box_await(&a, SYNC_EVENT_UNREACHABLE, 1));
    cr_assert(box_await(&b, SYNC_EVENT_UNREACHABLE, 1));
    cr_assert_not_null(strstr(b.text[SYNC_EVENT_UNREACHABLE], "--message-max"));
    cr_assert_eq(box_close(&b), CRDT_OK);
    cr_assert_eq(box_close(&a), CRDT_OK);
}

/* ---- presence ---- */

/* Told to who is there, changed, told to a newcomer, ended by leaving. */
Test(presence, comes_and_goes)
{
    node_box a;
    node_box b;
    node_box c;
    start(&a, ANY, NULL, KEY);
    start(&b, ANY, a.url, KEY);
    cr_assert(box_await(&b, SYNC_EVENT_JOINED, 1));
    cr_assert_eq(sync_node_presence(a.node, crdt_span_of("ann")), CRDT_OK);
    uint64_t told_ms = box_now_ms();
    cr_assert(box_await_presence(&b, "ann"));
    printf("presence took %d ms\n", (int)(box_now_ms() - told_ms));
    told_ms = box_now_ms();
    for (int i = 0; i < 200; i++) {
        char text[16];
        snprintf(text, sizeof text, "ann at %d", i);
        cr_assert_eq(sync_node_presence(a.node, crdt_span_of(text)), CRDT_OK);
    }
    cr_assert(box_await_presence(&b, "ann at 199"));
    printf("presence after 200 changes took %d ms\n", (int)(box_now_ms() - told_ms));
    uint64_t shown = box_count(&b, SYNC_EVENT_PRESENCE);
    cr_assert_leq(shown, 20 + (box_now_ms() - told_ms) / 50,
                  "what was between is not told, but ten times a second");
    start(&c, ANY, b.url, KEY);
    cr_assert(box_await_presence(&c, "ann at 199"), "found through b");
    cr_assert_eq(sync_node_presence(a.node, crdt_span_of("")), CRDT_OK);
    cr_assert(box_await_presence(&b, ""));
    cr_assert_eq(box_close(&a), CRDT_OK);
    told_ms = box_now_ms();
    cr_assert(box_await(&b, SYNC_EVENT_LEFT, 1));
    cr_assert(box_await(&c, SYNC_EVENT_LEFT, 1));
    printf("leaving took %d ms\n", (int)(box_now_ms() - told_ms));
    cr_assert_eq(box_close(&c), CRDT_OK);
    cr_assert_eq(box_close(&b), CRDT_OK);
}

Test(presence, has_a_limit)
{
    static uint8_t bytes[SYNC_NODE_PRESENCE_SIZE_MAX + 1];
    memset(bytes, 'p', sizeof bytes);
    node_box a;
    node_box b;
    start(&a, ANY, NULL, NULL);
    start(&b, ANY, a.url, NULL);
    crdt_span most = {bytes, SYNC_NODE_PRESENCE_SIZE_MAX};
    crdt_span more = {bytes, SYNC_NODE_PRESENCE_SIZE_MAX + 1};
    cr_assert_eq(sync_node_presence(a.node, more), CRDT_ELIMIT);
    cr_assert_eq(sync_node_presence(a.node, most), CRDT_OK);
    cr_assert(box_await(&b, SYNC_EVENT_PRESENCE, 1));
    cr_assert_eq(b.presence_size, SYNC_NODE_PRESENCE_SIZE_MAX);
    cr_assert_eq(box_close(&b), CRDT_OK);
    cr_assert_eq(box_close(&a), CRDT_OK);
    sync_node_options options = box_options(&a);
    options.message_size_max = 4096;
    cr_assert_eq(box_open(&a, &options), CRDT_OK);
    cr_assert_eq(sync_node_presence(a.node, (crdt_span){bytes, 1025}), CRDT_ELIMIT);
    cr_assert_eq(sync_node_presence(a.node, (crdt_span){bytes, 1024}), CRDT_OK);
    cr_assert_eq(box_close(&a), CRDT_OK);
}

/* ---- attach ---- */

typedef struct watcher {
    unsigned changes;
    char last[64];
} watcher;

/* In the node's thread; the test looks at it in an attach function, so in that thread. */
static void note_change(void *ctx, crdt_span object)
{
    watcher *w = ctx;
    w->changes++;
    snprintf(w->last, sizeof w->last, "%.*s", (int)object.size,
             (const char *)object.data);
}

static crdt_err begin_watching(void *ctx, crdt_document *doc)
{
    crdt_listener listener = {.ctx = ctx, .changed = note_change};
    return crdt_document_listen(doc, &listener);
}

static crdt_err end_watching(void *ctx, crdt_document *doc)
{
    crdt_document_unlisten(doc, ctx);
    return CRDT_OK;
}

typedef struct copying {
    const watcher *from;
    watcher to;
} copying;

static crdt_err copy_watcher(void *ctx, crdt_document *doc)
{
    (void)doc;
    copying *c = ctx;
    c->to = *c->from;
    return CRDT_OK;
}

static watcher look(node_box *box, const watcher *w)
{
    copying c = {.from = w};
    cr_assert_eq(sync_node_attach(box->node, copy_watcher, &c), CRDT_OK);
    return c.to;
}

static crdt_err fail_to_attach(void *ctx, crdt_document *doc)
{
    (void)ctx;
    (void)doc;
    return CRDT_ELIMIT;
}

/* Of edits here, of the answer that brings what was before, of batches as they come. */
Test(attach, is_told_of_everything)
{
    node_box a;
    node_box b;
    watcher w = {0};
    start(&a, ANY, NULL, NULL);
    cr_assert_eq(box_set(&a, "before", "x", 1, NULL), CRDT_OK);
    start(&b, ANY, NULL, NULL);
    cr_assert_eq(sync_node_attach(b.node, begin_watching, &w), CRDT_OK);
    cr_assert_eq(box_set(&b, "here", "x", 1, NULL), CRDT_OK);
    cr_assert_gt(look(&b, &w).changes, 0);
    cr_assert_str_eq(look(&b, &w).last, "here");
    crdt_diag diag = {0};
    cr_assert_eq(sync_node_sync_once(b.node, a.url, WAIT_MS, &diag), CRDT_OK, "%s",
                 diag.text);
    cr_assert_str_eq(look(&b, &w).last, "before", "by an answer");
    cr_assert_eq(box_set(&a, "live", "x", 1, NULL), CRDT_OK);
    node_box *both[] = {&a, &b};
    cr_assert(box_await_equal(both, 2, WAIT_MS));
    cr_assert_str_eq(look(&b, &w).last, "live", "by a batch");
    cr_assert_eq(sync_node_attach(b.node, end_watching, &w), CRDT_OK);
    unsigned changes = w.changes;
    cr_assert_eq(box_set(&b, "after", "x", 1, NULL), CRDT_OK);
    cr_assert_eq(w.changes, changes, "detached");
    cr_assert_eq(sync_node_attach(b.node, fail_to_attach, &w), CRDT_ELIMIT);
    cr_assert_eq(box_close(&b), CRDT_OK);
    cr_assert_eq(box_close(&a), CRDT_OK);
}

/* The node has two of the eight places. */
Test(attach, six_places)
{
    node_box a;
    watcher w[7] = {{0}};
    start(&a, NULL, NULL, NULL);
    for (size_t i = 0; i < 7; i++) {
        cr_assert_eq(sync_node_attach(a.node, begin_watching, &w[i]),
                     i < 6 ? CRDT_OK : CRDT_ELIMIT);
    }
    cr_assert_eq(box_set(&a, "lamp", "x", 1, NULL), CRDT_OK);
    for (size_t i = 0; i < 6; i++) {
        cr_assert_gt(look(&a, &w[i]).changes, 0);
    }
    cr_assert_eq(box_close(&a), CRDT_OK);
}

/* ---- asking, beginning ---- */

/* A scene of one object, and its batch. */
typedef struct beginning {
    crdt_op op; /* of the template; borrowed by it */
    crdt_arena arena;
    crdt_batch batch;
} beginning;

static void make_beginning(beginning *b, const char *object)
{
    b->op =
        (crdt_op){.kind = CRDT_OP_ADD, .key = crdt_key_object(crdt_span_of(object))};
    crdt_arena_init(&b->arena, crdt_alloc_default());
    cr_assert_eq(crdt_template_make(&b->op, 1, &b->arena, &b->batch, NULL), CRDT_OK);
}

static crdt_err import(node_box *box, const beginning *b)
{
    crdt_diag diag = {0};
    return sync_node_import(box->node, &b->batch, crdt_span_of(""), &diag);
}

static crdt_err ask(node_box *box, uint32_t timeout_ms)
{
    crdt_diag diag = {0};
    crdt_err err = sync_node_ask(box->node, timeout_ms, &diag);
    cr_assert((err == CRDT_OK) == (diag.text[0] == '\0'), "%d: %s", (int)err,
              diag.text);
    return err;
}

/* Nobody to ask; nobody there; somebody who does not know; somebody who does. */
Test(ask, who_has_the_scene)
{
    node_box a;
    node_box b;
    beginning begin;
    make_beginning(&begin, "table");
    char url[SYNC_NODE_NAME_SIZE];
    own_url(url);
    start(&a, url, NULL, NULL);
    cr_assert_eq(ask(&a, WAIT_MS), CRDT_ENOTFOUND, "no peers");
    start(&b, NULL, url, NULL);
    uint64_t asked_ms = box_now_ms();
    cr_assert_eq(ask(&b, WAIT_MS), CRDT_ENOTFOUND, "it has none");
    printf("a peer without the scene said so after %d ms\n",
           (int)(box_now_ms() - asked_ms));
    cr_assert(!has_lineage(&b), "nobody began one");
    cr_assert_eq(box_close(&b), CRDT_OK);

    const char *two[] = {url, "tcp://127.0.0.1:9"};
    sync_node_options options = box_options(&b);
    options.scene = SCENE;
    options.peer_urls = two;
    options.peer_count = 2;
    cr_assert_eq(box_open(&b, &options), CRDT_OK);
    cr_assert_eq(ask(&b, 500), CRDT_ETIMEOUT, "who does not answer may have it");
    cr_assert_eq(box_close(&b), CRDT_OK);

    cr_assert_eq(import(&a, &begin), CRDT_OK);
    for (int i = 0; i < 50; i++) {
        cr_assert_eq(box_set(&a, "lamp", "x", i, NULL), CRDT_OK);
    }
    start(&b, NULL, url, NULL);
    asked_ms = box_now_ms();
    cr_assert_eq(ask(&b, WAIT_MS), CRDT_OK);
    printf("a scene was adopted after %d ms\n", (int)(box_now_ms() - asked_ms));
    cr_assert_eq(box_get(&b, "lamp", "x"), 49, "all of it is here");
    cr_assert_eq(import(&b, &begin), CRDT_EEXIST);
    cr_assert_eq(box_close(&b), CRDT_OK);

    cr_assert_eq(box_close(&a), CRDT_OK);
    start(&b, NULL, url, NULL);
    cr_assert_eq(ask(&b, 300), CRDT_ETIMEOUT, "nobody is there");
    cr_assert_eq(box_close(&b), CRDT_OK);
    crdt_arena_deinit(&begin.arena);
}

/* The one peer edits another lineage. */
Test(ask, a_stranger)
{
    node_box a;
    node_box b;
    beginning begin[2];
    make_beginning(&begin[0], "table");
    make_beginning(&begin[1], "chair");
    start(&a, ANY, NULL, NULL);
    cr_assert_eq(import(&a, &begin[0]), CRDT_OK);
    start(&b, NULL, NULL, NULL);
    cr_assert_eq(import(&b, &begin[1]), CRDT_OK);
    crdt_diag diag = {0};
    cr_assert_eq(sync_node_sync_once(b.node, a.url, WAIT_MS, &diag), CRDT_ELINEAGE);
    cr_assert_eq(ask(&b, WAIT_MS), CRDT_ELINEAGE);
    cr_assert_eq(box_close(&b), CRDT_OK);
    cr_assert_eq(box_close(&a), CRDT_OK);
    crdt_arena_deinit(&begin[0].arena);
    crdt_arena_deinit(&begin[1].arena);
}

/* It ends when the node is closed. */
typedef struct asker {
    sync_node *node;
    _Atomic pid_t thread; /* 0: it does not ask yet */
    crdt_err err;
} asker;

static void *ask_until_closed(void *ctx)
{
    asker *a = ctx;
    atomic_store(&a->thread, gettid());
    a->err = sync_node_ask(a->node, WAIT_MS, NULL);
    return NULL;
}

/* Until the thread sleeps: nothing but the question it asks makes it. */
static void await_asleep(asker *a)
{
    char state = '?';
    while (state != 'S') {
        char path[64];
        snprintf(path, sizeof path, "/proc/self/task/%d/stat",
                 (int)atomic_load(&a->thread));
        FILE *stat = atomic_load(&a->thread) > 0 ? fopen(path, "r") : NULL;
        if (stat != NULL) {
            cr_assert_eq(fscanf(stat, "%*d (%*[^)]) %c", &state), 1);
            fclose(stat);
        }
        poll(NULL, 0, 10);
    }
}

Test(ask, ends_with_the_node)
{
    node_box a;
    start(&a, NULL, "tcp://127.0.0.1:9", NULL);
    pthread_t thread;
    asker asks = {.node = a.node};
    cr_assert_eq(pthread_create(&thread, NULL, ask_until_closed, &asks), 0);
    cr_assert(box_await(&a, SYNC_EVENT_UNREACHABLE, 1));
    await_asleep(&asks);
    cr_assert_eq(sync_node_close(a.node), CRDT_OK);
    cr_assert_eq(pthread_join(thread, NULL), 0);
    cr_assert_eq(asks.err, CRDT_ECLOSED);
}

typedef struct importer {
    node_box *box;
    const beginning *begin;
    crdt_err asked;
    crdt_err imported;
} importer;

static void *ask_and_import(void *ctx)
{
    importer *i = ctx;
    i->asked = sync_node_ask(i->box->node, WAIT_MS, NULL);
    i->imported = i->asked == CRDT_ENOTFOUND ? import(i->box, i->begin) : CRDT_OK;
    return NULL;
}

/* Two that know each other begin at the same moment. */
static void begin_together(node_box *a, node_box *b, const beginning *of_a,
                           const beginning *of_b)
{
    char url[SYNC_NODE_NAME_SIZE];
    own_url(url);
    start(b, ANY, url, NULL);
    start(a, url, b->url, NULL);
    importer importers[2] = {{.box = a, .begin = of_a}, {.box = b, .begin = of_b}};
    pthread_t threads[2];
    for (size_t i = 0; i < 2; i++) {
        cr_assert_eq(pthread_create(&threads[i], NULL, ask_and_import, &importers[i]),
                     0);
    }
    for (size_t i = 0; i < 2; i++) {
        cr_assert_eq(pthread_join(threads[i], NULL), 0);
        cr_assert(importers[i].imported == CRDT_OK ||
                      importers[i].imported == CRDT_EEXIST,
                  "%d", (int)importers[i].imported);
    }
}

/* The same template: one lineage, no strangers, whoever was first. */
Test(begin, the_same_together)
{
    beginning begin;
    make_beginning(&begin, "table");
    for (int round = 0; round < 5; round++) {
        node_box a;
        node_box b;
        begin_together(&a, &b, &begin, &begin);
        cr_assert_eq(box_set(&a, "of-a", "x", 1, NULL), CRDT_OK);
        cr_assert_eq(box_set(&b, "of-b", "x", 2, NULL), CRDT_OK);
        node_box *both[] = {&a, &b};
        cr_assert(box_await_equal(both, 2, WAIT_MS));
        cr_assert_eq(box_get(&a, "of-b", "x"), 2);
        cr_assert_eq(box_get(&b, "of-a", "x"), 1);
        cr_assert_eq(box_count(&a, SYNC_EVENT_STRANGER), 0);
        cr_assert_eq(box_count(&b, SYNC_EVENT_STRANGER), 0);
        cr_assert_eq(box_close(&b), CRDT_OK);
        cr_assert_eq(box_close(&a), CRDT_OK);
    }
    crdt_arena_deinit(&begin.arena);
}

/* Two templates: both go on, each tells of the other and its lineage; or one was sooner,
 * and the other took its scene. */
Test(begin, another_together)
{
    beginning begin[2];
    make_beginning(&begin[0], "table");
    make_beginning(&begin[1], "chair");
    for (int round = 0; round < 5; round++) {
        node_box a;
        node_box b;
        begin_together(&a, &b, &begin[0], &begin[1]);
        sync_node_status of_a = status_of(&a);
        sync_node_status of_b = status_of(&b);
        cr_assert(of_a.lineage_known && of_b.lineage_known);
        bool same = crdt_actor_equal(&of_a.lineage, &of_b.lineage);
        printf("round %d: %s\n", round, same ? "one was sooner" : "strangers");
        cr_assert_eq(box_set(&a, "of-a", "x", 1, NULL), CRDT_OK);
        cr_assert_eq(box_set(&b, "of-b", "x", 2, NULL), CRDT_OK);
        if (same) {
            node_box *both[] = {&a, &b};
            cr_assert(box_await_equal(both, 2, WAIT_MS));
        } else {
            cr_assert(box_await(&a, SYNC_EVENT_STRANGER, 1));
            cr_assert(box_await(&b, SYNC_EVENT_STRANGER, 1));
            cr_assert(crdt_actor_equal(&a.lineage, &of_b.lineage));
            cr_assert(crdt_actor_equal(&b.lineage, &of_a.lineage));
            cr_assert_eq(box_get(&a, "of-b", "x"), -1);
            cr_assert_eq(box_get(&b, "of-a", "x"), -1);
        }
        sync_node_status_deinit(&of_a);
        sync_node_status_deinit(&of_b);
        cr_assert_eq(box_close(&b), CRDT_OK);
        cr_assert_eq(box_close(&a), CRDT_OK);
    }
    crdt_arena_deinit(&begin[0].arena);
    crdt_arena_deinit(&begin[1].arena);
}

/* An edit that waits for the scene's beginning does not keep it from being imported. */
static void note_done(void *ctx, const sync_edit_result *result)
{
    *(sync_edit_result *)ctx = *result;
}

static crdt_err fill_lamp(void *ctx, const crdt_document *doc, crdt_op_list *ops,
                          crdt_diag *diag)
{
    (void)ctx;
    (void)doc;
    (void)diag;
    return crdt_op_list_add(ops, crdt_key_object(crdt_span_of("lamp")));
}

Test(begin, waiting_edits_follow_the_import)
{
    node_box a;
    beginning begin;
    make_beginning(&begin, "table");
    start(&a, NULL, "tcp://127.0.0.1:9", NULL);
    sync_edit edit = {.fn = fill_lamp};
    sync_edit_result result = {.err = CRDT_EBUSY};
    cr_assert_eq(sync_node_edit_start(a.node, &edit, note_done, &result), CRDT_OK);
    cr_assert_eq(import(&a, &begin), CRDT_OK);
    sync_node_status status = status_of(&a);
    cr_assert(crdt_actor_equal(&status.lineage, &begin.batch.actor));
    sync_node_status_deinit(&status);
    cr_assert_eq(box_set(&a, "chair", "x", 1, NULL), CRDT_OK); /* comes after it */
    cr_assert_eq(result.err, CRDT_OK);
    cr_assert_gt(result.first.time, 1, "after the template");
    cr_assert_eq(box_close(&a), CRDT_OK);
    crdt_arena_deinit(&begin.arena);
}
