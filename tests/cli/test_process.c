/* Child processes: what they say is heard, their ends are told, none is left behind. */

#include "cli/kernel/process.h"
#include "tests/support/temp_dir.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static temp_dir folder;
#define dir folder.path
static char log_path[512];

static void begin(void)
{
    temp_dir_open(&folder);
    snprintf(log_path, sizeof log_path, "%s/log", dir);
}

static void end(void)
{
    temp_dir_close(&folder);
}

TestSuite(process, .init = begin, .fini = end, .timeout = 60);

/* What was told, and a way to wait for it. */
typedef struct told {
    pthread_mutex_t mutex;
    pthread_cond_t change;
    int ready_count;
    char http[KERNEL_URL_SIZE];
    char url[KERNEL_URL_SIZE];
    bool ended;
    int status;
    char said[KERNEL_SAID_SIZE];
} told;

static void on_ready(void *ctx, const char *http, const char *url)
{
    told *t = ctx;
    pthread_mutex_lock(&t->mutex);
    t->ready_count++;
    snprintf(t->http, sizeof t->http, "%s", http);
    snprintf(t->url, sizeof t->url, "%s", url);
    pthread_cond_broadcast(&t->change);
    pthread_mutex_unlock(&t->mutex);
}

static void on_exited(void *ctx, int status, const char *said)
{
    told *t = ctx;
    pthread_mutex_lock(&t->mutex);
    t->ended = true;
    t->status = status;
    snprintf(t->said, sizeof t->said, "%s", said);
    pthread_cond_broadcast(&t->change);
    pthread_mutex_unlock(&t->mutex);
}

static kernel_process *start(told *t, const char *script, size_t log_size_max)
{
    *t = (told){.mutex = PTHREAD_MUTEX_INITIALIZER, .change = PTHREAD_COND_INITIALIZER};
    const char *argv[] = {"sh", "-c", script, NULL};
    const char *extra[] = {"SECRET=told", NULL};
    kernel_process_options options = {.program = "/bin/sh",
                                      .argv = argv,
                                      .extra = extra,
                                      .log_path = log_path,
                                      .log_size_max = log_size_max,
                                      .ready = on_ready,
                                      .exited = on_exited,
                                      .ctx = t};
    kernel_process *process = NULL;
    cr_assert_eq(kernel_process_start(&process, &options, NULL), CRDT_OK);
    return process;
}

static void await_ready(told *t)
{
    pthread_mutex_lock(&t->mutex);
    while (t->ready_count == 0 && !t->ended) {
        pthread_cond_wait(&t->change, &t->mutex);
    }
    pthread_mutex_unlock(&t->mutex);
}

static void await_end(told *t)
{
    pthread_mutex_lock(&t->mutex);
    while (!t->ended) {
        pthread_cond_wait(&t->change, &t->mutex);
    }
    pthread_mutex_unlock(&t->mutex);
}

Test(process, it_is_ready_and_ends)
{
    told t;
    kernel_process *process = start(
        &t,
        "echo "
        "'{\"event\":\"ready\",\"http\":\"http://x\",\"url\":\"tcp://'$SECRET'\"}'; "
        "echo first >&2; echo last >&2; exit 3",
        1 << 20);
    await_end(&t);
    cr_assert_eq(t.ready_count, 1);
    cr_assert_str_eq(t.http, "http://x");
    cr_assert_str_eq(t.url, "tcp://told");
    cr_assert(WIFEXITED(t.status) && WEXITSTATUS(t.status) == 3);
    cr_assert_str_eq(t.said, "last");
    kernel_process_signal(process, SIGKILL); /* to nobody */
    kernel_process_close(process);
}

Test(process, what_is_no_ready_line)
{
    told t;
    kernel_process *process = start(&t,
                                    "echo '{\"event\":\"ready\",'; "
                                    "echo '{\"event\":\"ready\",\"http\":7}'; "
                                    "echo '{\"event\":\"ready\",\"http\":\"x\"}' >&2; "
                                    "echo '{\"event\":\"readier\",\"http\":\"x\"}'; "
                                    "head -c 200000 /dev/zero | tr '\\0' '{'; echo",
                                    1 << 20);
    await_end(&t);
    cr_assert_eq(t.ready_count, 1, "one is whole, though it names nothing of use");
    cr_assert_str_eq(t.http, "");
    kernel_process_close(process);
}

Test(process, it_is_told_to_leave)
{
    told t;
    kernel_process *process = start(
        &t, "echo '{\"event\":\"ready\",\"http\":\"x\"}'; exec sleep 600", 1 << 20);
    await_ready(&t);
    kernel_process_signal(process, SIGTERM);
    await_end(&t);
    cr_assert(WIFSIGNALED(t.status) && WTERMSIG(t.status) == SIGTERM);
    kernel_process_close(process);
}

Test(process, close_kills)
{
    told t;
    kernel_process *process = start(
        &t, "trap '' TERM; echo '{\"event\":\"ready\",\"http\":\"x\"}'; sleep 600",
        1 << 20);
    await_ready(&t);
    pid_t pid = kernel_process_pid(process);
    kernel_process_close(process);
    cr_assert(t.ended);
    cr_assert(WIFSIGNALED(t.status) && WTERMSIG(t.status) == SIGKILL);
    cr_assert(kill(pid, 0) != 0);
}

/* A grandchild that holds the pipes does not hide the child's end. */
Test(process, its_end_counts_not_that_of_its_pipes)
{
    told t;
    kernel_process *process = start(&t, "sleep 20 & exit 0", 1 << 20);
    await_end(&t);
    cr_assert(WIFEXITED(t.status));
    kernel_process_close(process);
}

Test(process, a_program_that_is_not_there)
{
    told t = {.mutex = PTHREAD_MUTEX_INITIALIZER, .change = PTHREAD_COND_INITIALIZER};
    const char *argv[] = {"none", NULL};
    kernel_process_options options = {.program = "/none",
                                      .argv = argv,
                                      .log_path = log_path,
                                      .log_size_max = 1000,
                                      .exited = on_exited,
                                      .ctx = &t};
    kernel_process *process = NULL;
    cr_assert_eq(kernel_process_start(&process, &options, NULL), CRDT_OK);
    await_end(&t);
    cr_assert_eq(WEXITSTATUS(t.status), 127);
    kernel_process_close(process);
}

Test(process, nothing_of_ours_is_open_in_it)
{
    told t;
    FILE *secret = tmpfile();
    kernel_process *process =
        start(&t,
              "for fd in /proc/self/fd/*; do case $fd in */[012]) ;; *) "
              "[ -e $fd ] && readlink $fd | grep -v '/proc/' >&2;; esac; done; exit 0",
              1 << 20);
    await_end(&t);
    cr_assert_str_eq(t.said, "");
    kernel_process_close(process);
    fclose(secret);
}

Test(process, its_log_is_bounded)
{
    told t;
    kernel_process *process =
        start(&t, "head -c 1000000 /dev/zero | tr '\\0' 'x'; echo end", 100000);
    await_end(&t);
    kernel_process_close(process);
    struct stat status;
    cr_assert_eq(stat(log_path, &status), 0);
    cr_assert(status.st_size > 0 && status.st_size <= 100000);
    char older[600];
    snprintf(older, sizeof older, "%s.1", log_path);
    cr_assert_eq(stat(older, &status), 0);
    cr_assert(status.st_size <= 100000);
}

Test(process, a_command_to_its_end)
{
    crdt_diag diag = {0};
    const char *good[] = {"sh", "-c", "exit 0", NULL};
    cr_assert_eq(kernel_process_run("/bin/sh", good, log_path, 50000, &diag), CRDT_OK);
    const char *bad[] = {"sh", "-c", "echo why >&2; exit 1", NULL};
    cr_assert_eq(kernel_process_run("/bin/sh", bad, log_path, 50000, &diag),
                 CRDT_EREFUSED);
    cr_assert(strstr(diag.text, "why") != NULL, "%s", diag.text);
    const char *late[] = {"sh", "-c", "exec sleep 600", NULL};
    cr_assert_eq(kernel_process_run("/bin/sh", late, log_path, 100, &diag),
                 CRDT_ETIMEOUT);
}
