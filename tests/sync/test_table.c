#include "sync/page.h"
#include "sync/table.h"

#include "tests/support/gen.h"
#include "tests/support/temp_dir.h"

#include <criterion/criterion.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static temp_dir dir;

static void setup(void)
{
    temp_dir_open(&dir);
}

static void teardown(void)
{
    temp_dir_close(&dir);
}

TestSuite(table, .init = setup, .fini = teardown);

static crdt_err try_open(sync_table_file **file, sync_table_mode mode, crdt_diag *diag)
{
    return sync_table_open(file, temp_dir_path(&dir, "t"), mode, crdt_alloc_default(),
                           diag);
}

static sync_table_file *open_table(sync_table_mode mode)
{
    sync_table_file *file = NULL;
    crdt_diag diag = {0};
    cr_assert_eq(try_open(&file, mode, &diag), CRDT_OK, "%s", diag.text);
    return file;
}

/* What the tables should hold, kept beside them. */
enum { NAME_COUNT = 6 };
typedef struct model {
    uint64_t first[SYNC_TABLE_COUNT]; /* keys first .. next - 1 are there */
    uint64_t next[SYNC_TABLE_COUNT];
    uint64_t named_seed[NAME_COUNT]; /* 0: not there */
    size_t named_size[NAME_COUNT];
} model;

static size_t size_of(uint64_t key)
{
    return key * 7919 % (SYNC_TABLE_VALUE_MAX - 2);
}

static void fill(uint8_t *bytes, size_t size, uint64_t seed)
{
    for (size_t i = 0; i < size; i++) {
        bytes[i] = (uint8_t)(seed * 31 + i * 7);
    }
}

typedef struct mutation {
    model *m;
    gen *g;
    model m_before; /* the transaction may run again */
    gen g_before;
} mutation;

static crdt_err mutate_table(mutation *mu, sync_table_txn *txn, sync_table table,
                             crdt_diag *diag)
{
    uint8_t bytes[SYNC_TABLE_VALUE_MAX];
    model *m = mu->m;
    uint64_t appends = gen_below(mu->g, 40);
    crdt_err err = CRDT_OK;
    for (uint64_t i = 0; i < appends && err == CRDT_OK; i++) {
        uint64_t key = m->next[table]++;
        fill(bytes, size_of(key), key);
        err = sync_table_append(txn, table, key, (crdt_span){(uint8_t[]){1, 2}, 2},
                                (crdt_span){bytes, size_of(key)}, diag);
    }
    uint64_t deletes = gen_below(mu->g, 24);
    while (deletes-- > 0 && m->first[table] < m->next[table] && err == CRDT_OK) {
        err = sync_table_delete(txn, table, m->first[table]++, diag);
    }
    return err;
}

static crdt_err mutate(void *ctx, sync_table_txn *txn, crdt_diag *diag)
{
    mutation *mu = ctx;
    static uint8_t bytes[20000];
    *mu->m = mu->m_before;
    *mu->g = mu->g_before;
    crdt_err err = CRDT_OK;
    for (size_t t = 0; t < SYNC_TABLE_COUNT && err == CRDT_OK; t++) {
        if (gen_chance(mu->g, 60)) {
            err = mutate_table(mu, txn, (sync_table)t, diag);
        }
    }
    if (gen_chance(mu->g, 30) && err == CRDT_OK) {
        size_t i = (size_t)gen_below(mu->g, NAME_COUNT);
        char name[8];
        snprintf(name, sizeof name, "n%zu", i);
        mu->m->named_seed[i] = gen_chance(mu->g, 30) ? 0 : gen_next(mu->g) | 1;
        mu->m->named_size[i] =
            mu->m->named_seed[i] == 0 ? 0 : 1 + (size_t)gen_below(mu->g, sizeof bytes);
        fill(bytes, mu->m->named_size[i], mu->m->named_seed[i]);
        err = sync_table_put_named(txn, name, (crdt_span){bytes, mu->m->named_size[i]},
                                   diag);
    }
    return err;
}

/* Read all and compare; what differs or cannot be read is an error, never a crash. */
static crdt_err compare(void *ctx, sync_table_txn *txn, crdt_diag *diag)
{
    const model *m = ctx;
    static uint8_t bytes[20000];
    for (size_t t = 0; t < SYNC_TABLE_COUNT; t++) {
        uint64_t expected = m->first[t];
        for (uint64_t key = 0;; key++) {
            crdt_span value;
            crdt_err err = sync_table_find(txn, (sync_table)t, SYNC_SEEK_AT_LEAST, &key,
                                           &value, diag);
            if (err == CRDT_ENOTFOUND && expected == m->next[t]) {
                break;
            }
            if (err != CRDT_OK) {
                return err;
            }
            fill(bytes, size_of(key), key);
            if (key != expected++ || value.size != size_of(key) + 2 ||
                memcmp(value.data + 2, bytes, size_of(key)) != 0) {
                return crdt_diag_set(diag, CRDT_ESTALE, key,
                                     "table %zu key %llu, expected %llu, size %zu", t,
                                     (unsigned long long)key,
                                     (unsigned long long)expected - 1, value.size);
            }
        }
    }
    for (size_t i = 0; i < NAME_COUNT; i++) {
        char name[8];
        crdt_span value = {0};
        snprintf(name, sizeof name, "n%zu", i);
        crdt_err err = sync_table_get_named(txn, name, &value, diag);
        if (err == CRDT_ENOTFOUND && m->named_seed[i] == 0) {
            continue;
        }
        if (err != CRDT_OK) {
            return err;
        }
        fill(bytes, m->named_size[i], m->named_seed[i]);
        if (value.size != m->named_size[i] ||
            memcmp(value.data, bytes, value.size) != 0) {
            return crdt_diag_set(diag, CRDT_ESTALE, i, "name %zu size %zu not %zu", i,
                                 value.size, m->named_size[i]);
        }
    }
    return CRDT_OK;
}

static sync_table_file *create(model *m)
{
    *m = (model){.first = {1, 1, 1}, .next = {1, 1, 1}};
    sync_table_close(open_table(SYNC_TABLE_CREATE));
    return open_table(SYNC_TABLE_WRITE);
}

static void grow(sync_table_file *file, model *m, gen *g, int rounds)
{
    crdt_diag diag = {0};
    for (int i = 0; i < rounds; i++) {
        mutation mu = {m, g, *m, *g};
        cr_assert_eq(sync_table_write(file, mutate, &mu, &diag), CRDT_OK, "%s",
                     diag.text);
    }
}

/* After any changes the tables hold what they should, and the check of the structure
 * finds every file that LMDB writes sound. */
Test(table, agrees_with_a_model)
{
    uint64_t seed = gen_seed(1);
    gen g = gen_open(seed, NULL);
    model m;
    sync_table_file *file = create(&m);
    for (int round = 0; round < 400; round++) {
        crdt_diag diag = {0};
        grow(file, &m, &g, 1);
        if (gen_chance(&g, 10)) {
            sync_table_close(file);
            file = open_table(SYNC_TABLE_WRITE);
        }
        cr_assert_eq(sync_table_check(file, &diag), CRDT_OK, "round %d, seed %llu: %s",
                     round, (unsigned long long)seed, diag.text);
        cr_assert_eq(sync_table_read(file, compare, &m, &diag), CRDT_OK,
                     "round %d, seed %llu: %s", round, (unsigned long long)seed,
                     diag.text);
    }
    sync_table_close(file);
}

static crdt_err append_many(void *ctx, sync_table_txn *txn, crdt_diag *diag)
{
    static uint8_t bytes[SYNC_TABLE_VALUE_MAX];
    crdt_err err = CRDT_OK;
    for (uint64_t key = 1; key <= *(uint64_t *)ctx && err == CRDT_OK; key++) {
        err = sync_table_append(txn, SYNC_TABLE_LOG, key, (crdt_span){bytes, 2},
                                (crdt_span){bytes, sizeof bytes - 2}, diag);
    }
    return err;
}

/* One transaction larger than the map: it is grown, and the transaction runs again. */
Test(table, map_grows)
{
    model m;
    crdt_diag diag = {0};
    sync_table_file *file = create(&m);
    uint64_t count = 20000; /* 40 MB */
    cr_assert_eq(sync_table_write(file, append_many, &count, &diag), CRDT_OK, "%s",
                 diag.text);
    cr_assert_eq(sync_table_check(file, &diag), CRDT_OK, "%s", diag.text);
    uint64_t file_size;
    uint64_t live_size;
    sync_table_sizes(file, &file_size, &live_size);
    cr_assert(live_size > 40000000 && live_size < 42000000, "two values fill a page");
    sync_table_close(file);
    file = open_table(SYNC_TABLE_READ);
    sync_table_close(file);
}

static crdt_err append_then_fail(void *ctx, sync_table_txn *txn, crdt_diag *diag)
{
    cr_assert_eq(append_many(ctx, txn, diag), CRDT_OK);
    return CRDT_ESTALE;
}

Test(table, failed_transaction_leaves_nothing)
{
    model m;
    uint64_t count = 100;
    sync_table_file *file = create(&m);
    cr_assert_eq(sync_table_write(file, append_then_fail, &count, NULL), CRDT_ESTALE);
    cr_assert_eq(sync_table_read(file, compare, &m, NULL), CRDT_OK);
    sync_table_close(file);
}

/* Can a damaged file be opened, checked and read as if nothing were? */
static crdt_err read_damaged(model *m, crdt_diag *diag)
{
    sync_table_file *file = NULL;
    crdt_err err = try_open(&file, SYNC_TABLE_READ, diag);
    if (err == CRDT_OK) {
        err = sync_table_read(file, compare, m, diag);
        sync_table_close(file);
    }
    return err;
}

/* A flipped bit is noticed, or it lies where nothing is (free pages, gaps within pages):
 * then all reads as before. Never a crash, never another content. */
Test(table, flipped_bits_are_noticed, .timeout = 300)
{
    uint64_t seed = gen_seed(2);
    gen g = gen_open(seed, NULL);
    model m;
    sync_table_file *file = create(&m);
    grow(file, &m, &g, 20);
    sync_table_close(file);
    size_t size = 0;
    char path[sizeof dir.path + 8];
    snprintf(path, sizeof path, "%s/t", dir.path);
    uint8_t *good = temp_read_file(path, &size);
    sync_page_report pages;
    size_t noticed = 0;
    size_t harmless = 0;
    int fd = open(path, O_RDWR);
    cr_assert_eq(sync_page_check(fd, crdt_alloc_default(), &pages, NULL), CRDT_OK);
    for (int i = 0; i < 1500; i++) {
        /* most of them in the heads of pages, where the structure is */
        size_t at = (size_t)gen_below(&g, size);
        at = i % 4 == 0 ? at : at / 4096 * 4096 + at % 24;
        uint8_t bad = good[at] ^ (uint8_t)(1u << gen_below(&g, 8));
        cr_assert_eq(pwrite(fd, &bad, 1, (off_t)at), 1);
        crdt_diag diag = {0};
        crdt_err err = read_damaged(&m, &diag);
        cr_assert(err == CRDT_OK || err == CRDT_ECORRUPT || err == CRDT_EVERSION,
                  "byte %zu, seed %llu: %s", at, (unsigned long long)seed,
                  crdt_err_text(err));
        cr_assert(err == CRDT_OK || diag.text[0] != '\0');
        *(err == CRDT_OK ? &harmless : &noticed) += 1;
        cr_assert_eq(pwrite(fd, &good[at], 1, (off_t)at), 1);
    }
    close(fd);
    cr_assert_eq(read_damaged(&m, NULL), CRDT_OK);
    /* three in four lie at a page's head: in pages that are in use each must be seen */
    size_t expected = 1500 * pages.live_size / pages.file_size * 6 / 10;
    cr_assert(noticed > expected, "%zu noticed, %zu harmless, expected %zu", noticed,
              harmless, expected);
    free(good);
}

/* A file cut off anywhere is refused, or nothing of worth was beyond. */
Test(table, cut_files_are_noticed)
{
    gen g = gen_open(3, NULL);
    model m;
    sync_table_file *file = create(&m);
    grow(file, &m, &g, 40);
    sync_table_close(file);
    size_t size = 0;
    char path[sizeof dir.path + 8];
    snprintf(path, sizeof path, "%s/t", dir.path);
    uint8_t *good = temp_read_file(path, &size);
    for (int i = 0; i < 300; i++) {
        size_t cut = i < 100 ? (size_t)i * 100 : (size_t)gen_below(&g, size);
        temp_write_file(path, good, cut);
        crdt_diag diag = {0};
        crdt_err err = read_damaged(&m, &diag);
        cr_assert(err == CRDT_OK || err == CRDT_ECORRUPT, "cut at %zu: %s", cut,
                  crdt_err_text(err));
        cr_assert(err == CRDT_ECORRUPT || cut > size / 2, "cut at %zu", cut);
    }
    free(good);
}

/* Zeroed and foreign sectors, as a disk gives them back. */
Test(table, lost_sectors_are_noticed)
{
    gen g = gen_open(4, NULL);
    model m;
    sync_table_file *file = create(&m);
    grow(file, &m, &g, 40);
    sync_table_close(file);
    size_t size = 0;
    char path[sizeof dir.path + 8];
    snprintf(path, sizeof path, "%s/t", dir.path);
    uint8_t *good = temp_read_file(path, &size);
    for (int i = 0; i < 300; i++) {
        uint8_t *bad = malloc(size);
        memcpy(bad, good, size);
        size_t to = (size_t)gen_below(&g, size / 512) * 512;
        size_t from = (size_t)gen_below(&g, size / 512) * 512;
        if (i % 2 == 0) {
            memset(bad + to, 0, 512);
        } else {
            memcpy(bad + to, good + from, 512);
        }
        temp_write_file(path, bad, size);
        crdt_diag diag = {0};
        crdt_err err = read_damaged(&m, &diag);
        cr_assert(err == CRDT_OK || err == CRDT_ECORRUPT || err == CRDT_EVERSION,
                  "sector %zu: %s", to / 512, crdt_err_text(err));
        free(bad);
    }
    free(good);
}

/* A plain copy made while transactions go on is whole, as long as they are few. */
Test(table, copies_of_a_file_in_use_are_whole)
{
    gen g = gen_open(5, NULL);
    model m;
    sync_table_file *file = create(&m);
    grow(file, &m, &g, 300);
    char path[sizeof dir.path + 8];
    snprintf(path, sizeof path, "%s/t", dir.path);
    for (int i = 0; i < 20; i++) {
        /* the head of the file is read, then 60 transactions, then the rest */
        model then = m;
        uint8_t metas[8192];
        int fd = open(path, O_RDONLY);
        cr_assert_eq(pread(fd, metas, sizeof metas, 0), (ssize_t)sizeof metas);
        close(fd);
        grow(file, &m, &g, 60);
        size_t size = 0;
        uint8_t *copy = temp_read_file(path, &size);
        memcpy(copy, metas, sizeof metas);
        temp_write_file(temp_dir_path(&dir, "copy"), copy, size);
        free(copy);
        sync_table_file *other = NULL;
        crdt_diag diag = {0};
        cr_assert_eq(sync_table_open(&other, temp_dir_path(&dir, "copy"),
                                     SYNC_TABLE_READ, crdt_alloc_default(), &diag),
                     CRDT_OK, "copy %d: %s", i, diag.text);
        crdt_err err = sync_table_read(other, compare, &then, &diag);
        cr_assert_eq(err, CRDT_OK, "copy %d: %s %s", i, crdt_err_text(err), diag.text);
        sync_table_close(other);
    }
    sync_table_close(file);
}
