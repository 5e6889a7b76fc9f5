/* Kill -9 and power cuts against the store: what was acknowledged is there afterwards.
 *
 *   store_kill [ROUNDS]          a child writes, the parent kills it at random moments and
 *                                looks at the store; 500 rounds without an argument
 *   store_kill write DIR         write for ever; a line "NUMBER" for each acknowledged one
 *   store_kill check DIR NUMBER  is all up to NUMBER there? verify too
 *   store_kill open DIR          open as a node does, say what the report says
 *   store_kill cut MOUNTPOINT    shut the file system down as a power cut does (root)
 *
 * Edit n sets the field f(n mod 64) of one of 8 objects to n, so what must be there is
 * known from n alone. The seed is printed; SCENESYNC_SEED repeats a run (but not the
 * moments: those are the machine's). */

#include "tests/sync/store_box.h"

#include "tests/support/gen.h"
#include "tests/support/temp_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { FIELD_COUNT = 64, OBJECT_COUNT = 8, GROUP_MAX = 12 };

/* What the child says with each acknowledgement. */
typedef struct ack {
    int64_t number; /* newest edit that is durable */
    uint64_t time;  /* of its last operation */
    crdt_actor actor;
} ack;

static sync_store_options kill_options(void)
{
    sync_store_options options = sync_store_options_default();
    options.checkpoint_size_min = 8000; /* so that kills hit every phase of it */
    options.history_size_max = 20000;
    options.journal_after = 2;
    options.journal_size = 16384;
    return options;
}

static uint64_t write_edit(store_box *box, int64_t number)
{
    char object[16];
    char field[16];
    snprintf(field, sizeof field, "f%d", (int)(number % FIELD_COUNT));
    snprintf(object, sizeof object, "o%d", (int)(number % FIELD_COUNT % OBJECT_COUNT));
    uint64_t time = store_box_set(box, object, field, number);
    uint8_t record[300] = {(uint8_t)number};
    sync_store_append(box->store, SYNC_RECORD_HISTORY,
                      (crdt_span){record, (size_t)number % sizeof record}, NULL, NULL);
    return time;
}

/* The newest edit in the document. */
static int64_t newest_edit(const store_box *box)
{
    int64_t newest = -1;
    for (int i = 0; i < FIELD_COUNT; i++) {
        char object[16];
        char field[16];
        snprintf(field, sizeof field, "f%d", i);
        snprintf(object, sizeof object, "o%d", i % OBJECT_COUNT);
        int64_t value = store_box_get(box, object, field, -1);
        newest = value > newest ? value : newest;
    }
    return newest;
}

/* Is every field as edits 0 .. `newest` leave it? */
static bool all_there(const store_box *box, int64_t newest)
{
    for (int64_t i = newest; i >= 0 && i > newest - FIELD_COUNT; i--) {
        char object[16];
        char field[16];
        snprintf(field, sizeof field, "f%d", (int)(i % FIELD_COUNT));
        snprintf(object, sizeof object, "o%d", (int)(i % FIELD_COUNT % OBJECT_COUNT));
        if (store_box_get(box, object, field, -1) != i) {
            fprintf(stderr, "edit %" PRId64 " of %" PRId64 " is missing\n", i, newest);
            return false;
        }
    }
    return true;
}

/* Open, edit and commit groups for ever, acknowledge each by `tell`. */
static int write_on(const char *dir, uint64_t seed, bool (*tell)(const ack *said))
{
    store_box box;
    sync_store_options options = kill_options();
    gen g = gen_open(seed, NULL);
    store_box_open(&box, dir, &options);
    if (box.err != CRDT_OK || box.report.read_only) {
        fprintf(stderr, "%s: %s\n", crdt_err_text(box.err),
                box.err != CRDT_OK ? box.diag.text : box.report.text);
        return 1;
    }
    ack said = {.actor = sync_store_actor(box.store)};
    for (int64_t next = newest_edit(&box) + 1;;) {
        for (uint64_t i = 1 + gen_below(&g, GROUP_MAX); i > 0; i--) {
            said.time = write_edit(&box, next);
            said.number = next++;
        }
        if (sync_store_commit(box.store, NULL, &box.diag) != CRDT_OK || !tell(&said)) {
            fprintf(stderr, "%s\n", box.diag.text);
            return 1;
        }
        if (gen_chance(&g, 40) &&
            sync_store_maintain(box.store, 3000, NULL, &box.diag) != CRDT_OK) {
            return 1;
        }
    }
}

static bool tell_pipe(const ack *said)
{
    return write(STDOUT_FILENO, said, sizeof *said) == (ssize_t)sizeof *said;
}

static bool tell_line(const ack *said)
{
    char line[32];
    int size = snprintf(line, sizeof line, "%" PRId64 "\n", said->number);
    return write(STDOUT_FILENO, line, (size_t)size) == size;
}

/* ---- the parent ---- */

static void sleep_us(uint64_t us)
{
    struct timespec left = {(time_t)(us / 1000000), (long)(us % 1000000) * 1000};
    while (nanosleep(&left, &left) != 0 && errno == EINTR) {
    }
}

/* One life of the child: what it said last is left in `last`. */
static void live_and_die(const char *dir, gen *g, ack *last)
{
    int fds[2];
    if (pipe(fds) != 0) {
        abort();
    }
    uint64_t seed = gen_next(g);
    pid_t child = fork();
    if (child == 0) {
        dup2(fds[1], STDOUT_FILENO);
        close(fds[0]);
        _exit(write_on(dir, seed, tell_pipe));
    }
    close(fds[1]);
    /* The moment is random: one in four hits opening, too, however slow the machine is. */
    if (gen_chance(g, 75)) {
        poll(&(struct pollfd){.fd = fds[0], .events = POLLIN}, 1, 5000);
    }
    sleep_us(gen_below(g, 15000));
    kill(child, SIGKILL);
    int status = 0;
    waitpid(child, &status, 0);
    if (!WIFSIGNALED(status)) {
        fprintf(stderr, "the child ended by itself\n");
        abort();
    }
    ack said;
    while (read(fds[0], &said, sizeof said) == (ssize_t)sizeof said) {
        *last = said;
    }
    close(fds[0]);
}

/* Look at what is left, changing nothing. */
static bool examine(const char *dir, const ack *last, bool deep, int64_t *found)
{
    store_box box;
    sync_store_options options = kill_options();
    options.read_only = true;
    store_box_open(&box, dir, &options);
    bool good = box.err == CRDT_OK;
    if (box.err == CRDT_ENOTFOUND && last->number < 0) {
        good = true; /* killed before there was a store */
    } else if (!good) {
        fprintf(stderr, "%s: %s\n", crdt_err_text(box.err), box.diag.text);
    } else {
        *found = newest_edit(&box);
        uint64_t time = crdt_version_get(crdt_document_version(box.doc), &last->actor);
        if (*found < last->number || time < last->time) {
            fprintf(stderr, "acknowledged %" PRId64 ", found %" PRId64 "\n",
                    last->number, *found);
            good = false;
        }
        good = good && all_there(&box, *found);
        if (good && deep && sync_store_verify(box.store, NULL, &box.diag) != CRDT_OK) {
            fprintf(stderr, "verify: %s\n", box.diag.text);
            good = false;
        }
    }
    store_box_close(&box);
    return good;
}

static int kill_often(uint64_t rounds)
{
    temp_dir dir;
    temp_dir_open(&dir);
    setenv("SCENESYNC_STATE_DIR", temp_dir_path(&dir, "state"), 1);
    char store[512];
    snprintf(store, sizeof store, "%s/store", dir.path);
    uint64_t seed = gen_seed((uint64_t)time(NULL));
    printf("store_kill: %" PRIu64 " rounds, SCENESYNC_SEED=%" PRIu64 "\n", rounds,
           seed);
    fflush(stdout);
    gen g = gen_open(seed, NULL);
    ack last = {.number = -1};
    int64_t found = -1;
    uint64_t unsaid = 0;
    uint64_t actors = 0;
    crdt_actor actor = {0};
    for (uint64_t i = 0; i < rounds; i++) {
        live_and_die(store, &g, &last);
        if (!examine(store, &last, i % 10 == 9 || i + 1 == rounds, &found)) {
            fprintf(stderr, "round %" PRIu64 ", seed %" PRIu64 ", left in %s\n", i,
                    seed, dir.path);
            return 1;
        }
        unsaid += found > last.number ? 1 : 0;
        actors += crdt_actor_equal(&actor, &last.actor) ? 0 : 1;
        actor = last.actor;
    }
    printf("store_kill: %" PRIu64 " kills, %" PRId64 " edits acknowledged, none lost; "
           "%" PRIu64 " times more was durable than said; %" PRIu64 " actors\n",
           rounds, last.number + 1, unsaid, actors);
    temp_dir_close(&dir);
    return last.number > 0 ? 0 : 1;
}

static int check(const char *dir, const char *number)
{
    ack last = {.number = strtoll(number, NULL, 10)};
    int64_t found = -1;
    return examine(dir, &last, true, &found) ? 0 : 1;
}

static int open_and_say(const char *dir)
{
    store_box box;
    sync_store_options options = kill_options();
    store_box_open(&box, dir, &options);
    printf("%s\n", box.err == CRDT_OK ? box.report.text : box.diag.text);
    int code = box.err == CRDT_OK ? 0 : 1;
    store_box_close(&box);
    return code;
}

/* EXT4_IOC_SHUTDOWN: nothing more reaches the disk, the journal neither. */
static int cut(const char *mount_point)
{
    const unsigned long shutdown = _IOR('X', 125, uint32_t);
    uint32_t no_log_flush = 2;
    int fd = open(mount_point, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || ioctl(fd, shutdown, &no_log_flush) != 0) {
        perror(mount_point);
        return 1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "write") == 0) {
        return write_on(argv[2], (uint64_t)getpid(), tell_line);
    }
    if (argc == 4 && strcmp(argv[1], "check") == 0) {
        return check(argv[2], argv[3]);
    }
    if (argc == 3 && strcmp(argv[1], "open") == 0) {
        return open_and_say(argv[2]);
    }
    if (argc == 3 && strcmp(argv[1], "cut") == 0) {
        return cut(argv[2]);
    }
    if (argc > 2) {
        fprintf(stderr, "usage: store_kill [ROUNDS]\n");
        return 2;
    }
    return kill_often(argc == 2 ? strtoull(argv[1], NULL, 10) : 500);
}
