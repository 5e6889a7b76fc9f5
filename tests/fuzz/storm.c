/* Drives a fuzz target without libFuzzer: over the files of a corpus, as a plain test, or
 * with a storm of mutations of them (mutate.h).
 *
 *   usage: fuzz_NAME PATH...                  each file, and the files of each folder
 *          fuzz_NAME --storm COUNT [--seed N] [--from N] [--size-max BYTES]
 *                    [--dict FILE] [--out DIR] [--patience SECONDS] PATH...
 *
 * Exits 1 if there was no input at all. On a fault the input is written to
 * DIR/NAME-SEED-NUMBER.bin (DIR: the current one), and the command that repeats it is
 * printed. An input that takes longer than 20 s (SECONDS) is a fault. */

#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/mutate.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

typedef struct options {
    uint64_t count; /* 0: replay only */
    uint64_t seed;
    uint64_t from;
    unsigned patience_s;
    size_t size_max;
    const char *dict;
    const char *out;
} options;

static options given = {.seed = 1, .patience_s = 20, .size_max = 4096, .out = "."};
static crdt_span *inputs;
static size_t input_count;

/* What the handler of signals says. */
static const char *program = "fuzz";
static const uint8_t *volatile now_data;
static volatile size_t now_size;
static volatile uint64_t now_number;

/* ---- a fault ---- */

static void on_fault(int number)
{
    char path[512];
    char line[1024];
    const char *name = strrchr(program, '/');
    name = name == NULL ? program : name + 1;
    snprintf(path, sizeof path, "%s/%s-%" PRIu64 "-%" PRIu64 ".bin", given.out, name,
             given.seed, now_number);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    bool kept = fd >= 0 && write(fd, now_data, now_size) == (ssize_t)now_size;
    int size = snprintf(
        line, sizeof line,
        "%s: %s, input %" PRIu64 " of seed %" PRIu64 " (%zu bytes); it lies in %s%s\n"
        "again: %s %s\n",
        name, number == SIGALRM ? "takes too long" : "fault", now_number, given.seed,
        (size_t)now_size, path, kept ? "" : " (not written)", program, path);
    (void)!write(2, line, (size_t)size);
    signal(number, SIG_DFL);
    raise(number == SIGALRM ? SIGABRT : number);
}

static void watch_faults(void)
{
    static uint8_t stack[1 << 16]; /* the input may have used up the other */
    stack_t other = {.ss_sp = stack, .ss_size = sizeof stack};
    sigaltstack(&other, NULL);
    struct sigaction action = {.sa_handler = on_fault,
                               .sa_flags = (int)(SA_ONSTACK | SA_RESETHAND)};
    static const int numbers[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGALRM};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        sigaction(numbers[i], &action, NULL);
    }
}

/* ---- the corpus ---- */

static void keep_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    struct stat info;
    if (file == NULL || fstat(fileno(file), &info) != 0) {
        perror(path);
        exit(1);
    }
    size_t size = (size_t)info.st_size;
    uint8_t *bytes = malloc(size == 0 ? 1 : size);
    crdt_span *grown = realloc(inputs, (input_count + 1) * sizeof *inputs);
    if (bytes == NULL || grown == NULL || fread(bytes, 1, size, file) != size) {
        perror(path);
        exit(1);
    }
    fclose(file);
    inputs = grown;
    inputs[input_count++] = (crdt_span){bytes, size};
}

static void keep_path(const char *path)
{
    struct stat info;
    if (stat(path, &info) != 0) {
        perror(path);
        exit(1);
    }
    if (!S_ISDIR(info.st_mode)) {
        keep_file(path);
        return;
    }
    struct dirent **names; /* in order: the same storm everywhere */
    int count = scandir(path, &names, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        if (names[i]->d_name[0] != '.') {
            char below[4096];
            snprintf(below, sizeof below, "%s/%s", path, names[i]->d_name);
            keep_path(below);
        }
        free(names[i]);
    }
    if (count >= 0) {
        free(names);
    }
}

static void free_inputs(void)
{
    for (size_t i = 0; i < input_count; i++) {
        free((void *)(uintptr_t)inputs[i].data);
    }
    free(inputs);
}

/* The first inputs become those that `wanted` holds of, in their order, from `begin` on; the
 * end of them. */
static size_t sort_inputs(size_t begin, bool (*wanted)(crdt_span input))
{
    size_t count = begin;
    for (size_t i = begin; i < input_count; i++) {
        if (wanted(inputs[i])) {
            crdt_span input = inputs[i];
            memmove(inputs + count + 1, inputs + count, (i - count) * sizeof *inputs);
            inputs[count++] = input;
        }
    }
    return count;
}

/* A long one cut short would never be good. */
static bool is_short(crdt_span input)
{
    return input.size <= given.size_max;
}

/* ---- running ---- */

static uint64_t clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* In a block of exactly its size, so that a sanitizer sees a read beyond the end. */
static bool run_input(crdt_span input, uint64_t number, size_t *peak)
{
    uint8_t *exact = malloc(input.size == 0 ? 1 : input.size);
    if (exact == NULL) {
        abort();
    }
    if (input.size > 0) {
        memcpy(exact, input.data, input.size);
    }
    now_data = exact;
    now_size = input.size;
    now_number = number;
    bool taken = fuzz_check(exact, input.size, peak);
    free(exact);
    return taken;
}

static bool is_good(crdt_span input)
{
    alarm(given.patience_s);
    return is_short(input) && run_input(input, 0, NULL);
}

static void replay(void)
{
    size_t taken = 0;
    for (size_t i = 0; i < input_count; i++) {
        alarm(given.patience_s);
        taken += run_input(inputs[i], i, NULL);
    }
    alarm(0);
    if (given.count == 0) {
        printf("%zu inputs, %zu of them good\n", input_count, taken);
    }
}

static void storm(const mutate_words *words)
{
    size_t fit = sort_inputs(0, is_short);
    size_t good = sort_inputs(0, is_good);
    fit = fit > 0 ? fit : input_count;
    mutate_source source = {inputs, fit, good < fit ? good : fit, words,
                            given.size_max};
    crdt_buf made;
    crdt_buf_init(&made, crdt_alloc_default());
    uint64_t taken = 0;
    uint64_t bytes = 0;
    uint64_t slowest_ns = 0;
    uint64_t slowest = 0;
    size_t highest = 0;
    size_t steepest = 0;
    uint64_t begin = clock_ns();
    uint64_t last = begin;
    uint64_t armed = begin;
    alarm(given.patience_s + 1);
    for (uint64_t i = 0; i < given.count; i++) {
        size_t peak;
        mutate_make(&source, given.seed, given.from + i, &made);
        taken += run_input(crdt_buf_span(&made), given.from + i, &peak);
        bytes += made.size;
        highest = peak > highest ? peak : highest;
        if (made.size >= 256 && peak / made.size > steepest) {
            steepest = peak / made.size;
        }
        uint64_t now = clock_ns();
        if (now - last > slowest_ns) {
            slowest_ns = now - last;
            slowest = given.from + i;
        }
        last = now;
        if (now - armed >
            1000000000u) { /* not each time: it costs as much as an input */
            alarm(given.patience_s + 1);
            armed = now;
        }
    }
    alarm(0);
    double seconds = (double)(last - begin) / 1e9;
    printf("%" PRIu64 " inputs, %" PRIu64
           " bytes, %.2f s, %.0f/s, %.1f %% good, at most "
           "%zu bytes held (%zu each), slowest %" PRIu64 " (%.1f ms)\n",
           given.count, bytes, seconds, (double)given.count / seconds,
           100.0 * (double)taken / (double)given.count, highest, steepest, slowest,
           (double)slowest_ns / 1e6);
    crdt_buf_deinit(&made);
}

/* ---- the command line ---- */

static void set_option(const char *name, const char *value)
{
    if (strcmp(name, "--storm") == 0) {
        given.count = strtoull(value, NULL, 10);
    } else if (strcmp(name, "--seed") == 0) {
        given.seed = strtoull(value, NULL, 10);
    } else if (strcmp(name, "--from") == 0) {
        given.from = strtoull(value, NULL, 10);
    } else if (strcmp(name, "--patience") == 0) {
        given.patience_s = (unsigned)strtoul(value, NULL, 10);
    } else if (strcmp(name, "--size-max") == 0) {
        given.size_max = strtoull(value, NULL, 10);
    } else if (strcmp(name, "--dict") == 0) {
        given.dict = value;
    } else if (strcmp(name, "--out") == 0) {
        given.out = value;
    } else {
        fprintf(stderr, "no such option: %s\n", name);
        exit(2);
    }
}

int main(int argc, char **argv)
{
    program = argv[0];
    for (int i = 1; i < argc; i++) {
        if (argv[i][0] == '-' && i + 1 < argc) {
            set_option(argv[i], argv[i + 1]);
            i++;
        } else {
            keep_path(argv[i]);
        }
    }
    mutate_words words = {.count = 0};
    if (input_count == 0 || (given.dict && !mutate_words_open(&words, given.dict))) {
        fprintf(stderr, "%s: no input\n", program);
        return 1;
    }
    watch_faults();
    replay();
    if (given.count > 0) {
        storm(&words);
    }
    mutate_words_close(&words);
    free_inputs();
    return 0;
}
