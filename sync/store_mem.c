#include "sync/store_mem.h"

#include "crdt/mutant.h"

#include "sync/store_impl.h"

#include <assert.h>
#include <string.h>

enum { RECORD_HEAD = 9 }; /* kind, size */

/* A run of records, each kind 1, size 8, bytes. */
typedef struct run {
    crdt_buf bytes;
    uint64_t payload; /* bytes of the records themselves */
} run;

struct sync_mem_disk {
    crdt_alloc alloc;
    bool in_use;
    bool made;   /* a store was opened on it once */
    bool proven; /* it is the very disk that went on writing */
    crdt_actor actor;
    uint64_t sequence;
    uint64_t fail_at; /* commits until one fails; 0: none */
    sync_mark mark;
    crdt_buf checkpoint;
    run log;
    run history;
    sync_settings settings;
};

typedef struct mem_store {
    sync_store base;
    sync_store_options options;
    sync_mem_disk *disk;
    crdt_document *doc;
    crdt_deps *deps;
    sync_settings settings;
    run log; /* queued */
    run history;
    uint64_t sequence;
    bool actor_queued;
    bool compact_queued;
    uint64_t commit_count;
    crdt_err poison;
} mem_store;

static const sync_store_ops MEM_OPS;

static mem_store *as_mem(sync_store *store)
{
    assert(store->ops == &MEM_OPS);
    return (mem_store *)store;
}

static const mem_store *as_mem_const(const sync_store *store)
{
    assert(store->ops == &MEM_OPS);
    return (const mem_store *)store;
}

/* ---- runs ---- */

static void run_init(run *r, crdt_alloc alloc)
{
    *r = (run){0};
    crdt_buf_init(&r->bytes, alloc);
}

static void run_clear(run *r)
{
    crdt_buf_clear(&r->bytes);
    r->payload = 0;
}

static crdt_err run_append(run *r, uint8_t kind, crdt_span bytes)
{
    uint8_t prefix[RECORD_HEAD] = {kind};
    uint64_t size = bytes.size;
    memcpy(prefix + 1, &size, sizeof size);
    crdt_err err = crdt_buf_reserve(&r->bytes, sizeof prefix + bytes.size);
    if (err == CRDT_OK) {
        crdt_buf_append(&r->bytes, prefix, sizeof prefix);
        crdt_buf_append_span(&r->bytes, bytes);
        r->payload += bytes.size;
    }
    return err;
}

/* The record at `*offset`, and step over it; false at the end. */
static bool run_next(const run *r, size_t *offset, uint8_t *kind, crdt_span *bytes)
{
    if (*offset == r->bytes.size) {
        return false;
    }
    const uint8_t *at = r->bytes.data + *offset;
    uint64_t size;
    memcpy(&size, at + 1, sizeof size);
    *kind = at[0];
    *bytes = (crdt_span){at + RECORD_HEAD, (size_t)size};
    *offset += RECORD_HEAD + (size_t)size;
    return true;
}

static crdt_err run_join(run *r, const run *more)
{
    crdt_err err = crdt_buf_append_span(&r->bytes, crdt_buf_span(&more->bytes));
    r->payload += err == CRDT_OK ? more->payload : 0;
    return err;
}

/* Let go of the oldest records until the rest fits. */
static void run_trim(run *r, uint64_t payload_max)
{
    size_t offset = 0;
    uint8_t kind;
    crdt_span bytes;
    while (r->payload > payload_max && run_next(r, &offset, &kind, &bytes)) {
        r->payload -= bytes.size;
    }
    if (offset > 0) {
        memmove(r->bytes.data, r->bytes.data + offset, r->bytes.size - offset);
        r->bytes.size -= offset;
    }
}

/* ---- the disk ---- */

crdt_err sync_mem_disk_open(sync_mem_disk **out, crdt_alloc alloc)
{
    sync_mem_disk *disk = crdt_allocate(alloc, sizeof *disk);
    if (disk == NULL) {
        return CRDT_ENOMEM;
    }
    *disk = (sync_mem_disk){.alloc = alloc};
    crdt_buf_init(&disk->checkpoint, alloc);
    run_init(&disk->log, alloc);
    run_init(&disk->history, alloc);
    sync_settings_init(&disk->settings, alloc);
    *out = disk;
    return CRDT_OK;
}

void sync_mem_disk_close(sync_mem_disk *disk)
{
    if (disk == NULL) {
        return;
    }
    assert(!disk->in_use);
    crdt_buf_deinit(&disk->checkpoint);
    crdt_buf_deinit(&disk->log.bytes);
    crdt_buf_deinit(&disk->history.bytes);
    sync_settings_deinit(&disk->settings);
    crdt_free(disk->alloc, disk, sizeof *disk);
}

static crdt_err copy_settings(sync_settings *to, const sync_settings *from)
{
    crdt_err err = CRDT_OK;
    for (size_t i = 0; i < from->count && err == CRDT_OK; i++) {
        err = sync_settings_set(to, from->rows[i].key,
                                crdt_buf_span(&from->rows[i].value), NULL);
    }
    sync_settings_settle(to);
    return err;
}

crdt_err sync_mem_disk_copy(const sync_mem_disk *disk, bool same_machine_state,
                            sync_mem_disk **out)
{
    sync_mem_disk *copy = NULL;
    crdt_err err = sync_mem_disk_open(&copy, disk->alloc);
    if (err != CRDT_OK) {
        return err;
    }
    copy->made = disk->made;
    copy->proven = disk->proven && same_machine_state;
    copy->actor = disk->actor;
    copy->sequence = disk->sequence;
    copy->mark = disk->mark;
    err = crdt_buf_append_span(&copy->checkpoint, crdt_buf_span(&disk->checkpoint));
    if (err == CRDT_OK) {
        err = run_join(&copy->log, &disk->log);
    }
    if (err == CRDT_OK) {
        err = run_join(&copy->history, &disk->history);
    }
    if (err == CRDT_OK) {
        err = copy_settings(&copy->settings, &disk->settings);
    }
    if (err != CRDT_OK) {
        sync_mem_disk_close(copy);
        return err;
    }
    *out = copy;
    return CRDT_OK;
}

void sync_mem_disk_fail(sync_mem_disk *disk, uint64_t commit)
{
    disk->fail_at = commit;
}

/* ---- writing ---- */

static crdt_err refuse(const mem_store *store, crdt_diag *diag)
{
    return crdt_diag_set(diag, store->poison, 0, "a commit failed before");
}

static crdt_err mem_renew_actor(sync_store *base, crdt_actor *actor, crdt_diag *diag)
{
    mem_store *store = as_mem(base);
    if (store->poison != CRDT_OK) {
        return refuse(store, diag);
    }
    if (!store->options.random(store->options.random_ctx, &base->actor,
                               sizeof base->actor)) {
        return crdt_diag_set(diag, CRDT_EIO, 0, "no random bytes");
    }
    if (MUTANT(43)) {
        base->actor = store->disk->actor;
        base->actor.bytes[15]++;
    }
    store->actor_queued = true;
    if (actor != NULL) {
        *actor = base->actor;
    }
    return CRDT_OK;
}

static crdt_err mem_append(sync_store *base, sync_record_kind kind, crdt_span bytes,
                           uint64_t *sequence, crdt_diag *diag)
{
    mem_store *store = as_mem(base);
    if (store->poison != CRDT_OK) {
        return refuse(store, diag);
    }
    size_t queued = store->log.bytes.size + store->history.bytes.size;
    if (bytes.size > SYNC_STORE_RECORD_SIZE_MAX ||
        (queued > 0 && queued + bytes.size > store->options.queue_size_max)) {
        return crdt_diag_set(diag, CRDT_ELIMIT, 0, "the store's queue is full");
    }
    run *r = kind == SYNC_RECORD_HISTORY ? &store->history : &store->log;
    crdt_err err = run_append(r, (uint8_t)kind, bytes);
    if (err != CRDT_OK) {
        return err;
    }
    store->sequence++;
    if (sequence != NULL) {
        *sequence = store->sequence;
    }
    return CRDT_OK;
}

static crdt_err mem_set(sync_store *base, const char *key, crdt_span value,
                        crdt_diag *diag)
{
    mem_store *store = as_mem(base);
    if (store->poison != CRDT_OK) {
        return refuse(store, diag);
    }
    return sync_settings_set(&store->settings, key, value, diag);
}

static bool mem_get(const sync_store *base, const char *key, crdt_span *value)
{
    return sync_settings_get(&as_mem_const(base)->settings, key, value);
}

static bool mem_dirty(const sync_store *base)
{
    const mem_store *store = as_mem_const(base);
    return store->log.bytes.size > 0 || store->history.bytes.size > 0 ||
           store->settings.queued || store->actor_queued || store->compact_queued;
}

static bool checkpoint_is_due(const sync_mem_disk *disk, size_t size_min)
{
    size_t due = 2 * disk->checkpoint.size;
    due = due > size_min ? due : size_min;
    return disk->log.payload > due;
}

static crdt_err mem_maintain(sync_store *base, size_t budget, bool *more,
                             crdt_diag *diag)
{
    mem_store *store = as_mem(base);
    (void)budget;
    if (store->poison != CRDT_OK) {
        return refuse(store, diag);
    }
    if (!mem_dirty(base) &&
        checkpoint_is_due(store->disk, store->options.checkpoint_size_min)) {
        store->compact_queued = true;
    }
    if (more != NULL) {
        *more = store->compact_queued;
    }
    return CRDT_OK;
}

/* The document as it is now, queued records included. */
static crdt_err compact(mem_store *store)
{
    crdt_buf fresh;
    crdt_buf_init(&fresh, store->disk->alloc);
    crdt_err err = crdt_document_answer_full(store->doc, store->deps, &fresh);
    if (err != CRDT_OK) {
        crdt_buf_deinit(&fresh);
        return err;
    }
    crdt_buf_deinit(&store->disk->checkpoint);
    store->disk->checkpoint = fresh;
    run_clear(&store->disk->log);
    if (MUTANT(322)) {
        crdt_buf_clear(&store->disk->checkpoint);
    }
    return CRDT_OK;
}

static crdt_err write_group(mem_store *store)
{
    sync_mem_disk *disk = store->disk;
    if (disk->fail_at > 0 && --disk->fail_at == 0) {
        return CRDT_EIO;
    }
    crdt_err err = crdt_buf_reserve(&disk->history.bytes, store->history.bytes.size);
    if (err == CRDT_OK) {
        err = MUTANT(314) ? CRDT_OK : copy_settings(&disk->settings, &store->settings);
    }
    if (err == CRDT_OK) {
        err = store->compact_queued ? compact(store)
              : MUTANT(301)         ? CRDT_OK
                                    : run_join(&disk->log, &store->log);
    }
    if (err != CRDT_OK) {
        return err;
    }
    (void)run_join(&disk->history, &store->history); /* there is room */
    run_trim(&disk->history, store->options.history_size_max);
    disk->actor = store->base.actor;
    disk->sequence = store->sequence;
    disk->mark = sync_mark_of(store->doc);
    return CRDT_OK;
}

static crdt_err mem_commit(sync_store *base, uint64_t *sequence, crdt_diag *diag)
{
    mem_store *store = as_mem(base);
    if (store->poison != CRDT_OK) {
        return refuse(store, diag);
    }
    if (mem_dirty(base)) {
        crdt_err err = write_group(store);
        if (err != CRDT_OK) {
            store->poison = err;
            return refuse(store, diag);
        }
        run_clear(&store->log);
        run_clear(&store->history);
        sync_settings_settle(&store->settings);
        store->actor_queued = false;
        store->compact_queued = false;
        store->commit_count++;
        base->durable = store->sequence;
    }
    if (sequence != NULL) {
        *sequence = base->durable;
    }
    return CRDT_OK;
}

/* ---- reading ---- */

static crdt_err replay_disk(const sync_mem_disk *disk, crdt_document *doc,
                            crdt_deps *deps, sync_store_report *report, crdt_diag *diag)
{
    sync_replay replay;
    sync_replay_init(&replay, disk->alloc, doc, deps, report);
    crdt_err err = CRDT_OK;
    report->checkpoint_size = disk->checkpoint.size;
    if (disk->checkpoint.size > 0) {
        err = sync_replay_checkpoint(&replay, crdt_buf_span(&disk->checkpoint), diag);
    }
    size_t offset = 0;
    uint8_t kind;
    crdt_span bytes;
    uint64_t number = 1;
    while (err == CRDT_OK && run_next(&disk->log, &offset, &kind, &bytes)) {
        err =
            sync_replay_record(&replay, (sync_record_kind)kind, bytes, number++, diag);
    }
    sync_replay_deinit(&replay);
    if (err == CRDT_OK && disk->made) {
        sync_mark mark = sync_mark_of(doc);
        err = sync_mark_compare(&disk->mark, &mark, diag);
    }
    for (offset = 0; run_next(&disk->history, &offset, &kind, &bytes);) {
        report->history_count++;
    }
    return err;
}

/* `at` is the record's offset in the ring, plus one: trimming moves it, so a walk goes
 * between commits. */
static crdt_err mem_history_step(sync_store *base, bool newer, uint64_t *at,
                                 crdt_buf *out, crdt_diag *diag)
{
    const run *history = &as_mem(base)->disk->history;
    (void)diag;
    size_t offset = 0;
    uint8_t kind;
    crdt_span bytes;
    crdt_span found = {0};
    uint64_t found_at = 0;
    for (;;) {
        uint64_t here = (uint64_t)offset + 1;
        if ((!newer && here >= *at) || !run_next(history, &offset, &kind, &bytes)) {
            break;
        }
        if (newer && here <= *at) {
            continue;
        }
        found = bytes;
        found_at = here;
        if (newer) {
            break;
        }
    }
    if (found_at == 0) {
        return CRDT_ENOTFOUND;
    }
    crdt_err err = crdt_buf_reserve(out, found.size);
    if (err == CRDT_OK) {
        crdt_buf_clear(out);
        err = crdt_buf_append_span(out, found);
        *at = found_at;
    }
    return err;
}

static sync_store_stats mem_stat(sync_store *base)
{
    const mem_store *store = as_mem(base);
    const sync_mem_disk *disk = store->disk;
    uint64_t size =
        disk->checkpoint.size + disk->log.bytes.size + disk->history.bytes.size;
    return (sync_store_stats){
        .file_size = size,
        .live_size = size,
        .log_size = disk->log.payload,
        .checkpoint_size = disk->checkpoint.size,
        .history_size = disk->history.payload,
        .commit_count = store->commit_count,
    };
}

static crdt_err mem_verify(sync_store *base, sync_store_report *report, crdt_diag *diag)
{
    const mem_store *store = as_mem(base);
    sync_store_report unread;
    report = report != NULL ? report : &unread;
    *report = (sync_store_report){.origin = SYNC_ACTOR_NONE, .read_only = true};
    crdt_document *doc = NULL;
    crdt_deps *deps = NULL;
    crdt_document_options options = crdt_document_options_default();
    options.alloc = store->options.alloc;
    crdt_err err = crdt_document_open(&doc, &options);
    if (err == CRDT_OK) {
        err = crdt_deps_open(&deps, store->options.alloc, SYNC_STORE_AUTHOR_MAX);
    }
    if (err == CRDT_OK) {
        err = replay_disk(store->disk, doc, deps, report, diag);
    }
    crdt_deps_close(deps);
    crdt_document_close(doc);
    return err;
}

/* ---- opening ---- */

static crdt_err open_on_disk(mem_store *store, sync_store_report *report,
                             crdt_diag *diag)
{
    sync_mem_disk *disk = store->disk;
    crdt_err err = replay_disk(disk, store->doc, store->deps, report, diag);
    if (err == CRDT_OK) {
        err = copy_settings(&store->settings, &disk->settings);
    }
    if (err != CRDT_OK) {
        return err;
    }
    if (!store->options.random(store->options.random_ctx, &store->base.start_nonce,
                               sizeof store->base.start_nonce)) {
        return crdt_diag_set(diag, CRDT_EIO, 0, "no random bytes");
    }
    report->created = !disk->made;
    report->origin = !disk->made    ? SYNC_ACTOR_NEW
                     : disk->proven ? SYNC_ACTOR_KEPT
                                    : SYNC_ACTOR_COPIED;
    store->base.actor = disk->actor;
    if (report->origin != SYNC_ACTOR_KEPT &&
        !(MUTANT(29) && report->origin == SYNC_ACTOR_COPIED)) {
        err = mem_renew_actor(&store->base, &disk->actor, diag);
    }
    if (err == CRDT_OK) {
        store->actor_queued = false;
        store->sequence = disk->sequence;
        store->base.durable = disk->sequence;
        disk->mark = sync_mark_of(store->doc);
        disk->made = true;
        disk->proven = true;
    }
    return err;
}

crdt_err sync_store_mem_open(sync_store **out, sync_mem_disk *disk,
                             const sync_store_options *options, crdt_document *doc,
                             crdt_deps *deps, sync_store_report *report,
                             crdt_diag *diag)
{
    sync_store_report unread;
    report = report != NULL ? report : &unread;
    *report = (sync_store_report){.origin = SYNC_ACTOR_NONE};
    assert(options->random != NULL);
    if (disk->in_use) {
        return crdt_diag_set(diag, CRDT_EBUSY, 0, "the disk is in use");
    }
    mem_store *store = crdt_allocate(options->alloc, sizeof *store);
    if (store == NULL) {
        return CRDT_ENOMEM;
    }
    *store = (mem_store){
        .base.ops = &MEM_OPS,
        .options = *options,
        .disk = disk,
        .doc = doc,
        .deps = deps,
    };
    disk->in_use = true;
    sync_settings_init(&store->settings, options->alloc);
    run_init(&store->log, options->alloc);
    run_init(&store->history, options->alloc);
    crdt_err err = open_on_disk(store, report, diag);
    if (err != CRDT_OK) {
        sync_store_close(&store->base);
        return err;
    }
    *out = &store->base;
    return CRDT_OK;
}

static void mem_close(sync_store *base)
{
    mem_store *store = as_mem(base);
    store->disk->in_use = false;
    sync_settings_deinit(&store->settings);
    crdt_buf_deinit(&store->log.bytes);
    crdt_buf_deinit(&store->history.bytes);
    crdt_free(store->options.alloc, store, sizeof *store);
}

static const sync_store_ops MEM_OPS = {
    .close = mem_close,
    .renew_actor = mem_renew_actor,
    .append = mem_append,
    .set = mem_set,
    .dirty = mem_dirty,
    .commit = mem_commit,
    .maintain = mem_maintain,
    .get = mem_get,
    .history_step = mem_history_step,
    .stat = mem_stat,
    .verify = mem_verify,
};
