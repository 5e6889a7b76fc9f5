#include "crdt/value.h"
#include "crdt/well_known.h"

#include <criterion/criterion.h>

static size_t find(crdt_span name)
{
    return crdt_well_known_find(name, crdt_well_known_hash(name));
}

/* Each name is found at its index: all differ, and the table of places is right. */
Test(well_known, each_is_found)
{
    for (size_t i = 0; i < CRDT_WELL_KNOWN_COUNT; i++) {
        crdt_span name = crdt_well_known_names[i];
        cr_assert_eq(find(name), i, "%.*s", (int)name.size, (const char *)name.data);
        cr_assert(name.size >= 1 && name.size <= CRDT_NAME_SIZE_MAX);
    }
    cr_assert_eq(find(crdt_span_of("Transform")), 0);
    cr_assert_lt(find(crdt_span_of("visible")), CRDT_WELL_KNOWN_FIELD_COUNT);
}

/* Others are not: no name at all, beginnings, longer ones, any of one or two bytes. */
Test(well_known, others_are_not)
{
    cr_assert_eq(find((crdt_span){0}), CRDT_WELL_KNOWN_COUNT);
    for (size_t i = 0; i < CRDT_WELL_KNOWN_COUNT; i++) {
        uint8_t longer[64];
        crdt_span name = crdt_well_known_names[i];
        memcpy(longer, name.data, name.size);
        longer[name.size] = '~';
        cr_assert_eq(find((crdt_span){longer, name.size + 1}), CRDT_WELL_KNOWN_COUNT);
        longer[name.size / 2] ^= 0x20;
        cr_assert_eq(find((crdt_span){longer, name.size}), CRDT_WELL_KNOWN_COUNT);
    }
    size_t found = 0;
    for (unsigned n = 0; n <= UINT16_MAX; n++) {
        const uint8_t two[2] = {(uint8_t)(n >> 8), (uint8_t)n};
        found += find((crdt_span){two, 2}) < CRDT_WELL_KNOWN_COUNT;
    }
    size_t of_two = 0;
    for (size_t i = 0; i < CRDT_WELL_KNOWN_COUNT; i++) {
        of_two += crdt_well_known_names[i].size == 2;
    }
    cr_assert_eq(found, of_two);
}
