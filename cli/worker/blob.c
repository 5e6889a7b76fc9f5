#include "cli/worker/blob.h"

#include "scene/json.h"

#include <assert.h>

worker_blob *worker_blob_make(crdt_alloc alloc, crdt_span bytes)
{
    worker_blob *blob = crdt_allocate(alloc, sizeof *blob + bytes.size);
    if (blob == NULL) {
        return NULL;
    }
    *blob = (worker_blob){.alloc = alloc, .refs = 1, .size = bytes.size};
    if (bytes.size > 0) {
        memcpy(blob->bytes, bytes.data, bytes.size);
    }
    return blob;
}

worker_blob *worker_blob_hold(worker_blob *blob)
{
    if (blob != NULL) {
        blob->refs++;
    }
    return blob;
}

void worker_blob_drop(worker_blob *blob)
{
    if (blob == NULL) {
        return;
    }
    assert(blob->refs > 0);
    if (--blob->refs == 0) {
        crdt_free(blob->alloc, blob->json, blob->json_size);
        crdt_free(blob->alloc, blob, sizeof *blob + blob->size);
    }
}

crdt_span worker_blob_span(const worker_blob *blob)
{
    return blob == NULL ? (crdt_span){0} : (crdt_span){blob->bytes, blob->size};
}

bool worker_blob_equal(const worker_blob *a, const worker_blob *b)
{
    if (a == b) {
        return true;
    }
    return a != NULL && b != NULL &&
           crdt_span_equal(worker_blob_span(a), worker_blob_span(b));
}

crdt_span worker_blob_json(worker_blob *blob)
{
    if (blob->json == NULL) {
        crdt_buf text;
        crdt_buf_init(&text, blob->alloc);
        if (scene_json_write_value(worker_blob_span(blob), &text) != CRDT_OK) {
            crdt_buf_deinit(&text);
            return (crdt_span){0};
        }
        blob->json = crdt_allocate(blob->alloc, text.size);
        if (blob->json != NULL) {
            memcpy(blob->json, text.data, text.size);
            blob->json_size = text.size;
        }
        crdt_buf_deinit(&text);
    }
    return (crdt_span){blob->json, blob->json_size};
}
