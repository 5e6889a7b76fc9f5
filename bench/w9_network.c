/* W9: from an edit on one node until it is visible on another.
 *
 * Latency: 1,000 edits a second of W1's updates, half a second at a time in turn with as
 * many messages of nng alone over the same transport; 10 s of each at scale 1. An edit
 * begins when it is handed to the node and is visible when the other node's document has
 * it. Saturation: as many edits as 1,000 on their way allow. Fan-out: 100 edits a second,
 * visible when the last of the replicas has it. */

#include "bench/anchor_disk.h"
#include "bench/anchor_nng.h"
#include "bench/workloads.h"
#include "bench/node_writer.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ENTITIES 1000u /* more than edits on their way: an entity tells which edit */
#define RATE 1000u
#define SLICE_S 0.5
#define FAN_RATE 100u
#define WINDOW 900u
#define AWAIT_US 30e6

/* What an edit was and became. */
typedef struct edit_slot {
    double begin_us;
    _Atomic uint32_t seen;  /* replicas that have it */
    _Atomic double seen_us; /* when the last of these had it */
    sync_edit edit;
} edit_slot;

typedef struct course course;

/* A node that hears of the edits. Its counts are its own thread's. */
typedef struct hearer {
    course *of;
    sync_node *node;
    uint32_t counts[ENTITIES]; /* times that the entity was seen */
    uint32_t last;             /* entity seen last: its fields come one by one */
} hearer;

struct course {
    const bench_options *options;
    sync_node *source;
    bench_node_writer writer;
    hearer *hearers;
    size_t hearer_count;
    edit_slot *slots;
    uint32_t slot_count;
    uint32_t started;
    _Atomic uint32_t acknowledged;
    _Atomic uint32_t visible; /* edits that all have */
    _Atomic bool counting;
    char url[SYNC_NODE_NAME_SIZE];
    char pem[BENCH_PATH_SIZE];    /* "": no TLS */
    char folder[BENCH_PATH_SIZE]; /* "": in memory */
};

/* ---- what the nodes tell ---- */

static void on_event(void *ctx, const sync_event *event)
{
    course *c = ctx;
    if (event->kind == SYNC_EVENT_LISTENING) {
        snprintf(c->url, sizeof c->url, "%s", event->url);
    }
}

static void on_changed(void *ctx, crdt_span object)
{
    hearer *h = ctx;
    course *c = h->of;
    uint32_t entity = 0;
    for (size_t i = 1; i < object.size; i++) {
        entity = entity * 10 + (object.data[i] - (uint32_t)'0');
    }
    if (!c->counting || entity >= ENTITIES) {
        return;
    }
    bool again = h->last == entity;
    h->last = entity;
    h->counts[entity] += !again;
    uint32_t index = entity + (h->counts[entity] - 1) * ENTITIES;
    if (index >= c->slot_count) {
        return;
    }
    edit_slot *slot = &c->slots[index];
    slot->seen_us = bench_now_us();
    if (!again && ++slot->seen == c->hearer_count) {
        c->visible++;
    }
}

static crdt_err attach(void *ctx, crdt_document *doc)
{
    const crdt_listener listener = {.ctx = ctx, .changed = on_changed};
    return crdt_document_listen(doc, &listener);
}

static void on_done(void *ctx, const sync_edit_result *result)
{
    course *c = ctx;
    bench_must(result->err, "edit");
    c->acknowledged++;
}

/* ---- nodes ---- */

static sync_node *open_node(course *c, const char *name, const char *listen,
                            const char *peer)
{
    sync_node_options options = sync_node_options_default();
    char dir[BENCH_PATH_SIZE + 32];
    crdt_diag diag = {0};
    sync_node *node = NULL;
    options.scene = "bench";
    options.listen_urls = &listen;
    options.listen_count = listen != NULL;
    options.peer_urls = &peer;
    options.peer_count = peer != NULL;
    options.on_event = listen != NULL ? on_event : NULL;
    options.event_ctx = c;
    if (c->pem[0] != '\0') {
        options.tls = (sync_node_tls){.cert_file = c->pem,
                                      .key_file = c->pem,
                                      .ca_file = c->pem,
                                      .peer_name = "localhost"};
    }
    if (c->folder[0] != '\0') {
        snprintf(dir, sizeof dir, "%s/%s", c->folder, name);
        options.store_dir = dir;
    }
    if (sync_node_open(&node, &options, &diag) != CRDT_OK) {
        bench_die("node", diag.text);
    }
    return node;
}

static crdt_err read_digest(void *ctx, const crdt_document *doc)
{
    *(crdt_digest *)ctx = crdt_document_digest(doc);
    return CRDT_OK;
}

static crdt_digest digest_of(sync_node *node)
{
    crdt_digest digest = {0};
    bench_must(sync_node_read(node, read_digest, &digest), "reading");
    return digest;
}

static void await_equal(const course *c)
{
    double until = bench_now_us() + AWAIT_US;
    for (size_t i = 0; i < c->hearer_count; i++) {
        while (
            !crdt_digest_equal(digest_of(c->source), digest_of(c->hearers[i].node))) {
            if (bench_now_us() > until) {
                bench_die("nodes", "not equal after 30 s");
            }
            bench_sleep_until(bench_now_us() + 20e3);
        }
    }
}

static void course_open(course *c, const bench_options *o, const char *url,
                        size_t hearer_count, uint32_t slot_count)
{
    c->options = o;
    c->hearer_count = hearer_count;
    c->slot_count = slot_count;
    c->hearers = calloc(hearer_count, sizeof *c->hearers);
    c->slots = calloc(slot_count, sizeof *c->slots);
    bench_must_bytes(c->hearers, "replicas");
    bench_must_bytes(c->slots, "edits");
    if (c->folder[0] != '\0') {
        bench_folder_open(o, "w9", c->folder);
        setenv("SCENESYNC_STATE_DIR", c->folder, 1);
    }
    c->source = open_node(c, "source", url, NULL);
    bench_node_writer_open(&c->writer, c->source, ENTITIES, 1);
    for (size_t i = 0; i < hearer_count; i++) {
        char name[32];
        snprintf(name, sizeof name, "replica%zu", i);
        c->hearers[i] = (hearer){.of = c, .last = ENTITIES};
        c->hearers[i].node = open_node(c, name, NULL, c->url);
    }
    await_equal(c);
    for (size_t i = 0; i < hearer_count; i++) {
        bench_must(sync_node_attach(c->hearers[i].node, attach, &c->hearers[i]),
                   "attach");
    }
    c->counting = true;
}

static void course_close(course *c)
{
    for (size_t i = 0; i < c->hearer_count; i++) {
        sync_node_close(c->hearers[i].node);
    }
    sync_node_close(c->source);
    bench_node_writer_close(&c->writer);
    if (c->folder[0] != '\0') {
        bench_folder_close(c->folder);
    }
    free(c->hearers);
    free(c->slots);
}

/* ---- edits ---- */

/* False: 4,096 edits wait already. */
static bool start_edit(course *c)
{
    edit_slot *slot = &c->slots[c->started];
    slot->edit = bench_node_writer_edit(&c->writer);
    slot->begin_us = bench_now_us();
    crdt_err err = sync_node_edit_start(c->source, &slot->edit, on_done, c);
    if (err == CRDT_EBUSY) {
        return false;
    }
    bench_must(err, "edit");
    c->started++;
    return true;
}

static void await_visible(course *c)
{
    double until = bench_now_us() + AWAIT_US;
    while (c->visible < c->started || c->acknowledged < c->started) {
        if (bench_now_us() > until) {
            fprintf(stderr, "%u of %u edits visible, %u acknowledged\n", c->visible,
                    c->started, c->acknowledged);
            bench_die("edits", "not visible after 30 s");
        }
        bench_sleep_until(bench_now_us() + 1e3);
    }
}

static void pace_edits(course *c, uint32_t count, uint32_t rate)
{
    double next = bench_now_us();
    for (uint32_t i = 0; i < count && c->started < c->slot_count; i++) {
        bench_sleep_until(next);
        start_edit(c);
        next += 1e6 / rate;
    }
    await_visible(c);
}

static void pace_messages(bench_nng *anchor, uint32_t count)
{
    double next = bench_now_us();
    for (uint32_t i = 0; i < count; i++) {
        bench_sleep_until(next);
        bench_nng_send(anchor);
        next += 1e6 / RATE;
    }
    bench_nng_settle(anchor);
}

static void collect(const course *c, uint32_t from, bench_spread *spread)
{
    for (uint32_t i = from; i < c->started; i++) {
        bench_spread_add(spread, c->slots[i].seen_us - c->slots[i].begin_us);
    }
}

/* ---- latency ---- */

/* One file: key and certificate, which vouches for itself. */
static bool make_certificate(const bench_options *o, char path[BENCH_PATH_SIZE])
{
    char command[2 * BENCH_PATH_SIZE];
    bench_path(o, "w9.pem", path);
    int size = snprintf(command, sizeof command,
                        "openssl req -x509 -newkey ec -pkeyopt "
                        "ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost "
                        "-addext subjectAltName=DNS:localhost,IP:127.0.0.1 "
                        "-keyout - -out - >'%s' 2>/dev/null",
                        path);
    return size > 0 && (size_t)size < sizeof command && system(command) == 0;
}

static void tell_ratio(bench_result *result, bench_spread *ours, bench_spread *nng)
{
    bench_result_real(result, "nng_ratio_p50",
                      bench_spread_at(ours, 0.5) / bench_spread_at(nng, 0.5));
    bench_result_real(result, "nng_ratio_p99",
                      bench_spread_at(ours, 0.99) / bench_spread_at(nng, 0.99));
}

/* URLs of the node and of nng alone: `transport` is inproc, tcp or tls. */
static void make_urls(const char *transport, char node[64], char bare[64])
{
    static unsigned used;
    unsigned port = 20000 + ((unsigned)getpid() * 4 + used++) % 12000;
    if (strcmp(transport, "inproc") == 0) {
        snprintf(node, 64, "inproc://w9-%u", port);
        snprintf(bare, 64, "inproc://w9-bare-%u", port);
        return;
    }
    const char *scheme = strcmp(transport, "tls") == 0 ? "tls+tcp" : "tcp";
    snprintf(node, 64, "%s://127.0.0.1:0", scheme);
    snprintf(bare, 64, "%s://127.0.0.1:%u", scheme, port);
}

/* What is measured in turn. */
typedef struct latency {
    bench_spread ours;
    bench_spread sync; /* append and fdatasync, where the stores are on a disk */
    bench_nng *nng;
    bench_stopwatch watch;
} latency;

static void take_turns(course *c, latency *l, uint32_t slices, uint32_t per_slice)
{
    bool durable = c->folder[0] != '\0';
    bench_disk *disk = durable ? bench_disk_open(c->folder) : NULL;
    pace_edits(c, per_slice, RATE); /* warm */
    for (uint32_t i = 0; i < slices; i++) {
        uint32_t from = c->started;
        bench_stopwatch_start(&l->watch);
        pace_edits(c, per_slice, RATE);
        bench_stopwatch_stop(&l->watch);
        collect(c, from, &l->ours);
        pace_messages(l->nng, per_slice);
        if (durable) {
            bench_disk_append(disk, 1, 400, 0.2, &l->sync);
        }
    }
    if (durable) {
        bench_disk_close(disk);
    }
}

static void run_latency(const bench_options *o, const char *transport, bool durable)
{
    course c = {.folder = {durable ? '?' : '\0'}};
    bool tls = strcmp(transport, "tls") == 0;
    if (tls && !make_certificate(o, c.pem)) {
        fprintf(stderr, "W9-latency-tls: skipped: no certificate (openssl?)\n");
        return;
    }
    char url[64];
    char bare[64];
    make_urls(transport, url, bare);
    double seconds = 10 * o->scale < 1 ? 1 : 10 * o->scale;
    uint32_t slices = (uint32_t)ceil(seconds / SLICE_S);
    uint32_t per_slice = (uint32_t)(SLICE_S * RATE);
    course_open(&c, o, url, 1, (slices + 1) * per_slice);
    latency l = {.nng = bench_nng_open(bare, tls ? c.pem : NULL, 150)};
    take_turns(&c, &l, slices, per_slice);
    bench_result result;
    bench_result_begin(&result, o, "W9-latency-%s%s", transport,
                       durable ? "-durable" : "");
    bench_result_watch(&result, &l.watch, slices * per_slice);
    bench_spread_tell(&result, "", &l.ours);
    bench_spread_tell(&result, "nng_", bench_nng_spread(l.nng));
    tell_ratio(&result, &l.ours, bench_nng_spread(l.nng));
    if (durable) {
        bench_spread_tell(&result, "sync_", &l.sync);
    }
    bench_result_end(&result);
    bench_spread_deinit(&l.ours);
    bench_spread_deinit(&l.sync);
    course_close(&c);
    if (tls) {
        unlink(c.pem);
    }
}

/* ---- saturation ---- */

static void run_saturation(const bench_options *o)
{
    course c = {.pem = ""};
    uint32_t count = (uint32_t)lround(100000 * o->scale);
    course_open(&c, o, "tcp://127.0.0.1:0", 1, count);
    bench_stopwatch watch = {0};
    bench_stopwatch_start(&watch);
    while (c.started < count) {
        if (c.started - c.visible >= WINDOW || !start_edit(&c)) {
            bench_sleep_until(bench_now_us() + 50);
        }
    }
    await_visible(&c);
    bench_stopwatch_stop(&watch);
    bench_result result;
    bench_result_begin(&result, o, "W9-saturation-tcp");
    bench_result_watch(&result, &watch, count);
    bench_result_end(&result);
    course_close(&c);
}

/* ---- fan-out ---- */

static void run_fan_out(const bench_options *o, uint32_t replicas)
{
    course c = {.pem = ""};
    double seconds = 5 * o->scale < 0.5 ? 0.5 : 5 * o->scale;
    uint32_t count = (uint32_t)(seconds * FAN_RATE);
    course_open(&c, o, "tcp://127.0.0.1:0", replicas - 1, count + FAN_RATE / 2);
    pace_edits(&c, FAN_RATE / 2, FAN_RATE); /* warm */
    bench_stopwatch watch = {0};
    uint32_t from = c.started;
    bench_stopwatch_start(&watch);
    pace_edits(&c, count, FAN_RATE);
    bench_stopwatch_stop(&watch);
    bench_spread spread;
    bench_spread_init(&spread);
    collect(&c, from, &spread);
    bench_result result;
    bench_result_begin(&result, o, "W9-fanout-%u", replicas);
    bench_result_watch(&result, &watch, count);
    bench_result_count(&result, "replicas", replicas);
    bench_spread_tell(&result, "", &spread);
    bench_result_real(&result, "cpu_us_per_delivery",
                      watch.cpu * 1e6 / ((double)count * (replicas - 1)));
    bench_result_end(&result);
    bench_spread_deinit(&spread);
    course_close(&c);
}

void bench_w9_run(const bench_options *o)
{
    static const char *const transports[] = {"inproc", "tcp", "tls"};
    static const uint32_t fans[] = {2, 8, 32, 100};
    for (size_t i = 0; i < sizeof transports / sizeof transports[0]; i++) {
        run_latency(o, transports[i], false);
    }
    run_latency(o, "tcp", true);
    run_saturation(o);
    for (size_t i = 0; i < sizeof fans / sizeof fans[0]; i++) {
        run_fan_out(o, fans[i]);
    }
}
