#ifndef SYNC_NODE_IMPL_H
#define SYNC_NODE_IMPL_H

/* What the files of the node share.
 *
 *      node.c         open and close, the thread and its loop
 *      node_step.c    one event for the replica, and its effects performed
 *      node_commit.c  the group: records, one sync, who waits for it
 *      node_edit.c    edits, imports, housekeeping
 *      node_look.c    read, attach, history, watch, status
 *      node_reach.c   which peers are not there, and why
 *      node_wait.c    presence; what waits for peers: ask, sync once
 *
 * All but the mailbox belongs to the node's thread. */

#include "sync/link.h"
#include "sync/node.h"
#include "sync/replica.h"
#include "sync/store.h"
#include "sync/store_mem.h"
#include "sync/traffic.h"

#include <pthread.h>

#define NODE_TASKS_MAX 4096u /* edits started and not yet run */
#define NODE_WATCHES_MAX 64u
#define NODE_GROUP_SIZE_MAX (32u << 20) /* a group is closed early beyond these bytes */

/* Something another thread wants done. */
typedef struct node_task {
    struct node_task *next;
    /* In the node's thread. True: it is done; false: it was put into a list to wait. */
    bool (*run)(sync_node *node, struct node_task *task);
    /* In the node's thread, when done: NULL wakes the one who waits for it. */
    void (*done)(sync_node *node, struct node_task *task);
    bool finished; /* under the mutex */
} node_task;

typedef struct node_tasks {
    node_task *first;
    node_task *last;
} node_tasks;

/* A history record of the group at hand. */
typedef struct node_record {
    struct node_record *next;
    crdt_buf bytes;
} node_record;

/* A peer that was given and is not there (`peer`, as in sync_dial), or those who came to
 * us and were refused (0). */
typedef struct node_trouble {
    uint32_t peer;
    bool over;
    bool connected;
    uint64_t since_ms;
    uint64_t silent_ms; /* how long it was waited for last, while it was connected */
    uint64_t
        redial_ms;    /* when its connections are given up and made anew; 0: not set */
    uint64_t next_ms; /* when it is told, or may be told, next */
    uint64_t wait_ms;
    char reason[160];
} node_trouble;

struct sync_node {
    sync_node_options
        options; /* `who` and `tls` point to `texts`; other texts and lists
                                * are not looked at after open */
    crdt_alloc alloc;
    char *texts[5];

    crdt_document *doc;
    crdt_deps *deps;
    crdt_history *history;
    sync_mem_disk *disk; /* where there is no folder */
    sync_store *store;
    sync_replica *replica;
    sync_link *link; /* NULL: offline */
    sync_traffic traffic;
    uint64_t edit_count; /* batches made here since the open */
    char urls[8][SYNC_NODE_NAME_SIZE];
    size_t url_count;

    bool poisoned;
    crdt_diag poison; /* why */
    uint64_t opened_ms;
    uint64_t wake_at_ms;
    sync_meta meta; /* its scene points to `scene` */
    char scene[SYNC_NODE_NAME_SIZE];
    uint64_t refused_second; /* events of this second: is_too_much */
    uint32_t refused_count;
    char refusal[160]; /* the last reason why a peer was refused */
    crdt_err dial_err; /* the last dial that failed at once */
    crdt_diag dial_diag;
    uint64_t *failed; /* requests that could not be sent, to be told next */
    size_t failed_count;
    size_t failed_capacity;
    size_t farewells; /* requests sent, counted anew when leaving */
    bool renew;       /* the replica wants a fresh actor */

    /* the group */
    bool group_open;
    uint64_t group_us;        /* when its first record came */
    size_t group_size;        /* bytes queued */
    uint64_t commit_us;       /* what the last commit took */
    uint64_t append_sequence; /* the replica's, of the last record queued */
    node_tasks durable_tasks; /* done when the group is on disk */
    node_record *records_first;
    node_record *records_last;
    node_record *records_new; /* the first that is not in the store's queue yet */
    bool maintain;            /* there may be compaction to do */

    node_tasks intents; /* edits that wait for the scene's beginning */
    node_tasks waits;   /* for a peer to be equal */

    node_trouble *troubles;
    size_t trouble_count;
    size_t trouble_capacity;
    uint64_t looked_ms;

    sync_watch *watches[NODE_WATCHES_MAX]; /* under the mutex */
    size_t watch_count;

    crdt_op_list ops; /* scratch of edits */
    crdt_arena arena;

    bool stuck;   /* it was told */
    uint8_t *key; /* NULL, or in memory for secrets; options.key points here */

    pthread_t thread;
    bool thread_runs;
    pthread_mutex_t mutex; /* guards what follows, and the watches */
    pthread_cond_t finished;
    node_tasks mailbox;
    size_t mailbox_count;
    node_task presence_task; /* hands `presence` to the replica */
    bool presence_posted;
    crdt_buf presence;
    bool closing;
    int wake_fd;
};

uint64_t sync_node_now_us(void);
uint64_t sync_node_now_ms(void);
uint64_t sync_node_wall_ms(void);

/* ---- tasks ---- */

void sync_node_task_push(node_tasks *tasks, node_task *task);
node_task *sync_node_task_pop(node_tasks *tasks);
/* In the node's thread: the task is over. */
void sync_node_task_finish(sync_node *node, node_task *task);
/* Any thread: hand over. Errors: CRDT_ECLOSED; CRDT_EBUSY where `limited`. */
crdt_err sync_node_task_post(sync_node *node, node_task *task, bool limited);
/* Any thread but the node's: hand over and wait. Errors: CRDT_ECLOSED. */
crdt_err sync_node_task_call(sync_node *node, node_task *task);
bool sync_node_is_own_thread(const sync_node *node);

/* ---- steps ---- */

/* One event (its times are filled in here), and all that follows from it. */
crdt_err sync_node_step(sync_node *node, sync_replica_event *event);
void sync_node_emit(sync_node *node, const sync_event *event);
crdt_err sync_node_open_replica(sync_node *node, crdt_diag *diag);
/* Give a scene that has none its name, where nobody is asked for one. */
crdt_err sync_node_name_scene(sync_node *node, crdt_diag *diag);
crdt_err sync_node_open_link(sync_node *node, crdt_diag *diag);

/* ---- the group ---- */

/* Something is queued: it is committed within group_ms. */
void sync_node_open_group(sync_node *node);
/* Queue one record. Errors: CRDT_EIO, CRDT_ENOMEM; the node is poisoned then. */
crdt_err sync_node_append(sync_node *node, sync_record_kind kind, crdt_span bytes);
/* Encode what the recorder has collected, as a record of this group. */
void sync_node_record(sync_node *node, const crdt_batch *batch,
                      const crdt_history_note *note);
/* Hand the group's history records to the store. After the appends they belong to. */
void sync_node_store_records(sync_node *node);
/* Everything queued to disk, then whoever waits for it is told. */
crdt_err sync_node_flush(sync_node *node);
void sync_node_poison(sync_node *node, const crdt_diag *diag);
/* A slice of compaction; false: there is none to do. */
bool sync_node_maintain(sync_node *node);

/* ---- edits, waits ---- */

/* Has the scene begun here, and not only by name? */
bool sync_node_has_begun(const sync_node *node);

/* Look now and then who is not there, and tell; says when to look again. */
uint64_t sync_node_look_around(sync_node *node);
/* Why `peer` is not there, as far as it is known; borrowed until the next look. */
const char *sync_node_reason(sync_node *node, const sync_peer_status *peer);

void sync_node_init_presence(sync_node *node);

/* Run the edits that waited for the scene's beginning, if it is there; says when to look
 * again at the latest. */
uint64_t sync_node_run_intents(sync_node *node);
/* Nobody is asked any more: run them, or tell them that it is too late. */
void sync_node_end_intents(sync_node *node);
/* End the waits that are over; says when to look again at the latest. */
uint64_t sync_node_run_waits(sync_node *node);
/* Nothing more will come: end all of them. */
void sync_node_end_waits(sync_node *node);

#endif /* SYNC_NODE_IMPL_H */
