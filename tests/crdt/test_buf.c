#include "crdt/buf.h"
#include "tests/support/fault_alloc.h"

#include <criterion/criterion.h>
#include <string.h>

Test(buf, grows_and_keeps_its_bytes)
{
    fault_alloc fault;
    crdt_buf buf;
    crdt_buf_init(&buf, fault_alloc_init(&fault));
    cr_assert_eq(crdt_buf_span(&buf).size, 0);
    for (unsigned i = 0; i < 5000; i++) {
        uint8_t byte = (uint8_t)(i * 31);
        cr_assert_eq(crdt_buf_append(&buf, &byte, 1), CRDT_OK);
    }
    cr_assert_eq(buf.size, 5000);
    for (unsigned i = 0; i < 5000; i++) {
        cr_assert_eq(buf.data[i], (uint8_t)(i * 31));
    }
    cr_assert_lt(fault.call_count, 20); /* by half, not by one */
    uint64_t calls = fault.call_count;
    crdt_buf_clear(&buf);
    cr_assert_eq(crdt_buf_append(&buf, NULL, 0), CRDT_OK);
    cr_assert_eq(crdt_buf_append_span(&buf, crdt_span_of("warm")), CRDT_OK);
    cr_assert_eq(fault.call_count, calls);
    crdt_buf_deinit(&buf);
    cr_assert(fault_alloc_balanced(&fault));
}

Test(buf, without_memory_it_is_as_before)
{
    fault_alloc fault;
    crdt_buf buf;
    crdt_buf_init(&buf, fault_alloc_init(&fault));
    cr_assert_eq(crdt_buf_append_span(&buf, crdt_span_of("kept")), CRDT_OK);
    cr_assert_eq(crdt_buf_reserve(&buf, SIZE_MAX), CRDT_ENOMEM);
    cr_assert_eq(crdt_buf_reserve(&buf, SIZE_MAX / 4), CRDT_ENOMEM);
    fault_alloc_fail_at(&fault, 0);
    static const uint8_t more[1000];
    cr_assert_eq(crdt_buf_append(&buf, more, sizeof more), CRDT_ENOMEM);
    cr_assert(crdt_span_equal(crdt_buf_span(&buf), crdt_span_of("kept")));
    crdt_buf_deinit(&buf);
    cr_assert(fault_alloc_balanced(&fault));
}

Test(buf, spans_compare_as_bytes_then_size)
{
    crdt_span empty = {0};
    crdt_span sorted[] = {empty, crdt_span_of("a"), crdt_span_of("aa"),
                          crdt_span_of("b"), crdt_span_of("\x80")};
    for (size_t i = 0; i < 5; i++) {
        for (size_t j = 0; j < 5; j++) {
            int order = crdt_span_compare(sorted[i], sorted[j]);
            cr_assert_eq((order > 0) - (order < 0), (i > j) - (i < j));
            cr_assert_eq(crdt_span_equal(sorted[i], sorted[j]), i == j);
        }
    }
}
