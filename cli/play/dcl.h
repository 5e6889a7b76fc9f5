#ifndef CLI_PLAY_DCL_H
#define CLI_PLAY_DCL_H

/* Calls on the host object `dcl` of a scene's code, and the records in which they leave the
 * process that runs it.
 *
 *   record   u32 size of what follows, u8 kind, u8 argument count, u16 0, u32 line,
 *            per argument: u32 size, bytes
 *
 * Numbers are little-endian. The last record is PLAY_CALL_END: its line and first argument
 * tell the error that ended the script (no text: none), the second is "thrown" if the code
 * itself threw it.
 *
 * The reader trusts nothing: who writes the records runs foreign code. */

#include "crdt/buf.h"

#include <stdbool.h>

#define PLAY_CALL_ARGUMENT_MAX 5
#define PLAY_CALL_SIZE_MAX (4u << 20) /* bytes of one record */

/* "carried" is what generated code tells in a further argument (docs/CODEGEN.md), an object
 * as JSON text; empty where there is none. */
typedef enum play_call_kind {
    PLAY_CALL_END = 0,          /* error text, "thrown" or "" */
    PLAY_CALL_ADD_ENTITY,       /* entity, carried */
    PLAY_CALL_REMOVE_ENTITY,    /* entity */
    PLAY_CALL_SET_PARENT,       /* entity, parent */
    PLAY_CALL_UPDATE,           /* entity, slot, class, JSON, carried */
    PLAY_CALL_REMOVE_COMPONENT, /* entity, slot */
    PLAY_CALL_CREATED,          /* component, slot, class, carried */
    PLAY_CALL_UPDATED,          /* component, JSON, carried */
    PLAY_CALL_ATTACH,           /* entity, slot, component */
    PLAY_CALL_DISPOSED,         /* component */
    PLAY_CALL_SCENESYNC,        /* entity, carried: what the other calls cannot say */
    PLAY_CALL_SUBSCRIBE,        /* event, carried */
    PLAY_CALL_UNSUBSCRIBE,      /* event */
    PLAY_CALL_LOG,              /* text */
    PLAY_CALL_ERROR,            /* text */
    PLAY_CALL_KIND_COUNT,
} play_call_kind;

typedef struct play_call {
    play_call_kind kind;
    uint32_t line; /* of the code that made it; 0: unknown */
    size_t argument_count;
    crdt_span arguments[PLAY_CALL_ARGUMENT_MAX]; /* UTF-8; borrowed */
} play_call;

/* The name of the function ("addEntity"), how many arguments a call has, and whether the
 * last of them is what is carried. */
const char *play_call_name(play_call_kind kind);
size_t play_call_argument_count(play_call_kind kind);
bool play_call_carries(play_call_kind kind);

/* Append the record of a call. Errors: CRDT_ELIMIT: it is too large; CRDT_ENOMEM. */
crdt_err play_call_encode(const play_call *call, crdt_buf *out);
/* Take the record at the beginning of `bytes`; *size is how long it is. The call borrows
 * from `bytes`.
 * Errors: CRDT_ENOTHING: it is not whole yet. CRDT_ELIMIT, CRDT_ECORRUPT, in `diag`. */
crdt_err play_call_decode(crdt_span bytes, play_call *call, size_t *size,
                          crdt_diag *diag);

#endif /* CLI_PLAY_DCL_H */
