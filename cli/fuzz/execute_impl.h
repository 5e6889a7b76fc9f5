#ifndef CLI_FUZZ_EXECUTE_IMPL_H
#define CLI_FUZZ_EXECUTE_IMPL_H

/* What the files execute*.c share: one run under way. */

#include "cli/fuzz/execute.h"
#include "cli/fuzz/full_history.h"
#include "scene/edit.h"
#include "sync/sim_world.h"

/* An edit of a field of its own, to be found again in the end. */
typedef struct fuzz_trial {
    uint32_t place;
    uint32_t number; /* what it wrote, and where */
    size_t batch;
    bool excused; /* the only disk that had it was set back */
} fuzz_trial;

typedef struct fuzz_run {
    const fuzz_plan *plan;
    sync_sim *sim;
    FILE *trace;
    fuzz_counts *counts;
    fuzz_verdict *verdict;
    fuzz_full_history *history;
    size_t batches_known; /* of the simulated world, in `history` */
    fuzz_network network;
    bool
        forked; /* some disk is copied or set back unnoticed: actors have two histories */
    uint64_t set_back; /* places whose disk lost something, a bit each */
    uint64_t saved;    /* places that have a saved disk */
    char presence[FUZZ_PLACES_MAX][16];

    /* The batch that is being put together. */
    bool pending;
    bool pending_scene; /* by intentions, else by operations */
    uint32_t pending_place;
    crdt_op_list ops;
    scene_edit edit;

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
void fuzz_run_housekeep(fuzz_run *run, uint32_t place);
void fuzz_run_commit(fuzz_run *run);
/* Take new batches of the world into the history. */
void fuzz_run_note_batches(fuzz_run *run);
/* The field of its own that a trial wrote. */
bool fuzz_run_has_trial(const fuzz_run *run, uint32_t place, const fuzz_trial *trial);

/* execute_quiet.c: end all faults; all must be well. `last`: wait for silence too. */
bool fuzz_run_quiet(fuzz_run *run, bool last);
/* Is the document of a running place what the full history says? */
bool fuzz_run_compare(fuzz_run *run, uint32_t place);

#endif /* CLI_FUZZ_EXECUTE_IMPL_H */
