#include "cli/fuzz/execute_impl.h"

#include <stdlib.h>

/* What must hold when nothing disturbs any more.
 *
 *   liveness     all are equal within so many beacon periods, say so, and fall silent
 *   truth        each is what the full history says, conflicts and all
 *   snapshots    of equal documents are equal to the byte, and their trees are trees
 *   durability   no acknowledged edit is gone
 *   calm         no alarm goes off where nothing was wrong
 *   live         an edit then reaches all at once and once, and nobody has to ask for it
 *   presence     each knows what the others told last
 *   housekeeping leaves nothing that a fresh document would not have */

#define EQUAL_MS_MAX 30000u
#define FORKED_MS 10000u
#define FORKED_MS_MAX 60000u
#define FORKED_STEP_MS 100u
#define CONTENT_MS_MAX 4000u
#define SILENCE_MS 10000u
#define BEACONS_MAX 13u /* in SILENCE_MS, and some for luck */

/* The batches that a crash took never were. */
static void note_losses(fuzz_run *run)
{
    size_t count = 0;
    const sync_sim_batch *batches = sync_sim_batches(run->sim, &count);
    while (run->batches_settled < count && (batches[run->batches_settled].durable ||
                                            batches[run->batches_settled].lost)) {
        if (batches[run->batches_settled].lost) {
            fuzz_full_history_lose(run->history, run->batches_settled);
        }
        run->batches_settled++;
    }
    for (size_t i = run->batches_settled; i < count; i++) {
        if (batches[i].lost) {
            fuzz_full_history_lose(run->history, i);
        }
    }
}

bool fuzz_run_compare(fuzz_run *run, uint32_t place)
{
    fuzz_finding finding;
    if (run->forked || !sync_sim_running(run->sim, place)) {
        return true;
    }
    run->counts->histories++;
    note_losses(run);
    return fuzz_full_history_check(run->history, sync_sim_document(run->sim, place),
                                   &finding) ||
           fuzz_run_fail(run, finding.oracle, "place %u: %s", place, finding.text);
}

static void end_faults(fuzz_run *run)
{
    sync_sim_set_faults(run->sim,
                        (sync_sim_faults){.delay_ms_min = 1, .delay_ms_max = 5});
    sync_sim_heal_all(run->sim);
    for (uint32_t i = 0; i < run->plan->place_count; i++) {
        sync_sim_set_disk(run->sim, i, SYNC_SIM_DISK_GOOD);
        sync_sim_stall(run->sim, i, false);
        if (run->foreign) { /* all speak one protocol in the end */
            sync_sim_stop(run->sim, i);
            sync_sim_set_protocol(run->sim, i, 0);
        }
        fuzz_run_start(run, i, SYNC_SIM_PROVE);
    }
}

static bool is_anybody_content(const fuzz_run *run)
{
    for (uint32_t i = 0; i < run->plan->place_count; i++) {
        if (sync_sim_running(run->sim, i) &&
            sync_replica_in_sync(sync_sim_replica(run->sim, i))) {
            return true;
        }
    }
    return false;
}

/* Two histories of one actor take their time to be found and healed. Nobody may be content
 * for long meanwhile: in a mesh each hears of each. */
static bool heal_forks(fuzz_run *run)
{
    uint64_t content_ms = 0;
    for (uint64_t ms = 0; ms < FORKED_MS && !run->plan->line; ms += FORKED_STEP_MS) {
        sync_sim_run(run->sim, FORKED_STEP_MS);
        bool wrong = !sync_sim_equal(run->sim) && is_anybody_content(run);
        content_ms = wrong ? content_ms + FORKED_STEP_MS : 0;
        if (content_ms > CONTENT_MS_MAX) {
            return fuzz_run_fail(run, "in sync",
                                 "a place says that it is, and not all are equal");
        }
    }
    return true;
}

/* `took`: virtual time. */
static bool check_equal(fuzz_run *run, uint64_t *took)
{
    if (run->forked && !heal_forks(run)) {
        return false;
    }
    *took =
        sync_sim_run_until_equal(run->sim, run->forked ? FORKED_MS_MAX : EQUAL_MS_MAX);
    if (sync_sim_fault(run->sim)[0] != '\0') {
        return fuzz_run_fail(run, "every step", "%s", sync_sim_fault(run->sim));
    }
    return *took != UINT64_MAX ||
           fuzz_run_fail(run, "liveness", "not equal after %u quiet ms",
                         run->forked ? FORKED_MS_MAX : EQUAL_MS_MAX);
}

/* ---- snapshots and trees ---- */

/* The newest edge of a cycle is the one that is ignored. */
static bool check_cycle(const crdt_document *doc, crdt_object entity)
{
    scene_parent first;
    scene_parent at;
    scene_entity_parent(doc, entity, &first);
    crdt_span name = crdt_document_object_name(doc, entity);
    crdt_span next = first.id;
    for (size_t i = 0; i < FUZZ_STEPS_MAX && !crdt_span_equal(next, name); i++) {
        crdt_object object = crdt_document_find_object(doc, next);
        if (object.id == 0 || !crdt_document_object_live(doc, object)) {
            return false;
        }
        scene_entity_parent(doc, object, &at);
        if (!at.named || crdt_stamp_compare(&at.stamp, &first.stamp) > 0) {
            return false;
        }
        next = crdt_document_object_name(
            doc, crdt_document_find_object(doc, at.id)); /* lasts longer than `at` */
    }
    return crdt_span_equal(next, name);
}

/* One entity is shown where it says, or has a reason not to be. */
static bool check_place(const crdt_document *doc, const scene_place *place)
{
    scene_parent parent;
    crdt_object entity = crdt_document_find_object(doc, place->id);
    scene_entity_parent(doc, entity, &parent);
    bool lives = parent.named && scene_entity_live(doc, parent.id);
    switch (place->repair) {
    case SCENE_REPAIR_NONE:
        return parent.named ? lives && !place->under_root &&
                                  crdt_span_equal(place->parent, parent.id)
                            : place->under_root;
    case SCENE_REPAIR_ORPHAN:
        return parent.named && !lives && place->under_root;
    case SCENE_REPAIR_CYCLE:
        return lives && place->under_root && check_cycle(doc, entity);
    }
    return false;
}

static crdt_err check_tree(const crdt_document *doc, bool *ok)
{
    scene_tree *tree = NULL;
    crdt_err err = scene_tree_open(&tree, crdt_alloc_default());
    if (err == CRDT_OK) {
        err = scene_tree_build(tree, doc);
    }
    *ok = err == CRDT_OK && scene_tree_check(tree, doc);
    size_t index = 0;
    scene_place place;
    while (*ok && scene_tree_next(tree, &index, &place)) {
        size_t depth = 0;
        scene_place at = place;
        *ok = check_place(doc, &place);
        while (*ok && !at.under_root) {
            *ok = scene_tree_find(tree, at.parent, &at) &&
                  ++depth <= scene_tree_count(tree);
        }
    }
    scene_tree_close(tree);
    return err;
}

/* The snapshot that was kept up to date is the one made anew. */
static crdt_err check_kept(fuzz_run *run, uint32_t place, crdt_span anew, bool *ok)
{
    crdt_buf text;
    crdt_buf_init(&text, crdt_alloc_default());
    crdt_err err = scene_snapshot_write(run->snapshots[place], &text);
    *ok = err == CRDT_OK && crdt_span_equal(crdt_buf_span(&text), anew) &&
          scene_tree_check(scene_snapshot_tree(run->snapshots[place]),
                           sync_sim_document(run->sim, place));
    crdt_buf_deinit(&text);
    return err;
}

static bool check_snapshots(fuzz_run *run)
{
    crdt_buf first;
    crdt_buf other;
    bool ok = true;
    crdt_buf_init(&first, crdt_alloc_default());
    crdt_buf_init(&other, crdt_alloc_default());
    for (uint32_t i = 0; i < run->plan->place_count && ok; i++) {
        const crdt_document *doc = sync_sim_document(run->sim, i);
        crdt_buf *text = i == 0 ? &first : &other;
        crdt_buf_clear(text);
        bool tree = false;
        bool kept = false;
        if (scene_materialize(doc, crdt_alloc_default(), text) != CRDT_OK ||
            check_tree(doc, &tree) != CRDT_OK ||
            check_kept(run, i, crdt_buf_span(text), &kept) != CRDT_OK) {
            abort();
        }
        if (!kept) {
            ok = fuzz_run_fail(run, "snapshots",
                               "what place %u kept up to date is not its snapshot", i);
        } else if (!tree) {
            ok = fuzz_run_fail(run, "tree", "place %u shows what is no tree", i);
        } else if (!crdt_span_equal(crdt_buf_span(text), crdt_buf_span(&first))) {
            ok = fuzz_run_fail(run, "snapshots",
                               "places 0 and %u are equal, their snapshots are not", i);
        }
    }
    crdt_buf_deinit(&first);
    crdt_buf_deinit(&other);
    return ok;
}

static bool check_documents(fuzz_run *run)
{
    for (uint32_t i = 0; i < run->plan->place_count; i++) {
        if (!crdt_document_check(sync_sim_document(run->sim, i))) {
            return fuzz_run_fail(run, "invariant",
                                 "the document of place %u contradicts itself", i);
        }
        if (!fuzz_run_compare(run, i)) {
            return false;
        }
    }
    return true;
}

/* ---- nothing acknowledged is gone ---- */

static bool check_acknowledged(fuzz_run *run)
{
    size_t count = 0;
    const sync_sim_batch *batches = sync_sim_batches(run->sim, &count);
    const crdt_version *version = crdt_document_version(sync_sim_document(run->sim, 0));
    for (size_t i = 0; i < count && !run->forked; i++) {
        bool excused = i < run->excused_count && run->excused[i];
        if (batches[i].durable && !excused &&
            !crdt_version_covers(version, &batches[i].last)) {
            return fuzz_run_fail(run, "acknowledged",
                                 "acknowledged edit %zu, of place %u, is gone", i,
                                 batches[i].place);
        }
    }
    for (size_t i = 0; i < run->trial_count; i++) {
        const fuzz_trial *trial = &run->trials[i];
        if (batches[trial->batch].durable && !trial->excused &&
            !fuzz_run_has_trial(run, 0, trial)) {
            return fuzz_run_fail(run, "acknowledged",
                                 "acknowledged edit of field f%u, of place %u, is gone",
                                 trial->number, trial->place);
        }
    }
    return true;
}

static bool check_actors(fuzz_run *run)
{
    for (uint32_t i = 0; i < run->plan->place_count; i++) {
        for (uint32_t j = 0; j < i; j++) {
            crdt_actor a = sync_sim_actor(run->sim, i);
            crdt_actor b = sync_sim_actor(run->sim, j);
            if (crdt_actor_equal(&a, &b)) {
                return fuzz_run_fail(run, "identity",
                                     "places %u and %u write as one actor", j, i);
            }
        }
    }
    return true;
}

/* ---- silence ---- */

static bool check_place_silent(fuzz_run *run, uint32_t place,
                               const sync_replica_counts *before)
{
    sync_replica_counts now = sync_replica_count(sync_sim_replica(run->sim, place));
    if (now.asked != before->asked || now.pushed != before->pushed ||
        now.published != before->published || now.relayed != before->relayed ||
        now.beacons - before->beacons > BEACONS_MAX || now.held != 0) {
        return fuzz_run_fail(
            run, "silence",
            "place %u still asks (%llu), pushes (%llu), publishes (%llu), relays "
            "(%llu), holds back (%llu) or has too many beacons (%llu)",
            place, (unsigned long long)(now.asked - before->asked),
            (unsigned long long)(now.pushed - before->pushed),
            (unsigned long long)(now.published - before->published),
            (unsigned long long)(now.relayed - before->relayed),
            (unsigned long long)now.held,
            (unsigned long long)(now.beacons - before->beacons));
    }
    return run->plan->place_count == 1 ||
           sync_replica_in_sync(sync_sim_replica(run->sim, place)) ||
           fuzz_run_fail(run, "silence", "place %u does not say that it is in sync",
                         place);
}

/* Beacons only, once all is said. Where a disk was set back, batches may wait for others
 * that died with it, until they are given up. */
static bool check_silence(fuzz_run *run)
{
    sync_replica_counts before[FUZZ_PLACES_MAX];
    uint32_t count = run->plan->place_count;
    sync_sim_run(run->sim, run->set_back != 0 || run->forked ? 35000 : 5000);
    for (uint32_t i = 0; i < count; i++) {
        before[i] = sync_replica_count(sync_sim_replica(run->sim, i));
    }
    sync_sim_run(run->sim, SILENCE_MS);
    for (uint32_t i = 0; i < count; i++) {
        if (!check_place_silent(run, i, &before[i])) {
            return false;
        }
    }
    return sync_sim_equal(run->sim) ||
           fuzz_run_fail(run, "silence", "places that were equal are so no longer");
}

/* ---- an edit on a network without faults ---- */

#define LIVE_MS 400u
#define LIVE_PLACES 4u
#define SMALL_ACTORS_MAX 6u

static bool check_live_at(fuzz_run *run, uint32_t place, uint32_t author,
                          const sync_replica_counts *before)
{
    sync_replica_counts now = sync_replica_count(sync_sim_replica(run->sim, place));
    const fuzz_plan *plan = run->plan;
    bool direct = !plan->line || plan->place_count == 2;
    const char *what = now.asked != before->asked || now.pushed != before->pushed
                           ? "has to be asked for"
                       : now.published - before->published != (place == author ? 1 : 0)
                           ? "is published another number of times than once"
                       : now.held != 0                                  ? "is held back"
                       : direct && now.duplicates != before->duplicates ? "comes twice"
                                                                        : NULL;
    return what == NULL ||
           fuzz_run_fail(run, "live", "an edit of place %u %s at place %u", author,
                         what, place);
}

/* It reaches all by itself: nobody has to ask, nobody gets it twice. */
static bool check_live(fuzz_run *run)
{
    sync_replica_counts before[FUZZ_PLACES_MAX];
    /* Who cannot be dialled has to push, and is asked by nobody. Where many actors have come
     * and gone, what an edit says to have seen is more than small caches take. */
    const crdt_version *version = crdt_document_version(sync_sim_document(run->sim, 0));
    bool large = run->plan->small && version->stamp_count > SMALL_ACTORS_MAX;
    uint32_t count = run->plan->undialable || large ? 0 : run->plan->place_count;
    for (uint32_t author = 0; author < count && author < LIVE_PLACES; author++) {
        for (uint32_t i = 0; i < count; i++) {
            before[i] = sync_replica_count(sync_sim_replica(run->sim, i));
        }
        fuzz_step step = {.verb = FUZZ_BURST, .place = (uint8_t)author, .n = {1}};
        fuzz_run_burst(run, &step);
        sync_sim_run(run->sim, LIVE_MS);
        if (!sync_sim_equal(run->sim)) {
            return fuzz_run_fail(run, "live", "an edit of place %u does not arrive",
                                 author);
        }
        for (uint32_t i = 0; i < count; i++) {
            if (!check_live_at(run, i, author, &before[i])) {
                return false;
            }
        }
    }
    return true;
}

/* Nothing in such runs is a fault of anybody: no alarm may go off. */
static bool check_calm(fuzz_run *run)
{
    static const struct {
        sync_notice_kind kind;
        const char *text;
    } alarms[] = {{SYNC_NOTICE_FORK, "a fork was reported"},
                  {SYNC_NOTICE_FRESH, "an actor was renewed"},
                  {SYNC_NOTICE_REWRITTEN, "something was written again"},
                  {SYNC_NOTICE_LOST, "something was lost in healing"},
                  {SYNC_NOTICE_DIVERGED, "a divergence was reported"},
                  {SYNC_NOTICE_REFUSED, "something was refused"}};
    size_t count = sizeof alarms / sizeof alarms[0] - (run->foreign ? 1 : 0);
    for (uint32_t i = 0; i < run->plan->place_count && !run->forked; i++) {
        for (size_t j = 0; j < count; j++) {
            if (sync_sim_notices(run->sim, i, alarms[j].kind) > 0) {
                return fuzz_run_fail(run, "calm", "place %u: %s", i, alarms[j].text);
            }
        }
    }
    return true;
}

/* In a mesh each hears each, so knows what the other told last. */
static bool check_presence(fuzz_run *run)
{
    const fuzz_plan *plan = run->plan;
    for (uint32_t i = 0; i < plan->place_count; i++) {
        for (uint32_t j = 0; j < plan->place_count; j++) {
            if (i == j || plan->line || plan->undialable || run->forked ||
                run->presence[j][0] == '\0') {
                continue;
            }
            const char *heard = sync_sim_heard_presence(run->sim, i, j);
            if (strcmp(heard, run->presence[j]) != 0) {
                return fuzz_run_fail(run, "presence",
                                     "place %u told `%s`, place %u knows `%s`", j,
                                     run->presence[j], i, heard);
            }
        }
    }
    return true;
}

/* ---- housekeeping ---- */

/* What shows is as before; nothing hidden, no siblings, no dead keys are left, anywhere.
 *
 * All places are equal, and still an edit may be on its way that none of them has: its author
 * died with his disk, and said it before. It comes first, or it would count as changed. */
static bool check_housekeeping(fuzz_run *run)
{
    uint64_t took = 0;
    sync_sim_settle(run->sim);
    if (!check_equal(run, &took) || !check_documents(run)) {
        return false;
    }
    crdt_document_counts before = crdt_document_count(sync_sim_document(run->sim, 0));
    fuzz_run_housekeep(run, 0);
    if (fuzz_run_failed(run) || !check_equal(run, &took) || !check_snapshots(run)) {
        return false;
    }
    for (uint32_t i = 0; i < run->plan->place_count; i++) {
        if (!fuzz_run_check_kept_house(run, i, &before)) {
            return false;
        }
    }
    return check_documents(run);
}

bool fuzz_run_quiet(fuzz_run *run, bool last)
{
    uint64_t took = 0;
    fuzz_run_commit(run);
    end_faults(run);
    run->counts->quiets++;
    bool ok = check_equal(run, &took);
    if (ok) {
        run->counts->quiet_ms += took;
        run->counts->quiet_ms_max =
            took > run->counts->quiet_ms_max ? took : run->counts->quiet_ms_max;
    }
    ok = ok && check_documents(run) && check_snapshots(run) &&
         check_acknowledged(run) && check_actors(run);
    if (last) {
        ok = ok && (run->forked || check_housekeeping(run)) && check_silence(run) &&
             check_live(run) && check_presence(run) && check_calm(run);
    }
    const fuzz_network *net = &run->network;
    sync_sim_set_faults(run->sim, (sync_sim_faults){.drop_percent = net->loss,
                                                    .duplicate_percent = net->repeats,
                                                    .delay_ms_min = net->delay_from,
                                                    .delay_ms_max = net->delay_to});
    return ok;
}
