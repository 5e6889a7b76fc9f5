/* GET /metrics: the worker's figures for Prometheus (docs/METRICS.md has the names). What
 * the desk knows is written there, what the node knows by the reading clerk. */

#include "cli/usage.h"
#include "cli/web/metrics.h"
#include "cli/worker/worker_impl.h"

#include <inttypes.h>
#include <stdio.h>

typedef struct figure {
    const char *name;
    const char *help;
    double value;
} figure;

static void put_gauges(web_metrics *m, const figure *figures, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        web_metrics_gauge(m, figures[i].name, figures[i].help);
        web_metrics_put(m, NULL, figures[i].value);
    }
}

static void put_counters(web_metrics *m, const figure *figures, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        web_metrics_counter(m, figures[i].name, figures[i].help);
        web_metrics_put(m, NULL, figures[i].value);
    }
}

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* ---- what the desk knows ---- */

static void put_state(web_metrics *m, const worker *w)
{
    static const char *const states[] = {"loading", "editing"};
    web_metrics_gauge(
        m, "scenesync_state",
        "1 for what the worker does now: it loads the scene, or edits it.");
    for (size_t i = 0; i < COUNT(states); i++) {
        const char *labels[] = {"state", states[i], NULL};
        web_metrics_put(m, labels, strcmp(w->state, states[i]) == 0);
    }
}

static void put_save(web_metrics *m, const worker *w)
{
    static const worker_save_state states[] = {WORKER_SAVE_OFF, WORKER_SAVE_SAVED,
                                               WORKER_SAVE_UNSAVED, WORKER_SAVE_SAVING,
                                               WORKER_SAVE_FAILING};
    worker_save_status status;
    worker_save_look(w->save, &status);
    web_metrics_gauge(m, "scenesync_save_state", "1 for how saving stands.");
    for (size_t i = 0; i < COUNT(states); i++) {
        const char *labels[] = {"state", worker_save_state_name(states[i]), NULL};
        web_metrics_put(m, labels, status.state == states[i]);
    }
    web_metrics_gauge(m, "scenesync_saved_timestamp_seconds",
                      "Unix time of the last save that is known; 0: none.");
    web_metrics_put(m, NULL, (double)status.at_ms / 1000);
}

static void put_people(web_metrics *m, worker *w)
{
    const figure figures[] = {
        {"scenesync_renderers", "Renderers connected to this worker.",
         (double)w->link_count},
        {"scenesync_people", "People in the scene, at all workers.",
         (double)worker_presence_count(w->presence)},
        {"scenesync_entities", "Entities shown.",
         (double)worker_hub_entity_count(w->hub)},
        {"scenesync_clashes",
         "Writes that were replaced or removed unseen, and nobody has dealt with yet.",
         (double)atomic_load(&w->conflicts.kept)},
    };
    put_gauges(m, figures, COUNT(figures));
}

static void put_events(web_metrics *m, const worker *w)
{
    const worker_session_counts sum = worker_desk_count(w);
    const web_server_counts web = web_server_count(w->web);
    const figure figures[] = {
        {"scenesync_events_total", "Events of renderers.", (double)sum.events},
        {"scenesync_events_lost_total",
         "Results and conflicts that a renderer did not read in time.",
         (double)sum.lost},
        {"scenesync_http_requests_total", "HTTP requests.", (double)web.requests},
        {"scenesync_http_sockets_total", "WebSockets opened.",
         (double)web.sockets_total},
        {"scenesync_http_sent_bytes_total", "Bytes sent to renderers and programs.",
         (double)web.sent_size},
        {"scenesync_http_received_bytes_total",
         "Bytes received from renderers and programs.", (double)web.received_size},
    };
    put_counters(m, figures, COUNT(figures));
    web_metrics_gauge(m, "scenesync_http_connections",
                      "Connections open now, WebSockets among them.");
    web_metrics_put(m, NULL, (double)web.connections);
    const struct {
        const char *reason;
        uint64_t count;
    } rows[] = {{"forbidden", sum.forbidden}, {"invalid", sum.invalid},
                {"other", sum.other},         {"token", w->refused_token},
                {"host", web.refused_host},   {"origin", web.refused_origin},
                {"size", web.refused_size},   {"path", web.refused_path},
                {"full", web.refused_full}};
    web_metrics_counter(m, "scenesync_refused_total",
                        "Events, requests and connections refused, by reason.");
    for (size_t i = 0; i < COUNT(rows); i++) {
        const char *labels[] = {"reason", rows[i].reason, NULL};
        web_metrics_put(m, labels, (double)rows[i].count);
    }
}

static void put_queues(web_metrics *m, worker *w)
{
    const worker_desk_queues queues = worker_desk_queue(w);
    const struct {
        const char *name;
        size_t count;
    } rows[] = {{"unanswered", queues.unanswered},
                {"stalled", queues.stalled},
                {"reads", queues.reads},
                {"publishing", queues.publishing},
                {"held", queues.held}};
    web_metrics_gauge(
        m, "scenesync_queue",
        "What waits: events unanswered, batches that the node could not "
        "take yet, calls that read, calls that publish, events held until "
        "the scene is there.");
    for (size_t i = 0; i < COUNT(rows); i++) {
        const char *labels[] = {"queue", rows[i].name, NULL};
        web_metrics_put(m, labels, (double)rows[i].count);
    }
}

static void put_process(web_metrics *m, const worker *w)
{
    cli_usage usage;
    cli_usage_get(&usage);
    double up = (double)(worker_now_ms() - w->opened_ms) / 1000;
    const figure figures[] = {
        {"process_resident_memory_bytes", "Resident memory.",
         (double)usage.memory_size},
        {"process_open_fds", "Open file descriptors.", (double)usage.file_count},
        {"process_max_fds", "Most file descriptors that may be open.",
         (double)usage.file_max},
        {"process_threads", "Threads.", (double)usage.thread_count},
        {"process_start_time_seconds", "Unix time when the worker was opened.",
         (double)worker_wall_ms() / 1000 - up},
    };
    web_metrics_counter(m, "process_cpu_seconds_total",
                        "CPU time of all threads, user and system.");
    web_metrics_put(m, NULL, (double)usage.cpu_us / 1e6);
    put_gauges(m, figures, COUNT(figures));
}

crdt_err worker_metrics_write_desk(worker *w, crdt_buf *out)
{
    web_metrics m = web_metrics_open(out);
    put_state(&m, w);
    put_save(&m, w);
    put_people(&m, w);
    put_events(&m, w);
    put_queues(&m, w);
    put_process(&m, w);
    return m.err;
}

/* ---- what the node knows ---- */

static void put_info(web_metrics *m, const worker *w, const sync_node_status *status)
{
    char actor[CRDT_ACTOR_TEXT_SIZE];
    char lineage[CRDT_ACTOR_TEXT_SIZE] = "";
    crdt_actor_format(&status->actor, actor);
    if (status->lineage_known) {
        crdt_actor_format(&status->lineage, lineage);
    }
    const char *labels[] = {"scene",   w->options.scene, "worker", actor,
                            "lineage", lineage,          NULL};
    web_metrics_gauge(m, "scenesync_info", "Which scene and replica this is.");
    web_metrics_put(m, labels, 1);
}

/* 48 bits of it fit a number. */
static double digest_number(crdt_digest digest)
{
    return (double)(digest.high >> 16);
}

static double version_sum(const crdt_version *version)
{
    double sum = 0;
    for (size_t i = 0; i < version->stamp_count; i++) {
        sum += (double)version->stamps[i].time;
    }
    return sum;
}

static void put_replica(web_metrics *m, const sync_node_status *status)
{
    const figure gauges[] = {
        {"scenesync_digest",
         "The first 48 bits of the state's digest: equal where replicas are.",
         digest_number(status->digest)},
        {"scenesync_version_sum",
         "Sum of the version's times: equal, and growing, where replicas are.",
         version_sum(&status->version)},
        {"scenesync_authors", "Actors that have written.",
         (double)status->version.stamp_count},
        {"scenesync_components", "Components in the document.",
         (double)status->counts.parts},
        {"scenesync_fields", "Fields in the document.", (double)status->counts.fields},
        {"scenesync_conflicts",
         "Fields with writes that do not show: concurrent, or hidden by a remove.",
         (double)status->counts.conflicts},
        {"scenesync_store_bytes", "Size of the store on disk.", (double)status->bytes},
        {"scenesync_poisoned", "1: the disk failed, nothing is written any more.",
         status->poisoned},
        {"scenesync_lag",
         "Greatest lag of any peer: times of operations that it has and this one "
         "lacks.",
         (double)status->lag},
        {"scenesync_held_batches", "Batches that wait for what they depend on.",
         (double)status->held_back},
        {"scenesync_node_tasks", "Edits and reads that wait for the node.",
         (double)status->since.tasks_now},
    };
    put_gauges(m, gauges, COUNT(gauges));
}

static void put_since(web_metrics *m, const sync_node_status *status)
{
    const sync_node_counts *since = &status->since;
    const figure counters[] = {
        {"scenesync_edits_total", "Batches made by this worker.", (double)since->edits},
        {"scenesync_batches_sent_total", "Batches published, own and others'.",
         (double)since->batches_out},
        {"scenesync_batches_received_total", "Batches of others applied.",
         (double)since->batches_in},
        {"scenesync_batches_duplicate_total", "Batches of others known already.",
         (double)since->duplicates},
        {"scenesync_answers_received_total", "Answers merged to catch up.",
         (double)since->answers_in},
        {"scenesync_answers_sent_total", "Answers made for others to catch up.",
         (double)since->answers_out},
        {"scenesync_commits_total", "Times that the store was synced to disk.",
         (double)since->commits},
        {"scenesync_forks_total", "Two histories under one actor seen.",
         (double)since->forks},
        {"scenesync_diverged_total", "Equal versions with unequal digests seen.",
         (double)since->diverged},
        {"scenesync_refused_messages_total", "Foreign messages refused.",
         (double)status->refused},
        {"scenesync_link_received_messages_total", "Messages received, of all links.",
         (double)since->traffic.in},
        {"scenesync_link_received_bytes_total", "Their bytes.",
         (double)since->traffic.in_size},
        {"scenesync_link_sent_messages_total",
         "Messages sent; one that is published counts once.",
         (double)since->traffic.out},
        {"scenesync_link_sent_bytes_total", "Their bytes.",
         (double)since->traffic.out_size},
    };
    put_counters(m, counters, COUNT(counters));
}

/* ---- of each peer ---- */

typedef struct peer_family {
    const char *name;
    const char *help;
    bool counter;
    double (*value)(const sync_node_peer *peer);
} peer_family;

static double peer_connected(const sync_node_peer *peer)
{
    return peer->connected;
}

static double peer_heard(const sync_node_peer *peer)
{
    return peer->heard;
}

static double peer_version_equal(const sync_node_peer *peer)
{
    return peer->version_equal;
}

static double peer_digest_equal(const sync_node_peer *peer)
{
    return peer->digest_equal;
}

static double peer_lag(const sync_node_peer *peer)
{
    return (double)peer->lag;
}

static double peer_in(const sync_node_peer *peer)
{
    return (double)peer->traffic.in;
}

static double peer_in_size(const sync_node_peer *peer)
{
    return (double)peer->traffic.in_size;
}

static double peer_out(const sync_node_peer *peer)
{
    return (double)peer->traffic.out;
}

static double peer_out_size(const sync_node_peer *peer)
{
    return (double)peer->traffic.out_size;
}

static const peer_family PEER_FAMILIES[] = {
    {"scenesync_peer_connected", "1: the link to the peer is up.", false,
     peer_connected},
    {"scenesync_peer_heard", "1: it was heard within three beacons.", false,
     peer_heard},
    {"scenesync_peer_version_equal", "1: it has this version.", false,
     peer_version_equal},
    {"scenesync_peer_digest_equal", "1: it has this state.", false, peer_digest_equal},
    {"scenesync_peer_lag", "Times of operations that it has and this one lacks.", false,
     peer_lag},
    {"scenesync_peer_received_messages_total", "Messages from the peer.", true,
     peer_in},
    {"scenesync_peer_received_bytes_total", "Their bytes.", true, peer_in_size},
    {"scenesync_peer_sent_messages_total",
     "Messages to the peer: requests, and what was published while it was connected.",
     true, peer_out},
    {"scenesync_peer_sent_bytes_total", "Their bytes.", true, peer_out_size},
};

#define PEER_NAME_SIZE CRDT_ACTOR_TEXT_SIZE

/* What a peer is called as long as the worker runs: the number of our link, or its actor
 * where it is not dialed. */
static void name_peer(const sync_node_peer *peer, char name[PEER_NAME_SIZE])
{
    if (peer->number != 0) {
        snprintf(name, PEER_NAME_SIZE, "%" PRIu32, peer->number);
    } else {
        crdt_actor_format(&peer->actor, name);
    }
}

/* Another row of the same name came before: a replica that started again, and is not
 * dialed. */
static bool is_repeated(const sync_node_status *status, size_t index)
{
    char name[PEER_NAME_SIZE];
    char other[PEER_NAME_SIZE];
    name_peer(&status->peers[index], name);
    for (size_t i = 0; i < index; i++) {
        name_peer(&status->peers[i], other);
        if (strcmp(name, other) == 0) {
            return true;
        }
    }
    return false;
}

static void put_peer(web_metrics *m, const sync_node_peer *peer, double value)
{
    char name[PEER_NAME_SIZE];
    name_peer(peer, name);
    const char *labels[] = {"peer", name, "url", peer->url, NULL};
    web_metrics_put(m, labels, value);
}

/* Who is behind a link is told apart: it may change, and counters go on. */
static void put_peer_info(web_metrics *m, const sync_node_peer *peer)
{
    char name[PEER_NAME_SIZE];
    char actor[CRDT_ACTOR_TEXT_SIZE];
    name_peer(peer, name);
    crdt_actor_format(&peer->actor, actor);
    const char *labels[] = {"peer", name, "url", peer->url, "actor", actor, NULL};
    web_metrics_put(m, labels, 1);
}

static void put_peers(web_metrics *m, const sync_node_status *status)
{
    for (size_t i = 0; i < COUNT(PEER_FAMILIES); i++) {
        const peer_family *family = &PEER_FAMILIES[i];
        (family->counter ? web_metrics_counter : web_metrics_gauge)(m, family->name,
                                                                    family->help);
        for (size_t k = 0; k < status->peer_count; k++) {
            if (!is_repeated(status, k)) {
                put_peer(m, &status->peers[k], family->value(&status->peers[k]));
            }
        }
    }
    web_metrics_gauge(m, "scenesync_peer_last_heard_seconds",
                      "Since the peer's last beacon; missing: it was never heard.");
    for (size_t k = 0; k < status->peer_count; k++) {
        uint64_t ms = status->peers[k].heard_ms_ago;
        if (ms != UINT64_MAX && !is_repeated(status, k)) {
            put_peer(m, &status->peers[k], (double)ms / 1000);
        }
    }
    web_metrics_gauge(m, "scenesync_peer_info", "Which replica the peer is.");
    for (size_t k = 0; k < status->peer_count; k++) {
        if (!is_repeated(status, k)) {
            put_peer_info(m, &status->peers[k]);
        }
    }
}

crdt_err worker_read_metrics(worker_call *call, sync_node *node, crdt_buf *out)
{
    call->reply.type = WEB_METRICS_TYPE;
    crdt_err err = crdt_buf_append_span(out, crdt_buf_span(&call->extra));
    if (err != CRDT_OK || node == NULL) {
        return err; /* the node is being opened again */
    }
    sync_node_status status;
    err = sync_node_status_get(node, &status);
    if (err != CRDT_OK) {
        return err;
    }
    web_metrics m = web_metrics_open(out);
    put_info(&m, call->w, &status);
    put_replica(&m, &status);
    put_since(&m, &status);
    put_peers(&m, &status);
    sync_node_status_deinit(&status);
    return m.err;
}
