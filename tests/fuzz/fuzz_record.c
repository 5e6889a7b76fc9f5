/* What a store holds beside its seals: a checkpoint, records, what it knows of itself. The
 * input is records, one after the other: kind (1), size (2, little end first), bytes.
 *
 *   c  checkpoint (the first of all)   b  batch   a  answer   h  history   m  meta */

#include "sync/meta.h"
#include "sync/store_impl.h"
#include "tests/fuzz/fuzz.h"

#include <assert.h>

/* Two documents, and an answer in between. An entry of an answer that says little is a few
 * bytes, and a slot with its name a hundred; zstd packs what repeats. */
const fuzz_budget fuzz_target_budget = {.factor = 2500, .fixed = 256u << 10};

static void open_document(crdt_document **doc, crdt_deps **deps)
{
    crdt_document_options options = crdt_document_options_default();
    assert(crdt_document_open(doc, &options) == CRDT_OK);
    assert(crdt_deps_open(deps, options.alloc, 8) == CRDT_OK);
}

/* Meta that is taken is written and read again as the same. */
static bool check_meta(crdt_span bytes)
{
    sync_meta meta = {.scene = crdt_span_of("plaza"), .actor = {{1}}};
    crdt_diag diag = {.text = ""};
    if (sync_meta_decode(bytes, &meta, &diag) != CRDT_OK) {
        assert(diag.text[0] != '\0' && diag.offset <= bytes.size);
        return false;
    }
    assert(meta.start_count <= SYNC_START_COUNT_MAX &&
           meta.former_count <= SYNC_FORMER_COUNT_MAX);
    crdt_buf out[2];
    for (size_t i = 0; i < 2; i++) {
        crdt_buf_init(&out[i], crdt_alloc_default());
        assert(sync_meta_encode(&meta, &out[i]) == CRDT_OK);
        sync_meta again = {.scene = meta.scene, .actor = meta.actor};
        assert(sync_meta_decode(crdt_buf_span(&out[i]), &again, NULL) == CRDT_OK);
        meta = again;
    }
    assert(crdt_span_equal(crdt_buf_span(&out[0]), crdt_buf_span(&out[1])));
    crdt_buf_deinit(&out[0]);
    crdt_buf_deinit(&out[1]);
    return true;
}

/* What was replayed can be kept as a checkpoint, and that brings the same. */
static void check_checkpoint(const crdt_document *doc)
{
    crdt_buf answer;
    crdt_buf_init(&answer, crdt_alloc_default());
    assert(crdt_document_answer_full(doc, NULL, &answer) == CRDT_OK);
    crdt_document *copy;
    crdt_deps *deps;
    open_document(&copy, &deps);
    sync_replay replay;
    sync_replay_init(&replay, crdt_alloc_default(), copy, deps, NULL);
    assert(sync_replay_checkpoint(&replay, crdt_buf_span(&answer), NULL) == CRDT_OK);
    sync_mark mark = sync_mark_of(doc);
    sync_mark other = sync_mark_of(copy);
    assert(sync_mark_compare(&mark, &other, NULL) == CRDT_OK);
    sync_replay_deinit(&replay);
    crdt_deps_close(deps);
    crdt_document_close(copy);
    crdt_buf_deinit(&answer);
}

static crdt_err replay_one(sync_replay *replay, uint8_t kind, crdt_span bytes,
                           uint64_t number, crdt_diag *diag)
{
    switch (kind) {
    case 'c':
        return number == 1 ? sync_replay_checkpoint(replay, bytes, diag) : CRDT_OK;
    case 'b':
        return sync_replay_record(replay, SYNC_RECORD_BATCH, bytes, number, diag);
    case 'a':
        return sync_replay_record(replay, SYNC_RECORD_ANSWER, bytes, number, diag);
    case 'h':
        return sync_replay_record(replay, SYNC_RECORD_HISTORY, bytes, number, diag);
    default:
        (void)check_meta(bytes);
        return CRDT_OK;
    }
}

bool fuzz_target(const uint8_t *data, size_t size)
{
    crdt_document *doc;
    crdt_deps *deps;
    open_document(&doc, &deps);
    sync_store_report report = {.created = false};
    sync_replay replay;
    sync_replay_init(&replay, crdt_alloc_default(), doc, deps, &report);
    crdt_err err = CRDT_OK;
    bool any = false;
    for (uint64_t number = 1; err == CRDT_OK && size >= 3; number++) {
        uint8_t kind = data[0];
        size_t length = (size_t)data[1] | (size_t)data[2] << 8;
        length = length < size - 3 ? length : size - 3;
        crdt_span bytes = {data + 3, length};
        crdt_diag diag = {.text = ""};
        crdt_digest before = crdt_document_digest(doc);
        err = replay_one(&replay, kind, bytes, number, &diag);
        if (err != CRDT_OK) {
            assert(diag.text[0] != '\0');
            assert(crdt_digest_equal(before, crdt_document_digest(doc)));
        }
        any = any || err == CRDT_OK;
        data += 3 + length;
        size -= 3 + length;
    }
    assert(crdt_document_check(doc));
    check_checkpoint(doc);
    sync_replay_deinit(&replay);
    crdt_deps_close(deps);
    crdt_document_close(doc);
    return any;
}
