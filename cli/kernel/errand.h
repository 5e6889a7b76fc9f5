#ifndef CLI_KERNEL_ERRAND_H
#define CLI_KERNEL_ERRAND_H

/* What has to be waited for on behalf of one scene, in a thread of its own: how its worker
 * is, and the code for play. So one scene that hangs holds up no other.
 *
 * Threads: ask and close from one thread; `done` is called from the errand's. */

#include "cli/kernel/code.h"

#define KERNEL_EDITORS_SIZE 2048

/* What a worker says of itself (GET /v1/status). */
typedef struct kernel_summary {
    bool known;
    char state[16]; /* "loading", "editing", "running" */
    char text[160]; /* the error of a script that runs; "" */
    uint64_t entities;
    uint64_t renderers;
    uint64_t conflicts;
    char save[16]; /* "saved", "unsaved", ...; "" where it does not say */
    char save_error[160];
    char editors[KERNEL_EDITORS_SIZE]; /* names, a JSON array */
} kernel_summary;

/* Read the body of an answer to /v1/status; false: it is none. */
bool kernel_summary_read(kernel_summary *summary, crdt_span body);

typedef enum kernel_errand_kind {
    KERNEL_ERRAND_PROBE,
    KERNEL_ERRAND_FETCH,
} kernel_errand_kind;

typedef struct kernel_errand_result {
    kernel_errand_kind kind;
    bool ok;
    char text[160];         /* why not */
    kernel_summary summary; /* of a PROBE */
    uint64_t number;        /* of a FETCH */
    kernel_saved saved;
} kernel_errand_result;

typedef struct kernel_errand kernel_errand;

typedef struct kernel_errand_options {
    const char *program;
    const char *scene;
    const kernel_place *place; /* outlives the errand; only its paths are read */
    const char *content;
    const char *token;
    void (*done)(void *ctx, const kernel_errand_result *result);
    void *ctx;
} kernel_errand_options;

/* Errors: CRDT_ENOMEM. */
crdt_err kernel_errand_open(kernel_errand **out, const kernel_errand_options *options);
/* Ask the worker at `http` how it is. */
void kernel_errand_probe(kernel_errand *errand, const char *http);
/* Get the code: from the worker at `http`; "": from the store or the content server. A
 * later call takes the place of one that has not begun. */
void kernel_errand_fetch(kernel_errand *errand, const char *http, uint64_t number);
/* Give up what is under way, soon; accepts NULL. */
void kernel_errand_close(kernel_errand *errand);

#endif /* CLI_KERNEL_ERRAND_H */
