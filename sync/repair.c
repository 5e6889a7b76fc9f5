#include "sync/repair.h"

#include "crdt/history.h"
#include "sync/file.h"
#include "sync/store_disk.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { COMMIT_EVERY = 256, ASIDE_MAX = 1000 };

static const char *const MAKING = "repairing"; /* the folder of the new store */

/* A store that takes what is salvaged. */
typedef struct target {
    sync_store *store;
    crdt_document *doc;
    crdt_deps *deps;
    crdt_arena arena;
    sync_repair_report *report;
    uint64_t queued_count;
} target;

sync_repair_options sync_repair_options_default(void)
{
    return (sync_repair_options){.alloc = crdt_alloc_default()};
}

/* ---- the target ---- */

static void target_close(target *t)
{
    sync_store_close(t->store);
    crdt_deps_close(t->deps);
    crdt_document_close(t->doc);
    crdt_arena_deinit(&t->arena);
}

static crdt_err target_open(target *t, const char *dir,
                            const sync_repair_options *options, bool create,
                            bool read_only, crdt_diag *diag)
{
    *t = (target){0};
    crdt_arena_init(&t->arena, options->alloc);
    crdt_document_options document = crdt_document_options_default();
    document.alloc = options->alloc;
    crdt_err err = crdt_document_open(&t->doc, &document);
    if (err == CRDT_OK) {
        err = crdt_deps_open(&t->deps, options->alloc, SYNC_STORE_AUTHOR_MAX);
    }
    sync_store_report report = {0};
    if (err == CRDT_OK) {
        sync_store_options store = sync_store_options_default();
        store.alloc = options->alloc;
        store.state_dir = options->state_dir;
        store.create = create;
        store.read_only = read_only;
        store.journal_size = 0;
        err = sync_store_open(&t->store, dir, &store, t->doc, t->deps, &report, diag);
    }
    if (err == CRDT_OK && !read_only && report.read_only) {
        err = crdt_diag_set(diag, CRDT_EIO, 0, "%.150s", report.text);
    }
    if (err != CRDT_OK) {
        target_close(t);
        *t = (target){0};
    }
    return err;
}

static crdt_err append(target *t, sync_record_kind kind, crdt_span bytes,
                       crdt_diag *diag)
{
    crdt_err err = sync_store_append(t->store, kind, bytes, NULL, diag);
    if (err == CRDT_OK && ++t->queued_count >= COMMIT_EVERY) {
        t->queued_count = 0;
        err = sync_store_commit(t->store, NULL, diag);
    }
    return err;
}

/* ---- applying ---- */

static crdt_err apply_batch(target *t, crdt_span bytes)
{
    crdt_batch batch;
    crdt_arena_reset(&t->arena);
    crdt_err err = crdt_batch_decode(bytes, t->deps, &t->arena, &batch, NULL);
    if (err == CRDT_OK) {
        err = crdt_document_apply(t->doc, &batch, NULL);
    }
    return err == CRDT_OK ? crdt_deps_note(t->deps, &batch) : err;
}

static crdt_err apply_answer(target *t, crdt_span bytes)
{
    bool news = false;
    crdt_err err = crdt_document_merge(t->doc, bytes, t->deps, &news, NULL);
    return err == CRDT_OK && !news ? CRDT_EDUPLICATE : err;
}

/* `*held`: it needs what is not there yet, or can never be applied. */
static crdt_err take_record(target *t, const sync_salvage_item *item, bool *held,
                            crdt_diag *diag)
{
    bool batch = item->kind == SYNC_SALVAGE_RECORD && item->record == SYNC_RECORD_BATCH;
    crdt_err err = batch ? apply_batch(t, item->bytes) : apply_answer(t, item->bytes);
    *held = false;
    switch (err) {
    case CRDT_OK:
        t->report->applied_count++;
        return append(t, batch ? SYNC_RECORD_BATCH : SYNC_RECORD_ANSWER, item->bytes,
                      diag);
    case CRDT_EDUPLICATE:
        t->report->known_count++;
        return CRDT_OK;
    case CRDT_ENOMEM:
        return err;
    default:
        *held = true;
        return CRDT_OK;
    }
}

/* Records in their order, and those held back again, until nothing more can be applied. */
static crdt_err take_records(target *t, const sync_salvage *salvage, bool *done,
                             size_t count, crdt_diag *diag)
{
    for (bool progress = true; progress;) {
        progress = false;
        t->report->held_count = 0;
        sync_salvage_item item;
        for (size_t i = 0; i < count;) {
            size_t at = i;
            if (!sync_salvage_next(salvage, &i, &item)) {
                break;
            }
            bool record = item.kind == SYNC_SALVAGE_CHECKPOINT ||
                          item.kind == SYNC_SALVAGE_RECORD;
            if (!record || done[at]) {
                continue;
            }
            bool held = false;
            crdt_err err = take_record(t, &item, &held, diag);
            if (err != CRDT_OK) {
                return err;
            }
            done[at] = !held;
            progress = progress || !held;
            t->report->held_count += held ? 1 : 0;
        }
        progress = progress && t->report->held_count > 0;
    }
    return CRDT_OK;
}

static crdt_err take_rest(target *t, const sync_salvage *salvage, crdt_diag *diag)
{
    sync_salvage_item item;
    crdt_err err = CRDT_OK;
    for (size_t i = 0; err == CRDT_OK && sync_salvage_next(salvage, &i, &item);) {
        if (item.kind == SYNC_SALVAGE_SETTING) {
            err = sync_store_set(t->store, item.name, item.bytes, diag);
        } else if (item.kind == SYNC_SALVAGE_HISTORY) {
            err = append(t, SYNC_RECORD_HISTORY, item.bytes, diag);
            t->report->history_count++;
        }
    }
    return err;
}

/* Of which edits does only the history tell? */
static void tell_lost(target *t, const sync_salvage *salvage,
                      const sync_repair_options *options)
{
    sync_salvage_item item;
    for (size_t i = 0; sync_salvage_next(salvage, &i, &item);) {
        crdt_history_record record;
        crdt_arena_reset(&t->arena);
        if (item.kind != SYNC_SALVAGE_HISTORY ||
            crdt_history_decode(item.bytes, &t->arena, &record, NULL) != CRDT_OK ||
            record.op_count == 0 ||
            crdt_version_get(crdt_document_version(t->doc), &record.author) >=
                record.last_time) {
            continue;
        }
        t->report->lost_count++;
        if (options->lost != NULL) {
            options->lost(options->lost_ctx, item.bytes);
        }
    }
}

static crdt_err take_all(target *t, const sync_salvage *salvage,
                         const sync_repair_options *options, crdt_diag *diag)
{
    size_t count = 0;
    sync_salvage_item item;
    while (sync_salvage_next(salvage, &count, &item)) {
    }
    bool *done = crdt_allocate(options->alloc, count + 1);
    if (done == NULL) {
        return CRDT_ENOMEM;
    }
    memset(done, 0, count + 1);
    crdt_err err = CRDT_OK;
    if (options->from == NULL) { /* else the store has them already */
        err = take_rest(t, salvage, diag);
    }
    if (err == CRDT_OK) {
        err = take_records(t, salvage, done, count, diag);
    }
    crdt_free(options->alloc, done, count + 1);
    if (err == CRDT_OK) {
        err = sync_store_commit(t->store, NULL, diag);
    }
    if (err == CRDT_OK) {
        t->report->actor = sync_store_actor(t->store);
        tell_lost(t, salvage, options);
    }
    return err;
}

static crdt_err fill(const char *dir, const sync_salvage *salvage,
                     const sync_repair_options *options, sync_repair_report *report,
                     crdt_diag *diag)
{
    target t;
    crdt_err err = target_open(&t, dir, options, true, false, diag);
    if (err != CRDT_OK) {
        return err;
    }
    t.report = report;
    err = take_all(&t, salvage, options, diag);
    target_close(&t);
    return err;
}

/* ---- files ---- */

static crdt_err explain(const char *what, const char *path, crdt_diag *diag)
{
    return crdt_diag_set(diag, CRDT_EIO, 0, "cannot %s %.100s: %s", what, path,
                         sync_file_reason(errno));
}

/* What an earlier repair that did not end has left. */
static crdt_err sweep(const char *making, crdt_diag *diag)
{
    static const char *const names[] = {"data.mdb",      "data.new", "data.mdb-lock",
                                        "data.new-lock", "journal",  "lock"};
    char path[SYNC_PATH_MAX];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        crdt_err err = sync_file_join(path, making, names[i], diag);
        if (err != CRDT_OK) {
            return err;
        }
        if (unlink(path) != 0 && errno != ENOENT) {
            return explain("remove", path, diag);
        }
    }
    return CRDT_OK;
}

/* A second name for a file, in the folder of what is set aside. */
static crdt_err link_aside(const char *dir, const char *aside, const char *name,
                           crdt_diag *diag)
{
    char from[SYNC_PATH_MAX];
    char to[SYNC_PATH_MAX];
    crdt_err err = sync_file_join(from, dir, name, diag);
    if (err == CRDT_OK) {
        err = sync_file_join(to, aside, name, diag);
    }
    if (err == CRDT_OK && link(from, to) != 0 && errno != ENOENT) {
        err = explain("set aside", from, diag);
    }
    return err;
}

static crdt_err set_aside(const char *dir, sync_repair_report *report, crdt_diag *diag)
{
    char aside[SYNC_PATH_MAX];
    crdt_err err = CRDT_OK;
    for (unsigned i = 1; i < ASIDE_MAX; i++) {
        snprintf(report->aside, sizeof report->aside, "damaged-%u", i);
        err = sync_file_join(aside, dir, report->aside, diag);
        if (err != CRDT_OK || mkdir(aside, 0700) == 0) {
            break;
        }
        if (errno != EEXIST || i + 1 == ASIDE_MAX) {
            err = explain("make folder", aside, diag);
            break;
        }
    }
    static const char *const names[] = {"data.mdb", "journal"};
    for (size_t i = 0; i < 2 && err == CRDT_OK; i++) {
        err = link_aside(dir, aside, names[i], diag);
    }
    if (err == CRDT_OK) {
        err = sync_file_sync_dir(aside, diag);
    }
    return err == CRDT_OK ? sync_file_sync_dir(dir, diag) : err;
}

/* The new store takes the place of the damaged one, at once. */
static crdt_err swap(const char *dir, const char *making, crdt_diag *diag)
{
    char from[SYNC_PATH_MAX];
    char to[SYNC_PATH_MAX];
    crdt_err err = sync_file_join(from, making, "data.mdb", diag);
    if (err == CRDT_OK) {
        err = sync_file_join(to, dir, "data.mdb", diag);
    }
    if (err == CRDT_OK && rename(from, to) != 0) {
        err = explain("put in place", to, diag);
    }
    if (err == CRDT_OK) {
        err = sync_file_sync_dir(dir, diag);
    }
    if (err == CRDT_OK) { /* of the damaged store: the new one does not look at it */
        err = sync_file_join(to, dir, "journal", diag);
        (void)unlink(to);
    }
    if (err == CRDT_OK) {
        err = sweep(making, diag);
        (void)rmdir(making);
    }
    return err;
}

/* ---- all of it ---- */

/* Errors: what is wrong with the store, as open and verify say. */
static crdt_err examine(const char *dir, const sync_repair_options *options,
                        crdt_diag *diag)
{
    target t;
    crdt_err err = target_open(&t, dir, options, false, true, diag);
    if (err == CRDT_OK) {
        err = sync_store_verify(t.store, NULL, diag);
        target_close(&t);
    }
    return err;
}

static crdt_err replace(const char *dir, const sync_repair_options *options,
                        sync_repair_report *report, crdt_diag *diag)
{
    char making[SYNC_PATH_MAX];
    sync_salvage *salvage = NULL;
    crdt_err err = sync_file_join(making, dir, MAKING, diag);
    if (err == CRDT_OK) {
        err = sync_salvage_open(&salvage, dir, options->alloc, &report->salvage, diag);
    }
    if (err == CRDT_OK) {
        err = sweep(making, diag);
    }
    if (err == CRDT_OK) {
        err = fill(making, salvage, options, report, diag);
    }
    sync_salvage_close(salvage);
    if (err == CRDT_OK) {
        err = set_aside(dir, report, diag);
    }
    return err == CRDT_OK ? swap(dir, making, diag) : err;
}

static crdt_err try_again(const char *dir, const sync_repair_options *options,
                          sync_repair_report *report, crdt_diag *diag)
{
    sync_salvage *salvage = NULL;
    crdt_err err = sync_salvage_open(&salvage, options->from, options->alloc,
                                     &report->salvage, diag);
    if (err == CRDT_OK) {
        err = fill(dir, salvage, options, report, diag);
    }
    sync_salvage_close(salvage);
    return err;
}

crdt_err sync_repair(const char *dir, const sync_repair_options *options,
                     sync_repair_report *report, crdt_diag *diag)
{
    crdt_diag why = {0};
    *report = (sync_repair_report){0};
    crdt_err err = examine(dir, options, &why);
    if (options->from != NULL && err == CRDT_OK) {
        return try_again(dir, options, report, diag);
    }
    report->whole = err == CRDT_OK;
    bool damaged = err == CRDT_ECORRUPT || err == CRDT_EVERSION;
    if (!damaged || options->from != NULL) {
        if (err != CRDT_OK && diag != NULL) {
            *diag = why;
        }
        return err;
    }
    memcpy(report->what, why.text,
           sizeof why.text < sizeof report->what ? sizeof why.text
                                                 : sizeof report->what);
    int lock_fd = -1;
    err = disk_lock(dir, false, &lock_fd, diag);
    if (err == CRDT_OK) {
        err = replace(dir, options, report, diag);
    }
    if (lock_fd >= 0) {
        close(lock_fd);
    }
    return err;
}
