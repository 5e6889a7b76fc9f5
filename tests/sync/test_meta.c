#include "sync/meta.h"

#include <criterion/criterion.h>

static sync_meta with_starts(const sync_start *starts, size_t count)
{
    sync_meta meta = {.actor = {{1}}};
    for (size_t i = 0; i < count; i++) {
        sync_meta_add_start(&meta, starts[i].nonce, starts[i].time);
    }
    return meta;
}

static uint64_t common(const sync_start *a, size_t a_count, const sync_start *b,
                       size_t b_count)
{
    sync_meta meta = with_starts(a, a_count);
    uint64_t time = UINT64_MAX;
    return sync_meta_common_time(&meta, b, b_count, &time) ? time : UINT64_MAX;
}

/* The picture in the header, and its variations. */
Test(meta, histories_part_where_starts_do)
{
    static const sync_start original[] = {{11, 0}, {12, 17}};
    static const sync_start copy[] = {{11, 0}, {12, 17}, {13, 39}};
    static const sync_start later[] = {{11, 0}, {12, 17}, {14, 45}};
    static const sync_start stranger[] = {{99, 0}};
    cr_assert_eq(common(original, 2, copy, 3), 39);
    cr_assert_eq(common(copy, 3, original, 2), 39);
    cr_assert_eq(common(later, 3, copy, 3), 39, "the copy began before");
    cr_assert_eq(common(original, 2, original, 2), 17, "nothing is known beyond");
    cr_assert_eq(common(original, 2, stranger, 1), UINT64_MAX);
}

Test(meta, only_the_last_starts_are_kept)
{
    sync_meta meta = {.actor = {{1}}};
    for (uint64_t i = 0; i < SYNC_START_COUNT_MAX + 3; i++) {
        sync_meta_add_start(&meta, i, 10 * i);
    }
    cr_assert_eq(meta.start_count, SYNC_START_COUNT_MAX);
    cr_assert_eq(meta.starts[0].nonce, 3);
    meta.confirmed_time = 75;
    cr_assert_eq(sync_meta_safe_time(&meta), 70);
    meta.confirmed_time = 5;
    cr_assert_eq(sync_meta_safe_time(&meta), 5, "before all that are listed");
}

Test(meta, set_back)
{
    static const sync_start lived[] = {{11, 0}, {12, 17}};
    static const sync_start again[] = {{11, 0}, {13, 9}};
    sync_meta meta = with_starts(again, 2);
    cr_assert(sync_meta_was_set_back(&meta, lived, 2, 17));
    cr_assert(!sync_meta_was_set_back(&meta, lived, 1, 9), "a beginning of mine");
    cr_assert(sync_meta_was_set_back(&meta, lived, 1, 10), "the start after knew 9");
    cr_assert(!sync_meta_was_set_back(&meta, again, 2, 99), "that is still running");
    cr_assert(!sync_meta_was_set_back(&meta, NULL, 0, 0));
}

/* A second trip came before the first rescue: the first actor was forgotten, and what
 * only this replica held of it was lost (test_copies, seed 490). */
Test(meta, former_actors_are_all_kept)
{
    sync_meta meta = {.actor = {{1}}};
    sync_meta_add_former(&meta, &(crdt_actor){{5}}, 33);
    sync_meta_add_former(&meta, &(crdt_actor){{6}}, 40);
    sync_meta_add_former(&meta, &(crdt_actor){{5}}, 20);
    cr_assert_eq(meta.former_count, 2);
    cr_assert_eq(meta.formers[0].time, 20, "the same beyond the earlier time only");
    cr_assert_eq(meta.formers[1].time, 40);
    for (uint8_t i = 0; i < SYNC_FORMER_COUNT_MAX; i++) {
        sync_meta_add_former(&meta, &(crdt_actor){{i, 1}}, i);
    }
    cr_assert_eq(meta.former_count, SYNC_FORMER_COUNT_MAX);
    cr_assert_eq(meta.formers[0].time, 0, "the oldest ones went");
}

Test(meta, bytes)
{
    static const sync_start starts[] = {{UINT64_MAX, 0}, {12, CRDT_TIME_MAX}};
    sync_meta meta = with_starts(starts, 2);
    meta.confirmed_time = 44;
    sync_meta_add_former(&meta, &(crdt_actor){{5}}, 33);
    crdt_buf bytes;
    crdt_buf_init(&bytes, crdt_alloc_default());
    cr_assert_eq(sync_meta_encode(&meta, &bytes), CRDT_OK);

    sync_meta same = {.actor = {{1}}, .scene = crdt_span_of("plaza")};
    cr_assert_eq(sync_meta_decode(crdt_buf_span(&bytes), &same, NULL), CRDT_OK);
    cr_assert_eq(same.start_count, 2);
    cr_assert_eq(same.starts[0].nonce, UINT64_MAX);
    cr_assert_eq(same.starts[1].time, CRDT_TIME_MAX);
    cr_assert_eq(same.confirmed_time, 44);
    cr_assert_eq(same.former_count, 1);
    cr_assert_eq(same.formers[0].time, 33);
    cr_assert_eq(same.scene.size, 5);

    /* The store made a fresh actor: what belongs to the old one is left out. */
    sync_meta fresh = {.actor = {{2}}};
    cr_assert_eq(sync_meta_decode(crdt_buf_span(&bytes), &fresh, NULL), CRDT_OK);
    cr_assert_eq(fresh.start_count, 0);
    cr_assert_eq(fresh.confirmed_time, 0);
    cr_assert_eq(fresh.former_count, 1, "what is not rescued yet still has to be");

    for (size_t size = 0; size < bytes.size; size++) {
        sync_meta before = {.actor = {{1}}, .confirmed_time = 7};
        cr_assert_neq(sync_meta_decode((crdt_span){bytes.data, size}, &before, NULL),
                      CRDT_OK);
        cr_assert_eq(before.confirmed_time, 7);
    }
    bytes.data[0] = 9;
    cr_assert_eq(sync_meta_decode(crdt_buf_span(&bytes), &same, NULL), CRDT_EVERSION);
    crdt_buf_deinit(&bytes);
}

/* A row a remembered actor; the bytes of format 2, which had none, are read too. */
Test(meta, remembers_others)
{
    sync_meta meta = {.actor = {{1}}};
    for (size_t i = 0; i < SYNC_REMEMBERED_COUNT_MAX; i += 2) {
        meta.remembered[i] = (sync_remembered){
            .actor = {{(uint8_t)(i + 1)}}, .count = SYNC_START_COUNT_MAX, .time = i};
        for (size_t j = 0; j < SYNC_START_COUNT_MAX; j++) {
            meta.remembered[i].starts[j] = (sync_start){UINT64_MAX - j, CRDT_TIME_MAX};
        }
    }
    crdt_buf bytes;
    crdt_buf_init(&bytes, crdt_alloc_default());
    cr_assert_eq(sync_meta_encode(&meta, &bytes), CRDT_OK);
    sync_meta same = {.actor = {{1}}};
    same.remembered[5].count = 3;
    cr_assert_eq(sync_meta_decode(crdt_buf_span(&bytes), &same, NULL), CRDT_OK);
    for (size_t i = 0; i < SYNC_REMEMBERED_COUNT_MAX; i++) {
        const sync_remembered *row = &same.remembered[i];
        cr_assert_eq(row->count,
                     i < SYNC_REMEMBERED_COUNT_MAX / 2 ? SYNC_START_COUNT_MAX : 0);
        cr_assert_eq(row->time, row->count > 0 ? 2 * i : 0);
        cr_assert(row->count == 0 || row->starts[7].nonce == UINT64_MAX - 7);
    }

    sync_meta empty = {.actor = {{1}}, .confirmed_time = 3};
    crdt_buf_clear(&bytes);
    cr_assert_eq(sync_meta_encode(&empty, &bytes), CRDT_OK);
    bytes.data[0] = 2;
    bytes.size--; /* the count of rows */
    cr_assert_eq(sync_meta_decode(crdt_buf_span(&bytes), &same, NULL), CRDT_OK);
    cr_assert_eq(same.confirmed_time, 3);
    crdt_buf_deinit(&bytes);
}
