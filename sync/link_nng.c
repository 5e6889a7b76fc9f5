#include "sync/link_nng.h"

#include "sync/connection.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <nng/nng.h>
#include <nng/protocol/pubsub0/pub.h>
#include <nng/protocol/pubsub0/sub.h>
#include <nng/protocol/reqrep0/rep.h>
#include <nng/protocol/reqrep0/req.h>
#include <nng/supplemental/tls/tls.h>
#include <nng/transport/tls/tls.h>

/* How it hangs together
 *
 *   nng's threads ── callbacks ──▶ queue of events ── eventfd ──┐
 *           └───────── publications: SUB's own queue ── its fd ──┴ epoll ──▶ the caller's
 *                                                                          thread: receive
 *   pool (of the process): slots = a socket, its contexts and aios
 *   reaper (a thread of the process): closes dialers and listeners
 *
 * Publications take no callback: one thread less has to wake before they are there.
 *
 * One lock for the process guards the pool, and every link's queue and peers. nng is
 * never called under it: nng calls back with its own locks held. Nothing that a
 * callback can reach is ever freed: it hangs on a slot, and slots live for ever. */

#define ANSWER_CONTEXTS 8
#define SOCKET_BUFFER                                                                  \
    2048 /* messages, at PUB and at SUB alike: neither drops first                     \
          */
#define LISTENER_MAX 8
#define PEER_MAX 4096
#define PORT_TRIES 64
#define CLOSE_WAIT_MS 2000
#define DRAIN_WAIT_MS 500
#define NEVER_MS 600000 /* until a dialer that is being closed tries again */
#define LINGER_MS 50

typedef struct link_nng link_nng;
typedef struct link_slot link_slot;

/* One event on its way to the caller, any but a publication; embedded where it comes from, so that a callback
 * allocates nothing. */
typedef struct event_node {
    struct event_node *next;
    bool queued;
    sync_link_event_kind kind;
    uint32_t peer;
    uint64_t token;
    crdt_err err;
    nng_msg *msg;
} event_node;

/* One context of a REQ socket: at most one request on its way. */
typedef struct link_call {
    link_slot *slot;
    nng_ctx ctx;
    nng_aio *aio;
    nng_aio *sleep; /* of its own: an aio of nng 1.5.2 that has slept says "done" where
                     * it later means "timed out" */
    enum { CALL_IDLE, CALL_SENDING, CALL_RECEIVING, CALL_LOST } phase;
    bool abandoned; /* its end was reported already */
    uint64_t deadline_ms;
    event_node node;
} link_call;

/* One context of a REP socket: receive, wait for the caller's answer, send. */
typedef struct link_answer {
    link_slot *slot;
    nng_ctx ctx;
    nng_aio *aio;
    enum { ANSWER_IDLE, ANSWER_RECEIVING, ANSWER_WAITING, ANSWER_SENDING } phase;
    uint32_t generation; /* of the request, so that a late answer finds nothing */
    event_node node;
} link_answer;

/* What a SUB socket is subscribed to: undone when it goes back to the pool. */
typedef struct topic {
    struct topic *next;
    size_t size;
    uint8_t bytes[];
} topic;

/* A connection of a socket. */
typedef struct link_pipe {
    struct link_pipe *next;
    uint32_t id;
    int dialer; /* 0: accepted */
    bool is_tcp;
    sync_connection ends; /* is_tcp */
} link_pipe;

typedef enum slot_kind { SLOT_PUB, SLOT_SUB, SLOT_REP, SLOT_REQ } slot_kind;

struct link_slot {
    link_slot *next; /* in the pool's list of all slots */
    slot_kind kind;
    nng_socket socket;
    size_t message_size_max;
    link_nng *owner;  /* NULL: free, once idle */
    unsigned closing; /* its dialers and listeners that the reaper still has */
    link_call calls[SYNC_LINK_REQUESTS_PER_PEER]; /* REQ */
    link_answer answers[ANSWER_CONTEXTS];         /* REP */
    nng_aio *aio; /* SUB: takes what is there, its owner's thread alone */
    link_pipe *pipes;
    topic *topics; /* SUB; its owner's thread alone */
};

/* What nng counts of a dialer or listener that did not get a connection, the most telling
 * first. */
static const struct {
    const char *name;
    const char *reason;
} failures[] = {
    {"auth", "one side does not accept the other's certificate"},
    {"refused", "nobody listens there"},
    {"timeout", "it does not answer"},
    {"proto", "what is there is no scenesync"},
    {"other", "no connection can be made: no such host or no way to it, or what is "
              "there speaks no TLS, or only TLS"},
    {"disconnect", "it ends each connection at once"},
};
#define FAILURE_COUNT (sizeof failures / sizeof failures[0])
#define FAILURE_AUTH 0

typedef struct link_peer {
    uint32_t number;
    char url[SYNC_LINK_URL_SIZE];
    link_slot *req;
    int req_dialer;
    int sub_dialer;
    uint32_t
        sub_pipe; /* the newest; what it brought is the peer's even after its end */
    bool req_up;
    bool sub_up;
    bool told_up;
    bool flapped; /* down and up again since last told */
    event_node node;
    uint64_t failed[FAILURE_COUNT];  /* of both dialers, at the last look */
    uint64_t failing[FAILURE_COUNT]; /* at this one, while it is made */
    const char *reason;              /* the last one, while it is not there; or NULL */
} link_peer;

struct link_nng {
    sync_link head;
    sync_link_nng_options options;
    char *texts[4]; /* copies of options.tls */
    int fd;         /* epoll: of the two below */
    int event_fd;   /* readable: there are events */
    link_slot *pub;
    link_slot *sub;
    link_slot *rep;
    int listeners[2 * LISTENER_MAX];
    link_slot *listener_slots[2 * LISTENER_MAX];
    size_t listener_count;
    uint64_t rejected; /* by the listeners, at the last look */
    link_peer **peers;
    size_t peer_count;
    bool closing;    /* no new connections */
    size_t settling; /* REQ slots of undialed peers with events on their way */
    event_node *first;
    event_node *last;
    nng_msg *held; /* what the caller looks at */
    uint64_t fault_state;
    uint64_t spoke_ms;
    sync_link_counts counts;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t reaper_done =
    PTHREAD_COND_INITIALIZER; /* also: a connection ended */
static link_slot *all_slots;

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Lock held: until something was closed, or a moment has passed. */
static void wait_briefly(void)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += 20 * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_cond_timedwait(&reaper_done, &lock, &until);
}

static crdt_err err_of(int result)
{
    switch (result) {
    case 0:
        return CRDT_OK;
    case NNG_ENOMEM:
        return CRDT_ENOMEM;
    case NNG_EADDRINUSE:
        return CRDT_EEXIST;
    case NNG_EADDRINVAL:
    case NNG_EINVAL:
    case NNG_ENOTSUP:
        return CRDT_EINVAL;
    case NNG_ETIMEDOUT:
        return CRDT_ETIMEOUT;
    case NNG_ECONNREFUSED:
    case NNG_EPEERAUTH:
    case NNG_ECRYPTO:
        return CRDT_EREFUSED;
    case NNG_ECLOSED:
    case NNG_ECANCELED:
        return CRDT_ECLOSED;
    default:
        return CRDT_EIO;
    }
}

/* ---- the queue (lock held) ---- */

static void push_event(link_nng *link, event_node *node)
{
    assert(!node->queued);
    node->queued = true;
    node->next = NULL;
    if (link->last != NULL) {
        link->last->next = node;
    } else {
        link->first = node;
        uint64_t one = 1;
        ssize_t written = write(link->event_fd, &one, sizeof one);
        (void)written; /* it can only be full, and then it is readable already */
    }
    link->last = node;
}

static event_node *pop_event(link_nng *link)
{
    event_node *node = link->first;
    if (node == NULL) {
        return NULL;
    }
    link->first = node->next;
    if (link->first == NULL) {
        link->last = NULL;
        uint64_t count = 0;
        ssize_t got = read(link->event_fd, &count, sizeof count);
        (void)got; /* EAGAIN: it was not readable */
    }
    node->queued = false;
    return node;
}

/* Take a node out of the queue, wherever it is, and free its message. */
static void cancel_event(link_nng *link, event_node *node)
{
    if (node->queued) {
        event_node **at = &link->first;
        event_node *before = NULL;
        while (*at != node) {
            before = *at;
            at = &before->next;
        }
        *at = node->next;
        if (link->last == node) {
            link->last = before;
        }
        node->queued = false;
    }
    if (node->msg != NULL) {
        nng_msg_free(node->msg);
        node->msg = NULL;
    }
}

/* TEST AID: is the next message to be lost? (splitmix64) */
static bool is_lost(link_nng *link)
{
    if (link->options.fault_drop <= 0) {
        return false;
    }
    uint64_t z = (link->fault_state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    z ^= z >> 31;
    bool lost = (double)(z >> 11) * 0x1p-53 < link->options.fault_drop;
    link->counts.dropped += lost;
    return lost;
}

/* ---- callbacks: nng's threads ---- */

/* REP: a request came, or our answer went out. */
static void on_asked(void *ctx)
{
    link_answer *answer = ctx;
    int result = nng_aio_result(answer->aio);
    nng_msg *msg = NULL;
    pthread_mutex_lock(&lock);
    link_nng *link = answer->slot->owner;
    if (answer->phase == ANSWER_RECEIVING && result == 0) {
        msg = nng_aio_get_msg(answer->aio);
        bool fits = nng_msg_len(msg) <= answer->slot->message_size_max;
        if (link != NULL && fits) {
            answer->phase = ANSWER_WAITING;
            answer->generation++;
            answer->node =
                (event_node){.kind = SYNC_LINK_REQUEST,
                             .token = (uint64_t)answer->generation << 8 |
                                      (uint64_t)(answer - answer->slot->answers),
                             .msg = msg};
            push_event(link, &answer->node);
            pthread_mutex_unlock(&lock);
            return;
        }
    } else if (answer->phase == ANSWER_SENDING && result != 0) {
        msg = nng_aio_get_msg(answer->aio);
    }
    bool again = link != NULL && result != NNG_ECLOSED;
    answer->phase = again ? ANSWER_RECEIVING : ANSWER_IDLE;
    pthread_mutex_unlock(&lock);
    if (msg != NULL) {
        nng_msg_free(msg);
    }
    if (again) {
        nng_ctx_recv(answer->ctx, answer->aio);
    }
}

/* Lock held: the call is over; tell the caller, unless that was done. */
static void end_call(link_call *call, crdt_err err, nng_msg *msg)
{
    link_nng *link = call->slot->owner;
    call->phase = CALL_IDLE;
    if (link == NULL || call->abandoned) {
        if (msg != NULL) {
            nng_msg_free(msg);
        }
        return;
    }
    call->node.kind = err == CRDT_OK ? SYNC_LINK_REPLY : SYNC_LINK_FAILED;
    call->node.err = err;
    call->node.msg = msg;
    push_event(link, &call->node);
}

/* REQ: the time of a question that was lost on purpose is up. */
static void on_slept(void *ctx)
{
    link_call *call = ctx;
    pthread_mutex_lock(&lock);
    end_call(call, CRDT_ETIMEOUT, NULL);
    pthread_mutex_unlock(&lock);
}

/* REQ: our question went out, or its answer came, or its time is up. */
static void on_called(void *ctx)
{
    link_call *call = ctx;
    int result = nng_aio_result(call->aio);
    uint64_t now = now_ms();
    bool wait = false;
    pthread_mutex_lock(&lock);
    switch (call->phase) {
    case CALL_SENDING:
        if (result != 0) {
            nng_msg_free(nng_aio_get_msg(call->aio));
            end_call(call, err_of(result), NULL);
        } else {
            call->phase = CALL_RECEIVING;
            uint64_t left = call->deadline_ms > now ? call->deadline_ms - now : 1;
            nng_aio_set_timeout(call->aio, (nng_duration)left);
            wait = true;
        }
        break;
    case CALL_RECEIVING: {
        nng_msg *msg = result == 0 ? nng_aio_get_msg(call->aio) : NULL;
        if (msg != NULL && nng_msg_len(msg) > call->slot->message_size_max) {
            nng_msg_free(msg);
            msg = NULL;
            result = NNG_EMSGSIZE;
        }
        end_call(call, result == NNG_EMSGSIZE ? CRDT_ELIMIT : err_of(result), msg);
        break;
    }
    case CALL_LOST:
    case CALL_IDLE:
        break;
    }
    pthread_mutex_unlock(&lock);
    if (wait) {
        nng_ctx_recv(call->ctx, call->aio);
    }
}

/* ---- connections ---- */

static bool copy_address(const nng_sockaddr *from, struct sockaddr_storage *to)
{
    memset(to, 0, sizeof *to);
    if (from->s_family == NNG_AF_INET) {
        struct sockaddr_in *in = (struct sockaddr_in *)to;
        in->sin_family = AF_INET;
        in->sin_port = from->s_in.sa_port;
        in->sin_addr.s_addr = from->s_in.sa_addr;
        return true;
    }
    if (from->s_family == NNG_AF_INET6) {
        struct sockaddr_in6 *in = (struct sockaddr_in6 *)to;
        in->sin6_family = AF_INET6;
        in->sin6_port = from->s_in6.sa_port;
        memcpy(&in->sin6_addr, from->s_in6.sa_addr, 16);
        return true;
    }
    return false;
}

/* Lock held: end the connections of `slot` that belong to `dialer` (0: the accepted ones),
 * and wait, though not for ever, until nng has noticed.
 *
 * nng 1.5.2 loses an operation when it closes a connection between two halves of a
 * message: its thread that frees connections then waits for that operation for ever, and
 * no lost connection of the process is ever made again. A connection that ends by itself
 * takes another way through nng, without that trap. */
static void drain_connections(link_slot *slot, int dialer, uint64_t deadline_ms)
{
    bool shut = false;
    for (;;) {
        bool left = false;
        for (link_pipe *pipe = slot->pipes; pipe != NULL; pipe = pipe->next) {
            if (pipe->dialer == dialer && pipe->is_tcp) {
                left = true;
                if (!shut) {
                    sync_connection_shut(&pipe->ends);
                }
            }
        }
        shut = true;
        if (!left || now_ms() >= deadline_ms) {
            return;
        }
        wait_briefly();
    }
}

static bool is_full(link_nng *link)
{
    size_t count = 0;
    link_slot *accepting[2] = {link->rep, link->pub};
    for (size_t i = 0; i < 2; i++) {
        link_pipe *pipe = accepting[i] == NULL ? NULL : accepting[i]->pipes;
        for (; pipe != NULL; pipe = pipe->next) {
            count++;
        }
    }
    link->counts.refused += count >= link->options.connection_max;
    return count >= link->options.connection_max;
}

static link_peer *find_dialer(link_nng *link, int dialer)
{
    for (size_t i = 0; i < link->peer_count; i++) {
        link_peer *peer = link->peers[i];
        if (peer->sub_dialer == dialer || peer->req_dialer == dialer) {
            return peer;
        }
    }
    return NULL;
}

/* Lock held: a connection is about to begin; NULL: it shall not. */
static link_pipe *add_pipe(link_slot *slot, uint32_t id, int dialer)
{
    link_nng *link = slot->owner;
    if (link == NULL || link->closing) {
        return NULL;
    }
    link_peer *peer = dialer > 0 ? find_dialer(link, dialer) : NULL;
    if (dialer > 0 ? peer == NULL : is_full(link)) {
        return NULL;
    }
    link_pipe *pipe = malloc(sizeof *pipe);
    if (pipe == NULL) {
        return NULL;
    }
    *pipe =
        (link_pipe){.next = slot->pipes, .id = id, .dialer = dialer > 0 ? dialer : 0};
    slot->pipes = pipe;
    if (peer != NULL && peer->sub_dialer == dialer) {
        peer->sub_pipe = id;
    }
    return pipe;
}

static void remove_pipe(link_slot *slot, uint32_t id)
{
    for (link_pipe **at = &slot->pipes; *at != NULL; at = &(*at)->next) {
        if ((*at)->id == id) {
            link_pipe *gone = *at;
            *at = gone->next;
            free(gone);
            pthread_cond_broadcast(&reaper_done);
            return;
        }
    }
}

/* Lock held: a connection that we made is there, or is gone. */
static void note_peer(link_nng *link, int dialer, bool up)
{
    link_peer *peer = find_dialer(link, dialer);
    if (peer == NULL) {
        return;
    }
    *(peer->sub_dialer == dialer ? &peer->sub_up : &peer->req_up) = up;
    bool both = peer->sub_up && peer->req_up;
    peer->flapped = peer->flapped || (peer->told_up && !both);
    if (both != peer->told_up && !peer->node.queued) {
        push_event(link, &peer->node);
    }
}

static void on_pipe(nng_pipe handle, nng_pipe_ev event, void *ctx)
{
    link_slot *slot = ctx;
    int dialer = nng_dialer_id(nng_pipe_dialer(handle));
    nng_sockaddr local = {0};
    nng_sockaddr remote = {0};
    bool known = event == NNG_PIPE_EV_ADD_PRE &&
                 nng_pipe_get_addr(handle, NNG_OPT_LOCADDR, &local) == 0 &&
                 nng_pipe_get_addr(handle, NNG_OPT_REMADDR, &remote) == 0;
    bool accept = true;
    pthread_mutex_lock(&lock);
    if (event == NNG_PIPE_EV_ADD_PRE) {
        link_pipe *pipe = add_pipe(slot, handle.id, dialer);
        accept = pipe != NULL;
        if (accept && known) {
            pipe->is_tcp = copy_address(&local, &pipe->ends.local) &&
                           copy_address(&remote, &pipe->ends.remote);
        }
    } else if (event == NNG_PIPE_EV_REM_POST) {
        remove_pipe(slot, handle.id);
    }
    if (event != NNG_PIPE_EV_ADD_PRE && slot->owner != NULL && dialer > 0) {
        note_peer(slot->owner, dialer, event == NNG_PIPE_EV_ADD_POST);
    }
    pthread_mutex_unlock(&lock);
    if (!accept) {
        nng_pipe_close(handle);
    }
}

/* ---- the reaper: closes dialers and listeners, which may hang ---- */

typedef struct reap_job {
    struct reap_job *next;
    link_slot *slot;
    bool is_dialer;
    int id;
} reap_job;

static pthread_cond_t reaper_wake = PTHREAD_COND_INITIALIZER;
static reap_job *reap_first;
static reap_job *reap_last;
static bool reaper_runs;

static void *reap(void *ctx)
{
    (void)ctx;
    pthread_mutex_lock(&lock);
    for (;;) {
        while (reap_first == NULL) {
            pthread_cond_wait(&reaper_wake, &lock);
        }
        reap_job *job = reap_first;
        reap_first = job->next;
        if (reap_first == NULL) {
            reap_last = NULL;
        }
        pthread_mutex_unlock(&lock);
        if (job->is_dialer) {
            /* Else it would connect again at once, and be closed in the middle of it. */
            nng_dialer dialer = {.id = (uint32_t)job->id};
            nng_dialer_set_ms(dialer, NNG_OPT_RECONNMAXT, NEVER_MS);
            nng_dialer_set_ms(dialer, NNG_OPT_RECONNMINT, NEVER_MS);
        }
        pthread_mutex_lock(&lock);
        drain_connections(job->slot, job->is_dialer ? job->id : 0,
                          now_ms() + DRAIN_WAIT_MS);
        pthread_mutex_unlock(&lock);
        if (job->is_dialer) {
            nng_dialer_close((nng_dialer){.id = (uint32_t)job->id});
        } else {
            nng_listener_close((nng_listener){.id = (uint32_t)job->id});
        }
        pthread_mutex_lock(&lock);
        job->slot->closing--;
        free(job);
        pthread_cond_broadcast(&reaper_done);
    }
    return NULL;
}

/* Lock held. Without memory or a thread the dialer or listener stays open for good, and
 * its slot is never used again. */
static void reap_later(link_slot *slot, bool is_dialer, int id)
{
    slot->closing++;
    if (!reaper_runs) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, reap, NULL) != 0) {
            return;
        }
        pthread_detach(thread);
        reaper_runs = true;
    }
    reap_job *job = malloc(sizeof *job);
    if (job == NULL) {
        return;
    }
    *job = (reap_job){.slot = slot, .is_dialer = is_dialer, .id = id};
    if (reap_last != NULL) {
        reap_last->next = job;
    } else {
        reap_first = job;
    }
    reap_last = job;
    pthread_cond_signal(&reaper_wake);
}

/* Lock held: wait until the reaper is through with `slot`, but not for ever. */
static void reap_wait(link_slot *slot, uint64_t deadline_ms)
{
    while (slot->closing > 0 && now_ms() < deadline_ms) {
        wait_briefly();
    }
}

/* ---- slots ---- */

static int open_contexts(link_slot *slot)
{
    int result = 0;
    if (slot->kind == SLOT_SUB) {
        result = nng_aio_alloc(&slot->aio, NULL, NULL);
        if (result == 0) {
            nng_aio_set_timeout(slot->aio, NNG_DURATION_ZERO);
        }
    }
    for (size_t i = 0; slot->kind == SLOT_REP && i < ANSWER_CONTEXTS && result == 0;
         i++) {
        link_answer *answer = &slot->answers[i];
        answer->slot = slot;
        result = nng_ctx_open(&answer->ctx, slot->socket);
        if (result == 0) {
            result = nng_aio_alloc(&answer->aio, on_asked, answer);
        }
    }
    for (size_t i = 0;
         slot->kind == SLOT_REQ && i < SYNC_LINK_REQUESTS_PER_PEER && result == 0;
         i++) {
        link_call *call = &slot->calls[i];
        call->slot = slot;
        result = nng_ctx_open(&call->ctx, slot->socket);
        if (result == 0) {
            /* A question lost with its connection fails; the caller asks again. */
            result = nng_ctx_set_ms(call->ctx, NNG_OPT_REQ_RESENDTIME,
                                    NNG_DURATION_INFINITE);
        }
        if (result == 0) {
            result = nng_aio_alloc(&call->aio, on_called, call);
        }
        if (result == 0) {
            result = nng_aio_alloc(&call->sleep, on_slept, call);
        }
    }
    return result;
}

/* What every socket must have before it listens or dials. */
static int set_limits(link_slot *slot, const sync_link_nng_options *options)
{
    nng_socket socket = slot->socket;
    int result = nng_socket_set_size(socket, NNG_OPT_RECVMAXSZ, slot->message_size_max);
    if (result == 0) {
        result = nng_socket_set_ms(socket, NNG_OPT_RECONNMINT,
                                   (nng_duration)options->reconnect_ms_min);
    }
    if (result == 0) {
        result = nng_socket_set_ms(socket, NNG_OPT_RECONNMAXT,
                                   (nng_duration)options->reconnect_ms_max);
    }
    if (result == 0 && slot->kind == SLOT_PUB) {
        result = nng_socket_set_int(socket, NNG_OPT_SENDBUF, SOCKET_BUFFER);
    }
    if (result == 0 && slot->kind == SLOT_SUB) {
        result = nng_socket_set_int(socket, NNG_OPT_RECVBUF, SOCKET_BUFFER);
    }
    return result;
}

static int open_socket(link_slot *slot)
{
    switch (slot->kind) {
    case SLOT_PUB:
        return nng_pub0_open(&slot->socket);
    case SLOT_SUB:
        return nng_sub0_open(&slot->socket);
    case SLOT_REP:
        return nng_rep0_open(&slot->socket);
    default:
        return nng_req0_open(&slot->socket);
    }
}

static bool is_idle(const link_slot *slot)
{
    if (slot->owner != NULL || slot->closing > 0) {
        return false;
    }
    for (size_t i = 0; slot->kind == SLOT_REQ && i < SYNC_LINK_REQUESTS_PER_PEER; i++) {
        if (slot->calls[i].phase != CALL_IDLE) {
            return false;
        }
    }
    for (size_t i = 0; slot->kind == SLOT_REP && i < ANSWER_CONTEXTS; i++) {
        if (slot->answers[i].phase == ANSWER_SENDING) {
            return false;
        }
    }
    return true;
}

/* An idle slot of the pool, or NULL. */
static link_slot *reuse_slot(slot_kind kind, link_nng *owner)
{
    pthread_mutex_lock(&lock);
    link_slot *slot = all_slots;
    while (slot != NULL && !(slot->kind == kind && is_idle(slot))) {
        slot = slot->next;
    }
    if (slot != NULL) {
        slot->owner = owner;
        slot->message_size_max = owner->options.message_size_max;
    }
    pthread_mutex_unlock(&lock);
    return slot;
}

/* A slot that fails half way is leaked: its socket cannot be closed safely. */
static crdt_err make_slot(slot_kind kind, link_nng *owner, link_slot **out,
                          crdt_diag *diag)
{
    link_slot *slot = calloc(1, sizeof *slot);
    if (slot == NULL) {
        return CRDT_ENOMEM;
    }
    slot->kind = kind;
    slot->message_size_max = owner->options.message_size_max;
    int result = open_socket(slot);
    if (result == 0) {
        result = open_contexts(slot);
    }
    for (int event = NNG_PIPE_EV_ADD_PRE; event <= NNG_PIPE_EV_REM_POST && result == 0;
         event++) {
        result = nng_pipe_notify(slot->socket, (nng_pipe_ev)event, on_pipe, slot);
    }
    if (result != 0) {
        return crdt_diag_set(diag, err_of(result), 0, "no socket: %s",
                             nng_strerror(result));
    }
    slot->owner = owner;
    pthread_mutex_lock(&lock);
    slot->next = all_slots;
    all_slots = slot;
    pthread_mutex_unlock(&lock);
    *out = slot;
    return CRDT_OK;
}

/* SUB: what is there now; NULL: nothing. */
static nng_msg *take_published(link_slot *slot)
{
    nng_recv_aio(slot->socket, slot->aio); /* ends at once */
    nng_aio_wait(slot->aio);
    return nng_aio_result(slot->aio) == 0 ? nng_aio_get_msg(slot->aio) : NULL;
}

/* Start receiving where nothing is under way; what a former owner left goes. */
static void arm_slot(link_slot *slot)
{
    nng_msg *left = slot->kind == SLOT_SUB ? take_published(slot) : NULL;
    for (; left != NULL; left = take_published(slot)) {
        nng_msg_free(left);
    }
    for (size_t i = 0; slot->kind == SLOT_REP && i < ANSWER_CONTEXTS; i++) {
        link_answer *answer = &slot->answers[i];
        pthread_mutex_lock(&lock);
        bool receive = answer->phase == ANSWER_IDLE || answer->phase == ANSWER_WAITING;
        answer->phase = receive ? ANSWER_RECEIVING : answer->phase;
        pthread_mutex_unlock(&lock);
        if (receive) {
            nng_ctx_recv(answer->ctx, answer->aio);
        }
    }
}

static crdt_err take_slot(link_nng *link, slot_kind kind, link_slot **out,
                          crdt_diag *diag)
{
    link_slot *slot = reuse_slot(kind, link);
    if (slot == NULL) {
        crdt_err err = make_slot(kind, link, &slot, diag);
        if (err != CRDT_OK) {
            return err;
        }
    }
    int result = set_limits(slot, &link->options);
    if (result != 0) {
        return crdt_diag_set(diag, err_of(result), 0, "socket options: %s",
                             nng_strerror(result));
    }
    arm_slot(slot);
    *out = slot;
    return CRDT_OK;
}

/* ---- listening and dialing ---- */

/* The TLS settings of one listener or dialer; *out NULL where the URL needs none. */
static crdt_err make_tls(const link_nng *link, const char *url, bool is_server,
                         nng_tls_config **out, crdt_diag *diag)
{
    *out = NULL;
    const sync_link_tls *tls = &link->options.tls;
    if (strncmp(url, "tls+tcp://", 10) != 0) {
        return CRDT_OK;
    }
    if (tls->cert_file == NULL) {
        return crdt_diag_set(diag, CRDT_EINVAL, 0,
                             "%.80s needs a certificate, a key and a CA file", url);
    }
    int result = nng_tls_config_alloc(out, is_server ? NNG_TLS_MODE_SERVER
                                                     : NNG_TLS_MODE_CLIENT);
    const char *file = "";
    if (result == 0) {
        result = nng_tls_config_auth_mode(*out, NNG_TLS_AUTH_MODE_REQUIRED);
    }
    if (result == 0) {
        file = tls->ca_file;
        result = nng_tls_config_ca_file(*out, file);
    }
    if (result == 0) {
        file = link->texts[0];
        result = nng_tls_config_own_cert(*out, link->texts[0], link->texts[1], NULL);
    }
    if (result == 0 && !is_server) {
        char host[SYNC_LINK_URL_SIZE];
        snprintf(host, sizeof host, "%s", url + 10);
        char *colon = strrchr(host, ':');
        if (colon != NULL) {
            *colon = '\0';
        }
        result = nng_tls_config_server_name(
            *out, tls->peer_name != NULL ? tls->peer_name : host);
    }
    if (result != 0) {
        if (*out != NULL) {
            nng_tls_config_free(*out);
            *out = NULL;
        }
        return crdt_diag_set(diag, result == NNG_ENOMEM ? CRDT_ENOMEM : CRDT_EINVAL, 0,
                             "TLS: %s: %.100s", nng_strerror(result), file);
    }
    return CRDT_OK;
}

/* One listener of one socket; `*port` is what it got. */
static crdt_err listen_one(link_nng *link, link_slot *slot, const char *url, int *port,
                           crdt_diag *diag)
{
    nng_tls_config *tls = NULL;
    crdt_err err = make_tls(link, url, true, &tls, diag);
    if (err != CRDT_OK) {
        return err;
    }
    nng_listener listener = NNG_LISTENER_INITIALIZER;
    int result = nng_listener_create(&listener, slot->socket, url);
    bool created = result == 0;
    if (result == 0 && tls != NULL) {
        result = nng_listener_set_ptr(listener, NNG_OPT_TLS_CONFIG, tls);
    }
    if (result == 0 && strncmp(url, "inproc", 6) != 0) {
        result = nng_listener_set_bool(listener, NNG_OPT_TCP_KEEPALIVE, true);
    }
    if (result == 0) {
        result = nng_listener_start(listener, 0);
    }
    if (tls != NULL) {
        nng_tls_config_free(tls); /* the listener holds its own reference */
    }
    if (result == 0 && strncmp(url, "inproc", 6) != 0) {
        result = nng_listener_get_int(listener, NNG_OPT_TCP_BOUND_PORT, port);
    }
    if (result != 0) {
        if (created) {
            pthread_mutex_lock(&lock);
            reap_later(slot, false, (int)listener.id);
            pthread_mutex_unlock(&lock);
        }
        const char *hint =
            result == NNG_EADDRINUSE ? " (a node takes its port and the next one)" : "";
        return crdt_diag_set(diag, err_of(result), 0, "cannot listen at %.80s: %s%s",
                             url, nng_strerror(result), hint);
    }
    link->listeners[link->listener_count] = (int)listener.id;
    link->listener_slots[link->listener_count++] = slot;
    return CRDT_OK;
}

static void unlisten_last(link_nng *link)
{
    link->listener_count--;
    pthread_mutex_lock(&lock);
    reap_later(link->listener_slots[link->listener_count], false,
               link->listeners[link->listener_count]);
    pthread_mutex_unlock(&lock);
}

/* Both sockets, side by side; `bound` gets the URL with its real port. */
static crdt_err listen_pair(link_nng *link, const char *url, char *bound,
                            crdt_diag *diag)
{
    char beside[SYNC_LINK_URL_SIZE];
    int port = 0;
    crdt_err err = listen_one(link, link->rep, url, &port, diag);
    if (err != CRDT_OK) {
        return err;
    }
    const char *colon = strrchr(url, ':');
    if (port > 0) {
        snprintf(bound, SYNC_LINK_URL_SIZE, "%.*s:%d", (int)(colon - url), url, port);
    } else {
        snprintf(bound, SYNC_LINK_URL_SIZE, "%s", url);
    }
    err = sync_link_publish_url(bound, beside, diag);
    if (err == CRDT_OK) {
        err = listen_one(link, link->pub, beside, &port, diag);
    }
    if (err != CRDT_OK) {
        unlisten_last(link);
    }
    return err;
}

static crdt_err nng_link_listen(sync_link *head, const char *url,
                                char bound[SYNC_LINK_URL_SIZE], crdt_diag *diag)
{
    link_nng *link = (link_nng *)head;
    char beside[SYNC_LINK_URL_SIZE];
    crdt_err err = sync_link_publish_url(url, beside, diag);
    if (err == CRDT_OK && link->listener_count + 2 > 2 * LISTENER_MAX) {
        err = crdt_diag_set(diag, CRDT_ELIMIT, 0, "listens at %d URLs already",
                            LISTENER_MAX);
    }
    if (err == CRDT_OK && link->rep == NULL) {
        err = take_slot(link, SLOT_REP, &link->rep, diag);
    }
    if (err == CRDT_OK && link->pub == NULL) {
        err = take_slot(link, SLOT_PUB, &link->pub, diag);
    }
    if (err != CRDT_OK) {
        return err;
    }
    size_t length = strlen(url);
    bool any_port = length > 2 && strcmp(url + length - 2, ":0") == 0;
    int tries = any_port ? PORT_TRIES : 1;
    do {
        err = listen_pair(link, url, bound, diag);
    } while (err == CRDT_EEXIST && --tries > 0);
    return err;
}

static crdt_err nng_link_subscribe(sync_link *head, crdt_span prefix)
{
    link_nng *link = (link_nng *)head;
    topic *added = malloc(sizeof *added + prefix.size);
    if (added == NULL) {
        return CRDT_ENOMEM;
    }
    added->size = prefix.size;
    if (prefix.size > 0) {
        memcpy(added->bytes, prefix.data, prefix.size);
    }
    int result = nng_socket_set(link->sub->socket, NNG_OPT_SUB_SUBSCRIBE, added->bytes,
                                added->size);
    if (result != 0) {
        free(added);
        return err_of(result);
    }
    added->next = link->sub->topics;
    link->sub->topics = added;
    return CRDT_OK;
}

static void unsubscribe_all(link_slot *slot)
{
    while (slot->topics != NULL) {
        topic *gone = slot->topics;
        slot->topics = gone->next;
        nng_socket_set(slot->socket, NNG_OPT_SUB_UNSUBSCRIBE, gone->bytes, gone->size);
        free(gone);
    }
}

/* A dialer, not started yet, so that callbacks find its peer. */
static crdt_err make_dialer(link_nng *link, link_slot *slot, const char *url, int *id,
                            crdt_diag *diag)
{
    nng_tls_config *tls = NULL;
    crdt_err err = make_tls(link, url, false, &tls, diag);
    if (err != CRDT_OK) {
        return err;
    }
    nng_dialer dialer = NNG_DIALER_INITIALIZER;
    int result = nng_dialer_create(&dialer, slot->socket, url);
    bool created = result == 0;
    if (result == 0 && tls != NULL) {
        result = nng_dialer_set_ptr(dialer, NNG_OPT_TLS_CONFIG, tls);
    }
    if (result == 0 && strncmp(url, "inproc", 6) != 0) {
        result = nng_dialer_set_bool(dialer, NNG_OPT_TCP_KEEPALIVE, true);
    }
    if (tls != NULL) {
        nng_tls_config_free(tls);
    }
    if (result != 0) {
        if (created) {
            pthread_mutex_lock(&lock);
            reap_later(slot, true, (int)dialer.id);
            pthread_mutex_unlock(&lock);
        }
        return crdt_diag_set(diag, err_of(result), 0, "cannot dial %.80s: %s", url,
                             nng_strerror(result));
    }
    *id = (int)dialer.id;
    return CRDT_OK;
}

static link_peer *find_peer(link_nng *link, uint32_t number)
{
    for (size_t i = 0; i < link->peer_count; i++) {
        if (link->peers[i]->number == number) {
            return link->peers[i];
        }
    }
    return NULL;
}

/* Lock held: its dialers are closed by and by. */
static void reap_dialers(link_nng *link, const link_peer *peer)
{
    if (peer->req_dialer > 0) {
        reap_later(peer->req, true, peer->req_dialer);
    }
    if (peer->sub_dialer > 0) {
        reap_later(link->sub, true, peer->sub_dialer);
    }
}

/* Lock held: what `peer` still waits for fails now; its socket goes back to the pool
 * when the calls that nng still has are over. */
static void release_peer(link_nng *link, link_peer *peer, bool tell)
{
    for (size_t i = 0; i < SYNC_LINK_REQUESTS_PER_PEER && peer->req != NULL; i++) {
        link_call *call = &peer->req->calls[i];
        if (call->phase != CALL_IDLE && tell && !call->node.queued &&
            !call->abandoned) {
            call->node.kind = SYNC_LINK_FAILED;
            call->node.err = CRDT_ECLOSED;
            push_event(link, &call->node);
        }
        call->abandoned = true;
    }
    reap_dialers(link, peer);
    cancel_event(link, &peer->node);
}

/* Dialers of both sockets, not started yet. */
static crdt_err make_dialers(link_nng *link, link_peer *peer, const char *url,
                             crdt_diag *diag)
{
    char beside[SYNC_LINK_URL_SIZE];
    crdt_err err = sync_link_publish_url(url, beside, diag);
    if (err == CRDT_OK && peer->req == NULL) {
        err = take_slot(link, SLOT_REQ, &peer->req, diag);
    }
    if (err == CRDT_OK) {
        err = make_dialer(link, peer->req, url, &peer->req_dialer, diag);
    }
    if (err == CRDT_OK) {
        err = make_dialer(link, link->sub, beside, &peer->sub_dialer, diag);
    }
    return err;
}

/* Nobody there yet is no error: nng tries again until somebody is. */
static int start_dialers(const link_peer *peer)
{
    int result = nng_dialer_start((nng_dialer){.id = (uint32_t)peer->req_dialer},
                                  NNG_FLAG_NONBLOCK);
    if (result == 0) {
        result = nng_dialer_start((nng_dialer){.id = (uint32_t)peer->sub_dialer},
                                  NNG_FLAG_NONBLOCK);
    }
    return result;
}

static void free_peer(link_nng *link, link_peer *gone)
{
    if (gone->req != NULL) {
        gone->req->owner = gone->req->owner == link ? NULL : gone->req->owner;
    }
    crdt_free(link->options.alloc, gone, sizeof *gone);
}

static crdt_err nng_link_dial(sync_link *head, uint32_t number, const char *url,
                              crdt_diag *diag)
{
    link_nng *link = (link_nng *)head;
    if (find_peer(link, number) != NULL) {
        return crdt_diag_set(diag, CRDT_EEXIST, 0, "peer %u is dialed already", number);
    }
    if (link->peer_count >= PEER_MAX) {
        return crdt_diag_set(diag, CRDT_ELIMIT, 0, "%d peers are dialed", PEER_MAX);
    }
    link_peer *added = crdt_allocate(link->options.alloc, sizeof *added);
    if (added == NULL) {
        return CRDT_ENOMEM;
    }
    *added =
        (link_peer){.number = number, .node = {.kind = SYNC_LINK_UP, .peer = number}};
    snprintf(added->url, sizeof added->url, "%s", url);
    crdt_err err = make_dialers(link, added, url, diag);
    pthread_mutex_lock(&lock);
    if (err == CRDT_OK) {
        for (size_t i = 0; i < SYNC_LINK_REQUESTS_PER_PEER; i++) {
            added->req->calls[i].abandoned = false;
        }
        link->peers[link->peer_count++] = added;
    } else {
        release_peer(link, added, false);
        free_peer(link, added);
    }
    pthread_mutex_unlock(&lock);
    if (err != CRDT_OK) {
        return err;
    }
    int result = start_dialers(added);
    if (result != 0) {
        sync_link_undial(head, number);
        return crdt_diag_set(diag, err_of(result), 0, "cannot dial %.80s: %s", url,
                             nng_strerror(result));
    }
    return CRDT_OK;
}

static void nng_link_redial(sync_link *head, uint32_t number)
{
    link_nng *link = (link_nng *)head;
    link_peer *peer = find_peer(link, number);
    if (peer == NULL) {
        return;
    }
    link_peer fresh = {.req = peer->req};
    crdt_err err = make_dialers(link, &fresh, peer->url, NULL);
    pthread_mutex_lock(&lock);
    if (err != CRDT_OK) {
        reap_dialers(link, &fresh);
    } else {
        reap_dialers(link, peer);
        peer->req_dialer = fresh.req_dialer;
        peer->sub_dialer = fresh.sub_dialer;
        peer->req_up = peer->sub_up = false;
        memset(peer->failed, 0, sizeof peer->failed);
        peer->flapped = peer->flapped || peer->told_up;
        if (peer->told_up && !peer->node.queued) {
            push_event(link, &peer->node);
        }
    }
    pthread_mutex_unlock(&lock);
    if (err == CRDT_OK) {
        start_dialers(peer); /* fails without memory only; the next try is another */
    }
}

/* Lock held: give a REQ slot back when nothing of it is under way any more. */
static void settle_slots(link_nng *link)
{
    for (link_slot *slot = all_slots; slot != NULL && link->settling > 0;
         slot = slot->next) {
        bool over = slot->owner == link && slot->kind == SLOT_REQ;
        for (size_t i = 0; over && i < SYNC_LINK_REQUESTS_PER_PEER; i++) {
            over = slot->calls[i].abandoned && !slot->calls[i].node.queued;
        }
        if (over) {
            slot->owner = NULL;
            link->settling--;
        }
    }
}

static void nng_link_undial(sync_link *head, uint32_t number)
{
    link_nng *link = (link_nng *)head;
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < link->peer_count; i++) {
        link_peer *gone = link->peers[i];
        if (gone->number == number) {
            link->peers[i] = link->peers[--link->peer_count];
            release_peer(link, gone, true);
            crdt_free(link->options.alloc, gone, sizeof *gone);
            link->settling++;
            settle_slots(link);
            break;
        }
    }
    pthread_mutex_unlock(&lock);
}

/* ---- messages ---- */

static crdt_err make_message(const link_nng *link, crdt_span bytes, nng_msg **msg)
{
    if (bytes.size > link->options.message_size_max) {
        return CRDT_ELIMIT;
    }
    if (nng_msg_alloc(msg, bytes.size) != 0) {
        return CRDT_ENOMEM;
    }
    if (bytes.size > 0) {
        memcpy(nng_msg_body(*msg), bytes.data, bytes.size);
    }
    return CRDT_OK;
}

static crdt_err nng_link_publish(sync_link *head, crdt_span bytes)
{
    link_nng *link = (link_nng *)head;
    nng_msg *msg = NULL;
    if (link->pub == NULL) {
        return bytes.size > link->options.message_size_max ? CRDT_ELIMIT : CRDT_OK;
    }
    crdt_err err = make_message(link, bytes, &msg);
    if (err != CRDT_OK) {
        return err;
    }
    pthread_mutex_lock(&lock);
    link->counts.published++;
    link->counts.published_size += bytes.size;
    link->spoke_ms = now_ms();
    pthread_mutex_unlock(&lock);
    int result = nng_sendmsg(link->pub->socket, msg, NNG_FLAG_NONBLOCK);
    if (result != 0) {
        nng_msg_free(msg);
    }
    return err_of(result);
}

static crdt_err nng_link_request(sync_link *head, uint32_t number, crdt_span bytes,
                                 uint64_t token, uint32_t timeout_ms)
{
    link_nng *link = (link_nng *)head;
    nng_msg *msg = NULL;
    link_peer *peer = find_peer(link, number);
    if (peer == NULL) {
        return CRDT_ENOTFOUND;
    }
    crdt_err err = make_message(link, bytes, &msg);
    if (err != CRDT_OK) {
        return err;
    }
    link_call *free_call = NULL;
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < SYNC_LINK_REQUESTS_PER_PEER && free_call == NULL; i++) {
        link_call *call = &peer->req->calls[i];
        free_call = call->phase == CALL_IDLE && !call->node.queued ? call : NULL;
    }
    bool lost = free_call != NULL && is_lost(link);
    if (free_call != NULL) {
        free_call->phase = lost ? CALL_LOST : CALL_SENDING;
        free_call->deadline_ms = now_ms() + timeout_ms;
        free_call->node = (event_node){.peer = number, .token = token};
        link->counts.requested++;
    }
    pthread_mutex_unlock(&lock);
    if (free_call == NULL || lost) {
        nng_msg_free(msg);
    }
    if (free_call == NULL) {
        return CRDT_EBUSY;
    }
    if (lost) {
        nng_sleep_aio((nng_duration)timeout_ms, free_call->sleep);
        return CRDT_OK;
    }
    nng_aio_set_timeout(free_call->aio, (nng_duration)timeout_ms);
    nng_aio_set_msg(free_call->aio, msg);
    nng_ctx_send(free_call->ctx, free_call->aio);
    return CRDT_OK;
}

static crdt_err nng_link_reply(sync_link *head, uint64_t token, crdt_span bytes)
{
    link_nng *link = (link_nng *)head;
    size_t index = token & 0xff;
    link_answer *answer = NULL;
    pthread_mutex_lock(&lock);
    if (link->rep != NULL && index < ANSWER_CONTEXTS) {
        answer = &link->rep->answers[index];
        bool waits =
            answer->phase == ANSWER_WAITING && answer->generation == token >> 8;
        answer = waits ? answer : NULL;
    }
    bool lost = answer != NULL && is_lost(link);
    pthread_mutex_unlock(&lock);
    if (answer == NULL) {
        return CRDT_ENOTFOUND;
    }
    nng_msg *msg = NULL;
    crdt_err err = CRDT_OK;
    if (!lost && bytes.size > 0) {
        err = make_message(link, bytes, &msg);
    }
    /* Only this thread moves an answer on from WAITING. */
    pthread_mutex_lock(&lock);
    answer->phase = msg != NULL ? ANSWER_SENDING : ANSWER_RECEIVING;
    link->counts.answered += msg != NULL;
    link->spoke_ms = now_ms();
    pthread_mutex_unlock(&lock);
    if (msg != NULL) {
        nng_aio_set_msg(answer->aio, msg);
        nng_ctx_send(answer->ctx, answer->aio);
    } else {
        nng_ctx_recv(answer->ctx, answer->aio);
    }
    return err;
}

/* Lock held: what has become of a peer's connection since it was last told. */
static bool tell_peer(link_nng *link, event_node *node, sync_link_event *event)
{
    link_peer *peer = find_peer(link, node->peer);
    assert(peer != NULL && &peer->node == node);
    bool up = peer->sub_up && peer->req_up;
    bool down_first = peer->told_up && (!up || peer->flapped);
    peer->flapped = false;
    if (!down_first && up == peer->told_up) {
        return false;
    }
    peer->told_up = !down_first;
    peer->reason = NULL;
    *event = (sync_link_event){.kind = down_first ? SYNC_LINK_DOWN : SYNC_LINK_UP,
                               .peer = peer->number};
    if (up != peer->told_up) {
        push_event(link, node);
    }
    return true;
}

/* Lock held: turn the oldest node into what the caller sees. */
static bool take_event(link_nng *link, sync_link_event *event, nng_msg **msg)
{
    for (event_node *node = pop_event(link); node != NULL; node = pop_event(link)) {
        if (node->kind == SYNC_LINK_UP || node->kind == SYNC_LINK_DOWN) {
            if (tell_peer(link, node, event)) {
                return true;
            }
            continue;
        }
        *msg = node->msg;
        node->msg = NULL;
        *event = (sync_link_event){.kind = node->kind,
                                   .peer = node->peer,
                                   .token = node->token,
                                   .err = node->err};
        if (*msg != NULL) {
            event->bytes.data = nng_msg_body(*msg);
            event->bytes.size = nng_msg_len(*msg);
        }
        if (node->kind != SYNC_LINK_REQUEST) {
            settle_slots(link);
        }
        return true;
    }
    return false;
}

/* Lock held: whose message it is; false: nobody's any more, too long, or lost on purpose. */
static bool accept_published(link_nng *link, nng_msg *msg, sync_link_event *event)
{
    uint32_t pipe = nng_msg_get_pipe(msg).id;
    size_t size = nng_msg_len(msg);
    const link_peer *from = NULL;
    for (size_t i = 0; i < link->peer_count && from == NULL; i++) {
        from = link->peers[i]->sub_pipe == pipe ? link->peers[i] : NULL;
    }
    link->counts.refused += size > link->options.message_size_max;
    if (from == NULL || size > link->options.message_size_max || is_lost(link)) {
        return false;
    }
    link->counts.received++;
    link->counts.received_size += size;
    *event = (sync_link_event){.kind = SYNC_LINK_PUBLISHED,
                               .peer = from->number,
                               .bytes = {nng_msg_body(msg), size}};
    return true;
}

static bool nng_link_receive(sync_link *head, sync_link_event *event)
{
    link_nng *link = (link_nng *)head;
    if (link->held != NULL) {
        nng_msg_free(link->held);
        link->held = NULL;
    }
    pthread_mutex_lock(&lock);
    bool found = take_event(link, event, &link->held);
    pthread_mutex_unlock(&lock);
    while (!found && (link->held = take_published(link->sub)) != NULL) {
        pthread_mutex_lock(&lock);
        found = accept_published(link, link->held, event);
        pthread_mutex_unlock(&lock);
        if (!found) {
            nng_msg_free(link->held);
            link->held = NULL;
        }
    }
    return found;
}

static int nng_link_fd(const sync_link *head)
{
    return ((const link_nng *)head)->fd;
}

/* ---- does nng still give connections back? ---- */

/* What drain_connections avoids for connections that we end happens to others too: a peer
 * that resets its connection while it is answered, in the middle of what it says. Then all
 * of the process is over: nothing that ends is freed, nothing lost is made again. nng does
 * not tell; so a connection of our own, within the process, is ended now and then, and must
 * be seen to go. */
#define CANARY_URL "inproc://scenesync-canary"
#define CANARY_MS 5000u
#define CANARY_LATE_MS 10000u
#define CANARY_LOOKS 15u /* of two a second */

typedef struct canary {
    bool made;
    nng_pipe pipe;
    bool up;
    uint64_t ended_ms; /* 0: it was not, or it is seen to be gone */
    unsigned looks;    /* since then: a process that was stopped has not looked */
    uint64_t next_ms;
} canary;

static canary bird; /* under `lock`, as its sockets for the life of the process */

static void on_bird(nng_pipe handle, nng_pipe_ev event, void *ctx)
{
    (void)ctx;
    pthread_mutex_lock(&lock);
    if (event == NNG_PIPE_EV_ADD_POST) {
        bird.pipe = handle;
        bird.up = true;
    } else if (handle.id == bird.pipe.id) {
        bird.up = false;
        bird.ended_ms = 0;
    }
    pthread_mutex_unlock(&lock);
}

static void make_bird(void)
{
    nng_socket pub;
    nng_socket sub;
    if (nng_pub0_open(&pub) == 0 && nng_sub0_open(&sub) == 0 &&
        nng_pipe_notify(sub, NNG_PIPE_EV_ADD_POST, on_bird, NULL) == 0 &&
        nng_pipe_notify(sub, NNG_PIPE_EV_REM_POST, on_bird, NULL) == 0 &&
        nng_listen(pub, CANARY_URL, NULL, 0) == 0) {
        nng_dial(sub, CANARY_URL, NULL, NNG_FLAG_NONBLOCK);
    }
}

static void look_at_bird(void)
{
    uint64_t now = now_ms();
    pthread_mutex_lock(&lock);
    bool make = !bird.made;
    bool end = bird.up && bird.ended_ms == 0 && now >= bird.next_ms;
    nng_pipe pipe = bird.pipe;
    bird.made = true;
    bird.looks++;
    if (end) {
        bird.looks = 0;
        bird.ended_ms = now;
        bird.next_ms = now + CANARY_MS;
    }
    pthread_mutex_unlock(&lock);
    if (make) {
        make_bird();
    } else if (end) {
        nng_pipe_close(pipe);
    }
}

static sync_link_counts nng_link_count(sync_link *head)
{
    link_nng *link = (link_nng *)head;
    pthread_mutex_lock(&lock);
    sync_link_counts counts = link->counts;
    counts.stuck = bird.ended_ms != 0 && bird.looks > CANARY_LOOKS &&
                   now_ms() - bird.ended_ms > CANARY_LATE_MS;
    pthread_mutex_unlock(&lock);
    return counts;
}

/* ---- why a connection is not there: nng's statistics ---- */

/* How often each failure of `about` was counted; its id, 0: none. */
static int read_failures(nng_stat *about, uint64_t counts[FAILURE_COUNT])
{
    int id = 0;
    for (nng_stat *stat = nng_stat_child(about); stat != NULL;
         stat = nng_stat_next(stat)) {
        const char *name = nng_stat_name(stat);
        if (strcmp(name, "id") == 0) {
            id = (int)nng_stat_value(stat);
        }
        for (size_t i = 0; i < FAILURE_COUNT; i++) {
            if (strcmp(name, failures[i].name) == 0) {
                counts[i] = nng_stat_value(stat);
            }
        }
    }
    return id;
}

/* Lock held: count what became of the dialers and listeners of `link`. */
static void read_stats(link_nng *link, nng_stat *stats, uint64_t *rejected)
{
    for (nng_stat *stat = nng_stat_child(stats); stat != NULL;
         stat = nng_stat_next(stat)) {
        uint64_t counts[FAILURE_COUNT] = {0};
        if (strcmp(nng_stat_name(stat), "dialer") == 0) {
            link_peer *peer = find_dialer(link, read_failures(stat, counts));
            for (size_t i = 0; peer != NULL && i < FAILURE_COUNT; i++) {
                peer->failing[i] += counts[i];
            }
        } else if (strcmp(nng_stat_name(stat), "listener") == 0) {
            int id = read_failures(stat, counts);
            for (size_t i = 0; i < link->listener_count; i++) {
                *rejected += link->listeners[i] == id ? counts[FAILURE_AUTH] : 0;
            }
        }
    }
}

/* Lock held: what has failed since the last look, and is not there still. */
static void note_failures(link_peer *peer)
{
    for (size_t i = FAILURE_COUNT; i-- > 0;) {
        if (peer->failing[i] > peer->failed[i]) {
            peer->reason = failures[i].reason;
        }
        peer->failed[i] = peer->failing[i];
        peer->failing[i] = 0;
    }
    if (peer->told_up) {
        peer->reason = NULL;
    }
}

/* Is there anything that the statistics could tell? */
static bool is_in_doubt(link_nng *link)
{
    bool doubt = link->options.tls.cert_file != NULL && link->listener_count > 0;
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < link->peer_count && !doubt; i++) {
        doubt = !link->peers[i]->told_up;
    }
    pthread_mutex_unlock(&lock);
    return doubt;
}

static void nng_link_look(sync_link *head, sync_link_tell tell, void *ctx)
{
    link_nng *link = (link_nng *)head;
    nng_stat *stats = NULL;
    look_at_bird();
    if (!is_in_doubt(link) || nng_stats_get(&stats) != 0) {
        return; /* or this nng was made without */
    }
    uint64_t rejected = 0;
    pthread_mutex_lock(&lock);
    read_stats(link, stats, &rejected);
    for (size_t i = 0; i < link->peer_count; i++) {
        note_failures(link->peers[i]);
    }
    bool again = rejected > link->rejected;
    link->rejected = rejected;
    pthread_mutex_unlock(&lock);
    nng_stats_free(stats);
    for (size_t i = 0; i < link->peer_count; i++) { /* this thread's, as the reasons */
        if (link->peers[i]->reason != NULL) {
            tell(ctx, link->peers[i]->number, link->peers[i]->reason);
        }
    }
    if (again) {
        tell(ctx, 0,
             "somebody's certificate was not accepted here, or this node's "
             "there");
    }
}

/* ---- open and close ---- */

static void free_link(link_nng *link)
{
    crdt_alloc alloc = link->options.alloc;
    crdt_free(alloc, link->peers, PEER_MAX * sizeof(link_peer *));
    for (size_t i = 0; i < 4; i++) {
        free(link->texts[i]);
    }
    if (link->fd >= 0) {
        close(link->fd);
    }
    if (link->event_fd >= 0) {
        close(link->event_fd);
    }
    crdt_free(alloc, link, sizeof *link);
}

static void wait_out(uint64_t ms)
{
    struct timespec left = {.tv_sec = (time_t)(ms / 1000),
                            .tv_nsec = (long)(ms % 1000) * 1000000};
    while (nanosleep(&left, &left) != 0 && errno == EINTR) {
    }
}

static void nng_link_close(sync_link *head)
{
    link_nng *link = (link_nng *)head;
    /* nng does not say when what was sent has left; give the last words a moment. */
    uint64_t now = now_ms();
    if (link->spoke_ms != 0 && link->spoke_ms + LINGER_MS > now) {
        wait_out(link->spoke_ms + LINGER_MS - now);
    }
    unsubscribe_all(link->sub);
    pthread_mutex_lock(&lock);
    link->closing = true;
    for (size_t i = 0; i < link->peer_count; i++) {
        release_peer(link, link->peers[i], false);
    }
    for (size_t i = 0; i < link->listener_count; i++) {
        reap_later(link->listener_slots[i], false, link->listeners[i]);
    }
    uint64_t deadline = now_ms() + CLOSE_WAIT_MS;
    for (link_slot *slot = all_slots; slot != NULL; slot = slot->next) {
        if (slot->owner == link) {
            reap_wait(slot, deadline);
        }
    }
    for (link_slot *slot = all_slots; slot != NULL; slot = slot->next) {
        slot->owner = slot->owner == link ? NULL : slot->owner;
    }
    for (event_node *node = pop_event(link); node != NULL; node = pop_event(link)) {
        cancel_event(link, node);
    }
    pthread_mutex_unlock(&lock);
    for (size_t i = 0; i < link->peer_count; i++) {
        crdt_free(link->options.alloc, link->peers[i], sizeof *link->peers[i]);
    }
    if (link->held != NULL) {
        nng_msg_free(link->held);
    }
    free_link(link);
}

static const sync_link_ops nng_link_ops = {
    .listen = nng_link_listen,
    .subscribe = nng_link_subscribe,
    .dial = nng_link_dial,
    .undial = nng_link_undial,
    .redial = nng_link_redial,
    .publish = nng_link_publish,
    .request = nng_link_request,
    .reply = nng_link_reply,
    .receive = nng_link_receive,
    .fd = nng_link_fd,
    .count = nng_link_count,
    .look = nng_link_look,
    .close = nng_link_close,
};

sync_link_nng_options sync_link_nng_options_default(void)
{
    return (sync_link_nng_options){
        .alloc = crdt_alloc_default(),
        .message_size_max = (1u << 20) + (64u << 10),
        .connection_max = 1024,
        .reconnect_ms_min = 50,
        .reconnect_ms_max = 1000,
    };
}

/* A whole file as a string; certificates are small. */
static crdt_err read_file(const char *path, char **out, crdt_diag *diag)
{
    FILE *file = fopen(path, "rb");
    char *text = calloc(1, (1u << 20) + 1);
    size_t size = file != NULL && text != NULL ? fread(text, 1, 1u << 20, file) : 0;
    bool failed = file == NULL || ferror(file) || size == 0 || size == 1u << 20;
    if (file != NULL) {
        fclose(file);
    }
    if (text == NULL) {
        return CRDT_ENOMEM;
    }
    if (failed) {
        free(text);
        return crdt_diag_set(diag, CRDT_EINVAL, 0, "cannot read %.120s", path);
    }
    *out = text;
    return CRDT_OK;
}

/* The certificate and key as text, the names as copies: options need not outlive open.
 */
static crdt_err copy_tls(link_nng *link, crdt_diag *diag)
{
    sync_link_tls *tls = &link->options.tls;
    size_t given =
        (tls->cert_file != NULL) + (tls->key_file != NULL) + (tls->ca_file != NULL);
    if (given == 0) {
        return CRDT_OK;
    }
    if (given != 3) {
        return crdt_diag_set(diag, CRDT_EINVAL, 0,
                             "TLS needs all of a certificate, a key and a CA file");
    }
    char *ca_text = NULL;
    crdt_err err = read_file(tls->ca_file, &ca_text, diag);
    free(ca_text); /* nng reads it again: it takes the file */
    if (err == CRDT_OK) {
        err = read_file(tls->cert_file, &link->texts[0], diag);
    }
    if (err == CRDT_OK) {
        err = read_file(tls->key_file, &link->texts[1], diag);
    }
    if (err != CRDT_OK) {
        return err;
    }
    link->texts[2] = strdup(tls->ca_file);
    link->texts[3] = tls->peer_name != NULL ? strdup(tls->peer_name) : NULL;
    if (link->texts[2] == NULL || (tls->peer_name != NULL && link->texts[3] == NULL)) {
        return CRDT_ENOMEM;
    }
    *tls = (sync_link_tls){.cert_file = link->texts[0],
                           .key_file = link->texts[1],
                           .ca_file = link->texts[2],
                           .peer_name = link->texts[3]};
    return CRDT_OK;
}

/* The link's descriptor becomes readable when one of the two does. */
static crdt_err watch_both(link_nng *link, crdt_diag *diag)
{
    int fds[2] = {link->event_fd, -1};
    int result = nng_socket_get_int(link->sub->socket, NNG_OPT_RECVFD, &fds[1]);
    if (result != 0) {
        return crdt_diag_set(diag, err_of(result), 0, "no descriptor: %s",
                             nng_strerror(result));
    }
    for (size_t i = 0; i < 2; i++) {
        struct epoll_event event = {.events = EPOLLIN};
        if (epoll_ctl(link->fd, EPOLL_CTL_ADD, fds[i], &event) != 0) {
            return crdt_diag_set(diag, CRDT_EIO, 0, "epoll: %s",
                                 strerrordesc_np(errno));
        }
    }
    return CRDT_OK;
}

/* Slots that are taken and were never used. */
static void give_back(link_nng *link)
{
    pthread_mutex_lock(&lock);
    for (link_slot *slot = all_slots; slot != NULL; slot = slot->next) {
        slot->owner = slot->owner == link ? NULL : slot->owner;
    }
    pthread_mutex_unlock(&lock);
}

crdt_err sync_link_nng_open(sync_link **out, const sync_link_nng_options *options,
                            crdt_diag *diag)
{
    if (!(options->fault_drop >= 0 && options->fault_drop <= 1)) {
        return crdt_diag_set(diag, CRDT_EINVAL, 0, "a share to drop is within 0..1");
    }
    link_nng *link = crdt_allocate(options->alloc, sizeof *link);
    if (link == NULL) {
        return CRDT_ENOMEM;
    }
    *link = (link_nng){.head = {.ops = &nng_link_ops},
                       .options = *options,
                       .fault_state = options->fault_seed,
                       .fd = -1,
                       .event_fd = -1};
    link->fd = epoll_create1(EPOLL_CLOEXEC);
    link->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    link->peers =
        crdt_resize_array(options->alloc, NULL, 0, PEER_MAX, sizeof(link_peer *));
    crdt_err err = CRDT_OK;
    if (link->peers == NULL) {
        err = CRDT_ENOMEM;
    } else if (link->fd < 0 || link->event_fd < 0) {
        err = crdt_diag_set(diag, CRDT_EIO, 0, "eventfd: %s", strerrordesc_np(errno));
    }
    if (err == CRDT_OK) {
        err = copy_tls(link, diag);
    }
    if (err == CRDT_OK) {
        err = take_slot(link, SLOT_SUB, &link->sub, diag);
    }
    if (err == CRDT_OK) {
        err = watch_both(link, diag);
    }
    if (err != CRDT_OK) {
        give_back(link);
        free_link(link);
        return err;
    }
    *out = &link->head;
    return CRDT_OK;
}

bool sync_link_nng_check(const sync_link *head)
{
    const link_nng *link = (const link_nng *)head;
    bool same = true;
    pthread_mutex_lock(&lock);
    link_slot *slot = all_slots;
    pthread_mutex_unlock(&lock);
    /* Slots are only ever added at the head, and never freed. */
    for (; slot != NULL && same; slot = slot->next) {
        size_t limit = 0;
        if (slot->owner == link) {
            same = nng_socket_get_size(slot->socket, NNG_OPT_RECVMAXSZ, &limit) == 0 &&
                   limit == link->options.message_size_max;
        }
    }
    return same;
}
