#include "cli/worker/load_impl.h"

#include "cli/worker/relation.h"

#include <stdio.h>

/* An unrelated stranger is looked at once in that time. */
#define STRANGER_AGAIN_MS 60000

/* ---- a rebase is due ---- */

static void want_rebase(worker_load *load, const crdt_actor *lineage, bool onto_file,
                        const char *text)
{
    const sync_node_options *node = load->options.node_options;
    if (node == NULL || node->store_dir == NULL) {
        worker_load_tell_text(
            load, WORKER_LOAD_NOTE,
            "the scene lives on elsewhere; this node has no store to bring over");
        worker_load_settle(load);
        return;
    }
    uint64_t now = worker_load_now_ms();
    while (!load->stop && now < load->opened_ms + load->options.rebase_after_ms) {
        worker_load_wait_ms(load,
                            load->opened_ms + load->options.rebase_after_ms - now);
        now = worker_load_now_ms();
    }
    if (load->stop) {
        return;
    }
    load->rebasing = true;
    load->onto_file = onto_file;
    worker_load_tell(load, &(worker_load_event){.kind = WORKER_LOAD_REBASE,
                                                .text = text,
                                                .lineage = *lineage});
}

static void say_unrelated(worker_load *load, const crdt_actor *lineage,
                          const char *what)
{
    char text[WORKER_LOAD_TEXT_SIZE];
    snprintf(
        text, sizeof text,
        "%s is not what this store descends from; they are kept apart. To take one "
        "over into the other: export it, then import --onto",
        what);
    worker_load_tell(load, &(worker_load_event){.kind = WORKER_LOAD_NOTE,
                                                .text = text,
                                                .lineage = *lineage,
                                                .failing = true});
}

/* ---- strangers ---- */

/* Where the stranger is reached: as it said, or a peer heard as that actor; else those
 * given. */
static void find_stranger_url(worker_load *load, const worker_load_stranger *met)
{
    worker_load_copy_text(load->peer_url, sizeof load->peer_url, met->url);
    sync_node_status status;
    if (met->url[0] != '\0' ||
        sync_node_status_get(load->options.node, &status) != CRDT_OK) {
        return;
    }
    for (size_t i = 0; i < status.peer_count; i++) {
        if (crdt_actor_equal(&status.peers[i].actor, &met->actor)) {
            worker_load_copy_text(load->peer_url, sizeof load->peer_url,
                                  status.peers[i].url);
        }
    }
    sync_node_status_deinit(&status);
}

/* A node of its own, in memory, that takes the stranger's scene to look at it. */
static crdt_err look_at_living(worker_load *load, worker_load_holding *theirs)
{
    sync_node_options options = *load->options.node_options;
    const char *urls[1] = {load->peer_url};
    options.store_dir = NULL;
    options.scene = load->scene;
    options.listen_count = 0;
    options.discover = false;
    options.on_event = NULL;
    options.fault_drop = 0;
    if (load->peer_url[0] != '\0') {
        options.peer_urls = urls;
        options.peer_count = 1;
    }
    *theirs = (worker_load_holding){.known = false};
    crdt_version_init(&theirs->version, load->options.alloc);
    scene_descent_init(&theirs->descent, load->options.alloc);
    sync_node *node = NULL;
    crdt_err err = sync_node_open(&node, &options, NULL);
    if (err == CRDT_OK) {
        err = worker_load_ask_bus(load, node, NULL);
    }
    if (err == CRDT_OK) {
        err = worker_load_look_at(load, node, theirs);
    }
    sync_node_close(node);
    return err;
}

static worker_relation relate(const worker_load_holding *ours,
                              const worker_load_holding *theirs)
{
    worker_relation_side a = {ours->lineage, &ours->version, &ours->descent};
    worker_relation_side b = {theirs->lineage, NULL, &theirs->descent};
    return worker_relation_to_living(&a, &b);
}

#define STRANGER_TRIES 3

/* It could not be looked at: later again, unless another one is heard first. */
static void keep_stranger(worker_load *load, const worker_load_stranger *met)
{
    pthread_mutex_lock(&load->mutex);
    if (!load->stranger.heard && met->heard && met->tries < STRANGER_TRIES) {
        load->stranger = *met;
        load->stranger.tries++;
    }
    pthread_mutex_unlock(&load->mutex);
}

static void judge_stranger(worker_load *load, const worker_load_holding *ours,
                           const worker_load_holding *theirs)
{
    switch (relate(ours, theirs)) {
    case WORKER_RELATION_SAME:
        break;
    case WORKER_RELATION_BEHIND:
        want_rebase(load, &theirs->lineage, false,
                    "this scene was saved and lives on in another edition: joining it");
        break;
    case WORKER_RELATION_AHEAD:
        worker_load_tell(
            load, &(worker_load_event){
                      .kind = WORKER_LOAD_NOTE,
                      .lineage = theirs->lineage,
                      .text = "an older edition of this scene is still alive; it is "
                              "expected to come over"});
        break;
    case WORKER_RELATION_UNRELATED:
        say_unrelated(load, &theirs->lineage, "an edition that is alive");
        break;
    }
}

/* Somebody edits this scene under another lineage: look who comes over to whom. */
void worker_load_meet_stranger(worker_load *load, const worker_load_stranger *met)
{
    uint64_t now = worker_load_now_ms();
    if (load->looked_ms != 0 && crdt_actor_equal(&load->looked_at, &met->lineage) &&
        now - load->looked_ms < STRANGER_AGAIN_MS) {
        return;
    }
    find_stranger_url(load, met);
    worker_load_holding ours;
    worker_load_holding theirs;
    crdt_err err = worker_load_look_at(load, load->options.node, &ours);
    crdt_err seen = look_at_living(load, &theirs);
    if (load->stop) {
        err = CRDT_ECLOSED;
    } else if (err == CRDT_OK && seen == CRDT_OK && theirs.known) {
        load->looked_at = met->lineage;
        load->looked_ms = now;
        judge_stranger(load, &ours, &theirs);
    } else {
        keep_stranger(load, met);
    }
    worker_load_deinit_holding(&ours);
    worker_load_deinit_holding(&theirs);
}

/* ---- a store that holds a scene ---- */

/* A stranger that was heard while the peers were asked is looked at first. */
bool worker_load_take_stranger(worker_load *load, worker_load_stranger *met)
{
    pthread_mutex_lock(&load->mutex);
    *met = load->stranger;
    load->stranger.heard = false;
    pthread_mutex_unlock(&load->mutex);
    return met->heard;
}

/* Is anybody of this lineage heard? */
static bool hears_anybody(worker_load *load)
{
    sync_node_status status;
    if (sync_node_status_get(load->options.node, &status) != CRDT_OK) {
        return false;
    }
    bool heard = false;
    for (size_t i = 0; i < status.peer_count; i++) {
        heard = heard || (status.peers[i].connected && status.peers[i].heard);
    }
    sync_node_status_deinit(&status);
    return heard;
}

/* A file that our own lineage saved holds what we lack. Whoever saved it may be alive
 * beyond a way that is cut: wait for them. True: they are there, or it is decided. */
static bool others_come(worker_load *load)
{
    const sync_node_options *node = load->options.node_options;
    uint64_t patience = 0;
    if (load->asked == CRDT_ETIMEOUT) {
        patience = load->options.patience_ms;
    } else if (node != NULL && node->listen_count > 0) {
        patience = load->options.patience_ms / 6;
    }
    uint64_t end = worker_load_now_ms() + patience;
    if (patience > 0) {
        worker_load_tell_text(
            load, WORKER_LOAD_NOTE,
            "others saved what this store lacks, and nobody is heard: waiting for "
            "them before it is brought over");
    }
    while (!load->stop && !load->rebasing && worker_load_now_ms() < end) {
        worker_load_stranger met;
        if (worker_load_take_stranger(load, &met)) {
            worker_load_meet_stranger(load, &met);
        } else if (hears_anybody(load)) {
            worker_load_tell_text(load, WORKER_LOAD_NOTE, "");
            worker_load_settle(load);
            return true;
        } else {
            worker_load_wait_ms(load, 250);
        }
    }
    return load->stop || load->rebasing;
}

static bool is_own(const worker_load_holding *ours, const worker_deployed *deployed)
{
    return deployed->descent.row_count > 0 &&
           crdt_actor_equal(&deployed->descent.rows[0].lineage, &ours->lineage);
}

/* How does what is deployed relate to the store? */
static void compare_deployed(worker_load *load)
{
    worker_load_holding ours;
    const worker_deployed *deployed = &load->deployed;
    if (worker_load_look_at(load, load->options.node, &ours) != CRDT_OK) {
        worker_load_deinit_holding(&ours);
        return;
    }
    worker_relation_side a = {ours.lineage, &ours.version, &ours.descent};
    worker_relation_side b = {deployed->lineage, NULL, &deployed->descent};
    bool nothing = deployed->where[0] == '\0';
    worker_relation relation =
        nothing ? WORKER_RELATION_AHEAD : worker_relation_to_file(&a, &b);
    if (relation == WORKER_RELATION_BEHIND) {
        if (!is_own(&ours, deployed) || !others_come(load)) {
            want_rebase(
                load, &deployed->lineage, true,
                "what was saved of this scene has gone on: bringing this store over");
        }
    } else if (relation == WORKER_RELATION_UNRELATED) {
        say_unrelated(load, &deployed->lineage, "what is deployed");
        worker_load_settle(load);
    } else {
        worker_load_settle(load);
    }
    worker_load_deinit_holding(&ours);
}

void worker_load_check_store(worker_load *load)
{
    crdt_diag diag = {0};
    crdt_err err = worker_load_ask_bus(load, load->options.node, &diag);
    load->asked = err;
    worker_load_stranger met;
    if (worker_load_take_stranger(load, &met) || err == CRDT_ELINEAGE) {
        worker_load_meet_stranger(load, &met);
    }
    if (load->rebasing || load->stop) {
        return;
    }
    if (err == CRDT_OK) {
        worker_load_settle(load); /* others live in this very lineage */
        return;
    }
    if (load->content_url == NULL &&
        (load->builder_url == NULL || load->project == NULL)) {
        worker_load_settle(load);
        return;
    }
    while (!load->stop && !load->rebasing && !load->source.settled) {
        diag = (crdt_diag){0};
        err = worker_load_fetch_deployed(load, &diag);
        if (err == CRDT_OK) {
            if (load->backoff.failures > 0) {
                worker_load_tell_text(load, WORKER_LOAD_NOTE, "the servers answer");
            }
            worker_backoff_clear(&load->backoff);
            compare_deployed(load);
            return;
        }
        if (load->stop) {
            return;
        }
        worker_load_fail_and_wait(load, WORKER_LOAD_NOTE,
                                  diag.text[0] != '\0' ? diag.text
                                                       : crdt_err_text(err));
        if (worker_load_take_stranger(load, &met)) {
            worker_load_meet_stranger(load, &met);
        }
    }
}
