#ifndef CLI_PLAY_PLAYER_H
#define CLI_PLAY_PLAYER_H

/* The running worker: a scene's code, run once, and what it built shown to renderers.
 *
 *   GET /v1/health                        200 as soon as it listens
 *   GET /v1/status     view               state, entities, error
 *   GET /v1/snapshot   view               what the code built, as a scene state
 *   GET /v1/code       view               the code
 *   WS  /renderer      view               docs/RENDERER.md, state `running`
 *   GET /v1/info, /v1/contents/{hash}, /v1/kernel; POST /v1/play, /v1/stop
 *                                         as cli/outside/outside.h says
 *
 * A script that fails leaves the worker up: what it built until then is shown, and its
 * error is the text of State and of the status. */

#include "cli/outside/outside.h"
#include "cli/play/audience.h"
#include "cli/play/sandbox.h"
#include "cli/visitor.h"

typedef struct play_player play_player;

/* All that it takes. */
extern const cli_route play_routes[];
extern const size_t play_route_count;

#define PLAY_INFO_SIZE_MAX (16u << 20)

typedef struct play_options {
    const char *scene; /* "X,Y" */
    crdt_span code;    /* outlives the player */
    crdt_span info;    /* what the edition said in GET /v1/info; empty: not known */
    const char *content_url; /* as the others, NULL: none */
    const char *builder_url;
    const char *kernel_url;
    play_limits limits;
    play_stage_limits stage_limits;
    const char *http;
    cli_access_options access;
    const char *const *hosts;
    const char *const *origins;
    FILE *out; /* what happens, one line each */
    bool json;
} play_options;

/* Start the script and listen; prints the line that says so. The process has no threads
 * yet. Errors: as web_server_open and play_sandbox_start. */
crdt_err play_player_open(play_player **out, const play_options *options,
                          crdt_diag *diag);
/* Serve until play_player_stop. */
void play_player_run(play_player *player);
void play_player_stop(play_player *player); /* signal handlers may */
/* Accepts NULL. */
void play_player_close(play_player *player);

/* Run the script to its end here and now. Errors: CRDT_EIO, CRDT_ENOMEM. */
crdt_err play_player_build(const play_options *options, play_stage *stage,
                           play_failure *failure, crdt_diag *diag);

#endif /* CLI_PLAY_PLAYER_H */
