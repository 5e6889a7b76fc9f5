#include "crdt/planter.h"

#include "crdt/document_seed.h"
#include "crdt/op_codec.h"
#include "crdt/template.h"
#include "crdt/value.h"

#include <assert.h>
#include <string.h>

struct crdt_planter {
    crdt_seed seed;
    crdt_key_coder coder; /* its names are the document's */
    crdt_buf bytes;       /* room for a count, then the operations */
    bool finished;
};

crdt_err crdt_planter_open(crdt_planter **out, crdt_document *doc, size_t size)
{
    if (doc->context.actors.version.stamp_count > 0) {
        return CRDT_EEXIST;
    }
    const crdt_alloc alloc = doc->context.alloc;
    crdt_planter *planter = crdt_allocate(alloc, sizeof *planter);
    if (planter == NULL) {
        return CRDT_ENOMEM;
    }
    planter->finished = false;
    crdt_key_coder_init(&planter->coder);
    crdt_buf_init(&planter->bytes, alloc);
    crdt_err err = crdt_seed_open(&planter->seed, doc);
    if (err == CRDT_OK) {
        err = crdt_buf_reserve(&planter->bytes, CRDT_MSGPACK_SIZE_MAX + size);
    }
    if (err != CRDT_OK) {
        crdt_planter_close(planter);
        return err;
    }
    planter->bytes.size = CRDT_MSGPACK_SIZE_MAX;
    *out = planter;
    return CRDT_OK;
}

/* Of the name that is new in this key. */
static bool is_short(const crdt_key *key)
{
    const crdt_span name = key->depth == CRDT_FIELD  ? key->field
                           : key->depth == CRDT_PART ? key->part
                                                     : key->object;
    return name.size <= CRDT_NAME_SIZE_MAX;
}

static crdt_err put_op(crdt_planter *planter, const crdt_op *op)
{
    if (!crdt_seed_follows(&planter->seed, op)) {
        return CRDT_EINVAL;
    }
    if (!is_short(&op->key)) {
        return CRDT_ELIMIT;
    }
    crdt_err err = crdt_seed_put(&planter->seed, op);
    return err != CRDT_OK
               ? err
               : crdt_op_append(&planter->coder, &planter->seed.last, &planter->bytes);
}

crdt_err crdt_planter_put(crdt_planter *planter, const crdt_op *ops, size_t op_count)
{
    if (op_count > CRDT_BATCH_OPS_MAX - planter->seed.op_count) {
        return CRDT_ELIMIT;
    }
    crdt_err err = CRDT_OK;
    for (size_t i = 0; i < op_count && err == CRDT_OK; i++) {
        err = put_op(planter, &ops[i]);
    }
    return err;
}

crdt_actor crdt_planter_finish(crdt_planter *planter)
{
    assert(planter->seed.op_count > 0);
    /* The count is known only now, and stands before the operations. */
    uint8_t head[CRDT_MSGPACK_SIZE_MAX];
    const size_t size =
        (size_t)(crdt_msgpack_put_uint(head, planter->seed.op_count) - head);
    uint8_t *begin = planter->bytes.data + (CRDT_MSGPACK_SIZE_MAX - size);
    memcpy(begin, head, size);
    const uint8_t *end = planter->bytes.data + planter->bytes.size;
    const crdt_actor actor =
        crdt_template_actor((crdt_span){.data = begin, .size = (size_t)(end - begin)});
    crdt_seed_finish(&planter->seed, &actor);
    planter->finished = true;
    return actor;
}

void crdt_planter_close(crdt_planter *planter)
{
    if (planter == NULL) {
        return;
    }
    crdt_document *doc = planter->seed.doc;
    const crdt_alloc alloc = doc->context.alloc;
    crdt_buf_deinit(&planter->bytes);
    if (!planter->finished) {
        crdt_state_clear(doc);
    }
    crdt_free(alloc, planter, sizeof *planter);
}
