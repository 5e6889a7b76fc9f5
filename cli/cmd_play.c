#include "cli/files.h"
#include "cli/play/player.h"
#include "cli/run.h"
#include "cli/verbs.h"
#include "cli/visitor.h"

#include <signal.h>
#include <stdlib.h>

static play_player *running; /* for the signal handler */

static void stop(int number)
{
    (void)number;
    play_player_stop(running);
}

static int serve(cli_run *run, const play_options *options)
{
    char confined[CLI_CONFINED_SIZE];
    cli_confine_plan plan = {.forks = true}; /* the script's process */
    crdt_diag diag = {0};
    if (!cli_run_confine(run, &plan, confined)) {
        return CLI_FAILED;
    }
    if (!run->json) {
        fprintf(run->out, "confined: %s\n", confined);
    }
    crdt_err err = play_player_open(&running, options, &diag);
    if (err != CRDT_OK) {
        return cli_run_fail(run, err, &diag, "run the scene at %s", options->http);
    }
    struct sigaction action = {.sa_handler = stop};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    play_player_run(running);
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    play_player_close(running);
    running = NULL;
    return CLI_DONE;
}

/* --print: run it, write what it builds, end. */
static int print(cli_run *run, play_options *options)
{
    crdt_diag diag = {0};
    crdt_buf text;
    play_stage *stage = NULL;
    play_failure failure;
    crdt_alloc alloc = crdt_alloc_default();
    crdt_buf_init(&text, alloc);
    options->out = run->err;
    options->json = false;
    crdt_err err = play_stage_open(&stage, alloc, &options->stage_limits);
    if (err == CRDT_OK) {
        err = play_player_build(options, stage, &failure, &diag);
    }
    if (err == CRDT_OK) {
        err = play_audience_write(stage, alloc, &text);
    }
    int code = CLI_DONE;
    if (err != CRDT_OK) {
        code = cli_run_fail(run, err, &diag, "run the code");
    } else {
        fwrite(text.data, 1, text.size, run->out);
        fputc('\n', run->out);
        if (play_stage_note_count(stage) > 0) {
            fprintf(run->err,
                    "scenesync play: calls that make no sense: %zu; the first: %s\n",
                    play_stage_note_count(stage), play_stage_note(stage));
        }
        if (failure.failed) {
            char said[1024];
            play_failure_tell(&failure, said, sizeof said);
            fprintf(run->err, "scenesync play: %s\n", said);
            code = CLI_FAILED;
        }
    }
    play_stage_close(stage);
    crdt_buf_deinit(&text);
    return code;
}

/* What pages ask of the world outside. */
static void read_outside(const cli_run *run, play_options *options)
{
    options->content_url = cli_args_get(run->args, "--content");
    options->builder_url = cli_args_get(run->args, "--builder");
    options->kernel_url = cli_args_get(run->args, "--kernel");
}

static int play(cli_run *run, play_options *options)
{
    const char *hosts[CLI_LIST_MAX + 1];
    const char *origins[CLI_LIST_MAX + 1];
    const char *http = cli_args_get(run->args, "--http");
    options->http = http != NULL ? http : "127.0.0.1:0";
    cli_args_all(run->args, "--host", hosts);
    cli_args_all(run->args, "--origin", origins);
    options->hosts = hosts;
    options->origins = origins;
    read_outside(run, options);
    options->access.alloc = crdt_alloc_default();
    options->access.file = cli_args_get(run->args, "--access");
    options->access.master = cli_run_master(run);
    if (!cli_visitor_loopback(cli_args_get(run->args, "--loopback-role"),
                              options->access.file, &options->access.loopback)) {
        return cli_run_misuse(
            run, "--loopback-role takes none, view, edit, publish or admin");
    }
    return cli_args_has(run->args, "--print") ? print(run, options)
                                              : serve(run, options);
}

int cli_cmd_play(cli_run *run)
{
    const char *path = cli_args_get(run->args, "--code");
    const char *scene = cli_args_get(run->args, "--scene");
    play_options options = {.scene = scene != NULL ? scene : "0,0",
                            .limits = play_limits_default(),
                            .stage_limits = play_stage_limits_default(),
                            .out = run->out,
                            .json = run->json};
    double seconds = 0;
    const char *text = cli_args_get(run->args, "--seconds");
    if (text != NULL && !cli_args_number(text, 1, 600, &seconds)) {
        return cli_run_misuse(run, "--seconds takes 1 to 600");
    }
    if (text != NULL) {
        options.limits.cpu_seconds = (uint32_t)seconds;
        options.limits.wall_ms = 2000 * (uint32_t)seconds;
    }
    crdt_diag diag = {0};
    crdt_buf code;
    crdt_buf info;
    crdt_buf_init(&code, crdt_alloc_default());
    crdt_buf_init(&info, crdt_alloc_default());
    const char *failed = path;
    crdt_err err = cli_files_read(path, PLAY_CODE_SIZE_MAX, &code, &diag);
    const char *info_path = cli_args_get(run->args, "--info");
    if (err == CRDT_OK && info_path != NULL) {
        failed = info_path;
        err = cli_files_read(info_path, PLAY_INFO_SIZE_MAX, &info, &diag);
    }
    int result;
    if (err != CRDT_OK) {
        result = cli_run_fail(run, err, &diag, "read %s", failed);
    } else {
        options.code = crdt_buf_span(&code);
        options.info = crdt_buf_span(&info);
        result = play(run, &options);
    }
    crdt_buf_deinit(&info);
    crdt_buf_deinit(&code);
    return result;
}
