#include "tests/sync/store_box.h"

#include "crdt/value.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void must(crdt_err err, const char *what, const crdt_diag *diag)
{
    if (err != CRDT_OK) {
        fprintf(stderr, "%s: %s: %s\n", what, crdt_err_text(err), diag->text);
        abort();
    }
}

void store_box_prepare(store_box *box)
{
    *box = (store_box){0};
    crdt_document_options options = crdt_document_options_default();
    must(crdt_document_open(&box->doc, &options), "document", &box->diag);
    must(crdt_deps_open(&box->deps, crdt_alloc_default(), SYNC_STORE_AUTHOR_MAX),
         "deps", &box->diag);
    crdt_arena_init(&box->arena, crdt_alloc_default());
    crdt_buf_init(&box->bytes, crdt_alloc_default());
}

void store_box_open(store_box *box, const char *dir, const sync_store_options *options)
{
    store_box_prepare(box);
    box->err = sync_store_open(&box->store, dir, options, box->doc, box->deps,
                               &box->report, &box->diag);
}

void store_box_open_mem(store_box *box, sync_mem_disk *disk,
                        const sync_store_options *options)
{
    store_box_prepare(box);
    box->err = sync_store_mem_open(&box->store, disk, options, box->doc, box->deps,
                                   &box->report, &box->diag);
}

void store_box_close(store_box *box)
{
    sync_store_close(box->store);
    crdt_deps_close(box->deps);
    crdt_document_close(box->doc);
    crdt_arena_deinit(&box->arena);
    crdt_buf_deinit(&box->bytes);
    box->store = NULL;
}

static void append_batch(store_box *box, const crdt_op *ops, size_t op_count,
                         crdt_batch *batch)
{
    crdt_edit edit = {.actor = sync_store_actor(box->store)};
    must(crdt_document_commit(box->doc, &edit, ops, op_count, &box->arena, batch,
                              &box->diag),
         "edit", &box->diag);
    crdt_buf_clear(&box->bytes);
    must(crdt_batch_encode(batch, box->deps, &box->bytes), "encode", &box->diag);
    must(crdt_deps_note(box->deps, batch), "deps", &box->diag);
    must(sync_store_append(box->store, SYNC_RECORD_BATCH, crdt_buf_span(&box->bytes),
                           NULL, &box->diag),
         "append", &box->diag);
}

uint64_t store_box_set(store_box *box, const char *object, const char *field,
                       int64_t value)
{
    crdt_span name = crdt_span_of(object);
    crdt_span part = crdt_span_of("p");
    crdt_key key = crdt_key_field(name, part, crdt_span_of(field));
    crdt_buf text;
    crdt_buf_init(&text, crdt_alloc_default());
    must(crdt_value_write_integer(&text, value), "value", &box->diag);
    crdt_op ops[] = {
        {.kind = CRDT_OP_ADD, .key = crdt_key_object(name)},
        {.kind = CRDT_OP_ADD, .key = crdt_key_part(name, part)},
        {.kind = CRDT_OP_SET, .key = key, .value = crdt_buf_span(&text)},
    };
    crdt_batch batch;
    crdt_arena_reset(&box->arena);
    append_batch(box, ops, 3, &batch);
    uint64_t time = crdt_batch_last_time(&batch);
    crdt_buf_deinit(&text);
    return time;
}

void store_box_commit(store_box *box)
{
    must(sync_store_commit(box->store, NULL, &box->diag), "commit", &box->diag);
}

int64_t store_box_get(const store_box *box, const char *object, const char *field,
                      int64_t missing)
{
    crdt_key key =
        crdt_key_field(crdt_span_of(object), crdt_span_of("p"), crdt_span_of(field));
    crdt_span value;
    if (!crdt_document_get(box->doc, &key, &value)) {
        return missing;
    }
    crdt_value_reader reader = crdt_value_read_open(value);
    return crdt_value_read(&reader).integer;
}

crdt_digest store_box_digest(const store_box *box)
{
    return crdt_document_digest(box->doc);
}
