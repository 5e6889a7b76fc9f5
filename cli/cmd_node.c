#include "cli/run.h"
#include "cli/serve.h"
#include "cli/verbs.h"

#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#define WAITING_MAX (1u << 20) /* bytes of events not yet printed */
#define TEXT_VALUE_MAX 60      /* bytes of a value on a line for people */
#define LOOK_MS 500            /* how often it looks at its store */
#define BUSY_MS_MAX 2000       /* wait so long for a store that a verb has */
#define BUSY_MS 20             /* and look so often */

/* Lines on their way from the node's thread to the output: the node never waits for a
 * slow reader; what does not fit is counted. */
typedef struct event_outbox {
    pthread_mutex_t mutex;
    char *text;
    size_t size;
    uint64_t lost;
    int wake_fd; /* eventfd */
    bool json;
    atomic_bool stuck; /* SYNC_EVENT_STUCK was told */
} event_outbox;

/* ---- in the node's thread ---- */

static void format_json(FILE *out, const sync_event *event)
{
    static const crdt_actor nobody = {{0}};
    cli_report report;
    cli_report_begin(&report, out);
    cli_report_text(&report, "event", sync_event_name(event->kind));
    cli_report_number(&report, "time", event->wall_ms);
    if (!crdt_actor_equal(&event->actor, &nobody)) {
        cli_report_actor(&report, "actor", &event->actor);
    }
    if (event->url[0] != '\0') {
        cli_report_text(&report, "url", event->url);
    }
    if (event->text[0] != '\0') {
        cli_report_text(&report, "text", event->text);
    }
    if (event->kind == SYNC_EVENT_STRANGER) {
        cli_report_actor(&report, "lineage", &event->lineage);
    }
    if (event->kind == SYNC_EVENT_PRESENCE) {
        cli_report_number(&report, "bytes", event->value.size);
    }
    if (event->key != NULL) {
        cli_report_key(&report, event->key);
        if (event->key->depth == CRDT_FIELD && event->value.size > 0) {
            cli_report_value(&report, "value", event->value);
        }
    }
    if (event->conflict != NULL) {
        cli_report_key(&report, &event->conflict->key);
        if (event->conflict->key.depth == CRDT_FIELD) {
            cli_report_value(&report, "value", event->conflict->loser.value);
        }
        cli_report_stamp(&report, "stamp", &event->conflict->loser.stamp);
        cli_report_span(&report, "who", event->conflict->loser.who);
    }
    cli_report_end(&report);
}

static void format_text(FILE *out, const sync_event *event)
{
    static const crdt_actor nobody = {{0}};
    char time[CLI_TIME_TEXT_SIZE];
    cli_report_time(event->wall_ms, time);
    fprintf(out, "%s %-11s", time, sync_event_name(event->kind));
    if (event->url[0] != '\0') {
        fprintf(out, " %s", event->url);
    }
    if (!crdt_actor_equal(&event->actor, &nobody)) {
        char actor[CRDT_ACTOR_TEXT_SIZE];
        crdt_actor_format(&event->actor, actor);
        fprintf(out, " (%.8s)", actor);
    }
    if (event->text[0] != '\0') {
        fprintf(out, " %s", event->text);
    }
    if (event->key != NULL) {
        fputc(' ', out);
        cli_report_path(out, event->key);
        if (event->key->depth == CRDT_FIELD && event->value.size > 0) {
            fputs(" = ", out);
            cli_report_short(out, event->value, TEXT_VALUE_MAX);
        }
    }
    if (event->conflict != NULL) {
        fputc(' ', out);
        cli_report_path(out, &event->conflict->key);
        if (event->conflict->key.depth == CRDT_FIELD) {
            fputs(": does not show: ", out);
            cli_report_short(out, event->conflict->loser.value, TEXT_VALUE_MAX);
        }
    }
    fputc('\n', out);
}

static void post(event_outbox *outbox, const char *text, size_t size)
{
    pthread_mutex_lock(&outbox->mutex);
    if (outbox->size + size <= WAITING_MAX) {
        memcpy(outbox->text + outbox->size, text, size);
        outbox->size += size;
    } else {
        outbox->lost++;
    }
    pthread_mutex_unlock(&outbox->mutex);
    uint64_t one = 1;
    if (write(outbox->wake_fd, &one, sizeof one) < 0) {
        return; /* it is awake already */
    }
}

static void on_event(void *ctx, const sync_event *event)
{
    event_outbox *outbox = ctx;
    if (event->kind == SYNC_EVENT_STUCK) {
        atomic_store(&outbox->stuck, true);
    }
    if (event->kind == SYNC_EVENT_PRESENCE && !outbox->json) {
        return; /* people move all the time */
    }
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (out == NULL) {
        return;
    }
    (outbox->json ? format_json : format_text)(out, event);
    if (fclose(out) == 0) {
        post(outbox, text, size);
    }
    free(text);
}

/* ---- in the main thread ---- */

static bool outbox_open(event_outbox *outbox, bool json)
{
    *outbox = (event_outbox){.json = json, .wake_fd = -1};
    pthread_mutex_init(&outbox->mutex, NULL);
    outbox->text = malloc(WAITING_MAX);
    outbox->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return outbox->text != NULL && outbox->wake_fd >= 0;
}

static void outbox_close(event_outbox *outbox)
{
    free(outbox->text);
    if (outbox->wake_fd >= 0) {
        close(outbox->wake_fd);
    }
    pthread_mutex_destroy(&outbox->mutex);
}

static void print_outbox(event_outbox *outbox, FILE *out)
{
    static char text[WAITING_MAX];
    pthread_mutex_lock(&outbox->mutex);
    size_t size = outbox->size;
    uint64_t lost = outbox->lost;
    memcpy(text, outbox->text, size);
    outbox->size = 0;
    outbox->lost = 0;
    pthread_mutex_unlock(&outbox->mutex);
    fwrite(text, 1, size, out);
    if (lost > 0) {
        fprintf(out,
                outbox->json ? "{\"event\":\"missed\",\"count\":%" PRIu64 "}\n"
                             : "(%" PRIu64 " events came too fast to be shown)\n",
                lost);
    }
    fflush(out);
}

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Did the disk fail? Then nothing more can be acknowledged: stop. */
static bool poisoned(sync_node *node)
{
    sync_node_status status;
    if (sync_node_status_get(node, &status) != CRDT_OK) {
        return true;
    }
    bool result = status.poisoned;
    sync_node_status_deinit(&status);
    return result;
}

/* Print events until told to stop, or the time is over, or the disk failed or the network
 * hangs (false): then it is time to be started again. */
static bool run_until_stopped(cli_run *run, event_outbox *outbox, int signal_fd,
                              int64_t until_ms)
{
    int64_t looked = now_ms();
    for (;;) {
        struct pollfd fds[2] = {
            {.fd = signal_fd, .events = POLLIN},
            {.fd = outbox->wake_fd, .events = POLLIN},
        };
        int64_t left = until_ms - now_ms();
        if (left <= 0) {
            return true;
        }
        poll(fds, 2, left < LOOK_MS ? (int)left : LOOK_MS);
        uint64_t count;
        if (read(outbox->wake_fd, &count, sizeof count) > 0) {
            print_outbox(outbox, run->out);
        }
        struct signalfd_siginfo taken;
        if (read(signal_fd, &taken, sizeof taken) > 0) {
            return true;
        }
        if (now_ms() - looked >= LOOK_MS) {
            looked = now_ms();
            if (atomic_load(&outbox->stuck) || poisoned(run->node)) {
                return false;
            }
        }
    }
}

/* The signals that stop a node, readable from a descriptor. Called before any thread is
 * started, so that all inherit the mask. */
static int open_signals(sigset_t *signals)
{
    sigemptyset(signals);
    sigaddset(signals, SIGINT);
    sigaddset(signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, signals, NULL);
    return signalfd(-1, signals, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* A verb may have the store for a moment: wait for that, until a signal comes. */
static crdt_err open_node(sync_node **node, const sync_node_options *options,
                          int signal_fd, crdt_diag *diag)
{
    int64_t until = now_ms() + BUSY_MS_MAX;
    for (;;) {
        crdt_err err = sync_node_open(node, options, diag);
        struct pollfd stop = {.fd = signal_fd, .events = POLLIN};
        if (err != CRDT_EBUSY || now_ms() >= until || poll(&stop, 1, BUSY_MS) != 0) {
            return err;
        }
    }
}

static bool confine(cli_run *run, const char *store)
{
    char said[CLI_CONFINED_SIZE];
    cli_confine_plan plan = {.write_count = 0};
    cli_confine_make(&plan, store);
    if (!cli_run_confine(run, &plan, said)) {
        return false;
    }
    if (run->json) {
        cli_report report;
        cli_report_begin(&report, run->out);
        cli_report_text(&report, "event", "confined");
        cli_report_text(&report, "text", said);
        cli_report_end(&report);
    } else {
        fprintf(run->out, "confined: %s\n", said);
    }
    return true;
}

static int run_node(cli_run *run, sync_node_options *options, double seconds)
{
    sigset_t signals;
    int signal_fd = open_signals(&signals);
    event_outbox outbox;
    cli_control *control = NULL;
    cli_host host = {.node = NULL};
    crdt_diag diag = {0};
    crdt_err err =
        signal_fd < 0 || !outbox_open(&outbox, run->json) ? CRDT_ENOMEM : CRDT_OK;
    if (err == CRDT_OK) {
        options->on_event = on_event;
        options->event_ctx = &outbox;
        err = open_node(&run->node, options, signal_fd, &diag);
    }
    if (err == CRDT_OK) {
        host.node = run->node;
        err = cli_control_open(&control, options->store_dir, cli_serve, &host, &diag);
    }
    int code = CLI_DONE;
    if (err == CRDT_OK) {
        int64_t until = now_ms() + (int64_t)(seconds * 1e3);
        code =
            run_until_stopped(run, &outbox, signal_fd, until) ? CLI_DONE : CLI_FAILED;
        pthread_sigmask(SIG_UNBLOCK, &signals, NULL); /* a second one ends it at once */
    } else {
        code = cli_run_fail(run, err, &diag, "run a node on %s", options->store_dir);
    }
    cli_control_close(control);
    err = sync_node_close(run->node);
    run->node = NULL;
    print_outbox(&outbox, run->out);
    if (err != CRDT_OK && code == CLI_DONE) {
        code = cli_run_fail(run, err, NULL, "stop the node cleanly");
    }
    outbox_close(&outbox);
    close(signal_fd);
    return code;
}

/* --fault drop=SHARE. */
static bool parse_fault(cli_run *run, sync_node_options *options)
{
    const char *text = cli_args_get(run->args, "--fault");
    if (text == NULL) {
        return true;
    }
    return strncmp(text, "drop=", 5) == 0 &&
           cli_args_number(text + 5, 0, 1, &options->fault_drop);
}

int cli_cmd_node(cli_run *run)
{
    const char *listen_urls[CLI_LIST_MAX + 1];
    const char *peer_urls[CLI_LIST_MAX + 1];
    sync_node_options options;
    if (!cli_run_node_options(run, &options)) {
        return CLI_USAGE;
    }
    options.listen_count = cli_args_all(run->args, "--listen", listen_urls);
    options.peer_count = cli_args_all(run->args, "--peer", peer_urls);
    options.listen_urls = listen_urls;
    options.peer_urls = peer_urls;
    options.discover = !cli_args_has(run->args, "--no-discover");
    double seconds = 1e12;
    const char *text = cli_args_get(run->args, "--for");
    if (text != NULL && !cli_args_number(text, 0, 1e9, &seconds)) {
        return cli_run_misuse(run, "--for takes a number of seconds");
    }
    if (!parse_fault(run, &options)) {
        return cli_run_misuse(run, "--fault takes drop=SHARE, SHARE from 0 to 1");
    }
    double message_max = 0;
    text = cli_args_get(run->args, "--message-max");
    if (text != NULL && !cli_args_number(text, 4096, 1u << 30, &message_max)) {
        return cli_run_misuse(run, "--message-max takes 4096 to 1073741824 bytes");
    }
    if (text != NULL) {
        options.message_size_max = (size_t)message_max;
    }
    return confine(run, options.store_dir) ? run_node(run, &options, seconds)
                                           : CLI_FAILED;
}
