#ifndef CRDT_HISTORY_H
#define CRDT_HISTORY_H

/* History records: what one applied batch (or answer) was, and what it dropped here.
 *
 * Local bookkeeping, never replicated: `log`, undo and redo over restarts, and who changed
 * what read it. The store keeps the records in a bounded ring, in the same group as the
 * batch. docs/FORMAT.md, "History". */

#include "crdt/document.h"

/* Why a batch was made. Values are append-only: they are written to disk. */
typedef enum crdt_origin {
    CRDT_ORIGIN_EDIT = 0,
    CRDT_ORIGIN_UNDO = 1,
    CRDT_ORIGIN_REDO = 2,
    CRDT_ORIGIN_IMPORT = 3,
    CRDT_ORIGIN_HOUSEKEEPING = 4,
    CRDT_ORIGIN_REMOTE = 5, /* another replica's batch */
    CRDT_ORIGIN_ANSWER = 6, /* a catch-up answer: no operations, no author of its own */
} crdt_origin;

const char *crdt_origin_name(crdt_origin origin); /* "edit", ... */

#define CRDT_STEP_SIZE_MAX 64u /* bytes of a step's name */

/* An entry that went away, and by which operation. */
typedef struct crdt_history_drop {
    size_t op_index; /* in ops; SIZE_MAX: by an answer */
    crdt_key key;
    crdt_entry entry;
    bool was_live; /* it was live (a dot) or shown (a value) before the batch began */
} crdt_history_drop;

typedef struct crdt_history_record {
    crdt_origin origin;
    crdt_actor author;   /* ANSWER: all zero */
    uint64_t first_time; /* of the operations; ANSWER: 0 */
    uint64_t last_time;
    crdt_span who;
    crdt_span
        step; /* batches of one person with the same step are undone together; of an
                     * UNDO or REDO: the step that it undid or redid. Empty: none */
    uint64_t wall_ms;
    crdt_stamp
        target; /* UNDO, REDO: first-op stamp of the transaction that is undone or
                        * redone (of a step: of its newest batch); else time 0 */
    const crdt_op *ops;
    size_t op_count;
    const crdt_history_drop *drops;
    size_t drop_count;
    bool cut; /* drops beyond the recorder's limit were left out: no undo of this */
} crdt_history_record;

/* Append the encoding to `out`. Errors: CRDT_ENOMEM; `out` as before. */
crdt_err crdt_history_encode(const crdt_history_record *record, crdt_buf *out);
/* The record borrows from `bytes` and `arena`. Errors: CRDT_ECORRUPT, CRDT_ELIMIT,
 * CRDT_EVERSION, CRDT_ENOMEM. */
crdt_err crdt_history_decode(crdt_span bytes, crdt_arena *arena,
                             crdt_history_record *record, crdt_diag *diag);
/* The same without operations and drops, which are not looked at: for who passes over
 * many records. O(1). Errors: CRDT_ECORRUPT, CRDT_ELIMIT, CRDT_EVERSION. */
crdt_err crdt_history_decode_head(crdt_span bytes, crdt_history_record *record,
                                  crdt_diag *diag);

/* ---- the recorder: a listener that collects drops ---- */

typedef struct crdt_history crdt_history;

/* `drop_bytes_max` bounds what one record may hold of drops; 0: 8 MiB. */
crdt_err crdt_history_open(crdt_history **out, crdt_alloc alloc, size_t drop_bytes_max);
void crdt_history_close(crdt_history *history);
/* To be handed to crdt_document_listen. Its ctx is `history`. */
crdt_listener crdt_history_listener(crdt_history *history);

/* Forget what was collected: call it right before a commit, apply or merge. */
void crdt_history_begin(crdt_history *history);
/* What a record says that the batch does not. */
typedef struct crdt_history_note {
    crdt_origin origin;
    crdt_stamp target; /* time 0: none */
    crdt_span step;    /* UTF-8, CRDT_STEP_SIZE_MAX; empty: none */
    uint64_t wall_ms;  /* of an answer; a batch has its own */
} crdt_history_note;

/* After the change succeeded: append the encoded record to `out`. `batch` NULL: an answer.
 * Errors: CRDT_ENOMEM (also if it befell the listener); `out` as before. */
crdt_err crdt_history_finish(crdt_history *history, const crdt_batch *batch,
                             const crdt_history_note *note, crdt_buf *out);

#endif /* CRDT_HISTORY_H */
