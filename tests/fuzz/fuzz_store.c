/* The files of a store, damaged as the input says, then opened by the real code to be read. It
 * opens and all of it can be read, or the damage is named; nothing else. (That damage is noticed
 * is asked by bit_flips and test_journal.)
 *
 *   steps   file (1): even the tables, odd the journal; kind (1), place (3, little end first),
 *           then by kind     0 size (1), bytes: changed by these (xor)
 *                            1 size (1), bytes: written over
 *                            2 page (1): the page at place becomes a copy of this one
 *                            3 the file is cut at place
 *                            4 offset (1), number (2): written into the page at place */

#include "sync/store.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/support/temp_dir.h"
#include "tests/sync/store_box.h"

#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The store is the same whatever the input says: two files of 150 KB, read and checked. */
const fuzz_budget fuzz_target_budget = {.factor = 0, .fixed = 1u << 20};

#define PAGE_SIZE 4096u

typedef struct file {
    char path[300];
    uint8_t *bytes; /* as the store wrote it */
    size_t size;
    uint8_t *now; /* damaged */
    size_t now_size;
    bool damaged;
} file;

static char folder[128];
static char store[200];
static file files[2];
static sync_store_options options;

/* ---- the store ---- */

static bool draw(void *ctx, void *bytes, size_t size)
{
    uint8_t *number = ctx;
    memset(bytes, ++*number, size);
    return true;
}

static void remember(file *f, const char *name)
{
    struct stat info;
    snprintf(f->path, sizeof f->path, "%s/%s", store, name);
    int fd = open(f->path, O_RDONLY | O_CLOEXEC);
    assert(fd >= 0 && fstat(fd, &info) == 0);
    f->size = (size_t)info.st_size;
    f->bytes = malloc(f->size);
    f->now = malloc(f->size);
    assert(f->bytes != NULL && f->now != NULL);
    assert(read(fd, f->bytes, f->size) == (ssize_t)f->size);
    close(fd);
}

static void put(const file *f, const uint8_t *bytes, size_t size)
{
    int fd = open(f->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert(fd >= 0 && write(fd, bytes, size) == (ssize_t)size);
    close(fd);
}

static void edit(store_box *box, int first, int count, size_t record_size)
{
    char object[16];
    uint8_t record[2000] = {1};
    for (int i = first; i < first + count; i++) {
        snprintf(object, sizeof object, "o%d", i % 20);
        store_box_set(box, object, "field", i);
        (void)sync_store_append(box->store, SYNC_RECORD_HISTORY,
                                (crdt_span){record, record_size}, NULL, NULL);
    }
    store_box_commit(box);
}

static void remove_folder(void)
{
    temp_remove(folder);
}

/* Its files as they are while it runs: what a kill would leave. */
static void make_store(void)
{
    static uint8_t drawn;
    snprintf(folder, sizeof folder, "/dev/shm/fuzz-store-%ld", (long)getpid());
    if (mkdir(folder, 0700) != 0) {
        snprintf(folder, sizeof folder, "/tmp/fuzz-store-%ld", (long)getpid());
        assert(mkdir(folder, 0700) == 0);
    }
    atexit(remove_folder);
    snprintf(store, sizeof store, "%s/state", folder);
    setenv("SCENESYNC_STATE_DIR", store, 1);
    snprintf(store, sizeof store, "%s/store", folder);
    options = sync_store_options_default();
    options.journal_after = 12;
    options.journal_size = 8192;
    options.checkpoint_size_min = 1000;
    options.random = draw;
    options.random_ctx = &drawn;
    store_box box;
    store_box_open(&box, store, &options);
    assert(box.err == CRDT_OK);
    sync_store_set(box.store, SYNC_SETTING_SCENE, crdt_span_of("plaza"), NULL);
    edit(&box, 0, 30, 500);
    for (int i = 0; i < 12; i++) {
        sync_store_maintain(box.store, 3000, NULL, NULL);
        edit(&box, 30 + i, 1, 10);
    }
    for (int i = 0; i < 6; i++) {
        edit(&box, 50 + 2 * i, 2, 10);
    }
    remember(&files[0], "data.mdb");
    remember(&files[1], "journal");
    store_box_close(&box);
    for (size_t i = 0; i < 2; i++) {
        put(&files[i], files[i].bytes, files[i].size);
    }
    options.read_only = true;
    options.create = false;
}

/* ---- the input ---- */

static void change_bytes(file *f, size_t place, fuzz_input *in, bool over)
{
    size_t size = fuzz_take(in);
    for (size_t i = 0; i < size && in->left > 0; i++) {
        uint8_t byte = (uint8_t)fuzz_take(in);
        if (place + i < f->now_size) {
            f->now[place + i] = over ? byte : f->now[place + i] ^ byte;
        }
    }
}

static void damage(file *f, unsigned kind, size_t place, fuzz_input *in)
{
    size_t page = place / PAGE_SIZE * PAGE_SIZE;
    if (kind < 2) {
        change_bytes(f, place, in, kind == 1);
    } else if (kind == 2) {
        size_t from = fuzz_take(in) * PAGE_SIZE;
        if (from + PAGE_SIZE <= f->now_size && page + PAGE_SIZE <= f->now_size) {
            memmove(f->now + page, f->now + from, PAGE_SIZE);
        }
    } else if (kind == 3) {
        f->now_size = place;
    } else {
        size_t at = page + 2 * fuzz_take(in);
        for (size_t i = 0; i < 2; i++) {
            uint8_t byte = (uint8_t)fuzz_take(in);
            if (at + i < f->now_size) {
                f->now[at + i] = byte;
            }
        }
    }
}

static void damage_files(fuzz_input *in)
{
    for (size_t i = 0; i < 2; i++) {
        memcpy(files[i].now, files[i].bytes, files[i].size);
        files[i].now_size = files[i].size;
        files[i].damaged = false;
    }
    while (in->left > 0) {
        file *f = &files[fuzz_take(in) % 2];
        unsigned kind = fuzz_take(in) % 5;
        size_t place = fuzz_take(in);
        place |= (size_t)fuzz_take(in) << 8;
        place |= (size_t)fuzz_take(in) << 16;
        damage(f, kind, f->now_size == 0 ? 0 : place % f->now_size, in);
        f->damaged = true;
    }
}

/* Everything there is, to its end. */
static crdt_err read_all(store_box *box)
{
    crdt_buf record;
    crdt_buf_init(&record, crdt_alloc_default());
    crdt_err err = CRDT_OK;
    for (uint64_t at = 0; err == CRDT_OK;) {
        err = sync_store_history_next(box->store, &at, &record, &box->diag);
    }
    crdt_buf_deinit(&record);
    if (err == CRDT_ENOTFOUND) {
        err = sync_store_verify(box->store, NULL, &box->diag);
    }
    return err;
}

bool fuzz_target(const uint8_t *data, size_t size)
{
    if (files[0].bytes == NULL) {
        make_store();
    }
    fuzz_input in = {data, size};
    damage_files(&in);
    for (size_t i = 0; i < 2; i++) {
        if (files[i].damaged) {
            put(&files[i], files[i].now, files[i].now_size);
        }
    }
    store_box box;
    store_box_open(&box, store, &options);
    crdt_err err = box.err == CRDT_OK ? read_all(&box) : box.err;
    if (err != CRDT_OK) {
        assert(err == CRDT_ECORRUPT || err == CRDT_EVERSION);
        assert(strlen(box.diag.text) >= 20);
    } else {
        assert(crdt_document_check(box.doc));
    }
    store_box_close(&box);
    for (size_t i = 0; i < 2; i++) {
        if (files[i].damaged) {
            put(&files[i], files[i].bytes, files[i].size);
        }
    }
    return err == CRDT_OK;
}
