/* Files kept by their hash: what was asked for last stays, and never more than it may be. */

#include "cli/outside/file_cache.h"
#include "tests/support/fault_alloc.h"

#include <criterion/criterion.h>

#include <stdio.h>

static outside_file_cache *cache;

static void open_cache(void)
{
    cr_assert_eq(outside_file_cache_open(&cache, crdt_alloc_default(), 4000), CRDT_OK);
}

static void close_cache(void)
{
    outside_file_cache_close(cache);
}

TestSuite(file_cache, .init = open_cache, .fini = close_cache);

static void put(const char *hash, size_t size)
{
    static const uint8_t bytes[5000] = {7};
    outside_file_cache_put(cache, hash, (crdt_span){bytes, size});
}

/* Bytes that are there; 0: none. */
static size_t get(const char *hash)
{
    crdt_buf out;
    crdt_buf_init(&out, crdt_alloc_default());
    bool found = outside_file_cache_get(cache, hash, &out);
    size_t size = out.size;
    cr_expect_eq(found, size > 0);
    crdt_buf_deinit(&out);
    return size;
}

Test(file_cache, the_one_not_asked_for_makes_room)
{
    put("a", 1000);
    put("b", 1000);
    put("c", 1000);
    put("d", 1000);
    cr_expect_eq(get("a"), 1000); /* so b is the oldest now */
    put("e", 500);
    cr_expect_eq(get("b"), 0);
    cr_expect_eq(get("a"), 1000);
    cr_expect_eq(get("e"), 500);
    cr_expect_eq(outside_file_cache_size(cache), 3500);
}

Test(file_cache, bounds)
{
    put("large", 1001); /* more than a quarter would drive out all else */
    cr_expect_eq(get("large"), 0);
    put("a", 600);
    put("a", 600); /* once */
    cr_expect_eq(outside_file_cache_size(cache), 600);
    for (unsigned i = 0; i < 3000; i++) {
        char hash[16];
        snprintf(hash, sizeof hash, "h%u", i);
        put(hash, 1);
        cr_assert_leq(outside_file_cache_size(cache), 4000);
    }
    cr_expect_eq(get("h2999"), 1);
    cr_expect_eq(get("h0"), 0);
}

Test(file_cache, without_memory_nothing_is_kept)
{
    for (uint64_t at = 0; at < 5; at++) {
        fault_alloc fault;
        crdt_alloc alloc = fault_alloc_init(&fault);
        outside_file_cache *small = NULL;
        fault_alloc_fail_at(&fault, at);
        if (outside_file_cache_open(&small, alloc, 400) == CRDT_OK) {
            crdt_buf out;
            crdt_buf_init(&out, alloc);
            outside_file_cache_put(small, "a", crdt_span_of("bytes"));
            bool found = outside_file_cache_get(small, "a", &out);
            cr_expect_eq(out.size, found ? 5 : 0);
            crdt_buf_deinit(&out);
        }
        outside_file_cache_close(small);
        cr_expect(fault_alloc_balanced(&fault));
    }
}
