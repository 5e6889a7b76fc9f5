#ifndef CRDT_DOCUMENT_H
#define CRDT_DOCUMENT_H

/* The replicated document: objects that have parts that have fields.
 *
 * State is a causal dot store (Almeida et al. 2018; DSON, VLDB 2022) on one or_set (dots
 * of objects and parts) and one lww_map (siblings of fields), under one version. Nothing
 * is kept of what was removed: the version is the tombstone. At equal versions all
 * replicas hold the same state to the byte. tests/model/document.py is its executable
 * definition; tests/crdt/test_model.c holds the two against each other.
 *
 *   live      a key is live iff it has a dot and its object has one (add wins)
 *   visible   a field is visible iff its part is live; it shows the sibling with the
 *             highest stamp (last writer wins)
 *   hidden    a value below a key that is not live: edited while removed, a conflict
 *
 * Memory: everything from `alloc`, proportional to the live state, plus the remove log
 * (bounded). A remote write on known names allocates nothing once warm.
 * Failed calls leave the document as it was. Threads: no locking, one thread at a time.
 * Pure: no clock, no randomness, no I/O. */

#include "crdt/batch.h"
#include "crdt/digest.h"
#include "crdt/op.h"

typedef struct crdt_document crdt_document;

/* One write as it is held: a dot (value empty) or a sibling. Borrowed until the next
 * change of the document. */
typedef struct crdt_entry {
    crdt_stamp stamp;
    crdt_span who;
    crdt_span value;
} crdt_entry;

typedef enum crdt_conflict_kind {
    CRDT_CONFLICT_CONCURRENT, /* two writes of one field met; `loser` is not shown */
    CRDT_CONFLICT_REMOVED,    /* a write lies hidden below a key that is not live */
    CRDT_CONFLICT_STALE,      /* an edit was made on an older value than it replaced */
} crdt_conflict_kind;

typedef struct crdt_conflict {
    crdt_conflict_kind kind;
    crdt_key key;
    crdt_entry loser;
    crdt_entry winner; /* CONCURRENT, STALE: what shows instead; else stamp.time 0 */
} crdt_conflict;

/* Who wants to know. Every function may be NULL. Called while a change is being made: do
 * not call the document except for reading names; spans live until the call returns. */
typedef struct crdt_listener {
    void *ctx;
    /* Something at or below this object changed (may repeat). */
    void (*changed)(void *ctx, crdt_span object);
    /* Operation `op_index` of the batch at hand (SIZE_MAX: an answer) dropped an entry
     * that was held. `was_live`: it was live (a dot) or shown (a value) before the batch
     * began. What undo and history need. */
    void (*dropped)(void *ctx, size_t op_index, const crdt_key *key,
                    const crdt_entry *entry, bool was_live);
    /* Concurrent writes met, or an edit turned out hidden. */
    void (*conflict)(void *ctx, const crdt_conflict *conflict);
} crdt_listener;

typedef struct crdt_document_options {
    crdt_alloc alloc;
    /* Remove log; default 4 MiB. Trimmed oldest first, also to 256 KiB and a 256th of what
     * the document takes: who lacks more than that gets a full answer. */
    size_t log_bytes_max;
    uint64_t hash_seed; /* of the hash tables; results never depend on it */
} crdt_document_options;

crdt_document_options crdt_document_options_default(void);
/* Errors: CRDT_ENOMEM. */
crdt_err crdt_document_open(crdt_document **out, const crdt_document_options *options);
void crdt_document_close(crdt_document *doc);

/* At most 8 listeners. Errors: CRDT_ELIMIT. `listener` is copied; its ctx is its identity. */
crdt_err crdt_document_listen(crdt_document *doc, const crdt_listener *listener);
void crdt_document_unlisten(crdt_document *doc, const void *ctx);

/* ---- changing ---- */

/* How an edit is made. */
typedef struct crdt_edit {
    crdt_actor actor;
    crdt_span who;
    uint64_t wall_ms;
    const crdt_stamp *seen; /* NULL, or the stamp the author last saw when it made this
                             * edit: a SET that drops a newer one is reported as STALE */
    bool sweep; /* housekeeping: REMOVE also of keys without a dot of their own */
} crdt_edit;

/* Make one batch of the operations that say something, apply it, and describe it in
 * `batch` (borrowed: from `ops`, `arena`). Left out as saying nothing: ADD of a live key;
 * REMOVE of a key without dots; SET or UNSET below a part that is not live; UNSET of a
 * field without values; SET of the value that the field's only sibling has. Each is judged
 * after the operations before it. All or nothing. `ops` must not borrow from the document:
 * names and values that the batch removes are gone when it returns.
 *
 * Errors: CRDT_ENOTHING: no operation says anything; nothing happened.
 * CRDT_EINVAL, CRDT_ELIMIT: a name, a value or a count is over its limit, a value is not
 * canonical. CRDT_ENOMEM. */
crdt_err crdt_document_commit(crdt_document *doc, const crdt_edit *edit,
                              const crdt_op *ops, size_t op_count, crdt_arena *arena,
                              crdt_batch *batch, crdt_diag *diag);

/* Apply another author's batch (or one's own from the store), unconditionally.
 * Errors: CRDT_EDUPLICATE: covered already. CRDT_EGAP: deps are not covered: hold back,
 * catch up. CRDT_EFORK: deps[author] < known < last time: two histories under one actor.
 * CRDT_ELIMIT, CRDT_ENOMEM. */
crdt_err crdt_document_apply(crdt_document *doc, const crdt_batch *batch,
                             crdt_diag *diag);

/* The batch that clears what conflicts left behind: REMOVE of every key that is not live
 * and still has dots or values below, SET of the shown value where siblings remain; only
 * where every stamp concerned is covered by `shown` (what was on display long enough;
 * NULL: all). Changes nothing that is seen. As crdt_document_commit otherwise. */
crdt_err crdt_document_housekeep(crdt_document *doc, const crdt_edit *edit,
                                 const crdt_version *shown, crdt_arena *arena,
                                 crdt_batch *batch, crdt_diag *diag);

/* ---- catching up ---- */

/* Append the answer to SYNC(since) to `out` (docs/FORMAT.md, "Answer"): all that a replica
 * at `since` lacks; full iff the remove log was trimmed beyond it. `deps` (may be NULL):
 * rows to send along. A full answer to an empty `since` is also the saved document.
 * O(answer). Errors: CRDT_ENOMEM; `out` as before. */
crdt_err crdt_document_answer(const crdt_document *doc, const crdt_version *since,
                              const crdt_deps *deps, crdt_buf *out);
/* The same, but full whatever `since` is. For saving and healing. */
crdt_err crdt_document_answer_full(const crdt_document *doc, const crdt_deps *deps,
                                   crdt_buf *out);
/* What an encoded answer is for: its `since` and version (into initialized versions), and
 * whether it is full. Errors: CRDT_ECORRUPT, CRDT_EVERSION, CRDT_ELIMIT, CRDT_ENOMEM. */
crdt_err crdt_answer_peek(crdt_span answer, crdt_version *since, crdt_version *version,
                          bool *full, crdt_diag *diag);
/* Join an answer. Foreign bytes: checked whole before the first change. Rows of deps go
 * to `deps` (may be NULL). `*news` (may be NULL): did the version grow?
 * Errors: CRDT_ESTALE: made for a `since` that this document does not cover.
 * CRDT_ECORRUPT, CRDT_ELIMIT, CRDT_EVERSION, CRDT_ENOMEM. */
crdt_err crdt_document_merge(crdt_document *doc, crdt_span answer, crdt_deps *deps,
                             bool *news, crdt_diag *diag);
/* Forget remove-log records until at most `bytes` remain, in their order of arrival. A
 * record counts 96 bytes and its names. */
void crdt_document_trim_log(crdt_document *doc, size_t bytes);

/* ---- reading ---- */

/* Borrowed until the next change. */
const crdt_version *crdt_document_version(const crdt_document *doc);
/* O(1). */
crdt_digest crdt_document_digest(const crdt_document *doc);

typedef struct crdt_document_counts {
    uint64_t objects;   /* live objects */
    uint64_t parts;     /* live parts */
    uint64_t fields;    /* visible fields */
    uint64_t conflicts; /* fields with siblings, and hidden fields */
} crdt_document_counts;
/* O(1). */
crdt_document_counts crdt_document_count(const crdt_document *doc);

/* Handles: small numbers, valid until the next change; {0} is none. Slots of objects that
 * still hold a dot or a value keep their handle across changes. Order of iteration:
 * byte order of names, which is brought about when a walk begins: O(n) where a few names
 * have come since the last walk, O(n log n) at worst. */
typedef struct crdt_object {
    uint32_t id;
} crdt_object;
typedef struct crdt_part {
    uint32_t id;
} crdt_part;
typedef struct crdt_field {
    uint32_t id;
} crdt_field;

/* Is there a key of this name, at any depth? False: none, so nobody needs to look for one.
 * True: there is, or a person has that name. O(1). */
bool crdt_document_has_name(const crdt_document *doc, crdt_span name);

crdt_object crdt_document_find_object(const crdt_document *doc, crdt_span object);
crdt_part crdt_document_find_part(const crdt_document *doc, crdt_object object,
                                  crdt_span part);
crdt_field crdt_document_find_field(const crdt_document *doc, crdt_part part,
                                    crdt_span field);

/* Step to the next; start with {0}. False, and {0}, at the end. Not only live ones. */
bool crdt_document_next_object(const crdt_document *doc, crdt_object *object);
bool crdt_document_next_part(const crdt_document *doc, crdt_object object,
                             crdt_part *part);
bool crdt_document_next_field(const crdt_document *doc, crdt_part part,
                              crdt_field *field);

crdt_span crdt_document_object_name(const crdt_document *doc, crdt_object object);
crdt_span crdt_document_part_name(const crdt_document *doc, crdt_part part);
crdt_span crdt_document_field_name(const crdt_document *doc, crdt_field field);
bool crdt_document_object_live(const crdt_document *doc, crdt_object object);
bool crdt_document_part_live(const crdt_document *doc, crdt_part part);

/* Entry `index` of a key, highest stamp first: index 0 of a field is what it shows if its
 * part is live. False where there is none. */
bool crdt_document_object_dot(const crdt_document *doc, crdt_object object,
                              size_t index, crdt_entry *entry);
bool crdt_document_part_dot(const crdt_document *doc, crdt_part part, size_t index,
                            crdt_entry *entry);
bool crdt_document_field_value(const crdt_document *doc, crdt_field field, size_t index,
                               crdt_entry *entry);

/* The shown value of a visible field, by names; false if it is not visible. */
bool crdt_document_get(const crdt_document *doc, const crdt_key *key, crdt_span *value);
/* Is the key of depth 1 or 2 live? */
bool crdt_document_live(const crdt_document *doc, const crdt_key *key);

/* Step through the conflicts that stand now, in key order: lost siblings and hidden
 * values. `visit` returns false to stop. Errors: CRDT_ENOMEM. */
crdt_err crdt_document_conflicts(const crdt_document *doc,
                                 bool (*visit)(void *ctx,
                                               const crdt_conflict *conflict),
                                 void *ctx);

/* Deep test of every invariant (indexes, counts, digest recomputed), for tests. */
bool crdt_document_check(const crdt_document *doc);

#endif /* CRDT_DOCUMENT_H */
