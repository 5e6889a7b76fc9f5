#include "sync/sim_impl.h"

#include "crdt/value.h"
#include "sync/message.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define LINK_RETRY_MS 200u
#define DEPS_MAX 1024u
#define INBOX_PUBLICATIONS_MAX 16u /* as deep as nng's queue is */
#define INBOX_MAX 1024u
#define WALL_BEGIN_MS UINT64_C(1600000000000)

/* ---- luck ---- */

uint64_t sim_luck(sync_sim *sim, uint32_t index)
{
    sync_sim_random luck = {sim->o.seed ^ (UINT64_C(0x517cc1b727220a95) * (index + 1))};
    luck.state = sync_sim_random_next(&luck) ^ ++sim->places[index].draws;
    return sync_sim_random_next(&luck);
}

uint64_t sim_luck_below(sync_sim *sim, uint32_t index, uint64_t bound)
{
    return bound == 0 ? 0 : sim_luck(sim, index) % bound;
}

crdt_actor sim_random_actor(sync_sim *sim, uint32_t index)
{
    crdt_actor actor;
    uint64_t words[2] = {sim_luck(sim, index), sim_luck(sim, index)};
    memcpy(actor.bytes, words, sizeof actor.bytes);
    return actor;
}

uint64_t sim_wall_ms(const sync_sim *sim, const sim_place *place)
{
    return WALL_BEGIN_MS + sim->now_ms + (uint64_t)place->wall_offset_ms;
}

/* ---- one step ---- */

static void fold_event(sync_sim *sim, uint32_t index, const sync_replica_event *event)
{
    sync_sim_log_fold(&sim->log, sim->now_ms << 16 | index << 8 | event->kind);
    sync_sim_log_fold(&sim->log, event->token ^ event->sequence << 32 ^ event->peer);
    sync_sim_log_fold_bytes(&sim->log, event->bytes);
}

static void fold_effects(sync_sim *sim, uint32_t index, const sync_effects *effects)
{
    crdt_digest digest = crdt_document_digest(sim->places[index].doc);
    sync_sim_log_fold(&sim->log, digest.low ^ digest.high);
    sync_sim_log_fold(&sim->log, effects->append_count << 48 |
                                     effects->publish_count << 32 |
                                     effects->request_count << 16 |
                                     effects->reply_count << 8 | effects->notice_count);
}

void sim_step(sync_sim *sim, uint32_t index, sync_replica_event event)
{
    sim_place *place = &sim->places[index];
    uint32_t state = sync_replica_state(place->replica);
    sync_effects effects;
    event.now_ms = sim->now_ms;
    event.wall_ms = sim_wall_ms(sim, place);
    fold_event(sim, index, &event);
    crdt_err err = sync_replica_step(place->replica, &event, &effects);
    if (err != CRDT_OK) {
        sim_fail(sim, "place %u: a step failed: %s", index, crdt_err_name(err));
    }
    fold_effects(sim, index, &effects);
    sync_sim_log_cover(&sim->log, state, &event, &effects);
    sim_check_claims(sim, index, &effects);
    sim_perform(sim, index, &effects);
    if (place->running) { /* its disk may have failed */
        sim_check_place(sim, index);
    }
}

/* ---- starting ---- */

static void tell_change(void *ctx, const crdt_batch *batch)
{
    const sim_place *place = ctx;
    const sync_sim_hooks *hooks = &place->sim->o.hooks;
    hooks->changed(hooks->ctx, place->index, batch, false);
}

/* What the disk holds, in a document. */
static crdt_err load(sync_sim *sim, sim_place *place, uint64_t *reached)
{
    crdt_document_options options = crdt_document_options_default();
    crdt_diag diag = {0};
    uint64_t former = place->disk.token;
    options.alloc = sim->alloc;
    sim_must(crdt_document_open(&place->doc, &options) == CRDT_OK);
    sim_must(crdt_deps_open(&place->deps, sim->alloc, DEPS_MAX) == CRDT_OK);
    crdt_err err = sync_sim_disk_open(&place->disk, place->doc, place->deps,
                                      sim_luck(sim, place->index), &diag);
    if (err == CRDT_OK) {
        *reached = place->disk.group;
        place->proven = place->proof_token == former && *reached >= place->proof_group;
        place->proof_token = place->disk.token;
        place->proof_group = *reached;
        place->proof_group_synced = *reached;
        return CRDT_OK;
    }
    sim_trace(sim, place->index, "does not start: %s", diag.text);
    if (!place->disk.lied) {
        sim_fail(sim, "place %u: its disk does not come back: %s %s", place->index,
                 crdt_err_name(err), diag.text);
    }
    crdt_document_close(place->doc);
    crdt_deps_close(place->deps);
    place->doc = NULL;
    place->deps = NULL;
    return err;
}

static void open_replica(sync_sim *sim, sim_place *place)
{
    sync_replica_options options = sim->o.replica;
    options.alloc = sim->alloc;
    options.doc = place->doc;
    options.deps = place->deps;
    options.nonce = sim_luck(sim, place->index);
    options.seed = sim_luck(sim, place->index);
    options.now_ms = sim->now_ms;
    if (sim->o.hooks.changed != NULL) {
        options.on_change = tell_change;
        options.change_ctx = place;
    }
    sim_must(sync_sim_disk_meta(&place->disk, &options.meta) == CRDT_OK);
    sim_must(sync_replica_open(&place->replica, &options) == CRDT_OK);
}

crdt_err sync_sim_start_place(sync_sim *sim, uint32_t index, sync_sim_start how)
{
    sim_place *place = &sim->places[index];
    uint64_t reached = 0;
    assert(!place->running);
    sim_control(sim, index, 'S');
    crdt_err err = load(sim, place, &reached);
    if (err != CRDT_OK) {
        return err;
    }
    sync_sim_log_fold(&sim->log, reached);
    if (how == SYNC_SIM_FRESH || !place->disk.actor_known ||
        (how == SYNC_SIM_PROVE && !place->proven)) {
        crdt_actor actor = sim_random_actor(sim, index);
        sync_sim_disk_set_actor(&place->disk, &actor);
    }
    if (sim->o.hooks.opened != NULL) {
        sim->o.hooks.opened(sim->o.hooks.ctx, index, place->doc);
    }
    open_replica(sim, place);
    place->running = true;
    place->life++;
    place->wake_at_ms = sim->now_ms;
    place->traced = (sync_replica_counts){0};
    /* As the node does: others hear of this start once it is on disk. */
    sim_step(sim, index, (sync_replica_event){.kind = SYNC_ON_TICK});
    sim_flush(sim, index);
    char url[32];
    if (place->running && place->dialable) {
        sim_step(sim, index,
                 (sync_replica_event){.kind = SYNC_ON_URL,
                                      .url = sim_url_of_place(index, url)});
    }
    for (uint32_t other = 0; other < sim->o.place_count && place->running; other++) {
        if (place->configured[other]) {
            sim_step(sim, index,
                     (sync_replica_event){.kind = SYNC_ON_ADD_PEER,
                                          .url = sim_url_of_place(other, url)});
        }
    }
    return place->running ? CRDT_OK : CRDT_EIO;
}

/* ---- ending ---- */

static void links_down(sync_sim *sim, uint32_t index)
{
    for (uint32_t other = 0; other < sim->o.place_count; other++) {
        sim_place *dialler = &sim->places[other];
        for (size_t i = 0; i < dialler->link_count && dialler->running; i++) {
            sim_link *link = &dialler->links[i];
            if (link->target != index || !link->up) {
                continue;
            }
            link->up = false;
            sync_sim_packet timer = {.kind = SYNC_SIM_LINK_DOWN,
                                     .at_ms = sim->now_ms + 1,
                                     .to = other,
                                     .to_life = dialler->life,
                                     .link = link->number};
            sim_must(sync_sim_net_schedule(&sim->net, &timer) == CRDT_OK);
            sim_schedule_link(sim, other, link->number, LINK_RETRY_MS);
        }
    }
}

void sim_halt(sync_sim *sim, uint32_t index)
{
    sim_place *place = &sim->places[index];
    if (!place->running) {
        return;
    }
    if (sim->o.hooks.closing != NULL) {
        sim->o.hooks.closing(sim->o.hooks.ctx, index, place->doc);
    }
    place->running = false;
    place->stalled = false;
    for (size_t i = 0; i < place->inbox_count; i++) {
        sync_sim_net_free(&sim->net, &place->inbox[i]);
    }
    place->inbox_count = 0;
    place->unacked_count = 0;
    sync_replica_close(place->replica);
    crdt_document_close(place->doc);
    crdt_deps_close(place->deps);
    place->replica = NULL;
    place->doc = NULL;
    place->deps = NULL;
    place->link_count = 0;
    links_down(sim, index);
}

/* Does another running place have it, so that it will come back? */
static bool is_shared(const sync_sim *sim, const sync_sim_batch *batch)
{
    for (uint32_t i = 0; i < sim->o.place_count; i++) {
        const sim_place *place = &sim->places[i];
        if (i != batch->place && place->running &&
            crdt_version_covers(sync_replica_version(place->replica), &batch->last)) {
            return true;
        }
    }
    return false;
}

/* What the disk does not hold any more, beyond the group `reached`. */
static void note_gone(sync_sim *sim, uint32_t index, uint64_t reached)
{
    const sim_place *place = &sim->places[index];
    for (size_t i = sim->batch_count; i > 0; i--) {
        sync_sim_batch *batch = &sim->batches[i - 1];
        bool there = batch->group > 0 && batch->group <= reached;
        if (batch->place != index || batch->lost || there ||
            batch->group == UINT64_MAX) {
            continue;
        }
        if (!batch->durable) {
            batch->lost = true;
            continue;
        }
        if (!place->disk.lied) {
            sim_fail(sim, "place %u: group %" PRIu64 " was acknowledged, and is gone",
                     index, batch->group);
        }
        batch->excused = batch->excused || !is_shared(sim, batch);
    }
}

static void crash(sync_sim *sim, uint32_t index, sync_sim_remains how)
{
    sim_place *place = &sim->places[index];
    sync_sim_random luck = {sim_luck(sim, index)};
    uint64_t reached = 0;
    uint64_t torn = 0;
    sync_sim_disk_crash(&place->disk, how, &luck, &reached, &torn);
    sync_sim_log_fault(&sim->log, SYNC_SIM_FAULT_TEAR, torn);
    if (place->disk.damaged && !place->disk.lied) {
        sim_fail(sim, "place %u: a crash left a damaged store", index);
    }
    if (how != SYNC_SIM_REMAINS_ALL && luck.state % 2 == 0) {
        place->proof_group = place->proof_group_synced; /* it was never synced */
    }
    note_gone(sim, index, reached);
    sim_halt(sim, index);
}

void sync_sim_crash(sync_sim *sim, uint32_t index, bool torn_kept)
{
    if (sim->places[index].running) {
        sim_trace(sim, index, "crashes");
        sim_control(sim, index, 'C');
        sync_sim_log_fault(
            &sim->log, torn_kept ? SYNC_SIM_FAULT_KILL : SYNC_SIM_FAULT_POWER_CUT, 1);
        crash(sim, index, torn_kept ? SYNC_SIM_REMAINS_ALL : SYNC_SIM_REMAINS_SYNCED);
    }
}

void sync_sim_cut_power(sync_sim *sim, uint32_t index)
{
    if (sim->places[index].running) {
        sim_trace(sim, index, "loses power");
        sim_control(sim, index, 'P');
        sync_sim_log_fault(&sim->log, SYNC_SIM_FAULT_POWER_CUT, 1);
        crash(sim, index, SYNC_SIM_REMAINS_TORN);
    }
}

void sync_sim_stop(sync_sim *sim, uint32_t index)
{
    sim_place *place = &sim->places[index];
    sync_sim_stall(sim, index, false);
    while (place->running && (!sync_sim_disk_settled(&place->disk) ||
                              place->disk.syncing || place->disk.meta_queued)) {
        sync_sim_run(sim, 1);
    }
    if (place->running) {
        sim_control(sim, index, 'E');
        sim_step(sim, index, (sync_replica_event){.kind = SYNC_ON_LEAVE});
        sim_trace(sim, index, "stops");
        place->proof_group_synced = place->proof_group;
        sync_sim_random luck = {0};
        uint64_t reached;
        uint64_t torn;
        sync_sim_disk_crash(&place->disk, SYNC_SIM_REMAINS_ALL, &luck, &reached, &torn);
        sim_halt(sim, index);
    }
}

/* ---- the disk ---- */

void sim_end_sync(sync_sim *sim, uint32_t index)
{
    sim_place *place = &sim->places[index];
    sync_sim_disk *disk = &place->disk;
    uint64_t stored = disk->written;
    bool lies = disk->lies && !disk->to_tables;
    sim->log.counts.syncs++;
    crdt_err err = sync_sim_disk_end(disk);
    if (err == CRDT_EIO) {
        sync_sim_log_fault(&sim->log, SYNC_SIM_FAULT_FAIL, 1);
        sim_trace(sim, index, "cannot write, and ends");
        crash(sim, index, SYNC_SIM_REMAINS_TORN);
        return;
    }
    sim_must(err == CRDT_OK);
    sync_sim_log_fault(&sim->log, SYNC_SIM_FAULT_LIE, lies ? 1 : 0);
    place->proof_group = disk->group_last;
    size_t kept = 0;
    for (size_t i = 0; i < place->unacked_count; i++) {
        sync_sim_batch *batch = &sim->batches[place->unacked[i]];
        if (batch->group != 0) {
            batch->durable = true;
        } else {
            place->unacked[kept++] = place->unacked[i];
        }
    }
    place->unacked_count = kept;
    sim_begin_sync(sim, index);
    sim_step(sim, index,
             (sync_replica_event){.kind = SYNC_ON_STORED, .sequence = stored});
}

void sim_flush(sync_sim *sim, uint32_t index)
{
    const sim_place *place = &sim->places[index];
    while (place->running && place->disk.syncing) {
        sim_end_sync(sim, index);
    }
}

/* The place has another disk now: which batches lie there is not known. */
static void forget_disk(sync_sim *sim, uint32_t index)
{
    for (size_t i = 0; i < sim->batch_count; i++) {
        sync_sim_batch *batch = &sim->batches[i];
        if (batch->place == index && batch->group != UINT64_MAX) {
            batch->group = UINT64_MAX;
            batch->excused =
                batch->excused || (batch->durable && !is_shared(sim, batch));
        }
    }
}

void sync_sim_copy_disk(sync_sim *sim, uint32_t from, uint32_t to)
{
    assert(!sim->places[to].running);
    sim_control(sim, to, 'Y');
    sync_sim_log_fault(&sim->log, SYNC_SIM_FAULT_COPY, 1);
    if (from != to) {
        forget_disk(sim, to);
        sim_must(sync_sim_disk_copy(&sim->places[to].disk, &sim->places[from].disk) ==
                 CRDT_OK);
        sim->places[to].proof_token = 0; /* another file: nothing is known of it */
    }
}

void sync_sim_save_disk(sync_sim *sim, uint32_t index)
{
    sim_place *place = &sim->places[index];
    if (!place->has_saved) {
        sim_must(sync_sim_disk_init(&place->saved, sim->alloc, sim->o.journal_size) ==
                 CRDT_OK);
        place->has_saved = true;
    }
    sim_must(sync_sim_disk_copy(&place->saved, &place->disk) == CRDT_OK);
}

void sync_sim_restore_disk(sync_sim *sim, uint32_t index)
{
    sim_place *place = &sim->places[index];
    assert(!place->running);
    if (place->has_saved) {
        sim_control(sim, index, 'R');
        sync_sim_log_fault(&sim->log, SYNC_SIM_FAULT_SET_BACK, 1);
        forget_disk(sim, index);
        sim_must(sync_sim_disk_copy(&place->disk, &place->saved) == CRDT_OK);
    }
}

void sync_sim_replace_disk(sync_sim *sim, uint32_t index)
{
    sim_place *place = &sim->places[index];
    assert(!place->running);
    sim_control(sim, index, 'N');
    forget_disk(sim, index);
    sync_sim_disk_clear(&place->disk);
    place->proof_token = 0;
}

void sync_sim_set_disk(sync_sim *sim, uint32_t index, sync_sim_disk_mood mood)
{
    sim->places[index].disk.fails = mood == SYNC_SIM_DISK_FAILS;
    sim->places[index].disk.lies = mood == SYNC_SIM_DISK_LIES;
    sim_control(sim, index, 'D');
}

void sync_sim_checkpoint(sync_sim *sim, uint32_t index)
{
    sim_place *place = &sim->places[index];
    if (place->running && sync_sim_disk_settled(&place->disk) && !place->disk.syncing &&
        crdt_document_version(place->doc)->stamp_count > 0) {
        sim_control(sim, index, 'K');
        sim_must(sync_sim_disk_checkpoint(&place->disk, place->doc, place->deps) ==
                 CRDT_OK);
        place->proof_group = place->disk.group_last;
    }
}

void sync_sim_trim(sync_sim *sim, uint32_t index, size_t keep)
{
    if (sim->places[index].running) {
        sim_control(sim, index, 'T');
        sync_sim_log_fault(&sim->log, SYNC_SIM_FAULT_TRIM, 1);
        crdt_document_trim_log(sim->places[index].doc, keep);
    }
}

/* ---- editing ---- */

static void note_batch(sync_sim *sim, sim_place *place, const crdt_batch *batch)
{
    sim->batches = sim_grow(sim, sim->batches, sim->batch_count, &sim->batch_capacity,
                            sizeof *sim->batches);
    place->unacked = sim_grow(sim, place->unacked, place->unacked_count,
                              &place->unacked_capacity, sizeof *place->unacked);
    place->unacked[place->unacked_count++] = sim->batch_count;
    sync_sim_batch *item = &sim->batches[sim->batch_count++];
    *item = (sync_sim_batch){.place = place->index,
                             .last = {crdt_batch_last_time(batch), batch->actor}};
    crdt_buf_init(&item->bytes, sim->alloc);
    sim_must(crdt_batch_encode(batch, NULL, &item->bytes) == CRDT_OK);
}

static crdt_err commit(sync_sim *sim, uint32_t index, crdt_edit edit,
                       const crdt_op *ops, size_t op_count, bool housekeep)
{
    sim_place *place = &sim->places[index];
    assert(place->running);
    edit.actor = sync_replica_actor(place->replica);
    edit.wall_ms = sim_wall_ms(sim, place);
    crdt_batch batch;
    crdt_arena_reset(&place->arena);
    sim->log.counts.edits++;
    crdt_err err = housekeep ? crdt_document_housekeep(place->doc, &edit, NULL,
                                                       &place->arena, &batch, NULL)
                             : crdt_document_commit(place->doc, &edit, ops, op_count,
                                                    &place->arena, &batch, NULL);
    if (err == CRDT_OK) {
        note_batch(sim, place, &batch);
        sim_trace(sim, index, "commits %zu at %llu", batch.op_count,
                  (unsigned long long)crdt_batch_first_time(&batch));
        if (sim->o.hooks.changed != NULL) {
            sim->o.hooks.changed(sim->o.hooks.ctx, index, &batch, true);
        }
        sim_step(sim, index,
                 (sync_replica_event){.kind = SYNC_ON_LOCAL, .batch = &batch});
    }
    return err;
}

/* The same batch everywhere: in the list of batches it stands once. */
crdt_err sync_sim_import(sync_sim *sim, uint32_t index, const crdt_batch *batch)
{
    sim_place *place = &sim->places[index];
    crdt_stamp last = {crdt_batch_last_time(batch), batch->actor};
    assert(place->running);
    crdt_err err = crdt_document_apply(place->doc, batch, NULL);
    if (err != CRDT_OK) {
        return err;
    }
    bool known = false;
    for (size_t i = 0; i < sim->batch_count && !known; i++) {
        known = crdt_stamp_compare(&sim->batches[i].last, &last) == 0;
    }
    if (!known) { /* whoever begins with that scene has it: no disk can lose it */
        note_batch(sim, place, batch);
        place->unacked_count--;
        sim->batches[sim->batch_count - 1].group = UINT64_MAX;
        sim->batches[sim->batch_count - 1].durable = true;
    }
    sim_trace(sim, index, "imports %zu", batch->op_count);
    if (sim->o.hooks.changed != NULL) {
        sim->o.hooks.changed(sim->o.hooks.ctx, index, batch, false);
    }
    sim_step(sim, index, (sync_replica_event){.kind = SYNC_ON_LOCAL, .batch = batch});
    return CRDT_OK;
}

crdt_err sync_sim_commit(sync_sim *sim, uint32_t index, const crdt_op *ops,
                         size_t op_count)
{
    return commit(sim, index, (crdt_edit){0}, ops, op_count, false);
}

crdt_err sync_sim_commit_as(sync_sim *sim, uint32_t index, const crdt_edit *edit,
                            const crdt_op *ops, size_t op_count)
{
    return commit(sim, index, *edit, ops, op_count, false);
}

crdt_err sync_sim_housekeep(sync_sim *sim, uint32_t index)
{
    return commit(sim, index, (crdt_edit){0}, NULL, 0, true);
}

void sync_sim_set(sync_sim *sim, uint32_t index, const char *object, const char *field,
                  int64_t value)
{
    crdt_buf bytes;
    crdt_buf_init(&bytes, sim->alloc);
    sim_must(crdt_value_write_integer(&bytes, value) == CRDT_OK);
    crdt_span o = crdt_span_of(object);
    crdt_span p = crdt_span_of("part");
    crdt_op ops[3] = {
        {.kind = CRDT_OP_ADD, .key = crdt_key_object(o)},
        {.kind = CRDT_OP_ADD, .key = crdt_key_part(o, p)},
        {.kind = CRDT_OP_SET,
         .key = crdt_key_field(o, p, crdt_span_of(field)),
         .value = crdt_buf_span(&bytes)},
    };
    sync_sim_commit(sim, index, ops, 3);
    crdt_buf_deinit(&bytes);
}

void sync_sim_remove(sync_sim *sim, uint32_t index, const char *object)
{
    crdt_op op = {.kind = CRDT_OP_REMOVE, .key = crdt_key_object(crdt_span_of(object))};
    sync_sim_commit(sim, index, &op, 1);
}

/* ---- clocks, slow readers, other programs ---- */

void sync_sim_jump_clock(sync_sim *sim, uint32_t index, int64_t ms)
{
    sim_place *place = &sim->places[index];
    sim_control(sim, index, 'J');
    sync_sim_log_fault(&sim->log, SYNC_SIM_FAULT_JUMP, 1);
    place->wall_offset_ms = (int64_t)((uint64_t)place->wall_offset_ms + (uint64_t)ms);
}

void sim_keep_for_later(sync_sim *sim, sync_sim_packet *packet)
{
    sim_place *place = &sim->places[packet->to];
    size_t publications = 0;
    for (size_t i = 0; i < place->inbox_count; i++) {
        publications += place->inbox[i].kind == SYNC_SIM_PUBLICATION ? 1 : 0;
    }
    if (place->inbox_count >= INBOX_MAX || (packet->kind == SYNC_SIM_PUBLICATION &&
                                            publications >= INBOX_PUBLICATIONS_MAX)) {
        sync_sim_log_fault(&sim->log, SYNC_SIM_FAULT_OVERFLOW, 1);
        sync_sim_net_free(&sim->net, packet);
        return;
    }
    place->inbox = sim_grow(sim, place->inbox, place->inbox_count,
                            &place->inbox_capacity, sizeof *place->inbox);
    place->inbox[place->inbox_count++] = *packet;
}

void sync_sim_stall(sync_sim *sim, uint32_t index, bool stalled)
{
    sim_place *place = &sim->places[index];
    if (!place->running || place->stalled == stalled) {
        return;
    }
    sim_control(sim, index, stalled ? 'Z' : 'z');
    sim_trace(sim, index, stalled ? "stalls" : "goes on");
    place->stalled = stalled;
    if (stalled) {
        sync_sim_log_fault(&sim->log, SYNC_SIM_FAULT_STALL, 1);
    }
    for (size_t i = 0; i < place->inbox_count; i++) {
        place->inbox[i].at_ms = sim->now_ms;
        sim_must(sync_sim_net_put(&sim->net, &place->inbox[i]) == CRDT_OK);
    }
    place->inbox_count = 0;
}

void sync_sim_set_protocol(sync_sim *sim, uint32_t index, uint32_t ahead)
{
    assert(!sim->places[index].running);
    sim_control(sim, index, 'V');
    sim->places[index].protocol = ahead;
}
