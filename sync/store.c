#include "sync/store.h"

#include "crdt/mutant.h"

#include "sync/store_impl.h"

#include <string.h>

sync_store_options sync_store_options_default(void)
{
    return (sync_store_options){
        .alloc = crdt_alloc_default(),
        .queue_size_max = 64u << 20,
        .history_size_max = 16u << 20,
        .journal_size = 1u << 20,
        .journal_after = 16,
        .checkpoint_size_min = 1u << 20,
        .create = true,
    };
}

/* ---- the table of operations ---- */

void sync_store_close(sync_store *store)
{
    if (store != NULL) {
        store->ops->close(store);
    }
}

crdt_actor sync_store_actor(const sync_store *store)
{
    return store->actor;
}

uint64_t sync_store_start_nonce(const sync_store *store)
{
    return store->start_nonce;
}

uint64_t sync_store_durable(const sync_store *store)
{
    return store->durable;
}

crdt_err sync_store_renew_actor(sync_store *store, crdt_actor *actor, crdt_diag *diag)
{
    return store->ops->renew_actor(store, actor, diag);
}

crdt_err sync_store_append(sync_store *store, sync_record_kind kind, crdt_span bytes,
                           uint64_t *sequence, crdt_diag *diag)
{
    if (bytes.size == 0 && kind != SYNC_RECORD_HISTORY) {
        return crdt_diag_set(diag, CRDT_EINVAL, 0, "a record of the log without bytes");
    }
    return store->ops->append(store, kind, bytes, sequence, diag);
}

crdt_err sync_store_set(sync_store *store, const char *key, crdt_span value,
                        crdt_diag *diag)
{
    return store->ops->set(store, key, value, diag);
}

bool sync_store_dirty(const sync_store *store)
{
    return store->ops->dirty(store);
}

crdt_err sync_store_commit(sync_store *store, uint64_t *sequence, crdt_diag *diag)
{
    return store->ops->commit(store, sequence, diag);
}

crdt_err sync_store_maintain(sync_store *store, size_t budget, bool *more,
                             crdt_diag *diag)
{
    return store->ops->maintain(store, budget, more, diag);
}

bool sync_store_get(const sync_store *store, const char *key, crdt_span *value)
{
    return store->ops->get(store, key, value);
}

crdt_err sync_store_history_prev(sync_store *store, uint64_t *at, crdt_buf *out,
                                 crdt_diag *diag)
{
    return store->ops->history_step(store, false, at, out, diag);
}

crdt_err sync_store_history_next(sync_store *store, uint64_t *at, crdt_buf *out,
                                 crdt_diag *diag)
{
    return store->ops->history_step(store, true, at, out, diag);
}

sync_store_stats sync_store_stat(sync_store *store)
{
    return store->ops->stat(store);
}

crdt_err sync_store_verify(sync_store *store, sync_store_report *report,
                           crdt_diag *diag)
{
    return store->ops->verify(store, report, diag);
}

/* ---- replay ---- */

void sync_replay_init(sync_replay *replay, crdt_alloc alloc, crdt_document *doc,
                      crdt_deps *deps, sync_store_report *report)
{
    *replay = (sync_replay){.doc = doc, .deps = deps, .report = report};
    crdt_arena_init(&replay->arena, alloc);
}

void sync_replay_deinit(sync_replay *replay)
{
    crdt_arena_deinit(&replay->arena);
}

/* Turn what a decoder or the document said about a stored record into the store's word. */
static crdt_err name_record(crdt_err err, uint64_t number, const crdt_diag *cause,
                            crdt_diag *diag)
{
    switch (err) {
    case CRDT_OK:
    case CRDT_ENOMEM:
        return err;
    case CRDT_EVERSION:
        return crdt_diag_set(diag, err, cause->offset,
                             "log record %llu was written by a newer program",
                             (unsigned long long)number);
    default:
        return crdt_diag_set(
            diag, CRDT_ECORRUPT, cause->offset,
            "log record %llu is damaged (%s%s%.60s): restore a copy, or "
            "start anew from a peer",
            (unsigned long long)number, crdt_err_text(err),
            cause->text[0] != '\0' ? ": " : "", cause->text);
    }
}

static crdt_err replay_batch(sync_replay *replay, crdt_span bytes, crdt_diag *cause)
{
    crdt_batch batch;
    crdt_err err =
        crdt_batch_decode(bytes, replay->deps, &replay->arena, &batch, cause);
    if (err != CRDT_OK && err != CRDT_EDUPLICATE) {
        return err;
    }
    replay->report->batch_count++;
    if (err == CRDT_OK) {
        err = crdt_document_apply(replay->doc, &batch, cause);
    }
    if (err == CRDT_EDUPLICATE && !MUTANT(309)) {
        replay->report->duplicate_count++;
        return CRDT_OK;
    }
    if (err == CRDT_OK) {
        err = crdt_deps_note(replay->deps, &batch);
    }
    return err;
}

static crdt_err replay_answer(sync_replay *replay, crdt_span bytes, crdt_diag *cause)
{
    bool news = false;
    crdt_err err = crdt_document_merge(replay->doc, bytes, replay->deps, &news, cause);
    if (err != CRDT_OK) {
        return err;
    }
    replay->report->answer_count++;
    replay->report->duplicate_count += news ? 0 : 1;
    return CRDT_OK;
}

crdt_err sync_replay_record(sync_replay *replay, sync_record_kind kind, crdt_span bytes,
                            uint64_t number, crdt_diag *diag)
{
    crdt_diag cause = {0};
    crdt_err err = CRDT_ECORRUPT;
    crdt_arena_reset(&replay->arena);
    if (kind == SYNC_RECORD_BATCH) {
        err = replay_batch(replay, bytes, &cause);
    } else if (kind == SYNC_RECORD_ANSWER) {
        err = replay_answer(replay, bytes, &cause);
    } else {
        crdt_diag_set(&cause, err, 0, "kind %d is not known", (int)kind);
    }
    return name_record(err, number, &cause, diag);
}

crdt_err sync_replay_checkpoint(sync_replay *replay, crdt_span answer, crdt_diag *diag)
{
    crdt_diag cause = {0};
    crdt_err err = crdt_document_merge(replay->doc, answer, replay->deps, NULL, &cause);
    if (err == CRDT_OK || err == CRDT_ENOMEM) {
        return err;
    }
    if (err == CRDT_EVERSION) {
        return crdt_diag_set(diag, err, cause.offset,
                             "the checkpoint was written by a newer program");
    }
    return crdt_diag_set(diag, CRDT_ECORRUPT, cause.offset,
                         "the checkpoint is damaged (%s: %.60s): restore a copy, or "
                         "start anew from a peer",
                         crdt_err_text(err), cause.text);
}

sync_mark sync_mark_of(const crdt_document *doc)
{
    return (sync_mark){
        .version = crdt_digest_version(crdt_document_version(doc)),
        .state = crdt_document_digest(doc),
    };
}

crdt_err sync_mark_compare(const sync_mark *recorded, const sync_mark *replayed,
                           crdt_diag *diag)
{
    const char *what = NULL;
    if (!crdt_digest_equal(recorded->version, replayed->version)) {
        what = "version";
    } else if (!crdt_digest_equal(recorded->state, replayed->state) && !MUTANT(308)) {
        what = "digest";
    }
    if (what == NULL) {
        return CRDT_OK;
    }
    return crdt_diag_set(
        diag, CRDT_ECORRUPT, 0,
        "replaying all records gives another %s than the one recorded: "
        "restore a copy, or start anew from a peer",
        what);
}

/* ---- settings ---- */

void sync_settings_init(sync_settings *settings, crdt_alloc alloc)
{
    *settings = (sync_settings){.alloc = alloc};
}

void sync_settings_deinit(sync_settings *settings)
{
    for (size_t i = 0; i < settings->count; i++) {
        crdt_buf_deinit(&settings->rows[i].value);
    }
    crdt_free(settings->alloc, settings->rows,
              settings->capacity * sizeof settings->rows[0]);
    *settings = (sync_settings){.alloc = settings->alloc};
}

static sync_setting *find_setting(const sync_settings *settings, const char *key)
{
    for (size_t i = 0; i < settings->count; i++) {
        if (strcmp(settings->rows[i].key, key) == 0) {
            return &settings->rows[i];
        }
    }
    return NULL;
}

static crdt_err add_setting(sync_settings *settings, const char *key,
                            sync_setting **out, crdt_diag *diag)
{
    if (settings->count == SYNC_STORE_SETTING_COUNT_MAX) {
        return crdt_diag_set(diag, CRDT_ELIMIT, 0, "too many settings");
    }
    if (settings->count == settings->capacity) {
        size_t capacity = settings->capacity == 0 ? 8 : settings->capacity * 2;
        sync_setting *rows =
            crdt_resize_array(settings->alloc, settings->rows, settings->capacity,
                              capacity, sizeof settings->rows[0]);
        if (rows == NULL) {
            return CRDT_ENOMEM;
        }
        settings->rows = rows;
        settings->capacity = capacity;
    }
    sync_setting *row = &settings->rows[settings->count++];
    *row = (sync_setting){0};
    memcpy(row->key, key, strlen(key) + 1);
    crdt_buf_init(&row->value, settings->alloc);
    *out = row;
    return CRDT_OK;
}

crdt_err sync_settings_set(sync_settings *settings, const char *key, crdt_span value,
                           crdt_diag *diag)
{
    size_t key_size = strlen(key);
    if (key_size == 0 || key_size > SYNC_STORE_SETTING_KEY_MAX ||
        value.size > SYNC_STORE_SETTING_SIZE_MAX) {
        return crdt_diag_set(diag, CRDT_ELIMIT, 0,
                             "a setting has a name of 1 to %u bytes and a value of at "
                             "most %u",
                             SYNC_STORE_SETTING_KEY_MAX, SYNC_STORE_SETTING_SIZE_MAX);
    }
    sync_setting *row = find_setting(settings, key);
    if (row != NULL && crdt_span_equal(crdt_buf_span(&row->value), value)) {
        return CRDT_OK;
    }
    crdt_buf fresh;
    crdt_buf_init(&fresh, settings->alloc);
    crdt_err err = crdt_buf_append_span(&fresh, value);
    if (err == CRDT_OK && row == NULL) {
        err = add_setting(settings, key, &row, diag);
    }
    if (err != CRDT_OK) {
        crdt_buf_deinit(&fresh);
        return err;
    }
    crdt_buf_deinit(&row->value);
    row->value = fresh;
    row->queued = true;
    settings->queued = true;
    return CRDT_OK;
}

bool sync_settings_get(const sync_settings *settings, const char *key, crdt_span *value)
{
    const sync_setting *row = find_setting(settings, key);
    if (row == NULL || row->value.size == 0) {
        return false;
    }
    *value = crdt_buf_span(&row->value);
    return true;
}

void sync_settings_settle(sync_settings *settings)
{
    for (size_t i = 0; i < settings->count; i++) {
        settings->rows[i].queued = false;
    }
    settings->queued = false;
}
