#ifndef CLI_FUZZ_EXECUTE_IMPL_H
#define CLI_FUZZ_EXECUTE_IMPL_H

/* What the files execute*.c share: one run under way. */

#include "cli/fuzz/beginning.h"
#include "cli/fuzz/execute.h"
#include "cli/fuzz/full_history.h"
#include "crdt/history.h"
#include "scene/edit.h"
#include "scene/materialize.h"
#include "sync/sim_world.h"

/* An edit of a field of its own, to be found again in the end. */
typedef struct fuzz_trial {
    uint32_t place;
    uint32_t number; /* what it wrote, and where */
    size_t batch;
    bool excused; /* every disk that had it was lost */
} fuzz_trial;

/* Who sits at a place: what was done there, as the history of a store has it, and what was
 * shown before and after it. */
typedef struct fuzz_person fuzz_person;

typedef struct fuzz_run {
    const fuzz_plan *plan;
    sync_sim *sim;
    FILE *trace;
    fuzz_counts *counts;
    fuzz_verdict *verdict;
    const fuzz_beginning *beginning; /* NULL: nothing */
    fuzz_full_history *history;
    size_t batches_known; /* of the simulated world, in `history` */
    bool *excused;        /* of the batches: every disk that had it was lost */
    size_t excused_count;
    size_t batches_settled; /* before this one each is durable or lost */
    fuzz_network network;
    bool
        forked; /* some disk is copied or set back unnoticed: actors have two histories */
    bool foreign;      /* some say what others must refuse */
    bool lies;         /* some disk lies */
    bool undoes;       /* somebody undoes something: people are watched */
    uint64_t set_back; /* places whose disk lost something, a bit each */
    uint64_t saved;    /* places that have a saved disk */
    char presence[FUZZ_PLACES_MAX][16];
    uint32_t presence_number; /* grows with each telling, at whatever place */
    uint32_t told[FUZZ_PLACES_MAX][FUZZ_PLACES_MAX]; /* to the first, of the second */

    /* The batch that is being put together. */
    bool pending;
    bool pending_scene; /* by intentions, else by operations */
    uint32_t pending_place;
    crdt_op_list ops;
    scene_edit edit;
    fuzz_person *people[FUZZ_PLACES_MAX];
    scene_snapshot *snapshots[FUZZ_PLACES_MAX]; /* kept up to date, where it runs */

    fuzz_trial *trials;
    size_t trial_count;
    size_t trial_capacity;
} fuzz_run;

/* Note what is wrong, unless something was before. Always false. */
bool fuzz_run_fail(fuzz_run *run, const char *oracle, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static inline bool fuzz_run_failed(const fuzz_run *run)
{
    return run->verdict->oracle[0] != '\0';
}

/* execute_edit.c: one step that edits; commit what is pending. */
bool fuzz_verb_edits(fuzz_verb verb);
void fuzz_run_edit(fuzz_run *run, const fuzz_step *step);
void fuzz_run_burst(fuzz_run *run, const fuzz_step *step);
void fuzz_run_commit(fuzz_run *run);
/* Take new batches of the world into the history. */
void fuzz_run_note_batches(fuzz_run *run);
/* Commit operations as made for this reason; look before and after. True: something was. */
bool fuzz_run_commit_ops(fuzz_run *run, uint32_t place, const crdt_op *ops,
                         size_t op_count);
/* Bytes that nobody sent reach a place. */
void fuzz_run_forge(fuzz_run *run, const fuzz_step *step);
/* The field of its own that a trial wrote. */
bool fuzz_run_has_trial(const fuzz_run *run, uint32_t place, const fuzz_trial *trial);

/* execute_housekeep.c: clear what conflicts left there; what shows, shows still. */
void fuzz_run_housekeep(fuzz_run *run, uint32_t place);
/* It shows as much as `before`, and nothing is left that does not show. */
bool fuzz_run_check_kept_house(fuzz_run *run, uint32_t place,
                               const crdt_document_counts *before);

/* execute_undo.c: undo or redo what was done last at a place; what the world tells. */
void fuzz_run_undo(fuzz_run *run, uint32_t place, bool redo);
void fuzz_run_opened(void *ctx, uint32_t place, crdt_document *doc);
void fuzz_run_closing(void *ctx, uint32_t place, crdt_document *doc);
void fuzz_run_changed(void *ctx, uint32_t place, const crdt_batch *batch, bool own);
void fuzz_run_noticed(void *ctx, uint32_t place, const sync_notice *notice);
/* Around an edit of the place's own: what shows before it, and after. */
void fuzz_run_before(fuzz_run *run, uint32_t place);
void fuzz_run_after(fuzz_run *run, uint32_t place);
/* Why edits are made from now on; EDIT at the beginning. */
void fuzz_run_set_origin(fuzz_run *run, uint32_t place, crdt_origin origin);
void fuzz_run_close_people(fuzz_run *run);

/* execute.c: the disk of a place that runs no longer is lost, or may have lost something:
 * what no running place has may be gone for good. */
void fuzz_run_excuse(fuzz_run *run, uint32_t place);
/* Start a place that does not run. */
void fuzz_run_start(fuzz_run *run, uint32_t place, sync_sim_start how);

/* execute_quiet.c: end all faults; all must be well. `last`: wait for silence too. */
bool fuzz_run_quiet(fuzz_run *run, bool last);
/* Is the document of a running place what the full history says? */
bool fuzz_run_compare(fuzz_run *run, uint32_t place);

#endif /* CLI_FUZZ_EXECUTE_IMPL_H */
