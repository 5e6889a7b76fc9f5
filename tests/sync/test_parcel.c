#include "sync/parcel.h"
#include "tests/support/fault_alloc.h"

#include <criterion/criterion.h>
#include <string.h>

static crdt_buf text(crdt_alloc alloc, const char *bytes)
{
    crdt_buf buf;
    crdt_buf_init(&buf, alloc);
    cr_assert_eq(crdt_buf_append(&buf, bytes, strlen(bytes)), CRDT_OK);
    return buf;
}

/* Kept, cut, put together in any order, with repetitions: the same bytes. */
Test(parcel, pieces_make_the_whole)
{
    fault_alloc fault;
    crdt_alloc alloc = fault_alloc_init(&fault);
    sync_shelf shelf;
    sync_staging staging;
    cr_assert_eq(sync_shelf_init(&shelf, alloc, 4, 1000, 70), CRDT_OK);
    sync_staging_init(&staging, alloc);
    crdt_buf bytes = text(alloc, "to be cut into pieces");
    sync_kept *kept = sync_shelf_add(&shelf, &bytes, 1);
    cr_assert_not_null(kept);
    cr_assert_eq(bytes.size, 0, "taken over");
    cr_assert_eq(sync_shelf_find(&shelf, kept->id), kept);
    sync_parcel parcel = {
        .id = kept->id, .size = kept->bytes.size, .chunk_size = 5, .hash = kept->hash};
    cr_assert_eq(sync_staging_begin(&staging, &parcel, 1000), CRDT_OK);
    static const uint64_t order[] = {3, 0, 3, 4, 1, 1, 2};
    for (size_t i = 0; i < 7; i++) {
        cr_assert(!sync_staging_complete(&staging));
        cr_assert_eq(
            sync_staging_put(&staging, order[i], sync_kept_chunk(kept, order[i], 5)),
            CRDT_OK);
    }
    cr_assert(sync_staging_complete(&staging));
    cr_assert(crdt_span_equal(crdt_buf_span(&staging.bytes),
                              crdt_span_of("to be cut into pieces")));
    cr_assert_eq(sync_kept_chunk(kept, 5, 5).size, 0);
    cr_assert_eq(sync_kept_chunk(kept, UINT64_MAX, 5).size, 0);
    sync_staging_deinit(&staging);
    sync_shelf_deinit(&shelf);
    cr_assert(fault_alloc_balanced(&fault));
}

/* What is claimed is not believed: sizes, places, the hash; memory grows with what came. */
Test(parcel, claims_are_checked)
{
    fault_alloc fault;
    sync_staging staging;
    sync_staging_init(&staging, fault_alloc_init(&fault));
    sync_parcel parcel = {.size = (uint64_t)1 << 40, .chunk_size = 1000};
    cr_assert_eq(sync_staging_begin(&staging, &parcel, 1 << 20), CRDT_ELIMIT);
    parcel.chunk_size = 0;
    parcel.size = 10;
    cr_assert_eq(sync_staging_begin(&staging, &parcel, 1 << 20), CRDT_ELIMIT);
    parcel = (sync_parcel){.size = 1 << 20, .chunk_size = 4};
    cr_assert_eq(sync_staging_begin(&staging, &parcel, 1 << 20), CRDT_OK);
    cr_assert_eq(sync_staging_put(&staging, 200000, crdt_span_of("abcd")),
                 CRDT_ECORRUPT, "far ahead of what came");
    cr_assert_eq(sync_staging_put(&staging, 1, crdt_span_of("abc")), CRDT_ECORRUPT);
    cr_assert_eq(sync_staging_put(&staging, 1, crdt_span_of("abcd")), CRDT_OK);
    cr_assert(fault.live_size < 1024);
    parcel = (sync_parcel){.size = 4, .chunk_size = 4, .hash = {1, 1}};
    cr_assert_eq(sync_staging_begin(&staging, &parcel, 100), CRDT_OK);
    cr_assert_eq(sync_staging_put(&staging, 0, crdt_span_of("abcd")), CRDT_ECORRUPT,
                 "the hash");
    cr_assert(!staging.open);
    cr_assert_eq(sync_staging_put(&staging, 0, crdt_span_of("abcd")), CRDT_ECORRUPT);
    sync_staging_deinit(&staging);
    cr_assert(fault_alloc_balanced(&fault));
}

Test(parcel, shelf_is_bounded)
{
    sync_shelf shelf;
    cr_assert_eq(sync_shelf_init(&shelf, crdt_alloc_default(), 2, 10, 0), CRDT_OK);
    crdt_buf bytes = text(crdt_alloc_default(), "aaaa");
    uint64_t first = sync_shelf_add(&shelf, &bytes, 1)->id;
    bytes = text(crdt_alloc_default(), "bbbb");
    uint64_t second = sync_shelf_add(&shelf, &bytes, 2)->id;
    sync_shelf_find(&shelf, first)->used_at_ms = 3;
    bytes = text(crdt_alloc_default(), "cccc");
    cr_assert_not_null(sync_shelf_add(&shelf, &bytes, 4));
    cr_assert_not_null(sync_shelf_find(&shelf, first));
    cr_assert_null(sync_shelf_find(&shelf, second), "the least recently used goes");
    bytes = text(crdt_alloc_default(), "0123456789a");
    cr_assert_null(sync_shelf_add(&shelf, &bytes, 5), "larger than the shelf");
    crdt_buf_deinit(&bytes);
    sync_shelf_expire(&shelf, 4);
    cr_assert_eq(shelf.count, 1);
    sync_shelf_deinit(&shelf);
}
