#include "cli/play/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PIPE_FD 3                     /* of the sandbox */
#define STACK_SIZE ((rlim_t)64 << 20) /* the engine's own limits come first */
#define OWN_SIZE ((rlim_t)256 << 20)  /* address space for what is not the engine's */
#define WRITE_SIZE (64u << 10)        /* records are gathered up to this */
#define LOOK_MS 50                    /* how soon `stop` is seen */

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||             \
    __has_feature(memory_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#else
#define ARCHITECTURE 0 /* no filter is known: the other limits must do */
#endif

struct play_sandbox {
    play_limits limits;
    pid_t pid;
    int fd; /* records come here */
    crdt_buf records;
    size_t taken; /* bytes of records that were taken */
    uint64_t call_count;
    uint64_t size;
};

play_limits play_limits_default(void)
{
    return (play_limits){
        .memory_max = (size_t)64 << 20,
        .cpu_seconds = 5,
        .wall_ms = 10000,
        .call_max = 2000000,
        .size_max = (uint64_t)256 << 20,
    };
}

/* ---- in the sandbox ---- */

static void limit(int what, rlim_t most)
{
    struct rlimit both = {most, most};
    setrlimit((__rlimit_resource_t)what, &both);
}

/* How large the process is now, in bytes of address space. */
static rlim_t own_size(void)
{
    char text[64] = "";
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        ssize_t size = read(fd, text, sizeof text - 1);
        text[size > 0 ? size : 0] = '\0';
        close(fd);
    }
    return (rlim_t)strtoull(text, NULL, 10) * (rlim_t)sysconf(_SC_PAGESIZE);
}

static void set_limits(const play_limits *limits)
{
    struct rlimit cpu = {limits->cpu_seconds, limits->cpu_seconds + 1};
    setrlimit(RLIMIT_CPU, &cpu);
    limit(RLIMIT_CORE, 0);
    limit(RLIMIT_FSIZE, 0);
    limit(RLIMIT_NPROC, 0);
    limit(RLIMIT_STACK, STACK_SIZE);
    if (!SANITIZED) { /* else address space is no measure */
        limit(RLIMIT_AS, own_size() + limits->memory_max + STACK_SIZE + OWN_SIZE);
    }
    limit(RLIMIT_NOFILE, PIPE_FD + 1);
}

/* Nothing stays open but the pipe. */
static void close_files(int pipe_fd)
{
    int none = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = 0; fd < PIPE_FD; fd++) {
        if (none >= 0 && !(SANITIZED && fd == STDERR_FILENO)) {
            dup2(none, fd);
        }
    }
    if (pipe_fd != PIPE_FD) {
        dup2(pipe_fd, PIPE_FD);
    }
    syscall(SYS_close_range, PIPE_FD + 1, ~0U, 0);
}

#define ALLOW(name)                                                                    \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##name, 0, 1),                             \
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

/* From here on: memory, writing, time, the end. Anything else is as if not permitted, for
 * this process and for good. False: the system takes no filter. */
static bool filter_calls(void)
{
#if ARCHITECTURE != 0
    static struct sock_filter steps[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        ALLOW(write),
        ALLOW(brk),
        ALLOW(munmap),
        ALLOW(mremap),
        ALLOW(madvise),
        ALLOW(futex),
        ALLOW(clock_gettime),
        ALLOW(gettimeofday),
        ALLOW(rt_sigreturn),
        ALLOW(exit),
        ALLOW(exit_group),
        /* memory yes, but none that can be executed */
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mmap, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mprotect, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, PROT_EXEC, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
    };
    struct sock_fprog program = {sizeof steps / sizeof steps[0], steps};
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    /* sanitizers' runtime asks the kernel for more */
    return SANITIZED || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
#else
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    return true;
#endif
}

/* What the script said and what has not been written yet. */
static void flush(crdt_buf *waiting)
{
    size_t done = 0;
    while (done < waiting->size) {
        ssize_t size = write(PIPE_FD, waiting->data + done, waiting->size - done);
        if (size < 0 && errno != EINTR) {
            _exit(2); /* nobody listens any more */
        }
        done += size > 0 ? (size_t)size : 0;
    }
    crdt_buf_clear(waiting);
}

static void emit(void *ctx, const play_call *call)
{
    crdt_buf *waiting = ctx;
    if (play_call_encode(call, waiting) != CRDT_OK) {
        _exit(3);
    }
    if (waiting->size >= WRITE_SIZE) {
        flush(waiting);
    }
}

static void emit_end(crdt_buf *waiting, const play_failure *failure)
{
    play_call end = {.kind = PLAY_CALL_END,
                     .line = failure->line,
                     .argument_count = 2,
                     .arguments = {crdt_span_of(failure->text),
                                   crdt_span_of(failure->thrown ? "thrown" : "")}};
    emit(waiting, &end);
    flush(waiting);
}

static void end_fatally(void *ctx, const char *text)
{
    play_failure failure = {.failed = true};
    snprintf(failure.text, sizeof failure.text, "could not go on: %s", text);
    emit_end(ctx, &failure);
    _exit(0);
}

static _Noreturn void be_the_sandbox(pid_t parent, int pipe_fd, crdt_span code,
                                     const play_limits *limits)
{
    for (int number = 1; number < 32; number++) {
        signal(number, SIG_DFL);
    }
    signal(SIGPIPE, SIG_IGN);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) {
        _exit(2); /* it died before we could be told */
    }
    set_limits(limits);
    close_files(pipe_fd);
    crdt_buf waiting;
    crdt_buf_init(&waiting, crdt_alloc_default());
    if (!filter_calls()) {
        end_fatally(&waiting, "the system does not let it be confined (seccomp)");
    }
    play_script script = {.memory_max = limits->memory_max,
                          .emit = emit,
                          .fatal = end_fatally,
                          .ctx = &waiting};
    play_failure failure;
    play_engine_run(&script, code, &failure);
    emit_end(&waiting, &failure);
    _exit(0);
}

/* ---- in this process ---- */

crdt_err play_sandbox_start(play_sandbox **out, crdt_span code,
                            const play_limits *limits, crdt_diag *diag)
{
    int ends[2];
    play_sandbox *sandbox = malloc(sizeof *sandbox);
    if (sandbox == NULL) {
        return CRDT_ENOMEM;
    }
    *sandbox = (play_sandbox){.limits = *limits, .fd = -1};
    crdt_buf_init(&sandbox->records, crdt_alloc_default());
    if (pipe2(ends, O_CLOEXEC) != 0) {
        play_sandbox_close(sandbox);
        return crdt_diag_set(diag, CRDT_EIO, 0, "no pipe to a process for the script");
    }
    fflush(NULL);
    pid_t parent = getpid();
    sandbox->pid = fork();
    if (sandbox->pid == 0) {
        be_the_sandbox(parent, ends[1], code, limits);
    }
    close(ends[1]);
    sandbox->fd = ends[0];
    if (sandbox->pid < 0) {
        sandbox->pid = 0;
        play_sandbox_close(sandbox);
        return crdt_diag_set(diag, CRDT_EIO, 0, "no process for the script");
    }
    *out = sandbox;
    return CRDT_OK;
}

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void fail(play_failure *failure, const char *text)
{
    failure->failed = true;
    snprintf(failure->text, sizeof failure->text, "%s", text);
}

static void fail_slow(const play_sandbox *sandbox, play_failure *failure)
{
    failure->failed = true;
    snprintf(failure->text, sizeof failure->text,
             "took too long: the limits are %u s of work, %u s in all",
             sandbox->limits.cpu_seconds, sandbox->limits.wall_ms / 1000);
}

/* Take the whole records that are there. *ended: the last one was among them. */
static crdt_err take_records(play_sandbox *sandbox, play_take_fn take, void *ctx,
                             bool *ended, play_failure *failure)
{
    crdt_err err = CRDT_OK;
    crdt_diag diag = {0};
    while (err == CRDT_OK && !*ended) {
        crdt_span left = {sandbox->records.data + sandbox->taken,
                          sandbox->records.size - sandbox->taken};
        play_call call;
        size_t size;
        err = play_call_decode(left, &call, &size, &diag);
        if (err != CRDT_OK) {
            break;
        }
        sandbox->taken += size;
        sandbox->size += size;
        if (call.kind == PLAY_CALL_END) {
            *ended = true;
            failure->failed = call.arguments[0].size > 0;
            failure->thrown = call.arguments[1].size > 0;
            failure->line = call.line;
            snprintf(failure->text, sizeof failure->text, "%.*s",
                     (int)call.arguments[0].size, (const char *)call.arguments[0].data);
        } else if (++sandbox->call_count > sandbox->limits.call_max ||
                   sandbox->size > sandbox->limits.size_max) {
            err = crdt_diag_set(&diag, CRDT_ELIMIT, 0, "makes too many calls on dcl");
        } else {
            err = take(ctx, &call, &diag);
        }
    }
    if (err != CRDT_OK && err != CRDT_ENOTHING) {
        fail(failure, diag.text[0] != '\0' ? diag.text : crdt_err_text(err));
        return err;
    }
    return CRDT_OK;
}

/* Read what there is, after moving what is left to the front. 0: the end. */
static ssize_t fill(play_sandbox *sandbox)
{
    crdt_buf *records = &sandbox->records;
    if (sandbox->taken > 0) {
        records->size -= sandbox->taken;
        memmove(records->data, records->data + sandbox->taken, records->size);
        sandbox->taken = 0;
    }
    if (crdt_buf_reserve(records, WRITE_SIZE) != CRDT_OK) {
        return 0;
    }
    ssize_t size = read(sandbox->fd, records->data + records->size, WRITE_SIZE);
    if (size > 0) {
        records->size += (size_t)size;
    }
    return size < 0 && errno == EINTR ? 1 : size;
}

/* It has ended without saying how: ask the kernel. */
static void ask_why(play_sandbox *sandbox, play_failure *failure)
{
    int status = 0;
    while (waitpid(sandbox->pid, &status, 0) < 0 && errno == EINTR) {
    }
    sandbox->pid = 0;
    if (WIFSIGNALED(status) &&
        (WTERMSIG(status) == SIGXCPU || WTERMSIG(status) == SIGKILL)) {
        fail_slow(sandbox, failure);
    } else if (WIFSIGNALED(status)) {
        failure->failed = true;
        snprintf(failure->text, sizeof failure->text,
                 "made the engine crash (signal %d)", WTERMSIG(status));
    } else {
        fail(failure, "ended early");
    }
}

void play_sandbox_read(play_sandbox *sandbox, play_take_fn take, void *ctx,
                       const atomic_bool *stop, play_failure *failure)
{
    *failure = (play_failure){.failed = false};
    uint64_t until = now_ms() + sandbox->limits.wall_ms;
    bool ended = false;
    while (!ended) {
        uint64_t now = now_ms();
        struct pollfd ready = {.fd = sandbox->fd, .events = POLLIN};
        if (stop != NULL && atomic_load(stop)) {
            fail(failure, "was stopped");
            break;
        }
        if (now >= until) {
            fail_slow(sandbox, failure);
            break;
        }
        if (poll(&ready, 1, LOOK_MS) <= 0) {
            continue;
        }
        if (fill(sandbox) <= 0) {
            ask_why(sandbox, failure);
            break;
        }
        if (take_records(sandbox, take, ctx, &ended, failure) != CRDT_OK) {
            break;
        }
    }
    if (sandbox->pid > 0) {
        kill(sandbox->pid, SIGKILL);
        while (waitpid(sandbox->pid, NULL, 0) < 0 && errno == EINTR) {
        }
        sandbox->pid = 0;
    }
}

void play_sandbox_close(play_sandbox *sandbox)
{
    if (sandbox == NULL) {
        return;
    }
    if (sandbox->pid > 0) {
        kill(sandbox->pid, SIGKILL);
        waitpid(sandbox->pid, NULL, 0);
    }
    if (sandbox->fd >= 0) {
        close(sandbox->fd);
    }
    crdt_buf_deinit(&sandbox->records);
    free(sandbox);
}
