/* One replica, stepped by hand: what the simulated world cannot say so exactly. */

#include "sync/replica.h"

#include "crdt/answer.h"
#include "crdt/template.h"
#include "crdt/value.h"
#include "sync/message.h"
#include "tests/support/fault_alloc.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static const crdt_actor ME = {{1}};
static const crdt_actor PEER = {{2}};
#define SCENE "plaza"

typedef struct box {
    fault_alloc fault; /* of the replica alone */
    crdt_document *doc;
    crdt_deps *deps;
    sync_replica *replica;
    sync_effects effects;
    uint64_t now_ms;
    crdt_err err;
    crdt_buf message;
} box;

static void box_open(box *b)
{
    *b = (box){.now_ms = 1000};
    crdt_document_options doc = crdt_document_options_default();
    cr_assert_eq(crdt_document_open(&b->doc, &doc), CRDT_OK);
    cr_assert_eq(crdt_deps_open(&b->deps, doc.alloc, 64), CRDT_OK);
    crdt_buf_init(&b->message, doc.alloc);
    sync_replica_options o = sync_replica_options_default();
    o.alloc = fault_alloc_init(&b->fault);
    o.doc = b->doc;
    o.deps = b->deps;
    o.now_ms = b->now_ms;
    o.nonce = 42;
    o.meta = (sync_meta){.scene = crdt_span_of(SCENE),
                         .lineage_known = true,
                         .lineage = crdt_template_actor_empty(),
                         .actor = ME};
    cr_assert_eq(sync_replica_open(&b->replica, &o), CRDT_OK);
}

static void box_close(box *b)
{
    sync_replica_close(b->replica);
    crdt_document_close(b->doc);
    crdt_deps_close(b->deps);
    crdt_buf_deinit(&b->message);
    cr_assert(fault_alloc_balanced(&b->fault));
}

static void step(box *b, sync_replica_event event)
{
    event.now_ms = b->now_ms;
    b->err = sync_replica_step(b->replica, &event, &b->effects);
}

static sync_message message_of(sync_message_kind kind)
{
    sync_message message = {.kind = kind, .actor = PEER, .nonce = 7};
    sync_message_topic(crdt_span_of(SCENE), message.topic);
    return message;
}

static crdt_span encoded(box *b, const sync_message *message)
{
    crdt_buf_clear(&b->message);
    cr_assert_eq(sync_message_encode(message, &b->message), CRDT_OK);
    return crdt_buf_span(&b->message);
}

/* What the replica replied to the request `token`. */
static sync_message reply_to(box *b, uint64_t token, crdt_arena *arena)
{
    sync_message message = {0};
    for (size_t i = 0; i < b->effects.reply_count; i++) {
        if (b->effects.replies[i].token == token) {
            cr_assert_eq(
                sync_message_decode(b->effects.replies[i].bytes, arena, &message, NULL),
                CRDT_OK);
        }
    }
    return message;
}

/* A peer at number 1, connected, that has said who it is. */
static void meet(box *b)
{
    step(b, (sync_replica_event){.kind = SYNC_ON_ADD_PEER,
                                 .url = crdt_span_of("tcp://peer:1")});
    cr_assert_eq(b->effects.dial_count, 1);
    uint32_t number = b->effects.dials[0].peer;
    cr_assert_eq(number, 1);
    step(b, (sync_replica_event){.kind = SYNC_ON_LINK_UP, .peer = number});
    cr_assert_eq(b->effects.request_count, 1);
    sync_message welcome = message_of(SYNC_MESSAGE_WELCOME);
    crdt_version none = {.stamp_count = 0};
    welcome.body.beacon = (sync_beacon){.scene = crdt_span_of(SCENE),
                                        .lineage_known = true,
                                        .lineage = crdt_template_actor_empty(),
                                        .whole = true,
                                        .version_hash = crdt_digest_version(&none),
                                        .heard = &ME,
                                        .heard_count = 1,
                                        .message_size_max = 1u << 20};
    step(b, (sync_replica_event){.kind = SYNC_ON_REPLY,
                                 .token = b->effects.requests[0].token,
                                 .bytes = encoded(b, &welcome)});
    cr_assert_eq(b->err, CRDT_OK);
}

/* What the last step told about the peer's person; NULL data: nothing. */
static crdt_span told_presence(const box *b)
{
    for (size_t i = 0; i < b->effects.notice_count; i++) {
        const sync_notice *notice = &b->effects.notices[i];
        if (notice->kind == SYNC_NOTICE_PRESENCE) {
            cr_assert(crdt_actor_equal(&notice->actor, &PEER));
            return notice->bytes.data == NULL ? crdt_span_of("") : notice->bytes;
        }
    }
    return (crdt_span){0};
}

static sync_message beacon_of(uint64_t number, crdt_span presence)
{
    crdt_version none = {.stamp_count = 0};
    sync_message beacon = message_of(SYNC_MESSAGE_BEACON);
    beacon.body.beacon = (sync_beacon){.scene = crdt_span_of(SCENE),
                                       .lineage_known = true,
                                       .lineage = crdt_template_actor_empty(),
                                       .whole = true,
                                       .version_hash = crdt_digest_version(&none),
                                       .message_size_max = 1u << 20,
                                       .presence = {number, presence}};
    return beacon;
}

static void hear(box *b, const sync_message *message)
{
    b->now_ms += 100;
    step(b, (sync_replica_event){
                .kind = SYNC_ON_RECEIVED, .peer = 1, .bytes = encoded(b, message)});
}

static void hear_presence(box *b, uint64_t number, const char *presence)
{
    sync_message beacon = beacon_of(number, crdt_span_of(presence));
    hear(b, &beacon);
}

static size_t count_notices(const box *b, sync_notice_kind kind)
{
    size_t count = 0;
    for (size_t i = 0; i < b->effects.notice_count; i++) {
        count += b->effects.notices[i].kind == kind;
    }
    return count;
}

/* The one message that the last step published, of that kind. */
static sync_message published(box *b, sync_message_kind kind, crdt_arena *arena)
{
    sync_message message = {0};
    size_t count = 0;
    for (size_t i = 0; i < b->effects.publish_count; i++) {
        sync_message one;
        cr_assert_eq(sync_message_decode(b->effects.publishes[i], arena, &one, NULL),
                     CRDT_OK);
        if (one.kind == kind) {
            message = one;
            count++;
        }
    }
    cr_assert_eq(count, 1, "%zu of kind %d", count, (int)kind);
    return message;
}

/* Elsewhere a message of another cleared one's own entry, and a removal that came at an
 * equal clock was ignored. Here everybody tells of themselves alone, and the last word
 * counts. */
Test(replica, presence_is_its_owners)
{
    box b;
    box_open(&b);
    meet(&b);
    step(&b,
         (sync_replica_event){.kind = SYNC_ON_PRESENCE, .bytes = crdt_span_of("mine")});
    hear_presence(&b, 1, "theirs");
    cr_assert(crdt_span_equal(told_presence(&b), crdt_span_of("theirs")));
    hear_presence(&b, 1, "theirs");
    cr_assert_null(told_presence(&b).data, "told once");
    hear_presence(&b, 2, "");
    cr_assert_not_null(told_presence(&b).data, "taken back");
    cr_assert_eq(told_presence(&b).size, 0);
    b.now_ms += 5000;
    step(&b, (sync_replica_event){.kind = SYNC_ON_TICK});
    crdt_arena arena;
    crdt_arena_init(&arena, crdt_alloc_default());
    sync_message beacon = published(&b, SYNC_MESSAGE_BEACON, &arena);
    cr_assert(crdt_span_equal(beacon.body.beacon.presence.bytes, crdt_span_of("mine")));
    crdt_arena_deinit(&arena);
    box_close(&b);
}

static void set_presence(box *b, const char *text)
{
    step(b,
         (sync_replica_event){.kind = SYNC_ON_PRESENCE, .bytes = crdt_span_of(text)});
    cr_assert_eq(b->err, CRDT_OK);
}

/* A change is told at once, then at most every 100 ms, by a message that holds nothing
 * else; what was between is never told. The same again is no change. */
Test(replica, presence_is_told_soon_and_not_too_often)
{
    box b;
    crdt_arena arena;
    crdt_arena_init(&arena, crdt_alloc_default());
    box_open(&b);
    meet(&b);
    b.now_ms += 400; /* the beacons of the beginning are over */
    step(&b, (sync_replica_event){.kind = SYNC_ON_TICK});
    b.now_ms += 150;
    set_presence(&b, "a");
    sync_message told = published(&b, SYNC_MESSAGE_PRESENCE, &arena);
    cr_assert(crdt_span_equal(told.body.presence.bytes, crdt_span_of("a")));
    cr_assert_lt(b.effects.publishes[0].size, 64, "nothing but the presence");
    uint64_t first = told.body.presence.number;
    size_t count = 0;
    uint64_t last_ms = b.now_ms;
    for (int i = 0; i < 20; i++) { /* 20 changes, 10 ms apart */
        b.now_ms += 10;
        char text[8];
        snprintf(text, sizeof text, "b%d", i);
        set_presence(&b, text);
        for (size_t k = 0; k < b.effects.publish_count; k++) {
            cr_assert_eq(
                sync_message_decode(b.effects.publishes[k], &arena, &told, NULL),
                CRDT_OK);
            if (told.kind == SYNC_MESSAGE_PRESENCE) {
                cr_assert_geq(b.now_ms, last_ms + 100, "no sooner");
                last_ms = b.now_ms;
                count++;
            }
        }
    }
    cr_assert(count >= 1 && count <= 2, "%zu messages in 200 ms", count);
    cr_assert_leq(b.effects.wake_at_ms, b.now_ms + 100);
    b.now_ms += 100;
    step(&b, (sync_replica_event){.kind = SYNC_ON_TICK});
    told = (sync_message){0};
    for (size_t i = 0; i < b.effects.publish_count; i++) {
        cr_assert_eq(sync_message_decode(b.effects.publishes[i], &arena, &told, NULL),
                     CRDT_OK);
    }
    crdt_span last = told.kind == SYNC_MESSAGE_BEACON ? told.body.beacon.presence.bytes
                                                      : told.body.presence.bytes;
    cr_assert(count == 2 || crdt_span_equal(last, crdt_span_of("b19")));
    b.now_ms += 100;
    set_presence(&b, "b19");
    for (size_t i = 0; i < b.effects.publish_count; i++) {
        cr_assert_eq(sync_message_decode(b.effects.publishes[i], &arena, &told, NULL),
                     CRDT_OK);
        cr_assert_neq(told.kind, SYNC_MESSAGE_PRESENCE, "no change, no message");
    }
    cr_assert_gt(first, 0);
    crdt_arena_deinit(&arena);
    box_close(&b);
}

/* A reply that was slow does not bring back what is over; who left and comes again with
 * the same is told of again; who is not here is not listened to. */
Test(replica, presence_is_the_newest)
{
    box b;
    box_open(&b);
    meet(&b);
    hear_presence(&b, 5, "new");
    sync_message message = message_of(SYNC_MESSAGE_PRESENCE);
    message.body.presence = (sync_presence){4, crdt_span_of("old")};
    hear(&b, &message);
    cr_assert_null(told_presence(&b).data);
    message.body.presence = (sync_presence){6, crdt_span_of("newer")};
    hear(&b, &message);
    cr_assert(crdt_span_equal(told_presence(&b), crdt_span_of("newer")));
    b.now_ms += 4000;
    step(&b, (sync_replica_event){.kind = SYNC_ON_TICK});
    cr_assert_eq(count_notices(&b, SYNC_NOTICE_LEFT), 1);
    hear(&b, &message);
    cr_assert_null(told_presence(&b).data, "it has left");
    hear_presence(&b, 6, "newer");
    cr_assert(crdt_span_equal(told_presence(&b), crdt_span_of("newer")));
    box_close(&b);
}

/* 16 KiB go through, a byte more does not; foreign ones beyond it are not taken. */
Test(replica, presence_has_a_limit)
{
    static uint8_t bytes[16385];
    box b;
    box_open(&b);
    meet(&b);
    step(&b, (sync_replica_event){.kind = SYNC_ON_PRESENCE, .bytes = {bytes, 16385}});
    cr_assert_eq(b.err, CRDT_ELIMIT);
    step(&b, (sync_replica_event){.kind = SYNC_ON_PRESENCE, .bytes = {bytes, 16384}});
    cr_assert_eq(b.err, CRDT_OK);
    sync_message beacon = beacon_of(1, (crdt_span){bytes, 16384});
    hear(&b, &beacon);
    cr_assert_eq(told_presence(&b).size, 16384);
    beacon = beacon_of(2, (crdt_span){bytes, 16385});
    hear(&b, &beacon);
    cr_assert_null(told_presence(&b).data);
    box_close(&b);
}

/* Another limit of messages is said once; another lineage now and then. */
Test(replica, misfits_and_strangers_are_told)
{
    box b;
    box_open(&b);
    meet(&b);
    sync_message beacon = beacon_of(0, (crdt_span){0});
    beacon.body.beacon.message_size_max = 4096;
    hear(&b, &beacon);
    cr_assert_eq(count_notices(&b, SYNC_NOTICE_MISFIT), 1);
    hear(&b, &beacon);
    cr_assert_eq(count_notices(&b, SYNC_NOTICE_MISFIT), 0);

    static const crdt_actor other = {{9}};
    beacon.body.beacon.lineage = other;
    size_t strangers = 0;
    size_t refused = 0;
    size_t left = 0;
    for (int i = 0; i < 250; i++) { /* 25 s */
        hear(&b, &beacon);
        strangers += count_notices(&b, SYNC_NOTICE_STRANGER);
        refused += count_notices(&b, SYNC_NOTICE_REFUSED);
        left += count_notices(&b, SYNC_NOTICE_LEFT);
        for (size_t k = 0; k < b.effects.notice_count; k++) {
            const sync_notice *notice = &b.effects.notices[k];
            cr_assert(notice->kind != SYNC_NOTICE_STRANGER ||
                      crdt_actor_equal(&notice->lineage, &other));
        }
    }
    cr_assert_eq(strangers, 3);
    cr_assert_eq(refused, 1);
    cr_assert_eq(left, 1, "it is no peer of this scene any more");
    beacon.body.beacon.lineage = crdt_template_actor_empty();
    hear(&b, &beacon);
    cr_assert_eq(count_notices(&b, SYNC_NOTICE_JOINED), 1, "it was rebased");
    box_close(&b);
}

/* A writer elsewhere, whose batches come as publications of the peer. */
typedef struct writer {
    crdt_document *doc;
    crdt_deps *deps;
    crdt_arena arena;
    crdt_buf bytes;
    crdt_buf value;
} writer;

static void writer_open(writer *w)
{
    crdt_document_options doc = crdt_document_options_default();
    cr_assert_eq(crdt_document_open(&w->doc, &doc), CRDT_OK);
    cr_assert_eq(crdt_deps_open(&w->deps, doc.alloc, 64), CRDT_OK);
    crdt_arena_init(&w->arena, doc.alloc);
    crdt_buf_init(&w->bytes, doc.alloc);
    crdt_buf_init(&w->value, doc.alloc);
}

static void writer_close(writer *w)
{
    crdt_document_close(w->doc);
    crdt_deps_close(w->deps);
    crdt_arena_deinit(&w->arena);
    crdt_buf_deinit(&w->bytes);
    crdt_buf_deinit(&w->value);
}

static crdt_batch write(writer *w, const crdt_actor *actor, int64_t value)
{
    crdt_buf_clear(&w->value);
    cr_assert_eq(crdt_value_write_integer(&w->value, value), CRDT_OK);
    crdt_span o = crdt_span_of("lamp");
    crdt_span p = crdt_span_of("part");
    crdt_op ops[3] = {{.kind = CRDT_OP_ADD, .key = crdt_key_object(o)},
                      {.kind = CRDT_OP_ADD, .key = crdt_key_part(o, p)},
                      {.kind = CRDT_OP_SET,
                       .key = crdt_key_field(o, p, crdt_span_of("name")),
                       .value = crdt_buf_span(&w->value)}};
    crdt_edit edit = {.actor = *actor};
    crdt_batch batch;
    crdt_arena_reset(&w->arena);
    cr_assert_eq(crdt_document_commit(w->doc, &edit, ops, 3, &w->arena, &batch, NULL),
                 CRDT_OK);
    crdt_buf_clear(&w->bytes);
    cr_assert_eq(crdt_batch_encode(&batch, w->deps, &w->bytes), CRDT_OK);
    cr_assert_eq(crdt_deps_note(w->deps, &batch), CRDT_OK);
    return batch;
}

static void receive(box *b, crdt_span batch)
{
    sync_message message = message_of(SYNC_MESSAGE_BATCHES);
    message.body.batches = (sync_batches){&batch, 1};
    step(b, (sync_replica_event){
                .kind = SYNC_ON_RECEIVED, .peer = 1, .bytes = encoded(b, &message)});
}

/* ---- the contract of step ---- */

Test(replica, refuses_what_is_not_its_own)
{
    box b;
    writer w;
    box_open(&b);
    writer_open(&w);
    crdt_batch batch = write(&w, &PEER, 1);
    step(&b, (sync_replica_event){.kind = SYNC_ON_LOCAL, .batch = &batch});
    cr_assert_eq(b.err, CRDT_EINVAL);
    step(&b, (sync_replica_event){.kind = SYNC_ON_LINEAGE, .actor = {{9}}});
    cr_assert_eq(b.err, CRDT_EINVAL);
    step(&b, (sync_replica_event){.kind = SYNC_ON_ADD_PEER});
    cr_assert_eq(b.err, CRDT_EINVAL);
    writer_close(&w);
    box_close(&b);
}

/* An own batch: appended at once, published and told only when stored. */
Test(replica, durable_before_spoken_of)
{
    box b;
    writer w;
    box_open(&b);
    writer_open(&w);
    crdt_batch batch = write(&w, &ME, 1);
    cr_assert_eq(crdt_document_apply(b.doc, &batch, NULL), CRDT_OK);
    step(&b, (sync_replica_event){.kind = SYNC_ON_LOCAL, .batch = &batch});
    cr_assert_eq(b.effects.append_count, 1);
    cr_assert_eq(b.effects.appends[0].sequence, 1);
    uint64_t batches = 0;
    for (size_t i = 0; i < b.effects.publish_count; i++) {
        sync_message m;
        crdt_arena arena;
        crdt_arena_init(&arena, crdt_alloc_default());
        cr_assert_eq(sync_message_decode(b.effects.publishes[i], &arena, &m, NULL),
                     CRDT_OK);
        batches += m.kind == SYNC_MESSAGE_BATCHES;
        crdt_arena_deinit(&arena);
    }
    cr_assert_eq(batches, 0);
    cr_assert_eq(sync_replica_version(b.replica)->stamp_count, 0);
    step(&b, (sync_replica_event){.kind = SYNC_ON_STORED, .sequence = 1});
    cr_assert_geq(b.effects.publish_count, 1);
    cr_assert_eq(sync_replica_version(b.replica)->stamp_count, 1);
    writer_close(&w);
    box_close(&b);
}

/* A SYNC that would tell of what is not on disk is answered when it is. */
Test(replica, answers_wait_for_the_disk)
{
    box b;
    writer w;
    crdt_arena arena;
    crdt_arena_init(&arena, crdt_alloc_default());
    box_open(&b);
    writer_open(&w);
    crdt_batch batch = write(&w, &ME, 1);
    cr_assert_eq(crdt_document_apply(b.doc, &batch, NULL), CRDT_OK);
    step(&b, (sync_replica_event){.kind = SYNC_ON_LOCAL, .batch = &batch});
    sync_message ask = message_of(SYNC_MESSAGE_SYNC);
    ask.body.ask.lineage_known = true;
    ask.body.ask.lineage = crdt_template_actor_empty();
    step(&b, (sync_replica_event){
                 .kind = SYNC_ON_REQUEST, .token = 5, .bytes = encoded(&b, &ask)});
    cr_assert_eq(b.effects.reply_count, 0);
    step(&b, (sync_replica_event){.kind = SYNC_ON_STORED, .sequence = 1});
    cr_assert_eq(reply_to(&b, 5, &arena).kind, SYNC_MESSAGE_ANSWER);
    writer_close(&w);
    box_close(&b);
    crdt_arena_deinit(&arena);
}

/* Once warm, a batch that comes in costs the replica no allocation. */
Test(replica, receiving_allocates_nothing)
{
    box b;
    writer w;
    box_open(&b);
    writer_open(&w);
    meet(&b);
    uint64_t calls = 0;
    for (int i = 0; i < 300; i++) {
        write(&w, &PEER, i);
        receive(&b, crdt_buf_span(&w.bytes));
        cr_assert_eq(b.err, CRDT_OK);
        step(&b,
             (sync_replica_event){.kind = SYNC_ON_STORED, .sequence = (uint64_t)i + 1});
        if (i == 100) {
            calls = b.fault.call_count;
        }
    }
    cr_assert_eq(sync_replica_count(b.replica).applied, 300);
    cr_assert_eq(b.fault.call_count, calls);
    writer_close(&w);
    box_close(&b);
}

/* A peer that has not told its lineage, or was started again since, may be writing another
 * scene: its first batch, which depends on nothing, is not taken for one of this. */
Test(replica, batches_of_an_unknown_lineage_wait)
{
    box b;
    writer w;
    box_open(&b);
    writer_open(&w);
    meet(&b);
    sync_message beacon = beacon_of(0, (crdt_span){0});
    beacon.body.beacon.lineage_known = false;
    hear(&b, &beacon);
    write(&w, &PEER, 1);
    receive(&b, crdt_buf_span(&w.bytes));
    cr_assert_eq(sync_replica_count(b.replica).applied, 0);
    beacon.body.beacon.lineage_known = true;
    hear(&b, &beacon);
    receive(&b, crdt_buf_span(&w.bytes));
    cr_assert_eq(sync_replica_count(b.replica).applied, 1);

    beacon.nonce = 8;
    write(&w, &PEER, 2);
    crdt_span bytes = crdt_buf_span(&w.bytes);
    sync_message batches = message_of(SYNC_MESSAGE_BATCHES);
    batches.nonce = 8;
    batches.body.batches = (sync_batches){&bytes, 1};
    hear(&b, &batches);
    cr_assert_eq(sync_replica_count(b.replica).applied, 1);
    hear(&b, &beacon);
    hear(&b, &batches);
    cr_assert_eq(sync_replica_count(b.replica).applied, 2);
    writer_close(&w);
    box_close(&b);
}

/* A lineage was adopted, and its scene never came: it is given up for another beginning
 * once nobody who has it is there; for the same one at any time. */
Test(replica, a_lineage_by_name_can_be_given_up)
{
    static const crdt_actor theirs = {{9}};
    static const crdt_actor mine = {{8}};
    box b;
    box_open(&b);
    cr_assert(!sync_replica_drop_lineage(b.replica, &mine), "it began empty");
    sync_replica_close(b.replica);
    sync_replica_options options = sync_replica_options_default();
    options.alloc = fault_alloc_init(&b.fault);
    options.doc = b.doc;
    options.deps = b.deps;
    options.now_ms = b.now_ms;
    options.nonce = 42;
    options.meta = (sync_meta){.scene = crdt_span_of(SCENE), .actor = ME};
    cr_assert_eq(sync_replica_open(&b.replica, &options), CRDT_OK);
    cr_assert(sync_replica_drop_lineage(b.replica, &mine), "there is none");
    step(&b, (sync_replica_event){.kind = SYNC_ON_ADD_PEER,
                                  .url = crdt_span_of("tcp://peer:1")});
    sync_message beacon = beacon_of(0, (crdt_span){0});
    beacon.body.beacon.lineage = theirs;
    hear(&b, &beacon);
    cr_assert_eq(count_notices(&b, SYNC_NOTICE_ADOPTED), 1);
    cr_assert(sync_replica_drop_lineage(b.replica, &theirs));
    crdt_stamp begun = {.time = 1, .actor = theirs};
    crdt_stamp *stamps = &begun;
    crdt_version version = {.stamps = stamps, .stamp_count = 1};
    beacon.body.beacon.entries = &begun;
    beacon.body.beacon.entry_count = 1;
    beacon.body.beacon.version_hash = crdt_digest_version(&version);
    hear(&b, &beacon);
    cr_assert(!sync_replica_drop_lineage(b.replica, &mine), "it may come yet");
    b.now_ms += 4000;
    step(&b, (sync_replica_event){.kind = SYNC_ON_TICK});
    cr_assert(sync_replica_drop_lineage(b.replica, &mine), "nobody is there");
    step(&b, (sync_replica_event){.kind = SYNC_ON_LINEAGE, .actor = mine});
    cr_assert_eq(b.err, CRDT_OK);
    hear(&b, &beacon);
    cr_assert_eq(count_notices(&b, SYNC_NOTICE_STRANGER), 1, "it came back");
    writer w;
    writer_open(&w);
    crdt_batch batch = write(&w, &ME, 1);
    cr_assert_eq(crdt_document_apply(b.doc, &batch, NULL), CRDT_OK);
    cr_assert(!sync_replica_drop_lineage(b.replica, &theirs), "it has begun");
    writer_close(&w);
    box_close(&b);
}

/* ---- foreign bytes ---- */

static const uint8_t GARBAGE[64] =
    "no message of this protocol, and none that begins so";

Test(replica, garbage_is_counted_and_answered)
{
    box b;
    crdt_arena arena;
    crdt_arena_init(&arena, crdt_alloc_default());
    box_open(&b);
    meet(&b);
    crdt_span garbage = {GARBAGE, sizeof GARBAGE};
    step(&b,
         (sync_replica_event){.kind = SYNC_ON_RECEIVED, .peer = 1, .bytes = garbage});
    cr_assert_eq(b.err, CRDT_OK);
    step(&b,
         (sync_replica_event){.kind = SYNC_ON_REQUEST, .token = 3, .bytes = garbage});
    sync_message reply = reply_to(&b, 3, &arena);
    cr_assert_eq(reply.kind, SYNC_MESSAGE_REFUSED);
    cr_assert_eq(reply.body.refused.err, CRDT_ECORRUPT);
    step(&b, (sync_replica_event){.kind = SYNC_ON_REPLY, .token = 1, .bytes = garbage});
    step(&b, (sync_replica_event){.kind = SYNC_ON_RECEIVED, .peer = 99});
    sync_message other = message_of(SYNC_MESSAGE_SYNC);
    sync_message_topic(crdt_span_of("another scene"), other.topic);
    step(&b, (sync_replica_event){
                 .kind = SYNC_ON_REQUEST, .token = 4, .bytes = encoded(&b, &other)});
    cr_assert_eq(reply_to(&b, 4, &arena).kind, SYNC_MESSAGE_REFUSED);
    cr_assert_geq(sync_replica_count(b.replica).refused, 4);
    cr_assert(sync_replica_check(b.replica));
    box_close(&b);
    crdt_arena_deinit(&arena);
}

/* Who is refused tries again, for ever: each try filled a line. And what a stranger says
 * went to the terminal as it came. */
Test(replica, refusals_are_told_now_and_then)
{
    box b;
    box_open(&b);
    sync_message other = message_of(SYNC_MESSAGE_SYNC);
    sync_message_topic(crdt_span_of("another scene"), other.topic);
    size_t told = 0;
    for (uint64_t token = 1; token <= 100; token++) {
        b.now_ms += 1000;
        step(&b, (sync_replica_event){.kind = SYNC_ON_REQUEST,
                                      .token = token,
                                      .bytes = encoded(&b, &other)});
        for (size_t i = 0; i < b.effects.notice_count; i++) {
            told += b.effects.notices[i].kind == SYNC_NOTICE_REFUSED;
        }
    }
    cr_assert_eq(told, 2);
    cr_assert_eq(sync_replica_count(b.replica).refused, 100);

    step(&b, (sync_replica_event){.kind = SYNC_ON_ADD_PEER,
                                  .url = crdt_span_of("tcp://peer:1")});
    step(&b, (sync_replica_event){.kind = SYNC_ON_LINK_UP, .peer = 1});
    sync_message refused = message_of(SYNC_MESSAGE_REFUSED);
    refused.body.refused.err = CRDT_EREFUSED;
    refused.body.refused.text = crdt_span_of("no\x1b[2J\nmore");
    step(&b, (sync_replica_event){.kind = SYNC_ON_REPLY,
                                  .token = b.effects.requests[0].token,
                                  .bytes = encoded(&b, &refused)});
    cr_assert_eq(b.effects.notice_count, 1);
    cr_assert_str_eq(b.effects.notices[0].text, "no?[2J?more");
    box_close(&b);
}

static sync_message push_of(const crdt_buf *answer)
{
    sync_message push = message_of(SYNC_MESSAGE_PUSH);
    push.body.parcel = (sync_parcel){.id = 1,
                                     .size = answer->size,
                                     .chunk_size = 1 << 20,
                                     .hash = crdt_hash128(crdt_buf_span(answer)),
                                     .lineage_known = true,
                                     .lineage = crdt_template_actor_empty(),
                                     .bytes = crdt_buf_span(answer)};
    return push;
}

/* An answer with nothing in it but a claim. */
static void claim(crdt_buf *answer, const crdt_actor *since_actor, uint64_t since,
                  const crdt_actor *actor, uint64_t time)
{
    crdt_stamp stamps[2] = {{since, *since_actor}, {time, *actor}};
    crdt_version none = {.stamp_count = 0};
    crdt_version from = {.stamps = &stamps[0], .stamp_count = since > 0 ? 1 : 0};
    crdt_version to = {.alloc = crdt_alloc_default()};
    cr_assert_eq(crdt_version_raise(&to, &stamps[1]), CRDT_OK);
    if (since > 0) {
        cr_assert_eq(crdt_version_raise(&to, &stamps[0]), CRDT_OK);
    }
    crdt_answer_head head = {.since = &from, .version = &to, .floor = &none};
    crdt_answer_writer w;
    crdt_buf_init(answer, crdt_alloc_default());
    crdt_answer_write_open(&w, answer, &head);
    cr_assert_eq(crdt_answer_write_finish(&w), CRDT_OK);
    crdt_version_deinit(&to);
}

/* An answer made for another state (its asker restarted meanwhile) is not joined; one
 * that claims an absurd time is not believed; one that knows more of this replica's actor
 * than itself is an alarm, not news. */
Test(replica, answers_that_are_not_joined)
{
    static const crdt_actor third = {{3}};
    static const struct {
        uint64_t since;
        crdt_actor actor;
        uint64_t time;
        crdt_err err;
        bool renew;
    } rows[] = {
        {50, {{3}}, 60, CRDT_ESTALE, false},
        {0, {{3}}, CRDT_TIME_MAX, CRDT_ELIMIT, false},
        {0, {{1}}, 500, CRDT_EFORK, true},
    };
    crdt_arena arena;
    crdt_arena_init(&arena, crdt_alloc_default());
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        box b;
        crdt_buf answer;
        box_open(&b);
        meet(&b);
        claim(&answer, &third, rows[i].since, &rows[i].actor, rows[i].time);
        sync_message push = push_of(&answer);
        step(&b, (sync_replica_event){
                     .kind = SYNC_ON_REQUEST, .token = 8, .bytes = encoded(&b, &push)});
        sync_message reply = reply_to(&b, 8, &arena);
        cr_assert_eq(reply.kind, SYNC_MESSAGE_REFUSED);
        cr_assert_eq(reply.body.refused.err, rows[i].err);
        cr_assert_eq(b.effects.renew_actor, rows[i].renew);
        cr_assert_eq(crdt_document_version(b.doc)->stamp_count, 0);
        cr_assert_eq(b.effects.append_count, 0);
        crdt_buf_deinit(&answer);
        box_close(&b);
    }
    crdt_arena_deinit(&arena);
}

/* No clock decides what is accepted: not the writer's, not the receiver's. */
Test(replica, wall_clocks_do_not_matter)
{
    static const uint64_t clocks[] = {0, 1, UINT64_MAX, 1700000000000};
    for (size_t i = 0; i < 4; i++) {
        for (size_t j = 0; j < 4; j++) {
            box b;
            writer w;
            box_open(&b);
            writer_open(&w);
            meet(&b);
            crdt_batch batch = write(&w, &PEER, 1);
            batch.wall_ms = clocks[i];
            crdt_buf_clear(&w.bytes);
            cr_assert_eq(crdt_batch_encode(&batch, NULL, &w.bytes), CRDT_OK);
            sync_message message = message_of(SYNC_MESSAGE_BATCHES);
            crdt_span bytes = crdt_buf_span(&w.bytes);
            message.body.batches = (sync_batches){&bytes, 1};
            step(&b, (sync_replica_event){.kind = SYNC_ON_RECEIVED,
                                          .peer = 1,
                                          .wall_ms = clocks[j],
                                          .bytes = encoded(&b, &message)});
            cr_assert_eq(sync_replica_count(b.replica).applied, 1);
            writer_close(&w);
            box_close(&b);
        }
    }
}

/* A stamp far in the future cannot be put into a batch: it would have to depend on one,
 * and such a dependency is waited for, not believed. Later edits go on as ever. */
Test(replica, far_future_wins_nothing)
{
    static const uint64_t times[] = {CRDT_TIME_MAX, CRDT_TIME_MAX - 10,
                                     UINT64_C(1) << 47};
    for (size_t i = 0; i < 3; i++) {
        box b;
        writer w;
        box_open(&b);
        writer_open(&w);
        meet(&b);
        crdt_batch batch = write(&w, &PEER, 1);
        crdt_stamp dep = {times[i], {{9}}};
        crdt_batch forged = batch;
        forged.deps = &dep;
        forged.dep_count = 1;
        crdt_buf bytes;
        crdt_buf_init(&bytes, crdt_alloc_default());
        cr_assert_eq(crdt_batch_encode(&forged, NULL, &bytes), CRDT_OK);
        receive(&b, crdt_buf_span(&bytes));
        cr_assert_geq(sync_replica_count(b.replica).refused, 1);
        cr_assert_eq(crdt_document_version(b.doc)->stamp_count, 0);
        receive(&b, crdt_buf_span(&w.bytes));
        cr_assert_eq(sync_replica_count(b.replica).applied, 1);
        cr_assert_lt(crdt_version_time_max(crdt_document_version(b.doc)), 10);
        crdt_buf_deinit(&bytes);
        writer_close(&w);
        box_close(&b);
    }
}

/* Nor is a beacon that claims one: its sender is not asked for what nobody can have. */
Test(replica, a_beacon_far_ahead_is_not_believed)
{
    box b;
    box_open(&b);
    meet(&b);
    crdt_stamp far = {CRDT_TIME_MAX, {{9}}};
    crdt_version claimed = {.stamps = &far, .stamp_count = 1};
    sync_message beacon = beacon_of(0, (crdt_span){0});
    beacon.body.beacon.entries = &far;
    beacon.body.beacon.entry_count = 1;
    beacon.body.beacon.version_hash = crdt_digest_version(&claimed);
    hear(&b, &beacon);
    cr_assert_eq(count_notices(&b, SYNC_NOTICE_REFUSED), 1);
    for (int i = 0; i < 20; i++) {
        hear(&b, &beacon);
        cr_assert_eq(sync_replica_count(b.replica).asked, 0);
    }
    box_close(&b);
}

/* A beacon of my own actor with another nonce: a copy of this store runs too. */
Test(replica, twin_is_noticed)
{
    box b;
    box_open(&b);
    meet(&b);
    sync_message hello = message_of(SYNC_MESSAGE_HELLO);
    hello.actor = ME;
    hello.nonce = 43;
    crdt_version none = {.stamp_count = 0};
    hello.body.beacon = (sync_beacon){.scene = crdt_span_of(SCENE),
                                      .whole = true,
                                      .version_hash = crdt_digest_version(&none)};
    step(&b, (sync_replica_event){
                 .kind = SYNC_ON_REQUEST, .token = 1, .bytes = encoded(&b, &hello)});
    cr_assert(b.effects.renew_actor);
    step(&b, (sync_replica_event){.kind = SYNC_ON_ACTOR, .actor = {{77}}});
    crdt_actor now = sync_replica_actor(b.replica);
    cr_assert_eq(now.bytes[0], 77);
    cr_assert(b.effects.meta_changed);
    cr_assert_eq(b.effects.meta->former_count, 1,
                 "kept, should it crash before the rescue");
    cr_assert(crdt_actor_equal(&b.effects.meta->formers[0].actor, &ME));
    box_close(&b);
}

/* Whom nobody lets compare does not wait for ever: after many failed questions it joins
 * what comes, and healing is left. */
Test(replica, rescue_is_given_up)
{
    box b;
    box_open(&b);
    meet(&b);
    sync_message hello = message_of(SYNC_MESSAGE_HELLO);
    hello.actor = ME;
    hello.nonce = 43;
    crdt_version none = {.stamp_count = 0};
    hello.body.beacon = (sync_beacon){.scene = crdt_span_of(SCENE),
                                      .whole = true,
                                      .version_hash = crdt_digest_version(&none)};
    step(&b, (sync_replica_event){
                 .kind = SYNC_ON_REQUEST, .token = 1, .bytes = encoded(&b, &hello)});
    step(&b, (sync_replica_event){.kind = SYNC_ON_ACTOR, .actor = {{77}}});
    cr_assert_eq(b.effects.meta->former_count, 1);
    size_t asked = 0;
    for (int i = 0; i < 10000 && b.effects.meta->former_count > 0; i++) {
        b.now_ms += 100;
        step(&b, (sync_replica_event){.kind = SYNC_ON_TICK});
        size_t count = b.effects.request_count;
        uint64_t tokens[8];
        for (size_t j = 0; j < count && j < 8; j++) {
            tokens[j] = b.effects.requests[j].token;
        }
        for (size_t j = 0; j < count && j < 8; j++) {
            step(&b, (sync_replica_event){.kind = SYNC_ON_FAILED, .token = tokens[j]});
            asked++;
        }
    }
    cr_assert_eq(b.effects.meta->former_count, 0);
    cr_assert_geq(asked, 50);
    cr_assert(b.effects.meta_changed);
    box_close(&b);
}

/* ---- what its peers say, and what it makes of that ---- */

static const crdt_actor AUTHOR = {{3}};

/* A beacon of the peer: it has all up to `time` of the author, and a state of that digest. */
static sync_message claim_beacon(const crdt_stamp *stamp, crdt_digest digest)
{
    crdt_stamp copy = *stamp;
    const crdt_version claimed = {.stamps = &copy, .stamp_count = 1};
    sync_message beacon = beacon_of(0, (crdt_span){0});
    beacon.body.beacon.entries = stamp;
    beacon.body.beacon.entry_count = 1;
    beacon.body.beacon.version_hash = crdt_digest_version(&claimed);
    beacon.body.beacon.digest = digest;
    beacon.body.beacon.heard = &ME;
    beacon.body.beacon.heard_count = 1;
    return beacon;
}

/* Let 100 ms pass, a beacon among them; the token of the request of that kind, if one went
 * out: 0 if none did. */
static uint64_t await_request(box *b, const sync_message *beacon,
                              sync_message_kind kind)
{
    uint64_t token = 0;
    crdt_arena arena;
    crdt_arena_init(&arena, crdt_alloc_default());
    hear(b, beacon);
    for (size_t i = 0; i < b->effects.request_count; i++) {
        sync_message request;
        cr_assert_eq(
            sync_message_decode(b->effects.requests[i].bytes, &arena, &request, NULL),
            CRDT_OK);
        token = request.kind == kind ? b->effects.requests[i].token : token;
    }
    crdt_arena_deinit(&arena);
    return token;
}

static void reply(box *b, uint64_t token, const sync_message *message)
{
    step(b, (sync_replica_event){
                .kind = SYNC_ON_REPLY, .token = token, .bytes = encoded(b, message)});
}

static void answer_with(box *b, uint64_t token, const crdt_document *doc)
{
    crdt_buf answer;
    crdt_buf_init(&answer, crdt_alloc_default());
    cr_assert_eq(crdt_document_answer_full(doc, NULL, &answer), CRDT_OK);
    sync_message message = push_of(&answer);
    message.kind = SYNC_MESSAGE_ANSWER;
    reply(b, token, &message);
    crdt_buf_deinit(&answer);
}

/* A batch that is known already, by an answer, still tells what the next one is coded
 * against: so that can be read, and is kept in a form that the log can read. */
Test(replica, reads_on_from_what_it_knew)
{
    for (int heard_again = 0; heard_again < 2; heard_again++) {
        box b;
        writer w;
        writer other;
        box_open(&b);
        writer_open(&w);
        writer_open(&other);
        meet(&b);
        crdt_batch batch = write(&w, &AUTHOR, 1);
        cr_assert_eq(crdt_document_apply(b.doc, &batch, NULL), CRDT_OK);
        if (heard_again) {
            receive(&b, crdt_buf_span(&w.bytes));
            cr_assert_eq(sync_replica_count(b.replica).duplicates, 1);
        }
        batch = write(&w, &AUTHOR, 2);
        receive(&b, crdt_buf_span(&w.bytes));
        cr_assert_eq(sync_replica_count(b.replica).applied, heard_again ? 1 : 0);
        cr_assert_eq(sync_replica_count(b.replica).held, heard_again ? 0 : 1);
        if (heard_again) {
            crdt_batch stored;
            cr_assert_eq(b.effects.append_count, 1);
            cr_assert_eq(crdt_batch_decode(b.effects.appends[0].bytes, NULL, &w.arena,
                                           &stored, NULL),
                         CRDT_OK, "nothing in the log tells its base");
        }
        write(&other, &PEER, 3); /* what waits is tried again, and waits on */
        receive(&b, crdt_buf_span(&other.bytes));
        cr_assert_eq(sync_replica_count(b.replica).held, heard_again ? 0 : 1);
        writer_close(&w);
        writer_close(&other);
        box_close(&b);
    }
}

/* Who is told of own operations that it never made has a double, whoever tells. */
Test(replica, own_operations_that_were_never_made)
{
    box b;
    writer w;
    crdt_stamp mine = {.time = 5, .actor = ME};
    box_open(&b);
    meet(&b);
    sync_message hello = claim_beacon(&mine, (crdt_digest){0});
    hello.kind = SYNC_MESSAGE_HELLO;
    step(&b, (sync_replica_event){
                 .kind = SYNC_ON_REQUEST, .token = 1, .bytes = encoded(&b, &hello)});
    cr_assert(b.effects.renew_actor);
    box_close(&b);

    box_open(&b);
    writer_open(&w);
    meet(&b);
    write(&w, &ME, 1);
    receive(&b, crdt_buf_span(&w.bytes));
    cr_assert(b.effects.renew_actor);
    cr_assert_eq(crdt_document_version(b.doc)->stamp_count, 0, "and not applied");
    writer_close(&w);
    box_close(&b);
}

static size_t count_published_batches(const box *b)
{
    size_t count = 0;
    for (size_t i = 0; i < b->effects.publish_count; i++) {
        sync_message message;
        crdt_arena arena;
        crdt_arena_init(&arena, crdt_alloc_default());
        cr_assert_eq(
            sync_message_decode(b->effects.publishes[i], &arena, &message, NULL),
            CRDT_OK);
        count += message.kind == SYNC_MESSAGE_BATCHES;
        crdt_arena_deinit(&arena);
    }
    return count;
}

/* Between the alarm and the rescue nothing is taken in, answered or said: it may go by the
 * other history. Then it is over, on disk too; what was written under the former actor is
 * never published. */
Test(replica, waits_for_its_rescue)
{
    box b;
    writer w;
    writer other;
    crdt_arena arena;
    crdt_arena_init(&arena, crdt_alloc_default());
    box_open(&b);
    writer_open(&w);
    writer_open(&other);
    meet(&b);
    crdt_batch batch = write(&w, &ME, 1);
    cr_assert_eq(crdt_document_apply(b.doc, &batch, NULL), CRDT_OK);
    step(&b, (sync_replica_event){.kind = SYNC_ON_LOCAL, .batch = &batch});
    crdt_stamp mine = {.time = 50, .actor = ME};
    sync_message hello = claim_beacon(&mine, (crdt_digest){0});
    hello.kind = SYNC_MESSAGE_HELLO;
    step(&b, (sync_replica_event){
                 .kind = SYNC_ON_REQUEST, .token = 1, .bytes = encoded(&b, &hello)});
    step(&b, (sync_replica_event){.kind = SYNC_ON_ACTOR, .actor = {{77}}});
    step(&b, (sync_replica_event){.kind = SYNC_ON_STORED, .sequence = 1});
    cr_assert_eq(sync_replica_version(b.replica)->stamp_count, 0, "not spoken of");
    write(&other, &AUTHOR, 3);
    receive(&b, crdt_buf_span(&other.bytes));
    cr_assert_eq(sync_replica_count(b.replica).applied, 0);
    sync_message ask = message_of(SYNC_MESSAGE_SYNC);
    ask.body.ask.lineage_known = true;
    ask.body.ask.lineage = crdt_template_actor_empty();
    step(&b, (sync_replica_event){
                 .kind = SYNC_ON_REQUEST, .token = 5, .bytes = encoded(&b, &ask)});
    cr_assert_eq(reply_to(&b, 5, &arena).kind, SYNC_MESSAGE_BUSY);
    crdt_stamp theirs = {.time = 3, .actor = AUTHOR};
    sync_message beacon = claim_beacon(&theirs, crdt_document_digest(other.doc));
    uint64_t token = 0;
    for (int i = 0; i < 100 && token == 0; i++) {
        token = await_request(&b, &beacon, SYNC_MESSAGE_SYNC);
    }
    answer_with(&b, token, other.doc);
    cr_assert_eq(b.effects.meta->former_count, 0);
    cr_assert(b.effects.meta_changed, "the store is to forget it, too");
    cr_assert_eq(count_published_batches(&b), 0, "not under the former actor");
    writer_close(&w);
    writer_close(&other);
    box_close(&b);
    crdt_arena_deinit(&arena);
}

/* Equal versions, and only the other side holds something; but it does not write it. After
 * some rounds this side does. */
Test(replica, heals_for_who_does_not)
{
    box b;
    writer w;
    writer theirs;
    box_open(&b);
    writer_open(&w);
    writer_open(&theirs);
    meet(&b);
    write(&theirs, &AUTHOR, 7); /* one stamp, two values: the greater one is to stay */
    write(&w, &AUTHOR, 6);
    receive(&b, crdt_buf_span(&w.bytes));
    crdt_stamp stamp = {.time = 3, .actor = AUTHOR};
    sync_message beacon = claim_beacon(&stamp, crdt_document_digest(theirs.doc));
    size_t rounds = 0;
    for (int i = 0; i < 2000 && sync_replica_count(b.replica).healed == 0; i++) {
        uint64_t token = await_request(&b, &beacon, SYNC_MESSAGE_SYNC);
        if (token != 0) {
            rounds++;
            answer_with(&b, token, theirs.doc);
        }
    }
    cr_assert_eq(sync_replica_count(b.replica).healed, 1);
    cr_assert(rounds > 2, "it waits a while: %zu rounds", rounds);
    crdt_key key = crdt_key_field(crdt_span_of("lamp"), crdt_span_of("part"),
                                  crdt_span_of("name"));
    crdt_span shown;
    cr_assert(crdt_document_get(b.doc, &key, &shown));
    cr_assert(shown.size == 1 && shown.data[0] == 7);
    writer_close(&w);
    writer_close(&theirs);
    box_close(&b);
}

/* A large answer serves several joiners for a while, though the document moves on. Who
 * compares is told how things are now. */
Test(replica, who_compares_gets_no_former_answer)
{
    static uint8_t noise[200000];
    box b;
    writer w;
    crdt_arena arena;
    crdt_arena_init(&arena, crdt_alloc_default());
    box_open(&b);
    writer_open(&w);
    meet(&b);
    noise[0] = 0xdb; /* a string of so many bytes, of little to be packed */
    noise[2] = (uint8_t)((sizeof noise - 5) >> 16);
    noise[3] = (uint8_t)((sizeof noise - 5) >> 8);
    noise[4] = (uint8_t)(sizeof noise - 5);
    uint64_t random = 1;
    for (size_t i = 5; i < sizeof noise; i++) {
        random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
        noise[i] = (uint8_t)(' ' + (random >> 58));
    }
    crdt_batch batch = write(&w, &AUTHOR, 1);
    cr_assert_eq(crdt_document_apply(b.doc, &batch, NULL), CRDT_OK);
    crdt_op op = {.kind = CRDT_OP_SET,
                  .key = crdt_key_field(crdt_span_of("lamp"), crdt_span_of("part"),
                                        crdt_span_of("noise")),
                  .value = {noise, sizeof noise}};
    crdt_edit edit = {.actor = AUTHOR};
    cr_assert_eq(crdt_document_commit(b.doc, &edit, &op, 1, &w.arena, &batch, NULL),
                 CRDT_OK);
    sync_message ask = message_of(SYNC_MESSAGE_SYNC);
    ask.body.ask.lineage_known = true;
    ask.body.ask.lineage = crdt_template_actor_empty();
    ask.body.ask.full = true;
    crdt_digest hashes[2];
    for (uint64_t i = 0; i < 2; i++) {
        step(&b, (sync_replica_event){.kind = SYNC_ON_REQUEST,
                                      .token = 5 + i,
                                      .bytes = encoded(&b, &ask)});
        sync_message reply = reply_to(&b, 5 + i, &arena);
        cr_assert_eq(reply.kind, SYNC_MESSAGE_ANSWER);
        cr_assert_gt(reply.body.parcel.size, 65536);
        hashes[i] = reply.body.parcel.hash;
        op.kind = CRDT_OP_UNSET;
        op.value = (crdt_span){0};
        op.key.field = crdt_span_of("name");
        crdt_document_commit(b.doc, &edit, &op, 1, &w.arena, &batch, NULL);
    }
    cr_assert_not(crdt_digest_equal(hashes[0], hashes[1]));
    writer_close(&w);
    box_close(&b);
    crdt_arena_deinit(&arena);
}

/* Another lineage is no news, whoever brings it. */
Test(replica, a_foreign_lineage_may_not_push)
{
    box b;
    writer w;
    crdt_arena arena;
    crdt_buf answer;
    crdt_arena_init(&arena, crdt_alloc_default());
    crdt_buf_init(&answer, crdt_alloc_default());
    box_open(&b);
    writer_open(&w);
    meet(&b);
    write(&w, &AUTHOR, 1);
    cr_assert_eq(crdt_document_answer_full(w.doc, NULL, &answer), CRDT_OK);
    sync_message push = push_of(&answer);
    push.body.parcel.lineage = AUTHOR;
    step(&b, (sync_replica_event){
                 .kind = SYNC_ON_REQUEST, .token = 8, .bytes = encoded(&b, &push)});
    cr_assert_eq(reply_to(&b, 8, &arena).body.refused.err, CRDT_ELINEAGE);
    cr_assert_eq(crdt_document_version(b.doc)->stamp_count, 0);
    writer_close(&w);
    box_close(&b);
    crdt_buf_deinit(&answer);
    crdt_arena_deinit(&arena);
}

/* Who is busy says for how long, and is asked again soon after; who has answered that there
 * is no more is not asked again, though its beacon had promised more. */
Test(replica, asks_again_and_not_for_ever)
{
    box b;
    writer w;
    box_open(&b);
    writer_open(&w);
    meet(&b);
    write(&w, &AUTHOR, 1);
    receive(&b, crdt_buf_span(&w.bytes));
    crdt_stamp promised = {.time = 4, .actor = AUTHOR};
    crdt_stamp held = {.time = 3, .actor = AUTHOR};
    sync_message beacon = claim_beacon(&promised, (crdt_digest){0});
    sync_message less = claim_beacon(&held, crdt_document_digest(w.doc));
    less.body.beacon.whole = false; /* it takes nothing back */
    uint64_t token = await_request(&b, &beacon, SYNC_MESSAGE_SYNC);
    for (int i = 0; i < 10 && token == 0; i++) {
        token = await_request(&b, &less, SYNC_MESSAGE_SYNC);
    }
    cr_assert_neq(token, 0);
    sync_message busy = message_of(SYNC_MESSAGE_BUSY);
    busy.body.retry_ms = 250;
    reply(&b, token, &busy);
    token = 0;
    for (int i = 0; i < 10 && token == 0; i++) {
        token = await_request(&b, &less, SYNC_MESSAGE_SYNC);
    }
    cr_assert_neq(token, 0, "within a second");
    answer_with(&b, token, w.doc);
    for (int i = 0; i < 50; i++) {
        cr_assert_eq(await_request(&b, &less, SYNC_MESSAGE_SYNC), 0);
    }
    writer_close(&w);
    box_close(&b);
}

/* A beacon that tells a part of a version, and a hash that this does not have: the whole
 * is asked for. Who starts anew is not believed to have what it had. */
Test(replica, what_a_peer_has_is_known_or_asked_for)
{
    box b;
    writer w;
    box_open(&b);
    writer_open(&w);
    meet(&b);
    write(&w, &AUTHOR, 1);
    receive(&b, crdt_buf_span(&w.bytes));
    crdt_stamp stamp = {.time = 1, .actor = AUTHOR};
    sync_message beacon = claim_beacon(&stamp, (crdt_digest){0});
    beacon.body.beacon.whole = false;
    beacon.body.beacon.version_hash.low ^= 1;
    uint64_t token = 0;
    for (int i = 0; i < 15 && token == 0; i++) {
        token = await_request(&b, &beacon, SYNC_MESSAGE_HELLO);
    }
    cr_assert_neq(token, 0);
    size_t index = 0;
    sync_peer_status status;
    cr_assert(sync_replica_next_peer(b.replica, &index, &status));
    cr_assert_eq(status.version->stamp_count, 1);
    sync_message batches = message_of(SYNC_MESSAGE_BATCHES);
    crdt_span bytes = crdt_buf_span(&w.bytes);
    batches.body.batches = (sync_batches){&bytes, 1};
    batches.nonce = 8;
    hear(&b, &batches);
    index = 0;
    cr_assert(sync_replica_next_peer(b.replica, &index, &status));
    cr_assert_eq(crdt_version_get(status.version, &AUTHOR), 0);
    writer_close(&w);
    box_close(&b);
}

/* Held batches, peers, deferred replies: all bounded, whatever comes. */
Test(replica, floods_are_bounded)
{
    box b;
    writer w;
    box_open(&b);
    writer_open(&w);
    meet(&b);
    write(&w, &PEER, 0); /* never arrives */
    for (int i = 1; i < 6000; i++) {
        write(&w, &PEER, i);
        receive(&b, crdt_buf_span(&w.bytes));
    }
    sync_replica_counts counts = sync_replica_count(b.replica);
    cr_assert_eq(counts.held, sync_replica_options_default().held_count_max);
    cr_assert_geq(counts.dropped, 1900);
    for (uint32_t i = 0; i < 3000; i++) {
        sync_message hello = message_of(SYNC_MESSAGE_HELLO);
        crdt_version none = {.stamp_count = 0};
        memcpy(hello.actor.bytes + 4, &i, sizeof i);
        hello.body.beacon = (sync_beacon){.scene = crdt_span_of(SCENE),
                                          .whole = true,
                                          .version_hash = crdt_digest_version(&none)};
        step(&b, (sync_replica_event){.kind = SYNC_ON_REQUEST,
                                      .token = i,
                                      .bytes = encoded(&b, &hello)});
        cr_assert_eq(b.err, CRDT_OK);
        cr_assert_eq(b.effects.reply_count, 1);
    }
    size_t index = 0;
    size_t peers = 0;
    sync_peer_status status;
    while (sync_replica_next_peer(b.replica, &index, &status)) {
        peers++;
    }
    cr_assert_eq(peers, sync_replica_options_default().peer_count_max);
    cr_assert(sync_replica_check(b.replica));
    writer_close(&w);
    box_close(&b);
}

/* Whatever allocation fails: no crash, no leak, the invariants hold, and what was lost is
 * repaired by the protocol (here: the version told catches up with the document). */
Test(replica, without_memory)
{
    for (uint64_t at = 0; at < 400; at++) {
        box b;
        writer w;
        box_open(&b);
        writer_open(&w);
        meet(&b);
        fault_alloc_fail_at(&b.fault, at);
        uint64_t sequence = 0;
        for (int i = 0; i < 6; i++) {
            write(&w, &PEER, i);
            receive(&b, crdt_buf_span(&w.bytes));
            sequence += b.effects.append_count;
            b.now_ms += 300;
            step(&b, (sync_replica_event){.kind = SYNC_ON_TICK});
            sequence += b.effects.append_count;
            step(&b,
                 (sync_replica_event){.kind = SYNC_ON_STORED, .sequence = sequence});
            cr_assert(sync_replica_check(b.replica));
        }
        bool failed = b.fault.fail_at == UINT64_MAX;
        fault_alloc_heal(&b.fault);
        writer_close(&w);
        box_close(&b);
        if (!failed && at > 20) {
            break;
        }
    }
}

/* ---- where others are said to be ---- */

/* A stranger that tells 64 addresses and one of its own. */
static void tell_addresses(box *b, unsigned number)
{
    static sync_known known[SYNC_KNOWN_COUNT_MAX];
    static char texts[SYNC_KNOWN_COUNT_MAX + 1][48];
    for (unsigned i = 0; i <= SYNC_KNOWN_COUNT_MAX; i++) {
        snprintf(texts[i], sizeof texts[i], "tcp://10.0.%u.%u:7", number, i);
    }
    for (unsigned i = 0; i < SYNC_KNOWN_COUNT_MAX; i++) {
        known[i] = (sync_known){.actor = {{9, (uint8_t)number, (uint8_t)i}},
                                .url = crdt_span_of(texts[i])};
    }
    crdt_span own = crdt_span_of(texts[SYNC_KNOWN_COUNT_MAX]);
    sync_message hello = beacon_of(0, (crdt_span){0});
    hello.kind = SYNC_MESSAGE_HELLO;
    hello.actor = (crdt_actor){{8, (uint8_t)number}};
    hello.body.beacon.known = known;
    hello.body.beacon.known_count = SYNC_KNOWN_COUNT_MAX;
    hello.body.beacon.urls = &own;
    hello.body.beacon.url_count = 1;
    step(b, (sync_replica_event){.kind = SYNC_ON_REQUEST,
                                 .token = number + 1,
                                 .bytes = encoded(b, &hello)});
    cr_assert_eq(b->err, CRDT_OK);
}

/* Links begun less links given up, in the last step. */
static int dialed(const box *b)
{
    int count = 0;
    for (size_t i = 0; i < b->effects.dial_count; i++) {
        count += b->effects.dials[i].url.size > 0 ? 1 : -1;
    }
    return count;
}

/* Peers that told addresses had all of them dialed at once, two sockets each: after 150
 * messages no descriptor was left, and whoever the addresses belonged to was flooded. */
Test(addresses, are_not_all_dialed_at_once)
{
    box b;
    box_open(&b);
    int links = 0;
    for (unsigned number = 0; number < 10; number++) {
        tell_addresses(&b, number);
        links += dialed(&b);
        cr_assert_leq(links, 32);
    }
    cr_assert_eq(links, 32, "%d", links);
    step(&b, (sync_replica_event){.kind = SYNC_ON_ADD_PEER,
                                  .url = crdt_span_of("tcp://asked-for:1")});
    cr_assert_eq(dialed(&b), 1, "who was asked for is dialed all the same");
    b.now_ms += 40000; /* nobody was there */
    step(&b, (sync_replica_event){.kind = SYNC_ON_TICK});
    links += dialed(&b);
    cr_assert_eq(links, 0, "%d", links);
    tell_addresses(&b, 11);
    cr_assert_eq(dialed(&b), 32, "others are tried then");
    box_close(&b);
}
