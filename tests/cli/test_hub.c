#include "cli/worker/hub.h"
#include "tests/support/fault_alloc.h"

#include "crdt/value.h"

#include <criterion/criterion.h>
#include <stdio.h>

/* News of one entity with one component, `text` its value as a string. */
static void tell(worker_news *news, const char *id, bool live, const char *part,
                 const char *text)
{
    worker_news_entity *entity = worker_news_add(news);
    cr_assert(entity != NULL);
    cr_assert(worker_news_copy(news, crdt_span_of(id), &entity->id));
    entity->live = live;
    if (part == NULL) {
        return;
    }
    crdt_buf value;
    crdt_buf_init(&value, crdt_alloc_default());
    cr_assert_eq(crdt_value_write_string(&value, crdt_span_of(text)), CRDT_OK);
    entity->parts = crdt_arena_alloc(&news->arena, sizeof *entity->parts);
    cr_assert(entity->parts != NULL);
    *entity->parts = (worker_news_part){.part = crdt_span_of(part),
                                        .stamp = {.time = 3},
                                        .author = crdt_span_of("ann")};
    cr_assert(worker_news_copy(news, crdt_buf_span(&value), &entity->parts->value));
    entity->part_count = 1;
    crdt_buf_deinit(&value);
}

static void take_one(worker_hub *hub, const char *id, bool live, const char *part,
                     const char *text)
{
    worker_news news;
    worker_news_init(&news, crdt_alloc_default());
    news.origin = SCENE_FORMAT_STATE;
    tell(&news, id, live, part, text);
    cr_assert_eq(worker_hub_take(hub, &news), CRDT_OK);
    worker_news_deinit(&news);
}

static worker_hub *open_hub(void)
{
    worker_hub *hub;
    cr_assert_eq(worker_hub_open(&hub, crdt_alloc_default(), crdt_span_of("0,0")),
                 CRDT_OK);
    return hub;
}

static void assert_id(const worker_entity *entity, const char *id)
{
    cr_assert(entity != NULL, "no entity, not %s", id);
    cr_assert(crdt_span_equal(worker_blob_span(entity->id), crdt_span_of(id)), "%s",
              id);
}

/* What changed last is last; what did not change stays where it is. */
Test(hub, order_of_changes)
{
    worker_hub *hub = open_hub();
    take_one(hub, "a", true, "Name", "1");
    take_one(hub, "b", true, "Name", "1");
    take_one(hub, "c", true, "Name", "1");
    uint64_t revision = worker_hub_revision(hub);
    assert_id(worker_hub_after(hub, 0), "a");
    take_one(hub, "a", true, "Name", "1");
    cr_assert_eq(worker_hub_revision(hub), revision, "nothing changed");
    take_one(hub, "a", true, "Name", "2");
    assert_id(worker_hub_after(hub, 0), "b");
    assert_id(worker_hub_after(hub, revision), "a");
    cr_assert(worker_hub_after(hub, worker_hub_revision(hub)) == NULL);
    worker_hub_close(hub);
}

/* An entity that is gone is remembered while somebody holds it, and no longer. */
Test(hub, gone_entities)
{
    worker_hub *hub = open_hub();
    take_one(hub, "a", true, "Name", "1");
    worker_entity *held = worker_hub_hold(hub, crdt_span_of("a"));
    take_one(hub, "a", false, NULL, NULL);
    cr_assert_eq(worker_hub_entity_count(hub), 0);
    cr_assert_eq(worker_hub_gone_count(hub), 1);
    cr_assert(worker_hub_find(hub, crdt_span_of("a")) == held);
    cr_assert_eq(held->part_count, 0);
    assert_id(worker_hub_after(hub, 0), "a");
    worker_hub_drop(hub, held);
    cr_assert_eq(worker_hub_gone_count(hub), 0);
    cr_assert(worker_hub_find(hub, crdt_span_of("a")) == NULL);
    cr_assert(worker_hub_after(hub, 0) == NULL);
    /* Nobody held it: it leaves no trace at all. */
    take_one(hub, "b", true, "Name", "1");
    take_one(hub, "b", false, NULL, NULL);
    cr_assert_eq(worker_hub_gone_count(hub), 0);
    cr_assert_leq(worker_hub_slot_count(hub), 1, "slots are used again");
    worker_hub_close(hub);
}

/* News of everything: what they do not tell of is gone. */
Test(hub, everything)
{
    worker_hub *hub = open_hub();
    take_one(hub, "a", true, "Name", "1");
    take_one(hub, "b", true, "Name", "1");
    worker_entity *held = worker_hub_hold(hub, crdt_span_of("a"));
    worker_news news;
    worker_news_init(&news, crdt_alloc_default());
    news.everything = true;
    tell(&news, "b", true, "Name", "1");
    tell(&news, "c", true, "Name", "1");
    cr_assert_eq(worker_hub_take(hub, &news), CRDT_OK);
    worker_news_deinit(&news);
    cr_assert_not(held->live);
    cr_assert_eq(worker_hub_entity_count(hub), 2);
    worker_hub_drop(hub, held);
    worker_hub_close(hub);
}

/* The order of the snapshot: numbers first, by number; then by bytes. */
Test(hub, order_of_the_snapshot)
{
    static const char *const IDS[] = {"2", "10", "b", "c"};
    worker_hub *hub = open_hub();
    take_one(hub, "c", true, NULL, NULL);
    take_one(hub, "10", true, NULL, NULL);
    take_one(hub, "b", true, NULL, NULL);
    take_one(hub, "2", true, NULL, NULL);
    const worker_entity *at = NULL;
    crdt_err err;
    for (size_t i = 0; i < 4; i++) {
        at = worker_hub_next(hub, at, &err);
        assert_id(at, IDS[i]);
    }
    cr_assert(worker_hub_next(hub, at, &err) == NULL);
    cr_assert_eq(err, CRDT_OK);
    worker_hub_close(hub);
}

/* Numbers and names of components, there and back. */
Test(hub, types)
{
    worker_hub *hub = open_hub();
    uint32_t transform = worker_hub_type_of(hub, crdt_span_of("Transform"));
    cr_assert_eq(worker_hub_type_by_number(hub, 1), transform);
    cr_assert_eq(worker_hub_type_by_name(hub, crdt_span_of("1")), transform);
    cr_assert_eq(worker_hub_type_by_name(hub, crdt_span_of("Transform")), transform);
    cr_assert_eq(worker_hub_type_by_number(hub, 3999999999u), WORKER_NONE);
    cr_assert_eq(worker_hub_type_by_name(hub, crdt_span_of("")), WORKER_NONE);
    cr_assert_eq(worker_hub_type_by_name(hub, crdt_span_of("\377e")), WORKER_NONE);
    /* The second component of a type has a name that can be said, once it is there. */
    uint32_t plain = worker_hub_type_by_name(hub, crdt_span_of("Script#2"));
    cr_assert(crdt_span_equal(worker_blob_span(worker_hub_type(hub, plain)->part),
                              crdt_span_of("Script#2")));
    uint32_t second = worker_hub_type_of(hub, crdt_span_of("\377r2:Sound"));
    cr_assert(crdt_span_equal(worker_blob_span(worker_hub_type(hub, second)->name),
                              crdt_span_of("\"Sound#2\"")));
    cr_assert_eq(worker_hub_type_by_name(hub, crdt_span_of("Sound#2")), second);
    worker_hub_close(hub);
}

/* Too many types: what is beyond is not shown, and the rest is. */
Test(hub, too_many_types)
{
    worker_hub *hub = open_hub();
    char name[4096];
    memset(name, 'x', sizeof name);
    for (int i = 0; i < 2000; i++) {
        snprintf(name, 8, "%07d", i);
        name[7] = 'x';
        worker_hub_type_by_name(hub, (crdt_span){(const uint8_t *)name, sizeof name});
    }
    cr_assert_eq(worker_hub_type_of(hub, (crdt_span){(const uint8_t *)name, 4096}),
                 WORKER_NONE);
    cr_assert_not(worker_hub_type_known(hub, crdt_span_of("Other")));
    take_one(hub, "a", true, "Name", "1");
    worker_entity *a = worker_hub_find(hub, crdt_span_of("a"));
    cr_assert_eq(a->part_count, 1, "there is room for a short one");
    worker_news news;
    worker_news_init(&news, crdt_alloc_default());
    tell(&news, "b", true, "Name", "1");
    news.entities[0].parts[0].part = (crdt_span){(const uint8_t *)name, 4096};
    cr_assert_eq(worker_hub_take(hub, &news), CRDT_OK);
    worker_news_deinit(&news);
    cr_assert_eq(worker_hub_find(hub, crdt_span_of("b"))->part_count, 0);
    worker_hub_close(hub);
}

/* The event of a component is made once, and anew when it changed. */
Test(hub, event)
{
    worker_hub *hub = open_hub();
    take_one(hub, "a", true, "Name", "1");
    worker_entity *entity = worker_hub_find(hub, crdt_span_of("a"));
    crdt_span event = worker_hub_event(hub, entity, &entity->parts[0]);
    const char *wanted =
        "{\"sceneId\":\"0,0\",\"eventType\":\"stateEvent\",\"payload\":{\"type\":"
        "\"SetComponent\",\"payload\":{\"entityId\":\"a\",\"componentId\":300,"
        "\"component\":\"Name\",\"data\":\"1\"}},\"author\":{\"name\":\"ann\"},"
        "\"stamp\":"
        "\"3@00000000000000000000000000000000\"}";
    cr_assert(crdt_span_equal(event, crdt_span_of(wanted)), "%.*s", (int)event.size,
              (const char *)event.data);
    cr_assert(worker_hub_event(hub, entity, &entity->parts[0]).data == event.data);
    take_one(hub, "a", true, "Name", "2");
    event = worker_hub_event(hub, entity, &entity->parts[0]);
    cr_assert_not(crdt_span_equal(event, crdt_span_of(wanted)));
    worker_hub_close(hub);
}

/* Each allocation fails in turn: an error, nothing lost for good, nothing leaked. */
Test(hub, no_memory)
{
    for (uint64_t n = 0;; n++) {
        fault_alloc fault;
        crdt_alloc alloc = fault_alloc_init(&fault);
        worker_news news;
        worker_news_init(&news, crdt_alloc_default());
        news.everything = true;
        tell(&news, "a", true, "Name", "1");
        tell(&news, "b", true, "Transform", "1");
        worker_hub *hub = NULL;
        fault_alloc_fail_at(&fault, n);
        crdt_err err = worker_hub_open(&hub, alloc, crdt_span_of("0,0"));
        if (err == CRDT_OK) {
            err = worker_hub_take(hub, &news);
        }
        fault_alloc_heal(&fault);
        if (err != CRDT_OK && hub != NULL) {
            cr_assert_eq(worker_hub_take(hub, &news), CRDT_OK, "told again: whole");
            cr_assert_eq(worker_hub_entity_count(hub), 2);
        }
        worker_hub_close(hub);
        worker_news_deinit(&news);
        cr_assert(fault_alloc_balanced(&fault), "at %llu", (unsigned long long)n);
        if (err == CRDT_OK) {
            cr_assert_gt(n, 10);
            break;
        }
    }
}
