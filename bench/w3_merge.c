/* W3: replicas edit the same scene apart, then merge. */

#include "bench/editor.h"
#include "bench/result.h"
#include "bench/state_hash.h"
#include "bench/w3_edits.h"
#include "bench/workloads.h"

#include <stdio.h>
#include <stdlib.h>

#define BUILD_BATCH 1000u

typedef struct replica {
    bench_editor editor;
    bench_w3_edit *edits;
    crdt_version base; /* where all began */
    crdt_buf delta;    /* what it did since */
    crdt_buf json;     /* the end state */
} replica;

static void push_edit(bench_ops *ops, const bench_w3_edit *edit)
{
    crdt_span id = crdt_span_of(edit->entity.id);
    crdt_span part = crdt_span_of(bench_w3_components[edit->component]);
    if (edit->fresh) {
        bench_ops_push(ops, CRDT_OP_ADD, crdt_key_part(id, part), (crdt_span){0});
    }
    switch (edit->kind) {
    case BENCH_W3_SET_TRANSFORM:
        bench_ops_push_transform(ops, id, &edit->entity.transform);
        break;
    case BENCH_W3_SET_VALUE:
        bench_ops_push(ops, CRDT_OP_SET,
                       crdt_key_field(id, part, crdt_span_of("value")),
                       bench_ops_integer(ops, edit->value));
        break;
    case BENCH_W3_ADD:
        bench_ops_push_entity(ops, &edit->entity);
        break;
    case BENCH_W3_REMOVE:
        bench_ops_push(ops, CRDT_OP_REMOVE, crdt_key_object(id), (crdt_span){0});
        break;
    case BENCH_W3_REMOVE_COMPONENT:
        bench_ops_push(ops, CRDT_OP_REMOVE, crdt_key_part(id, part), (crdt_span){0});
        break;
    }
}

/* The scene that all begin with, saved. */
static void build_base(crdt_buf *saved)
{
    bench_editor editor;
    bench_ops ops;
    bench_stream stream = {.x = BENCH_SEED_BUILD};
    bench_editor_open(&editor, 0, crdt_alloc_default());
    bench_ops_open(&ops, BUILD_BATCH);
    for (uint32_t i = 0; i < BENCH_W3_BASE; i += BUILD_BATCH) {
        bench_ops_clear(&ops);
        for (uint32_t k = i; k < i + BUILD_BATCH; k++) {
            bench_entity entity = bench_entity_draw(&stream, k);
            bench_ops_push_entity(&ops, &entity);
        }
        bench_editor_commit(&editor, &ops);
    }
    bench_editor_save(&editor, saved);
    bench_ops_close(&ops);
    bench_editor_close(&editor);
}

static void replica_open(replica *r, uint32_t number, crdt_span saved)
{
    bench_editor_open(&r->editor, 10 + number, crdt_alloc_default());
    bench_editor_load(&r->editor, saved);
    r->edits = bench_w3_edits_draw(number);
    crdt_version_init(&r->base, crdt_alloc_default());
    bench_must(crdt_version_copy(&r->base, crdt_document_version(r->editor.doc)),
               "version");
    crdt_buf_init(&r->delta, crdt_alloc_default());
    crdt_buf_init(&r->json, crdt_alloc_default());
}

static void replica_close(replica *r)
{
    bench_editor_close(&r->editor);
    crdt_version_deinit(&r->base);
    crdt_buf_deinit(&r->delta);
    crdt_buf_deinit(&r->json);
    free(r->edits);
}

/* All edits of all replicas; the messages are counted and forgotten. */
static void edit_all(const bench_options *o, replica *replicas)
{
    bench_ops ops;
    bench_stopwatch watch = {0};
    uint64_t messages = 0;
    uint64_t bytes = 0;
    bench_ops_open(&ops, 1);
    bench_stopwatch_start(&watch);
    for (uint32_t r = 0; r < o->replicas; r++) {
        for (size_t i = 0; i < BENCH_W3_EDITS; i++) {
            bench_ops_clear(&ops);
            push_edit(&ops, &replicas[r].edits[i]);
            if (bench_editor_commit(&replicas[r].editor, &ops)) {
                messages++;
                bytes += replicas[r].editor.message.size;
            }
        }
    }
    bench_stopwatch_stop(&watch);
    bench_ops_close(&ops);
    uint64_t edits = (uint64_t)o->replicas * BENCH_W3_EDITS;
    bench_result result;
    bench_result_begin(&result, o, "W3-edit-R%u", o->replicas);
    bench_result_watch(&result, &watch, edits);
    bench_result_count(&result, "base", BENCH_W3_BASE);
    bench_result_count(&result, "messages", messages);
    bench_result_wire(&result, bytes, edits);
    bench_result_end(&result);
}

/* What each did since the base, once; then everybody merges all others'. */
static void encode_all(const bench_options *o, replica *replicas)
{
    for (uint32_t r = 0; r < o->replicas; r++) {
        const bench_editor *editor = &replicas[r].editor;
        bench_must(crdt_document_answer(editor->doc, &replicas[r].base, editor->deps,
                                        &replicas[r].delta),
                   "answer");
    }
}

static void merge_all(const bench_options *o, replica *replicas)
{
    for (uint32_t r = 0; r < o->replicas; r++) {
        for (uint32_t other = 0; other < o->replicas; other++) {
            if (other != r) {
                bench_must(crdt_document_merge(replicas[r].editor.doc,
                                               crdt_buf_span(&replicas[other].delta),
                                               replicas[r].editor.deps, NULL, NULL),
                           "merge");
            }
        }
    }
}

/* How many end states there are, by their JSON; they also have to agree in what does not
 * show. */
static uint32_t distinct_states(const bench_options *o, replica *replicas)
{
    uint32_t distinct = 0;
    for (uint32_t r = 0; r < o->replicas; r++) {
        bench_must(bench_state_json(replicas[r].editor.doc, &replicas[r].json),
                   "end state");
        bool known = false;
        for (uint32_t other = 0; other < r && !known; other++) {
            known = crdt_span_equal(crdt_buf_span(&replicas[r].json),
                                    crdt_buf_span(&replicas[other].json)) &&
                    crdt_digest_equal(crdt_document_digest(replicas[r].editor.doc),
                                      crdt_document_digest(replicas[other].editor.doc));
        }
        distinct += known ? 0 : 1;
    }
    return distinct;
}

static void tell_merge(const bench_options *o, replica *replicas,
                       const bench_stopwatch *encode, const bench_stopwatch *all)
{
    uint64_t ops = (uint64_t)o->replicas * (o->replicas - 1) * BENCH_W3_EDITS;
    uint64_t deltas = 0;
    for (uint32_t r = 0; r < o->replicas; r++) {
        deltas += replicas[r].delta.size;
    }
    crdt_buf saved;
    crdt_buf_init(&saved, crdt_alloc_default());
    bench_result result;
    bench_result_begin(&result, o, "W3-merge-R%u", o->replicas);
    bench_result_watch(&result, all, ops);
    bench_result_count(&result, "base", BENCH_W3_BASE);
    bench_result_count(&result, "edits_each", BENCH_W3_EDITS);
    bench_result_real(&result, "encode_s", encode->wall);
    bench_result_wire(&result, deltas * (o->replicas - 1), ops);
    bench_result_count(&result, "diff_bytes", deltas);
    bench_editor_save(&replicas[0].editor, &saved);
    bench_result_count(&result, "doc_bytes", saved.size);
    uint32_t distinct = distinct_states(o, replicas);
    bench_result_flag(&result, "equal", distinct == 1);
    bench_result_count(&result, "distinct_states", distinct);
    bench_state_hash_tell(&result, replicas[0].editor.doc);
    bench_result_end(&result);
    crdt_buf_deinit(&saved);
}

void bench_w3_run(const bench_options *o)
{
    replica *replicas = calloc(o->replicas, sizeof *replicas);
    bench_must_bytes(replicas, "replicas");
    crdt_buf saved;
    crdt_buf_init(&saved, crdt_alloc_default());
    build_base(&saved);
    for (uint32_t r = 0; r < o->replicas; r++) {
        replica_open(&replicas[r], r, crdt_buf_span(&saved));
    }
    crdt_buf_deinit(&saved);
    edit_all(o, replicas);

    bench_stopwatch all = {0};
    bench_stopwatch_start(&all);
    bench_stopwatch encode = {0};
    bench_stopwatch_start(&encode);
    encode_all(o, replicas);
    bench_stopwatch_stop(&encode);
    merge_all(o, replicas);
    bench_stopwatch_stop(&all);
    tell_merge(o, replicas, &encode, &all);
    for (uint32_t r = 0; r < o->replicas; r++) {
        replica_close(&replicas[r]);
    }
    free(replicas);
}

void bench_w3_list_run(const bench_options *o)
{
    crdt_buf json;
    crdt_buf_init(&json, crdt_alloc_default());
    bench_w3_edit *edits = bench_w3_edits_draw(o->replica);
    bench_w3_edits_json(edits, &json);
    fwrite(json.data, 1, json.size, stdout);
    crdt_buf_deinit(&json);
    free(edits);
}
