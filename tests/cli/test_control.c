/* The control socket: a plain program, so that it also runs under ThreadSanitizer.
 *
 * Every case opens a server in a fresh folder and talks to it, mostly as the real caller
 * does, sometimes with bytes that no caller sends. */

#include "cli/control.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static int failures;

static void check(bool condition, const char *what, int line)
{
    if (!condition) {
        failures++;
        printf("test_control.c:%d: failed: %s\n", line, what);
    }
}
#define CHECK(condition) check((condition), #condition, __LINE__)

static char dir[256];
static atomic_int served;
static atomic_bool saw_gone;

/* The server's function: prints its arguments and input; some verbs do more. */
static int echo(void *ctx, size_t argc, const char *const *argv, crdt_span input,
                FILE *out, FILE *err, const cli_caller *caller)
{
    atomic_fetch_add(&served, 1);
    fprintf(err, "%s\n", (const char *)ctx);
    if (argc > 0 && strcmp(argv[0], "flood") == 0) {
        for (int i = 0; i < 1000000; i++) {
            fprintf(out, "line %d\n", i);
        }
        return ferror(out) ? 1 : 0;
    }
    if (argc > 0 && strcmp(argv[0], "wait") == 0) {
        fputs("waiting\n", out);
        fflush(out);
        while (!caller->gone(caller->ctx)) {
            poll(NULL, 0, 1);
        }
        atomic_store(&saw_gone, true);
        return 3;
    }
    for (size_t i = 0; i < argc; i++) {
        fprintf(out, "[%s]", argv[i]);
    }
    fwrite(input.data, 1, input.size, out);
    return (int)argc;
}

static cli_control *open_server(void)
{
    cli_control *control = NULL;
    crdt_diag diag = {0};
    crdt_err err = cli_control_open(&control, dir, echo, dir, &diag);
    if (err != CRDT_OK) {
        printf("cannot serve: %s\n", diag.text);
        exit(1);
    }
    return control;
}

typedef struct call_result {
    crdt_err err;
    int code;
    char *out;
    size_t out_size;
    char *errors;
    size_t errors_size;
} call_result;

static call_result call(size_t argc, const char *const *argv, crdt_span input)
{
    call_result result = {.code = -1};
    FILE *out = open_memstream(&result.out, &result.out_size);
    FILE *err = open_memstream(&result.errors, &result.errors_size);
    crdt_diag diag = {0};
    result.err =
        cli_control_call(dir, argc, argv, input, out, err, &result.code, &diag);
    fclose(out);
    fclose(err);
    return result;
}

static void answer_free(call_result *answer)
{
    free(answer->out);
    free(answer->errors);
}

/* As a caller would who knows nothing of open directories: needs a short path. */
static struct sockaddr_un plain_address(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char path[sizeof dir + 8];
    snprintf(path, sizeof path, "%s/control", dir);
    size_t size = strlen(path) + 1;
    CHECK(size <= sizeof address.sun_path);
    memcpy(address.sun_path, path, size <= sizeof address.sun_path ? size : 0);
    return address;
}

static int connect_raw(void)
{
    struct sockaddr_un address = plain_address();
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        printf("cannot connect to %s\n", address.sun_path);
        exit(1);
    }
    return fd;
}

static void everything_comes_through(void)
{
    cli_control *control = open_server();
    const char *argv[] = {"set", "", "a b\n\xff", "--json"};
    call_result answer = call(4, argv, crdt_span_of("input"));
    CHECK(answer.err == CRDT_OK);
    CHECK(answer.code == 4);
    CHECK(strcmp(answer.out, "[set][][a b\n\xff][--json]input") == 0);
    CHECK(strncmp(answer.errors, dir, strlen(dir)) == 0);
    answer_free(&answer);
    cli_control_close(control);
}

static void only_the_owner_may_connect(void)
{
    cli_control *control = open_server();
    char path[300];
    snprintf(path, sizeof path, "%s/control", dir);
    struct stat stat_of;
    CHECK(stat(path, &stat_of) == 0 && (stat_of.st_mode & 0777) == 0600);
    cli_control_close(control);
    CHECK(stat(path, &stat_of) != 0);
}

static void without_a_node_nobody_serves(void)
{
    call_result answer = call(0, NULL, crdt_span_of(""));
    CHECK(answer.err == CRDT_ENOTFOUND);
    answer_free(&answer);
}

/* A node that was killed leaves its socket: callers are told that nobody serves, and the
 * next node takes the place. */
static void a_socket_left_behind_is_replaced(void)
{
    struct sockaddr_un address = plain_address();
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK(bind(fd, (struct sockaddr *)&address, sizeof address) == 0);
    close(fd);
    without_a_node_nobody_serves();
    cli_control *control = open_server();
    call_result answer = call(0, NULL, crdt_span_of(""));
    CHECK(answer.err == CRDT_OK && answer.code == 0);
    answer_free(&answer);
    cli_control_close(control);
}

static void much_output_and_much_input(void)
{
    cli_control *control = open_server();
    const char *flood[] = {"flood"};
    call_result answer = call(1, flood, crdt_span_of(""));
    CHECK(answer.err == CRDT_OK && answer.code == 0);
    CHECK(answer.out_size == 11888890);
    answer_free(&answer);
    size_t size = 20u << 20;
    uint8_t *bytes = malloc(size);
    memset(bytes, 'x', size);
    answer = call(0, NULL, (crdt_span){.data = bytes, .size = size});
    CHECK(answer.err == CRDT_OK && answer.out_size == size);
    answer_free(&answer);
    free(bytes);
    cli_control_close(control);
}

static void a_caller_that_leaves_is_noticed(void)
{
    cli_control *control = open_server();
    int fd = connect_raw();
    uint8_t request[] = {'S', 'C', 'S', '1', 1, 0, 0, 0, 0,   0,   0,   0,
                         0,   0,   0,   0,   4, 0, 0, 0, 'w', 'a', 'i', 't'};
    CHECK(write(fd, request, sizeof request) == sizeof request);
    uint8_t byte;
    CHECK(read(fd, &byte, 1) == 1); /* it is being served */
    atomic_store(&saw_gone, false);
    close(fd);
    while (!atomic_load(&saw_gone)) {
        poll(NULL, 0, 1);
    }
    cli_control_close(control);
}

static void closing_ends_those_who_wait(void)
{
    cli_control *control = open_server();
    int fd = connect_raw();
    uint8_t request[] = {'S', 'C', 'S', '1', 1, 0, 0, 0, 0,   0,   0,   0,
                         0,   0,   0,   0,   4, 0, 0, 0, 'w', 'a', 'i', 't'};
    CHECK(write(fd, request, sizeof request) == sizeof request);
    uint8_t byte;
    CHECK(read(fd, &byte, 1) == 1);
    cli_control_close(control);
    char reply[256] = "";
    size_t size = 0;
    for (ssize_t got; (got = read(fd, reply + size, sizeof reply - size)) > 0;) {
        size += (size_t)got;
    }
    CHECK(size >= 6 && memcmp(reply + size - 6, "x\1\0\0\0\3", 6) == 0);
    close(fd);
}

static void foreign_bytes_are_refused(void)
{
    static const struct {
        const char *bytes;
        size_t size;
    } bad[] = {
        {"", 0},
        {"GET / HTTP/1.1\r\n\r\n", 18},
        {"SCS1\xff\xff\xff\xff\0\0\0\0\0\0\0\0", 16},         /* 4 G arguments */
        {"SCS1\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff", 16}, /* 16 EiB of input */
        {"SCS1\1\0\0\0\0\0\0\0\0\0\0\0\xff\xff\xff\xff", 20}, /* 4 GiB argument */
        {"SCS1\1\0\0\0\0\0\0\0\0\0\0\0\3\0\0\0a\0b", 23},     /* a NUL inside */
        {"SCS1\2\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0a", 21},        /* ends early */
    };
    cli_control *control = open_server();
    int before = atomic_load(&served);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        int fd = connect_raw();
        CHECK(write(fd, bad[i].bytes, bad[i].size) == (ssize_t)bad[i].size);
        shutdown(fd, SHUT_WR);
        uint8_t byte;
        CHECK(read(fd, &byte, 1) <= 0);
        close(fd);
    }
    CHECK(atomic_load(&served) == before);
    cli_control_close(control);
}

/* The limit is for all arguments together: after 32 MiB of them there is no room for a byte.
 * (What was left of it was computed without the terminators, and went below zero.) */
static void no_argument_beyond_the_limit(void)
{
    size_t size = CLI_CONTROL_ARGUMENT_SIZE_MAX;
    uint8_t *bytes = calloc(1, size + 24 + 8);
    CHECK(bytes != NULL);
    memcpy(bytes, "SCS1\2", 5);
    memset(bytes + 16, 0, 4);
    bytes[19] = 2; /* 32 MiB */
    memset(bytes + 20, 'a', size);
    memcpy(bytes + 20 + size, "\4\0\0\0more", 8);
    cli_control *control = open_server();
    int before = atomic_load(&served);
    int fd = connect_raw();
    (void)!send(fd, bytes, size + 28, MSG_NOSIGNAL);
    shutdown(fd, SHUT_WR);
    uint8_t byte;
    CHECK(read(fd, &byte, 1) <= 0);
    close(fd);
    CHECK(atomic_load(&served) == before);
    cli_control_close(control);
    free(bytes);
}

static void *call_many(void *argument)
{
    atomic_int *good = argument;
    for (int i = 0; i < 50; i++) {
        const char *argv[] = {"set", "x"};
        call_result answer = call(2, argv, crdt_span_of("y"));
        if (answer.err == CRDT_OK && answer.code == 2 &&
            strcmp(answer.out, "[set][x]y") == 0) {
            atomic_fetch_add(good, 1);
        }
        answer_free(&answer);
    }
    return NULL;
}

static void many_callers_at_once(void)
{
    cli_control *control = open_server();
    pthread_t threads[8];
    atomic_int good = 0;
    for (size_t i = 0; i < 8; i++) {
        CHECK(pthread_create(&threads[i], NULL, call_many, &good) == 0);
    }
    for (size_t i = 0; i < 8; i++) {
        pthread_join(threads[i], NULL);
    }
    CHECK(atomic_load(&good) == 400);
    cli_control_close(control);
}

/* Callers beyond the limit are told so, and the slots come back. */
static void too_many_callers(void)
{
    cli_control *control = open_server();
    int fds[CLI_CONTROL_CALLER_MAX];
    uint8_t byte;
    uint8_t request[] = {'S', 'C', 'S', '1', 1, 0, 0, 0, 0,   0,   0,   0,
                         0,   0,   0,   0,   4, 0, 0, 0, 'w', 'a', 'i', 't'};
    for (size_t i = 0; i < CLI_CONTROL_CALLER_MAX; i++) {
        fds[i] = connect_raw();
        CHECK(write(fds[i], request, sizeof request) == sizeof request);
        CHECK(read(fds[i], &byte, 1) == 1);
    }
    call_result answer = call(0, NULL, crdt_span_of(""));
    CHECK(answer.err == CRDT_EBUSY);
    answer_free(&answer);
    for (size_t i = 0; i < CLI_CONTROL_CALLER_MAX; i++) {
        close(fds[i]);
    }
    do {
        answer = call(0, NULL, crdt_span_of(""));
        answer_free(&answer);
    } while (answer.err == CRDT_EBUSY);
    CHECK(answer.err == CRDT_OK);
    cli_control_close(control);
}

/* The folder's path may be longer than a socket's address. */
static void long_paths(void)
{
    char short_dir[sizeof dir];
    memcpy(short_dir, dir, sizeof dir);
    size_t size = strlen(dir);
    snprintf(dir + size, sizeof dir - size, "/%0150d", 7);
    CHECK(mkdir(dir, 0700) == 0);
    cli_control *control = open_server();
    call_result answer = call(0, NULL, crdt_span_of("z"));
    CHECK(answer.err == CRDT_OK && strcmp(answer.out, "z") == 0);
    answer_free(&answer);
    cli_control_close(control);
    rmdir(dir);
    memcpy(dir, short_dir, sizeof dir);
}

int main(void)
{
    snprintf(dir, sizeof dir, "/tmp/scenesync-control-XXXXXX");
    if (mkdtemp(dir) == NULL) {
        perror(dir);
        return 1;
    }
    everything_comes_through();
    only_the_owner_may_connect();
    without_a_node_nobody_serves();
    a_socket_left_behind_is_replaced();
    much_output_and_much_input();
    a_caller_that_leaves_is_noticed();
    closing_ends_those_who_wait();
    foreign_bytes_are_refused();
    no_argument_beyond_the_limit();
    many_callers_at_once();
    too_many_callers();
    long_paths();
    rmdir(dir);
    printf("test_control: %d failures\n", failures);
    return failures == 0 ? 0 : 1;
}
