#ifndef CRDT_ERR_H
#define CRDT_ERR_H

/* What can go wrong, for every layer: one enum, one table of names and texts.
 *
 * Programs read the code, people read the diag. Values are append-only: they are exit
 * reasons in logs and may be compared across versions. */

#include <stddef.h>
#include <stdint.h>

#define CRDT_ERR_MAP(X)                                                                \
    X(OK, 0, "success")                                                                \
    X(ENOMEM, 1, "out of memory")                                                      \
    X(ECORRUPT, 2, "bytes are not a valid encoding")                                   \
    X(EGAP, 3, "needs operations that are not here yet")                               \
    X(EDUPLICATE, 4, "is known already")                                               \
    X(EFORK, 5, "two histories under one actor")                                       \
    X(ELIMIT, 6, "exceeds a limit")                                                    \
    X(EINVAL, 7, "invalid argument")                                                   \
    X(ENOTFOUND, 8, "not found")                                                       \
    X(EEXIST, 9, "exists already")                                                     \
    X(EIO, 10, "input or output failed")                                               \
    X(EBUSY, 11, "in use by another process")                                          \
    X(EVERSION, 12, "format version is not supported")                                 \
    X(ESTALE, 13, "was made for another state")                                        \
    X(ELINEAGE, 14, "belongs to another lineage of the scene")                         \
    X(ETIMEOUT, 15, "timed out")                                                       \
    X(ECLOSED, 16, "is closed")                                                        \
    X(EREFUSED, 17, "is refused")                                                      \
    X(ENOTHING, 18, "there is nothing to do")

typedef enum crdt_err {
#define CRDT_ERR_ENUM(name, value, text) CRDT_##name = (value),
    CRDT_ERR_MAP(CRDT_ERR_ENUM)
#undef CRDT_ERR_ENUM
} crdt_err;

/* Where and why foreign bytes were refused. Filled at the point of failure, never
 * allocated; every function that takes one accepts NULL. */
typedef struct crdt_diag {
    uint64_t offset; /* byte offset in the input */
    uint32_t line;   /* 1-based, 0 where the input is no text */
    uint32_t column; /* 1-based, in bytes; 0 where the input is no text */
    char text[160];  /* one sentence, no trailing newline, always terminated */
} crdt_diag;

/* The name ("ECORRUPT") and the text of an error; never NULL. */
const char *crdt_err_name(crdt_err err);
const char *crdt_err_text(crdt_err err);

/* Fill `diag` (may be NULL) and return `err`, so that a failing line can be
 * `return crdt_diag_set(diag, CRDT_ECORRUPT, offset, "…")`. Truncates silently at the
 * last whole UTF-8 character. Line and column are set to 0. */
crdt_err crdt_diag_set(crdt_diag *diag, crdt_err err, uint64_t offset,
                       const char *format, ...) __attribute__((format(printf, 4, 5)));

#endif /* CRDT_ERR_H */
