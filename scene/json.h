#ifndef SCENE_JSON_H
#define SCENE_JSON_H

/* JSON text <-> canonical values (crdt/value.h).
 *
 * Reading is strict (RFC 8259): valid UTF-8 without lone surrogates (escaped ones
 * included), no duplicate keys, no NaN, no number beyond the range of a double, bounded
 * depth and size, nothing after the value. Numbers are doubles: integers beyond 2^53
 * round to even, as every JavaScript reader rounds them; numbers too small become 0.
 * Every refusal says offset, line, column and a reason for a person (json_fault.h).
 *
 * Writing is canonical (RFC 8785): keys sorted by UTF-16 code units, numbers as
 * ECMAScript writes them, no blanks. Equal values have equal text.
 *
 * json.cpp is the only file that meets simdjson and double-conversion: simdjson rounds the
 * long numbers exactly, double-conversion is the one that gives ECMAScript's shortest form.
 * No C++ exception leaves it.
 *
 * Memory: a parsed document holds a copy of the text (unless it is borrowed), 16 bytes a
 * value and key, and the strings that had escapes. */

#include "crdt/buf.h"
#include "scene/json_number.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum scene_json_type {
    SCENE_JSON_NULL,
    SCENE_JSON_BOOL,
    SCENE_JSON_NUMBER,
    SCENE_JSON_STRING,
    SCENE_JSON_ARRAY,
    SCENE_JSON_OBJECT,
} scene_json_type;

/* One value (or key) of a parsed text. Nodes lie in reading order: after an ARRAY its
 * values, after an OBJECT pairs of key (a STRING) and value; each followed by all below
 * it.
 *
 *   [1,{"a":2}]  ->  ARRAY(count 2, span 5)
 *                        NUMBER
 *                        OBJECT(count 1, span 3)
 *                            STRING  NUMBER */
#define SCENE_JSON_COUNT_MAX 0xfffffffu /* 28 bits */
typedef struct scene_json_node {
    uint32_t type : 3;    /* scene_json_type */
    uint32_t boolean : 1; /* BOOL */
    uint32_t count : 28;  /* ARRAY: values; OBJECT: members; STRING: bytes */
    uint32_t offset;      /* of its first byte in the text */
    union {
        uint32_t span;       /* ARRAY, OBJECT: nodes of this value, itself too */
        double number;       /* NUMBER: finite */
        const uint8_t *text; /* STRING: UTF-8 without escapes, the document's */
    } as;
} scene_json_node;

/* The deepest nesting that can be asked for: values as deep as values may be, and the
 * records of a scene file around them. */
#define SCENE_JSON_DEPTH_MAX 160u

typedef struct scene_json_limits {
    /* Bytes of text; default 99,999,999, never more than 2^28 - 1. */
    size_t size_max;
    /* Nesting of arrays and objects; default CRDT_VALUE_DEPTH_MAX. */
    uint32_t depth_max;
    /* Values and keys; 0: the default, 16,777,216. */
    size_t node_max;
    /* The text stays where it is until close: it is not copied. Default false. */
    bool borrow;
} scene_json_limits;

scene_json_limits scene_json_limits_default(void);

typedef struct scene_json scene_json;

/* Parse a whole text. `limits` NULL: the default.
 * Errors: CRDT_ECORRUPT, CRDT_ELIMIT (size, depth, values and keys) with the place;
 * CRDT_ENOMEM. */
crdt_err scene_json_open(scene_json **out, crdt_alloc alloc, crdt_span text,
                         const scene_json_limits *limits, crdt_diag *diag);
/* Who takes the elements of one list one at a time, as they are read. */
typedef struct scene_json_each {
    const char *key; /* of the root: an object */
    void *ctx;
    /* Nodes as always, until it returns; an error ends the reading. */
    crdt_err (*take)(void *ctx, const scene_json *json, const scene_json_node *element);
} scene_json_each;

/* The same, but elements of the list at each->key are handed out, and nothing is kept of
 * them: afterwards the list is empty. The text may still turn out to be wrong.
 * Memory: nodes of the largest element and of all else. Errors also: those of `take`. */
crdt_err scene_json_open_each(scene_json **out, crdt_alloc alloc, crdt_span text,
                              const scene_json_limits *limits,
                              const scene_json_each *each, crdt_diag *diag);
/* Accepts NULL. */
void scene_json_close(scene_json *json);

/* The value; borrowed until close. */
const scene_json_node *scene_json_root(const scene_json *json);
/* How deep the text is nested. */
uint32_t scene_json_depth(const scene_json *json);
/* Refuse what stands at `node`: fills diag with its place, returns err. */
crdt_err scene_json_refuse(const scene_json *json, const scene_json_node *node,
                           crdt_diag *diag, crdt_err err, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/* The next sibling (of a key: its value). The first child of a container is
 * node + 1. */
static inline const scene_json_node *scene_json_next(const scene_json_node *node)
{
    return node + (node->type >= SCENE_JSON_ARRAY ? node->as.span : 1);
}
/* The bytes of a STRING. */
static inline crdt_span scene_json_text(const scene_json_node *node)
{
    crdt_span text = {node->as.text, node->count};
    return text;
}
/* The value of a member; NULL where `node` is no object or has none. O(members). */
const scene_json_node *scene_json_find(const scene_json_node *node, const char *key);
const scene_json_node *scene_json_find_text(const scene_json_node *node, crdt_span key);

/* Append the canonical value of a node to `out`. O(n log n) for unsorted keys.
 * Errors: CRDT_ENOMEM; `out` may then have grown. */
crdt_err scene_json_encode(const scene_json_node *node, crdt_alloc alloc,
                           crdt_buf *out);

/* Parse a text and append its canonical value: for short texts as of a command line.
 * Errors: as scene_json_open; CRDT_ELIMIT also above CRDT_VALUE_SIZE_MAX bytes. */
crdt_err scene_json_to_value(crdt_span text, crdt_alloc alloc, crdt_buf *out,
                             crdt_diag *diag);

/* Append the canonical text of a checked value. No recursion. Errors: CRDT_ENOMEM. */
crdt_err scene_json_write_value(crdt_span value, crdt_buf *out);
/* Append a string with quotes and escapes. Errors: CRDT_ENOMEM. */
crdt_err scene_json_write_string(crdt_span utf8, crdt_buf *out);

/* The shortest text that reads back as `number` (finite), as ECMAScript writes it.
 * Returns its size; not terminated. */
size_t scene_json_number_format(double number, char text[SCENE_JSON_NUMBER_SIZE]);
/* The double nearest to a number of JSON's grammar; infinite beyond the range. */
double scene_json_number_parse(crdt_span text);

#ifdef __cplusplus
}
#endif

#endif /* SCENE_JSON_H */
