#include "bench/catch_up.h"

#include "bench/bench.h"
#include "crdt/template.h"
#include "sync/message.h"
#include "sync/replica.h"

#include <stdlib.h>
#include <string.h>

#define TIME_MAX_MS 60000u

enum { BEHIND, AHEAD, SIDES };

/* A message under way. */
typedef struct packet {
    struct packet *next;
    int to;
    sync_replica_event_kind kind;
    uint64_t token;
    size_t size;
    uint8_t bytes[];
} packet;

typedef struct side {
    bench_editor *editor;
    sync_replica *replica;
    uint64_t wake_at_ms;
    uint32_t peer; /* the other, where it was dialled; else 0 */
} side;

typedef struct meeting {
    side sides[SIDES];
    packet *first;
    packet **last;
    uint64_t now_ms;
    bench_catch_up *outcome;
} meeting;

static void send(meeting *m, int to, sync_replica_event_kind kind, uint64_t token,
                 crdt_span bytes)
{
    packet *p = calloc(1, sizeof *p + bytes.size);
    bench_must_bytes(p, "packet");
    p->next = NULL;
    p->to = to;
    p->kind = kind;
    p->token = token;
    p->size = bytes.size;
    if (bytes.size > 0) {
        memcpy(p->bytes, bytes.data, bytes.size);
    }
    *m->last = p;
    m->last = &p->next;
}

/* What kind of message it is; of a message of ours. */
static sync_message_kind kind_of(meeting *m, crdt_span bytes)
{
    sync_message message;
    crdt_arena *arena = &m->sides[BEHIND].editor->arena;
    crdt_arena_reset(arena);
    bench_must(sync_message_decode(bytes, arena, &message, NULL), "message");
    return message.kind;
}

static void count(meeting *m, crdt_span bytes)
{
    /* Looking into messages is not what a replica does: it is not timed. */
    bench_stopwatch_stop(&m->outcome->watch);
    switch (kind_of(m, bytes)) {
    case SYNC_MESSAGE_SYNC:
    case SYNC_MESSAGE_FETCH:
        m->outcome->request_bytes += bytes.size;
        m->outcome->round_trips++;
        break;
    case SYNC_MESSAGE_ANSWER:
    case SYNC_MESSAGE_CHUNK:
        m->outcome->answer_bytes += bytes.size;
        break;
    case SYNC_MESSAGE_HELLO:
        m->outcome->greetings++;
        m->outcome->greeting_bytes += bytes.size;
        break;
    case SYNC_MESSAGE_WELCOME:
        m->outcome->greeting_bytes += bytes.size;
        break;
    default:
        m->outcome->beacon_bytes += bytes.size;
    }
    bench_stopwatch_start(&m->outcome->watch);
}

static void step(meeting *m, int index, sync_replica_event event);

/* Only BEHIND dials, so what AHEAD publishes arrives, and nothing the other way. */
static void perform(meeting *m, int index, const sync_effects *effects)
{
    side *s = &m->sides[index];
    int other = index == BEHIND ? AHEAD : BEHIND;
    s->wake_at_ms = effects->wake_at_ms;
    for (size_t i = 0; i < effects->publish_count && index == AHEAD; i++) {
        count(m, effects->publishes[i]);
        send(m, BEHIND, SYNC_ON_RECEIVED, 0, effects->publishes[i]);
    }
    for (size_t i = 0; i < effects->request_count; i++) {
        count(m, effects->requests[i].bytes);
        send(m, other, SYNC_ON_REQUEST, effects->requests[i].token,
             effects->requests[i].bytes);
    }
    for (size_t i = 0; i < effects->reply_count; i++) {
        count(m, effects->replies[i].bytes);
        send(m, other, SYNC_ON_REPLY, effects->replies[i].token,
             effects->replies[i].bytes);
    }
    uint64_t stored = effects->append_count > 0
                          ? effects->appends[effects->append_count - 1].sequence
                          : 0;
    bool dialled = effects->dial_count > 0 && effects->dials[0].url.size > 0;
    s->peer = dialled ? effects->dials[0].peer : s->peer;
    if (dialled) { /* from here on `effects` may be gone */
        step(m, index, (sync_replica_event){.kind = SYNC_ON_LINK_UP, .peer = s->peer});
    }
    if (stored > 0) {
        step(m, index,
             (sync_replica_event){.kind = SYNC_ON_STORED, .sequence = stored});
    }
}

static void step(meeting *m, int index, sync_replica_event event)
{
    sync_effects effects;
    event.now_ms = m->now_ms;
    bench_must(sync_replica_step(m->sides[index].replica, &event, &effects), "step");
    perform(m, index, &effects);
}

static void side_open(side *s, bench_editor *editor, uint64_t nonce)
{
    sync_replica_options options = sync_replica_options_default();
    options.doc = editor->doc;
    options.deps = editor->deps;
    options.discover = false;
    options.nonce = nonce;
    options.seed = nonce;
    options.meta.scene = crdt_span_of("bench");
    options.meta.actor = editor->actor;
    options.meta.lineage_known = true;
    options.meta.lineage = crdt_template_actor_empty();
    *s = (side){.editor = editor, .wake_at_ms = UINT64_MAX};
    bench_must(sync_replica_open(&s->replica, &options), "replica");
}

static bool is_equal(const meeting *m)
{
    const crdt_document *a = m->sides[BEHIND].editor->doc;
    const crdt_document *b = m->sides[AHEAD].editor->doc;
    return crdt_version_compare(crdt_document_version(a), crdt_document_version(b)) ==
               CRDT_EQUAL &&
           crdt_digest_equal(crdt_document_digest(a), crdt_document_digest(b));
}

/* Deliver the next packet, or let time pass until somebody has something to do. */
static void go_on(meeting *m)
{
    packet *p = m->first;
    if (p != NULL) {
        m->first = p->next;
        m->last = m->first == NULL ? &m->first : m->last;
        step(m, p->to,
             (sync_replica_event){.kind = p->kind,
                                  .token = p->token,
                                  .peer = m->sides[p->to].peer,
                                  .bytes = {.data = p->bytes, .size = p->size}});
        free(p);
        return;
    }
    int next =
        m->sides[BEHIND].wake_at_ms <= m->sides[AHEAD].wake_at_ms ? BEHIND : AHEAD;
    uint64_t at = m->sides[next].wake_at_ms;
    m->now_ms = at > m->now_ms ? at : m->now_ms;
    if (m->now_ms > TIME_MAX_MS) {
        bench_die("catching up", "it does not come to an end");
    }
    step(m, next, (sync_replica_event){.kind = SYNC_ON_TICK});
}

void bench_catch_up_run(bench_editor *behind, bench_editor *ahead,
                        bench_catch_up *outcome)
{
    meeting m = {.outcome = outcome};
    m.last = &m.first;
    *outcome = (bench_catch_up){0};
    side_open(&m.sides[BEHIND], behind, 1);
    side_open(&m.sides[AHEAD], ahead, 2);
    bench_stopwatch_start(&outcome->watch);
    step(&m, BEHIND,
         (sync_replica_event){.kind = SYNC_ON_ADD_PEER,
                              .url = crdt_span_of("inproc://ahead")});
    do {
        go_on(&m);
    } while (!is_equal(&m) || m.first != NULL);
    bench_stopwatch_stop(&outcome->watch);
    outcome->equal = is_equal(&m);
    sync_replica_close(m.sides[BEHIND].replica);
    sync_replica_close(m.sides[AHEAD].replica);
}

void bench_catch_up_tell(bench_result *result, const bench_catch_up *outcome)
{
    bench_result_count(result, "request_bytes", outcome->request_bytes);
    bench_result_count(result, "answer_bytes", outcome->answer_bytes);
    bench_result_count(result, "greeting_bytes", outcome->greeting_bytes);
    bench_result_count(result, "beacon_bytes", outcome->beacon_bytes);
    bench_result_count(result, "round_trips", outcome->round_trips);
    bench_result_count(result, "greetings", outcome->greetings);
    bench_result_count(result, "messages", 2 * outcome->round_trips);
    bench_result_flag(result, "equal", outcome->equal);
}
