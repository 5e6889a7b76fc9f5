#ifndef CLI_FUZZ_PLAN_H
#define CLI_FUZZ_PLAN_H

/* A plan: one run of the simulated world, written down. What the network does to each
 * packet follows from the seed; all else stands here, one step a line, and any line may be
 * left out: a step that makes no sense where it comes does nothing. So a failing plan can
 * be cut down to the few lines that matter, kept, read and run again.
 *
 *      scenesync fuzz plan 1
 *      seed 4711
 *      places 3
 *      network 30 10 1 20          loss %, repeats %, delay ms from, to
 *      disk 5                      a sync takes 1 to so many ms
 *      shape mesh                  who dials whom: mesh, line
 *      small                       messages of 4 KiB, caches that overflow
 *      steps
 *      put 0 e1 Transform position 3
 *      move 1 e1 e2 &              `&`: in one batch with the edit that follows
 *      cut 0 1
 *      wait 120
 *      quiet                       faults end; all must be equal, and right
 *
 * The last step is always `quiet`; it is added where it is missing. */

#include "crdt/buf.h"

#define FUZZ_PLACES_MAX 64u
#define FUZZ_ENTITIES_MAX 64u
#define FUZZ_STEPS_MAX 100000u

/* What a step does: name, arguments. The arguments, in this order:
 *   p place   q another place   e entity   u parent entity or `root`   c component
 *   f field   v value           n number   m another number  k, l two more */
#define FUZZ_VERB_MAP(X)                                                               \
    X(WAIT, "wait", "n")           /* let n ms pass */                                 \
    X(QUIET, "quiet", "")          /* faults end, all must be well */                  \
    X(PUT, "put", "pecfv")         /* set a field, make what it needs; operations */   \
    X(SET, "set", "pecfv")         /* the set alone */                                 \
    X(UNSET, "unset", "pecf")      /* likewise */                                      \
    X(ADD, "add", "pe")            /* likewise: add an entity */                       \
    X(ADD_PART, "add-part", "pec") /* likewise */                                      \
    X(REMOVE, "remove", "pe")      /* likewise */                                      \
    X(DROP, "drop", "pec")         /* likewise: remove a component */                  \
    X(HANG, "hang", "peu")         /* likewise: write a parent, cycles and all */      \
    X(CREATE, "create", "peu")     /* as the editor does: add an entity under one */   \
    X(DELETE, "delete", "pe")      /* likewise */                                      \
    X(MOVE, "move", "peu")         /* likewise */                                      \
    X(EDIT, "edit", "pecfv")       /* likewise: a field */                             \
    X(CLEAR, "clear", "pecf")      /* likewise: unset a field */                       \
    X(WHOLE, "whole", "pecv")      /* likewise: all of a component */                  \
    X(STRIP, "strip", "pec")       /* likewise: remove a component */                  \
    X(UNDO, "undo", "p")           /* one's last edit */                               \
    X(REDO, "redo", "p")                                                               \
    X(BURST, "burst", "pn") /* n edits of fields of their own, one batch each */       \
    X(HOUSEKEEP, "housekeep", "p") /* clear what conflicts left */                     \
    X(TRIM, "trim", "pn")          /* forget removes beyond n bytes */                 \
    X(PRESENCE, "presence", "pn")  /* tell something of one's person */                \
    X(NETWORK, "network", "nmkl")  /* loss %, repeats %, delay ms from, to */          \
    X(CUT, "cut", "pq")            /* both ways */                                     \
    X(CUT_WAY, "cut-way", "pq")    /* from p to q */                                   \
    X(HEAL, "heal", "pq")          /* both ways */                                     \
    X(HEAL_ALL, "heal-all", "")                                                        \
    X(CRASH, "crash", "p")           /* what is not on disk is lost */                 \
    X(CRASH_KEPT, "crash-kept", "p") /* the sync under way was done */                 \
    X(STOP, "stop", "p")             /* in order */                                    \
    X(START, "start", "p")                                                             \
    X(CHECKPOINT, "checkpoint", "p")                                                   \
    X(SAVE_DISK, "save-disk", "p") /* remember the disk as it is */                    \
    X(RESTORE, "restore", "p")     /* start on what was remembered, and know it */     \
    X(COPY, "copy", "pq")          /* start p on a copy of the disk of q, and know */  \
    X(NEW_DISK, "new-disk", "p")   /* start p on an empty disk */                      \
    X(CUT_POWER, "cut-power", "p") /* sectors under way are there, torn, or not */     \
    X(DISK_FAILS, "disk-fails", "p") /* full or broken: the next sync ends it */       \
    X(STALL, "stall", "p")           /* takes no messages, does nothing */             \
    X(GO_ON, "go-on", "p")                                                             \
    X(CLOCK_AHEAD, "clock-ahead", "pn") /* the wall clock, by n seconds */             \
    X(CLOCK_BACK, "clock-back", "pn")                                                  \
    X(PROTOCOL, "protocol", "pn")  /* start p with a program n versions newer */       \
    X(FORGE, "forge", "pqn")       /* p gets bytes as if q had published them */       \
    X(SET_BACK, "set-back", "p")   /* as restore, but nobody knows */                  \
    X(TWIN, "twin", "pq")          /* as copy, but nobody knows */                     \
    X(DISK_LIES, "disk-lies", "p") /* tells that it has synced */

typedef enum fuzz_verb {
#define FUZZ_VERB_ENUM(name, text, arguments) FUZZ_##name,
    FUZZ_VERB_MAP(FUZZ_VERB_ENUM)
#undef FUZZ_VERB_ENUM
        FUZZ_VERB_COUNT
} fuzz_verb;

const char *fuzz_verb_name(fuzz_verb verb);
/* The letters of its arguments. */
const char *fuzz_verb_arguments(fuzz_verb verb);

/* A step. What its verb does not take is 0. */
typedef struct fuzz_step {
    fuzz_verb verb;
    bool joined; /* an edit: the next edit of this place belongs to the same batch */
    uint8_t place;
    uint8_t other;
    uint8_t entity;
    uint8_t parent;    /* FUZZ_ROOT: the root */
    uint8_t component; /* index of fuzz_component_names */
    uint8_t field;     /* index of fuzz_field_names */
    uint32_t value;    /* a number; from FUZZ_VALUE_LONG on a text of so many bytes */
    uint32_t n[4];
} fuzz_step;

#define FUZZ_ROOT UINT8_MAX
#define FUZZ_VALUE_LONG 1000000u
#define FUZZ_VALUE_MAX 1100000u
#define FUZZ_COMPONENTS 4u
#define FUZZ_FIELDS 3u
extern const char *const fuzz_component_names[FUZZ_COMPONENTS];
extern const char *const fuzz_field_names[FUZZ_FIELDS];

typedef struct fuzz_network {
    uint32_t loss; /* percent */
    uint32_t repeats;
    uint32_t delay_from; /* ms */
    uint32_t delay_to;
} fuzz_network;

typedef struct fuzz_plan {
    uint64_t seed;
    uint32_t place_count;
    fuzz_network network;
    uint32_t disk_ms;
    bool line;        /* else a mesh */
    bool undialable;  /* the last place cannot be dialled */
    bool no_discover; /* only who was dialled is met */
    bool small;       /* small messages and caches */
    char *scene;      /* path of the scene file it begins with; NULL: empty; owned */
    fuzz_step *steps; /* owned */
    size_t step_count;
    size_t step_capacity;
} fuzz_plan;

void fuzz_plan_init(fuzz_plan *plan);
void fuzz_plan_deinit(fuzz_plan *plan);
/* `plan` is initialized and overwritten. */
void fuzz_plan_copy(fuzz_plan *plan, const fuzz_plan *from);
/* Add a step. Out of memory aborts, here and everywhere in cli/fuzz. */
void fuzz_plan_push(fuzz_plan *plan, const fuzz_step *step);

/* Append the text to `out`. */
void fuzz_plan_write(const fuzz_plan *plan, crdt_buf *out);
/* One step as it stands in a plan, without its newline. */
#define FUZZ_STEP_TEXT_SIZE 96
void fuzz_step_write(const fuzz_step *step, char text[FUZZ_STEP_TEXT_SIZE]);
/* Foreign text. `plan` is initialized and overwritten.
 * Errors: CRDT_ECORRUPT: not a plan, `diag` says which line; CRDT_ELIMIT: too long.
 * `plan` is empty then. */
crdt_err fuzz_plan_read(fuzz_plan *plan, crdt_span text, crdt_diag *diag);

#endif /* CLI_FUZZ_PLAN_H */
