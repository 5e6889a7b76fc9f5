/* Fuzzing one's own operations: a board of notes that people add, move and throw away.
 *
 *   cc example_fuzz.c $(pkg-config --cflags --libs scenesync) -o example_fuzz
 *   ./example_fuzz                  200 seeds of the rule that holds
 *   ./example_fuzz 4711 1           one seed
 *   ./example_fuzz 1 50 wrong       a rule that does not hold: found, and made small */

#include "crdt/value.h"
#include "sync/sim_fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static crdt_key column_of(crdt_span note)
{
    return crdt_key_field(note, crdt_span_of("note"), crdt_span_of("column"));
}

static void set_column(crdt_op_list *ops, crdt_span note, uint64_t column)
{
    crdt_buf value;
    crdt_buf_init(&value, crdt_alloc_default());
    if (crdt_value_write_integer(&value, (int64_t)column) == CRDT_OK) {
        crdt_op_list_set(ops, column_of(note), crdt_buf_span(&value));
    }
    crdt_buf_deinit(&value);
}

/* What somebody does: one of six notes is added, moved to another column, or removed. */
static void edit(void *ctx, uint32_t place, const crdt_document *doc,
                 sync_sim_random *random, crdt_op_list *ops)
{
    (void)ctx;
    (void)place;
    static const char *const names[] = {"milk",  "bread", "rent",
                                        "piano", "tax",   "cake"};
    crdt_span note = crdt_span_of(names[sync_sim_random_below(random, 6)]);
    crdt_object found = crdt_document_find_object(doc, note);
    bool there = found.id != 0 && crdt_document_object_live(doc, found);
    if (there && sync_sim_random_below(random, 3) == 0) {
        crdt_op_list_remove(ops, crdt_key_object(note));
        return;
    }
    if (!there) {
        crdt_op_list_add(ops, crdt_key_object(note));
        crdt_op_list_add(ops, crdt_key_part(note, crdt_span_of("note")));
    }
    set_column(ops, note, sync_sim_random_below(random, 3));
}

/* Holds: a note that is there stands in one of three columns. Does not hold, though an
 * edit could look first: no two notes in the last column. */
static bool check(void *ctx, const crdt_document *doc, char why[SYNC_SIM_FUZZ_WHY])
{
    const bool *wrong = ctx;
    unsigned last = 0;
    crdt_object note = {0};
    while (crdt_document_next_object(doc, &note)) {
        crdt_span name = crdt_document_object_name(doc, note);
        crdt_key key = column_of(name);
        crdt_span value;
        if (!crdt_document_object_live(doc, note)) {
            continue;
        }
        if (!crdt_document_get(doc, &key, &value)) {
            snprintf(why, SYNC_SIM_FUZZ_WHY, "%.*s is nowhere", (int)name.size,
                     name.data);
            return false;
        }
        crdt_value_reader reader = crdt_value_read_open(value);
        last += crdt_value_read(&reader).integer == 2 ? 1 : 0;
    }
    if (*wrong && last > 1) {
        snprintf(why, SYNC_SIM_FUZZ_WHY, "%u notes in the last column", last);
        return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    bool wrong = argc > 3 && strcmp(argv[3], "wrong") == 0;
    sync_sim_fuzz_rules rules = {.ctx = &wrong, .edit = edit, .check = check};
    sync_sim_fuzz_options options = sync_sim_fuzz_options_default();
    sync_sim_counts total = {0};
    uint64_t first = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 10) : 200;
    for (uint64_t seed = first; seed < first + count; seed++) {
        sync_sim_fuzz_result result;
        options.seed = seed;
        bool good = sync_sim_fuzz_run(&rules, &options, &result);
        sync_sim_counts_add(&total, &result.counts);
        sync_sim_fuzz_result_deinit(&result);
        if (!good) {
            options.trace = true;
            sync_sim_fuzz_shrink(&rules, &options, &result);
            printf("seed %llu, %u steps are enough: %s\n%.*s", (unsigned long long)seed,
                   result.step_count, result.why, (int)result.trace.size,
                   (const char *)result.trace.data);
            sync_sim_fuzz_result_deinit(&result);
            return 1;
        }
    }
    printf("%llu runs, %llu events, %llu faults: all good\n", (unsigned long long)count,
           (unsigned long long)total.events, (unsigned long long)total.faults);
    return 0;
}
