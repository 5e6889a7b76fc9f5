/* W6: 1,540 clients set one field at the same time (crdt-benchmarks B3.1, B3.2, B3.3).
 *
 * All clients begin with one template that has the object and the part, as the members of
 * a scene do; a write is one set, encoded so that whoever has the template can read it. */

#include "bench/writers.h"

#include "bench/heap.h"
#include "bench/result.h"
#include "bench/workloads.h"
#include "crdt/value.h"

#include <stdio.h>
#include <string.h>

#define CLIENTS 1540u

/* B3.1 the number i; B3.2 {"address": "here", "name": "<i>"}; B3.3 "<i>" 1540 times. */
static void write_value(unsigned number, uint32_t i, crdt_buf *out)
{
    char text[12];
    int size = snprintf(text, sizeof text, "%u", (unsigned)i);
    crdt_span digits = {.data = (const uint8_t *)text, .size = (size_t)size};
    crdt_buf_clear(out);
    if (number == 1) {
        bench_must(crdt_value_write_integer(out, i), "value");
    } else if (number == 2) {
        bench_must(crdt_value_write_map(out, 2), "value");
        bench_must(crdt_value_write_string(out, crdt_span_of("address")), "value");
        bench_must(crdt_value_write_string(out, crdt_span_of("here")), "value");
        bench_must(crdt_value_write_string(out, crdt_span_of("name")), "value");
        bench_must(crdt_value_write_string(out, digits), "value");
    } else {
        crdt_buf repeated;
        crdt_buf_init(&repeated, crdt_alloc_default());
        for (uint32_t k = 0; k < CLIENTS; k++) {
            bench_must(crdt_buf_append_span(&repeated, digits), "value");
        }
        bench_must(crdt_value_write_string(out, crdt_buf_span(&repeated)), "value");
        crdt_buf_deinit(&repeated);
    }
}

static void write_all(bench_writers *w, unsigned number)
{
    crdt_buf value;
    crdt_buf_init(&value, crdt_alloc_default());
    for (uint32_t i = 0; i < CLIENTS; i++) {
        write_value(number, i, &value);
        bench_writers_write(w, i, crdt_buf_span(&value));
    }
    crdt_buf_deinit(&value);
}

/* Encode client 0's document; load that into an empty one. */
static void tell_document(bench_result *result, const bench_editor *first)
{
    bench_heap heap = {0};
    bench_stopwatch encode = {0};
    bench_stopwatch parse = {0};
    crdt_buf saved;
    bench_editor loaded;
    crdt_buf_init(&saved, crdt_alloc_default());
    bench_stopwatch_start(&encode);
    bench_editor_save(first, &saved);
    bench_stopwatch_stop(&encode);
    bench_stopwatch_start(&parse);
    bench_editor_open(&loaded, 0, bench_heap_alloc(&heap));
    bench_editor_load(&loaded, crdt_buf_span(&saved));
    bench_stopwatch_stop(&parse);
    bench_result_count(result, "doc_bytes", saved.size);
    bench_result_real(result, "encode_s", encode.wall);
    bench_result_real(result, "parse_s", parse.wall);
    bench_result_count(result, "mem_used", heap.live);
    bench_result_flag(result, "equal_loaded", bench_writers_equal(first, &loaded));
    bench_editor_close(&loaded);
    crdt_buf_deinit(&saved);
}

static void run_case(const bench_options *o, unsigned number)
{
    bench_writers w;
    bench_writers_open(&w, CLIENTS);
    write_all(&w, number);
    bench_writers_apply(&w, 0);
    /* The comparison is a part of what is timed, as in the original. */
    bench_stopwatch watch = {0};
    bench_stopwatch_start(&watch);
    bench_writers_apply(&w, 1);
    bool equal = bench_writers_equal(&w.editors[0], &w.editors[1]);
    bench_stopwatch_stop(&watch);
    bench_result result;
    bench_result_begin(&result, o, "W6-B3.%u", number);
    bench_result_watch(&result, &watch, CLIENTS);
    bench_result_wire(&result, w.updates.size, CLIENTS);
    bench_result_flag(&result, "equal", equal);
    tell_document(&result, &w.editors[0]);
    bench_result_end(&result);
    bench_writers_close(&w);
}

void bench_w6_run(const bench_options *o)
{
    for (unsigned number = 1; number <= 3; number++) {
        run_case(o, number);
    }
}
