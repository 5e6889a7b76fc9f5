/* Power cuts against the store, on a simulated disk: every image that a cut could leave.
 *
 *   crash_images [IMAGES [SEED]]   100,000 images without arguments, on all processors
 *   crash_images --lie             the journal's syncs do nothing: must find a loss
 *
 * A store lives in memory (/dev/shm): it opens, commits groups, keeps settings and history,
 * compacts, renews its actor, closes, or is killed. Before each of its syncs is over, images
 * of the disk are built (tests/sync/crash_model.h): all there are where these are at most
 * 4,096 (twelve sectors pending), else a sample; and some with a torn sector. The real code
 * opens each: what was acknowledged is there, and nothing of a pure cut is ever called
 * damage. One in 32 is opened to write: it goes on, and is verified. The next life begins
 * from one of the images, so recovery is cut, too.
 *
 * LMDB's two meta pages have no checksum: a tear there is one from the front, as a disk
 * writes. (Its transaction number comes last, so such a one is an older page.)
 *
 * Edit n sets the field f(n mod 16) of one of 4 objects to n. */

#include "tests/sync/crash_calls.h"
#include "tests/sync/crash_folder.h"
#include "tests/sync/store_box.h"

#include "tests/support/temp_dir.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    FIELD_COUNT = 16,
    OBJECT_COUNT = 4,
    GROUP_MAX = 8,
    ALL_MAX = 4096,    /* up to so many images of a moment all are looked at, */
    SAMPLE_COUNT = 48, /* else so many; */
    TORN_COUNT = 16,   /* so many more with a torn sector */
    WRITTEN_EVERY = 32,
    META_SIZE = 8192, /* LMDB's meta pages */
    JOB_MAX = 64,
};

/* What a store owes: all up to these was acknowledged. */
typedef struct level {
    int64_t edit;    /* -1: none */
    int64_t setting; /* the setting's value is at least this */
    int64_t tried;   /* nothing after this was ever made */
} level;

typedef struct totals {
    uint64_t images, torn, moments, whole_moments, lives, written, kept, edits;
} totals;

static struct {
    char root[64], image_root[64];
    char store[96], image_store[96], state[96], image_state[96];
    crash_watch watch;
    crash_folder folder; /* where images lie */
    crash_unit units[CRASH_UNIT_MAX];
    crash_image image;
    crash_image next; /* the next life begins from it */
    level next_owed;
    uint64_t next_seen; /* images that were candidates for it */
    level owed;
    gen g;
    uint64_t seed;
    uint64_t wanted; /* images */
    totals sum;
    sync_store_options options;
} run;

static void fail(const char *what, const crdt_diag *diag)
{
    bool keep = getenv("SCENESYNC_KEEP") != NULL;
    fprintf(stderr,
            "crash_images: %s: %s\n  image %" PRIu64
            ", acknowledged up to edit %" PRId64 ", setting %" PRId64
            "\n  again: %scrash_images %" PRIu64 " %" PRIu64 "%s%s\n",
            what, diag != NULL ? diag->text : "", run.sum.images, run.owed.edit,
            run.owed.setting, keep ? "" : "SCENESYNC_KEEP=1 ", run.wanted, run.seed,
            keep ? "; left in " : " (leaves the files)", keep ? run.image_root : "");
    if (!keep) {
        temp_remove(run.root);
        temp_remove(run.image_root);
    }
    _exit(1);
}

static bool draw(void *ctx, void *bytes, size_t size)
{
    gen *g = ctx;
    uint8_t *at = bytes;
    for (size_t i = 0; i < size; i++) {
        at[i] = (uint8_t)gen_next(g);
    }
    return true;
}

/* ---- looking at an image ---- */

static void name_edit(int64_t number, char object[16], char field[16])
{
    snprintf(field, 16, "f%d", (int)(number % FIELD_COUNT));
    snprintf(object, 16, "o%d", (int)(number % FIELD_COUNT % OBJECT_COUNT));
}

static int64_t newest_edit(const store_box *box)
{
    int64_t newest = -1;
    char object[16];
    char field[16];
    for (int i = 0; i < FIELD_COUNT; i++) {
        name_edit(i, object, field);
        int64_t value = store_box_get(box, object, field, -1);
        newest = value > newest ? value : newest;
    }
    return newest;
}

static int64_t setting_of(const store_box *box)
{
    crdt_span value;
    char text[24] = {0};
    if (!sync_store_get(box->store, "n", &value) || value.size >= sizeof text) {
        return -1;
    }
    memcpy(text, value.data, value.size);
    return strtoll(text, NULL, 10);
}

/* The newest record of history is of this edit; it may have been let go of. */
static int64_t history_of(const store_box *box, crdt_diag *diag)
{
    crdt_buf bytes;
    crdt_buf_init(&bytes, crdt_alloc_default());
    uint64_t at = UINT64_MAX;
    int64_t number = -1;
    crdt_err err = sync_store_history_prev(box->store, &at, &bytes, diag);
    if (err != CRDT_OK && err != CRDT_ENOTFOUND) {
        fail("history", diag);
    }
    if (err == CRDT_OK && bytes.size >= sizeof number) {
        memcpy(&number, bytes.data, sizeof number);
    }
    crdt_buf_deinit(&bytes);
    return number;
}

static int64_t check_content(store_box *box)
{
    char object[16];
    char field[16];
    int64_t newest = newest_edit(box);
    if (newest < run.owed.edit || newest > run.owed.tried) {
        fail("the newest edit is lost, or was never made", &box->diag);
    }
    for (int64_t i = newest; i >= 0 && i > newest - FIELD_COUNT; i--) {
        name_edit(i, object, field);
        if (store_box_get(box, object, field, -1) != i) {
            fail("an edit before the newest is missing", NULL);
        }
    }
    if (setting_of(box) < run.owed.setting) {
        fail("a setting is an older one", NULL);
    }
    if (history_of(box, &box->diag) < run.owed.edit) {
        fail("the newest record of history is an older one", NULL);
    }
    return newest;
}

/* As a person looks: nothing is changed. */
static void look(void)
{
    store_box box;
    sync_store_options options = run.options;
    options.read_only = true;
    store_box_open(&box, run.image_store, &options);
    if (box.err == CRDT_OK) {
        check_content(&box);
    } else if (box.err != CRDT_ENOTFOUND || run.owed.edit >= 0) {
        fail(crdt_err_text(box.err), &box.diag);
    }
    store_box_close(&box);
}

static void make_edit(store_box *box, int64_t number)
{
    char object[16];
    char field[16];
    uint8_t record[700] = {0};
    memcpy(record, &number, sizeof number);
    name_edit(number, object, field);
    store_box_set(box, object, field, number);
    size_t size = sizeof number + (size_t)(number * 37 % (number % 5 == 0 ? 600 : 60));
    if (sync_store_append(box->store, SYNC_RECORD_HISTORY, (crdt_span){record, size},
                          NULL, &box->diag) != CRDT_OK) {
        fail("append", &box->diag);
    }
}

/* As a node goes on after a cut. */
static void go_on(void)
{
    store_box box;
    sync_store_options options = run.options;
    options.state_dir = run.image_state;
    store_box_open(&box, run.image_store, &options);
    if (box.err != CRDT_OK || box.report.read_only) {
        fail("to write", &box.diag);
    }
    int64_t newest = check_content(&box);
    run.sum.kept += box.report.origin == SYNC_ACTOR_KEPT ? 1 : 0;
    for (int64_t i = newest + 1; i <= newest + 3; i++) {
        make_edit(&box, i);
        store_box_commit(&box);
    }
    if (sync_store_verify(box.store, NULL, &box.diag) != CRDT_OK) {
        fail("verify", &box.diag);
    }
    store_box_close(&box);
    level owed = run.owed;
    run.owed.edit = newest + 3;
    run.owed.tried = newest + 3;
    look();
    run.owed = owed;
    run.sum.written++;
    crash_folder_sweep(&run.folder);
}

static void keep_for_next(const crash_image *image)
{
    crash_image_deinit(&run.next);
    run.next.count = image->count;
    for (size_t i = 0; i < image->count; i++) {
        const crash_image_file *from = &image->files[i];
        crash_image_file *to = &run.next.files[i];
        *to = *from;
        to->capacity = from->size;
        to->bytes = from->size > 0 ? malloc(from->size) : NULL;
        if (from->size > 0) {
            memcpy(to->bytes, from->bytes, from->size);
        }
    }
    run.next_owed = run.owed;
}

static void examine(const crash_unit *units, size_t count, const uint8_t *choice,
                    const crash_tear *tear)
{
    uint64_t garbage = gen_chance(&run.g, 30) ? gen_next(&run.g) : 0;
    crash_model_build(run.watch.model, units, count, choice, tear, garbage, &run.image);
    crash_folder_lay(&run.folder, &run.image);
    run.watch.image = &run.image;
    run.sum.images++;
    run.sum.torn += tear->unit != SIZE_MAX ? 1 : 0;
    look();
    if (gen_below(&run.g, WRITTEN_EVERY) == 0) {
        go_on();
    }
    run.next_seen++;
    if (gen_below(&run.g, run.next_seen) == 0 && run.next_seen < 2000) {
        keep_for_next(&run.image);
    }
}

/* ---- choosing images ---- */

static uint64_t count_images(const crash_unit *units, size_t count)
{
    uint64_t product = 1;
    for (size_t i = 0; i < count && product <= ALL_MAX; i++) {
        product *= units[i].aside ? 1 : units[i].option_count;
    }
    return product;
}

/* What is aside follows no order: any of it. */
static void choose_aside(const crash_unit *units, size_t count, uint8_t *choice)
{
    for (size_t i = 0; i < count; i++) {
        if (units[i].aside) {
            choice[i] = (uint8_t)gen_below(&run.g, units[i].option_count);
        }
    }
}

/* Few, half, most, or all of what is pending. */
static void choose_some(const crash_unit *units, size_t count, uint8_t *choice)
{
    static const unsigned shares[] = {5, 30, 50, 80, 97, 100};
    unsigned share = shares[gen_below(&run.g, sizeof shares / sizeof shares[0])];
    for (size_t i = 0; i < count; i++) {
        choice[i] = (uint8_t)(units[i].option_count - 1);
        if (!gen_chance(&run.g, share)) {
            choice[i] = (uint8_t)gen_below(&run.g, units[i].option_count);
        }
    }
}

static bool next_choice(const crash_unit *units, size_t count, uint8_t *choice)
{
    for (size_t i = 0; i < count; i++) {
        if (units[i].aside) {
            continue;
        }
        if (choice[i] + 1u < units[i].option_count) {
            choice[i]++;
            return true;
        }
        choice[i] = 0;
    }
    return false;
}

/* Tear one of the sectors, somewhere. False: none is pending. */
static bool choose_tear(const crash_unit *units, size_t count, uint8_t *choice,
                        crash_tear *tear)
{
    size_t first = (size_t)gen_below(&run.g, count + 1);
    for (size_t n = 0; n < count; n++) {
        size_t i = (first + n) % count;
        if (units[i].kind != CRASH_SECTOR_OF || units[i].option_count < 2) {
            continue;
        }
        choice[i] = choice[i] == 0 ? 1 : choice[i];
        tear->unit = i;
        tear->mask = (UINT64_C(1) << (1 + gen_below(&run.g, 62))) - 1;
        bool meta =
            crash_model_is_within(run.watch.model, &units[i], "store/data.", META_SIZE);
        if (!meta && gen_chance(&run.g, 50)) {
            tear->mask = gen_chance(&run.g, 50) ? gen_next(&run.g) : ~tear->mask;
        }
        return true;
    }
    return false;
}

static void at_sync(void *ctx)
{
    static uint8_t choice[CRASH_UNIT_MAX];
    (void)ctx;
    if (run.sum.images >= run.wanted) {
        return;
    }
    crash_unit *units = run.units;
    size_t count = crash_model_units(run.watch.model, "store/", units);
    crash_tear tear = {.unit = SIZE_MAX};
    uint64_t all = count_images(units, count);
    run.sum.moments++;
    /* Long lists are gone through less often: there would be little else. */
    if (all <= ALL_MAX && (all <= 128 || gen_below(&run.g, all / 64) == 0)) {
        run.sum.whole_moments++;
        memset(choice, 0, count);
        do {
            choose_aside(units, count, choice);
            examine(units, count, choice, &tear);
        } while (next_choice(units, count, choice));
    } else {
        for (int i = 0; i < SAMPLE_COUNT; i++) {
            choose_some(units, count, choice);
            examine(units, count, choice, &tear);
        }
    }
    for (int i = 0; i < TORN_COUNT && count > 0; i++) {
        choose_some(units, count, choice);
        if (!choose_tear(units, count, choice, &tear)) {
            break;
        }
        examine(units, count, choice, &tear);
    }
}

/* ---- lives ---- */

static void choose_options(void)
{
    static const size_t journals[] = {0, 2048, 4096, 16384};
    static const size_t checkpoints[] = {400, 3000, 12000};
    run.options = sync_store_options_default();
    run.options.journal_size = journals[gen_below(&run.g, 4)];
    run.options.journal_after = gen_below(&run.g, 4);
    run.options.checkpoint_size_min = checkpoints[gen_below(&run.g, 3)];
    run.options.history_size_max = gen_chance(&run.g, 50) ? 4000 : 20000;
    run.options.random = draw;
    run.options.random_ctx = &run.g;
}

static void commit(store_box *box, int64_t setting)
{
    store_box_commit(box);
    run.owed.edit = run.owed.tried;
    run.owed.setting = setting > run.owed.setting ? setting : run.owed.setting;
}

static void work(store_box *box)
{
    for (uint64_t groups = 1 + gen_below(&run.g, 30); groups > 0; groups--) {
        int64_t setting = -1;
        uint64_t edits = gen_chance(&run.g, 60) ? 1 : 1 + gen_below(&run.g, GROUP_MAX);
        for (uint64_t i = edits; i > 0; i--) {
            make_edit(box, ++run.owed.tried);
        }
        if (gen_chance(&run.g, 8)) {
            char text[24];
            setting = run.owed.tried;
            snprintf(text, sizeof text, "%" PRId64, setting);
            sync_store_set(box->store, "n", crdt_span_of(text), &box->diag);
        }
        if (gen_chance(&run.g, 2)) {
            sync_store_renew_actor(box->store, NULL, &box->diag);
        }
        commit(box, setting);
        run.sum.edits += edits;
        if (gen_chance(&run.g, 15)) {
            sync_store_maintain(box->store, 2000, NULL, &box->diag);
        }
    }
}

/* Lay what the next life begins from, and a model of it. */
static void begin_life(void)
{
    crash_folder_empty(run.root);
    for (size_t i = 0; i < run.next.count; i++) {
        char path[192];
        snprintf(path, sizeof path, "%s/%s", run.root, run.next.files[i].path);
        temp_write_file(path, run.next.files[i].bytes, run.next.files[i].size);
    }
    crash_model_close(run.watch.model);
    run.watch.model = crash_model_of(&run.next);
    run.owed = run.next_owed;
    run.next_seen = 0;
    choose_options();
    crash_calls_begin(&run.watch, &run.next);
}

static void live(void)
{
    store_box box;
    begin_life();
    sync_store_options options = run.options;
    options.state_dir = run.state;
    store_box_open(&box, run.store, &options);
    if (box.err != CRDT_OK || box.report.read_only) {
        fail("a life cannot begin", &box.diag);
    }
    /* Who could read it may have told it: it is owed from here on. */
    run.owed.edit = newest_edit(&box);
    run.owed.tried = run.owed.edit;
    work(&box);
    store_box_close(&box);
    crash_calls_end();
    run.sum.lives++;
}

static void run_all(uint64_t images, uint64_t seed, bool lie)
{
    long pid = (long)getpid();
    run.g = gen_open(seed, NULL);
    run.seed = seed;
    run.wanted = images;
    snprintf(run.root, sizeof run.root, "/dev/shm/crash-%ld-run", pid);
    snprintf(run.image_root, sizeof run.image_root, "/dev/shm/crash-%ld-image", pid);
    snprintf(run.store, sizeof run.store, "%s/store", run.root);
    snprintf(run.state, sizeof run.state, "%s/state", run.root);
    snprintf(run.image_store, sizeof run.image_store, "%s/store", run.image_root);
    snprintf(run.image_state, sizeof run.image_state, "%s/state", run.image_root);
    run.watch = (crash_watch){
        .root = run.root, .image_root = run.image_root, .at_sync = at_sync, .lie = lie};
    crash_folder_open(&run.folder, run.image_root);
    while (run.sum.images < images) {
        if (gen_chance(&run.g, 10)) { /* anew */
            crash_image_deinit(&run.next);
        }
        if (run.next.count == 0) {
            run.next_owed = (level){.edit = -1, .setting = -1, .tried = -1};
        }
        live();
    }
    crash_folder_close(&run.folder);
    temp_remove(run.root);
    temp_remove(run.image_root);
}

/* ---- all processors ---- */

static int run_jobs(uint64_t images, uint64_t seed, bool lie, long jobs)
{
    int fds[2];
    totals sum = {0};
    if (pipe(fds) != 0) {
        return 2;
    }
    for (long i = 0; i < jobs; i++) {
        if (fork() == 0) {
            run_all(images / (uint64_t)jobs, seed + (uint64_t)i, lie);
            _exit(write(fds[1], &run.sum, sizeof run.sum) == sizeof run.sum ? 0 : 1);
        }
    }
    close(fds[1]);
    int failed = 0;
    for (long i = 0; i < jobs; i++) {
        int status = 0;
        wait(&status);
        failed += status != 0 ? 1 : 0;
    }
    totals one;
    while (read(fds[0], &one, sizeof one) == sizeof one) {
        uint64_t *to = &sum.images;
        const uint64_t *from = &one.images;
        for (size_t i = 0; i < sizeof sum / sizeof sum.images; i++) {
            to[i] += from[i];
        }
    }
    close(fds[0]);
    printf("crash_images: %" PRIu64 " images (%" PRIu64
           " with a torn sector) of %" PRIu64 " moments (%" PRIu64
           " with all their images), %" PRIu64 " lives, %" PRIu64
           " edits acknowledged; %" PRIu64 " images written to, %" PRIu64
           " as the same actor; %d failed\n",
           sum.images, sum.torn, sum.moments, sum.whole_moments, sum.lives, sum.edits,
           sum.written, sum.kept, failed);
    return failed == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    bool lie = argc == 2 && strcmp(argv[1], "--lie") == 0;
    if (access("/dev/shm", W_OK) != 0) {
        puts("crash_images: skipped: needs /dev/shm");
        return 77;
    }
    uint64_t images = argc > 1 && !lie ? strtoull(argv[1], NULL, 10) : 100000;
    uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10)
                             : gen_seed(lie ? 7 : (uint64_t)time(NULL));
    long jobs = argc > 2 || lie ? 1 : sysconf(_SC_NPROCESSORS_ONLN);
    jobs = jobs < 1 ? 1 : jobs > JOB_MAX ? JOB_MAX : jobs;
    printf("crash_images: %" PRIu64 " images, %ld jobs, SCENESYNC_SEED=%" PRIu64 "\n",
           images, jobs, seed);
    fflush(stdout);
    int code = run_jobs(images, seed, lie, jobs);
    if (lie) { /* the oracle must fire */
        return code == 1 ? 0 : 1;
    }
    return code;
}
