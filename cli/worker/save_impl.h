#ifndef CLI_WORKER_SAVE_IMPL_H
#define CLI_WORKER_SAVE_IMPL_H

/* What save.c (its functions for others), save_look.c (what is known) and save_run.c (its
 * thread) share. */

#include "cli/worker/save.h"
#include "cli/worker/save_plan.h"
#include "crdt/digest.h"

#include <pthread.h>
#include <stdatomic.h>

#define SAVE_REQUESTS_MAX 64
#define SAVE_HEADERS_MAX 32
#define SAVE_HEADER_SIZE_MAX 16384
#define SAVE_RIVALS_MAX 256
#define SAVE_IMAGE_MAX (2u << 20)

enum { SAVE_BUILDER, SAVE_FILE, SAVE_PLACES };

typedef struct save_request {
    worker_save_done_fn done;
    void *ctx;
    bool force;
} save_request;

/* What is known of one place. */
typedef struct save_place {
    worker_save_target target;
    crdt_version saved;
    bool foreign;   /* refused because of what is at the server */
    bool gap;       /* what is there has edits that have not come here yet */
    uint64_t at_ms; /* Unix time */
    char error[WORKER_SAVE_TEXT_SIZE];
    bool busy;
} save_place;

typedef struct save_rival {
    worker_save_rival who;
    char *told; /* the version it told last; NULL: none */
} save_rival;

struct worker_save {
    worker_save_options options;
    char *builder_url;
    char *file;
    pthread_t thread;
    atomic_bool stop; /* ends calls too */

    pthread_mutex_t mutex;
    pthread_cond_t changed; /* something for the thread, or for who waits for it */
    /* all below under the mutex */
    sync_node *node;
    uint64_t era;   /* counts the nodes */
    bool node_used; /* by the thread, outside the mutex */
    crdt_actor self;
    crdt_actor lineage;
    bool lineage_known;
    bool learn; /* who we are and in which lineage is to be asked of the node */
    bool learning;
    bool allowed;
    bool leaving;
    bool told_stale; /* on_change is due */
    bool all_told;   /* that all is saved was told */
    bool checked;    /* what is at the builder server may be replaced */
    crdt_version doc;
    crdt_version loaded; /* as it was loaded: nothing to save yet */
    bool told_digest;    /* `told` is what another saved, too long to be told whole */
    crdt_digest told;
    save_place places[SAVE_PLACES];
    char project[128]; /* where manifests go; "": not known yet */
    bool project_given;
    bool project_none; /* neither given nor named by the deployed scene */
    char **headers;
    save_request requests[SAVE_REQUESTS_MAX];
    size_t request_count;
    crdt_buf image;
    bool image_due;
    save_rival *rivals;
    size_t rival_count;
    crdt_actor last_saver;
    char used_project[128]; /* where the last manifest went; "": none did */
};

/* Milliseconds of a clock that goes on, and Unix time. */
uint64_t worker_save_now_ms(void);
uint64_t worker_save_wall_ms(void);
/* Lists of texts that end with NULL; NULL is the empty one. Copy: NULL also where there is
 * no memory. */
void worker_save_free_texts(char **texts);
char **worker_save_copy_texts(char *const *texts);

/* ---- under the mutex ---- */

bool worker_save_holds_all(const worker_save *save, int index);
/* Is there anything that has to be saved there: more than is saved, and than was loaded? */
bool worker_save_is_due(const worker_save *save, int index);
/* Could this worker save to the builder? */
bool worker_save_can(const worker_save *save);
/* Who saves to the builder; false: nobody can. */
bool worker_save_chosen(const worker_save *save, crdt_actor *chosen);
/* Is it for this worker to save there? */
bool worker_save_is_mine(const worker_save *save, int index);
bool worker_save_all_saved(const worker_save *save);
/* Nothing has to be saved anywhere. */
bool worker_save_at_rest(const worker_save *save);
worker_save_state worker_save_state_of(const worker_save *save);
/* The place that is spoken of: the builder where there is one. */
int worker_save_main_place(const worker_save *save);
const char *worker_save_where(const worker_save *save, int index);
/* Why nothing can be saved at all; NULL: something can. */
const char *worker_save_why_off(const worker_save *save);

/* The document or what is saved has changed: note for each place whether all is there. */
void worker_save_note_change(worker_save *save);

/* The thread. */
void *worker_save_run(void *save);

#endif /* CLI_WORKER_SAVE_IMPL_H */
