#ifndef CLI_WORKER_WORKER_IMPL_H
#define CLI_WORKER_WORKER_IMPL_H

/* What the files of the worker share.
 *
 *      worker.c        open, run, close; node, loader and saver wired together
 *      worker_desk.c   the thread of the sockets: renderers, ticks, mail
 *      worker_edit.c   edits and looks at the view, in the node's thread
 *      worker_conflicts.c  the conflicts that stand: kept, told, dismissed
 *      worker_scene.c  loader and saver
 *      worker_wish.c   what renderers and programs ask for: save, project, publish
 *      worker_http.c   the HTTP calls
 *      worker_metrics.c  the figures for Prometheus
 *      worker_clerk.c  calls that wait for the node
 *      worker_publish.c  publishing, in a thread that waits for servers */

#include "cli/clerk.h"
#include "cli/control.h"
#include "cli/host.h"
#include "cli/outside/outside.h"
#include "cli/web/server.h"
#include "cli/worker/clashes.h"
#include "cli/worker/load.h"
#include "cli/worker/mailbox.h"
#include "cli/worker/presence.h"
#include "cli/worker/pulse.h"
#include "cli/worker/save.h"
#include "cli/worker/session.h"
#include "cli/worker/view.h"
#include "cli/worker/worker.h"

#include <stdatomic.h>

#define WORKER_RENDERERS_MAX 256u
#define WORKER_PRESENCE_MS 100u /* between two words to other workers, at least */
#define WORKER_CLERK_MAX 64u    /* calls that wait */

/* One renderer at the desk. */
typedef struct worker_link {
    struct worker_link *next;
    worker *w;
    web_socket *socket;
    worker_session *session;
    uint64_t serial; /* never used again */
    char person[32]; /* of the access file; "" on the loopback */
    bool loopback;
    bool paused;
    bool closing;
    uint64_t presence_revision;  /* told up to here */
    uint64_t presence_ms;        /* told last */
    uint64_t conflicts_revision; /* told last */
    worker_pulse pulse;
} worker_link;

/* An edit on its way through the node; or (batch NULL) a look at the view. */
typedef struct worker_job {
    struct worker_job *next; /* of those that could not be posted yet */
    worker *w;
    uint64_t serial; /* of the link */
    worker_batch *batch;
    worker_mail *mail; /* the word that it is done; NULL: it is posted */
    sync_node *node;   /* that does it */
    sync_edit edit;
    sync_edit_result result;
} worker_job;

/* A call that waits: for the node, or for servers. */
typedef struct worker_call {
    cli_job job; /* does it, answers, frees what `data` is */
    worker *w;
    /* Reading calls: append the answer. */
    crdt_err (*read)(struct worker_call *call, sync_node *node, crdt_buf *out);
    web_reply reply; /* to a program */
    int format;      /* of an export; of a history the entries wanted */
    bool has_before; /* of a history: what is older than this */
    crdt_stamp before;
    crdt_buf extra; /* JSON members that the desk knows (status) */
    void *data;
} worker_call;

/* What becomes of conflicts on their way from the document to the renderers. */
typedef struct worker_conflicts {
    worker_clashes clashes; /* the node's thread's, as the next five */
    uint64_t clash_revision;
    uint64_t told_clashes;  /* revisions of what was listed last */
    uint64_t told_standing; /* 0: nothing was */
    _Atomic uint64_t kept;  /* clashes, for figures */
    bool touched;           /* the scene changed since the clashes were looked at */
    uint64_t listed_ms;
    _Atomic uint64_t due_ms; /* the list is to be made then; 0: it is as it was */
    crdt_buf text;           /* the desk's: the event as it is told */
    uint64_t revision;       /* of `text`; 0: there is none yet */
} worker_conflicts;

#define WORKER_URLS_MAX 66u

struct worker {
    worker_options options;
    crdt_alloc alloc;
    char instance[9]; /* random, hex: makes ids of people unique */
    uint64_t opened_ms;
    web_server *web;
    pthread_t web_thread;
    bool web_running;
    cli_clerk reader;    /* calls that wait for the node */
    cli_clerk publisher; /* calls that wait for servers */
    outside *outside;    /* what pages ask of the world outside */
    atomic_bool leaving;
    worker_mailbox mailbox;
    int wake_fd; /* wakes the main thread, to see to these: */
    atomic_bool poisoned;
    _Atomic uint64_t note_second; /* notes of this second: worker_note */
    atomic_uint note_count;
    atomic_bool failed;
    atomic_bool news_lost; /* there was no memory for news: all is to be told again */
    atomic_bool rebase;

    worker_save *save;
    pthread_mutex_t load_mutex;
    worker_load *load;    /* NULL: there is none now */
    sync_node *load_node; /* its node */
    crdt_version loaded;  /* what the scene was when it was ready; node's, then loader's
                           * thread */

    /* the node, which may be closed and opened again while others work */
    pthread_mutex_t node_mutex;
    pthread_cond_t node_free;
    sync_node *node; /* NULL: there is none */
    size_t node_users;
    worker_view *view; /* made and used in the node's thread */
    char peer_url[SYNC_NODE_NAME_SIZE];
    uint32_t
        rebase_after_ms; /* main thread's, as these: where the node is opened again */
    char listen_url[SYNC_NODE_NAME_SIZE];
    char living_url[SYNC_NODE_NAME_SIZE];
    const char *listen_urls[WORKER_URLS_MAX];
    const char *peer_urls[WORKER_URLS_MAX];
    cli_control *control; /* the other verbs on the store; main thread's */
    cli_host host;        /* what they find here */

    /* events of the node, bounded; in the node's thread */
    crdt_actor actor; /* as whom the node writes */
    bool fresh;       /* it was told by an event */
    uint64_t conflict_second;
    uint32_t conflict_count;
    worker_conflicts conflicts;

    /* the desk's */
    cli_access *access;
    bool access_changed; /* roles of open links are to be looked at */
    worker_hub *hub;
    worker_presence *presence;
    worker_held held;
    worker_link *links;
    size_t link_count;
    uint64_t serial;
    const char *state;
    crdt_buf about;
    worker_batch *kept;    /* of people who left before the scene was there, in order */
    worker_held kept_held; /* what of `held` they are */
    worker_job *stalled_first; /* jobs that the node could not take yet, in order */
    worker_job *stalled_last;
    bool pulling;
    uint64_t pull_ms; /* of the last look asked for */
    uint64_t presence_ms;
    uint64_t clash_second;
    uint32_t clash_count;
    worker_session_counts gone_counts; /* of renderers that left */
    uint64_t refused_token;
};

uint64_t worker_now_ms(void);  /* monotonic */
uint64_t worker_wall_ms(void); /* Unix time */
/* Say what is wrong with the access file, if anything is. */
void worker_note_access(worker *w);
void worker_note(worker *w, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* ---- the node, from any thread ---- */

/* The node, which then stays until worker_node_release; NULL: there is none now. */
sync_node *worker_node_acquire(worker *w);
void worker_node_release(worker *w);
void worker_post_text(worker *w, worker_mail_kind kind, const char *state,
                      crdt_span text);
void worker_wake_main(worker *w);

/* ---- worker.c, for the main thread ---- */

crdt_err worker_node_open(worker *w, crdt_diag *diag);
crdt_err worker_node_close(worker *w);

/* ---- worker_scene.c ---- */

crdt_err worker_scene_open_saver(worker *w);
crdt_err worker_scene_load(worker *w, sync_node *node, crdt_diag *diag);
void worker_scene_unload(worker *w);
/* Close the node, rebase the store, open it again. Errors: the store cannot be opened. */
crdt_err worker_scene_rebase(worker *w, crdt_diag *diag);
void worker_scene_hear(worker *w, const sync_event *event);
/* Save now, for a renderer (`serial` not 0) or a program (`reply`). Errors: CRDT_EBUSY,
 * CRDT_ENOMEM: nobody is answered. */
crdt_err worker_scene_save(worker *w, uint64_t serial, crdt_span id,
                           const web_reply *reply, const char *const *headers,
                           bool force);
/* Another worker told this of itself. */
void worker_hear_saver(worker *w, const crdt_actor *actor,
                       const worker_presence_worker *told);
/* What is told to other workers of this one and its people. Errors: CRDT_ENOMEM. */
crdt_err worker_write_presence(worker *w, crdt_buf *out);
/* Post a letter and wake the desk. */
void worker_post(worker *w, worker_mail *mail);

/* ---- worker_edit.c ---- */

/* Hand the batch of a renderer to the node, or (batch NULL) ask for a look. Takes the
 * batch; the answer is mail. False: no memory; nothing happened. */
bool worker_edit_start(worker *w, uint64_t serial, worker_batch *batch);
/* Try again what the node could not take. */
void worker_edit_retry(worker *w);
/* The node was closed before it did the job: give it to the next one. False: no memory. */
bool worker_edit_again(worker *w, worker_job *job);
void worker_job_close(worker_job *job);
/* Did anything change since the last look? */
bool worker_view_changed(worker *w);
/* Make the view, in the node's thread, and post all it shows. Errors: as sync_node_attach,
 * worker_view_open. */
crdt_err worker_view_attach(worker *w, sync_node *node);
void worker_view_detach(worker *w, sync_node *node);
/* In the node's thread: post what changed since the last look, if anything did. */
void worker_view_post(worker *w);

/* ---- worker_conflicts.c ---- */

/* In the node's thread, or while there is none: keep what a batch clashed with. `until`
 * NULL: not known. */
void worker_conflicts_keep(worker *w, const worker_clash *clash, crdt_span by,
                           const crdt_stamp *until);
/* In the node's thread: the operations of a batch that dismisses what stands in the
 * document; when it is done, let go of what does not. */
crdt_err worker_conflicts_write(worker *w, const worker_batch *batch,
                                const crdt_document *doc, crdt_op_list *ops,
                                crdt_diag *diag);
void worker_conflicts_dismiss(worker *w, const worker_batch *batch);
/* In the node's thread: the scene changed (there is another view). */
void worker_conflicts_touch(worker *w);
void worker_conflicts_again(worker *w);
/* In the node's thread: post the list, if it changed and it is time. */
void worker_conflicts_post(worker *w);
/* Any thread: is it time to have it made? */
bool worker_conflicts_due(const worker *w, uint64_t now_ms);
/* For the verbs of others on the store, in a thread of theirs (cli/host.h). */
crdt_err worker_conflicts_visit(void *ctx, cli_clash_fn visit, void *visit_ctx);
crdt_err worker_conflicts_forget(void *ctx);
/* At the desk: take the list that was posted; tell it to a renderer that has not heard
 * it. */
void worker_conflicts_take(worker *w, worker_mail *mail);
bool worker_conflicts_wait(const worker *w, const worker_link *link);
void worker_conflicts_tell(worker *w, worker_link *link);

/* ---- worker_desk.c: handlers of the web server ---- */

int worker_desk_open(void *ctx, web_socket *socket, const web_request *request,
                     void **user);
void worker_desk_message(void *ctx, web_socket *socket, void *user, crdt_span text);
void worker_desk_arrived(void *ctx, web_socket *socket, void *user);
void worker_desk_write(void *ctx, web_socket *socket, void *user, crdt_buf *out);
void worker_desk_closed(void *ctx, web_socket *socket, void *user);
void worker_desk_wake(void *ctx);
void worker_desk_tick(void *ctx);
/* Who asks, by its token. */
access_person worker_desk_person(worker *w, const web_request *request);
/* What renderers sent and were refused, those included that left. */
worker_session_counts worker_desk_count(const worker *w);
/* What waits now. */
typedef struct worker_desk_queues {
    size_t unanswered; /* events of renderers */
    size_t stalled;    /* batches that the node could not take yet */
    size_t reads;      /* calls that wait for the node */
    size_t publishing; /* calls that wait for servers */
    size_t held;       /* events until the scene is there */
} worker_desk_queues;
worker_desk_queues worker_desk_queue(worker *w);
/* Hand over what was gathered so far. */
void worker_desk_flush(worker *w);
/* All that is open, at the end. */
void worker_desk_close(worker *w);

/* ---- worker_wish.c ---- */

void worker_wish_event(void *ctx, worker_session *session, const worker_event *event,
                       crdt_span id);
/* The bytes of an image given as base64 text, perhaps with "data:...;base64," before it.
 * False: it is none, or more than 2 MiB. */
bool worker_wish_image(crdt_span text, crdt_buf *out);
void worker_wish_save(worker *w, const web_request *request, web_reply *reply);
void worker_wish_publish(worker *w, const web_request *request, web_reply *reply);
void worker_wish_unpublish(worker *w, const web_request *request, web_reply *reply);

/* ---- worker_publish.c ---- */

/* Publish (or unpublish) as `payload` says, for a renderer (`serial` not 0) or a program
 * (`reply`, which is then deferred). Errors: CRDT_EBUSY, CRDT_ENOMEM, CRDT_EINVAL with
 * its reason: nobody is answered. */
typedef struct worker_publish_wish {
    uint64_t serial;
    crdt_span id;
    web_reply *reply;
    const scene_json_node *payload; /* may be NULL */
    const char *const *headers;     /* NULL-terminated */
    bool unpublish;
} worker_publish_wish;
crdt_err worker_publish_start(worker *w, const worker_publish_wish *wish,
                              crdt_diag *diag);

/* ---- worker_http.c, worker_clerk.c ---- */

void worker_http_request(void *ctx, const web_request *request, web_reply *reply);
/* A call for a clerk, allocated by the worker's allocator; its `run` ends with
 * worker_call_close. NULL: no memory. */
worker_call *worker_call_open(worker *w, void (*run)(cli_job *job));
void worker_call_close(worker_call *call);
/* Read something of the scene for a program; the reply is deferred, or says why not.
 * Takes `extra` (may be NULL). */
void worker_clerk_read(worker *w, web_reply *reply,
                       crdt_err (*read)(worker_call *call, sync_node *node,
                                        crdt_buf *out),
                       int format, crdt_buf *extra);

/* Read history: `limit` entries older than `before` (NULL: from now). As
 * worker_clerk_read. */
void worker_clerk_history(worker *w, web_reply *reply, const crdt_stamp *before,
                          uint32_t limit);

/* Append the figures that the desk knows, for worker_read_metrics. */
crdt_err worker_metrics_write_desk(worker *w, crdt_buf *out);

/* What can be read. */
crdt_err worker_read_status(worker_call *call, sync_node *node, crdt_buf *out);
crdt_err worker_read_metrics(worker_call *call, sync_node *node, crdt_buf *out);
crdt_err worker_read_snapshot(worker_call *call, sync_node *node, crdt_buf *out);
crdt_err worker_read_export(worker_call *call, sync_node *node, crdt_buf *out);
crdt_err worker_read_code(worker_call *call, sync_node *node, crdt_buf *out);
crdt_err worker_read_conflicts(worker_call *call, sync_node *node, crdt_buf *out);

#endif /* CLI_WORKER_WORKER_IMPL_H */
