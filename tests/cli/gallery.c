#include "tests/cli/gallery.h"

#include "scene/json.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- opening ---- */

static void on_request(void *ctx, worker_session *session, const worker_event *event,
                       crdt_span id)
{
    gallery *g = ctx;
    (void)event;
    g->request_count++;
    if (id.size > 0) {
        worker_session_answer(session, id, NULL, (crdt_span){0});
    }
}

static void take_view(gallery *g)
{
    if (!worker_view_dirty(g->view)) {
        return;
    }
    worker_news news;
    worker_news_init(&news, g->alloc);
    cr_assert_eq(worker_view_take(g->view, &news), CRDT_OK);
    cr_assert_eq(worker_hub_take(g->hub, &news), CRDT_OK);
    worker_news_deinit(&news);
}

void gallery_open(gallery *g, size_t replicas)
{
    memset(g, 0, sizeof *g);
    g->alloc = crdt_alloc_default();
    g->now_ms = 10000;
    g->tick_ms = g->now_ms;
    world_open(&g->w, replicas);
    cr_assert_eq(worker_hub_open(&g->hub, g->alloc, crdt_span_of("0,0")), CRDT_OK);
    cr_assert_eq(worker_view_open(&g->view, g->w.replicas[0].doc, g->alloc, NULL, NULL),
                 CRDT_OK);
}

static void drop_wires(gallery_wire **list)
{
    while (*list != NULL) {
        gallery_wire *wire = *list;
        *list = wire->next;
        crdt_buf_deinit(&wire->text);
        free(wire);
    }
}

static void clear_entity(gallery_entity *entity)
{
    for (size_t i = 0; i < entity->part_count; i++) {
        crdt_buf_deinit(&entity->parts[i].value);
    }
}

void gallery_leave(gallery *g, size_t index)
{
    gallery_renderer *r = &g->renderers[index];
    worker_session_close(r->session);
    for (size_t i = 0; i < r->entity_count; i++) {
        clear_entity(&r->entities[i]);
    }
    free(r->entities);
    free(r->answers);
    drop_wires(&r->coming);
    drop_wires(&r->going);
    for (gallery_job *job = g->jobs; job != NULL; job = job->next) {
        if (job->renderer == index) {
            job->session = NULL;
        }
    }
    memset(r, 0, sizeof *r);
}

void gallery_close(gallery *g)
{
    for (size_t i = 0; i < GALLERY_MAX; i++) {
        gallery_leave(g, i);
    }
    while (g->jobs != NULL) {
        gallery_job *job = g->jobs;
        g->jobs = job->next;
        worker_batch_close(job->batch);
        free(job);
    }
    worker_hub_close(g->hub);
    worker_view_close(g->view);
    world_close(&g->w);
}

void gallery_join(gallery *g, size_t index, access_role role, const char *state)
{
    gallery_renderer *r = &g->renderers[index];
    char id[16];
    char name[16];
    snprintf(id, sizeof id, "r%zu", index);
    snprintf(name, sizeof name, "p%zu", index);
    const worker_session_options options = {.hub = g->hub,
                                            .id = crdt_span_of(id),
                                            .name = crdt_span_of(name),
                                            .role = role,
                                            .tick_ms = GALLERY_TICK_MS,
                                            .state = state,
                                            .held = &g->held,
                                            .request = on_request,
                                            .ctx = g};
    cr_assert_eq(worker_session_open(&r->session, &options), CRDT_OK);
    r->role = role;
    r->next_ms = g->now_ms;
}

void gallery_state(gallery *g, const char *state)
{
    take_view(g);
    for (size_t i = 0; i < GALLERY_MAX; i++) {
        if (g->renderers[i].session != NULL) {
            worker_session_set_state(g->renderers[i].session, state, (crdt_span){0});
        }
    }
}

/* ---- the model ---- */

gallery_entity *gallery_find(gallery *g, size_t index, const char *id)
{
    gallery_renderer *r = &g->renderers[index];
    for (size_t i = 0; i < r->entity_count; i++) {
        if (strcmp(r->entities[i].id, id) == 0) {
            return &r->entities[i];
        }
    }
    return NULL;
}

static void remove_entity(gallery *g, size_t index, const char *id)
{
    gallery_renderer *r = &g->renderers[index];
    gallery_entity *entity = gallery_find(g, index, id);
    if (entity != NULL) {
        clear_entity(entity);
        *entity = r->entities[--r->entity_count];
    }
}

static gallery_entity *make_entity(gallery *g, size_t index, const char *id)
{
    gallery_entity *entity = gallery_find(g, index, id);
    gallery_renderer *r = &g->renderers[index];
    if (entity == NULL) {
        r->entities = realloc(r->entities, (r->entity_count + 1) * sizeof *r->entities);
        cr_assert(r->entities != NULL);
        entity = &r->entities[r->entity_count++];
        memset(entity, 0, sizeof *entity);
        snprintf(entity->id, sizeof entity->id, "%s", id);
    }
    return entity;
}

static gallery_part *find_part(gallery_entity *entity, const char *name)
{
    for (size_t i = 0; i < entity->part_count; i++) {
        if (strcmp(entity->parts[i].name, name) == 0) {
            return &entity->parts[i];
        }
    }
    return NULL;
}

static void remove_part(gallery_entity *entity, const char *name)
{
    gallery_part *part = find_part(entity, name);
    if (part != NULL) {
        crdt_buf_deinit(&part->value);
        *part = entity->parts[--entity->part_count];
    }
}

static void show(gallery *g, gallery_entity *entity, const char *name,
                 const scene_json_node *data)
{
    gallery_part *part = find_part(entity, name);
    if (part == NULL) {
        cr_assert_lt(entity->part_count, 16);
        part = &entity->parts[entity->part_count++];
        snprintf(part->name, sizeof part->name, "%s", name);
        crdt_buf_init(&part->value, g->alloc);
    }
    crdt_buf_clear(&part->value);
    cr_assert_eq(scene_json_encode(data, g->alloc, &part->value), CRDT_OK);
}

static void copy_text(const scene_json_node *node, char *out, size_t size)
{
    cr_assert(node != NULL && node->type == SCENE_JSON_STRING && node->count < size);
    memcpy(out, node->as.text, node->count);
    out[node->count] = '\0';
}

static bool is(const scene_json_node *node, const char *text)
{
    return node != NULL && node->type == SCENE_JSON_STRING &&
           crdt_span_equal(scene_json_text(node), crdt_span_of(text));
}

static void hear_answer(gallery_renderer *r, const scene_json_node *payload)
{
    const scene_json_node *id = scene_json_find(payload, "id");
    const scene_json_node *ok = scene_json_find(payload, "ok");
    const scene_json_node *code = scene_json_find(payload, "code");
    const scene_json_node *stamp = scene_json_find(payload, "stamp");
    r->answers = realloc(r->answers, (r->answer_count + 1) * sizeof *r->answers);
    cr_assert(r->answers != NULL);
    gallery_answer *answer = &r->answers[r->answer_count++];
    memset(answer, 0, sizeof *answer);
    answer->id = id->type == SCENE_JSON_NUMBER ? (long)id->as.number : -1;
    answer->ok = ok->boolean;
    if (code != NULL) {
        copy_text(code, answer->code, sizeof answer->code);
    }
    if (stamp != NULL) {
        copy_text(stamp, answer->stamp, sizeof answer->stamp);
    }
}

/* A change of the scene. */
static void hear_change(gallery *g, size_t index, const scene_json_node *inner)
{
    char id[64];
    char name[64];
    const scene_json_node *type = scene_json_find(inner, "type");
    const scene_json_node *payload = scene_json_find(inner, "payload");
    copy_text(scene_json_find(payload, "entityId"), id, sizeof id);
    if (is(type, "RemoveEntity")) {
        remove_entity(g, index, id);
        return;
    }
    if (is(type, "AddEntity")) {
        const scene_json_node *list = scene_json_find(payload, "components");
        remove_entity(g, index, id);
        gallery_entity *entity = make_entity(g, index, id);
        const scene_json_node *at = list + 1;
        for (uint32_t i = 0; i < list->count; i++, at = scene_json_next(at)) {
            const scene_json_node *type_name = scene_json_find(at, "component");
            copy_text(type_name != NULL ? type_name
                                        : scene_json_find(at, "componentId"),
                      name, sizeof name);
            show(g, entity, name, scene_json_find(at, "data"));
        }
        return;
    }
    copy_text(scene_json_find(payload, "component"), name, sizeof name);
    if (is(type, "RemoveComponent")) {
        gallery_entity *entity = gallery_find(g, index, id);
        if (entity != NULL) {
            remove_part(entity, name);
        }
    } else {
        /* It may have removed the entity itself meanwhile: then it is there again. */
        gallery_entity *entity = make_entity(g, index, id);
        cr_assert(is(type, "SetComponent"));
        show(g, entity, name, scene_json_find(payload, "data"));
    }
}

static void hear_event(gallery *g, size_t index, const scene_json_node *event)
{
    gallery_renderer *r = &g->renderers[index];
    const scene_json_node *type = scene_json_find(event, "eventType");
    r->event_count++;
    if (is(scene_json_find(event, "type"), "InitMessagesFinished")) {
        cr_assert_not(r->ready);
        r->ready = true;
    } else if (is(type, "Answer")) {
        hear_answer(r, scene_json_find(event, "payload"));
    } else if (is(type, "stateEvent")) {
        hear_change(g, index, scene_json_find(event, "payload"));
    }
}

static void hear(gallery *g, size_t index, crdt_span text)
{
    scene_json *json;
    crdt_diag diag = {.text = ""};
    cr_assert_eq(scene_json_open(&json, g->alloc, text, NULL, &diag), CRDT_OK, "%s",
                 diag.text);
    const scene_json_node *root = scene_json_root(json);
    const scene_json_node *at = root;
    uint32_t count = 1;
    if (root->type == SCENE_JSON_ARRAY) {
        cr_assert_leq(root->count, WORKER_EVENTS_MAX);
        at = root + 1;
        count = root->count;
    }
    for (uint32_t i = 0; i < count; i++, at = scene_json_next(at)) {
        hear_event(g, index, at);
    }
    scene_json_close(json);
    g->renderers[index].message_count++;
    g->renderers[index].size += text.size;
}

/* ---- wires ---- */

static void put_wire(gallery_wire **list, uint64_t at_ms, crdt_buf *text)
{
    gallery_wire *wire = calloc(1, sizeof *wire);
    cr_assert(wire != NULL);
    wire->at_ms = at_ms;
    wire->text = *text;
    while (*list != NULL) {
        at_ms = (*list)->at_ms > at_ms ? (*list)->at_ms : at_ms;
        list = &(*list)->next;
    }
    wire->at_ms = at_ms; /* nothing overtakes */
    *list = wire;
}

static gallery_wire *take_wire(gallery_wire **list, uint64_t now_ms)
{
    gallery_wire *wire = *list;
    if (wire == NULL || wire->at_ms > now_ms) {
        return NULL;
    }
    *list = wire->next;
    return wire;
}

static void end_wire(gallery_wire *wire)
{
    crdt_buf_deinit(&wire->text);
    free(wire);
}

static void run_wires(gallery *g, size_t index)
{
    gallery_renderer *r = &g->renderers[index];
    gallery_wire *wire;
    while (!worker_session_busy(r->session) &&
           (wire = take_wire(&r->going, g->now_ms)) != NULL) {
        worker_session_receive(r->session, crdt_buf_span(&wire->text), r->role,
                               g->now_ms);
        end_wire(wire);
    }
    while ((wire = take_wire(&r->coming, g->now_ms)) != NULL) {
        hear(g, index, crdt_buf_span(&wire->text));
        end_wire(wire);
    }
    while (worker_session_wants(r->session) && r->next_ms <= g->now_ms) {
        crdt_buf text;
        crdt_buf_init(&text, g->alloc);
        worker_session_write(r->session, g->now_ms, &text);
        cr_assert_not(worker_session_broken(r->session));
        if (text.size == 0) {
            crdt_buf_deinit(&text);
            break;
        }
        put_wire(&r->coming, g->now_ms + r->delay_ms, &text);
        r->next_ms = g->now_ms + r->pause_ms;
    }
}

/* ---- the node ---- */

static void run_job(gallery *g, gallery_job *job)
{
    world_replica *replica = &g->w.replicas[0];
    cr_assert_eq(worker_batch_apply(job->batch, replica->doc, &replica->ops), CRDT_OK);
    if (g->on_batch != NULL) {
        g->on_batch(g->ctx, job->renderer, job->batch, &replica->ops);
    }
    job->err = replica->ops.op_count == 0
                   ? CRDT_ENOTHING
                   : world_commit(&g->w, 0, CRDT_ORIGIN_EDIT, NULL);
    if (job->err == CRDT_OK) {
        job->last.time =
            crdt_version_get(crdt_document_version(replica->doc), &replica->actor);
        job->last.actor = replica->actor;
    } else {
        crdt_op_list_clear(&replica->ops);
    }
    job->ran = true;
    g->batch_count++;
}

static void end_job(gallery *g, gallery_job *job)
{
    take_view(g);
    if (job->session != NULL) {
        bool nothing = job->err == CRDT_ENOTHING;
        worker_session_settle(job->session, job->batch, nothing ? CRDT_OK : job->err,
                              "", nothing ? NULL : &job->last, g->now_ms);
    }
    worker_batch_close(job->batch);
    free(job);
}

static void run_jobs(gallery *g)
{
    for (gallery_job *job = g->jobs; job != NULL && job->run_ms <= g->now_ms;
         job = job->next) {
        if (!job->ran) {
            run_job(g, job);
        }
    }
    while (g->jobs != NULL && g->jobs->ran && g->jobs->done_ms <= g->now_ms) {
        gallery_job *job = g->jobs;
        g->jobs = job->next;
        end_job(g, job);
    }
}

static void tick(gallery *g)
{
    for (size_t i = 0; i < GALLERY_MAX; i++) {
        worker_session *session = g->renderers[i].session;
        if (session == NULL) {
            continue;
        }
        worker_session_tick(session, g->now_ms);
        worker_batch *batch;
        while ((batch = worker_session_take(session)) != NULL) {
            gallery_job *job = calloc(1, sizeof *job);
            cr_assert(job != NULL);
            job->renderer = i;
            job->session = session;
            job->batch = batch;
            job->run_ms = g->now_ms + g->run_delay_ms;
            job->done_ms = job->run_ms + g->disk_ms;
            gallery_job **at = &g->jobs;
            while (*at != NULL) {
                at = &(*at)->next;
            }
            *at = job;
        }
    }
    take_view(g);
}

void gallery_run(gallery *g, uint64_t ms)
{
    uint64_t end = g->now_ms + ms;
    while (g->now_ms < end) {
        g->now_ms += 5;
        run_jobs(g);
        for (size_t i = 0; i < GALLERY_MAX; i++) {
            if (g->renderers[i].session != NULL) {
                run_wires(g, i);
            }
        }
        if (g->now_ms - g->tick_ms >= GALLERY_TICK_MS) {
            g->tick_ms = g->now_ms;
            tick(g);
        }
    }
}

static bool busy(const gallery *g)
{
    bool found = g->jobs != NULL;
    for (size_t i = 0; i < GALLERY_MAX; i++) {
        const gallery_renderer *r = &g->renderers[i];
        found = found || r->coming != NULL || r->going != NULL ||
                (r->session != NULL && worker_session_wants(r->session));
    }
    return found;
}

void gallery_settle(gallery *g)
{
    for (size_t i = 0; i < GALLERY_MAX; i++) {
        g->renderers[i].pause_ms = 0;
    }
    gallery_run(g, 3000);
    for (int i = 0; i < 1000 && busy(g); i++) {
        gallery_run(g, 100);
    }
    cr_assert_not(busy(g));
}

/* ---- saying ---- */

void gallery_say(gallery *g, size_t index, const char *text)
{
    gallery_renderer *r = &g->renderers[index];
    crdt_buf copy;
    crdt_buf_init(&copy, g->alloc);
    cr_assert_eq(crdt_buf_append_span(&copy, crdt_span_of(text)), CRDT_OK);
    put_wire(&r->going, g->now_ms + r->delay_ms, &copy);
}

long gallery_edit(gallery *g, size_t index, const char *type, const char *payload,
                  const char *seen)
{
    gallery_renderer *r = &g->renderers[index];
    size_t size = strlen(payload) + 512;
    char *text = malloc(size);
    cr_assert(text != NULL);
    snprintf(text, size,
             "{\"sceneId\":\"0,0\",\"eventType\":\"stateEvent\",\"id\":%ld%s%s%s,"
             "\"payload\":{\"type\":\"%s\",\"payload\":%s}}",
             r->next_id, seen != NULL ? ",\"seen\":\"" : "", seen != NULL ? seen : "",
             seen != NULL ? "\"" : "", type, payload);
    gallery_say(g, index, text);
    free(text);
    return r->next_id++;
}

long gallery_set(gallery *g, size_t index, const char *entity, const char *component,
                 const char *value, const char *seen)
{
    size_t size = strlen(value) + 256;
    char *payload = malloc(size);
    cr_assert(payload != NULL);
    snprintf(payload, size, "{\"entityId\":\"%s\",\"componentId\":\"%s\",\"data\":%s}",
             entity, component, value);
    long id = gallery_edit(g, index, "SetComponent", payload, seen);
    free(payload);
    scene_json *json;
    cr_assert_eq(scene_json_open(&json, g->alloc, crdt_span_of(value), NULL, NULL),
                 CRDT_OK);
    show(g, make_entity(g, index, entity), component, scene_json_root(json));
    scene_json_close(json);
    return id;
}

void gallery_show(gallery *g, size_t index, const char *event)
{
    scene_json *json;
    cr_assert_eq(scene_json_open(&json, g->alloc, crdt_span_of(event), NULL, NULL),
                 CRDT_OK);
    hear_change(g, index, scene_json_find(scene_json_root(json), "payload"));
    scene_json_close(json);
}

void gallery_show_removed(gallery *g, size_t index, const char *entity,
                          const char *component)
{
    if (component == NULL) {
        remove_entity(g, index, entity);
    } else {
        remove_part(gallery_find(g, index, entity), component);
    }
}

/* ---- looking ---- */

const gallery_answer *gallery_answered(const gallery *g, size_t index, long id)
{
    const gallery_renderer *r = &g->renderers[index];
    for (size_t i = 0; i < r->answer_count; i++) {
        if (r->answers[i].id == id) {
            return &r->answers[i];
        }
    }
    return NULL;
}

const char *gallery_shows(gallery *g, size_t index, const char *entity,
                          const char *component)
{
    static char texts[8][4096];
    static size_t next;
    char *text = texts[next++ % 8];
    gallery_entity *found = gallery_find(g, index, entity);
    gallery_part *part = found == NULL ? NULL : find_part(found, component);
    if (part == NULL) {
        return "-";
    }
    crdt_buf json;
    crdt_buf_init(&json, g->alloc);
    cr_assert_eq(scene_json_write_value(crdt_buf_span(&part->value), &json), CRDT_OK);
    cr_assert_lt(json.size, 4096);
    memcpy(text, json.data, json.size);
    text[json.size] = '\0';
    crdt_buf_deinit(&json);
    return text;
}

/* The truth, from a view of its own: not by way of the hub. */
static void assert_shows(gallery *g, size_t index, const worker_news *news)
{
    gallery_renderer *r = &g->renderers[index];
    size_t live = 0;
    for (size_t i = 0; i < news->entity_count; i++) {
        const worker_news_entity *entity = &news->entities[i];
        char id[64];
        snprintf(id, sizeof id, "%.*s", (int)entity->id.size,
                 (const char *)entity->id.data);
        gallery_entity *shown = gallery_find(g, index, id);
        if (!entity->live) {
            cr_assert(shown == NULL, "%s: renderer %zu shows %s, which is gone",
                      g->label, index, id);
            continue;
        }
        live++;
        cr_assert_eq(shown->part_count, entity->part_count,
                     "%s: renderer %zu shows too much of %s", g->label, index, id);
    }
    cr_assert_eq(r->entity_count, live, "%s: renderer %zu shows too many", g->label,
                 index);
}

void gallery_assert_equal(gallery *g)
{
    worker_view *fresh;
    worker_news news;
    worker_news_init(&news, g->alloc);
    cr_assert_eq(worker_view_open(&fresh, g->w.replicas[0].doc, g->alloc, NULL, NULL),
                 CRDT_OK);
    cr_assert_eq(worker_view_take(fresh, &news), CRDT_OK);
    cr_assert(news.everything);
    for (size_t i = 0; i < GALLERY_MAX; i++) {
        if (g->renderers[i].session != NULL) {
            assert_shows(g, i, &news);
        }
    }
    worker_news_deinit(&news);
    worker_view_close(fresh);
}
