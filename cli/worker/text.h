#ifndef CLI_WORKER_TEXT_H
#define CLI_WORKER_TEXT_H

/* Puts messages together from literal pieces, strings and values that are JSON already:
 * what is sent to many renderers is written in the order given, unsorted, without a copy.
 *
 * The first failure sticks; check `err` once at the end. */

#include "crdt/buf.h"
#include "crdt/stamp.h"
#include "crdt/version.h"

typedef struct worker_text {
    crdt_buf *out;
    crdt_err err;
} worker_text;

worker_text worker_text_open(crdt_buf *out);
/* A piece as it is. */
void worker_text_put(worker_text *text, const char *piece);
void worker_text_raw(worker_text *text, crdt_span piece);
/* A string with quotes and escapes; bytes that are no UTF-8 become U+FFFD. */
void worker_text_string(worker_text *text, crdt_span utf8);
/* A component's name as the scene spells it: "Script", "Script#2". */
void worker_text_part(worker_text *text, crdt_span part);
void worker_text_number(worker_text *text, uint64_t number);
/* "TIME@ACTOR", with quotes. */
void worker_text_stamp(worker_text *text, const crdt_stamp *stamp);
void worker_text_actor(worker_text *text, const crdt_actor *actor);
/* {"<actor>":TIME,...} */
void worker_text_version(worker_text *text, const crdt_version *version);

#endif /* CLI_WORKER_TEXT_H */
