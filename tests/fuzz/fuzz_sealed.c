/* Two ends of a sealed link, and between them somebody without the key who carries every
 * message: drops, repeats, changes, cuts, swaps and invents as the input says. Whatever he
 * does, nobody hears what was not said, nor hears it twice. (A message that is turned back to
 * who said it may be heard there: as if he had dialed himself.)
 *
 *   steps   0 publish: end, size, bytes        1 ask: end, size, bytes
 *           2 carry: message, as what, to whom
 *           3 the same, a byte changed: place (2), by what     4 the same, cut: place (2)
 *           5 time goes on: tenths of a second                 6 bytes of his own: to whom,
 *                                                                as what, size, bytes */

#include "sync/link_sealed.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/fuzz_input.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* What is on the wire is kept here, up to 64 messages of 512 bytes; each end has tables of
 * fixed size for those who ask it, and keeps what it asks. */
const fuzz_budget fuzz_target_budget = {.factor = 64, .fixed = 256u << 10};

#define MESSAGE_MAX 64
#define SIZE_MAX_SAID 200
#define PEER 5u
#define TOPIC_SIZE 12u

typedef struct bytes {
    uint8_t data[SIZE_MAX_SAID + 2 * SYNC_LINK_SEALED_OVERHEAD];
    size_t size;
} bytes;

/* Something that was said, and how often it was heard. */
typedef struct saying {
    sync_link_event_kind kind;
    uint64_t token; /* of who asked */
    bytes text;
    bool heard[2]; /* by whom */
} saying;

static struct {
    bytes wire[MESSAGE_MAX]; /* all that ever was on the wire */
    uint64_t tokens[MESSAGE_MAX];
    size_t wire_count;
    saying said[MESSAGE_MAX];
    size_t said_count;
    uint64_t clock_ms;
} world;

typedef struct end {
    sync_link head;
    uint8_t number;
    sync_link *link;
    sync_link_event next;
    bool waiting;
} end;

static void keep(crdt_span message, uint64_t token)
{
    if (world.wire_count == MESSAGE_MAX) {
        return;
    }
    bytes *to = &world.wire[world.wire_count];
    assert(message.size <= sizeof to->data);
    if (message.size > 0) {
        memcpy(to->data, message.data, message.size);
    }
    to->size = message.size;
    world.tokens[world.wire_count++] = token;
}

static crdt_err wire_dial(sync_link *head, uint32_t peer, const char *url,
                          crdt_diag *diag)
{
    (void)head, (void)peer, (void)url, (void)diag;
    return CRDT_OK;
}

static void wire_undial(sync_link *head, uint32_t peer)
{
    (void)head, (void)peer;
}

static crdt_err wire_publish(sync_link *head, crdt_span message)
{
    (void)head;
    keep(message, 0);
    return CRDT_OK;
}

static crdt_err wire_request(sync_link *head, uint32_t peer, crdt_span message,
                             uint64_t token, uint32_t timeout_ms)
{
    (void)head, (void)peer, (void)timeout_ms;
    keep(message, token);
    return CRDT_OK;
}

static crdt_err wire_reply(sync_link *head, uint64_t token, crdt_span message)
{
    (void)head;
    keep(message, token);
    return CRDT_OK;
}

static bool wire_receive(sync_link *head, sync_link_event *event)
{
    end *e = (end *)head;
    bool any = e->waiting;
    *event = e->next;
    e->waiting = false;
    return any;
}

static sync_link_counts wire_count(sync_link *head)
{
    (void)head;
    return (sync_link_counts){0};
}

static void wire_close(sync_link *head)
{
    (void)head;
}

static const sync_link_ops wire_ops = {.dial = wire_dial,
                                       .undial = wire_undial,
                                       .publish = wire_publish,
                                       .request = wire_request,
                                       .reply = wire_reply,
                                       .receive = wire_receive,
                                       .count = wire_count,
                                       .close = wire_close};

static uint64_t read_clock(void)
{
    return world.clock_ms;
}

static void open_end(end *e, uint8_t number)
{
    static const uint8_t key[SYNC_CRYPTO_KEY_SIZE] = {1, 2, 3};
    *e = (end){.head.ops = &wire_ops, .number = number};
    sync_link_sealed_options options = sync_link_sealed_options_default();
    options.key = key;
    options.message_size_max = SIZE_MAX_SAID + 16;
    options.topic_size = TOPIC_SIZE;
    options.now_ms = read_clock;
    assert(sync_link_sealed_open(&e->link, &e->head, &options) == CRDT_OK);
    assert(sync_link_dial(e->link, PEER, "tcp://other:1", NULL) == CRDT_OK);
}

static saying *note(sync_link_event_kind kind, uint64_t token, crdt_span text)
{
    if (world.said_count == MESSAGE_MAX) {
        return NULL;
    }
    saying *s = &world.said[world.said_count++];
    *s = (saying){.kind = kind, .token = token, .text.size = text.size};
    if (text.size > 0) {
        memcpy(s->text.data, text.data, text.size);
    }
    return s;
}

/* Did somebody say so, and was it not heard here before? */
static void check_heard(const end *e, const sync_link_event *event)
{
    for (size_t i = 0; i < world.said_count; i++) {
        saying *s = &world.said[i];
        crdt_span text = {s->text.data, s->text.size};
        if (s->kind == event->kind && !s->heard[e->number] &&
            crdt_span_equal(text, event->bytes) &&
            (event->kind != SYNC_LINK_REPLY || s->token == event->token)) {
            s->heard[e->number] = true;
            return;
        }
    }
    abort(); /* nobody said this, or it was heard already */
}

/* The answer names the question, so one cannot be taken for another's. */
static void answer(end *e, const sync_link_event *event)
{
    uint64_t token = event->bytes.data[event->bytes.size - 1];
    uint8_t text[8] = {'a', 'n', 's', (uint8_t)token};
    crdt_span span = {text, sizeof text};
    if (note(SYNC_LINK_REPLY, token, span) != NULL) {
        (void)sync_link_reply(e->link, event->token, span);
    }
}

static bool give(end *e, sync_link_event_kind kind, uint64_t token, crdt_span message)
{
    e->next =
        (sync_link_event){.kind = kind, .peer = PEER, .token = token, .bytes = message};
    e->waiting = true;
    sync_link_event event;
    bool any = false;
    while (sync_link_receive(e->link, &event)) {
        if (event.kind == SYNC_LINK_FAILED) {
            continue;
        }
        check_heard(e, &event);
        any = true;
        if (event.kind == SYNC_LINK_REQUEST) {
            answer(e, &event);
        }
    }
    return any;
}

/* ---- the input ---- */

static crdt_span take_said(fuzz_input *in, size_t size)
{
    return fuzz_take_span(in, size < SIZE_MAX_SAID ? size : SIZE_MAX_SAID);
}

static const sync_link_event_kind KINDS[] = {SYNC_LINK_PUBLISHED, SYNC_LINK_REQUEST,
                                             SYNC_LINK_REPLY};

static bool carry(end ends[2], fuzz_input *in, unsigned step)
{
    if (world.wire_count == 0) {
        return false;
    }
    size_t index = fuzz_take(in) % world.wire_count;
    sync_link_event_kind kind = KINDS[fuzz_take(in) % 3];
    end *to = &ends[fuzz_take(in) % 2];
    bytes message = world.wire[index];
    if (step != 2) {
        size_t place = (fuzz_take(in) << 8) % 1024;
        place = (place + fuzz_take(in)) % (message.size + 1);
        if (step == 4) {
            message.size = place;
        } else if (place < message.size) {
            message.data[place] ^= (uint8_t)fuzz_take(in);
        }
    }
    return give(to, kind, world.tokens[index], (crdt_span){message.data, message.size});
}

static bool run_step(end ends[2], fuzz_input *in)
{
    static uint64_t token;
    unsigned step = fuzz_take(in) % 7;
    if (step < 2) {
        end *by = &ends[fuzz_take(in) % 2];
        crdt_span text = take_said(in, TOPIC_SIZE + fuzz_take(in));
        if (text.size < TOPIC_SIZE) {
            return false;
        }
        token = token % 250 + 1;
        saying *s =
            note(step == 0 ? SYNC_LINK_PUBLISHED : SYNC_LINK_REQUEST, token, text);
        if (s == NULL) {
            return false;
        }
        text.data = s->text.data;
        if (step == 1) { /* no two questions are the same */
            s->text.data[text.size - 1] = (uint8_t)token;
        }
        (void)(step == 0 ? sync_link_publish(by->link, text)
                         : sync_link_request(by->link, PEER, text, token, 500));
        return false;
    }
    if (step < 5) {
        return carry(ends, in, step);
    }
    if (step == 5) {
        world.clock_ms += 100 * fuzz_take(in);
        return false;
    }
    end *to = &ends[fuzz_take(in) % 2];
    sync_link_event_kind kind = KINDS[fuzz_take(in) % 3];
    return give(to, kind, fuzz_take(in), take_said(in, fuzz_take(in)));
}

bool fuzz_target(const uint8_t *data, size_t size)
{
    fuzz_input in = {data, size};
    end ends[2];
    memset(&world, 0, sizeof world);
    world.clock_ms = 1000000;
    open_end(&ends[0], 0);
    open_end(&ends[1], 1);
    bool any = false;
    while (in.left > 0) {
        any = run_step(ends, &in) || any;
    }
    sync_link_close(ends[0].link);
    sync_link_close(ends[1].link);
    return any;
}
