#include "cli/confine.h"

#include "sync/file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Sanitizers trace their own process and read its files at the end; coverage is written
 * beside the objects. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) ||                   \
    defined(SCENESYNC_COVERAGE)
#define INSTRUMENTED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||             \
    __has_feature(memory_sanitizer)
#define INSTRUMENTED 1
#endif
#endif
#ifndef INSTRUMENTED
#define INSTRUMENTED 0
#endif

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#else
#define ARCHITECTURE 0 /* no filter is known */
#endif

/* ---- the plan ---- */

void cli_confine_write(cli_confine_plan *plan, const char *folder)
{
    if (folder != NULL && plan->write_count < CLI_CONFINE_PATHS_MAX) {
        plan->writes[plan->write_count++] = folder;
    }
}

void cli_confine_make(cli_confine_plan *plan, const char *folder)
{
    if (plan->write_count < CLI_CONFINE_PATHS_MAX) {
        plan->made[plan->write_count] = folder != NULL;
    }
    cli_confine_write(plan, folder);
}

void cli_confine_read(cli_confine_plan *plan, const char *path)
{
    if (path != NULL && plan->read_count < CLI_CONFINE_PATHS_MAX) {
        plan->reads[plan->read_count++] = path;
    }
}

/* The folder that holds `path`. */
static void folder_of(const char *path, char folder[CLI_CONFINE_PATH_SIZE])
{
    size_t size = strnlen(path, CLI_CONFINE_PATH_SIZE - 1);
    while (size > 1 && path[size - 1] == '/') {
        size--;
    }
    while (size > 0 && path[size - 1] != '/') {
        size--;
    }
    while (size > 1 && path[size - 1] == '/') {
        size--;
    }
    snprintf(folder, CLI_CONFINE_PATH_SIZE, "%.*s", (int)size, path);
    if (size == 0) {
        snprintf(folder, CLI_CONFINE_PATH_SIZE, ".");
    }
}

void cli_confine_write_beside(cli_confine_plan *plan, const char *path, char *folder)
{
    if (path != NULL) {
        folder_of(path, folder);
        cli_confine_write(plan, folder);
    }
}

void cli_confine_read_beside(cli_confine_plan *plan, const char *path, char *folder)
{
    if (path != NULL) {
        folder_of(path, folder);
        cli_confine_read(plan, folder);
    }
}

static bool is_same_or_above(const char *folder, const char *below)
{
    size_t size = strlen(folder);
    return strncmp(folder, below, size) == 0 &&
           (below[size] == '\0' || below[size] == '/' || strcmp(folder, "/") == 0);
}

bool cli_confine_is_broad(const char *path)
{
    static const char *const shared[] = {"/tmp", "/var/tmp", "/dev/shm"};
    char folder[CLI_CONFINE_PATH_SIZE];
    folder_of(path, folder);
    char *whole = realpath(folder, NULL);
    const char *home = getenv("HOME");
    bool broad = whole == NULL || strcmp(whole, "/") == 0 ||
                 (home != NULL && is_same_or_above(whole, home));
    for (size_t i = 0; !broad && i < sizeof shared / sizeof shared[0]; i++) {
        broad = strcmp(whole, shared[i]) == 0;
    }
    free(whole);
    return broad;
}

/* ---- memory and privileges ---- */

static bool close_memory(void)
{
    struct rlimit none = {0, 0};
    return setrlimit(RLIMIT_CORE, &none) == 0 &&
           prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0;
}

/* ---- files: Landlock, as the kernel numbers it ---- */

#define LANDLOCK_CREATE 444
#define LANDLOCK_ADD 445
#define LANDLOCK_RESTRICT 446
#define LANDLOCK_VERSION 1u /* flag: only tell the version */
#define LANDLOCK_PATH_BENEATH 1

enum {
    FS_EXECUTE = 1 << 0,
    FS_WRITE_FILE = 1 << 1,
    FS_READ_FILE = 1 << 2,
    FS_READ_DIR = 1 << 3,
    FS_REMOVE_DIR = 1 << 4,
    FS_REMOVE_FILE = 1 << 5,
    FS_MAKE_CHAR = 1 << 6,
    FS_MAKE_DIR = 1 << 7,
    FS_MAKE_REG = 1 << 8,
    FS_MAKE_SOCK = 1 << 9,
    FS_MAKE_FIFO = 1 << 10,
    FS_MAKE_BLOCK = 1 << 11,
    FS_MAKE_SYM = 1 << 12,
    FS_REFER = 1 << 13,     /* from version 2 */
    FS_TRUNCATE = 1 << 14,  /* 3 */
    FS_IOCTL_DEV = 1 << 15, /* 5 */
    FS_READ = FS_READ_FILE | FS_READ_DIR,
    FS_OF_FILES =
        FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE | FS_IOCTL_DEV,
    FS_WRITE = FS_READ | FS_WRITE_FILE | FS_REMOVE_DIR | FS_REMOVE_FILE | FS_MAKE_DIR |
               FS_MAKE_REG | FS_MAKE_SOCK | FS_REFER | FS_TRUNCATE,
};

enum { SCOPE_ABSTRACT_SOCKETS = 1 << 0, SCOPE_SIGNALS = 1 << 1 }; /* from version 6 */

typedef struct ruleset {
    uint64_t files;
    uint64_t network; /* from version 4 */
    uint64_t scoped;  /* from version 6 */
} ruleset;

typedef struct path_rule {
    uint64_t allowed;
    int32_t parent_fd;
} __attribute__((packed)) path_rule;

static uint64_t rights_of_version(long version)
{
    uint64_t rights = (FS_MAKE_SYM << 1) - 1;
    rights |= version >= 2 ? FS_REFER : 0;
    rights |= version >= 3 ? FS_TRUNCATE : 0;
    rights |= version >= 5 ? FS_IOCTL_DEV : 0;
    return rights;
}

/* What is not there needs no rule. */
static void allow_path(int rules, const char *path, uint64_t rights)
{
    struct stat status;
    int fd = open(path, O_PATH | O_CLOEXEC);
    if (fd >= 0 && fstat(fd, &status) == 0) {
        path_rule rule = {.allowed = rights, .parent_fd = fd};
        if (!S_ISDIR(status.st_mode)) {
            rule.allowed &= FS_OF_FILES;
        }
        syscall(LANDLOCK_ADD, rules, LANDLOCK_PATH_BENEATH, &rule, 0);
    }
    if (fd >= 0) {
        close(fd);
    }
}

static void allow_system(int rules, uint64_t known)
{
    static const char *const read[] = {"/usr",
                                       "/lib",
                                       "/lib64",
                                       "/proc",
                                       "/sys/devices/system",
                                       "/dev/urandom",
                                       "/dev/random",
                                       "/run/systemd/resolve",
                                       "/run/NetworkManager",
                                       "/run/resolvconf"};
    static const char *const settings[] = {
        "/etc/resolv.conf", "/etc/hosts",           "/etc/nsswitch.conf",
        "/etc/host.conf",   "/etc/gai.conf",        "/etc/services",
        "/etc/protocols",   "/etc/passwd",          "/etc/group",
        "/etc/ssl/certs",   "/etc/ssl/openssl.cnf", "/etc/localtime",
        "/etc/ld.so.cache", "/etc/ca-certificates"};
    for (size_t i = 0; i < sizeof read / sizeof read[0]; i++) {
        allow_path(rules, read[i], FS_READ);
    }
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        allow_path(rules, settings[i], FS_READ);
    }
    if (geteuid() != 0) { /* what everybody may read, replaced or not */
        allow_path(rules, "/etc", FS_READ);
    }
    allow_path(rules, "/dev/null",
               (FS_READ_FILE | FS_WRITE_FILE | FS_TRUNCATE) & known);
}

/* The program itself and what loads it. */
static void allow_program(int rules)
{
    static const char *const loaders[] = {"/lib64/ld-linux-x86-64.so.2",
                                          "/lib/ld-linux-aarch64.so.1"};
    allow_path(rules, "/proc/self/exe", FS_EXECUTE | FS_READ_FILE);
    for (size_t i = 0; i < sizeof loaders / sizeof loaders[0]; i++) {
        allow_path(rules, loaders[i], FS_EXECUTE | FS_READ_FILE);
    }
}

/* The version of Landlock that holds from now on; 0: none. */
static int close_files(const cli_confine_plan *plan)
{
    long version = syscall(LANDLOCK_CREATE, NULL, 0, LANDLOCK_VERSION);
    if (version < 1) {
        return 0;
    }
    ruleset all = {.files = rights_of_version(version)};
    size_t size = sizeof all.files;
    if (version >= 6) {
        all.scoped = SCOPE_ABSTRACT_SOCKETS | (plan->spawns ? 0u : SCOPE_SIGNALS);
        size = sizeof all;
    }
    int rules = (int)syscall(LANDLOCK_CREATE, &all, size, 0);
    if (rules < 0) {
        return 0;
    }
    allow_system(rules, all.files);
    for (size_t i = 0; i < plan->read_count; i++) {
        allow_path(rules, plan->reads[i], FS_READ);
    }
    for (size_t i = 0; i < plan->write_count; i++) {
        allow_path(rules, plan->writes[i], FS_WRITE & all.files);
    }
    if (plan->spawns) {
        allow_program(rules);
    }
    bool closed = syscall(LANDLOCK_RESTRICT, rules, 0) == 0;
    close(rules);
    return closed ? (int)version : 0;
}

/* ---- system calls ---- */

#define NEWEST_CALL 450 /* newer ones "are not there": the C library does without */

/* What any server uses. Calls that an architecture has not are left out. */
static const int SERVER_CALLS[] = {
    /* files and folders */
    SYS_read,
    SYS_write,
    SYS_readv,
    SYS_writev,
    SYS_pread64,
    SYS_pwrite64,
    SYS_preadv,
    SYS_pwritev,
    SYS_preadv2,
    SYS_pwritev2,
    SYS_close,
    SYS_close_range,
    SYS_fstat,
    SYS_newfstatat,
    SYS_statx,
    SYS_statfs,
    SYS_fstatfs,
    SYS_openat,
    SYS_lseek,
    SYS_fcntl,
    SYS_flock,
    SYS_fsync,
    SYS_fdatasync,
    SYS_sync_file_range,
    SYS_ftruncate,
    SYS_truncate,
    SYS_fallocate,
    SYS_fadvise64,
    SYS_renameat,
    SYS_renameat2,
    SYS_unlinkat,
    SYS_mkdirat,
    SYS_getdents64,
    SYS_getcwd,
    SYS_faccessat,
    SYS_faccessat2,
    SYS_readlinkat,
    SYS_fchmod,
    SYS_fchmodat,
    SYS_umask,
    SYS_utimensat,
    SYS_pipe2,
    SYS_dup,
    SYS_dup3,
    /* memory */
    SYS_brk,
    SYS_munmap,
    SYS_mremap,
    SYS_madvise,
    SYS_msync,
    SYS_mlock,
    SYS_mlock2,
    SYS_munlock,
    SYS_mincore,
    /* events and sockets */
    SYS_eventfd2,
    SYS_signalfd4,
    SYS_timerfd_create,
    SYS_timerfd_settime,
    SYS_timerfd_gettime,
    SYS_epoll_create1,
    SYS_epoll_ctl,
    SYS_epoll_pwait,
    SYS_epoll_pwait2,
    SYS_ppoll,
    SYS_pselect6,
    SYS_socketpair,
    SYS_bind,
    SYS_listen,
    SYS_accept,
    SYS_accept4,
    SYS_connect,
    SYS_getsockname,
    SYS_getpeername,
    SYS_sendto,
    SYS_recvfrom,
    SYS_sendmsg,
    SYS_recvmsg,
    SYS_sendmmsg,
    SYS_recvmmsg,
    SYS_setsockopt,
    SYS_getsockopt,
    SYS_shutdown,
    /* threads, time, who we are */
    SYS_futex,
    SYS_futex_waitv,
    SYS_set_robust_list,
    SYS_get_robust_list,
    SYS_rseq,
    SYS_membarrier,
    SYS_set_tid_address,
    SYS_exit,
    SYS_exit_group,
    SYS_gettid,
    SYS_getpid,
    SYS_getppid,
    SYS_getuid,
    SYS_geteuid,
    SYS_getgid,
    SYS_getegid,
    SYS_getresuid,
    SYS_getresgid,
    SYS_getgroups,
    SYS_getpgid,
    SYS_sched_yield,
    SYS_sched_getaffinity,
    SYS_sched_setaffinity,
    SYS_sched_getparam,
    SYS_sched_getscheduler,
    SYS_getpriority,
    SYS_nanosleep,
    SYS_clock_nanosleep,
    SYS_clock_gettime,
    SYS_clock_getres,
    SYS_gettimeofday,
    SYS_times,
    SYS_getrusage,
    SYS_sysinfo,
    SYS_uname,
    SYS_getrandom,
    SYS_getcpu,
    SYS_rt_sigaction,
    SYS_rt_sigprocmask,
    SYS_rt_sigreturn,
    SYS_rt_sigpending,
    SYS_rt_sigtimedwait,
    SYS_rt_sigsuspend,
    SYS_sigaltstack,
    SYS_tgkill,
    SYS_tkill,
    SYS_restart_syscall,
    SYS_prctl,
    SYS_prlimit64,
    SYS_setrlimit,
    SYS_getrlimit,
#ifdef SYS_open /* calls of older architectures, which the libraries may still make */
    SYS_open,
    SYS_stat,
    SYS_lstat,
    SYS_access,
    SYS_readlink,
    SYS_unlink,
    SYS_rename,
    SYS_mkdir,
    SYS_rmdir,
    SYS_chmod,
    SYS_pipe,
    SYS_dup2,
    SYS_poll,
    SYS_select,
    SYS_epoll_wait,
    SYS_epoll_create,
    SYS_eventfd,
    SYS_signalfd,
    SYS_getpgrp,
    SYS_time,
    SYS_getdents,
    SYS_arch_prctl,
#endif
};
/* Who starts processes, too. */
static const int FORK_CALLS[] = {
    SYS_kill,          SYS_wait4,  SYS_waitid,  SYS_pidfd_open,  SYS_pidfd_send_signal,
    SYS_setpgid,       SYS_setsid, SYS_seccomp, LANDLOCK_CREATE, LANDLOCK_ADD,
    LANDLOCK_RESTRICT,
#ifdef SYS_fork
    SYS_fork,          SYS_vfork,
#endif
};

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define STEPS_MAX 600

typedef struct filter {
    struct sock_filter steps[STEPS_MAX];
    size_t count;
} filter;

static void step(filter *f, struct sock_filter one)
{
    if (f->count < STEPS_MAX) {
        f->steps[f->count] = one;
    }
    f->count++;
}

static void load(filter *f, size_t offset)
{
    step(f, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset));
}

static void answer(filter *f, uint32_t what)
{
    step(f, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, what));
}

/* Go on with the next `count` steps if it is equal, else leave them out. */
static void if_equal(filter *f, uint32_t value, uint8_t count)
{
    step(f, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, count));
}

static void if_any_bit(filter *f, uint32_t bits, uint8_t count)
{
    step(f, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, bits, 0, count));
}

static void allow_calls(filter *f, const int *calls, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if_equal(f, (uint32_t)calls[i], 1);
        answer(f, SECCOMP_RET_ALLOW);
    }
}

#define ARGUMENT(n) (offsetof(struct seccomp_data, args) + (n) * sizeof(uint64_t))
#define REFUSE (SECCOMP_RET_ERRNO | EPERM)
#define MISSING (SECCOMP_RET_ERRNO | ENOSYS)

/* Memory may be executed, or written, not both; and none becomes executable later. */
static void allow_memory(filter *f)
{
    if_equal(f, SYS_mmap, 8);
    load(f, ARGUMENT(2));
    if_any_bit(f, PROT_EXEC, 5);
    if_any_bit(f, PROT_WRITE, 1);
    answer(f, REFUSE);
    load(f, ARGUMENT(3));
    if_any_bit(f, MAP_ANONYMOUS, 1);
    answer(f, REFUSE);
    answer(f, SECCOMP_RET_ALLOW);
    if_equal(f, SYS_mprotect, 4);
    load(f, ARGUMENT(2));
    if_any_bit(f, PROT_EXEC, 1);
    answer(f, REFUSE);
    answer(f, SECCOMP_RET_ALLOW);
}

/* Sockets of the network and of this machine, what asks the kernel for addresses; no raw
 * ones, and no families else. */
static void allow_sockets(filter *f)
{
    if_equal(f, SYS_socket, 13);
    load(f, ARGUMENT(0));
    if_equal(f, AF_UNIX, 1);
    answer(f, SECCOMP_RET_ALLOW);
    if_equal(f, AF_NETLINK, 1);
    answer(f, SECCOMP_RET_ALLOW);
    step(f, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_INET, 2, 0));
    step(f, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_INET6, 1, 0));
    answer(f, SECCOMP_RET_ERRNO | EAFNOSUPPORT);
    load(f, ARGUMENT(1));
    step(f, (struct sock_filter)BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xf));
    if_equal(f, SOCK_RAW, 1);
    answer(f, REFUSE); /* of those who have the rights for it, too */
    answer(f, SECCOMP_RET_ALLOW);
}

/* A terminal takes no input from us. */
static void allow_controls(filter *f)
{
    if_equal(f, SYS_ioctl, 4);
    load(f, ARGUMENT(1));
    if_equal(f, TIOCSTI, 1);
    answer(f, REFUSE);
    answer(f, SECCOMP_RET_ALLOW);
}

/* A thread is no process. The newer call hides its flags from a filter. */
static void allow_threads(filter *f, bool forks)
{
    const uint32_t thread_flag = 0x00010000; /* CLONE_THREAD */
    if_equal(f, SYS_clone3, 1);
    answer(f, MISSING);
    if_equal(f, SYS_clone, 4);
    load(f, ARGUMENT(0));
    if_any_bit(f, thread_flag, 1);
    answer(f, SECCOMP_RET_ALLOW);
    answer(f, forks ? SECCOMP_RET_ALLOW : REFUSE);
}

static bool close_calls(const cli_confine_plan *plan)
{
    static filter f; /* before any thread; too large for some stacks */
    f.count = 0;
    load(&f, offsetof(struct seccomp_data, arch));
    if_equal(&f, ARCHITECTURE, 1);
    step(&f, (struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA, 1));
    answer(&f, SECCOMP_RET_KILL_PROCESS);
    load(&f, offsetof(struct seccomp_data, nr));
    allow_calls(&f, SERVER_CALLS, COUNT(SERVER_CALLS));
    if (plan->forks || plan->spawns) {
        allow_calls(&f, FORK_CALLS, COUNT(FORK_CALLS));
    }
    if (plan->spawns) {
        static const int own[] = {SYS_execve};
        allow_calls(&f, own, 1);
    }
    allow_memory(&f);
    allow_sockets(&f);
    allow_controls(&f);
    allow_threads(&f, plan->forks || plan->spawns);
    step(&f,
         (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, NEWEST_CALL, 0, 1));
    answer(&f, MISSING);
    answer(&f, REFUSE);
    struct sock_fprog program = {(unsigned short)f.count, f.steps};
    return ARCHITECTURE != 0 && f.count <= STEPS_MAX &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

/* ---- all of it ---- */

crdt_err cli_confine(const cli_confine_plan *plan, cli_confined *done, crdt_diag *diag)
{
    *done = (cli_confined){.files = 0};
    for (size_t i = 0; i < plan->write_count; i++) {
        crdt_err err =
            plan->made[i] ? sync_file_make_dir(plan->writes[i], diag) : CRDT_OK;
        if (err != CRDT_OK) {
            return err;
        }
    }
    done->privileges = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
    if (INSTRUMENTED || !done->privileges) {
        return CRDT_OK;
    }
    done->memory = close_memory();
    done->files = close_files(plan);
    done->calls = close_calls(plan);
    return CRDT_OK;
}

void cli_confined_text(const cli_confined *done, char out[CLI_CONFINED_SIZE])
{
    char files[32] = "";
    if (done->files > 0) {
        snprintf(files, sizeof files, ", files (Landlock %d)", done->files);
    }
    snprintf(out, CLI_CONFINED_SIZE, "%s%s%s%s",
             done->privileges ? "no new privileges" : "nothing: the system has no way",
             done->memory ? ", no core files" : "", files,
             done->calls ? ", system calls (seccomp)" : "");
}
