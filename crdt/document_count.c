#include "crdt/document_state.h"

/* A field counts as visible or as a conflict by what it holds and whether its part is live:
 *
 *              holds one      several
 *   live       visible        visible, conflict
 *   not live   conflict       conflict */

static void add_field(crdt_document_counts *counts, crdt_state_holding holding,
                      bool live, uint64_t by)
{
    if (holding != CRDT_STATE_HOLDS_NONE) {
        counts->fields += live ? by : 0;
        counts->conflicts += !live || holding == CRDT_STATE_HOLDS_SEVERAL ? by : 0;
    }
}

void crdt_state_count_field(crdt_document *doc, uint32_t field,
                            crdt_state_holding before)
{
    const crdt_slot *slot = crdt_state_field(doc, field);
    const crdt_state_holding now = crdt_state_holding_of(slot);
    if (now != before) {
        const bool live = crdt_state_part_live(doc, slot->owner);
        add_field(&doc->counts, before, live, UINT64_MAX); /* 1 less */
        add_field(&doc->counts, now, live, 1);
    }
}

/* A part that has a dot is live now, and was not; or the other way round. */
static void count_part(crdt_document *doc, uint32_t part, bool live)
{
    doc->counts.parts += live ? 1 : UINT64_MAX;
    for (uint32_t field = crdt_state_any_field(doc, part); field != 0;
         field = crdt_state_next_field(doc, field)) {
        const crdt_state_holding holding =
            crdt_state_holding_of(crdt_state_field(doc, field));
        add_field(&doc->counts, holding, !live, UINT64_MAX);
        add_field(&doc->counts, holding, live, 1);
    }
}

void crdt_state_count_element(crdt_document *doc, uint32_t element)
{
    const crdt_slot *slot = crdt_state_element(doc, element);
    const bool live = slot->dot != 0;
    if (slot->owner != 0) {
        if (crdt_state_object_live(doc, slot->owner)) {
            count_part(doc, element, live);
        }
        return;
    }
    doc->counts.objects += live ? 1 : UINT64_MAX;
    for (uint32_t part = crdt_state_any_part(doc, element); part != 0;
         part = crdt_state_next_part(doc, part)) {
        if (crdt_state_element(doc, part)->dot != 0) {
            count_part(doc, part, live);
        }
    }
}

static void count_below(const crdt_document *doc, uint32_t part,
                        crdt_document_counts *counts)
{
    const bool live = crdt_state_part_live(doc, part);
    counts->parts += live;
    for (uint32_t field = crdt_state_any_field(doc, part); field != 0;
         field = crdt_state_next_field(doc, field)) {
        add_field(counts, crdt_state_holding_of(crdt_state_field(doc, field)), live, 1);
    }
}

crdt_document_counts crdt_state_count_all(const crdt_document *doc)
{
    crdt_document_counts counts = {0};
    for (uint32_t object = crdt_state_any_object(doc); object != 0;
         object = crdt_state_next_object(doc, object)) {
        counts.objects += crdt_state_object_live(doc, object);
        for (uint32_t part = crdt_state_any_part(doc, object); part != 0;
             part = crdt_state_next_part(doc, part)) {
            count_below(doc, part, &counts);
        }
    }
    return counts;
}

crdt_document_counts crdt_document_count(const crdt_document *doc)
{
    return doc->counts;
}
