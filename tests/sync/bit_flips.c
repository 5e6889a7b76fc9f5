/* Damage on the disk: every bit of a small store flipped, every length cut.
 *
 *   bit_flips [EVERY]     every EVERY-th bit and length; 16 without an argument, 1: all
 *
 * The store has all there can be in it: checkpoint, log, history, settings, and groups that
 * only the journal has (its process was killed). For each flip the real code opens it. Then
 * it is one of these, and nothing else:
 *
 *   noticed   refused, with a text that names the place; or by verify; or, where an older
 *             transaction shows, told by the report of an open to write ("restored")
 *   unused    nobody reads that bit: state, settings, history and actor are the same, and
 *             the store goes on (1 in 64 is written to, and verified)
 *
 * A content that differs and is not told fails the test. Runs on all processors. */

#include "tests/sync/store_box.h"

#include "tests/support/temp_dir.h"

#include "crdt/digest.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { JOB_MAX = 64, WRITTEN_EVERY = 64 };

typedef struct totals {
    uint64_t noticed, by_verify, by_report, unused, written;
} totals;

/* A file that is damaged: the bytes it should have. */
typedef struct target {
    char path[192];
    const char *name;
    uint8_t *bytes;
    size_t size;
} target;

static struct {
    char dir[64], store[96], state[96];
    sync_store_options options;
    target files[2];
    crdt_digest content; /* of all that a reader can see */
    totals sum;
    const char *what; /* is being tried, */
    uint64_t place;   /* and where */
} run;

static void fail(const char *text, const crdt_diag *diag)
{
    fprintf(stderr, "bit_flips: %s at %" PRIu64 ": %s: %s\n", run.what, run.place, text,
            diag != NULL ? diag->text : "");
    temp_remove(run.dir);
    _exit(1);
}

/* ---- the store ---- */

static void make_edits(store_box *box, int first, int count, size_t record_size)
{
    char object[16];
    uint8_t record[2000] = {1};
    for (int i = first; i < first + count; i++) {
        snprintf(object, sizeof object, "o%d", i % 40);
        store_box_set(box, object, "field", i);
        record[8] = (uint8_t)i;
        if (sync_store_append(box->store, SYNC_RECORD_HISTORY,
                              (crdt_span){record, record_size}, NULL,
                              NULL) != CRDT_OK) {
            abort();
        }
    }
    store_box_commit(box);
}

/* In a process that then ends at once, as if killed: the journal stays. */
static void make_store(void)
{
    pid_t child = fork();
    if (child == 0) {
        store_box box;
        store_box_open(&box, run.store, &run.options);
        if (box.err != CRDT_OK) {
            _exit(1);
        }
        sync_store_set(box.store, SYNC_SETTING_SCENE, crdt_span_of("plaza"), NULL);
        make_edits(&box, 0, 17, 1980);
        sync_store_maintain(box.store, 30000, NULL, NULL); /* a checkpoint */
        make_edits(&box, 17, 40, 10);
        for (int i = 0; i < 5; i++) { /* groups in the journal */
            make_edits(&box, 60 + 4 * i, 4, 100);
        }
        _exit(0);
    }
    int status = 1;
    waitpid(child, &status, 0);
    if (status != 0) {
        fail("the store cannot be made", NULL);
    }
}

/* ---- what a reader sees ---- */

static crdt_err read_content(store_box *box, crdt_digest *out)
{
    crdt_buf all;
    crdt_buf record;
    crdt_buf_init(&all, crdt_alloc_default());
    crdt_buf_init(&record, crdt_alloc_default());
    crdt_digest digest = store_box_digest(box);
    crdt_actor actor = sync_store_actor(box->store);
    crdt_buf_append(&all, (const uint8_t *)&digest, sizeof digest);
    crdt_buf_append(&all, actor.bytes, sizeof actor.bytes);
    crdt_span scene;
    if (sync_store_get(box->store, SYNC_SETTING_SCENE, &scene)) {
        crdt_buf_append_span(&all, scene);
    }
    crdt_err err = CRDT_OK;
    for (uint64_t at = 0; err == CRDT_OK;) {
        err = sync_store_history_next(box->store, &at, &record, &box->diag);
        if (err == CRDT_OK) {
            crdt_buf_append_span(&all, crdt_buf_span(&record));
        }
    }
    *out = crdt_hash128(crdt_buf_span(&all));
    crdt_buf_deinit(&record);
    crdt_buf_deinit(&all);
    return err == CRDT_ENOTFOUND ? CRDT_OK : err;
}

static bool is_damage(crdt_err err, const crdt_diag *diag)
{
    if (err != CRDT_ECORRUPT && err != CRDT_EVERSION) {
        fail(crdt_err_text(err), diag);
    }
    if (strlen(diag->text) < 20) {
        fail("the text names nothing", diag);
    }
    return true;
}

/* The file is an older one: it must say so to who wants to write. */
static void expect_restored(void)
{
    store_box box;
    store_box_open(&box, run.store, &run.options);
    if (box.err != CRDT_OK) {
        is_damage(box.err, &box.diag);
        run.sum.noticed++;
    } else if (box.report.origin != SYNC_ACTOR_RESTORED ||
               strstr(box.report.text, "restored") == NULL) {
        fail("the content differs and nothing is said", NULL);
    } else {
        run.sum.by_report++;
    }
    store_box_close(&box);
}

/* Nothing differs: then the store must go on. */
static void go_on(void)
{
    store_box box;
    store_box_open(&box, run.store, &run.options);
    if (box.err == CRDT_OK) {
        for (int i = 0; i < 7; i++) {
            make_edits(&box, 200 + i, 1, 50);
        }
        if (sync_store_verify(box.store, NULL, &box.diag) != CRDT_OK) {
            fail("it was fit to be read, and not to go on", &box.diag);
        }
    } else {
        is_damage(box.err, &box.diag);
    }
    run.sum.written++;
    store_box_close(&box);
}

/* True: the files were written to. */
static bool look(void)
{
    store_box box;
    sync_store_options options = run.options;
    options.read_only = true;
    store_box_open(&box, run.store, &options);
    bool same = false;
    if (box.err != CRDT_OK) {
        is_damage(box.err, &box.diag);
        run.sum.noticed++;
        store_box_close(&box);
        return false;
    }
    crdt_digest content;
    crdt_err err = read_content(&box, &content);
    if (err == CRDT_OK) {
        same = crdt_digest_equal(content, run.content);
        err = sync_store_verify(box.store, NULL, &box.diag);
    }
    if (err != CRDT_OK) {
        is_damage(err, &box.diag);
        run.sum.by_verify++;
    }
    store_box_close(&box);
    if (err != CRDT_OK) {
        return false;
    }
    if (!same) {
        expect_restored();
        return true;
    }
    bool write = run.sum.unused++ % WRITTEN_EVERY == 0;
    if (write) {
        go_on();
    }
    return write;
}

/* ---- damage ---- */

static void put_back(void)
{
    for (size_t i = 0; i < 2; i++) {
        temp_write_file(run.files[i].path, run.files[i].bytes, run.files[i].size);
    }
}

static void flip_bits(target *file, size_t first, size_t every)
{
    for (size_t bit = first; bit < file->size * 8; bit += every) {
        uint8_t byte = file->bytes[bit / 8];
        uint8_t bad = byte ^ (uint8_t)(1u << (bit % 8));
        off_t at = (off_t)(bit / 8);
        int fd = open(file->path, O_WRONLY | O_CLOEXEC);
        if (fd < 0 || pwrite(fd, &bad, 1, at) != 1) {
            fail("cannot flip", NULL);
        }
        run.what = file->name;
        run.place = bit;
        if (look()) {
            put_back();
        } else if (pwrite(fd, &byte, 1, at) != 1) {
            fail("cannot flip back", NULL);
        }
        close(fd);
    }
}

static void cut_lengths(target *file, size_t first, size_t every)
{
    for (size_t size = first; size < file->size; size += every) {
        temp_write_file(file->path, file->bytes, size);
        run.what = file->name;
        run.place = size;
        look();
        put_back();
    }
}

/* ---- all ---- */

static void prepare(long job)
{
    snprintf(run.dir, sizeof run.dir, "/dev/shm/flips-%ld-%ld", (long)getpid(), job);
    snprintf(run.store, sizeof run.store, "%s/store", run.dir);
    snprintf(run.state, sizeof run.state, "%s/state", run.dir);
    run.options = sync_store_options_default();
    run.options.checkpoint_size_min = 500;
    run.options.history_size_max = 60000;
    run.options.journal_after = 2;
    run.options.journal_size = 4096;
    run.options.state_dir = run.state;
    make_store();
    static const char *const names[] = {"data.mdb", "journal"};
    for (size_t i = 0; i < 2; i++) {
        target *file = &run.files[i];
        file->name = names[i];
        snprintf(file->path, sizeof file->path, "%s/%s", run.store, names[i]);
        file->bytes = temp_read_file(file->path, &file->size);
        if (file->bytes == NULL) {
            fail("a file is missing", NULL);
        }
    }
    store_box box;
    sync_store_options options = run.options;
    options.read_only = true;
    store_box_open(&box, run.store, &options);
    if (box.err != CRDT_OK || read_content(&box, &run.content) != CRDT_OK) {
        fail("the store cannot be read", &box.diag);
    }
    store_box_close(&box);
}

static void run_job(long job, long jobs, size_t every, int out)
{
    totals flips;
    prepare(job);
    size_t step = every * (size_t)jobs;
    size_t first = every * (size_t)job;
    for (size_t i = 0; i < 2; i++) {
        flip_bits(&run.files[i], first, step);
    }
    flips = run.sum;
    run.sum = (totals){0};
    for (size_t i = 0; i < 2; i++) {
        cut_lengths(&run.files[i], first, step);
    }
    totals both[2] = {flips, run.sum};
    size_t sizes[2] = {run.files[0].size, run.files[1].size};
    temp_remove(run.dir);
    bool good = write(out, both, sizeof both) == sizeof both &&
                write(out, sizes, sizeof sizes) == sizeof sizes;
    _exit(good ? 0 : 1);
}

static void say(const char *what, const totals *t)
{
    printf("bit_flips: %" PRIu64 " %s: %" PRIu64 " refused at open, %" PRIu64
           " by verify, %" PRIu64 " told as restored, %" PRIu64
           " where nobody reads (%" PRIu64 " of them written to); 0 unnoticed\n",
           t->noticed + t->by_verify + t->by_report + t->unused, what, t->noticed,
           t->by_verify, t->by_report, t->unused, t->written);
}

int main(int argc, char **argv)
{
    if (access("/dev/shm", W_OK) != 0) {
        puts("bit_flips: skipped: needs /dev/shm");
        return 77;
    }
    size_t every = argc > 1 ? strtoul(argv[1], NULL, 10) : 16;
    long jobs = sysconf(_SC_NPROCESSORS_ONLN);
    jobs = jobs < 1 ? 1 : jobs > JOB_MAX ? JOB_MAX : jobs;
    int fds[2];
    if (every == 0 || pipe(fds) != 0) {
        return 2;
    }
    for (long i = 0; i < jobs; i++) {
        if (fork() == 0) {
            run_job(i, jobs, every, fds[1]);
        }
    }
    close(fds[1]);
    totals sums[2] = {{0}, {0}};
    totals one[2];
    size_t sizes[2] = {0, 0};
    while (read(fds[0], one, sizeof one) == sizeof one &&
           read(fds[0], sizes, sizeof sizes) == sizeof sizes) {
        for (size_t i = 0; i < 2 * sizeof sums[0] / 8; i++) {
            ((uint64_t *)sums)[i] += ((uint64_t *)one)[i];
        }
    }
    int failed = 0;
    for (long i = 0; i < jobs; i++) {
        int status = 0;
        wait(&status);
        failed += status != 0 ? 1 : 0;
    }
    printf("bit_flips: data.mdb of %zu bytes, journal of %zu; 1 in %zu\n", sizes[0],
           sizes[1], every);
    say("flips", &sums[0]);
    say("cuts", &sums[1]);
    return failed == 0 && sums[0].noticed > 0 ? 0 : 1;
}
