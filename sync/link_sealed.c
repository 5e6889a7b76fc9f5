#include "sync/link_sealed.h"

#include "sync/little.h"
#include "sync/message.h"

#include <string.h>
#include <time.h>

#define TOPIC_SIZE 16u /* on the wire */
#define INSTANCE_SIZE 16u
#define CHALLENGE_SIZE 16u
#define PUBLICATION_HEAD (INSTANCE_SIZE + 8 + 8)
#define REQUEST_HEAD (INSTANCE_SIZE + 8 + CHALLENGE_SIZE)
#define REPLY_HEAD (1 + INSTANCE_SIZE + 8 + 8 + CHALLENGE_SIZE)
#define BINDING_SIZE SYNC_CRYPTO_SEAL_SIZE /* nonce and tag of a request */

#define CHALLENGE_MS 30000u /* drawn anew so often; the one before is taken too */
#define AGE_MS_MAX 5000     /* of a publication */
#define RTT_MS_MAX 2000u    /* replies that took longer do not set the clock again */
#define ASKERS_MAX 1024u    /* remembered for replay */
#define WINDOW 64u          /* requests of one asker may overtake each other so far */
#define ANSWERS_MAX 256u    /* requests not answered yet */

enum { STATE_ANSWER = 0, STATE_CHALLENGE = 1 };

/* Made of the scene's key; in memory for secrets. */
typedef struct sealed_keys {
    uint8_t seal[SYNC_CRYPTO_HASH_SIZE];
    uint8_t topic[SYNC_CRYPTO_HASH_SIZE];
} sealed_keys;

/* What is known of a peer that was dialed. */
typedef struct sealed_peer {
    uint32_t number;
    uint8_t
        way[INSTANCE_SIZE]; /* as whom we ask it: random, drawn when it was dialed */
    uint64_t requested;
    uint8_t challenge[CHALLENGE_SIZE]; /* of its last reply; zeros: none yet */
    bool confirmed;                    /* the three below are filled */
    uint8_t instance[INSTANCE_SIZE];
    uint64_t published; /* number of its last publication */
    int64_t behind_ms;  /* its clock behind ours */
    bool opened;        /* something of it did open, since it was dialed */
    bool unopened;      /* something of it did not, or it did not answer at all */
} sealed_peer;

/* A request of ours under way. */
typedef struct sealed_call {
    uint32_t peer;
    uint64_t token;
    uint64_t sent_ms;
    uint64_t end_ms;
    bool again; /* it was asked again already, with the challenge it was told */
    uint8_t binding[BINDING_SIZE];
    crdt_buf message;
} sealed_call;

/* A request of somebody, not answered yet. */
typedef struct sealed_answer {
    uint64_t token;
    uint8_t binding[BINDING_SIZE];
} sealed_answer;

/* Whose requests were taken: the numbers up to `last`, as far as the window reaches. */
typedef struct sealed_asker {
    uint8_t instance[INSTANCE_SIZE];
    uint64_t last;
    uint64_t window; /* bit i: last - i was taken */
    uint64_t used_ms;
} sealed_asker;

typedef struct link_sealed {
    sync_link head;
    sync_link_sealed_options options;
    sync_link *inner;
    sealed_keys *keys;
    uint8_t instance[INSTANCE_SIZE];
    uint64_t published;
    uint8_t challenges[2][CHALLENGE_SIZE]; /* this one, and the one before */
    uint64_t challenge_ms;
    sealed_peer *peers;
    size_t peer_count;
    size_t peer_capacity;
    sealed_call **calls;
    size_t call_count;
    size_t call_capacity;
    sealed_answer answers[ANSWERS_MAX];
    size_t answer_count;
    sealed_asker *askers; /* ASKERS_MAX of them */
    size_t asker_count;
    crdt_buf plain;  /* what goes out, before it is sealed */
    crdt_buf sealed; /* and after */
    crdt_buf opened; /* what came; borrowed by the caller */
    uint64_t unsealed;
    uint64_t unsealed_asked; /* requests among them, since the last look */
    uint64_t forged;         /* of peers that have the key, since the last look */
} link_sealed;

static uint64_t monotonic_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static uint64_t now_ms(const link_sealed *link)
{
    return link->options.now_ms();
}

static crdt_span span_of(const uint8_t *bytes, size_t size)
{
    return (crdt_span){.data = bytes, .size = size};
}

/* ---- what a seal is bound to ---- */

/* The kind of a message, and what else belongs to it. */
typedef struct context {
    uint8_t bytes[1 + BINDING_SIZE];
    size_t size;
} context;

static context make_context(char kind, const uint8_t *more, size_t size)
{
    context made = {.size = 1 + size};
    made.bytes[0] = (uint8_t)kind;
    if (size > 0) {
        memcpy(made.bytes + 1, more, size);
    }
    return made;
}

static crdt_span context_span(const context *made)
{
    return span_of(made->bytes, made->size);
}

/* A request is named by its nonce and its tag: nobody can make another one of that name. */
static void bind_request(crdt_span sealed, uint8_t binding[BINDING_SIZE])
{
    const size_t nonce = 24;
    const size_t tag = BINDING_SIZE - nonce;
    memcpy(binding, sealed.data, nonce);
    memcpy(binding + nonce, sealed.data + sealed.size - tag, tag);
}

static void hash_topic(const link_sealed *link, crdt_span topic,
                       uint8_t out[TOPIC_SIZE])
{
    uint8_t hash[SYNC_CRYPTO_HASH_SIZE];
    sync_crypto_hash(span_of(link->keys->topic, sizeof link->keys->topic), topic, hash);
    memcpy(out, hash, TOPIC_SIZE);
}

/* Seal `head` and `message` behind what is in `link->sealed` already. */
static crdt_err seal(link_sealed *link, const context *bound, crdt_span head,
                     crdt_span message)
{
    crdt_buf_clear(&link->plain);
    crdt_err err = crdt_buf_append_span(&link->plain, head);
    if (err == CRDT_OK) {
        err = crdt_buf_append_span(&link->plain, message);
    }
    return err != CRDT_OK
               ? err
               : sync_crypto_seal(link->keys->seal, context_span(bound),
                                  crdt_buf_span(&link->plain), &link->sealed);
}

/* Open into `link->opened`; false: it does not open, or is shorter than its head. */
static bool unseal(link_sealed *link, const context *bound, crdt_span bytes,
                   size_t head_size)
{
    crdt_buf_clear(&link->opened);
    bool opens = sync_crypto_open(link->keys->seal, context_span(bound), bytes,
                                  &link->opened) == CRDT_OK &&
                 link->opened.size >= head_size;
    link->unsealed += !opens;
    return opens;
}

static crdt_span message_of(const link_sealed *link, size_t head_size)
{
    return span_of(link->opened.data + head_size, link->opened.size - head_size);
}

/* ---- peers ---- */

static sealed_peer *find_peer(link_sealed *link, uint32_t number)
{
    for (size_t i = 0; i < link->peer_count; i++) {
        if (link->peers[i].number == number) {
            return &link->peers[i];
        }
    }
    return NULL;
}

static crdt_err reserve_peer(link_sealed *link)
{
    if (link->peer_count < link->peer_capacity) {
        return CRDT_OK;
    }
    size_t capacity = link->peer_capacity * 2 + 8;
    sealed_peer *peers = crdt_resize_array(
        link->options.alloc, link->peers, link->peer_capacity, capacity, sizeof *peers);
    if (peers == NULL) {
        return CRDT_ENOMEM;
    }
    link->peers = peers;
    link->peer_capacity = capacity;
    return CRDT_OK;
}

/* A reply of `peer` says who it is now, and what time it has. */
static void confirm(const link_sealed *link, sealed_peer *peer, const sealed_call *call,
                    const uint8_t *head)
{
    const uint8_t *instance = head + 1;
    uint64_t published = sync_get_u64(instance + INSTANCE_SIZE);
    uint64_t time = sync_get_u64(instance + INSTANCE_SIZE + 8);
    uint64_t now = now_ms(link);
    bool same = peer->confirmed && memcmp(peer->instance, instance, INSTANCE_SIZE) == 0;
    if (!same) {
        memcpy(peer->instance, instance, INSTANCE_SIZE);
        peer->published = published;
    }
    if (!same || now - call->sent_ms <= RTT_MS_MAX) {
        peer->behind_ms = (int64_t)(now - time);
    }
    peer->confirmed = true;
    peer->opened = true;
    memcpy(peer->challenge, head + REPLY_HEAD - CHALLENGE_SIZE, CHALLENGE_SIZE);
}

/* What came from `peer` does not open: it has another key, or somebody is on the wire. */
static void note_unopened(link_sealed *link, sealed_peer *peer)
{
    if (peer->opened) {
        link->forged++;
    }
    peer->unopened = true;
}

/* ---- publications ---- */

static crdt_err sealed_publish(sync_link *head, crdt_span bytes)
{
    link_sealed *link = (link_sealed *)head;
    if (bytes.size > link->options.message_size_max) {
        return CRDT_ELIMIT;
    }
    size_t size =
        bytes.size < link->options.topic_size ? bytes.size : link->options.topic_size;
    uint8_t topic[TOPIC_SIZE];
    hash_topic(link, span_of(bytes.data, size), topic);
    uint8_t about[PUBLICATION_HEAD];
    memcpy(about, link->instance, INSTANCE_SIZE);
    sync_put_u64(about + INSTANCE_SIZE, ++link->published);
    sync_put_u64(about + INSTANCE_SIZE + 8, now_ms(link));
    context bound = make_context('P', topic, TOPIC_SIZE);
    crdt_buf_clear(&link->sealed);
    crdt_err err = crdt_buf_append(&link->sealed, topic, TOPIC_SIZE);
    if (err == CRDT_OK) {
        err = seal(link, &bound, span_of(about, sizeof about), bytes);
    }
    return err != CRDT_OK
               ? err
               : sync_link_publish(link->inner, crdt_buf_span(&link->sealed));
}

/* Is it what `peer` says now, and said for the first time? */
static bool is_fresh(const link_sealed *link, sealed_peer *peer, const uint8_t *about)
{
    uint64_t number = sync_get_u64(about + INSTANCE_SIZE);
    uint64_t time = sync_get_u64(about + INSTANCE_SIZE + 8);
    if (!peer->confirmed || memcmp(peer->instance, about, INSTANCE_SIZE) != 0 ||
        number <= peer->published) {
        return false;
    }
    int64_t age = (int64_t)(now_ms(link) - time) - peer->behind_ms;
    if (age > AGE_MS_MAX || age < -AGE_MS_MAX) {
        return false;
    }
    peer->published = number;
    return true;
}

static bool take_publication(link_sealed *link, sync_link_event *event)
{
    sealed_peer *peer = find_peer(link, event->peer);
    if (peer == NULL) {
        return false;
    }
    if (event->bytes.size < TOPIC_SIZE) {
        link->unsealed++;
        note_unopened(link, peer);
        return false;
    }
    context bound = make_context('P', event->bytes.data, TOPIC_SIZE);
    crdt_span sealed =
        span_of(event->bytes.data + TOPIC_SIZE, event->bytes.size - TOPIC_SIZE);
    if (!unseal(link, &bound, sealed, PUBLICATION_HEAD)) {
        note_unopened(link, peer);
        return false;
    }
    event->bytes = message_of(link, PUBLICATION_HEAD);
    return is_fresh(link, peer, link->opened.data);
}

/* ---- asking ---- */

static size_t find_call(const link_sealed *link, uint64_t token)
{
    size_t at = 0;
    while (at < link->call_count && link->calls[at]->token != token) {
        at++;
    }
    return at;
}

static void free_call(link_sealed *link, sealed_call *call)
{
    crdt_buf_deinit(&call->message);
    crdt_free(link->options.alloc, call, sizeof *call);
}

static void remove_call(link_sealed *link, size_t at)
{
    free_call(link, link->calls[at]);
    link->calls[at] = link->calls[--link->call_count];
}

static crdt_err add_call(link_sealed *link, sealed_call **out)
{
    if (link->call_count == link->call_capacity) {
        size_t capacity = link->call_capacity * 2 + 16;
        sealed_call **calls =
            crdt_resize_array(link->options.alloc, link->calls, link->call_capacity,
                              capacity, sizeof *calls);
        if (calls == NULL) {
            return CRDT_ENOMEM;
        }
        link->calls = calls;
        link->call_capacity = capacity;
    }
    sealed_call *call = crdt_allocate(link->options.alloc, sizeof *call);
    if (call == NULL) {
        return CRDT_ENOMEM;
    }
    *call = (sealed_call){0};
    crdt_buf_init(&call->message, link->options.alloc);
    link->calls[link->call_count++] = call;
    *out = call;
    return CRDT_OK;
}

static crdt_err send_call(link_sealed *link, sealed_call *call, uint64_t now)
{
    sealed_peer *peer = find_peer(link, call->peer);
    if (peer == NULL) {
        return CRDT_ENOTFOUND;
    }
    uint8_t about[REQUEST_HEAD];
    memcpy(about, peer->way, INSTANCE_SIZE);
    sync_put_u64(about + INSTANCE_SIZE, ++peer->requested);
    memcpy(about + INSTANCE_SIZE + 8, peer->challenge, CHALLENGE_SIZE);
    context bound = make_context('Q', NULL, 0);
    crdt_buf_clear(&link->sealed);
    crdt_err err =
        seal(link, &bound, span_of(about, sizeof about), crdt_buf_span(&call->message));
    if (err != CRDT_OK) {
        return err;
    }
    crdt_span sealed = crdt_buf_span(&link->sealed);
    bind_request(sealed, call->binding);
    call->sent_ms = now;
    uint32_t left = call->end_ms > now ? (uint32_t)(call->end_ms - now) : 1;
    return sync_link_request(link->inner, call->peer, sealed, call->token, left);
}

static crdt_err sealed_request(sync_link *head, uint32_t peer, crdt_span bytes,
                               uint64_t token, uint32_t timeout_ms)
{
    link_sealed *link = (link_sealed *)head;
    if (bytes.size > link->options.message_size_max) {
        return CRDT_ELIMIT;
    }
    sealed_call *call = NULL;
    crdt_err err = add_call(link, &call);
    if (err != CRDT_OK) {
        return err;
    }
    uint64_t now = now_ms(link);
    call->peer = peer;
    call->token = token;
    call->end_ms = now + timeout_ms;
    err = crdt_buf_append_span(&call->message, bytes);
    if (err == CRDT_OK) {
        err = send_call(link, call, now);
    }
    if (err != CRDT_OK) {
        remove_call(link, link->call_count - 1);
    }
    return err;
}

/* The request has failed: `event` says so from now on. */
static bool fail_call(link_sealed *link, size_t at, crdt_err err,
                      sync_link_event *event)
{
    remove_call(link, at);
    event->kind = SYNC_LINK_FAILED;
    event->err = err;
    event->bytes = (crdt_span){0};
    return true;
}

static bool take_reply(link_sealed *link, sync_link_event *event)
{
    size_t at = find_call(link, event->token);
    if (at == link->call_count) {
        return false;
    }
    sealed_call *call = link->calls[at];
    sealed_peer *peer = find_peer(link, call->peer);
    context bound = make_context('A', call->binding, BINDING_SIZE);
    if (!unseal(link, &bound, event->bytes, REPLY_HEAD)) {
        if (peer != NULL) {
            note_unopened(link, peer);
        }
        return fail_call(link, at, CRDT_EREFUSED, event);
    }
    if (peer != NULL) {
        confirm(link, peer, call, link->opened.data);
    }
    if (link->opened.data[0] == STATE_ANSWER) {
        remove_call(link, at);
        event->bytes = message_of(link, REPLY_HEAD);
        return true;
    }
    uint64_t now = now_ms(link);
    if (call->again || peer == NULL || now >= call->end_ms) {
        return fail_call(link, at, CRDT_ETIMEOUT, event);
    }
    call->again = true;
    crdt_err err = send_call(link, call, now);
    return err != CRDT_OK && fail_call(link, at, err, event);
}

static bool take_failure(link_sealed *link, const sync_link_event *event)
{
    size_t at = find_call(link, event->token);
    if (at == link->call_count) {
        return false;
    }
    sealed_peer *peer = find_peer(link, link->calls[at]->peer);
    if (peer != NULL && event->err == CRDT_ETIMEOUT) {
        peer->unopened = true; /* who cannot open it answers nothing */
    }
    remove_call(link, at);
    return true;
}

/* ---- being asked ---- */

static void draw_challenges(link_sealed *link)
{
    uint64_t now = now_ms(link);
    if (now - link->challenge_ms >= CHALLENGE_MS) {
        bool late = now - link->challenge_ms >= 2 * (uint64_t)CHALLENGE_MS;
        memcpy(link->challenges[1], link->challenges[0], CHALLENGE_SIZE);
        sync_crypto_random(link->challenges[0], CHALLENGE_SIZE);
        if (late) {
            sync_crypto_random(link->challenges[1], CHALLENGE_SIZE);
        }
        link->challenge_ms = now;
    }
}

/* The row of `instance`, or the one that was not used for the longest time. */
static sealed_asker *find_asker(link_sealed *link, const uint8_t *instance)
{
    sealed_asker *oldest = &link->askers[0];
    for (size_t i = 0; i < link->asker_count; i++) {
        sealed_asker *asker = &link->askers[i];
        if (memcmp(asker->instance, instance, INSTANCE_SIZE) == 0) {
            return asker;
        }
        oldest = asker->used_ms < oldest->used_ms ? asker : oldest;
    }
    if (link->asker_count < ASKERS_MAX) {
        oldest = &link->askers[link->asker_count++];
    }
    *oldest = (sealed_asker){0};
    memcpy(oldest->instance, instance, INSTANCE_SIZE);
    return oldest;
}

/* Each request of an asker is taken once; far behind the newest none is. */
static bool is_first(sealed_asker *asker, uint64_t number)
{
    if (number > asker->last) {
        uint64_t ahead = number - asker->last;
        asker->window = ahead < WINDOW ? asker->window << ahead : 0;
        asker->window |= 1;
        asker->last = number;
        return true;
    }
    uint64_t behind = asker->last - number;
    if (behind >= WINDOW || (asker->window >> behind & 1) != 0) {
        return false;
    }
    asker->window |= UINT64_C(1) << behind;
    return true;
}

static crdt_err send_answer(link_sealed *link, uint64_t token, const uint8_t *binding,
                            uint8_t state, crdt_span bytes)
{
    uint8_t about[REPLY_HEAD];
    draw_challenges(link);
    about[0] = state;
    memcpy(about + 1, link->instance, INSTANCE_SIZE);
    sync_put_u64(about + 1 + INSTANCE_SIZE, link->published);
    sync_put_u64(about + 1 + INSTANCE_SIZE + 8, now_ms(link));
    memcpy(about + REPLY_HEAD - CHALLENGE_SIZE, link->challenges[0], CHALLENGE_SIZE);
    context bound = make_context('A', binding, BINDING_SIZE);
    crdt_buf_clear(&link->sealed);
    crdt_err err = seal(link, &bound, span_of(about, sizeof about), bytes);
    if (err != CRDT_OK) {
        sync_link_reply(link->inner, token, (crdt_span){0});
        return err;
    }
    return sync_link_reply(link->inner, token, crdt_buf_span(&link->sealed));
}

static bool take_request(link_sealed *link, sync_link_event *event)
{
    context bound = make_context('Q', NULL, 0);
    if (!unseal(link, &bound, event->bytes, REQUEST_HEAD)) {
        link->unsealed_asked++;
        sync_link_reply(link->inner, event->token, (crdt_span){0});
        return false;
    }
    const uint8_t *about = link->opened.data;
    uint8_t binding[BINDING_SIZE];
    bind_request(event->bytes, binding);
    const uint8_t *challenge = about + INSTANCE_SIZE + 8;
    draw_challenges(link);
    if (!sync_crypto_equal(challenge, link->challenges[0], CHALLENGE_SIZE) &&
        !sync_crypto_equal(challenge, link->challenges[1], CHALLENGE_SIZE)) {
        send_answer(link, event->token, binding, STATE_CHALLENGE, (crdt_span){0});
        return false;
    }
    sealed_asker *asker = find_asker(link, about);
    asker->used_ms = now_ms(link);
    if (!is_first(asker, sync_get_u64(about + INSTANCE_SIZE)) ||
        link->answer_count == ANSWERS_MAX) {
        sync_link_reply(link->inner, event->token, (crdt_span){0});
        return false;
    }
    sealed_answer *answer = &link->answers[link->answer_count++];
    answer->token = event->token;
    memcpy(answer->binding, binding, BINDING_SIZE);
    event->bytes = message_of(link, REQUEST_HEAD);
    return true;
}

static crdt_err sealed_reply(sync_link *head, uint64_t token, crdt_span bytes)
{
    link_sealed *link = (link_sealed *)head;
    size_t at = 0;
    while (at < link->answer_count && link->answers[at].token != token) {
        at++;
    }
    if (at == link->answer_count) {
        return CRDT_ENOTFOUND;
    }
    sealed_answer answer = link->answers[at];
    link->answers[at] = link->answers[--link->answer_count];
    if (bytes.size == 0 || bytes.size > link->options.message_size_max) {
        crdt_err err = sync_link_reply(link->inner, token, (crdt_span){0});
        return bytes.size == 0 ? err : CRDT_ELIMIT;
    }
    return send_answer(link, token, answer.binding, STATE_ANSWER, bytes);
}

/* ---- the rest of a link ---- */

static crdt_err sealed_listen(sync_link *head, const char *url,
                              char bound[SYNC_LINK_URL_SIZE], crdt_diag *diag)
{
    return sync_link_listen(((link_sealed *)head)->inner, url, bound, diag);
}

static crdt_err sealed_subscribe(sync_link *head, crdt_span topic)
{
    link_sealed *link = (link_sealed *)head;
    uint8_t hashed[TOPIC_SIZE];
    hash_topic(link, topic, hashed);
    return sync_link_subscribe(link->inner, span_of(hashed, TOPIC_SIZE));
}

static crdt_err sealed_dial(sync_link *head, uint32_t peer, const char *url,
                            crdt_diag *diag)
{
    link_sealed *link = (link_sealed *)head;
    crdt_err err = reserve_peer(link);
    if (err == CRDT_OK) {
        err = sync_link_dial(link->inner, peer, url, diag);
    }
    if (err == CRDT_OK) {
        sealed_peer *added = &link->peers[link->peer_count++];
        *added = (sealed_peer){.number = peer};
        sync_crypto_random(added->way, sizeof added->way);
    }
    return err;
}

static void sealed_undial(sync_link *head, uint32_t number)
{
    link_sealed *link = (link_sealed *)head;
    sealed_peer *peer = find_peer(link, number);
    if (peer != NULL) {
        *peer = link->peers[--link->peer_count];
    }
    sync_link_undial(link->inner, number);
}

static void sealed_redial(sync_link *head, uint32_t number)
{
    sync_link_redial(((link_sealed *)head)->inner, number);
}

/* False: the event is none of the caller's. */
static bool take_event(link_sealed *link, sync_link_event *event)
{
    switch (event->kind) {
    case SYNC_LINK_PUBLISHED:
        return take_publication(link, event);
    case SYNC_LINK_REQUEST:
        return take_request(link, event);
    case SYNC_LINK_REPLY:
        return take_reply(link, event);
    case SYNC_LINK_FAILED:
        return take_failure(link, event);
    case SYNC_LINK_UP:
    case SYNC_LINK_DOWN:
        break;
    }
    return true;
}

static bool sealed_receive(sync_link *head, sync_link_event *event)
{
    link_sealed *link = (link_sealed *)head;
    while (sync_link_receive(link->inner, event)) {
        if (take_event(link, event)) {
            return true;
        }
    }
    return false;
}

static int sealed_fd(const sync_link *head)
{
    return sync_link_fd(((const link_sealed *)head)->inner);
}

static sync_link_counts sealed_count(sync_link *head)
{
    link_sealed *link = (link_sealed *)head;
    sync_link_counts counts = sync_link_count(link->inner);
    counts.unsealed += link->unsealed;
    return counts;
}

static void sealed_look(sync_link *head, sync_link_tell tell, void *ctx)
{
    link_sealed *link = (link_sealed *)head;
    sync_link_look(link->inner, tell, ctx);
    for (size_t i = 0; i < link->peer_count; i++) {
        const sealed_peer *peer = &link->peers[i];
        if (peer->unopened && !peer->opened) {
            tell(
                ctx, peer->number,
                "is connected, and nothing of it opens: it has no key, or another one");
        }
    }
    if (link->unsealed_asked > 0) {
        tell(ctx, 0, "somebody without this scene's key asked, and got no answer");
        link->unsealed_asked = 0;
    }
    if (link->forged > 0) {
        tell(ctx, 0, "a peer's message does not open: changed or made up on the way");
        link->forged = 0;
    }
}

static void sealed_close(sync_link *head)
{
    link_sealed *link = (link_sealed *)head;
    crdt_alloc alloc = link->options.alloc;
    sync_link_close(link->inner);
    while (link->call_count > 0) {
        remove_call(link, link->call_count - 1);
    }
    crdt_free(alloc, link->calls, link->call_capacity * sizeof(sealed_call *));
    crdt_free(alloc, link->peers, link->peer_capacity * sizeof *link->peers);
    crdt_free(alloc, link->askers, ASKERS_MAX * sizeof *link->askers);
    crdt_buf_deinit(&link->plain);
    crdt_buf_deinit(&link->sealed);
    crdt_buf_deinit(&link->opened);
    sync_crypto_secret_close(link->keys);
    crdt_free(alloc, link, sizeof *link);
}

static const sync_link_ops sealed_ops = {
    .listen = sealed_listen,
    .subscribe = sealed_subscribe,
    .dial = sealed_dial,
    .undial = sealed_undial,
    .redial = sealed_redial,
    .publish = sealed_publish,
    .request = sealed_request,
    .reply = sealed_reply,
    .receive = sealed_receive,
    .fd = sealed_fd,
    .count = sealed_count,
    .look = sealed_look,
    .close = sealed_close,
};

sync_link_sealed_options sync_link_sealed_options_default(void)
{
    return (sync_link_sealed_options){
        .alloc = crdt_alloc_default(),
        .message_size_max = 1u << 20,
        .topic_size = SYNC_TOPIC_SIZE,
        .now_ms = monotonic_ms,
    };
}

crdt_err sync_link_sealed_open(sync_link **out, sync_link *inner,
                               const sync_link_sealed_options *options)
{
    link_sealed *link = crdt_allocate(options->alloc, sizeof *link);
    sealed_asker *askers =
        crdt_resize_array(options->alloc, NULL, 0, ASKERS_MAX, sizeof *link->askers);
    sealed_keys *keys = sync_crypto_secret_open(sizeof *keys);
    if (link == NULL || askers == NULL || keys == NULL) {
        sync_crypto_secret_close(keys);
        crdt_free(options->alloc, link, sizeof *link);
        crdt_free(options->alloc, askers, ASKERS_MAX * sizeof *askers);
        sync_link_close(inner);
        return CRDT_ENOMEM;
    }
    *link = (link_sealed){.head = {.ops = &sealed_ops},
                          .options = *options,
                          .inner = inner,
                          .keys = keys,
                          .askers = askers};
    if (link->options.now_ms == NULL) {
        link->options.now_ms = monotonic_ms;
    }
    crdt_span key = span_of(options->key, SYNC_CRYPTO_KEY_SIZE);
    sync_crypto_hash(key, crdt_span_of("scenesync 1 seal"), keys->seal);
    sync_crypto_hash(key, crdt_span_of("scenesync 1 topic"), keys->topic);
    link->options.key = NULL;
    sync_crypto_random(link->instance, INSTANCE_SIZE);
    sync_crypto_random(link->challenges, sizeof link->challenges);
    link->challenge_ms = now_ms(link);
    crdt_buf_init(&link->plain, link->options.alloc);
    crdt_buf_init(&link->sealed, link->options.alloc);
    crdt_buf_init(&link->opened, link->options.alloc);
    *out = &link->head;
    return CRDT_OK;
}
