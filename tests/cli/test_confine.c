/* What a confined process cannot do any more, tried in a child each; and that a child
 * which is not confined can, so that the trial itself is known to work. */

#include "cli/confine.h"
#include "tests/support/temp_dir.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATH_SIZE 4200

typedef struct scene {
    char own[PATH_SIZE];     /* a folder that it keeps */
    char foreign[PATH_SIZE]; /* a file that is none of its business */
    char program[PATH_SIZE];
    cli_confine_plan plan;
    cli_confined done;
    temp_dir dir;
} scene;

static void write_file(const char *path)
{
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file);
    fputs("secret", file);
    fclose(file);
}

static void prepare(scene *s)
{
    *s = (scene){.plan = {.write_count = 0}};
    temp_dir_open(&s->dir);
    snprintf(s->own, sizeof s->own, "%s/own", s->dir.path);
    snprintf(s->foreign, sizeof s->foreign, "%s/foreign", s->dir.path);
    write_file(s->foreign);
    cli_confine_make(&s->plan, s->own);
}

/* Run `trial` in a child, confined or not. Its result: 0 done, else the errno. */
typedef int (*trial_fn)(scene *s);

static int try_it(scene *s, trial_fn trial, bool confined)
{
    pid_t child = fork();
    if (child == 0) {
        crdt_diag diag;
        if (confined && cli_confine(&s->plan, &s->done, &diag) != CRDT_OK) {
            _exit(250);
        }
        _exit(trial(s));
    }
    int status = 0;
    cr_assert_eq(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 200 + WTERMSIG(status);
}

/* What the machine and this build can hold shut: as the child says. */
static int tell_calls(scene *s)
{
    return s->done.calls ? 0 : 1;
}

static int tell_files(scene *s)
{
    return s->done.files > 0 ? 0 : 1;
}

static int tell_memory(scene *s)
{
    return s->done.memory ? 0 : 1;
}

static bool is_on(scene *s, trial_fn tell)
{
    bool on = try_it(s, tell, true) == 0;
    if (!on) {
        cr_skip_test("this system or build has it not");
    }
    return on;
}

static void expect(scene *s, trial_fn trial, int free_result, int confined_result)
{
    int as_free = try_it(s, trial, false);
    int as_confined = try_it(s, trial, true);
    cr_assert_eq(as_free, free_result, "free: %d, not %d", as_free, free_result);
    cr_assert_eq(as_confined, confined_result, "confined: %d, not %d", as_confined,
                 confined_result);
}

/* ---- files ---- */

static int read_foreign(scene *s)
{
    return open(s->foreign, O_RDONLY | O_CLOEXEC) >= 0 ? 0 : errno;
}

static int write_foreign(scene *s)
{
    return open(s->foreign, O_WRONLY | O_CLOEXEC) >= 0 ? 0 : errno;
}

static int remove_foreign(scene *s)
{
    return unlink(s->foreign) == 0 ? (write_file(s->foreign), 0) : errno;
}

static int list_home(scene *s)
{
    return opendir(s->dir.path) != NULL ? 0 : errno;
}

static int make_beside(scene *s)
{
    char path[PATH_SIZE + 8];
    snprintf(path, sizeof path, "%s.more", s->foreign);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    return fd >= 0 ? (unlink(path), 0) : errno;
}

/* Through the folder that it has. */
static int climb_out(scene *s)
{
    char path[PATH_SIZE + 32];
    mkdir(s->own, 0700);
    snprintf(path, sizeof path, "%s/../foreign", s->own);
    return open(path, O_RDONLY | O_CLOEXEC) >= 0 ? 0 : errno;
}

static int link_out(scene *s)
{
    char path[PATH_SIZE + 32];
    mkdir(s->own, 0700);
    snprintf(path, sizeof path, "%s/link", s->own);
    unlink(path);
    return symlink(s->foreign, path) == 0 ? 0 : errno;
}

static int work_in_own(scene *s)
{
    char path[PATH_SIZE + 32];
    char other[PATH_SIZE + 32];
    mkdir(s->own, 0700);
    snprintf(path, sizeof path, "%s/sub", s->own);
    if (mkdir(path, 0700) != 0 && errno != EEXIST) {
        return errno;
    }
    snprintf(path, sizeof path, "%s/sub/file", s->own);
    snprintf(other, sizeof other, "%s/file", s->own);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, "x", 1) != 1 || fsync(fd) != 0 || ftruncate(fd, 0) != 0 ||
        fchmod(fd, 0600) != 0 ||
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED) {
        return errno;
    }
    return rename(path, other) == 0 && unlink(other) == 0 ? 0 : errno;
}

Test(confine, keeps_its_own_files_and_loses_all_others)
{
    scene s;
    prepare(&s);
    if (is_on(&s, tell_files)) {
        expect(&s, work_in_own, 0, 0);
        expect(&s, read_foreign, 0, EACCES);
        expect(&s, write_foreign, 0, EACCES);
        expect(&s, remove_foreign, 0, EACCES);
        expect(&s, list_home, 0, EACCES);
        expect(&s, make_beside, 0, EACCES);
        expect(&s, climb_out, 0, EACCES);
        expect(&s, link_out, 0, EPERM); /* no call for it */
    }
    temp_dir_close(&s.dir);
}

/* A folder may be given to be read, the one around a file to be written. */
Test(confine, keeps_what_the_plan_names)
{
    scene s;
    char folder[CLI_CONFINE_PATH_SIZE];
    prepare(&s);
    if (is_on(&s, tell_files)) {
        cli_confine_plan before = s.plan;
        cli_confine_read(&s.plan, s.foreign);
        expect(&s, read_foreign, 0, 0);
        expect(&s, write_foreign, 0, EACCES);
        s.plan = before;
        cli_confine_read_beside(&s.plan, s.foreign, folder);
        cr_assert_str_eq(folder, s.dir.path);
        expect(&s, list_home, 0, 0);
        expect(&s, make_beside, 0, EACCES);
        s.plan = before;
        cli_confine_write_beside(&s.plan, s.foreign, folder);
        expect(&s, make_beside, 0, 0);
        expect(&s, write_foreign, 0, 0);
    }
    temp_dir_close(&s.dir);
}

/* ---- system calls ---- */

static int run_true(scene *s)
{
    (void)s;
    char *const words[] = {NULL};
    execve("/bin/true", words, words);
    return errno;
}

static int make_process(scene *s)
{
    (void)s;
    pid_t child = (pid_t)syscall(SYS_fork);
    if (child == 0) {
        _exit(0);
    }
    return child > 0 ? 0 : errno;
}

static int trace_parent(scene *s)
{
    (void)s;
    errno = 0;
    long result = ptrace(PTRACE_SEIZE, getppid(), NULL, NULL);
    return result == 0 ? 0 : errno;
}

static int write_and_execute(scene *s)
{
    (void)s;
    void *bytes = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return bytes != MAP_FAILED ? 0 : errno;
}

static int execute_later(scene *s)
{
    (void)s;
    void *bytes =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return mprotect(bytes, 4096, PROT_READ | PROT_EXEC) == 0 ? 0 : errno;
}

static int listen_to_all(scene *s)
{
    (void)s;
    return socket(AF_PACKET, SOCK_DGRAM, 0) >= 0 ? 0 : errno;
}

static int raw_socket(scene *s)
{
    (void)s;
    return socket(AF_INET, SOCK_RAW, IPPROTO_ICMP) >= 0 ? 0 : errno;
}

static int other_namespace(scene *s)
{
    (void)s;
    return syscall(SYS_unshare, 0) == 0 ? 0 : errno;
}

static int newer_call(scene *s)
{
    (void)s;
    return syscall(1000) == 0 ? 0 : errno;
}

Test(confine, loses_calls_that_no_server_makes)
{
    scene s;
    prepare(&s);
    if (is_on(&s, tell_calls)) {
        cr_assert_eq(try_it(&s, run_true, false), 0); /* it became /bin/true */
        cr_assert_eq(try_it(&s, run_true, true), EPERM);
        expect(&s, make_process, 0, EPERM);
        cr_assert_eq(try_it(&s, trace_parent, true), EPERM);
        expect(&s, write_and_execute, 0, EPERM);
        expect(&s, execute_later, 0, EPERM);
        cr_assert_eq(try_it(&s, listen_to_all, true), EAFNOSUPPORT);
        cr_assert_eq(try_it(&s, raw_socket, true), EPERM);
        expect(&s, other_namespace, 0, EPERM);
        expect(&s, newer_call, ENOSYS, ENOSYS);
    }
    temp_dir_close(&s.dir);
}

static void *run_nothing(void *ctx)
{
    return ctx;
}

static int serve_a_little(scene *s)
{
    (void)s;
    pthread_t thread;
    void *result = NULL;
    int one = 1;
    if (pthread_create(&thread, NULL, run_nothing, &one) != 0 ||
        pthread_join(thread, &result) != 0 || result != &one) {
        return 1;
    }
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof address;
    int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int caller = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool fine = bind(server, (struct sockaddr *)&address, size) == 0 &&
                listen(server, 1) == 0 &&
                getsockname(server, (struct sockaddr *)&address, &size) == 0 &&
                connect(caller, (struct sockaddr *)&address, size) == 0 &&
                accept(server, NULL, NULL) >= 0;
    return fine ? 0 : errno;
}

Test(confine, serves_still)
{
    scene s;
    prepare(&s);
    expect(&s, serve_a_little, 0, 0);
    temp_dir_close(&s.dir);
}

/* ---- processes of its own ---- */

static int run_itself(scene *s)
{
    (void)s;
    char name[] = "test_confine";
    char option[] = "--version";
    char *const words[] = {name, option, NULL};
    int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    dup2(fd, STDOUT_FILENO);
    execve("/proc/self/exe", words, words + 2);
    return errno;
}

/* A kernel starts workers: its own program, and no other. */
Test(confine, starts_its_own_program_alone)
{
    scene s;
    prepare(&s);
    if (is_on(&s, tell_calls) && is_on(&s, tell_files)) {
        s.plan.spawns = true;
        cr_assert_eq(try_it(&s, run_itself, true), 0);
        cr_assert_eq(try_it(&s, run_true, true), EACCES);
        cr_assert_eq(try_it(&s, make_process, true), 0);
        s.plan.spawns = false;
        s.plan.forks = true;
        cr_assert_eq(try_it(&s, make_process, true), 0);
        cr_assert_eq(try_it(&s, run_itself, true), EPERM);
    }
    temp_dir_close(&s.dir);
}

/* ---- memory ---- */

static int look_at_memory(scene *s)
{
    (void)s;
    struct rlimit core;
    bool shut = getrlimit(RLIMIT_CORE, &core) == 0 && core.rlim_max == 0 &&
                prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0 &&
                prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1;
    return shut ? 0 : 1;
}

Test(confine, leaves_no_core)
{
    scene s;
    prepare(&s);
    if (is_on(&s, tell_memory)) {
        expect(&s, look_at_memory, 1, 0);
    }
    temp_dir_close(&s.dir);
}

/* ---- words, paths ---- */

Test(confine, says_what_is_on)
{
    char said[CLI_CONFINED_SIZE];
    cli_confined_text(
        &(cli_confined){.privileges = true, .memory = true, .files = 7, .calls = true},
        said);
    cr_assert_str_eq(said, "no new privileges, no core files, files (Landlock 7), "
                           "system calls (seccomp)");
    cli_confined_text(&(cli_confined){.privileges = true}, said);
    cr_assert_str_eq(said, "no new privileges");
}

Test(confine, knows_folders_that_are_too_much)
{
    setenv("HOME", "/usr/share", 1);
    cr_assert(cli_confine_is_broad("/store"));
    cr_assert(cli_confine_is_broad("/usr/store"));
    cr_assert(cli_confine_is_broad("/usr/share/store/"));
    cr_assert(cli_confine_is_broad("/tmp/store"));
    cr_assert_not(cli_confine_is_broad("/usr/lib/store"));
    cr_assert_not(cli_confine_is_broad("/usr/share/misc/store"));
}
