#include "cli/kernel/process.h"

#include "scene/json.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_SIZE (64u << 10)
#define READ_SIZE 4096
#define NO_PROCESS 127 /* exit code of a child that could not become the program */

extern char **environ;

/* Gathers lines; one that is too long is cut. */
typedef struct line_buffer {
    char text[LINE_MAX_SIZE];
    size_t size;
} line_buffer;

struct kernel_process {
    kernel_process_options options;
    pid_t pid;
    int pidfd;
    int out_fd; /* its standard output */
    int err_fd;
    pthread_t thread;
    bool listening;
    kernel_log_file log;
    line_buffer out;
    line_buffer err;
    char said[KERNEL_SAID_SIZE];
};

/* ---- the child ---- */

static char **join_environment(const char *const *extra)
{
    size_t count = 0;
    size_t more = 0;
    while (environ[count] != NULL) {
        count++;
    }
    while (extra != NULL && extra[more] != NULL) {
        more++;
    }
    char **all = calloc(count + more + 1, sizeof *all);
    if (all == NULL) {
        return NULL;
    }
    size_t used = 0;
    for (size_t i = 0; i < more; i++) { /* the first of a name is the one that counts */
        memcpy(&all[used++], &extra[i], sizeof *all);
    }
    for (size_t i = 0; i < count; i++) {
        all[used++] = environ[i];
    }
    return all;
}

/* Only calls that are safe after a fork among threads. */
static _Noreturn void become(const char *program, const char *const *argv, char **env,
                             pid_t parent, int out_fd, int err_fd)
{
    sigset_t none;
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent) {
        _exit(NO_PROCESS); /* it died before we could be told */
    }
    int none_fd = open("/dev/null", O_RDONLY);
    if (none_fd >= 0) {
        dup2(none_fd, STDIN_FILENO);
    }
    dup2(out_fd, STDOUT_FILENO);
    dup2(err_fd, STDERR_FILENO);
    syscall(SYS_close_range, STDERR_FILENO + 1, ~0U, 0);
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    signal(SIGPIPE, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    char **words;
    memcpy(&words, &argv, sizeof words); /* execve promises not to change them */
    execve(program, words, env);
    _exit(NO_PROCESS);
}

static bool make_pipe(int ends[2])
{
    return pipe2(ends, O_CLOEXEC) == 0;
}

static void close_fd(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
    }
    *fd = -1;
}

/* Start the child; fills pid, pidfd, out_fd and err_fd. */
static crdt_err spawn(kernel_process *process, crdt_diag *diag)
{
    const kernel_process_options *options = &process->options;
    int out[2] = {-1, -1};
    int err[2] = {-1, -1};
    char **env = join_environment(options->extra);
    if (env != NULL && make_pipe(out) && make_pipe(err)) {
        pid_t parent = getpid();
        process->pid = fork();
        if (process->pid == 0) {
            become(options->program, options->argv, env, parent, out[1], err[1]);
        }
    }
    free(env);
    close_fd(&out[1]);
    close_fd(&err[1]);
    process->out_fd = out[0];
    process->err_fd = err[0];
    if (process->pid <= 0) {
        process->pid = 0;
        return crdt_diag_set(diag, CRDT_EIO, 0, "no process could be started");
    }
    process->pidfd = (int)syscall(SYS_pidfd_open, process->pid, 0);
    if (process->pidfd < 0) {
        return crdt_diag_set(diag, CRDT_EIO, 0, "the system has no pidfd");
    }
    fcntl(process->out_fd, F_SETFL, O_NONBLOCK);
    fcntl(process->err_fd, F_SETFL, O_NONBLOCK);
    return CRDT_OK;
}

/* ---- listening ---- */

static void copy_text(const scene_json_node *root, const char *key,
                      char out[KERNEL_URL_SIZE])
{
    const scene_json_node *node = scene_json_find(root, key);
    bool fits = node != NULL && node->type == SCENE_JSON_STRING &&
                node->count < KERNEL_URL_SIZE;
    snprintf(out, KERNEL_URL_SIZE, "%.*s", fits ? (int)node->count : 0,
             fits ? (const char *)scene_json_text(node).data : "");
}

static void hear_ready(kernel_process *process, crdt_span line)
{
    scene_json *json = NULL;
    if (scene_json_open(&json, crdt_alloc_default(), line, NULL, NULL) != CRDT_OK) {
        return;
    }
    char http[KERNEL_URL_SIZE];
    char url[KERNEL_URL_SIZE];
    copy_text(scene_json_root(json), "http", http);
    copy_text(scene_json_root(json), "url", url);
    scene_json_close(json);
    if (process->options.ready != NULL) {
        process->options.ready(process->options.ctx, http, url);
    }
}

/* A whole line, without its end. */
static void hear_line(kernel_process *process, const line_buffer *line, bool errors)
{
    static const char ready[] = "{\"event\":\"ready\"";
    crdt_span text = {(const uint8_t *)line->text, line->size};
    if (!errors && text.size > sizeof ready &&
        memcmp(text.data, ready, sizeof ready - 1) == 0) {
        hear_ready(process, text);
    }
    if (errors && text.size > 0) {
        snprintf(process->said, sizeof process->said, "%.*s", (int)text.size,
                 line->text);
    }
}

/* Take what there is to read; false: nothing will come any more. */
static bool take(kernel_process *process, int fd, line_buffer *line, bool errors)
{
    char bytes[READ_SIZE];
    ssize_t size = read(fd, bytes, sizeof bytes);
    if (size <= 0) {
        return size < 0 && (errno == EINTR || errno == EAGAIN);
    }
    kernel_log_file_write(&process->log,
                          (crdt_span){(const uint8_t *)bytes, (size_t)size});
    for (ssize_t i = 0; i < size; i++) {
        if (bytes[i] == '\n') {
            hear_line(process, line, errors);
            line->size = 0;
        } else if (line->size < sizeof line->text) {
            line->text[line->size++] = bytes[i];
        }
    }
    return true;
}

/* Until it has ended and all it said is taken. */
static void listen_to(kernel_process *process)
{
    struct pollfd fds[3] = {{.fd = process->out_fd, .events = POLLIN},
                            {.fd = process->err_fd, .events = POLLIN},
                            {.fd = process->pidfd, .events = POLLIN}};
    bool ended = false;
    while (!ended) {
        if (poll(fds, 3, -1) < 0) {
            continue;
        }
        if (fds[0].revents != 0 && !take(process, fds[0].fd, &process->out, false)) {
            fds[0].fd = -1;
        }
        if (fds[1].revents != 0 && !take(process, fds[1].fd, &process->err, true)) {
            fds[1].fd = -1;
        }
        /* Its pipes may be held open by others; its end is what counts. */
        ended = fds[2].revents != 0 && fds[0].revents == 0 && fds[1].revents == 0;
    }
}

static void *listen_thread(void *ctx)
{
    kernel_process *process = ctx;
    listen_to(process);
    int status = 0;
    while (waitpid(process->pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (process->options.exited != NULL) {
        process->options.exited(process->options.ctx, status, process->said);
    }
    return NULL;
}

crdt_err kernel_process_start(kernel_process **out,
                              const kernel_process_options *options, crdt_diag *diag)
{
    kernel_process *process = calloc(1, sizeof *process);
    if (process == NULL) {
        return CRDT_ENOMEM;
    }
    process->options = *options;
    process->pidfd = process->out_fd = process->err_fd = -1;
    kernel_log_file_open(&process->log, options->log_path, options->log_size_max);
    crdt_err err = spawn(process, diag);
    if (err == CRDT_OK) {
        process->listening =
            pthread_create(&process->thread, NULL, listen_thread, process) == 0;
        err = process->listening ? CRDT_OK : CRDT_ENOMEM;
    }
    if (err != CRDT_OK) {
        kernel_process_close(process);
        return err;
    }
    *out = process;
    return CRDT_OK;
}

pid_t kernel_process_pid(const kernel_process *process)
{
    return process->pid;
}

void kernel_process_signal(kernel_process *process, int number)
{
    syscall(SYS_pidfd_send_signal, process->pidfd, number, NULL, 0);
}

void kernel_process_close(kernel_process *process)
{
    if (process == NULL) {
        return;
    }
    if (process->pidfd >= 0) {
        kernel_process_signal(process, SIGKILL);
    }
    if (process->listening) {
        pthread_join(process->thread, NULL);
    } else if (process->pid > 0) {
        kill(process->pid, SIGKILL);
        waitpid(process->pid, NULL, 0);
    }
    close_fd(&process->pidfd);
    close_fd(&process->out_fd);
    close_fd(&process->err_fd);
    kernel_log_file_close(&process->log);
    free(process);
}

/* ---- commands ---- */

typedef struct command {
    pthread_mutex_t mutex;
    pthread_cond_t ended;
    bool done;
    int status;
    char said[KERNEL_SAID_SIZE];
} command;

static void note_end(void *ctx, int status, const char *said)
{
    command *c = ctx;
    pthread_mutex_lock(&c->mutex);
    c->done = true;
    c->status = status;
    snprintf(c->said, sizeof c->said, "%s", said);
    pthread_cond_signal(&c->ended);
    pthread_mutex_unlock(&c->mutex);
}

crdt_err kernel_process_run(const char *program, const char *const *argv,
                            const char *log_path, uint32_t timeout_ms, crdt_diag *diag)
{
    command c = {.mutex = PTHREAD_MUTEX_INITIALIZER, .ended = PTHREAD_COND_INITIALIZER};
    kernel_process_options options = {.program = program,
                                      .argv = argv,
                                      .log_path = log_path,
                                      .log_size_max = 1 << 20,
                                      .exited = note_end,
                                      .ctx = &c};
    kernel_process *process = NULL;
    crdt_err err = kernel_process_start(&process, &options, diag);
    if (err != CRDT_OK) {
        return err;
    }
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += timeout_ms / 1000 + 1;
    pthread_mutex_lock(&c.mutex);
    int waited = 0;
    while (!c.done && waited == 0) {
        waited = pthread_cond_timedwait(&c.ended, &c.mutex, &until);
    }
    bool late = !c.done;
    pthread_mutex_unlock(&c.mutex);
    kernel_process_close(process);
    if (late) {
        return crdt_diag_set(diag, CRDT_ETIMEOUT, 0, "`%s` takes too long", argv[1]);
    }
    if (!WIFEXITED(c.status) || WEXITSTATUS(c.status) != 0) {
        return crdt_diag_set(diag, CRDT_EREFUSED, 0, "`%s` failed: %s", argv[1],
                             c.said);
    }
    return CRDT_OK;
}
