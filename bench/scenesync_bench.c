/* scenesync-bench: the workloads of docs/BENCHMARKS.md, one JSON line a result.
 *
 *     scenesync-bench w1|w2 [--variant op|batch] [--scale 0.1] [--keep] [--dir D] [--run K]
 *
 * w2 reads the messages that a w1 of the same variant and scale left with --keep. */

#include "bench/state_hash.h"
#include "bench/workload.h"
#include "crdt/document.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

#define SINK_SIZE ((size_t)4 << 20)
#define WALL_MS UINT64_C(1700000000000)

static const char *const usage =
    "usage: scenesync-bench w1|w2 [--variant op|batch] [--scale N] [--keep] [--dir D] "
    "[--run K]\n";

typedef struct options {
    const char *workload;
    const char *variant;
    double scale;
    const char *dir;
    unsigned run;
    bool keep;
    uint32_t entity_count;
    uint32_t update_count;
    uint32_t per_message; /* entities or updates */
} options;

static void die(const char *what, const char *why)
{
    fprintf(stderr, "scenesync-bench: %s: %s\n", what, why);
    exit(1);
}

static void must(crdt_err err, const char *what)
{
    if (err != CRDT_OK) {
        die(what, crdt_err_text(err));
    }
}

/* ---- time and memory ---- */

typedef struct stopwatch {
    double wall; /* seconds while it ran */
    double cpu;  /* of all threads, user and system */
} stopwatch;

static double seconds_of(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void stopwatch_start(stopwatch *watch)
{
    watch->wall -= seconds_of(CLOCK_MONOTONIC);
    watch->cpu -= seconds_of(CLOCK_PROCESS_CPUTIME_ID);
}

static void stopwatch_stop(stopwatch *watch)
{
    watch->cpu += seconds_of(CLOCK_PROCESS_CPUTIME_ID);
    watch->wall += seconds_of(CLOCK_MONOTONIC);
}

static long peak_rss(void)
{
    struct rusage usage_now;
    getrusage(RUSAGE_SELF, &usage_now);
    return usage_now.ru_maxrss * 1024;
}

/* ---- the sink: messages go through a buffer to a file, size first ---- */

typedef struct sink {
    FILE *file;
    uint8_t *buffer;
    size_t used;
    uint64_t message_count;
    uint64_t byte_count; /* of messages, without their sizes */
} sink;

static void sink_flush(sink *s)
{
    if (fwrite(s->buffer, 1, s->used, s->file) != s->used) {
        die("message file", strerror(errno));
    }
    s->used = 0;
}

static void sink_put(sink *s, crdt_span message)
{
    uint32_t size = (uint32_t)message.size;
    if (s->used + sizeof size + message.size > SINK_SIZE) {
        sink_flush(s);
    }
    memcpy(s->buffer + s->used, &size, sizeof size);
    memcpy(s->buffer + s->used + sizeof size, message.data, message.size);
    s->used += sizeof size + message.size;
    s->message_count++;
    s->byte_count += message.size;
}

static void log_path(const options *o, char *path, size_t size)
{
    snprintf(path, size, "%s/scenesync-%g-%s.log", o->dir, o->scale, o->variant);
}

static void sink_open(sink *s, const options *o)
{
    char path[512];
    log_path(o, path, sizeof path);
    *s = (sink){.file = fopen(path, "wb"), .buffer = malloc(SINK_SIZE)};
    if (s->file == NULL || s->buffer == NULL) {
        die(path, strerror(errno));
    }
    setvbuf(s->file, NULL, _IONBF, 0);
}

static void sink_close(sink *s, const options *o)
{
    sink_flush(s);
    fclose(s->file);
    free(s->buffer);
    if (!o->keep) {
        char path[512];
        log_path(o, path, sizeof path);
        remove(path);
    }
}

/* ---- results ---- */

typedef struct result {
    const char *name;
    stopwatch watch;
    uint64_t ops;
    uint64_t messages;
    uint64_t wire_bytes;
    size_t doc_bytes;
    const crdt_document *hashed; /* NULL: no end state here */
    long peak_rss;
} result;

static void print_result(const options *o, const result *r)
{
    printf("{\"peer\":\"scenesync\",\"workload\":\"%s-%s\",\"scale\":%g,\"run\":%u,"
           "\"seconds\":%.6f,\"cpu_s\":%.6f,\"ops\":%" PRIu64
           ",\"ops_per_s\":%.0f,\"ops_per_cpu_s\":%.0f,\"messages\":%" PRIu64
           ",\"wire_bytes\":%" PRIu64 ",\"bytes_per_op\":%.2f",
           r->name, o->variant, o->scale, o->run, r->watch.wall, r->watch.cpu, r->ops,
           (double)r->ops / r->watch.wall, (double)r->ops / r->watch.cpu, r->messages,
           r->wire_bytes, (double)r->wire_bytes / (double)r->ops);
    if (r->doc_bytes != 0) {
        printf(",\"doc_bytes\":%zu", r->doc_bytes);
    }
    if (r->hashed != NULL) {
        uint32_t hash = 0;
        size_t json_size = 0;
        must(bench_state_hash(r->hashed, &hash, &json_size), "hash of the end state");
        printf(",\"fnv1a32\":\"%08" PRIx32 "\",\"json_bytes\":%zu", hash, json_size);
    }
    printf(",\"peak_rss\":%ld}\n", r->peak_rss);
}

/* ---- a writer: document, table of deps, sink ---- */

typedef struct peer {
    crdt_document *doc;
    crdt_deps *deps;
    crdt_arena arena;
    crdt_buf message;
    crdt_actor actor;
    uint64_t wall_ms;
} peer;

static void peer_open(peer *p)
{
    crdt_document_options defaults = crdt_document_options_default();
    *p = (peer){.wall_ms = WALL_MS};
    must(crdt_document_open(&p->doc, &defaults), "document");
    must(crdt_deps_open(&p->deps, crdt_alloc_default(), 64), "deps");
    crdt_arena_init(&p->arena, crdt_alloc_default());
    crdt_buf_init(&p->message, crdt_alloc_default());
    for (size_t i = 0; i < sizeof p->actor.bytes; i++) {
        p->actor.bytes[i] = (uint8_t)(i * 37 + 11);
    }
}

static void peer_close(peer *p)
{
    crdt_document_close(p->doc);
    crdt_deps_close(p->deps);
    crdt_arena_deinit(&p->arena);
    crdt_buf_deinit(&p->message);
}

static void peer_commit(peer *p, const bench_ops *ops, sink *out)
{
    const crdt_edit edit = {.actor = p->actor, .wall_ms = p->wall_ms++};
    crdt_batch batch;
    crdt_arena_reset(&p->arena);
    crdt_buf_clear(&p->message);
    crdt_err err = crdt_document_commit(p->doc, &edit, ops->ops, ops->op_count,
                                        &p->arena, &batch, NULL);
    if (err == CRDT_ENOTHING) {
        return; /* the values drawn are those that are there */
    }
    must(err, "commit");
    must(crdt_batch_encode(&batch, p->deps, &p->message), "encode");
    must(crdt_deps_note(p->deps, &batch), "deps");
    sink_put(out, crdt_buf_span(&p->message));
}

static void peer_apply(peer *p, crdt_span message)
{
    crdt_batch batch;
    crdt_arena_reset(&p->arena);
    must(crdt_batch_decode(message, p->deps, &p->arena, &batch, NULL), "decode");
    must(crdt_document_apply(p->doc, &batch, NULL), "apply");
    must(crdt_deps_note(p->deps, &batch), "deps");
}

/* ---- W1: edit here, write messages ---- */

static void run_w1(const options *o)
{
    peer p;
    sink out;
    bench_ops ops;
    peer_open(&p);
    sink_open(&out, o);
    if (!bench_ops_open(&ops, o->per_message)) {
        die("operations", "out of memory");
    }
    result build = {.name = "W1-build", .ops = o->entity_count};
    bench_stream stream = {.x = BENCH_SEED_BUILD};
    stopwatch_start(&build.watch);
    for (uint32_t i = 0; i < o->entity_count; i += o->per_message) {
        bench_ops_clear(&ops);
        for (uint32_t k = i; k < i + o->per_message; k++) {
            bench_ops_push_entity(&ops, &stream, k);
        }
        peer_commit(&p, &ops, &out);
    }
    stopwatch_stop(&build.watch);
    build.messages = out.message_count;
    build.wire_bytes = out.byte_count;
    build.peak_rss = peak_rss();
    print_result(o, &build);

    result update = {.name = "W1-update", .ops = o->update_count};
    stream.x = BENCH_SEED_UPDATE;
    stopwatch_start(&update.watch);
    for (uint32_t j = 0; j < o->update_count; j += o->per_message) {
        bench_ops_clear(&ops);
        for (uint32_t k = 0; k < o->per_message; k++) {
            uint32_t target = bench_stream_next(&stream) % o->entity_count;
            bench_ops_push_transform(&ops, &stream, target);
        }
        peer_commit(&p, &ops, &out);
    }
    stopwatch_stop(&update.watch);
    update.messages = out.message_count - build.messages;
    update.wire_bytes = out.byte_count - build.wire_bytes;
    update.peak_rss = peak_rss();
    crdt_buf saved;
    crdt_buf_init(&saved, crdt_alloc_default());
    must(crdt_document_answer_full(p.doc, NULL, &saved), "save");
    update.doc_bytes = saved.size;
    crdt_buf_deinit(&saved);
    update.hashed = p.doc;
    print_result(o, &update);
    bench_ops_close(&ops);
    sink_close(&out, o);
    peer_close(&p);
}

/* ---- W2: apply the messages of W1 ---- */

static crdt_span read_log(const options *o)
{
    char path[512];
    log_path(o, path, sizeof path);
    FILE *file = fopen(path, "rb");
    struct stat info;
    if (file == NULL || fstat(fileno(file), &info) != 0) {
        die(path, "run w1 with --keep first");
    }
    uint8_t *bytes = malloc((size_t)info.st_size + 1);
    if (bytes == NULL ||
        fread(bytes, 1, (size_t)info.st_size, file) != (size_t)info.st_size) {
        die(path, strerror(errno));
    }
    fclose(file);
    return (crdt_span){.data = bytes, .size = (size_t)info.st_size};
}

/* Applies up to `count` messages from `*at` on. */
static void apply_messages(peer *p, crdt_span log, size_t *at, uint64_t count,
                           result *r)
{
    stopwatch_start(&r->watch);
    while (*at < log.size && r->messages < count) {
        uint32_t size;
        memcpy(&size, log.data + *at, sizeof size);
        *at += sizeof size;
        peer_apply(p, (crdt_span){.data = log.data + *at, .size = size});
        *at += size;
        r->messages++;
        r->wire_bytes += size;
    }
    stopwatch_stop(&r->watch);
    r->peak_rss = peak_rss();
}

static void run_w2(const options *o)
{
    peer p;
    peer_open(&p);
    crdt_span log = read_log(o);
    size_t at = 0;
    result build = {.name = "W2-build", .ops = o->entity_count};
    apply_messages(&p, log, &at, o->entity_count / o->per_message, &build);
    print_result(o, &build);
    result update = {.name = "W2-update", .ops = o->update_count, .hashed = p.doc};
    apply_messages(&p, log, &at, UINT64_MAX, &update);
    print_result(o, &update);
    free((void *)(uintptr_t)log.data);
    peer_close(&p);
}

/* ---- command line ---- */

static const char *value_of(int argc, char **argv, int *i, const char *name)
{
    size_t size = strlen(name);
    if (strncmp(argv[*i], name, size) != 0) {
        return NULL;
    }
    if (argv[*i][size] == '=') {
        return argv[*i] + size + 1;
    }
    return argv[*i][size] == '\0' && *i + 1 < argc ? argv[++*i] : NULL;
}

static bool parse(int argc, char **argv, options *o)
{
    *o = (options){.variant = "op", .scale = 1, .dir = "/tmp"};
    for (int i = 1; i < argc; i++) {
        const char *value;
        if (i == 1 && argv[i][0] != '-') {
            o->workload = argv[i];
        } else if (strcmp(argv[i], "--keep") == 0) {
            o->keep = true;
        } else if ((value = value_of(argc, argv, &i, "--variant")) != NULL) {
            o->variant = value;
        } else if ((value = value_of(argc, argv, &i, "--scale")) != NULL) {
            o->scale = strtod(value, NULL);
        } else if ((value = value_of(argc, argv, &i, "--dir")) != NULL) {
            o->dir = value;
        } else if ((value = value_of(argc, argv, &i, "--run")) != NULL) {
            o->run = (unsigned)strtoul(value, NULL, 10);
        } else {
            return false;
        }
    }
    bool batch = strcmp(o->variant, "batch") == 0;
    o->per_message = batch ? 1000 : 1;
    if (o->workload == NULL || (!batch && strcmp(o->variant, "op") != 0) ||
        !(o->scale >= 0.01 && o->scale <= 10)) {
        return false;
    }
    o->entity_count = (uint32_t)lround(BENCH_ENTITY_COUNT * o->scale);
    o->update_count = (uint32_t)lround(BENCH_UPDATE_COUNT * o->scale);
    /* Whole messages only, so that both variants do the same work. */
    return o->entity_count % o->per_message == 0 &&
           o->update_count % o->per_message == 0;
}

int main(int argc, char **argv)
{
    options o;
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        fputs(usage, stdout);
        return 0;
    }
    if (!parse(argc, argv, &o)) {
        fputs(usage, stderr);
        return 2;
    }
    if (strcmp(o.workload, "w1") == 0) {
        run_w1(&o);
    } else if (strcmp(o.workload, "w2") == 0) {
        run_w2(&o);
    } else {
        fputs(usage, stderr);
        return 2;
    }
    return 0;
}
