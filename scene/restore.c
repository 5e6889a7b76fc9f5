#include "scene/restore.h"

#include "scene/invert.h"

#include <string.h>

struct scene_restore {
    crdt_alloc alloc;
    const crdt_document *doc;
    crdt_op_list *ops;
    uint8_t *entity;
    size_t entity_size;
    crdt_arena scratch; /* one record */
    bool live;          /* it is there: nothing is to be done */
    bool found;
    bool cut; /* what it was was too large to be kept whole */
    crdt_err err;
    crdt_diag diag;
};

crdt_err scene_restore_open(scene_restore **out, crdt_alloc alloc,
                            const crdt_document *doc, crdt_span entity,
                            crdt_op_list *ops)
{
    scene_restore *restore = crdt_allocate(alloc, sizeof *restore);
    if (restore == NULL) {
        return CRDT_ENOMEM;
    }
    crdt_key key = crdt_key_object(entity);
    *restore = (scene_restore){.alloc = alloc,
                               .doc = doc,
                               .ops = ops,
                               .entity = crdt_allocate(alloc, entity.size),
                               .entity_size = entity.size,
                               .live = crdt_document_live(doc, &key)};
    crdt_arena_init(&restore->scratch, alloc);
    if (restore->entity == NULL) {
        scene_restore_close(restore);
        return CRDT_ENOMEM;
    }
    if (entity.size > 0) {
        memcpy(restore->entity, entity.data, entity.size);
    }
    *out = restore;
    return CRDT_OK;
}

void scene_restore_close(scene_restore *restore)
{
    if (restore != NULL) {
        crdt_arena_deinit(&restore->scratch);
        crdt_free(restore->alloc, restore->entity, restore->entity_size);
        crdt_free(restore->alloc, restore, sizeof *restore);
    }
}

/* Did the record take the entity away? Then *part, of the same arena, is what it did to
 * it. */
static crdt_err pick(scene_restore *restore, const crdt_history_record *record,
                     crdt_history_record *part, bool *taken)
{
    crdt_span entity = {restore->entity, restore->entity_size};
    crdt_history_drop *drops =
        crdt_arena_alloc(&restore->scratch, record->drop_count * sizeof *drops);
    size_t count = 0;
    *taken = false;
    if (drops == NULL) {
        return CRDT_ENOMEM;
    }
    for (size_t i = 0; i < record->drop_count; i++) {
        const crdt_history_drop *drop = &record->drops[i];
        if (crdt_span_equal(drop->key.object, entity)) {
            drops[count++] = *drop;
            *taken = *taken || (drop->key.depth == CRDT_OBJECT && drop->was_live);
        }
    }
    *part = *record;
    part->ops = NULL;
    part->op_count = 0;
    part->drops = drops;
    part->drop_count = count;
    return CRDT_OK;
}

static crdt_err visit(scene_restore *restore, crdt_span bytes)
{
    crdt_history_record record;
    crdt_history_record part;
    bool taken;
    crdt_arena_reset(&restore->scratch);
    crdt_err err =
        crdt_history_decode(bytes, &restore->scratch, &record, &restore->diag);
    if (err == CRDT_OK) {
        err = pick(restore, &record, &part, &taken);
    }
    if (err != CRDT_OK || (!taken && !record.cut)) {
        return err;
    }
    if (record.cut) { /* it may have taken it, and does not tell all */
        restore->cut = true;
        return CRDT_OK;
    }
    scene_edit edit;
    err = scene_edit_open(&edit, restore->doc, restore->ops);
    if (err == CRDT_OK) {
        err = scene_invert_removal(&part, &edit, &restore->scratch);
        scene_edit_close(&edit);
    }
    restore->found = err == CRDT_OK;
    return err;
}

bool scene_restore_visit(void *ctx, crdt_span record)
{
    scene_restore *restore = ctx;
    if (restore->err == CRDT_OK && !restore->live && !restore->found && !restore->cut) {
        restore->err = visit(restore, record);
    }
    return restore->err == CRDT_OK && !restore->live && !restore->found &&
           !restore->cut;
}

crdt_err scene_restore_finish(scene_restore *restore, crdt_diag *diag)
{
    if (restore->err != CRDT_OK) {
        if (diag != NULL) {
            *diag = restore->diag;
        }
        return restore->err;
    }
    if (restore->live) {
        return CRDT_ENOTHING;
    }
    return restore->found ? CRDT_OK
                          : crdt_diag_set(diag, CRDT_ENOTFOUND, 0,
                                          "the history does not tell (any more) what "
                                          "it was");
}
