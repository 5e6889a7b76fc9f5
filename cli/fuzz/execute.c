#include "cli/fuzz/execute_impl.h"

#include <stdarg.h>
#include <stdlib.h>

void fuzz_counts_add(fuzz_counts *sum, const fuzz_counts *more)
{
    sum->runs += more->runs;
    sum->steps += more->steps;
    sum->batches += more->batches;
    sum->undone += more->undone;
    sum->histories += more->histories;
    sum->quiets += more->quiets;
    sum->quiet_ms += more->quiet_ms;
    if (more->quiet_ms_max > sum->quiet_ms_max) {
        sum->quiet_ms_max = more->quiet_ms_max;
    }
    sync_sim_counts_add(&sum->world, &more->world);
    for (size_t i = 0; i < sizeof sum->coverage; i++) {
        sum->coverage[i] |= more->coverage[i];
    }
    sum->hash += more->hash;
}

bool fuzz_run_fail(fuzz_run *run, const char *oracle, const char *format, ...)
{
    fuzz_verdict *verdict = run->verdict;
    if (fuzz_run_failed(run)) {
        return false;
    }
    snprintf(verdict->oracle, sizeof verdict->oracle, "%s", oracle);
    va_list args;
    va_start(args, format);
    vsnprintf(verdict->text, sizeof verdict->text, format, args);
    va_end(args);
    verdict->now_ms = sync_sim_now(run->sim);
    return false;
}

/* ---- beginning and end ---- */

static bool has_step(const fuzz_plan *plan, fuzz_verb from, fuzz_verb to)
{
    for (size_t i = 0; i < plan->step_count; i++) {
        if (plan->steps[i].verb >= from && plan->steps[i].verb <= to) {
            return true;
        }
    }
    return false;
}

/* All have the lineage of the scene, and its template. */
static void begin_scene(fuzz_run *run)
{
    crdt_diag diag = {.text = ""};
    if (run->plan->scene == NULL) {
        return;
    }
    if (fuzz_beginning_read(run->plan->scene, &run->beginning, &diag) != CRDT_OK) {
        fuzz_run_fail(run, "scene", "%s cannot be read: %s", run->plan->scene,
                      diag.text);
        return;
    }
    for (uint32_t i = 0; i < run->plan->place_count; i++) {
        sync_sim_crash(run->sim, i, true);
        sync_sim_set_lineage(run->sim, i, &run->beginning->batch.actor);
        fuzz_run_start(run, i, SYNC_SIM_PROVE);
    }
    fuzz_run_note_batches(run);
}

static void open_world(fuzz_run *run)
{
    const fuzz_plan *plan = run->plan;
    sync_sim_options o = sync_sim_options_default();
    o.seed = plan->seed;
    o.place_count = plan->place_count;
    o.trace = run->trace != NULL;
    o.check = !run->forked;
    o.faults = (sync_sim_faults){.drop_percent = plan->network.loss,
                                 .duplicate_percent = plan->network.repeats,
                                 .delay_ms_min = plan->network.delay_from,
                                 .delay_ms_max = plan->network.delay_to};
    o.disk_ms_max = plan->disk_ms;
    o.coverage = run->counts->coverage;
    o.hooks = (sync_sim_hooks){.ctx = run,
                               .opened = fuzz_run_opened,
                               .closing = fuzz_run_closing,
                               .changed = fuzz_run_changed,
                               .noticed = fuzz_run_noticed};
    o.replica.discover = !plan->no_discover;
    if (plan->small) { /* everything in pieces, caches that overflow */
        o.replica.message_size_max = 4096;
        o.replica.presence_size_max = 512;
        o.replica.held_count_max = 3;
        o.replica.unsent_size_max = 300;
    }
    run->sim = sync_sim_open(&o);
    begin_scene(run);
    if (plan->line) {
        sync_sim_line(run->sim);
    } else {
        sync_sim_mesh(run->sim);
    }
    if (plan->undialable) { /* so it has to push */
        sync_sim_set_dialable(run->sim, plan->place_count - 1, false);
    }
}

static void write_trace(fuzz_run *run)
{
    if (run->trace != NULL) {
        fputs(sync_sim_trace(run->sim), run->trace);
        fflush(run->trace);
    }
}

/* ---- faults ---- */

static bool has_batch(const fuzz_run *run, uint32_t place, const sync_sim_batch *batch)
{
    return sync_sim_running(run->sim, place) &&
           crdt_version_covers(sync_replica_version(sync_sim_replica(run->sim, place)),
                               &batch->last);
}

void fuzz_run_excuse(fuzz_run *run, uint32_t place)
{
    size_t count = 0;
    const sync_sim_batch *batches = sync_sim_batches(run->sim, &count);
    if (count > run->excused_count) {
        run->excused = realloc(run->excused, count * sizeof *run->excused);
        if (run->excused == NULL) {
            abort();
        }
        memset(run->excused + run->excused_count, 0, count - run->excused_count);
        run->excused_count = count;
    }
    for (size_t i = 0; i < count && !run->forked; i++) {
        bool shared = false;
        for (uint32_t p = 0; p < run->plan->place_count && !shared; p++) {
            shared = p != place && has_batch(run, p, &batches[i]);
        }
        run->excused[i] = run->excused[i] || !shared;
    }
    for (size_t i = 0; i < run->trial_count; i++) {
        bool shared = false;
        for (uint32_t p = 0; p < run->plan->place_count && !shared; p++) {
            shared = p != place && sync_sim_running(run->sim, p) &&
                     fuzz_run_has_trial(run, p, &run->trials[i]);
        }
        run->trials[i].excused = run->trials[i].excused || !shared;
    }
}

/* What a worker does that finds its scene empty. */
static void import_beginning(fuzz_run *run, uint32_t place)
{
    const fuzz_beginning *beginning = run->beginning;
    if (beginning == NULL || beginning->batch.op_count == 0) {
        return;
    }
    crdt_stamp last = {crdt_batch_last_time(&beginning->batch), beginning->batch.actor};
    const crdt_version *version =
        crdt_document_version(sync_sim_document(run->sim, place));
    if (!crdt_version_covers(version, &last) &&
        sync_sim_import(run->sim, place, &beginning->batch) != CRDT_OK) {
        fuzz_run_fail(run, "scene", "the template is refused");
    }
}

/* Start it as its store would; on a new disk, where the old one has lost too much. */
void fuzz_run_start(fuzz_run *run, uint32_t place, sync_sim_start how)
{
    if (sync_sim_running(run->sim, place)) {
        return;
    }
    crdt_err err = sync_sim_start_place(run->sim, place, how);
    if (err == CRDT_EIO) { /* the disk is full or broken: make room, or repair it */
        sync_sim_set_disk(run->sim, place, SYNC_SIM_DISK_GOOD);
        err = sync_sim_start_place(run->sim, place, SYNC_SIM_PROVE);
    }
    if (err != CRDT_OK) {
        fuzz_run_excuse(run, place);
        sync_sim_set_disk(run->sim, place, SYNC_SIM_DISK_GOOD);
        sync_sim_replace_disk(run->sim, place);
        sync_sim_start_place(run->sim, place, SYNC_SIM_FRESH);
        run->set_back |= UINT64_C(1) << place;
    }
    import_beginning(run, place);
}

static void replace_disk(fuzz_run *run, const fuzz_step *step)
{
    bool copy = step->verb == FUZZ_COPY || step->verb == FUZZ_TWIN;
    bool old = step->verb == FUZZ_RESTORE || step->verb == FUZZ_SET_BACK;
    if ((copy && step->other == step->place) ||
        (old && (run->saved >> step->place & 1) == 0)) {
        return;
    }
    sync_sim_crash(run->sim, step->place, false);
    fuzz_run_excuse(run, step->place);
    run->set_back |= UINT64_C(1) << step->place;
    if (copy) {
        sync_sim_copy_disk(run->sim, step->other, step->place);
    } else if (old) {
        sync_sim_restore_disk(run->sim, step->place);
    } else {
        sync_sim_replace_disk(run->sim, step->place);
    }
    fuzz_run_start(run, step->place,
                   step->verb == FUZZ_COPY      ? SYNC_SIM_PROVE
                   : step->verb == FUZZ_RESTORE ? SYNC_SIM_FRESH
                                                : SYNC_SIM_KEEP);
}

static void stop_or_start(fuzz_run *run, const fuzz_step *step)
{
    switch (step->verb) {
    case FUZZ_START:
        fuzz_run_start(run, step->place, SYNC_SIM_PROVE);
        break;
    case FUZZ_STOP:
        sync_sim_stop(run->sim, step->place);
        break;
    case FUZZ_CUT_POWER:
        sync_sim_cut_power(run->sim, step->place);
        break;
    case FUZZ_PROTOCOL:
        sync_sim_crash(run->sim, step->place, true);
        sync_sim_set_protocol(run->sim, step->place, step->n[0] % 4);
        fuzz_run_start(run, step->place, SYNC_SIM_PROVE);
        break;
    default:
        sync_sim_crash(run->sim, step->place, step->verb == FUZZ_CRASH_KEPT);
        break;
    }
}

static void set_clock(fuzz_run *run, const fuzz_step *step)
{
    int64_t ms = (int64_t)step->n[0] * 1000;
    sync_sim_jump_clock(run->sim, step->place,
                        step->verb == FUZZ_CLOCK_BACK ? -ms : ms);
}

static void tell_presence(fuzz_run *run, const fuzz_step *step)
{
    if (sync_sim_running(run->sim, step->place)) {
        char *text = run->presence[step->place];
        snprintf(text, sizeof run->presence[0], "at %u", ++run->presence_number);
        sync_sim_presence(run->sim, step->place, text);
    }
}

static void set_network(fuzz_run *run, const fuzz_step *step)
{
    run->network = (fuzz_network){step->n[0], step->n[1], step->n[2], step->n[3]};
    sync_sim_set_faults(run->sim, (sync_sim_faults){.drop_percent = step->n[0],
                                                    .duplicate_percent = step->n[1],
                                                    .delay_ms_min = step->n[2],
                                                    .delay_ms_max = step->n[3]});
}

static void fault_step(fuzz_run *run, const fuzz_step *step)
{
    switch (step->verb) {
    case FUZZ_NETWORK:
        set_network(run, step);
        break;
    case FUZZ_CUT:
        sync_sim_cut(run->sim, step->place, step->other);
        break;
    case FUZZ_CUT_WAY:
        sync_sim_cut_one_way(run->sim, step->place, step->other, true);
        break;
    case FUZZ_HEAL:
        sync_sim_heal(run->sim, step->place, step->other);
        break;
    case FUZZ_HEAL_ALL:
        sync_sim_heal_all(run->sim);
        break;
    case FUZZ_CRASH:
    case FUZZ_CRASH_KEPT:
    case FUZZ_STOP:
    case FUZZ_START:
    case FUZZ_CUT_POWER:
    case FUZZ_PROTOCOL:
        stop_or_start(run, step);
        break;
    case FUZZ_DISK_FAILS:
    case FUZZ_DISK_LIES:
        sync_sim_set_disk(run->sim, step->place,
                          step->verb == FUZZ_DISK_LIES ? SYNC_SIM_DISK_LIES
                                                       : SYNC_SIM_DISK_FAILS);
        break;
    case FUZZ_STALL:
    case FUZZ_GO_ON:
        sync_sim_stall(run->sim, step->place, step->verb == FUZZ_STALL);
        break;
    case FUZZ_CLOCK_AHEAD:
    case FUZZ_CLOCK_BACK:
        set_clock(run, step);
        break;
    case FUZZ_FORGE:
        fuzz_run_forge(run, step);
        break;
    case FUZZ_CHECKPOINT:
        sync_sim_checkpoint(run->sim, step->place);
        break;
    case FUZZ_SAVE_DISK:
        sync_sim_save_disk(run->sim, step->place);
        run->saved |= UINT64_C(1) << step->place;
        break;
    default:
        replace_disk(run, step);
        break;
    }
}

/* ---- steps ---- */

static void carry_out(fuzz_run *run, const fuzz_step *step)
{
    run->counts->steps++;
    if (fuzz_verb_edits(step->verb)) {
        fuzz_run_edit(run, step);
        return;
    }
    fuzz_run_commit(run);
    switch (step->verb) {
    case FUZZ_WAIT:
        sync_sim_run(run->sim, step->n[0]);
        break;
    case FUZZ_QUIET:
        fuzz_run_quiet(run, false);
        break;
    case FUZZ_BURST:
        fuzz_run_burst(run, step);
        break;
    case FUZZ_HOUSEKEEP:
        fuzz_run_housekeep(run, step->place);
        break;
    case FUZZ_TRIM:
        sync_sim_trim(run->sim, step->place, step->n[0]);
        break;
    case FUZZ_PRESENCE:
        tell_presence(run, step);
        break;
    case FUZZ_UNDO:
    case FUZZ_REDO:
        fuzz_run_undo(run, step->place, step->verb == FUZZ_REDO);
        break;
    default:
        fault_step(run, step);
        break;
    }
}

static void say_step(fuzz_run *run, const fuzz_step *step)
{
    if (run->trace != NULL) {
        char text[FUZZ_STEP_TEXT_SIZE];
        fuzz_step_write(step, text);
        fprintf(run->trace, "[%5llu] --- %s\n",
                (unsigned long long)sync_sim_now(run->sim), text);
    }
}

void fuzz_execute(const fuzz_plan *plan, FILE *trace, fuzz_counts *counts,
                  fuzz_verdict *verdict)
{
    fuzz_run run = {.plan = plan,
                    .trace = trace,
                    .counts = counts,
                    .verdict = verdict,
                    .network = plan->network,
                    .forked = has_step(plan, FUZZ_SET_BACK, FUZZ_DISK_LIES),
                    .foreign = has_step(plan, FUZZ_PROTOCOL, FUZZ_FORGE),
                    .lies = has_step(plan, FUZZ_DISK_LIES, FUZZ_DISK_LIES),
                    .undoes = has_step(plan, FUZZ_UNDO, FUZZ_REDO)};
    *verdict = (fuzz_verdict){.oracle = ""};
    run.history = fuzz_full_history_open();
    crdt_op_list_init(&run.ops, crdt_alloc_default());
    open_world(&run);
    bool quiet_last =
        plan->step_count > 0 && plan->steps[plan->step_count - 1].verb == FUZZ_QUIET;
    size_t count = plan->step_count - (quiet_last ? 1 : 0);
    for (size_t i = 0; i < count && !fuzz_run_failed(&run); i++) {
        verdict->step = i;
        say_step(&run, &plan->steps[i]);
        carry_out(&run, &plan->steps[i]);
        if (sync_sim_fault(run.sim)[0] != '\0') {
            fuzz_run_fail(&run, "every step", "%s", sync_sim_fault(run.sim));
        }
        write_trace(&run);
    }
    if (!fuzz_run_failed(&run)) {
        verdict->step = plan->step_count;
        fuzz_run_quiet(&run, true);
        write_trace(&run);
    }
    counts->runs++;
    sync_sim_counts world = sync_sim_count(run.sim);
    sync_sim_counts_add(&counts->world, &world);
    counts->hash += sync_sim_hash(run.sim) * (2 * plan->seed + 1);
    if (run.pending && run.pending_scene) {
        scene_edit_close(&run.edit);
    }
    sync_sim_close(run.sim);
    crdt_op_list_deinit(&run.ops);
    fuzz_full_history_close(run.history);
    free(run.trials);
    free(run.excused);
    fuzz_run_close_people(&run);
}
