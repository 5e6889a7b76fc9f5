#include "sync/store_disk.h"

#include "sync/file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Prove who this store is, or take a fresh actor; renew the token. */
static crdt_err take_identity(disk_store *store, sync_store_report *report,
                              crdt_diag *diag)
{
    sync_identity_claim claim = {
        .state_dir = store->options.state_dir,
        .store_fd = sync_table_fd(store->file),
        .token = store->token,
        .commit = store->group,
        .created = report->created,
    };
    if (!disk_draw(&store->options, &claim.token_next, sizeof claim.token_next)) {
        return crdt_diag_set(diag, CRDT_EIO, 0, "no random bytes");
    }
    crdt_diag why = {0};
    report->origin =
        sync_identity_prove(&store->identity, &claim, &report->unclean, &why);
    store->token = claim.token_next;
    if (report->origin != SYNC_ACTOR_KEPT) {
        crdt_err err = sync_store_renew_actor(&store->base, NULL, diag);
        if (err != CRDT_OK) {
            return err;
        }
    }
    store->actor_queued = true; /* the token, at least */
    crdt_err err = sync_store_commit(&store->base, NULL, diag);
    if (err == CRDT_EIO) { /* a full disk is still read */
        report->read_only = true;
        return CRDT_OK;
    }
    return err;
}

/* ---- opening ---- */

crdt_err disk_join(const disk_store *store, const char *name, char path[SYNC_PATH_MAX],
                   crdt_diag *diag)
{
    return sync_file_join(path, store->dir, name, diag);
}

static crdt_err refuse_busy(int fd, const char *dir, crdt_diag *diag)
{
    char pid[24] = {0};
    ssize_t size = pread(fd, pid, sizeof pid - 1, 0);
    pid[size > 0 ? strcspn(pid, "\n") : 0] = '\0';
    return crdt_diag_set(diag, CRDT_EBUSY, 0, "store %.80s is in use by process %s",
                         dir, pid[0] != '\0' ? pid : "(unknown)");
}

crdt_err disk_lock(const char *dir, bool shared, int *fd, crdt_diag *diag)
{
    char path[SYNC_PATH_MAX];
    *fd = -1;
    crdt_err err = sync_file_join(path, dir, "lock", diag);
    if (err != CRDT_OK) {
        return err;
    }
    int flags = shared ? O_RDONLY : O_RDWR | O_CREAT;
    *fd = open(path, flags | O_CLOEXEC, 0600);
    if (*fd < 0 && shared && errno == ENOENT) {
        return CRDT_OK; /* a folder without a lock file is not in use */
    }
    struct flock lock = {.l_type = shared ? F_RDLCK : F_WRLCK, .l_whence = SEEK_SET};
    if (*fd < 0 || fcntl(*fd, F_OFD_SETLK, &lock) != 0) {
        if (*fd >= 0 && (errno == EAGAIN || errno == EACCES)) {
            return refuse_busy(*fd, dir, diag);
        }
        return crdt_diag_set(diag, CRDT_EIO, 0, "cannot lock %.110s: %s", path,
                             sync_file_reason(errno));
    }
    if (!shared) {
        char pid[24];
        int size = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
        if (ftruncate(*fd, 0) == 0) {
            (void)sync_file_write(*fd, pid, (size_t)size, 0);
        }
    }
    return CRDT_OK;
}

static crdt_err write_first(void *ctx, sync_table_txn *txn, crdt_diag *diag)
{
    disk_store *store = ctx;
    disk_head first = {
        .format = SYNC_STORE_FORMAT,
        .log_first = 1,
        .log_next = 1,
        .history_first = 1,
        .history_next = 1,
        .mark = sync_mark_of(store->doc),
    };
    crdt_err err = disk_put_identity(txn, &(crdt_actor){0}, &(sync_token){0}, diag);
    return err == CRDT_OK ? disk_put_head(txn, &first, diag) : err;
}

/* Make the file under another name and rename it when it is complete and durable: there
 * is never half a store under its name. */
static crdt_err create_file(disk_store *store, const char *path, crdt_diag *diag)
{
    char path_new[SYNC_PATH_MAX];
    crdt_err err = disk_join(store, "data.new", path_new, diag);
    if (err != CRDT_OK) {
        return err;
    }
    (void)unlink(path_new); /* of a creation that did not end */
    sync_table_file *file = NULL;
    err =
        sync_table_open(&file, path_new, SYNC_TABLE_CREATE, store->options.alloc, diag);
    if (err == CRDT_OK) {
        err = sync_table_write(file, write_first, store, diag);
    }
    sync_table_close(file);
    if (err != CRDT_OK) {
        return err;
    }
    if (rename(path_new, path) != 0) {
        return crdt_diag_set(diag, CRDT_EIO, 0, "cannot make %.110s: %s", path,
                             sync_file_reason(errno));
    }
    return sync_file_sync_dir(store->dir, diag);
}

static crdt_err open_file(disk_store *store, sync_store_report *report, crdt_diag *diag)
{
    char path[SYNC_PATH_MAX];
    struct stat st;
    crdt_err err = disk_join(store, "data.mdb", path, diag);
    bool there = err == CRDT_OK && stat(path, &st) == 0;
    bool create = store->options.create && !store->options.read_only;
    if (err == CRDT_OK && !there && !create) {
        err = crdt_diag_set(diag, CRDT_ENOTFOUND, 0, "there is no store in %.110s",
                            store->dir);
    }
    if (err == CRDT_OK && !there) {
        err = sync_file_make_dir(store->dir, diag);
    }
    if (err == CRDT_OK) {
        err = disk_lock(store->dir, store->options.read_only, &store->lock_fd, diag);
    }
    if (err == CRDT_OK && !there && stat(path, &st) != 0) {
        report->created = true;
        err = create_file(store, path, diag);
    }
    if (err == CRDT_OK) {
        err = sync_table_open(&store->file, path,
                              store->options.read_only ? SYNC_TABLE_READ
                                                       : SYNC_TABLE_WRITE,
                              store->options.alloc, diag);
    }
    return err;
}

typedef struct load {
    disk_store *store;
    sync_store_report *report;
} load;

/* Read everything there is into the document and the store's own memory. */
static crdt_err load_all(void *ctx, sync_table_txn *txn, crdt_diag *diag)
{
    load *l = ctx;
    disk_store *store = l->store;
    crdt_err err = disk_get_head(txn, &store->head, diag);
    if (err == CRDT_OK) {
        err = disk_get_identity(txn, &store->base.actor, &store->token, diag);
    }
    if (err == CRDT_OK) {
        err = disk_get_settings(txn, &store->settings, diag);
    }
    if (err != CRDT_OK) {
        return err;
    }
    sync_replay replay;
    sync_replay_init(&replay, store->options.alloc, store->doc, store->deps, l->report);
    err = disk_replay(txn, &store->head, &replay, store->options.alloc, diag);
    disk_head reached = store->head;
    uint64_t torn_size = 0;
    if (err == CRDT_OK) {
        err = disk_replay_journal(store, &store->token, &reached, &replay,
                                  &store->pending, &torn_size, diag);
    }
    sync_replay_deinit(&replay);
    if (err != CRDT_OK) {
        return err;
    }
    l->report->dropped_size += torn_size;
    store->sequence = reached.sequence;
    store->base.durable = reached.sequence;
    store->group = reached.group;
    store->mark = reached.mark;
    uint64_t key;
    size_t size;
    static const sync_table tables[] = {SYNC_TABLE_LOG, SYNC_TABLE_CHECKPOINT};
    for (size_t i = 0; i < 2; i++) { /* a sweep that was cut short goes on */
        err = disk_find_garbage(txn, tables[i], &store->head, &key, &size, diag);
        if (err == CRDT_OK) {
            store->work.phase = PHASE_SWEEP;
        } else if (err != CRDT_ENOTFOUND) {
            return err;
        }
    }
    return CRDT_OK;
}

void disk_describe(const disk_store *store, sync_store_report *report)
{
    static const char *const origins[] = {
        [SYNC_ACTOR_NEW] = "a new actor",
        [SYNC_ACTOR_KEPT] = "the same actor",
        [SYNC_ACTOR_COPIED] = "a fresh actor: the store was copied or moved",
        [SYNC_ACTOR_RESTORED] = "a fresh actor: the store was restored",
        [SYNC_ACTOR_UNPROVEN] = "a fresh actor: the state folder cannot be used",
        [SYNC_ACTOR_NONE] = "nobody (read only)",
    };
    int size =
        snprintf(report->text, sizeof report->text,
                 "%s: checkpoint of %" PRIu64 " bytes, %" PRIu64 " batches and %" PRIu64
                 " answers replayed; writes as %s",
                 report->created ? "created" : "opened", report->checkpoint_size,
                 report->batch_count, report->answer_count, origins[report->origin]);
    if (report->unclean && size > 0 && (size_t)size < sizeof report->text) {
        size += snprintf(report->text + size, sizeof report->text - (size_t)size,
                         "; the last run was cut short");
    }
    if (report->dropped_size > 0 && size > 0 && (size_t)size < sizeof report->text) {
        size += snprintf(report->text + size, sizeof report->text - (size_t)size,
                         "; %" PRIu64 " bytes of an unfinished group dropped",
                         report->dropped_size);
    }
    if (store->poison != CRDT_OK && size > 0 && (size_t)size < sizeof report->text) {
        snprintf(report->text + size, sizeof report->text - (size_t)size, "; %s",
                 store->poison_diag.text);
    }
}

static crdt_err open_disk(disk_store *store, sync_store_report *report, crdt_diag *diag)
{
    crdt_err err = open_file(store, report, diag);
    if (err != CRDT_OK) {
        return err;
    }
    report->dropped_size = sync_table_torn_size(store->file);
    load l = {store, report};
    err = sync_table_read(store->file, load_all, &l, diag);
    if (err != CRDT_OK) {
        return err;
    }
    store->poison = CRDT_OK;
    report->history_count += store->head.history_next - store->head.history_first;
    if (!disk_draw(&store->options, &store->base.start_nonce, sizeof(uint64_t))) {
        return crdt_diag_set(diag, CRDT_EIO, 0, "no random bytes");
    }
    if (store->options.read_only) {
        report->origin = SYNC_ACTOR_NONE;
        report->read_only = true;
        crdt_diag why;
        crdt_diag_set(&why, CRDT_EIO, 0, "the store is open to read only");
        disk_poison(store, CRDT_EIO, &why);
    } else {
        err = take_identity(store, report, diag);
    }
    if (err == CRDT_OK && report->created) {
        err = sync_file_sync_dir(store->dir, diag);
    }
    return err;
}

crdt_err sync_store_open(sync_store **out, const char *dir,
                         const sync_store_options *options, crdt_document *doc,
                         crdt_deps *deps, sync_store_report *report, crdt_diag *diag)
{
    sync_store_report unread;
    sync_store_options defaults = sync_store_options_default();
    report = report != NULL ? report : &unread;
    options = options != NULL ? options : &defaults;
    *report = (sync_store_report){.origin = SYNC_ACTOR_NONE};
    disk_store *store = crdt_allocate(options->alloc, sizeof *store);
    if (store == NULL) {
        return CRDT_ENOMEM;
    }
    *store = (disk_store){
        .base.ops = &DISK_OPS,
        .options = *options,
        .dir_size = strlen(dir) + 1,
        .lock_fd = -1,
        .identity.fd = -1,
        .poison =
            CRDT_EIO, /* until it is read: close must not write what is half known */
        .doc = doc,
        .deps = deps,
    };
    sync_settings_init(&store->settings, options->alloc);
    sync_journal_init(&store->journal, options->alloc);
    crdt_buf_init(&store->pending, options->alloc);
    crdt_buf_init(&store->queue, options->alloc);
    crdt_buf_init(&store->snapshot, options->alloc);
    store->dir = crdt_allocate(options->alloc, store->dir_size);
    crdt_err err = CRDT_ENOMEM;
    if (store->dir != NULL) {
        memcpy(store->dir, dir, store->dir_size);
        err = open_disk(store, report, diag);
    }
    if (err != CRDT_OK) {
        sync_store_close(&store->base);
        return err;
    }
    store->options.state_dir = NULL; /* the caller's, no longer needed */
    disk_describe(store, report);
    *out = &store->base;
    return CRDT_OK;
}
