#include "cli/kernel/keeper.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#define WORDS_MAX                                                                      \
    320 /* of a command line: all that a kernel can be given, and its own */
#define LOG_SIZE_MAX (4u << 20)

uint64_t kernel_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* ---- telling ---- */

static void tell(kernel_keeper *keeper, const char *text)
{
    const kernel_settings *settings = keeper->settings;
    const char *state = kernel_scene_state_name(&keeper->state);
    pid_t pid = keeper->process != NULL ? kernel_process_pid(keeper->process) : 0;
    if (settings->json) {
        cli_report report;
        cli_report_begin(&report, settings->out);
        cli_report_text(&report, "event", "scene");
        cli_report_text(&report, "scene", keeper->name);
        cli_report_text(&report, "state", state);
        cli_report_number(&report, "pid", (uint64_t)pid);
        cli_report_text(&report, "http", keeper->http);
        cli_report_text(&report, "text", text);
        cli_report_end(&report);
    } else {
        fprintf(settings->out, "scene %s: %s", keeper->name, state);
        if (pid != 0) {
            fprintf(settings->out, " (process %d)", (int)pid);
        }
        fprintf(settings->out, "%s%s\n", text[0] != '\0' ? ": " : "", text);
        fflush(settings->out);
    }
    keeper->told_state = state;
}

static void tell_change(kernel_keeper *keeper)
{
    const char *state = kernel_scene_state_name(&keeper->state);
    if (state != keeper->told_state) { /* names are static texts */
        bool up = keeper->state.phase == KERNEL_UP;
        tell(keeper, up ? keeper->http : "");
    }
}

static void remember(kernel_keeper *keeper)
{
    kernel_place *place = &keeper->place;
    const kernel_scene_state *state = &keeper->state;
    crdt_diag diag = {0};
    if (place->mode == state->wanted && place->before == state->before) {
        return;
    }
    place->mode = state->wanted;
    place->before = state->before;
    if (kernel_place_save(place, &diag) != CRDT_OK) {
        snprintf(keeper->trouble, sizeof keeper->trouble, "not remembered: %s",
                 diag.text);
    }
}

/* ---- notes from other threads ---- */

static void on_ready(void *ctx, const char *http, const char *url)
{
    kernel_keeper *keeper = ctx;
    kernel_note note = {.kind = KERNEL_NOTE_READY};
    snprintf(note.http, sizeof note.http, "%s", http);
    snprintf(note.url, sizeof note.url, "%s", url);
    keeper->post(keeper, &note);
}

static void on_exited(void *ctx, int status, const char *said)
{
    kernel_keeper *keeper = ctx;
    kernel_note note = {.kind = KERNEL_NOTE_EXITED, .status = status};
    snprintf(note.said, sizeof note.said, "%s", said);
    keeper->post(keeper, &note);
}

static void on_errand(void *ctx, const kernel_errand_result *result)
{
    kernel_keeper *keeper = ctx;
    kernel_note note = {.kind = KERNEL_NOTE_ERRAND, .result = *result};
    keeper->post(keeper, &note);
}

/* ---- starting a worker ---- */

typedef struct command_words {
    const char *words[WORDS_MAX];
    size_t count;
} command_words;

static void add(command_words *line, const char *word)
{
    if (line->count + 1 < WORDS_MAX) {
        line->words[line->count++] = word;
    }
}

static void add_all(command_words *line, const char *const *words)
{
    for (; words != NULL && *words != NULL; words++) {
        add(line, *words);
    }
}

static void add_pair(command_words *line, const char *option, const char *value)
{
    if (value != NULL) {
        add(line, option);
        add(line, value);
    }
}

static crdt_err start(kernel_keeper *keeper, crdt_diag *diag)
{
    const kernel_settings *settings = keeper->settings;
    kernel_place *place = &keeper->place;
    char http[KERNEL_URL_SIZE];
    char bus[KERNEL_URL_SIZE];
    char store[KERNEL_PATH_SIZE];
    char code[KERNEL_PATH_SIZE];
    char info[KERNEL_PATH_SIZE];
    char log[KERNEL_PATH_SIZE];
    char token[192];
    if (kernel_place_choose_ports(place, settings->host)) {
        kernel_place_save(place, NULL);
    }
    bool v6 = strchr(settings->host, ':') != NULL;
    snprintf(http, sizeof http, v6 ? "[%s]:%u" : "%s:%u", settings->host,
             place->http_port);
    snprintf(bus, sizeof bus, "%s:%u", settings->bus, place->bus_port);
    snprintf(token, sizeof token, "SCENESYNC_MASTER_TOKEN=%s", settings->token);
    kernel_place_path(place, "store", store);
    kernel_place_path(place, "game.js", code);
    kernel_place_path(place, "info.json", info);
    kernel_place_path(place, "log", log);
    bool edit = keeper->state.kind == KERNEL_EDIT;
    command_words line = {.count = 0};
    const char *const edit_words[] = {"scenesync", "worker", "--store", store,
                                      "--listen",  bus,      NULL};
    const char *const play_words[] = {"scenesync", "play", "--code", code, NULL};
    const char *const both[] = {"--scene",  keeper->name,      "--http", http,
                                "--kernel", settings->own_url, "--json", NULL};
    add_all(&line, edit ? edit_words : play_words);
    add_all(&line, both);
    if (edit) {
        add_all(&line, settings->edit_words);
    } else {
        add_pair(&line, "--content", settings->content);
        add_pair(&line, "--builder", settings->builder);
        add_pair(&line, "--info", kernel_place_has(place, "info.json") ? info : NULL);
    }
    add_all(&line, settings->words);
    const char *const extra[] = {token, NULL};
    kernel_process_options options = {.program = settings->program,
                                      .argv = line.words,
                                      .extra = extra,
                                      .log_path = log,
                                      .log_size_max = LOG_SIZE_MAX,
                                      .ready = on_ready,
                                      .exited = on_exited,
                                      .ctx = keeper};
    return kernel_process_start(&keeper->process, &options, diag);
}

static void do_start(kernel_keeper *keeper)
{
    crdt_diag diag = {0};
    crdt_err err = start(keeper, &diag);
    kernel_scene_state_started(&keeper->state, err == CRDT_OK, kernel_now_ms());
    if (err != CRDT_OK) {
        snprintf(keeper->trouble, sizeof keeper->trouble, "%s", diag.text);
        return;
    }
    keeper->started_at = kernel_now_ms();
    if (keeper->state.kind == KERNEL_EDIT) {
        keeper->saved = (kernel_saved){.asked = false}; /* of another edition */
    }
    kernel_place_set_process(&keeper->place, kernel_process_pid(keeper->process));
}

/* ---- doing ---- */

static void signal_process(kernel_keeper *keeper, int number)
{
    if (keeper->process != NULL) {
        kernel_process_signal(keeper->process, number);
    }
}

static void act(kernel_keeper *keeper, kernel_action action)
{
    switch (action) {
    case KERNEL_DO_START:
        do_start(keeper);
        break;
    case KERNEL_DO_LEAVE:
        signal_process(keeper, SIGTERM);
        break;
    case KERNEL_DO_KILL:
        tell(keeper, "it does not answer: killed");
        signal_process(keeper, SIGKILL);
        break;
    case KERNEL_DO_FETCH:
        keeper->saved = (kernel_saved){.asked = false};
        kernel_errand_fetch(keeper->errand, keeper->state.alive ? keeper->http : "",
                            keeper->state.fetch);
        break;
    case KERNEL_DO_PROBE:
        kernel_errand_probe(keeper->errand, keeper->http);
        break;
    default:
        break;
    }
}

void kernel_keeper_drive(kernel_keeper *keeper)
{
    kernel_action action;
    while ((action = kernel_scene_state_step(&keeper->state, kernel_now_ms())) !=
           KERNEL_DO_NOTHING) {
        tell_change(keeper);
        act(keeper, action);
    }
    tell_change(keeper);
}

void kernel_keeper_want(kernel_keeper *keeper, kernel_mode mode)
{
    keeper->trouble[0] = '\0';
    kernel_scene_state_want(&keeper->state, mode);
    remember(keeper);
}

void kernel_keeper_leave(kernel_keeper *keeper)
{
    kernel_scene_state_want(&keeper->state, KERNEL_STOP);
}

/* ---- what happened ---- */

static void take_exit(kernel_keeper *keeper, const kernel_note *note)
{
    bool leaving = keeper->state.phase == KERNEL_LEAVING;
    bool all_saved =
        keeper->summary.known && strcmp(keeper->summary.save, "saved") == 0;
    if (keeper->state.kind == KERNEL_EDIT && !keeper->saved.asked && all_saved) {
        keeper->saved = (kernel_saved){.asked = true, .ok = true};
    }
    kernel_process_close(keeper->process);
    keeper->process = NULL;
    kernel_place_set_process(&keeper->place, 0);
    keeper->summary.known = false;
    kernel_scene_state_exited(&keeper->state, kernel_now_ms());
    char how[64];
    if (WIFSIGNALED(note->status)) {
        snprintf(how, sizeof how, "ended by signal %d", WTERMSIG(note->status));
    } else {
        snprintf(how, sizeof how, "ended with code %d", WEXITSTATUS(note->status));
    }
    if (!leaving || !WIFEXITED(note->status) || WEXITSTATUS(note->status) != 0) {
        snprintf(keeper->trouble, sizeof keeper->trouble, "%s%s%.160s", how,
                 note->said[0] != '\0' ? ": " : "", note->said);
        tell(keeper, keeper->trouble);
    }
}

static void take_errand(kernel_keeper *keeper, const kernel_errand_result *result)
{
    if (result->kind == KERNEL_ERRAND_PROBE) {
        kernel_scene_state_heard(&keeper->state, result->ok, kernel_now_ms());
        if (result->ok && result->summary.known) {
            keeper->summary = result->summary;
        }
        return;
    }
    if (result->number != keeper->state.fetch) {
        return; /* nobody waits for it any more */
    }
    keeper->saved = result->saved;
    kernel_scene_state_fetched(&keeper->state, result->number, result->ok);
    if (!result->ok) {
        snprintf(keeper->trouble, sizeof keeper->trouble, "no code to play: %s",
                 result->text);
        tell(keeper, keeper->trouble);
        remember(keeper);
    }
}

void kernel_keeper_take(kernel_keeper *keeper, const kernel_note *note)
{
    switch (note->kind) {
    case KERNEL_NOTE_READY:
        snprintf(keeper->http, sizeof keeper->http, "%s", note->http);
        snprintf(keeper->url, sizeof keeper->url, "%s", note->url);
        kernel_scene_state_ready(&keeper->state, kernel_now_ms());
        break;
    case KERNEL_NOTE_EXITED:
        take_exit(keeper, note);
        break;
    case KERNEL_NOTE_ERRAND:
        take_errand(keeper, &note->result);
        break;
    }
}

/* ---- the whole ---- */

crdt_err kernel_keeper_open(kernel_keeper **out, const kernel_settings *settings,
                            const char *name,
                            void (*post)(kernel_keeper *keeper,
                                         const kernel_note *note),
                            void *kernel, crdt_diag *diag)
{
    kernel_keeper *keeper = calloc(1, sizeof *keeper);
    if (keeper == NULL) {
        return CRDT_ENOMEM;
    }
    keeper->settings = settings;
    keeper->post = post;
    keeper->kernel = kernel;
    snprintf(keeper->name, sizeof keeper->name, "%s", name);
    crdt_err err = kernel_place_open(&keeper->place, settings->dir, keeper->name, diag);
    if (err == CRDT_OK) {
        keeper->state =
            kernel_scene_state_restore(keeper->place.mode, keeper->place.before,
                                       kernel_place_has(&keeper->place, "game.js"));
        keeper->told_state = kernel_scene_state_name(&keeper->state);
        kernel_errand_options options = {.program = settings->program,
                                         .scene = keeper->name,
                                         .place = &keeper->place,
                                         .content = settings->content,
                                         .token = settings->token,
                                         .done = on_errand,
                                         .ctx = keeper};
        err = kernel_errand_open(&keeper->errand, &options);
    }
    if (err != CRDT_OK) {
        kernel_keeper_close(keeper);
        return err;
    }
    *out = keeper;
    return CRDT_OK;
}

void kernel_keeper_close(kernel_keeper *keeper)
{
    if (keeper != NULL) {
        kernel_errand_close(keeper->errand);
        kernel_process_close(keeper->process);
        free(keeper);
    }
}

/* Has the edition been saved, or, where it is over, was it? By the worker's own word; no
 * member where it is not known (it saved as it left). */
static void report_save(const kernel_keeper *keeper, cli_report *report)
{
    const kernel_summary *summary = &keeper->summary;
    if (summary->known && summary->save[0] != '\0') {
        cli_report_text(report, "save", summary->save);
        cli_report_bool(report, "saved", strcmp(summary->save, "saved") == 0);
        if (summary->save_error[0] != '\0') {
            cli_report_text(report, "saveError", summary->save_error);
        }
    } else if (keeper->saved.asked) {
        cli_report_bool(report, "saved", keeper->saved.ok);
        if (!keeper->saved.ok) {
            cli_report_text(report, "saveError", keeper->saved.text);
        }
    }
}

void kernel_keeper_report(const kernel_keeper *keeper, cli_report *report)
{
    const kernel_scene_state *state = &keeper->state;
    const kernel_summary *summary = &keeper->summary;
    cli_report_text(report, "scene", keeper->name);
    cli_report_text(report, "state", kernel_scene_state_name(state));
    cli_report_text(report, "wanted", kernel_mode_name(state->wanted));
    if (keeper->process != NULL) {
        cli_report_number(report, "pid", (uint64_t)kernel_process_pid(keeper->process));
        cli_report_number(report, "uptimeMs", kernel_now_ms() - keeper->started_at);
    }
    if (state->phase == KERNEL_UP) {
        cli_report_text(report, "http", keeper->http);
        if (keeper->url[0] != '\0') {
            cli_report_text(report, "url", keeper->url);
        }
    }
    cli_report_number(report, "restarts", state->restarts);
    if (summary->known) {
        cli_report_text(report, "worker", summary->state);
        cli_report_number(report, "entities", summary->entities);
        cli_report_number(report, "renderers", summary->renderers);
        cli_report_number(report, "conflicts", summary->conflicts);
        if (summary->text[0] != '\0') {
            cli_report_text(report, "text", summary->text);
        }
    }
    report_save(keeper, report);
    if (keeper->trouble[0] != '\0') {
        cli_report_text(report, "trouble", keeper->trouble);
    }
    cli_report_json(report, "editors", summary->known ? summary->editors : "[]");
}
