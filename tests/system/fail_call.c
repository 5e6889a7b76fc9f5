/* Run a program and let one of its system calls fail.
 *
 *   fail_call list FILE PROGRAM...              write the calls that could fail to FILE
 *   fail_call once|ever INDEX VARIANT PROGRAM...
 *
 * INDEX counts the calls that can fail, over all threads and children, from the begin of main
 * on (which `nm` tells): what loaders and libraries do before is none of the program's. VARIANT is one of the ways in which such a call fails
 * (the table below): an errno, or a read or write that does half of what it was asked for.
 * `ever`: all later calls of this kind fail alike. A line of the list: NAME VARIANT-COUNT.
 *
 * Exit code: the program's; 128 + n: it was ended by signal n; 77: there is no ptrace here.
 * FAIL_CALL_SPARED in the environment names calls that do not fail, FAIL_CALL_ONLY those that do.
 * What fails is told on standard error: "fail_call: pwrite64: ENOSPC". */

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <linux/ptrace.h>

enum { HALF = -1, VARIANT_MAX = 4, THREAD_MAX = 64, INTERRUPTED_MAX = 100 };

/* How a call may fail. HALF: it is asked for half as many bytes. */
typedef struct way {
    long number;
    const char *name;
    int errors[VARIANT_MAX]; /* 0: no more */
} way;

#define CALL(name) SYS_##name, #name
static const way WAYS[] = {
    {CALL(open), {EMFILE, EIO}},
    {CALL(openat), {EMFILE, EIO, EACCES}},
    {CALL(read), {EIO, EINTR, HALF}},
    {CALL(pread64), {EIO, EINTR, HALF}},
    {CALL(write), {EIO, ENOSPC, EINTR, HALF}},
    {CALL(pwrite64), {EIO, ENOSPC, EINTR, HALF}},
    {CALL(writev), {EIO, ENOSPC, EINTR}},
    {CALL(pwritev), {EIO, ENOSPC, EINTR}},
    {CALL(fsync), {EIO, ENOSPC}},
    {CALL(fdatasync), {EIO, ENOSPC}},
    {CALL(ftruncate), {EIO, ENOSPC}},
    {CALL(fallocate), {EIO, ENOSPC}},
    {CALL(rename), {EIO, ENOSPC}},
    {CALL(unlink), {EIO}},
    {CALL(link), {EIO, ENOSPC}},
    {CALL(mkdir), {EIO, ENOSPC}},
    {CALL(rmdir), {EIO}},
    {CALL(newfstatat), {EIO, ENOMEM}},
    {CALL(fstat), {EIO}},
    {CALL(statx), {EIO, ENOSYS}},
    {CALL(getdents64), {EIO}},
    {CALL(fcntl), {EIO, ENOLCK}},
    {CALL(flock), {EIO, ENOLCK}},
    {CALL(mmap), {ENOMEM}},
    {CALL(mremap), {ENOMEM}},
    {CALL(brk), {ENOMEM}},
    {CALL(mprotect), {ENOMEM}},
    {CALL(getrandom), {EINTR, ENOSYS}},
    {CALL(clone), {EAGAIN}},
    {CALL(clone3), {EAGAIN}},
    {CALL(vfork), {EAGAIN}},
    {CALL(socket), {EMFILE, ENOBUFS}},
    {CALL(bind), {EADDRINUSE}},
    {CALL(listen), {EADDRINUSE}},
    {CALL(connect), {ECONNREFUSED, EINTR}},
    {CALL(accept4), {EMFILE, ECONNABORTED}},
    {CALL(sendmsg), {ECONNRESET, EINTR, ENOBUFS}},
    {CALL(recvmsg), {ECONNRESET, EINTR}},
    {CALL(sendto), {ECONNRESET, EINTR, ENOBUFS}},
    {CALL(recvfrom), {ECONNRESET, EINTR}},
    {CALL(setsockopt), {ENOPROTOOPT}},
    {CALL(getsockname), {ENOBUFS}},
    {CALL(epoll_create1), {EMFILE}},
    {CALL(epoll_ctl), {ENOMEM, ENOSPC}},
    {CALL(epoll_wait), {EINTR}},
    {CALL(poll), {EINTR, ENOMEM}},
    {CALL(eventfd2), {EMFILE}},
    {CALL(pipe2), {EMFILE}},
    {CALL(dup), {EMFILE}},
    {CALL(timerfd_create), {EMFILE}},
    {CALL(signalfd4), {EMFILE}},
    {CALL(close), {EIO, EINTR}},
};
enum { WAY_COUNT = sizeof WAYS / sizeof WAYS[0] };

/* A thread in a call that shall fail. */
typedef struct thread {
    pid_t id;                    /* 0: free */
    int error;                   /* HALF: the call is made, of other arguments */
    unsigned long long rdi, rdx; /* as they were: a call leaves them alone */
} thread;

static struct {
    FILE *list; /* or NULL */
    bool ever;
    uint64_t index, variant;
    uint64_t count; /* of calls so far */
    const way *hit; /* what fails, once it was reached */
    uint64_t main;  /* where it lies, and */
    long kept;      /* what lies there */
    bool begun;
    uint64_t interrupted;
    bool told;
    thread threads[THREAD_MAX];
} run;

/* Is it named in a list like "mmap clone3"? */
static bool is_listed(const char *name, const char *list)
{
    size_t size = strlen(name);
    for (const char *at = list; at != NULL && (at = strstr(at, name)) != NULL;
         at += size) {
        if ((at == list || at[-1] == ' ') && (at[size] == ' ' || at[size] == '\0')) {
            return true;
        }
    }
    return false;
}

static const way *find_way(uint64_t number)
{
    for (size_t i = 0; i < WAY_COUNT; i++) {
        if (WAYS[i].number == (long)number) {
            const char *only = getenv("FAIL_CALL_ONLY");
            bool wanted = only == NULL || is_listed(WAYS[i].name, only);
            bool spared = is_listed(WAYS[i].name, getenv("FAIL_CALL_SPARED"));
            return wanted && !spared ? &WAYS[i] : NULL;
        }
    }
    return NULL;
}

static size_t variant_count(const way *w)
{
    size_t count = 0;
    while (count < VARIANT_MAX && w->errors[count] != 0) {
        count++;
    }
    return count;
}

/* Where main lies in the program's file. */
static uint64_t find_main(const char *program)
{
    char line[512];
    uint64_t found = 0;
    snprintf(line, sizeof line, "nm '%s'", program);
    FILE *names = popen(line, "re");
    while (names != NULL && fgets(line, sizeof line, names) != NULL) {
        if (strstr(line, " T main\n") != NULL) {
            found = strtoull(line, NULL, 16);
        }
    }
    if (names != NULL) {
        pclose(names);
    }
    return found;
}

/* Have it stop at main: the instruction there is another one until then. */
static void break_at_main(pid_t child, const char *program)
{
    char path[64];
    char line[512];
    snprintf(path, sizeof path, "/proc/%d/maps", (int)child);
    FILE *maps = fopen(path, "re");
    uint64_t begin = find_main(program);
    if (maps == NULL || begin == 0 || fgets(line, sizeof line, maps) == NULL) {
        fprintf(stderr, "fail_call: where is main of %s?\n", program);
        exit(2);
    }
    fclose(maps);
    run.main = begin + strtoull(line, NULL, 16); /* the program is mapped lowest */
    run.kept = ptrace(PTRACE_PEEKTEXT, child, (void *)run.main, NULL);
    ptrace(PTRACE_POKETEXT, child, (void *)run.main,
           (void *)((run.kept & ~0xffL) | 0xcc));
}

static void begin_main(pid_t child)
{
    struct user_regs_struct regs;
    ptrace(PTRACE_GETREGS, child, NULL, &regs);
    if (regs.rip != run.main + 1) {
        return;
    }
    ptrace(PTRACE_POKETEXT, child, (void *)run.main, (void *)run.kept);
    regs.rip = run.main;
    ptrace(PTRACE_SETREGS, child, NULL, &regs);
    run.begun = true;
}

/* Reads and writes of what is only in the kernel (eventfd, timerfd) do not fail so. */
static bool is_anonymous(pid_t id, const struct ptrace_syscall_info *info)
{
    char path[64];
    char target[32] = "";
    if (info->entry.nr != SYS_read && info->entry.nr != SYS_write) {
        return false;
    }
    snprintf(path, sizeof path, "/proc/%d/fd/%llu", (int)id,
             (unsigned long long)info->entry.args[0]);
    ssize_t size = readlink(path, target, sizeof target - 1);
    return size > 0 && strncmp(target, "anon_inode:", 11) == 0;
}

/* Is this call to fail? */
static const way *choose(pid_t id, const struct ptrace_syscall_info *info)
{
    const way *w = run.begun ? find_way(info->entry.nr) : NULL;
    if (w == NULL || is_anonymous(id, info)) {
        return NULL;
    }
    if (run.list != NULL) {
        fprintf(run.list, "%s %zu\n", w->name, variant_count(w));
        return NULL;
    }
    if (run.hit != NULL) {
        return run.ever && w == run.hit ? w : NULL;
    }
    if (run.count++ != run.index) {
        return NULL;
    }
    run.hit = w;
    return w;
}

static void remember(pid_t id, int error, const struct user_regs_struct *regs)
{
    for (size_t i = 0; i < THREAD_MAX; i++) {
        if (run.threads[i].id == 0) {
            run.threads[i] = (thread){id, error, regs->rdi, regs->rdx};
            return;
        }
    }
}

static void at_entry(pid_t id, const struct ptrace_syscall_info *info)
{
    const way *w = choose(id, info);
    struct user_regs_struct regs;
    if (w == NULL || run.variant >= variant_count(w) ||
        ptrace(PTRACE_GETREGS, id, NULL, &regs) != 0) {
        return;
    }
    int error = w->errors[run.variant];
    if (error == EINTR && ++run.interrupted > INTERRUPTED_MAX) {
        return; /* who asks again may do so for as long as he is interrupted */
    }
    if (w->number == SYS_brk) { /* it fails by telling the break as it is */
        error = HALF;
    }
    remember(id, error, &regs);
    if (!run.told) {
        run.told = true;
        fprintf(stderr, "fail_call: %s: %s\n", w->name,
                error == HALF ? "half" : strerrorname_np(error));
    }
    if (w->number == SYS_brk) {
        regs.rdi = 0;
    } else if (error == HALF) {
        regs.rdx = regs.rdx > 1 ? regs.rdx / 2 : regs.rdx;
    } else {
        regs.orig_rax = (unsigned long long)-1; /* no call at all */
    }
    ptrace(PTRACE_SETREGS, id, NULL, &regs);
}

static void at_exit_of_call(pid_t id)
{
    struct user_regs_struct regs;
    for (size_t i = 0; i < THREAD_MAX; i++) {
        thread *t = &run.threads[i];
        if (t->id != id || ptrace(PTRACE_GETREGS, id, NULL, &regs) != 0) {
            continue;
        }
        regs.rdi = t->rdi;
        regs.rdx = t->rdx;
        if (t->error != HALF) {
            regs.rax = (unsigned long long)-t->error;
        }
        ptrace(PTRACE_SETREGS, id, NULL, &regs);
        t->id = 0;
    }
}

static void at_call(pid_t id)
{
    struct ptrace_syscall_info info;
    long size = ptrace(PTRACE_GET_SYSCALL_INFO, id, (void *)sizeof info, &info);
    if (size <= 0) {
        return;
    }
    if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
        at_entry(id, &info);
    } else if (info.op == PTRACE_SYSCALL_INFO_EXIT) {
        at_exit_of_call(id);
    }
}

/* Until the program and its children have ended; the program's exit code. */
static int follow(pid_t child)
{
    int code = 0;
    for (;;) {
        int status = 0;
        pid_t id = waitpid(-1, &status, __WALL);
        if (id < 0) {
            return code;
        }
        if (WIFEXITED(status) || WIFSIGNALED(status)) {
            if (id == child) {
                code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
            }
            continue;
        }
        int deliver = 0;
        if (WSTOPSIG(status) == (SIGTRAP | 0x80)) {
            at_call(id);
        } else if (status >> 8 == SIGTRAP && !run.begun) {
            begin_main(id);
        } else if (status >> 16 == 0 && WSTOPSIG(status) != SIGSTOP &&
                   WSTOPSIG(status) != SIGTRAP) {
            deliver = WSTOPSIG(status);
        }
        ptrace(PTRACE_SYSCALL, id, NULL, (void *)(intptr_t)deliver);
    }
}

static int start(char **argv)
{
    pid_t child = fork();
    if (child == 0) {
        setenv("LD_BIND_NOW", "1", 1); /* so that the loader is done at once */
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0) {
            _exit(77);
        }
        execv(argv[0], argv);
        _exit(127);
    }
    int status = 0;
    if (waitpid(child, &status, 0) != child || !WIFSTOPPED(status)) {
        return WIFEXITED(status) ? WEXITSTATUS(status) : 2;
    }
    break_at_main(child, argv[0]);
    long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL | PTRACE_O_TRACECLONE |
                   PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK;
    if (ptrace(PTRACE_SETOPTIONS, child, NULL, (void *)options) != 0) {
        kill(child, SIGKILL);
        return 77;
    }
    ptrace(PTRACE_SYSCALL, child, NULL, NULL);
    int code = follow(child);
    return code;
}

int main(int argc, char **argv)
{
    bool list = argc > 3 && strcmp(argv[1], "list") == 0;
    bool ever = argc > 4 && strcmp(argv[1], "ever") == 0;
    bool once = argc > 4 && strcmp(argv[1], "once") == 0;
    if (list) {
        run.list = fopen(argv[2], "we");
    } else if (once || ever) {
        run.ever = ever;
        run.index = strtoull(argv[2], NULL, 10);
        run.variant = strtoull(argv[3], NULL, 10);
    }
    if ((list && run.list == NULL) || (!list && !once && !ever)) {
        fputs("usage: fail_call list FILE PROGRAM... | once|ever INDEX VARIANT "
              "PROGRAM...\n",
              stderr);
        return 2;
    }
    int code = start(argv + (list ? 3 : 4));
    if (run.list != NULL) {
        fclose(run.list);
    }
    return code;
}
#else
int main(void)
{
    fputs("fail_call: only for x86-64\n", stderr);
    return 77;
}
#endif
