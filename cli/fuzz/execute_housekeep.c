#include "cli/fuzz/execute_impl.h"

#include <stdlib.h>

/* Housekeeping clears what conflicts left, and changes nothing that is seen. Looked at where
 * it is done, before anything else happens there; and at all places, once they are equal. */

/* ---- what is left ---- */

static bool check_part_clean(fuzz_run *run, const crdt_document *doc, crdt_part part)
{
    crdt_entry entry;
    crdt_field field = {0};
    while (crdt_document_next_field(doc, part, &field)) {
        if (crdt_document_field_value(doc, field, 1, &entry)) {
            return fuzz_run_fail(run, "housekeeping", "a lost sibling stays");
        }
    }
    return crdt_document_part_live(doc, part) ||
           fuzz_run_fail(run, "housekeeping", "a part that is not there leaves traces");
}

static bool check_object_clean(fuzz_run *run, const crdt_document *doc,
                               crdt_object object)
{
    crdt_part part = {0};
    while (crdt_document_next_part(doc, object, &part)) {
        if (!check_part_clean(run, doc, part)) {
            return false;
        }
    }
    return crdt_document_object_live(doc, object) ||
           fuzz_run_fail(run, "housekeeping",
                         "an object that is not there leaves traces");
}

bool fuzz_run_check_kept_house(fuzz_run *run, uint32_t place,
                               const crdt_document_counts *before)
{
    const crdt_document *doc = sync_sim_document(run->sim, place);
    crdt_document_counts after = crdt_document_count(doc);
    if (after.objects != before->objects || after.parts != before->parts ||
        after.fields != before->fields || after.conflicts != 0) {
        return fuzz_run_fail(run, "housekeeping", "what shows has changed");
    }
    crdt_object object = {0};
    bool clean = true;
    while (clean && crdt_document_next_object(doc, &object)) {
        clean = check_object_clean(run, doc, object);
    }
    return clean;
}

/* ---- what shows ---- */

static bool shows_alike(const crdt_document *a, const crdt_document *b, crdt_part part,
                        crdt_key key)
{
    crdt_field field = {0};
    while (crdt_document_next_field(a, part, &field)) {
        crdt_span x;
        crdt_span y;
        key.depth = CRDT_FIELD;
        key.field = crdt_document_field_name(a, field);
        if (crdt_document_get(a, &key, &x) &&
            (!crdt_document_get(b, &key, &y) || !crdt_span_equal(x, y))) {
            return false;
        }
    }
    return true;
}

/* All fields that `a` shows, `b` shows too. */
static bool shows_all(const crdt_document *a, const crdt_document *b)
{
    crdt_object object = {0};
    bool alike = true;
    while (alike && crdt_document_next_object(a, &object)) {
        crdt_key key = crdt_key_object(crdt_document_object_name(a, object));
        crdt_part part = {0};
        while (alike && crdt_document_next_part(a, object, &part)) {
            key.part = crdt_document_part_name(a, part);
            alike = shows_alike(a, b, part, key);
        }
    }
    return alike;
}

static crdt_document *copy_document(const crdt_document *doc)
{
    crdt_buf bytes;
    crdt_document *copy = NULL;
    crdt_document_options options = crdt_document_options_default();
    crdt_buf_init(&bytes, crdt_alloc_default());
    if (crdt_document_open(&copy, &options) != CRDT_OK ||
        crdt_document_answer_full(doc, NULL, &bytes) != CRDT_OK ||
        crdt_document_merge(copy, crdt_buf_span(&bytes), NULL, NULL, NULL) != CRDT_OK) {
        abort();
    }
    crdt_buf_deinit(&bytes);
    return copy;
}

/* ---- doing it ---- */

/* `before`: as the document was. Where two write as one actor, what had to wait for the other
 * history may be let in by this very edit; there is nothing to compare with there. */
static void check_at_once(fuzz_run *run, uint32_t place, const crdt_document *before)
{
    const crdt_document *doc = sync_sim_document(run->sim, place);
    crdt_document_counts counts = crdt_document_count(before);
    if (run->forked || !sync_sim_running(run->sim, place)) {
        return;
    }
    if (!shows_all(before, doc)) {
        fuzz_run_fail(run, "housekeeping", "a value that shows has changed");
    } else {
        fuzz_run_check_kept_house(run, place, &counts);
    }
}

void fuzz_run_housekeep(fuzz_run *run, uint32_t place)
{
    if (!sync_sim_running(run->sim, place)) {
        return;
    }
    crdt_document *before = copy_document(sync_sim_document(run->sim, place));
    fuzz_run_set_origin(run, place, CRDT_ORIGIN_HOUSEKEEPING);
    crdt_err err = sync_sim_housekeep(run->sim, place);
    fuzz_run_set_origin(run, place, CRDT_ORIGIN_EDIT);
    if (err != CRDT_OK && err != CRDT_ENOTHING) {
        fuzz_run_fail(run, "housekeeping", "housekeeping is refused: %s",
                      crdt_err_name(err));
    }
    check_at_once(run, place, before);
    crdt_document_close(before);
    fuzz_run_note_batches(run);
    fuzz_run_compare(run, place);
}
