#include "cli/worker/session.h"

#include "cli/worker/session_impl.h"
#include "cli/worker/wording.h"
#include "scene/array.h"

#include <assert.h>
#include <stdio.h>

/* ---- opening and closing ---- */

crdt_err worker_session_open(worker_session **out,
                             const worker_session_options *options)
{
    crdt_alloc alloc = worker_hub_alloc(options->hub);
    worker_session *session = crdt_allocate(alloc, sizeof *session);
    if (session == NULL) {
        return CRDT_ENOMEM;
    }
    *session = (worker_session){.alloc = alloc,
                                .options = *options,
                                .role = options->role,
                                .state = options->state,
                                .tell_welcome = true};
    crdt_arena_init(&session->scratch, alloc);
    crdt_buf_init(&session->notices, alloc);
    session->id = worker_blob_make(alloc, options->id);
    session->name = worker_blob_make(alloc, options->name);
    if (session->id == NULL || session->name == NULL) {
        worker_session_close(session);
        return CRDT_ENOMEM;
    }
    session->options.id = worker_blob_span(session->id);
    session->options.name = worker_blob_span(session->name);
    *out = session;
    return CRDT_OK;
}

static void unhold(worker_session *session)
{
    if (session->held_events > 0) {
        session->options.held->events -= session->held_events;
        session->options.held->size -= session->held_size;
        session->held_events = 0;
        session->held_size = 0;
    }
}

void worker_session_close(worker_session *session)
{
    if (session == NULL) {
        return;
    }
    crdt_alloc alloc = session->alloc;
    worker_hub *hub = session->options.hub;
    for (size_t i = 0; i < session->known_capacity; i++) {
        if (session->known[i] != NULL) {
            worker_known_close(session->known[i], hub);
        }
    }
    if (session->at != NULL) {
        worker_hub_drop(hub, session->at);
    }
    unhold(session);
    while (session->first != NULL) {
        worker_batch *batch = session->first;
        session->first = batch->next;
        worker_batch_close(batch);
    }
    crdt_free(alloc, session->known, session->known_capacity * sizeof *session->known);
    crdt_free(alloc, session->queue, session->queue_capacity * sizeof *session->queue);
    crdt_free(alloc, session->settling,
              session->settling_capacity * sizeof *session->settling);
    worker_blob_drop(session->id);
    worker_blob_drop(session->name);
    worker_blob_drop(session->about);
    crdt_arena_deinit(&session->scratch);
    crdt_buf_deinit(&session->notices);
    crdt_free(alloc, session, sizeof *session);
}

crdt_span worker_session_id(const worker_session *session)
{
    return session->options.id;
}

crdt_span worker_session_name(const worker_session *session)
{
    return session->options.name;
}

bool worker_session_broken(const worker_session *session)
{
    return session->broken;
}

worker_session_counts worker_session_count(const worker_session *session)
{
    return session->counts;
}

/* ---- what is known of entities ---- */

worker_known *worker_session_find(const worker_session *session,
                                  const worker_entity *entity)
{
    return entity->slot < session->known_capacity ? session->known[entity->slot] : NULL;
}

static bool reserve_known(worker_session *session, size_t slot)
{
    if (slot < session->known_capacity) {
        return true;
    }
    size_t capacity = session->known_capacity == 0 ? 64 : session->known_capacity;
    while (capacity <= slot) {
        capacity *= 2;
    }
    worker_known **known =
        crdt_resize_array(session->alloc, session->known, session->known_capacity,
                          capacity, sizeof *known);
    if (known == NULL) {
        return false;
    }
    for (size_t i = session->known_capacity; i < capacity; i++) {
        known[i] = NULL;
    }
    session->known = known;
    session->known_capacity = capacity;
    return true;
}

worker_known *worker_session_known(worker_session *session, crdt_span entity)
{
    worker_hub *hub = session->options.hub;
    worker_entity *there = worker_hub_find(hub, entity);
    worker_known *known = there == NULL ? NULL : worker_session_find(session, there);
    if (known != NULL) {
        return known;
    }
    known = worker_known_open(hub, entity);
    if (known == NULL || !reserve_known(session, known->entity->slot)) {
        if (known != NULL) {
            worker_known_close(known, hub);
        }
        session->broken = true;
        return NULL;
    }
    session->known[known->entity->slot] = known;
    return known;
}

void worker_session_tidy(worker_session *session, worker_known *known, uint64_t now_ms)
{
    worker_known_prune(known, session->options.hub, now_ms);
    if (worker_known_empty(known, now_ms)) {
        session->known[known->entity->slot] = NULL;
        worker_known_close(known, session->options.hub);
    }
}

static bool push_slot(worker_session *session, uint32_t **list, size_t *count,
                      size_t *capacity, uint32_t slot)
{
    uint32_t *grown =
        scene_array_grow(session->alloc, *list, *count, capacity, sizeof **list);
    if (grown == NULL) {
        session->broken = true;
        return false;
    }
    *list = grown;
    grown[(*count)++] = slot;
    return true;
}

void worker_session_look(worker_session *session, worker_known *known)
{
    if (!known->queued) {
        known->queued = push_slot(session, &session->queue, &session->queue_count,
                                  &session->queue_capacity, known->entity->slot);
    }
}

void worker_session_look_later(worker_session *session, worker_known *known)
{
    if (!known->settling) {
        known->settling =
            push_slot(session, &session->settling, &session->settling_count,
                      &session->settling_capacity, known->entity->slot);
    }
}

/* Is it time? A part that may show either of two values is told again. */
static bool settle_quiet(worker_known *known, uint64_t now_ms)
{
    bool later = known->gone_until_ms > now_ms;
    if (known->unsure && known->edited_ms + WORKER_CROSSING_MS <= now_ms) {
        known->unsure = false;
        known->force = true;
    }
    later = later || known->unsure;
    for (size_t i = 0; i < known->part_count; i++) {
        worker_known_part *part = &known->parts[i];
        if (part->unsure && part->edited_ms + WORKER_CROSSING_MS <= now_ms) {
            part->force = true;
        }
        later = later || (part->unsure && !part->force) ||
                (part->value == NULL && part->past_count > 0 &&
                 part->pasts[part->past_count - 1].until_ms > now_ms);
    }
    return !later;
}

void worker_session_tick(worker_session *session, uint64_t now_ms)
{
    size_t kept = 0;
    for (size_t i = 0; i < session->settling_count; i++) {
        worker_known *known = session->known[session->settling[i]];
        if (!settle_quiet(known, now_ms)) {
            session->settling[kept++] = session->settling[i];
            continue;
        }
        known->settling = false;
        bool force = known->force;
        for (size_t k = 0; k < known->part_count; k++) {
            force = force || known->parts[k].force;
        }
        if (force) {
            worker_session_look(session, known);
        } else {
            worker_session_tidy(session, known, now_ms);
        }
    }
    session->settling_count = kept;
}

bool worker_session_shows(const worker_session *session, crdt_span entity,
                          crdt_span part, crdt_span *value)
{
    worker_hub *hub = session->options.hub;
    const worker_entity *there = worker_hub_find(hub, entity);
    const worker_known *known =
        there == NULL ? NULL : worker_session_find(session, there);
    if (known == NULL || !known->shown) {
        return false;
    }
    const worker_known_part *found =
        worker_known_find(known, worker_hub_type_of(hub, part));
    if (found == NULL || found->value == NULL) {
        return false;
    }
    *value = worker_blob_span(found->value);
    return true;
}

/* ---- notices ---- */

size_t worker_session_unanswered(const worker_session *session)
{
    return session->unanswered;
}

bool worker_session_finished(const worker_session *session)
{
    return session->finished;
}

bool worker_session_room(const worker_session *session, size_t size)
{
    size_t waiting = session->notices.size - session->notices_read;
    return waiting + size <= WORKER_NOTICES_MAX;
}

static void push_notice(worker_session *session, crdt_span event)
{
    uint32_t size = (uint32_t)event.size;
    if (session->notices_read == session->notices.size) {
        crdt_buf_clear(&session->notices);
        session->notices_read = 0;
    }
    if (crdt_buf_reserve(&session->notices, sizeof size + event.size) != CRDT_OK) {
        session->broken = true;
        return;
    }
    crdt_buf_append(&session->notices, &size, sizeof size);
    crdt_buf_append_span(&session->notices, event);
}

bool worker_session_tell(worker_session *session, crdt_span event)
{
    if (!worker_session_room(session, event.size)) {
        session->counts.lost++;
        return false;
    }
    push_notice(session, event);
    return true;
}

typedef struct answer {
    crdt_span id;
    const char *code; /* NULL: it is done */
    crdt_span reason;
    const crdt_stamp *stamp; /* NULL: it said nothing new */
    crdt_span more;          /* members */
} answer;

/* Answers are as many as events: they are not dropped, the socket waits instead. */
static void push_answer(worker_session *session, const answer *a)
{
    crdt_buf text;
    crdt_buf_init(&text, session->alloc);
    crdt_err err = a->code == NULL
                       ? worker_word_accepted(a->id, a->stamp, a->more, &text)
                       : worker_word_refused(a->id, a->code, a->reason, a->more, &text);
    if (err == CRDT_OK) {
        push_notice(session, crdt_buf_span(&text));
    } else {
        session->broken = true;
    }
    crdt_buf_deinit(&text);
}

void worker_session_answer(worker_session *session, crdt_span id, const char *code,
                           crdt_span reason)
{
    const answer a = {.id = id, .code = code, .reason = reason};
    push_answer(session, &a);
}

static void count_refusal(worker_session *session, const char *code)
{
    if (strcmp(code, "forbidden") == 0) {
        session->counts.forbidden++;
    } else if (strcmp(code, "invalid") == 0) {
        session->counts.invalid++;
    } else {
        session->counts.other++;
    }
}

void worker_session_refuse(worker_session *session, crdt_span id, const char *code,
                           const char *reason)
{
    count_refusal(session, code);
    worker_session_answer(session, id, code, crdt_span_of(reason));
}

void worker_session_set_role(worker_session *session, access_role role)
{
    session->tell_role = session->tell_role || session->role != role;
    session->role = role;
}

void worker_session_set_state(worker_session *session, const char *state,
                              crdt_span about)
{
    worker_blob *copy = about.size > 0 ? worker_blob_make(session->alloc, about) : NULL;
    worker_blob_drop(session->about);
    session->about = copy;
    session->state = state;
    session->tell_state = true;
}

/* ---- batches ---- */

/* Of all batches together: those of many steps may be many. */
static bool has_gathered_enough(const worker_session *session)
{
    size_t size = 0;
    const worker_batch *batch = session->first;
    for (; batch != NULL && size <= WORKER_GATHERED_MAX; batch = batch->next) {
        size += worker_batch_size(batch);
    }
    return size > WORKER_GATHERED_MAX;
}

bool worker_session_busy(const worker_session *session)
{
    bool loading = strcmp(session->state, "loading") == 0;
    size_t waiting = session->notices.size - session->notices_read;
    if (waiting > WORKER_NOTICES_MAX) {
        return true;
    }
    return !loading && (session->unanswered >= WORKER_UNANSWERED_MAX ||
                        has_gathered_enough(session));
}

worker_batch *worker_session_take(worker_session *session)
{
    worker_batch *batch = session->first;
    if (batch == NULL || session->under_way >= WORKER_BATCHES_MAX ||
        strcmp(session->state, "loading") == 0) {
        return NULL;
    }
    unhold(session);
    session->first = batch->next;
    if (session->first == NULL) {
        session->open = NULL;
    }
    batch->next = NULL;
    session->under_way++;
    return batch;
}

worker_batch *worker_session_leave(worker_session *session, worker_held *held)
{
    worker_batch *all = session->first;
    *held = (worker_held){.events = session->held_events, .size = session->held_size};
    session->held_events = 0;
    session->held_size = 0;
    session->first = NULL;
    session->open = NULL;
    return all;
}

static const char *code_of(crdt_err err)
{
    switch (err) {
    case CRDT_ENOTFOUND:
    case CRDT_ENOTHING: /* to undo */
        return "not-found";
    case CRDT_EINVAL:
    case CRDT_ELIMIT:
    case CRDT_ECORRUPT:
        return "invalid";
    case CRDT_EBUSY:
        return "busy";
    case CRDT_EREFUSED:
        return "forbidden";
    default:
        return "failed";
    }
}

/* What the intent was about is told again as it is. */
static void tell_truth(worker_session *session, const worker_intent *intent)
{
    worker_known *known =
        intent->entity.size == 0 ? NULL : worker_session_known(session, intent->entity);
    if (known == NULL) {
        return;
    }
    worker_known_part *part = NULL;
    if (intent->part.size > 0 && known->entity->live) {
        uint32_t type = worker_hub_type_of(session->options.hub, intent->part);
        part = type == WORKER_NONE
                   ? NULL
                   : worker_known_part_of(known, session->options.hub, type);
    }
    if (part != NULL) {
        part->force = true;
    } else {
        known->force = true;
    }
    worker_session_look(session, known);
}

static void answer_await(worker_session *session, const worker_batch *batch,
                         const worker_await *await, crdt_err err, const char *reason,
                         const crdt_stamp *stamp)
{
    for (size_t i = 0; i < await->count && err == CRDT_OK; i++) {
        const worker_intent *intent = &batch->intents[await->first + i];
        err = intent->err;
        reason = intent->reason;
    }
    crdt_buf more;
    crdt_buf_init(&more, session->alloc);
    if (worker_batch_is_undo(batch) &&
        worker_undone_write(&batch->undone,
                            batch->intents[0].kind == WORKER_INTENT_REDO,
                            session->options.hub, &more) != CRDT_OK) {
        session->broken = true;
    }
    answer a = {.id = await->id, .stamp = stamp, .more = crdt_buf_span(&more)};
    if (err != CRDT_OK) {
        a.code = code_of(err);
        a.reason = crdt_span_of(reason);
        count_refusal(session, a.code);
    }
    if (err != CRDT_OK || await->id.size > 0) {
        push_answer(session, &a);
    }
    crdt_buf_deinit(&more);
    session->unanswered--;
}

void worker_session_settle(worker_session *session, const worker_batch *batch,
                           crdt_err err, const char *reason, const crdt_stamp *stamp,
                           uint64_t now_ms)
{
    (void)now_ms;
    assert(session->under_way > 0);
    session->under_way--;
    for (size_t i = 0; i < batch->intent_count; i++) {
        const worker_intent *intent = &batch->intents[i];
        const worker_entity *entity =
            worker_hub_find(session->options.hub, intent->entity);
        worker_known *known =
            entity == NULL ? NULL : worker_session_find(session, entity);
        if (known != NULL) {
            worker_known_settle(known, session->options.hub, batch->number);
            worker_session_look(session, known);
        }
        if (err != CRDT_OK || intent->err != CRDT_OK) {
            tell_truth(session, intent);
        }
    }
    for (size_t i = 0; i < batch->await_count; i++) {
        answer_await(session, batch, &batch->awaits[i], err, reason, stamp);
    }
}
