#ifndef TESTS_SUPPORT_SCRIPT_H
#define TESTS_SUPPORT_SCRIPT_H

/* Documents edited by little scripts, so that a test reads as a story:
 *
 *     script_edit(a, 1, "add lamp; add lamp.body; set lamp.body.size 5", &batch);
 *     script_apply(b, &batch);
 *
 * Keys are object, object.part, object.part.field; a value is an integer or a word. Actors
 * go by numbers: the actor is 15 zero bytes and the number, so higher numbers win ties. */

#include "crdt/document.h"

/* With the C library's allocator, or another. Out of memory aborts. */
crdt_document *script_open(void);
crdt_document *script_open_with(crdt_alloc alloc);

crdt_actor script_actor(unsigned number);
/* Spans point into `text`. */
crdt_key script_key(const char *text);

/* Commit the operations of a script as one batch; `batch` (may be NULL) gets its bytes, in
 * place of what it holds. */
crdt_err script_edit(crdt_document *doc, unsigned actor, const char *text,
                     crdt_buf *batch);
/* The same with all that an edit has. */
crdt_err script_commit(crdt_document *doc, const crdt_edit *edit, const char *text,
                       crdt_buf *batch);
crdt_err script_housekeep(crdt_document *doc, unsigned actor, const crdt_version *shown,
                          crdt_buf *batch);
crdt_err script_apply(crdt_document *doc, const crdt_buf *batch);
/* What `to` lacks of `from`, through the bytes of an answer. */
crdt_err script_pull(crdt_document *to, const crdt_document *from);

/* Does the field show this value ("-": nothing)? */
bool script_shows(const crdt_document *doc, const char *key, const char *value);
bool script_live(const crdt_document *doc, const char *key);
/* Siblings or dots that the key holds. */
size_t script_count(const crdt_document *doc, const char *key);
/* Same version, log and state to the byte, same digest; both pass their own check. */
bool script_equal(const crdt_document *a, const crdt_document *b);
/* The same, whatever their logs hold. */
bool script_same_state(const crdt_document *a, const crdt_document *b);

/* Two documents: `base` is written by actor 9 and known to both, then `at_a` by actor 1 and
 * `at_b` by actor 2 at once, then each gets the other's batch. Aborts if they differ. */
typedef struct script_pair {
    crdt_document *a;
    crdt_document *b;
} script_pair;

script_pair script_meet(const char *base, const char *at_a, const char *at_b);
void script_pair_close(script_pair pair);

/* A buffer with the C library's allocator. */
crdt_buf script_buf(void);

#endif /* TESTS_SUPPORT_SCRIPT_H */
