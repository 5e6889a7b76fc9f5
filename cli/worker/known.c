#include "cli/worker/known.h"

worker_known *worker_known_open(worker_hub *hub, crdt_span entity)
{
    crdt_alloc alloc = worker_hub_alloc(hub);
    worker_known *known = crdt_allocate(alloc, sizeof *known);
    if (known == NULL) {
        return NULL;
    }
    *known = (worker_known){.entity = worker_hub_hold(hub, entity)};
    if (known->entity == NULL) {
        crdt_free(alloc, known, sizeof *known);
        return NULL;
    }
    return known;
}

static void drop_past(worker_past *past)
{
    worker_blob_drop(past->from);
    worker_blob_drop(past->to);
}

static void drop_pending(worker_pending *pending)
{
    worker_blob_drop(pending->name);
    worker_blob_drop(pending->value);
}

static void clear_part(worker_known_part *part, crdt_alloc alloc)
{
    worker_blob_drop(part->value);
    worker_blob_drop(part->mine);
    for (size_t i = 0; i < part->past_count; i++) {
        drop_past(&part->pasts[i]);
    }
    for (size_t i = 0; i < part->pending_count; i++) {
        drop_pending(&part->pendings[i]);
    }
    crdt_free(alloc, part->pasts, part->past_capacity * sizeof *part->pasts);
    crdt_free(alloc, part->pendings, part->pending_capacity * sizeof *part->pendings);
}

void worker_known_close(worker_known *known, worker_hub *hub)
{
    crdt_alloc alloc = worker_hub_alloc(hub);
    for (size_t i = 0; i < known->part_count; i++) {
        clear_part(&known->parts[i], alloc);
    }
    crdt_free(alloc, known->parts, known->part_capacity * sizeof *known->parts);
    worker_hub_drop(hub, known->entity);
    crdt_free(alloc, known, sizeof *known);
}

worker_known_part *worker_known_find(const worker_known *known, uint32_t type)
{
    for (size_t i = 0; i < known->part_count; i++) {
        if (known->parts[i].type == type) {
            return &known->parts[i];
        }
    }
    return NULL;
}

crdt_err worker_known_reserve(worker_known *known, worker_hub *hub, size_t count)
{
    if (count <= known->part_capacity) {
        return CRDT_OK;
    }
    worker_known_part *parts =
        crdt_resize_array(worker_hub_alloc(hub), known->parts, known->part_capacity,
                          count, sizeof *parts);
    if (parts == NULL) {
        return CRDT_ENOMEM;
    }
    known->parts = parts;
    known->part_capacity = count;
    return CRDT_OK;
}

worker_known_part *worker_known_part_of(worker_known *known, worker_hub *hub,
                                        uint32_t type)
{
    worker_known_part *part = worker_known_find(known, type);
    if (part != NULL) {
        return part;
    }
    if (known->part_count == known->part_capacity &&
        worker_known_reserve(known, hub, known->part_count * 2 + 1) != CRDT_OK) {
        return NULL;
    }
    part = &known->parts[known->part_count++];
    *part = (worker_known_part){.type = type};
    return part;
}

/* What an edit crossed may be shown until it is known to be told anew. */
static bool counts(const worker_known_part *part, const worker_past *past,
                   uint64_t now_ms)
{
    return past->until_ms > now_ms || (part->unsure && past->crossed);
}

static void forget_pasts(worker_known_part *part, uint64_t now_ms)
{
    size_t old = 0;
    while (old < part->past_count && !counts(part, &part->pasts[old], now_ms)) {
        drop_past(&part->pasts[old++]);
    }
    if (old > 0) {
        part->past_count = (uint8_t)(part->past_count - old);
        memmove(part->pasts, part->pasts + old, part->past_count * sizeof *part->pasts);
    }
}

void worker_known_begin(worker_known_part *part, worker_blob *value)
{
    for (size_t i = 0; i < part->past_count; i++) {
        drop_past(&part->pasts[i]);
    }
    part->past_count = 0;
    worker_blob_drop(part->value);
    part->value = value;
    part->unsure = false;
    part->force = false;
}

/* Give back what is not needed. */
static void trim_pasts(worker_known_part *part, crdt_alloc alloc)
{
    if (part->past_count == 0) {
        crdt_free(alloc, part->pasts, part->past_capacity * sizeof *part->pasts);
        part->pasts = NULL;
        part->past_capacity = 0;
    }
}

void worker_known_prune(worker_known *known, worker_hub *hub, uint64_t now_ms)
{
    for (size_t i = known->part_count; i > 0; i--) {
        worker_known_part *part = &known->parts[i - 1];
        forget_pasts(part, now_ms);
        trim_pasts(part, worker_hub_alloc(hub));
        if (part->value == NULL && part->past_count == 0 && part->pending_count == 0 &&
            part->edited == 0 && !part->force && !part->unsure) {
            clear_part(part, worker_hub_alloc(hub));
            *part = known->parts[--known->part_count];
        }
    }
}

bool worker_known_empty(const worker_known *known, uint64_t now_ms)
{
    return !known->shown && !known->queued && !known->settling && !known->force &&
           !known->unsure && known->edited == 0 && known->gone_until_ms <= now_ms &&
           known->part_count == 0;
}

static crdt_err push_past(worker_known_part *part, worker_hub *hub, worker_past past)
{
    if (part->past_count == WORKER_PASTS_MAX) {
        drop_past(&part->pasts[0]);
        part->past_count--;
        memmove(part->pasts, part->pasts + 1, part->past_count * sizeof *part->pasts);
    }
    if (part->past_count == part->past_capacity) {
        size_t capacity = part->past_capacity == 0 ? 1 : part->past_capacity * 2u;
        worker_past *pasts =
            crdt_resize_array(worker_hub_alloc(hub), part->pasts, part->past_capacity,
                              capacity, sizeof *pasts);
        if (pasts == NULL) {
            return CRDT_ENOMEM;
        }
        part->pasts = pasts;
        part->past_capacity = (uint8_t)capacity;
    }
    part->pasts[part->past_count++] = past;
    return CRDT_OK;
}

crdt_err worker_known_got(worker_known_part *part, worker_hub *hub, bool fresh,
                          worker_blob *value, uint64_t now_ms)
{
    forget_pasts(part, now_ms);
    crdt_err err = CRDT_OK;
    if (fresh && part->value != NULL) {
        err = push_past(part, hub,
                        (worker_past){.to = worker_blob_hold(part->value),
                                      .until_ms = now_ms + WORKER_CROSSING_MS,
                                      .whole = true});
        if (err != CRDT_OK) {
            worker_blob_drop(part->value); /* what `to` held */
        }
    }
    worker_blob_drop(part->value);
    worker_blob_drop(part->mine);
    part->value = value;
    part->mine = worker_blob_hold(value);
    part->edited_ms = now_ms;
    for (size_t i = 0; i < part->past_count; i++) {
        part->pasts[i].crossed = true;
    }
    part->unsure = part->unsure || part->past_count > 0 || fresh;
    return err;
}

crdt_err worker_known_told(worker_known_part *part, worker_hub *hub, worker_blob *value,
                           uint64_t now_ms)
{
    forget_pasts(part, now_ms);
    for (size_t i = 0; i < part->past_count; i++) {
        if (part->pasts[i].crossed) { /* it may be shown until this one arrives */
            part->pasts[i].until_ms = now_ms + WORKER_CROSSING_MS;
        }
    }
    crdt_err err = push_past(part, hub,
                             (worker_past){.from = part->value,
                                           .to = worker_blob_hold(value),
                                           .until_ms = now_ms + WORKER_CROSSING_MS});
    if (err != CRDT_OK) {
        worker_blob_drop(value); /* what `to` held, */
        worker_blob_drop(value); /* and what was given */
        return err;
    }
    part->value = value;
    part->unsure = false;
    part->force = false;
    return CRDT_OK;
}

static crdt_span span_of(const worker_blob *blob)
{
    return blob == NULL ? (crdt_span){0} : worker_blob_span(blob);
}

void worker_known_stamp(worker_known_part *part, const crdt_stamp *stamp)
{
    if (part->past_count > 0) {
        part->pasts[part->past_count - 1].stamp = *stamp;
    }
}

/* How many of what it was told, from the oldest on, it had heard when it saw this. */
static size_t heard_count(const worker_known_part *part, const crdt_stamp *seen)
{
    size_t count = seen != NULL && seen->time != 0 ? part->past_count : 0;
    while (count > 0 && crdt_stamp_compare(&part->pasts[count - 1].stamp, seen) != 0) {
        count--;
    }
    return count;
}

worker_crossing *worker_known_crossings(const worker_known_part *part, bool fresh,
                                        const crdt_stamp *seen, crdt_arena *arena,
                                        uint64_t now_ms, size_t *count)
{
    worker_crossing *crossings =
        crdt_arena_alloc(arena, (part->past_count * 2 + 1) * sizeof *crossings);
    *count = 0;
    if (crossings == NULL) {
        return NULL;
    }
    size_t heard = heard_count(part, seen);
    for (size_t i = 0; i < part->past_count; i++) {
        const worker_past *past = &part->pasts[i];
        if (!counts(part, past, now_ms) || i < heard) {
            continue;
        }
        if (!past->whole) {
            crossings[(*count)++] =
                (worker_crossing){.from = span_of(past->from), .to = span_of(past->to)};
        }
        if (past->crossed) {
            crossings[(*count)++] = (worker_crossing){.from = span_of(past->to),
                                                      .to = span_of(part->value)};
        }
    }
    if (fresh) {
        crossings[(*count)++] = (worker_crossing){.to = span_of(part->value)};
    }
    return crossings;
}

static worker_pending *find_pending(worker_known_part *part, crdt_span name)
{
    for (size_t i = 0; i < part->pending_count; i++) {
        if (crdt_span_equal(worker_blob_span(part->pendings[i].name), name)) {
            return &part->pendings[i];
        }
    }
    return NULL;
}

static bool reserve_pending(worker_known_part *part, crdt_alloc alloc)
{
    if (part->pending_count < part->pending_capacity) {
        return true;
    }
    uint32_t capacity = part->pending_capacity * 2 + 2;
    worker_pending *pendings = crdt_resize_array(
        alloc, part->pendings, part->pending_capacity, capacity, sizeof *pendings);
    if (pendings == NULL) {
        return false;
    }
    part->pendings = pendings;
    part->pending_capacity = capacity;
    return true;
}

crdt_err worker_known_pend(worker_known_part *part, worker_hub *hub,
                           const worker_member *field, uint64_t batch)
{
    crdt_alloc alloc = worker_hub_alloc(hub);
    worker_blob *value = NULL;
    if (field->value.data != NULL) {
        value = worker_blob_make(alloc, field->value);
        if (value == NULL) {
            return CRDT_ENOMEM;
        }
    }
    worker_pending *pending = find_pending(part, field->name);
    if (pending != NULL) {
        worker_blob_drop(pending->value);
        pending->value = value;
        pending->batch = batch;
        return CRDT_OK;
    }
    worker_blob *name = worker_blob_make(alloc, field->name);
    if (name == NULL || !reserve_pending(part, alloc)) {
        worker_blob_drop(name);
        worker_blob_drop(value);
        return CRDT_ENOMEM;
    }
    part->pendings[part->pending_count++] =
        (worker_pending){.name = name, .value = value, .batch = batch};
    return CRDT_OK;
}

static void settle_part(worker_known_part *part, crdt_alloc alloc, uint64_t batch)
{
    for (size_t i = part->pending_count; i > 0; i--) {
        if (part->pendings[i - 1].batch <= batch) {
            drop_pending(&part->pendings[i - 1]);
            part->pendings[i - 1] = part->pendings[--part->pending_count];
        }
    }
    if (part->pending_count == 0) {
        crdt_free(alloc, part->pendings,
                  part->pending_capacity * sizeof *part->pendings);
        part->pendings = NULL;
        part->pending_capacity = 0;
    }
    if (part->edited <= batch) {
        part->edited = 0;
    }
}

void worker_known_settle(worker_known *known, worker_hub *hub, uint64_t batch)
{
    for (size_t i = 0; i < known->part_count; i++) {
        settle_part(&known->parts[i], worker_hub_alloc(hub), batch);
    }
    if (known->edited <= batch) {
        known->edited = 0;
    }
}

worker_blob *worker_known_overlay(const worker_known_part *part, worker_hub *hub,
                                  worker_blob *value)
{
    if (part == NULL || part->pending_count == 0 ||
        crdt_value_type_of(worker_blob_span(value)) != CRDT_VALUE_MAP) {
        return worker_blob_hold(value);
    }
    crdt_alloc alloc = worker_hub_alloc(hub);
    crdt_arena arena;
    crdt_buf bytes;
    crdt_arena_init(&arena, alloc);
    crdt_buf_init(&bytes, alloc);
    worker_members members;
    crdt_err err = worker_members_open(&members, &arena, worker_blob_span(value),
                                       part->pending_count);
    for (size_t i = 0; i < part->pending_count && err == CRDT_OK; i++) {
        const worker_pending *pending = &part->pendings[i];
        worker_members_put(&members,
                           &(worker_member){.name = worker_blob_span(pending->name),
                                            .value = span_of(pending->value)});
    }
    if (err == CRDT_OK) {
        err = worker_members_write(&members, &bytes);
    }
    worker_blob *laid =
        err == CRDT_OK ? worker_blob_make(alloc, crdt_buf_span(&bytes)) : NULL;
    crdt_buf_deinit(&bytes);
    crdt_arena_deinit(&arena);
    return laid;
}
