#include "cli/worker/text.h"

#include "crdt/value.h"
#include "scene/json.h"
#include "scene/layout.h"

#include <inttypes.h>
#include <stdio.h>

worker_text worker_text_open(crdt_buf *out)
{
    return (worker_text){.out = out, .err = CRDT_OK};
}

void worker_text_raw(worker_text *text, crdt_span piece)
{
    if (text->err == CRDT_OK) {
        text->err = crdt_buf_append_span(text->out, piece);
    }
}

void worker_text_put(worker_text *text, const char *piece)
{
    worker_text_raw(text, crdt_span_of(piece));
}

/* Up to the first byte that is no UTF-8, which becomes U+FFFD, and so on. */
static void put_repaired(worker_text *text, crdt_span bytes)
{
    crdt_buf clean;
    crdt_buf_init(&clean, text->out->alloc);
    while (bytes.size > 0 && text->err == CRDT_OK) {
        size_t valid = 0;
        bool whole = crdt_utf8_valid(bytes, &valid);
        valid = whole ? bytes.size : valid;
        text->err = crdt_buf_append(&clean, bytes.data, valid);
        if (!whole && text->err == CRDT_OK) {
            text->err = crdt_buf_append(&clean, "\xef\xbf\xbd", 3);
            valid++;
        }
        bytes = (crdt_span){bytes.data + valid, bytes.size - valid};
    }
    if (text->err == CRDT_OK) {
        text->err = scene_json_write_string(crdt_buf_span(&clean), text->out);
    }
    crdt_buf_deinit(&clean);
}

void worker_text_string(worker_text *text, crdt_span utf8)
{
    if (text->err != CRDT_OK) {
        return;
    }
    if (crdt_utf8_valid(utf8, NULL)) {
        text->err = scene_json_write_string(utf8, text->out);
    } else {
        put_repaired(text, utf8);
    }
}

void worker_text_part(worker_text *text, crdt_span part)
{
    uint32_t number;
    char mark[16] = "";
    crdt_buf name;
    crdt_span base = scene_layout_base(part, &number);
    crdt_buf_init(&name, text->out->alloc);
    if (number > 1) {
        snprintf(mark, sizeof mark, "#%" PRIu32, number);
    }
    crdt_err err = crdt_buf_append_span(&name, base);
    if (err == CRDT_OK) {
        err = crdt_buf_append_span(&name, crdt_span_of(mark));
    }
    if (err == CRDT_OK) {
        worker_text_string(text, crdt_buf_span(&name));
    } else if (text->err == CRDT_OK) {
        text->err = err;
    }
    crdt_buf_deinit(&name);
}

void worker_text_number(worker_text *text, uint64_t number)
{
    char digits[24];
    snprintf(digits, sizeof digits, "%" PRIu64, number);
    worker_text_put(text, digits);
}

void worker_text_stamp(worker_text *text, const crdt_stamp *stamp)
{
    char written[CRDT_STAMP_TEXT_SIZE];
    crdt_stamp_format(stamp, written);
    worker_text_put(text, "\"");
    worker_text_put(text, written);
    worker_text_put(text, "\"");
}

void worker_text_actor(worker_text *text, const crdt_actor *actor)
{
    char written[CRDT_ACTOR_TEXT_SIZE];
    crdt_actor_format(actor, written);
    worker_text_put(text, "\"");
    worker_text_put(text, written);
    worker_text_put(text, "\"");
}

void worker_text_version(worker_text *text, const crdt_version *version)
{
    worker_text_put(text, "{");
    for (size_t i = 0; i < version->stamp_count; i++) {
        worker_text_put(text, i > 0 ? "," : "");
        worker_text_actor(text, &version->stamps[i].actor);
        worker_text_put(text, ":");
        worker_text_number(text, version->stamps[i].time);
    }
    worker_text_put(text, "}");
}
