/* Acknowledged records a second: the store against the least that durability can cost, a
 * file that is appended to and fdatasync'ed.
 *
 *   bench_store DIR [SECONDS]     on the disk of DIR; 1 second a cell without an argument
 *
 * Records are batches of one SET of about 100 bytes. Groups of 1, 10 and 100 records, each
 * group one sync. The two take turns, 5 rounds; medians are printed. The store's figure
 * includes making the edit, encoding it, and compaction. */

#include "crdt/digest.h"
#include "crdt/value.h"
#include "sync/store.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { ROUNDS = 5, GROUPS = 3, FIELD_COUNT = 1000 };

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void must(bool good, const char *what)
{
    if (!good) {
        perror(what);
        exit(1);
    }
}

/* One batch into the document and `bytes`. */
static void make_edit(crdt_document *doc, crdt_deps *deps, crdt_arena *arena,
                      crdt_actor actor, uint64_t number, crdt_buf *bytes)
{
    char field[24];
    char text[64];
    crdt_buf value;
    crdt_buf_init(&value, crdt_alloc_default());
    snprintf(field, sizeof field, "field%" PRIu64, number % FIELD_COUNT);
    snprintf(text, sizeof text, "value %" PRIu64 " of a string that is not short",
             number);
    must(crdt_value_write_string(&value, crdt_span_of(text)) == CRDT_OK, "value");
    crdt_span object = crdt_span_of("object");
    crdt_span part = crdt_span_of("part");
    crdt_op ops[] = {
        {.kind = CRDT_OP_ADD, .key = crdt_key_object(object)},
        {.kind = CRDT_OP_ADD, .key = crdt_key_part(object, part)},
        {.kind = CRDT_OP_SET,
         .key = crdt_key_field(object, part, crdt_span_of(field)),
         .value = crdt_buf_span(&value)},
    };
    crdt_edit edit = {.actor = actor};
    crdt_batch batch;
    crdt_arena_reset(arena);
    must(crdt_document_commit(doc, &edit, ops, 3, arena, &batch, NULL) == CRDT_OK,
         "edit");
    crdt_buf_clear(bytes);
    must(crdt_batch_encode(&batch, deps, bytes) == CRDT_OK, "encode");
    must(crdt_deps_note(deps, &batch) == CRDT_OK, "deps");
    crdt_buf_deinit(&value);
}

/* Records acknowledged a second, groups of `group`. */
static double run_store(const char *dir, size_t group, double seconds)
{
    char path[512];
    char state[512];
    snprintf(path, sizeof path, "%s/bench_store.d", dir);
    snprintf(state, sizeof state, "%s/bench_store.state", dir);
    crdt_document *doc = NULL;
    crdt_deps *deps = NULL;
    sync_store *store = NULL;
    crdt_diag diag = {0};
    crdt_arena arena;
    crdt_buf bytes;
    crdt_document_options doc_options = crdt_document_options_default();
    sync_store_options options = sync_store_options_default();
    options.state_dir = state;
    crdt_arena_init(&arena, crdt_alloc_default());
    crdt_buf_init(&bytes, crdt_alloc_default());
    must(crdt_document_open(&doc, &doc_options) == CRDT_OK, "document");
    must(crdt_deps_open(&deps, crdt_alloc_default(), SYNC_STORE_AUTHOR_MAX) == CRDT_OK,
         "deps");
    if (sync_store_open(&store, path, &options, doc, deps, NULL, &diag) != CRDT_OK) {
        fprintf(stderr, "%s\n", diag.text);
        exit(1);
    }
    static uint64_t number;
    uint64_t count = 0;
    double begin = now_s();
    while (now_s() - begin < seconds) {
        for (size_t i = 0; i < group; i++) {
            make_edit(doc, deps, &arena, sync_store_actor(store), number++, &bytes);
            must(sync_store_append(store, SYNC_RECORD_BATCH, crdt_buf_span(&bytes),
                                   NULL, NULL) == CRDT_OK,
                 "append");
        }
        must(sync_store_commit(store, NULL, NULL) == CRDT_OK, "commit");
        must(sync_store_maintain(store, 256 << 10, NULL, NULL) == CRDT_OK, "maintain");
        count += group;
    }
    double rate = (double)count / (now_s() - begin);
    sync_store_close(store);
    crdt_deps_close(deps);
    crdt_document_close(doc);
    crdt_buf_deinit(&bytes);
    crdt_arena_deinit(&arena);
    return rate;
}

static double run_file(const char *dir, size_t group, double seconds)
{
    char path[512];
    uint8_t record[108];
    snprintf(path, sizeof path, "%s/bench_store.log", dir);
    int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
    must(fd >= 0, path);
    uint8_t *bytes = malloc(group * sizeof record);
    must(bytes != NULL, "memory");
    uint64_t count = 0;
    double begin = now_s();
    while (now_s() - begin < seconds) {
        for (size_t i = 0; i < group; i++) {
            memset(record, (int)count, sizeof record);
            uint64_t hash = crdt_hash64((crdt_span){record + 8, sizeof record - 8}, 0);
            memcpy(record, &hash, sizeof hash);
            memcpy(bytes + i * sizeof record, record, sizeof record);
        }
        must(write(fd, bytes, group * sizeof record) ==
                 (ssize_t)(group * sizeof record),
             "write");
        must(fdatasync(fd) == 0, "fdatasync");
        count += group;
    }
    double rate = (double)count / (now_s() - begin);
    close(fd);
    unlink(path);
    free(bytes);
    return rate;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values)
{
    qsort(values, ROUNDS, sizeof values[0], compare_doubles);
    return values[ROUNDS / 2];
}

int main(int argc, char **argv)
{
    static const size_t groups[GROUPS] = {1, 10, 100};
    if (argc < 2 || argc > 3) {
        fprintf(stderr, "usage: bench_store DIR [SECONDS]\n");
        return 2;
    }
    double seconds = argc == 3 ? strtod(argv[2], NULL) : 1.0;
    double stores[GROUPS][ROUNDS];
    double files[GROUPS][ROUNDS];
    for (size_t round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < GROUPS; i++) {
            files[i][round] = run_file(argv[1], groups[i], seconds);
            stores[i][round] = run_store(argv[1], groups[i], seconds);
        }
    }
    printf("acknowledged records/s, medians of %d rounds of %.1f s\n", ROUNDS, seconds);
    printf("%10s %14s %14s %8s\n", "per group", "append+sync", "store", "ratio");
    for (size_t i = 0; i < GROUPS; i++) {
        double file = median(files[i]);
        double store = median(stores[i]);
        printf("%10zu %14.0f %14.0f %8.2f\n", groups[i], file, store, store / file);
    }
    return 0;
}
