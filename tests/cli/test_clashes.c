#include "cli/worker/clashes.h"
#include "tests/scene/world.h"
#include "tests/support/fault_alloc.h"

#include <criterion/criterion.h>
#include <stdio.h>

static const crdt_span BEN = {(const uint8_t *)"ben", 3};

/* A lamp at 1; ana wrote it, and ben replaces it with 9. */
typedef struct stand {
    world w;
    worker_clashes clashes;
} stand;

static crdt_entry shown(const stand *s, const char *field)
{
    const crdt_document *doc = s->w.replicas[0].doc;
    crdt_object lamp = crdt_document_find_object(doc, crdt_span_of("lamp"));
    crdt_part part = crdt_document_find_part(doc, lamp, crdt_span_of("Transform"));
    crdt_entry entry = {.stamp = {0}};
    crdt_document_field_value(
        doc, crdt_document_find_field(doc, part, crdt_span_of(field)), 0, &entry);
    return entry;
}

static worker_clash make(const char *entity, const char *field, crdt_span value,
                         bool removed)
{
    return (worker_clash){.removed = removed,
                          .entity = crdt_span_of(entity),
                          .part = crdt_span_of("Transform"),
                          .field = crdt_span_of(field),
                          .value = value,
                          .author = crdt_span_of("ana"),
                          .stamp = {.time = 3}};
}

static void open_stand(stand *s, bool until_known)
{
    world_open(&s->w, 1);
    worker_clashes_init(&s->clashes, crdt_alloc_default());
    world_set(&s->w, 0, "lamp", "Transform", "{\"position\":1,\"scale\":1}");
    s->w.replicas[0].who = "ben";
    const worker_clash clash =
        make("lamp", "position", shown(s, "position").value, false);
    crdt_buf value; /* what it borrows is gone with the next edit */
    crdt_buf_init(&value, crdt_alloc_default());
    crdt_buf_append_span(&value, clash.value);
    world_set_field(&s->w, 0, "lamp", "Transform", "position", "9");
    worker_clash kept = clash;
    kept.value = crdt_buf_span(&value);
    crdt_stamp until = shown(s, "position").stamp;
    cr_assert_eq(
        worker_clashes_add(&s->clashes, &kept, BEN, until_known ? &until : NULL, 1000),
        CRDT_OK);
    crdt_buf_deinit(&value);
}

static void close_stand(stand *s)
{
    worker_clashes_deinit(&s->clashes);
    world_close(&s->w);
}

static bool stands(stand *s, uint64_t now_ms)
{
    size_t before = s->clashes.count;
    bool changed = worker_clashes_check(&s->clashes, s->w.replicas[0].doc, now_ms);
    cr_assert_eq(changed, s->clashes.count < before);
    return s->clashes.count > 0;
}

static void write(stand *s, const char *who, const char *json)
{
    s->w.replicas[0].who = who;
    world_set_field(&s->w, 0, "lamp", "Transform", "position", json);
}

Test(clashes, stand_until_somebody_writes_there)
{
    for (int known = 0; known < 2; known++) {
        stand s;
        open_stand(&s, known == 1);
        cr_assert(stands(&s, 1000));
        world_set_field(&s.w, 0, "lamp", "Transform", "scale", "2");
        cr_assert(stands(&s, 90000), "another field, and any time");
        write(&s, "ana", "7");
        cr_assert_not(stands(&s, 90001));
        close_stand(&s);
    }
}

/* One who drags on has not dealt with what the first of these writes replaced. */
Test(clashes, a_drag_is_one_doing)
{
    stand s;
    open_stand(&s, true);
    char value[8];
    uint64_t now = 1000;
    for (int i = 0; i < 10; i++) {
        snprintf(value, sizeof value, "%d", 20 + i);
        write(&s, "ben", value);
        now += 1500;
        cr_assert(stands(&s, now), "%d", i);
    }
    write(&s, "ben", "40");
    cr_assert_not(stands(&s, now + 1501), "that was on purpose");
    close_stand(&s);
}

Test(clashes, end_with_the_value_or_the_field)
{
    stand s;
    open_stand(&s, true);
    write(&s, "ben", "1");
    cr_assert_not(stands(&s, 1001), "the lost value shows again");
    close_stand(&s);
    open_stand(&s, true);
    world_remove(&s.w, 0, "lamp");
    cr_assert_not(stands(&s, 1001));
    close_stand(&s);
}

Test(clashes, what_was_removed_ends_when_it_is_back)
{
    stand s;
    open_stand(&s, true);
    worker_clashes_clear(&s.clashes);
    world_remove(&s.w, 0, "lamp");
    const worker_clash gone = make("lamp", "scale", crdt_span_of("\1"), true);
    cr_assert_eq(worker_clashes_add(&s.clashes, &gone, BEN, NULL, 0), CRDT_OK);
    cr_assert(stands(&s, 99999));
    world_add(&s.w, 0, "lamp", NULL);
    cr_assert(stands(&s, 99999), "without its transform");
    world_set(&s.w, 0, "lamp", "Transform", "{\"scale\":5}");
    cr_assert_not(stands(&s, 99999));
    close_stand(&s);
}

/* The newest are kept; one field is told of once. */
Test(clashes, are_bounded)
{
    worker_clashes clashes;
    worker_clashes_init(&clashes, crdt_alloc_default());
    char field[16];
    for (unsigned i = 0; i < 3 * WORKER_CLASHES_KEPT_MAX; i++) {
        snprintf(field, sizeof field, "f%u", i);
        const worker_clash clash = make("lamp", field, crdt_span_of("\1"), false);
        cr_assert_eq(worker_clashes_add(&clashes, &clash, BEN, NULL, 0), CRDT_OK);
        cr_assert_eq(worker_clashes_add(&clashes, &clash, BEN, NULL, 0), CRDT_OK);
    }
    cr_assert_eq(clashes.count, WORKER_CLASHES_KEPT_MAX);
    cr_assert(crdt_span_equal(clashes.items[0].told.field, crdt_span_of("f512")));
    static uint8_t large[WORKER_CLASHES_SIZE_MAX / 3];
    for (int i = 0; i < 9; i++) {
        snprintf(field, sizeof field, "g%d", i);
        const worker_clash clash =
            make("lamp", field, (crdt_span){large, sizeof large}, false);
        cr_assert_eq(worker_clashes_add(&clashes, &clash, BEN, NULL, 0), CRDT_OK);
        cr_assert_leq(clashes.size, WORKER_CLASHES_SIZE_MAX);
    }
    cr_assert_eq(clashes.count, 2);
    worker_clashes_deinit(&clashes);
    cr_assert_eq(clashes.size, 0);
}

Test(clashes, those_that_are_meant_are_dismissed)
{
    worker_clashes clashes;
    worker_clashes_init(&clashes, crdt_alloc_default());
    const char *places[][2] = {{"a", "x"}, {"a", "y"}, {"b", "x"}};
    for (size_t i = 0; i < 3; i++) {
        const worker_clash clash =
            make(places[i][0], places[i][1], crdt_span_of("\1"), false);
        worker_clashes_add(&clashes, &clash, BEN, NULL, 0);
    }
    worker_clash_choice choice = {.entity = crdt_span_of("a"),
                                  .field = crdt_span_of("x"),
                                  .has_stamp = true,
                                  .stamp = {.time = 4}};
    cr_assert_eq(worker_clashes_dismiss(&clashes, &choice), 0);
    choice.stamp.time = 3;
    cr_assert_eq(worker_clashes_dismiss(&clashes, &choice), 1);
    choice = (worker_clash_choice){.entity = crdt_span_of("a"),
                                   .part = crdt_span_of("Name")};
    cr_assert_eq(worker_clashes_dismiss(&clashes, &choice), 0);
    choice.part = (crdt_span){0};
    cr_assert_eq(worker_clashes_dismiss(&clashes, &choice), 1);
    cr_assert_eq(clashes.count, 1);
    worker_clashes_deinit(&clashes);
}

Test(clashes, without_memory_all_is_as_before)
{
    for (uint64_t n = 0; n < 4; n++) {
        fault_alloc faults;
        worker_clashes clashes;
        worker_clashes_init(&clashes, fault_alloc_init(&faults));
        const worker_clash clash = make("a", "x", crdt_span_of("\1"), false);
        fault_alloc_fail_at(&faults, n);
        crdt_err err = worker_clashes_add(&clashes, &clash, BEN, NULL, 0);
        cr_assert_eq(err, n < 2 ? CRDT_ENOMEM : CRDT_OK, "%d", (int)n);
        cr_assert_eq(clashes.count, err == CRDT_OK ? 1 : 0);
        worker_clashes_deinit(&clashes);
        cr_assert(fault_alloc_balanced(&faults));
    }
}
