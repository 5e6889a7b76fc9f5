#ifndef CLI_KERNEL_KEEPER_H
#define CLI_KERNEL_KEEPER_H

/* One scene of a kernel: its state (scene_state.h) with the process, the errands and the
 * folder that belong to it. It does what the state says is to be done, and tells the state
 * what happened.
 *
 * Threads: one, that of the kernel; what processes and errands report comes through the
 * kernel's queue. */

#include "cli/kernel/errand.h"
#include "cli/kernel/process.h"
#include "cli/report.h"

typedef struct kernel_settings {
    const char *program; /* what workers are: /proc/self/exe */
    const char *dir;
    const char *content; /* NULL: none */
    const char *builder; /* NULL: none */
    const char *own_url; /* where the kernel is reached: workers pass wishes on */
    const char *host;    /* where workers serve */
    const char *bus;     /* where they meet others: "tcp://127.0.0.1" */
    const char *token;   /* lets us do all at the workers */
    /* Further words of the command lines, NULL-terminated. */
    const char *const *edit_words; /* of edition workers */
    const char *const *words;      /* of both kinds */
    bool json;
    FILE *out; /* what happens, one line each */
} kernel_settings;

/* What a process or an errand has to say, on its way to the kernel's thread. */
typedef struct kernel_note {
    enum { KERNEL_NOTE_READY, KERNEL_NOTE_EXITED, KERNEL_NOTE_ERRAND } kind;
    char http[KERNEL_URL_SIZE]; /* READY */
    char url[KERNEL_URL_SIZE];
    int status; /* EXITED */
    char said[KERNEL_SAID_SIZE];
    kernel_errand_result result; /* ERRAND */
} kernel_note;

typedef struct kernel_keeper {
    const kernel_settings *settings;
    char name[KERNEL_NAME_SIZE]; /* "X,Y" */
    kernel_place place;
    kernel_scene_state state;
    kernel_process *process;
    kernel_errand *errand;
    char http[KERNEL_URL_SIZE]; /* of the worker that is up, or was */
    char url[KERNEL_URL_SIZE];
    char trouble[KERNEL_SAID_SIZE]; /* the last that went wrong */
    uint64_t started_at;
    kernel_summary summary;
    kernel_saved saved;     /* when play began */
    const char *told_state; /* last printed */
    /* Called from other threads. */
    void (*post)(struct kernel_keeper *keeper, const kernel_note *note);
    void *kernel;
} kernel_keeper;

/* Open the scene's folder and go on with what was wanted there. Errors: as
 * kernel_place_open; CRDT_ENOMEM. */
crdt_err kernel_keeper_open(kernel_keeper **out, const kernel_settings *settings,
                            const char *name,
                            void (*post)(kernel_keeper *keeper,
                                         const kernel_note *note),
                            void *kernel, crdt_diag *diag);
/* Kills what lives. Accepts NULL. */
void kernel_keeper_close(kernel_keeper *keeper);

/* Somebody wants this mode; it is remembered. */
void kernel_keeper_want(kernel_keeper *keeper, kernel_mode mode);
/* The kernel ends: the worker is to leave; what was wanted stays remembered. */
void kernel_keeper_leave(kernel_keeper *keeper);
/* Take a note in. */
void kernel_keeper_take(kernel_keeper *keeper, const kernel_note *note);
/* Do what is to be done now. */
void kernel_keeper_drive(kernel_keeper *keeper);

/* The members that tell of it: scene, state, pid ... */
void kernel_keeper_report(const kernel_keeper *keeper, cli_report *report);

uint64_t kernel_now_ms(void); /* monotonic */

#endif /* CLI_KERNEL_KEEPER_H */
