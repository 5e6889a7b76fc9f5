#ifndef SYNC_STORE_IMPL_H
#define SYNC_STORE_IMPL_H

/* What implementations of sync/store.h share: replaying records, and the settings that are
 * held in memory. Not for others. */

#include "sync/store.h"

/* ---- replay ---- */

/* Records going into a document, in order. */
typedef struct sync_replay {
    crdt_document *doc;
    crdt_deps *deps;
    crdt_arena arena; /* of the batch at hand */
    sync_store_report *report;
} sync_replay;

void sync_replay_init(sync_replay *replay, crdt_alloc alloc, crdt_document *doc,
                      crdt_deps *deps, sync_store_report *report);
void sync_replay_deinit(sync_replay *replay);

/* Apply record `number` of the log. What is covered already is counted and passed over.
 * Errors: CRDT_ECORRUPT, naming the record; CRDT_EVERSION, CRDT_ENOMEM. */
crdt_err sync_replay_record(sync_replay *replay, sync_record_kind kind, crdt_span bytes,
                            uint64_t number, crdt_diag *diag);
/* Apply a checkpoint: the first of all. Errors: as above. */
crdt_err sync_replay_checkpoint(sync_replay *replay, crdt_span answer, crdt_diag *diag);

/* What a document amounts to: recorded at each commit, compared after each replay. */
typedef struct sync_mark {
    crdt_digest version; /* crdt_digest_version */
    crdt_digest state;
} sync_mark;

sync_mark sync_mark_of(const crdt_document *doc);
/* Errors: CRDT_ECORRUPT, telling which of the two differs. */
crdt_err sync_mark_compare(const sync_mark *recorded, const sync_mark *replayed,
                           crdt_diag *diag);

/* ---- settings ---- */

typedef struct sync_setting {
    char key[SYNC_STORE_SETTING_KEY_MAX + 1];
    crdt_buf value;
    bool queued; /* changed since the last commit */
} sync_setting;

typedef struct sync_settings {
    crdt_alloc alloc;
    sync_setting *rows;
    size_t count;
    size_t capacity;
    bool queued; /* some row is */
} sync_settings;

void sync_settings_init(sync_settings *settings, crdt_alloc alloc);
void sync_settings_deinit(sync_settings *settings);
/* Errors: CRDT_ELIMIT, CRDT_ENOMEM; as before then. */
crdt_err sync_settings_set(sync_settings *settings, const char *key, crdt_span value,
                           crdt_diag *diag);
bool sync_settings_get(const sync_settings *settings, const char *key,
                       crdt_span *value);
/* They are durable now. */
void sync_settings_settle(sync_settings *settings);

#endif /* SYNC_STORE_IMPL_H */
