#ifndef CRDT_DOCUMENT_JOIN_H
#define CRDT_DOCUMENT_JOIN_H

/* Joining an answer: one pass over its items checks them and makes everything ready, which
 * can be undone (document_join.c: what can fail), then the change is made
 * (document_merge.c). Into an empty document they are put at once (document_load.c).
 *
 * Per touched key: keep what both have, what I have and the answer's version does not
 * cover, what the answer has and my version does not cover. Touched are the keys with an
 * entry in the answer, and mine at or below a prefix: the keys of its log records, and its
 * objects and parts with an entry above `since`; all of mine if it is full. */

#include "crdt/answer.h"
#include "crdt/document_state.h"
#include "crdt/dot_sort.h"

/* An entry that is new here. */
typedef struct crdt_join_entry {
    crdt_dot dot;
    uint64_t key_hash; /* crdt_digest_key of the key */
    uint32_t key;      /* slot; of a field if `is_field` */
    uint32_t entry;    /* its slot, once it is placed */
    uint32_t is_field : 1;
    uint32_t overwrites : 1; /* the only value of the field, which goes */
    uint32_t who : 30;
    crdt_lww_value value;
} crdt_join_entry;

/* A log record that is new here. */
typedef struct crdt_join_record {
    crdt_dot dot;
    uint32_t names[3];
} crdt_join_record;

/* A slot that the answer has entries of, or that lies above one; pinned. */
typedef struct crdt_join_visit {
    uint32_t slot;
    uint32_t depth : 2;
    uint32_t is_touched : 1;
    uint32_t is_prefix : 1;
    uint32_t is_again : 1;       /* an earlier visit has the pin */
    uint32_t is_bare : 1;        /* there is nothing to be dropped here, nor below */
    uint32_t is_marked : 1;      /* some entry is marked as kept */
    uint32_t is_overwritten : 1; /* by the one entry that arrives */
} crdt_join_visit;

typedef struct crdt_join_array {
    void *items;
    size_t count;
    size_t capacity;
    size_t item_size;
} crdt_join_array;

typedef struct crdt_join {
    crdt_document *doc;
    crdt_answer_reader *reader;
    uint16_t *numbers; /* by the reader's actor index: actor numbers here */
    crdt_seen theirs;  /* what the answer's version includes */
    size_t new_actor_count;
    crdt_join_array arrivals;
    crdt_dot_place *order; /* of the arrivals: by time */
    size_t order_capacity;
    crdt_join_array records;
    crdt_join_array visited;
    crdt_join_array
        names; /* uint32_t: by the reader's index of a part's or field's name;
                              * hold references */
    crdt_join_array
        persons;     /* uint32_t: name by the reader's writer index; hold references */
    uint32_t object; /* slots of the key at hand */
    uint32_t part;
    uint32_t field;
    uint64_t name_hashes[3]; /* of the key at hand */
    crdt_slot_room extra;    /* entries beside others */
    bool beside_others;      /* an entry of the key at hand stays or has arrived */
    bool came_alone; /* the first that arrived was not counted as beside others */
} crdt_join;

static inline crdt_dot_store *crdt_join_store(crdt_join *join, crdt_depth depth)
{
    return depth == CRDT_FIELD ? &join->doc->fields.store : &join->doc->keys.store;
}

static inline crdt_join_visit *crdt_join_visited(const crdt_join *join, size_t index)
{
    return (crdt_join_visit *)join->visited.items + index;
}

/* Make everything ready: names, slots (pinned), values, room. Errors: CRDT_ENOMEM,
 * CRDT_ELIMIT; CRDT_ECORRUPT: one stamp twice. The join is to be closed in any case. */
crdt_err crdt_join_plan(crdt_join *join, crdt_arena *arena, crdt_diag *diag);
/* Take off marks and pins, forget slots that nothing holds, free what was not used. */
void crdt_join_close(crdt_join *join);

/* Join an answer that was not read yet into a document that knows nothing: then all its
 * entries arrive, in the order of keys, and are put in place in one pass, O(answer).
 * On an error the document is as empty as before. Errors: as crdt_document_merge. */
crdt_err crdt_join_load(crdt_document *doc, crdt_answer_reader *reader,
                        crdt_diag *diag);

#endif /* CRDT_DOCUMENT_JOIN_H */
