#include "cli/control.h"

#include "cli/control_request.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define FRAME_SIZE_MAX (1u << 20)
#define PATIENCE_MS 2000 /* wait so long before saying so */

/* One caller being served, in a thread of its own. */
typedef struct caller_slot {
    cli_control *control;
    pthread_t thread;
    int fd;
    bool started;       /* the thread is to be joined */
    atomic_bool ended;  /* it is about to return */
    pthread_mutex_t io; /* frames of output and errors do not mix */
} caller_slot;

struct cli_control {
    cli_control_fn fn;
    void *ctx;
    int dir_fd;
    int listen_fd;
    int stop_fd; /* eventfd, readable from close on */
    bool accepting;
    pthread_t thread;
    caller_slot slots[CLI_CONTROL_CALLER_MAX];
};

static void put_u32(uint8_t *at, uint32_t value)
{
    for (int i = 0; i < 4; i++) {
        at[i] = (uint8_t)(value >> (8 * i));
    }
}

static bool send_all(int fd, const void *bytes, size_t size)
{
    const uint8_t *at = bytes;
    while (size > 0) {
        ssize_t sent = send(fd, at, size, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) {
            continue;
        }
        if (sent <= 0) {
            return false;
        }
        at += sent;
        size -= (size_t)sent;
    }
    return true;
}

/* The path of the socket by way of the open directory: a store's own path may be longer
 * than the 107 bytes that a socket address holds. */
static void socket_address(int dir_fd, struct sockaddr_un *address)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    snprintf(address->sun_path, sizeof address->sun_path, "/proc/self/fd/%d/control",
             dir_fd);
}

/* ---- the node's side ---- */

typedef struct caller_stream {
    caller_slot *slot;
    uint8_t kind;
} caller_stream;

static bool send_frame(caller_slot *slot, uint8_t kind, const void *bytes, size_t size)
{
    uint8_t head[5] = {kind};
    put_u32(head + 1, (uint32_t)size);
    pthread_mutex_lock(&slot->io);
    bool sent =
        send_all(slot->fd, head, sizeof head) && send_all(slot->fd, bytes, size);
    pthread_mutex_unlock(&slot->io);
    return sent;
}

static ssize_t write_stream(void *cookie, const char *bytes, size_t size)
{
    const caller_stream *stream = cookie;
    size_t done = 0;
    while (done < size) {
        size_t part = size - done < FRAME_SIZE_MAX ? size - done : FRAME_SIZE_MAX;
        if (!send_frame(stream->slot, stream->kind, bytes + done, part)) {
            errno = EPIPE;
            return (ssize_t)done;
        }
        done += part;
    }
    return (ssize_t)size;
}

static bool caller_gone(void *ctx)
{
    const caller_slot *slot = ctx;
    struct pollfd fds[2] = {
        {.fd = slot->fd, .events = POLLRDHUP},
        {.fd = slot->control->stop_fd, .events = POLLIN},
    };
    return poll(fds, 2, 0) > 0;
}

static int run_request(caller_slot *slot, const cli_control_request *request)
{
    const cookie_io_functions_t io = {.write = write_stream};
    caller_stream out_stream = {slot, 'o'};
    caller_stream err_stream = {slot, 'e'};
    FILE *out = fopencookie(&out_stream, "w", io);
    FILE *err = fopencookie(&err_stream, "w", io);
    int code = 1;
    if (out != NULL && err != NULL) {
        setvbuf(err, NULL, _IOLBF, BUFSIZ);
        crdt_span input = {.data = request->input, .size = request->input_size};
        cli_caller caller = {.gone = caller_gone, .ctx = slot};
        code = slot->control->fn(slot->control->ctx, request->argc, request->argv,
                                 input, out, err, &caller);
    }
    if (out != NULL) {
        fclose(out);
    }
    if (err != NULL) {
        fclose(err);
    }
    return code;
}

static void *serve_caller(void *argument)
{
    caller_slot *slot = argument;
    cli_control_request request = {0};
    /* A caller that never finishes its request, or never reads, holds only its slot. */
    struct timeval limit = {.tv_sec = 30};
    setsockopt(slot->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(slot->fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    if (cli_control_request_receive(&request, slot->fd)) {
        uint8_t code = (uint8_t)run_request(slot, &request);
        send_frame(slot, 'x', &code, 1);
    }
    cli_control_request_deinit(&request);
    shutdown(slot->fd, SHUT_RDWR);
    atomic_store(&slot->ended, true);
    return NULL;
}

static bool same_user(int fd)
{
    struct ucred peer;
    socklen_t size = sizeof peer;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
           (peer.uid == geteuid() || peer.uid == 0);
}

static void end_slot(caller_slot *slot)
{
    if (slot->started) {
        pthread_join(slot->thread, NULL);
        close(slot->fd);
        slot->started = false;
    }
}

/* Give the caller a slot and a thread; without a free one it is turned away and tries
 * again. */
static void admit(cli_control *control, int fd)
{
    for (size_t i = 0; i < CLI_CONTROL_CALLER_MAX; i++) {
        caller_slot *slot = &control->slots[i];
        if (slot->started && atomic_load(&slot->ended)) {
            end_slot(slot);
        }
        if (!slot->started) {
            slot->fd = fd;
            atomic_store(&slot->ended, false);
            if (pthread_create(&slot->thread, NULL, serve_caller, slot) != 0) {
                break;
            }
            slot->started = true;
            return;
        }
    }
    const uint8_t busy[5] = {'b'};
    send_all(fd, busy, sizeof busy);
    close(fd);
}

static void *accept_callers(void *argument)
{
    cli_control *control = argument;
    struct pollfd fds[2] = {
        {.fd = control->listen_fd, .events = POLLIN},
        {.fd = control->stop_fd, .events = POLLIN},
    };
    for (;;) {
        if (poll(fds, 2, -1) < 0 && errno != EINTR) {
            return NULL;
        }
        if (fds[1].revents != 0) {
            return NULL;
        }
        if (fds[0].revents == 0) {
            continue;
        }
        int fd = accept4(control->listen_fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0 && same_user(fd)) {
            admit(control, fd);
        } else if (fd >= 0) {
            close(fd);
        } else if (errno == EMFILE || errno == ENFILE) {
            poll(&fds[1], 1, 100); /* no descriptor left: wait for one */
        }
    }
}

/* Mode 0600 before anybody can connect: nobody can until listen. */
static bool listen_at(cli_control *control, const char *dir)
{
    control->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    control->stop_fd = eventfd(0, EFD_CLOEXEC);
    control->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (control->dir_fd < 0 || control->stop_fd < 0 || control->listen_fd < 0) {
        return false;
    }
    struct sockaddr_un address;
    socket_address(control->dir_fd, &address);
    unlinkat(control->dir_fd, "control", 0);
    return bind(control->listen_fd, (struct sockaddr *)&address, sizeof address) == 0 &&
           fchmodat(control->dir_fd, "control", S_IRUSR | S_IWUSR, 0) == 0 &&
           listen(control->listen_fd, CLI_CONTROL_CALLER_MAX) == 0;
}

crdt_err cli_control_open(cli_control **out, const char *dir, cli_control_fn fn,
                          void *ctx, crdt_diag *diag)
{
    cli_control *control = calloc(1, sizeof *control);
    if (control == NULL) {
        return CRDT_ENOMEM;
    }
    control->fn = fn;
    control->ctx = ctx;
    control->dir_fd = control->listen_fd = control->stop_fd = -1;
    for (size_t i = 0; i < CLI_CONTROL_CALLER_MAX; i++) {
        control->slots[i].control = control;
        pthread_mutex_init(&control->slots[i].io, NULL);
    }
    if (!listen_at(control, dir) ||
        pthread_create(&control->thread, NULL, accept_callers, control) != 0) {
        crdt_diag_set(diag, CRDT_EIO, 0, "the control socket in %s cannot be made: %s",
                      dir, strerrorname_np(errno));
        cli_control_close(control);
        return CRDT_EIO;
    }
    control->accepting = true;
    *out = control;
    return CRDT_OK;
}

void cli_control_close(cli_control *control)
{
    if (control == NULL) {
        return;
    }
    if (control->accepting) {
        uint64_t one = 1;
        ssize_t written = write(control->stop_fd, &one, sizeof one);
        assert(written == sizeof one);
        (void)written;
        pthread_join(control->thread, NULL);
        unlinkat(control->dir_fd, "control", 0);
    }
    for (size_t i = 0; i < CLI_CONTROL_CALLER_MAX; i++) {
        end_slot(&control->slots[i]);
        pthread_mutex_destroy(&control->slots[i].io);
    }
    int fds[] = {control->listen_fd, control->stop_fd, control->dir_fd};
    for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++) {
        if (fds[i] >= 0) {
            close(fds[i]);
        }
    }
    free(control);
}

/* ---- the caller's side ---- */

static bool send_request(int fd, size_t argc, const char *const *argv, crdt_span input)
{
    uint8_t head[16];
    memcpy(head, CLI_CONTROL_MAGIC, 4);
    put_u32(head + 4, (uint32_t)argc);
    put_u32(head + 8, (uint32_t)input.size);
    put_u32(head + 12, (uint32_t)((uint64_t)input.size >> 32));
    if (!send_all(fd, head, sizeof head)) {
        return false;
    }
    for (size_t i = 0; i < argc; i++) {
        size_t size = strlen(argv[i]);
        uint8_t size_bytes[4];
        put_u32(size_bytes, (uint32_t)size);
        if (!send_all(fd, size_bytes, sizeof size_bytes) ||
            !send_all(fd, argv[i], size)) {
            return false;
        }
    }
    return send_all(fd, input.data, input.size);
}

/* Copy frames to the streams until the end comes. */
static crdt_err receive_reply(int fd, FILE *out, FILE *err, int *exit_code)
{
    uint8_t *bytes = malloc(FRAME_SIZE_MAX);
    if (bytes == NULL) {
        return CRDT_ENOMEM;
    }
    crdt_err result = CRDT_ECLOSED;
    struct pollfd first = {.fd = fd, .events = POLLIN};
    if (poll(&first, 1, PATIENCE_MS) == 0) {
        fputs("scenesync: waiting for the node that runs on the store\n", err);
    }
    for (;;) {
        uint8_t head[5];
        if (!cli_control_receive(fd, head, sizeof head)) {
            break;
        }
        size_t size = cli_control_number(head + 1, 4);
        if (size > FRAME_SIZE_MAX || !cli_control_receive(fd, bytes, size)) {
            break;
        }
        if (head[0] == 'b') {
            result = CRDT_EBUSY;
            break;
        }
        if (head[0] == 'x' && size == 1) {
            *exit_code = bytes[0];
            result = CRDT_OK;
            break;
        }
        FILE *stream = head[0] == 'e' ? err : out;
        fwrite(bytes, 1, size, stream);
        fflush(stream);
    }
    free(bytes);
    return result;
}

static int connect_to(const char *dir)
{
    int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir_fd < 0) {
        return -1;
    }
    struct sockaddr_un address;
    socket_address(dir_fd, &address);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        close(fd);
        fd = -1;
    }
    close(dir_fd);
    return fd;
}

crdt_err cli_control_call(const char *dir, size_t argc, const char *const *argv,
                          crdt_span input, FILE *out, FILE *err, int *exit_code,
                          crdt_diag *diag)
{
    if (argc > CLI_CONTROL_ARGUMENT_MAX || input.size > CLI_CONTROL_INPUT_SIZE_MAX) {
        return crdt_diag_set(diag, CRDT_ELIMIT, 0, "too much for the node's socket");
    }
    int fd = connect_to(dir);
    if (fd < 0) {
        return CRDT_ENOTFOUND;
    }
    /* A node that closes early has perhaps said why: read in any case. */
    send_request(fd, argc, argv, input);
    crdt_err result = receive_reply(fd, out, err, exit_code);
    close(fd);
    if (result == CRDT_ECLOSED) {
        crdt_diag_set(diag, result, 0, "the node went away before it was done");
    }
    return result;
}
