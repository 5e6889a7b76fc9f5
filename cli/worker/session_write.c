/* What a renderer is to be told, as messages: notices first, then the initial state in the
 * order of the snapshot, then what changed since, the oldest change first. */

#include "cli/worker/session_impl.h"
#include "cli/worker/wording.h"

/* A message being put together. */
typedef struct outgoing {
    worker_session *session;
    crdt_buf *out;
    size_t start;
    size_t count; /* of events */
    uint64_t now_ms;
} outgoing;

/* ---- the message ---- */

static bool is_full(const outgoing *to)
{
    return to->count >= WORKER_EVENTS_MAX ||
           to->out->size - to->start >= WORKER_WRITE_MAX || to->session->broken;
}

static void check(outgoing *to, crdt_err err)
{
    if (err != CRDT_OK) {
        to->session->broken = true;
    }
}

/* Before each event. */
static void separate(outgoing *to)
{
    check(to, crdt_buf_append(to->out, to->count == 0 ? "[" : ",", 1));
    to->count++;
}

/* One event alone stands without brackets. */
static void finish(outgoing *to)
{
    crdt_buf *out = to->out;
    if (to->session->broken) {
        out->size = to->start;
    } else if (to->count == 1) {
        out->size--;
        memmove(out->data + to->start, out->data + to->start + 1,
                out->size - to->start);
    } else if (to->count > 1) {
        check(to, crdt_buf_append(out, "]", 1));
    }
}

/* ---- parts ---- */

static worker_known_part *part_of(outgoing *to, worker_known *known, uint32_t type)
{
    worker_known_part *part =
        worker_known_part_of(known, to->session->options.hub, type);
    check(to, part == NULL ? CRDT_ENOMEM : CRDT_OK);
    return part;
}

/* Tell the component, if the renderer is not known to show it so. */
static void write_part(outgoing *to, worker_known *known, worker_part *part)
{
    worker_hub *hub = to->session->options.hub;
    worker_known_part *shown = part_of(to, known, part->type);
    if (shown == NULL || shown->edited != 0) {
        return;
    }
    worker_blob *wanted = worker_known_overlay(shown, hub, part->value);
    if (wanted == NULL) {
        check(to, CRDT_ENOMEM);
        return;
    }
    if (worker_blob_equal(shown->value, wanted) && !shown->force) {
        worker_blob_drop(wanted);
        return;
    }
    separate(to);
    if (wanted == part->value) {
        crdt_span event = worker_hub_event(hub, known->entity, part);
        check(to,
              event.data == NULL ? CRDT_ENOMEM : crdt_buf_append_span(to->out, event));
    } else {
        crdt_span json = worker_blob_json(wanted);
        check(to, json.data == NULL
                      ? CRDT_ENOMEM
                      : worker_word_set(hub, known->entity, part, json, to->out));
    }
    check(to, worker_known_told(shown, hub, wanted, to->now_ms));
    worker_known_stamp(shown, &part->stamp);
}

/* Components that it shows and the entity has not. */
static void write_gone_parts(outgoing *to, worker_known *known)
{
    worker_hub *hub = to->session->options.hub;
    for (size_t i = 0; i < known->part_count; i++) {
        worker_known_part *part = &known->parts[i];
        bool tell = part->value != NULL || part->force;
        if (!tell || part->edited != 0 ||
            worker_entity_part(known->entity, part->type) != NULL) {
            continue;
        }
        separate(to);
        check(to, worker_word_remove_part(hub, known->entity, part->type, to->out));
        check(to, worker_known_told(part, hub, NULL, to->now_ms));
        worker_session_look_later(to->session, known);
    }
}

/* ---- entities ---- */

/* All of it: it is new to the renderer. */
static void write_entity(outgoing *to, worker_known *known)
{
    worker_hub *hub = to->session->options.hub;
    const worker_entity *entity = known->entity;
    crdt_arena_reset(&to->session->scratch);
    worker_blob **values = crdt_arena_alloc(&to->session->scratch,
                                            (entity->part_count + 1) * sizeof *values);
    if (values == NULL) {
        check(to, CRDT_ENOMEM);
        return;
    }
    crdt_stamp stamp = {.time = 0};
    for (size_t i = 0; i < entity->part_count; i++) {
        const crdt_stamp *other = &entity->parts[i].stamp;
        stamp = crdt_stamp_compare(other, &stamp) > 0 ? *other : stamp;
        values[i] = entity->parts[i].value;
    }
    separate(to);
    check(to, worker_word_add(hub, entity, values, to->out));
    /* It may still show what it was told or did before. */
    bool anew = known->part_count == 0 && known->gone_until_ms <= to->now_ms;
    known->shown = true;
    known->force = false;
    known->unsure = false;
    known->new_until_ms = to->now_ms + WORKER_CROSSING_MS;
    check(to, worker_known_reserve(known, hub, entity->part_count));
    for (size_t i = 0; i < entity->part_count; i++) {
        worker_known_part *part = part_of(to, known, entity->parts[i].type);
        if (part != NULL && anew) {
            worker_known_begin(part, worker_blob_hold(values[i]));
        } else if (part != NULL) {
            check(to, worker_known_told(part, hub, worker_blob_hold(values[i]),
                                        to->now_ms));
            worker_known_stamp(part, &stamp);
        }
    }
    for (size_t i = 0; i < known->part_count; i++) {
        worker_known_part *part = &known->parts[i];
        if ((part->value != NULL || part->past_count > 0) &&
            worker_entity_part(entity, part->type) == NULL) {
            check(to, worker_known_told(part, hub, NULL, to->now_ms));
        }
        part->force = false;
    }
}

static void write_gone_entity(outgoing *to, worker_known *known)
{
    worker_hub *hub = to->session->options.hub;
    separate(to);
    check(to, worker_word_remove(hub, known->entity, to->out));
    for (size_t i = 0; i < known->part_count; i++) {
        worker_known_part *part = &known->parts[i];
        if (part->value != NULL || part->past_count > 0) {
            check(to, worker_known_told(part, hub, NULL, to->now_ms));
        }
        part->force = false;
        part->unsure = false;
    }
    known->shown = false;
    known->force = false;
    known->unsure = false;
    known->gone_until_ms = to->now_ms + WORKER_CROSSING_MS;
    worker_session_look_later(to->session, known);
}

/* What differs between the entity and what the renderer shows of it. */
static void write_known(outgoing *to, worker_known *known)
{
    worker_entity *entity = known->entity;
    if (known->edited != 0) {
        return; /* looked at again when it is settled */
    }
    if (!entity->live) {
        if (known->shown || known->force) {
            write_gone_entity(to, known);
        }
        for (size_t i = 0; i < known->part_count; i++) {
            known->parts[i].force = false;
            known->parts[i].unsure = known->parts[i].unsure && known->unsure;
        }
        return;
    }
    if (!known->shown || known->force) {
        write_entity(to, known);
        return;
    }
    for (size_t i = 0; i < entity->part_count && !to->session->broken; i++) {
        write_part(to, known, &entity->parts[i]);
    }
    write_gone_parts(to, known);
}

static void write_one(outgoing *to, worker_entity *entity)
{
    worker_session *session = to->session;
    worker_known *known = worker_session_find(session, entity);
    if (known == NULL && !entity->live) {
        return;
    }
    if (known == NULL) {
        known = worker_session_known(session, worker_blob_span(entity->id));
    }
    if (known != NULL) {
        write_known(to, known);
        worker_session_tidy(session, known, to->now_ms);
    }
}

/* ---- what there is to tell ---- */

static void write_welcome(outgoing *to)
{
    const worker_session *session = to->session;
    const worker_welcome welcome = {.scene = worker_hub_scene(session->options.hub),
                                    .state = session->state,
                                    .tick_ms = session->options.tick_ms,
                                    .id = session->options.id,
                                    .name = session->options.name,
                                    .role = access_role_name(session->role)};
    separate(to);
    check(to, worker_word_welcome(&welcome, to->out));
}

static void write_standing(outgoing *to)
{
    worker_session *session = to->session;
    if (session->tell_welcome) {
        write_welcome(to);
        session->tell_state = session->about != NULL;
        session->tell_role = false;
        session->tell_welcome = false;
    }
    if (session->tell_state) {
        separate(to);
        check(to, worker_word_state(session->state, worker_blob_span(session->about),
                                    to->out));
        session->tell_state = false;
    }
    if (session->tell_role) {
        separate(to);
        check(to, worker_word_role(access_role_name(session->role), to->out));
        session->tell_role = false;
    }
}

static void write_notices(outgoing *to)
{
    worker_session *session = to->session;
    crdt_buf *notices = &session->notices;
    while (session->notices_read < notices->size && !is_full(to)) {
        uint32_t size;
        memcpy(&size, notices->data + session->notices_read, sizeof size);
        session->notices_read += sizeof size;
        separate(to);
        check(to,
              crdt_buf_append(to->out, notices->data + session->notices_read, size));
        session->notices_read += size;
    }
    if (session->notices_read == notices->size) {
        crdt_buf_clear(notices);
        session->notices_read = 0;
    } else if (session->notices_read > WORKER_NOTICES_MAX) {
        notices->size -= session->notices_read;
        memmove(notices->data, notices->data + session->notices_read, notices->size);
        session->notices_read = 0;
    }
}

/* The state as it was there when this began; what comes meanwhile is told after it. */
static void write_initial(outgoing *to)
{
    worker_session *session = to->session;
    worker_hub *hub = session->options.hub;
    if (!session->started) {
        session->started = true;
        session->revision = worker_hub_revision(hub);
    }
    while (!session->finished && !is_full(to)) {
        crdt_err err;
        worker_entity *next = worker_hub_next(hub, session->at, &err);
        check(to, err);
        if (next != NULL) {
            worker_entity *held = worker_hub_hold(hub, worker_blob_span(next->id));
            write_one(to, next);
            if (session->at != NULL) {
                worker_hub_drop(hub, session->at);
            }
            session->at = held;
        } else if (err == CRDT_OK) {
            separate(to);
            check(to, worker_word_finished(to->out));
            session->finished = true;
        }
    }
    if (session->finished && session->at != NULL) {
        worker_hub_drop(hub, session->at);
        session->at = NULL;
    }
}

static void write_queue(outgoing *to)
{
    worker_session *session = to->session;
    size_t done = 0;
    while (done < session->queue_count && !is_full(to)) {
        worker_known *known = session->known[session->queue[done++]];
        known->queued = false;
        write_known(to, known);
        worker_session_tidy(session, known, to->now_ms);
    }
    session->queue_count -= done;
    if (done > 0 && session->queue_count > 0) {
        memmove(session->queue, session->queue + done,
                session->queue_count * sizeof *session->queue);
    }
}

static void write_changes(outgoing *to)
{
    worker_session *session = to->session;
    worker_hub *hub = session->options.hub;
    worker_entity *next = worker_hub_after(hub, session->revision);
    while (next != NULL && !is_full(to)) {
        session->revision = next->revision;
        worker_entity *newer = next->newer;
        write_one(to, next); /* may free it, if it is gone */
        next = newer;
    }
    if (next == NULL && !session->broken) {
        session->revision =
            worker_hub_revision(hub); /* of one that is freed, perhaps */
    }
}

bool worker_session_wants(const worker_session *session)
{
    bool loading = strcmp(session->state, "loading") == 0;
    return session->tell_welcome || session->tell_state || session->tell_role ||
           session->notices_read < session->notices.size || session->queue_count > 0 ||
           (!loading && !session->finished) ||
           (session->finished &&
            session->revision < worker_hub_revision(session->options.hub));
}

void worker_session_write(worker_session *session, uint64_t now_ms, crdt_buf *out)
{
    outgoing to = {
        .session = session, .out = out, .start = out->size, .now_ms = now_ms};
    write_standing(&to);
    write_notices(&to);
    if (session->started || strcmp(session->state, "loading") != 0) {
        write_initial(&to);
    }
    if (session->finished) {
        write_queue(&to);
        write_changes(&to);
    } else if (!session->started) {
        write_queue(&to); /* refusals while it loads */
    }
    finish(&to);
}
