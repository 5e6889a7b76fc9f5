#ifndef CLI_PLAY_ENGINE_H
#define CLI_PLAY_ENGINE_H

/* Runs a scene's code (bin/game.js, ECMAScript 5.1) with the host object `dcl`.
 *
 * engine.c is the only file that meets duktape. The code sees the language and `dcl`,
 * nothing else of the host:
 *
 *   addEntity removeEntity setParent updateEntityComponent removeEntityComponent
 *   componentCreated componentUpdated attachEntityComponent componentDisposed
 *   scenesync subscribe unsubscribe log error     each becomes a play_call
 *   onStart(fn)                         fn is called once, after the code
 *   onUpdate(fn) onEvent(fn)            taken and never called
 *
 * Memory is counted and bounded here. Time is not: a loop without end must be ended from
 * outside, by ending the process (sandbox.h). */

#include "cli/play/dcl.h"

#define PLAY_TEXT_SIZE 512

/* Why a script ended before its end. */
typedef struct play_failure {
    bool failed;
    bool thrown;               /* by the code: `text` is its own error text */
    uint32_t line;             /* of the code; 0: unknown */
    char text[PLAY_TEXT_SIZE]; /* UTF-8; if not thrown: "took too long ..." */
} play_failure;

/* One sentence: "error at line 3: TypeError: ..."; "the script took too long: ...". */
void play_failure_tell(const play_failure *failure, char *text, size_t size);

typedef struct play_script {
    size_t memory_max; /* bytes the engine may hold at once */
    /* A call was made. The spans are the engine's, for the call only. */
    void (*emit)(void *ctx, const play_call *call);
    /* The engine cannot go on at all; must not return. */
    void (*fatal)(void *ctx, const char *text);
    void *ctx;
} play_script;

/* Run the code to its end. Blocks; O(what the code does). */
void play_engine_run(const play_script *script, crdt_span code, play_failure *failure);

#endif /* CLI_PLAY_ENGINE_H */
