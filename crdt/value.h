#ifndef CRDT_VALUE_H
#define CRDT_VALUE_H

/* Values: what a field holds, as canonical msgpack bytes.
 *
 * The values are exactly those of JSON: null, true, false, numbers (IEEE doubles),
 * UTF-8 strings, arrays, objects. Equal values have equal bytes, so values are
 * compared, hashed and stored as bytes. The canonical form (docs/FORMAT.md, "Values"):
 *
 *   number   an integral number of magnitude <= 2^53: the shortest msgpack int,
 * unsigned forms for >= 0 (-0 is 0); else float32 where that is exact, else float64; no
 * NaN, no infinity string   the shortest str form; valid UTF-8 (no surrogates, no
 * overlong forms) array    the shortest array form map      the shortest map form; keys
 * are strings, strictly ascending in the order of RFC 8785 (UTF-16 code units:
 * crdt_value_key_compare) nothing else: no bin, no ext, no timestamps, no trailing
 * bytes
 *
 * Foreign bytes go through crdt_value_check first: bounded in depth, counts checked
 * against the bytes left, nothing allocated. The reader is for checked bytes.
 *
 * Tokens are read and written by crdt/msgpack.h, the only one that meets msgpack-c. */

#include "crdt/buf.h"

#define CRDT_VALUE_DEPTH_MAX 128        /* nesting of arrays and maps */
#define CRDT_VALUE_SIZE_MAX (16u << 20) /* bytes of one value */
#define CRDT_NAME_SIZE_MAX 4096u        /* bytes of an id, part or field name */

/* Is `bytes` exactly one canonical value? O(size), no recursion, no allocation.
 * Errors: CRDT_ECORRUPT, CRDT_ELIMIT (depth, size), with diag->offset in `bytes`. */
crdt_err crdt_value_check(crdt_span bytes, crdt_diag *diag);

/* Does `bytes` begin with a canonical value? `*size` is that of the value. As
 * crdt_value_check otherwise. */
crdt_err crdt_value_check_first(crdt_span bytes, size_t *size, crdt_diag *diag);

/* Is `bytes` valid UTF-8 (RFC 3629)? *offset (may be NULL) is where it stops being so.
 */
bool crdt_utf8_valid(crdt_span bytes, size_t *offset);

/* The order of map keys: by UTF-16 code units, as RFC 8785 sorts; computed on UTF-8. */
int crdt_value_key_compare(crdt_span a, crdt_span b);

/* ---- reading (checked bytes only; asserts, never errors) ---- */

typedef enum crdt_value_type {
    CRDT_VALUE_NULL,
    CRDT_VALUE_BOOL,
    CRDT_VALUE_NUMBER,
    CRDT_VALUE_STRING,
    CRDT_VALUE_ARRAY,
    CRDT_VALUE_MAP,
} crdt_value_type;

/* A cursor into checked bytes. Read a token with crdt_value_read; after an ARRAY token
 * its `count` values follow, after a MAP token `count` pairs of string and value. */
typedef struct crdt_value_reader {
    const uint8_t *at;
    const uint8_t *end;
} crdt_value_reader;

typedef struct crdt_value_token {
    crdt_value_type type;
    bool boolean;     /* BOOL */
    bool integral;    /* NUMBER: `integer` holds it exactly */
    int64_t integer;  /* NUMBER, integral */
    double number;    /* NUMBER, always */
    crdt_span string; /* STRING: borrowed from the value */
    uint32_t count;   /* ARRAY: values; MAP: pairs */
} crdt_value_token;

crdt_value_reader crdt_value_read_open(crdt_span value);
crdt_value_token crdt_value_read(crdt_value_reader *reader);
/* The bytes of the next whole value, and step over it. O(its size), no recursion. */
crdt_span crdt_value_read_span(crdt_value_reader *reader);
/* The value of `key` in the map `map`; false if `map` is no map or has none. O(size).
 */
bool crdt_value_map_find(crdt_span map, const char *key, crdt_span *out);
crdt_value_type crdt_value_type_of(crdt_span value);

/* ---- writing ---- */

/* Append canonical forms to `out`. The caller writes map keys in ascending order and as
 * many values as announced (tests check with crdt_value_check).
 * Errors: CRDT_ENOMEM; CRDT_EINVAL for a number that is NaN or infinite. */
crdt_err crdt_value_write_null(crdt_buf *out);
crdt_err crdt_value_write_bool(crdt_buf *out, bool value);
crdt_err crdt_value_write_number(crdt_buf *out, double value);
crdt_err crdt_value_write_integer(crdt_buf *out, int64_t value); /* |value| <= 2^53 */
crdt_err crdt_value_write_string(crdt_buf *out, crdt_span utf8);
crdt_err crdt_value_write_array(crdt_buf *out, uint32_t count);
crdt_err crdt_value_write_map(crdt_buf *out, uint32_t count);

#endif /* CRDT_VALUE_H */
