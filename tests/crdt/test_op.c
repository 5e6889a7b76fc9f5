#include "crdt/op_list.h"
#include "tests/support/gen.h"

#include <criterion/criterion.h>
#include <stdio.h>

Test(op, keys_are_ordered_by_names_then_depth)
{
    crdt_span a = crdt_span_of("a");
    crdt_span b = crdt_span_of("b");
    crdt_span none = crdt_span_of("");
    /* The empty name is a name: a key with it lies below its parent. */
    crdt_key sorted[] = {
        crdt_key_object(none),         crdt_key_object(a),
        crdt_key_part(a, none),        crdt_key_field(a, none, none),
        crdt_key_field(a, none, a),    crdt_key_part(a, a),
        crdt_key_field(a, a, none),    crdt_key_field(a, a, b),
        crdt_key_part(a, b),           crdt_key_object(b),
        crdt_key_field(b, none, none),
    };
    size_t count = sizeof sorted / sizeof *sorted;
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < count; j++) {
            int order = crdt_key_compare(&sorted[i], &sorted[j]);
            cr_assert_eq((order > 0) - (order < 0), (i > j) - (i < j), "%zu %zu", i, j);
            cr_assert_eq(crdt_key_equal(&sorted[i], &sorted[j]), i == j);
        }
    }
}

Test(op, times_of_a_batch_follow_its_deps)
{
    crdt_stamp deps[] = {{.time = 7, .actor = gen_actor(0)},
                         {.time = 9, .actor = gen_actor(1)},
                         {.time = 2, .actor = gen_actor(2)}};
    crdt_batch batch = {.deps = deps, .dep_count = 3, .op_count = 4};
    cr_assert_eq(crdt_batch_first_time(&batch), 10);
    cr_assert_eq(crdt_batch_last_time(&batch), 13);
    batch.dep_count = 0;
    batch.op_count = 1;
    cr_assert_eq(crdt_batch_first_time(&batch), 1);
    cr_assert_eq(crdt_batch_last_time(&batch), 1);
}

/* Names that come again are one copy, also after the list was cleared and its memory is
 * used again. */
Test(op, a_list_keeps_what_it_was_given)
{
    crdt_op_list list;
    crdt_op_list_init(&list, crdt_alloc_default());
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 300; i++) {
            char names[3][16];
            snprintf(names[0], sizeof names[0], "o%d", i / 4 + round);
            snprintf(names[1], sizeof names[1], i % 3 == 0 ? "Transform" : "p%d",
                     i % 7);
            snprintf(names[2], sizeof names[2], i % 5 == 0 ? "position" : "f%d",
                     i % 40);
            crdt_key key = crdt_key_field(
                crdt_span_of(names[0]), crdt_span_of(names[1]), crdt_span_of(names[2]));
            cr_assert_eq(crdt_op_list_set(&list, key, crdt_span_of("\x01")), CRDT_OK);
            cr_assert(crdt_key_equal(&list.ops[i].key, &key));
            memset(names, 'x', sizeof names);
            if (i >= 35) { /* long ago, and still what it was */
                snprintf(names[2], sizeof names[2],
                         (i - 35) % 5 == 0 ? "position" : "f%d", (i - 35) % 40);
                cr_assert(crdt_span_equal(list.ops[i - 35].key.field,
                                          crdt_span_of(names[2])));
            }
        }
        crdt_op_list_clear(&list);
    }
    crdt_op_list_deinit(&list);
}
