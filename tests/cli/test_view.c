#include "cli/worker/hub.h"
#include "cli/worker/view.h"
#include "tests/scene/world.h"
#include "tests/support/gen.h"

#include "scene/json.h"

#include <criterion/criterion.h>
#include <stdio.h>

typedef struct stand {
    world w;
    worker_view *view;
    worker_hub *hub;
    size_t woken; /* how often the view said that something changed */
} stand;

static void wake(void *ctx)
{
    stand *s = ctx;
    s->woken++;
}

/* What is new goes to the hub; how many entities were told. */
static size_t take(stand *s)
{
    worker_news news;
    worker_news_init(&news, crdt_alloc_default());
    cr_assert_eq(worker_view_take(s->view, &news), CRDT_OK);
    cr_assert_eq(worker_hub_take(s->hub, &news), CRDT_OK);
    size_t count = news.entity_count;
    worker_news_deinit(&news);
    cr_assert_not(worker_view_dirty(s->view));
    return count;
}

static void open_stand(stand *s, size_t replicas)
{
    memset(s, 0, sizeof *s);
    world_open(&s->w, replicas);
    cr_assert_eq(worker_hub_open(&s->hub, crdt_alloc_default(), crdt_span_of("0,0")),
                 CRDT_OK);
    cr_assert_eq(
        worker_view_open(&s->view, s->w.replicas[0].doc, crdt_alloc_default(), wake, s),
        CRDT_OK);
    take(s);
}

static void close_stand(stand *s)
{
    worker_hub_close(s->hub);
    worker_view_close(s->view);
    world_close(&s->w);
}

/* A component as JSON; "-": none. Valid until the next call. */
static const char *shown(const stand *s, const char *id, const char *part)
{
    static char text[1024];
    const worker_entity *entity = worker_hub_find(s->hub, crdt_span_of(id));
    if (entity == NULL || !entity->live) {
        return "-";
    }
    worker_part *found =
        worker_entity_part(entity, worker_hub_type_of(s->hub, crdt_span_of(part)));
    if (found == NULL) {
        return "-";
    }
    crdt_span json = worker_blob_json(found->value);
    snprintf(text, sizeof text, "%.*s", (int)json.size, (const char *)json.data);
    return text;
}

/* After k changes only they are told, and it is said once that there is something. */
Test(view, tells_what_changed)
{
    stand s;
    open_stand(&s, 1);
    for (int i = 0; i < 100; i++) {
        char id[8];
        snprintf(id, sizeof id, "e%d", i);
        world_set(&s.w, 0, id, "Transform", "{\"position\":1}");
    }
    cr_assert_eq(s.woken, 1);
    cr_assert_eq(take(&s), 100);
    world_set_field(&s.w, 0, "e7", "Transform", "position", "2");
    world_set_field(&s.w, 0, "e9", "Transform", "position", "2");
    cr_assert_eq(s.woken, 2);
    cr_assert_eq(take(&s), 2);
    cr_assert_str_eq(shown(&s, "e7", "Transform"), "{\"position\":2}");
    cr_assert_eq(take(&s), 0);
    world_remove(&s.w, 0, "e7");
    take(&s);
    cr_assert_str_eq(shown(&s, "e7", "Transform"), "-");
    cr_assert_eq(worker_hub_entity_count(s.hub), 99);
    close_stand(&s);
}

/* Parents are shown resolved, also where the change of another entity moved this one. */
Test(view, parents_are_resolved)
{
    stand s;
    open_stand(&s, 2);
    world_add(&s.w, 0, "table", NULL);
    world_set(&s.w, 0, "lamp", "Transform", "{\"parent\":\"table\",\"scale\":1}");
    take(&s);
    cr_assert_str_eq(shown(&s, "lamp", "Transform"),
                     "{\"parent\":\"table\",\"scale\":1}");
    world_sync(&s.w);
    world_remove(&s.w, 1, "table");
    world_sync(&s.w);
    take(&s);
    cr_assert_str_eq(shown(&s, "lamp", "Transform"), "{\"scale\":1}", "an orphan");
    world_add(&s.w, 1, "table", NULL);
    world_sync(&s.w);
    take(&s);
    cr_assert_str_eq(shown(&s, "lamp", "Transform"),
                     "{\"parent\":\"table\",\"scale\":1}");
    close_stand(&s);
}

/* The stamp is the greatest of what is shown, the author who wrote then. */
Test(view, stamp_and_author)
{
    stand s;
    open_stand(&s, 2);
    world_set(&s.w, 0, "lamp", "Transform", "{\"position\":1,\"scale\":1}");
    world_sync(&s.w);
    world_set_field(&s.w, 1, "lamp", "Transform", "scale", "2");
    world_sync(&s.w);
    take(&s);
    const worker_entity *lamp = worker_hub_find(s.hub, crdt_span_of("lamp"));
    cr_assert(crdt_actor_equal(&lamp->parts[0].stamp.actor, &s.w.replicas[1].actor));
    cr_assert(crdt_span_equal(worker_blob_span(lamp->parts[0].author),
                              crdt_span_of(s.w.replicas[1].who)));
    close_stand(&s);
}

/* ---- following is as good as reading anew ---- */

static void assert_same(const worker_hub *a, const worker_hub *b, uint64_t seed)
{
    cr_assert_eq(worker_hub_entity_count(a), worker_hub_entity_count(b), "seed %llu",
                 (unsigned long long)seed);
    for (uint32_t slot = 0; slot < worker_hub_slot_count(b); slot++) {
        const worker_entity *wanted = worker_hub_slot(b, slot);
        if (wanted == NULL || !wanted->live) {
            continue;
        }
        const worker_entity *kept = worker_hub_find(a, worker_blob_span(wanted->id));
        cr_assert(kept != NULL && kept->live && kept->part_count == wanted->part_count,
                  "seed %llu", (unsigned long long)seed);
        for (size_t i = 0; i < wanted->part_count; i++) {
            const worker_type *x = worker_hub_type(a, kept->parts[i].type);
            const worker_type *y = worker_hub_type(b, wanted->parts[i].type);
            cr_assert(
                worker_blob_equal(x->part, y->part) &&
                    worker_blob_equal(kept->parts[i].value, wanted->parts[i].value) &&
                    crdt_stamp_compare(&kept->parts[i].stamp,
                                       &wanted->parts[i].stamp) == 0,
                "seed %llu", (unsigned long long)seed);
        }
    }
}

static void compare_with_fresh(stand *s, uint64_t seed)
{
    stand fresh = {.woken = 0};
    cr_assert_eq(worker_hub_open(&fresh.hub, crdt_alloc_default(), crdt_span_of("0,0")),
                 CRDT_OK);
    cr_assert_eq(worker_view_open(&fresh.view, s->w.replicas[0].doc,
                                  crdt_alloc_default(), NULL, NULL),
                 CRDT_OK);
    take(&fresh);
    assert_same(s->hub, fresh.hub, seed);
    worker_hub_close(fresh.hub);
    worker_view_close(fresh.view);
}

/* Entities, trees, and components that several share, edited on two replicas. */
static void step(stand *s, gen *g)
{
    char id[8];
    char other[8];
    char json[32];
    size_t r = gen_below(g, 2);
    snprintf(id, sizeof id, "e%d", (int)gen_below(g, 6));
    snprintf(other, sizeof other, "e%d", (int)gen_below(g, 6));
    snprintf(json, sizeof json, "%d", (int)gen_below(g, 1000));
    switch (gen_below(g, 9)) {
    case 0:
        world_remove(&s->w, r, id);
        break;
    case 1:
        world_add(&s->w, r, id, NULL);
        break;
    case 2:
        world_move(&s->w, r, id, other);
        break;
    case 3:
        world_raw(&s->w, r, CRDT_OP_ADD, "\377cshared", NULL, NULL, NULL);
        world_raw(&s->w, r, CRDT_OP_ADD, "\377cshared", "Shape", NULL, NULL);
        world_raw(&s->w, r, CRDT_OP_SET, "\377cshared", "Shape", "src", json);
        break;
    case 4:
        world_raw(&s->w, r, CRDT_OP_ADD, id, "Shape", NULL, NULL);
        world_raw(&s->w, r, CRDT_OP_SET, id, "Shape", "\377s", "\"shared\"");
        break;
    case 5:
        world_remove_component(&s->w, r, id, "Shape");
        break;
    default:
        world_set_field(&s->w, r, id, "Transform", "scale", json);
        break;
    }
    if (gen_chance(g, 30)) {
        world_sync(&s->w);
    }
}

Test(view, following_is_as_good_as_reading_anew)
{
    uint64_t first = gen_seed(1);
    for (uint64_t seed = first; seed < first + 60; seed++) {
        stand s;
        gen g = gen_open(seed, NULL);
        open_stand(&s, 2);
        for (int i = 0; i < 80; i++) {
            step(&s, &g);
            if (gen_chance(&g, 40)) {
                take(&s);
                compare_with_fresh(&s, seed);
            }
        }
        close_stand(&s);
    }
}

/* Scenes of the Builder name their entities in the entity, not in a component. */
Test(view, names_come_with_the_entity)
{
    stand s;
    open_stand(&s, 1);
    world_add(&s.w, 0, "tree", NULL);
    world_raw(&s.w, 0, CRDT_OP_ADD, "tree", SCENE_NAME_ENTITY, NULL, NULL);
    world_raw(&s.w, 0, CRDT_OP_SET, "tree", SCENE_NAME_ENTITY, "name",
              "\"lime \\\"1\"");
    world_add(&s.w, 0, "rock", NULL);
    take(&s);
    const worker_entity *tree = worker_hub_find(s.hub, crdt_span_of("tree"));
    cr_assert(
        crdt_span_equal(worker_blob_span(tree->name), crdt_span_of("\"lime \\\"1\"")));
    cr_assert_null(worker_hub_find(s.hub, crdt_span_of("rock"))->name);
    close_stand(&s);
}
