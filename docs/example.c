/* Two replicas of one scene, edited at the same time by two people, exchange what they
 * wrote and show the same scene.
 *
 *   cc example.c $(pkg-config --cflags --libs scenesync) -o example && ./example */

#include "crdt/batch.h"
#include "crdt/document.h"
#include "crdt/op_list.h"
#include "scene/edit.h"
#include "scene/json.h"
#include "scene/materialize.h"

#include <stdio.h>
#include <stdlib.h>

static void must(crdt_err err)
{
    if (err != CRDT_OK) {
        fprintf(stderr, "%s\n", crdt_err_text(err));
        exit(1);
    }
}

/* Edit: set one field from JSON text. Returns the batch that the others need, as bytes. */
static crdt_buf set(crdt_document *doc, uint8_t actor, const char *field,
                    const char *json)
{
    crdt_alloc alloc = crdt_alloc_default();
    crdt_buf value, message;
    crdt_op_list ops;
    crdt_arena arena;
    scene_edit edit;
    crdt_batch batch;
    crdt_buf_init(&value, alloc);
    crdt_buf_init(&message, alloc);
    crdt_op_list_init(&ops, alloc);
    crdt_arena_init(&arena, alloc);

    must(scene_json_to_value(crdt_span_of(json), alloc, &value, NULL));
    must(scene_edit_open(&edit, doc, &ops));
    must(scene_edit_set_field(&edit, crdt_span_of("lamp"), crdt_span_of("Transform"),
                              crdt_span_of(field), crdt_buf_span(&value), NULL));
    scene_edit_close(&edit);
    crdt_edit author = {.actor = {{actor}},
                        .who = crdt_span_of(actor == 1 ? "ann" : "bob")};
    must(crdt_document_commit(doc, &author, ops.ops, ops.op_count, &arena, &batch,
                              NULL));
    must(crdt_batch_encode(&batch, NULL, &message));

    crdt_arena_deinit(&arena);
    crdt_op_list_deinit(&ops);
    crdt_buf_deinit(&value);
    return message;
}

static void receive(crdt_document *doc, crdt_buf *message)
{
    crdt_arena arena;
    crdt_batch batch;
    crdt_arena_init(&arena, crdt_alloc_default());
    must(crdt_batch_decode(crdt_buf_span(message), NULL, &arena, &batch, NULL));
    must(crdt_document_apply(doc, &batch, NULL));
    crdt_arena_deinit(&arena);
    crdt_buf_deinit(message);
}

int main(void)
{
    crdt_document_options options = crdt_document_options_default();
    crdt_document *docs[2];
    for (int i = 0; i < 2; i++) {
        must(crdt_document_open(&docs[i], &options));
    }
    /* At the same time: ann moves the lamp, bob scales it. Then each hears the other. */
    crdt_buf anns = set(docs[0], 1, "position", "{\"x\": 8, \"y\": 0, \"z\": 8}");
    crdt_buf bobs = set(docs[1], 2, "scale", "{\"x\": 2, \"y\": 2, \"z\": 2}");
    receive(docs[0], &bobs);
    receive(docs[1], &anns);

    for (int i = 0; i < 2; i++) {
        crdt_buf text;
        crdt_buf_init(&text, crdt_alloc_default());
        must(scene_materialize(docs[i], crdt_alloc_default(), &text));
        printf("%.*s\n", (int)text.size, (const char *)text.data);
        crdt_buf_deinit(&text);
        crdt_document_close(docs[i]);
    }
    return 0;
}
