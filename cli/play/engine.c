#include "cli/play/engine.h"

#include <duktape.h>
#include <stdio.h>
#include <stdlib.h>

#define FILE_NAME "game.js"
/* Generated code is run in pieces of so many lines: the engine takes at most 65,535
 * constants in one function, which a scene of 9,000 entities would exceed. */
#define PIECE_LINES 500

typedef struct engine {
    const play_script *script;
    duk_context *js;
    size_t used;   /* bytes */
    bool refused;  /* memory was */
    uint32_t line; /* before the piece that runs */
    play_failure *failure;
    crdt_span piece;
    crdt_buf texts[PLAY_CALL_ARGUMENT_MAX];
} engine;

/* ---- memory: each block knows its size ---- */

typedef union block {
    size_t size;
    max_align_t align;
} block;

static void *resize(void *ctx, void *ptr, duk_size_t size)
{
    engine *e = ctx;
    block *old = ptr != NULL ? (block *)ptr - 1 : NULL;
    size_t old_size = old != NULL ? old->size : 0;
    if (size == 0) {
        e->used -= old_size;
        free(old);
        return NULL;
    }
    if (size > e->script->memory_max ||
        e->used - old_size > e->script->memory_max - size) {
        e->refused = true;
        return NULL;
    }
    block *grown = realloc(old, sizeof *grown + size);
    if (grown == NULL) {
        e->refused = true;
        return NULL;
    }
    e->used += size - old_size;
    grown->size = size;
    return grown + 1;
}

static void *allocate(void *ctx, duk_size_t size)
{
    return resize(ctx, NULL, size);
}

static void release(void *ctx, void *ptr)
{
    resize(ctx, ptr, 0);
}

static void fatal(void *ctx, const char *text)
{
    engine *e = ctx;
    e->script->fatal(e->script->ctx, text != NULL ? text : "unknown");
    abort(); /* it does not return */
}

/* ---- texts: the engine keeps UTF-16 surrogates as three bytes each ---- */

static uint32_t surrogate_at(const uint8_t *bytes, size_t size)
{
    bool is = size >= 3 && bytes[0] == 0xed && bytes[1] >= 0xa0 && bytes[1] <= 0xbf;
    return is ? 0xd000u | (uint32_t)(bytes[1] & 0x3f) << 6 | (bytes[2] & 0x3fu) : 0;
}

/* Append as UTF-8; a lone surrogate becomes U+FFFD. */
static crdt_err append_utf8(crdt_buf *out, const uint8_t *bytes, size_t size)
{
    crdt_err err = crdt_buf_reserve(out, size);
    for (size_t i = 0; err == CRDT_OK && i < size;) {
        uint32_t high = surrogate_at(bytes + i, size - i);
        if (high == 0) {
            err = crdt_buf_append(out, bytes + i, 1);
            i++;
            continue;
        }
        uint32_t low = surrogate_at(bytes + i + 3, size - i - 3);
        if (high < 0xdc00 && low >= 0xdc00) {
            uint32_t point = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
            uint8_t four[4] = {(uint8_t)(0xf0 | point >> 18),
                               (uint8_t)(0x80 | (point >> 12 & 0x3f)),
                               (uint8_t)(0x80 | (point >> 6 & 0x3f)),
                               (uint8_t)(0x80 | (point & 0x3f))};
            err = crdt_buf_append(out, four, sizeof four);
            i += 6;
        } else {
            err = crdt_buf_append(out, "\xef\xbf\xbd", 3);
            i += 3;
        }
    }
    return err;
}

/* ---- the host object ---- */

static engine *engine_of(duk_context *js)
{
    duk_memory_functions functions;
    duk_get_memory_functions(js, &functions);
    return functions.udata;
}

/* The line of the code that called us. */
static uint32_t line_of_caller(duk_context *js)
{
    duk_inspect_callstack_entry(js, -2);
    uint32_t line = 0;
    if (duk_is_object(js, -1)) {
        duk_get_prop_string(js, -1, "lineNumber");
        line = duk_get_uint_default(js, -1, 0);
        duk_pop(js);
    }
    duk_pop(js);
    return line;
}

/* All arguments as one text, for log and error. */
static void join_arguments(duk_context *js)
{
    duk_push_string(js, " ");
    duk_insert(js, 0);
    duk_join(js, duk_get_top(js) - 1);
}

/* Make an argument a text in its place; of what is carried, the JSON of an object. */
static void to_text(duk_context *js, duk_idx_t i, bool carried)
{
    if (carried && duk_is_object(js, i)) {
        duk_json_encode(js, i);
    }
    if (carried && !duk_is_string(js, i)) {
        duk_push_string(js, ""); /* something else: nothing is carried */
        duk_replace(js, i);
    }
    duk_to_string(js, i);
}

/* One argument, a text by now, into e->texts. */
static void take_text(duk_context *js, engine *e, play_call_kind kind, size_t i)
{
    duk_size_t size;
    const char *text = duk_get_lstring(js, (duk_idx_t)i, &size);
    crdt_buf_clear(&e->texts[i]);
    if (size > PLAY_CALL_SIZE_MAX / 2 ||
        append_utf8(&e->texts[i], (const uint8_t *)text, size) != CRDT_OK) {
        (void)duk_error(js, DUK_ERR_RANGE_ERROR, "dcl.%s: too long a text",
                        play_call_name(kind));
    }
}

static duk_ret_t call_host(duk_context *js)
{
    engine *e = engine_of(js);
    play_call_kind kind = (play_call_kind)duk_get_current_magic(js);
    size_t count = play_call_argument_count(kind);
    size_t needed = count - play_call_carries(kind);
    if (kind == PLAY_CALL_LOG || kind == PLAY_CALL_ERROR) {
        join_arguments(js);
    } else if ((size_t)duk_get_top(js) < needed) {
        return duk_error(js, DUK_ERR_TYPE_ERROR, "dcl.%s takes %lu arguments",
                         play_call_name(kind), (unsigned long)needed);
    }
    duk_set_top(js, (duk_idx_t)count);
    play_call call = {.kind = kind, .argument_count = count};
    for (size_t i = 0; i < count; i++) { /* may run code of the script, and come here */
        to_text(js, (duk_idx_t)i, i >= needed);
    }
    for (size_t i = 0; i < count; i++) {
        take_text(js, e, kind, i);
        call.arguments[i] = crdt_buf_span(&e->texts[i]);
    }
    uint32_t line = line_of_caller(js);
    call.line = line != 0 ? line + e->line : 0;
    e->script->emit(e->script->ctx, &call);
    return 0;
}

/* dcl.onStart(fn): kept in a list that only we see. */
static duk_ret_t on_start(duk_context *js)
{
    duk_require_function(js, 0);
    duk_push_global_stash(js);
    duk_get_prop_string(js, -1, "start");
    duk_dup(js, 0);
    duk_put_prop_index(js, -2, (duk_uarridx_t)duk_get_length(js, -2));
    return 0;
}

static duk_ret_t ignore(duk_context *js)
{
    duk_require_function(js, 0);
    return 0;
}

static void push_host(duk_context *js)
{
    duk_push_object(js);
    for (int kind = PLAY_CALL_END + 1; kind < PLAY_CALL_KIND_COUNT; kind++) {
        duk_push_c_function(js, call_host, DUK_VARARGS);
        duk_set_magic(js, -1, kind);
        duk_freeze(js, -1);
        duk_put_prop_string(js, -2, play_call_name((play_call_kind)kind));
    }
    duk_push_c_function(js, on_start, 1);
    duk_put_prop_string(js, -2, "onStart");
    duk_push_c_function(js, ignore, 1);
    duk_put_prop_string(js, -2, "onUpdate");
    duk_push_c_function(js, ignore, 1);
    duk_put_prop_string(js, -2, "onEvent");
    duk_freeze(js, -1);
}

/* `dcl` for good; nothing of the engine's own (collector, threads, finalizers). */
static duk_ret_t prepare(duk_context *js, void *ctx)
{
    (void)ctx;
    duk_push_global_stash(js);
    duk_push_bare_array(js);
    duk_put_prop_string(js, -2, "start");
    duk_push_global_object(js);
    duk_del_prop_string(js, -1, "Duktape");
    duk_push_string(js, "dcl");
    push_host(js);
    duk_def_prop(js, -3,
                 DUK_DEFPROP_HAVE_VALUE | DUK_DEFPROP_CLEAR_WRITABLE |
                     DUK_DEFPROP_CLEAR_CONFIGURABLE | DUK_DEFPROP_SET_ENUMERABLE);
    return 0;
}

/* ---- running ---- */

/* Runs the piece; what it leaves is of no interest. */
static duk_ret_t run_piece(duk_context *js, void *ctx)
{
    engine *e = ctx;
    duk_push_string(js, FILE_NAME);
    duk_compile_lstring_filename(js, 0, (const char *)e->piece.data, e->piece.size);
    duk_call(js, 0);
    return 0;
}

static duk_ret_t run_started(duk_context *js, void *ctx)
{
    (void)ctx;
    duk_push_global_stash(js);
    duk_get_prop_string(js, -1, "start");
    duk_size_t count = duk_get_length(js, -1);
    for (duk_size_t i = 0; i < count; i++) {
        duk_get_prop_index(js, -1, (duk_uarridx_t)i);
        duk_call(js, 0);
        duk_pop(js);
    }
    return 0;
}

/* The line of the script that the error on the stack blames: its own line, or, where it
 * was thrown by the engine or in an eval, that of the innermost call in the script. */
static uint32_t line_of_error(duk_context *js)
{
    duk_get_prop_string(js, -1, "fileName");
    duk_get_prop_string(js, -2, "lineNumber");
    bool own = strcmp(duk_get_string_default(js, -2, ""), FILE_NAME) == 0;
    uint32_t line = duk_get_uint_default(js, -1, 0);
    duk_pop_2(js);
    if (own) {
        return line;
    }
    duk_get_prop_string(js, -1, "stack");
    const char *at = strstr(duk_get_string_default(js, -1, ""), FILE_NAME ":");
    line = at != NULL ? (uint32_t)strtoul(at + strlen(FILE_NAME ":"), NULL, 10) : 0;
    duk_pop(js);
    return line;
}

/* Reads the error on the stack; may run code of the script (getters). */
static duk_ret_t read_error(duk_context *js, void *ctx)
{
    engine *e = ctx;
    if (duk_is_error(js, -1)) {
        uint32_t line = line_of_error(js);
        e->failure->line = line != 0 ? line + e->line : 0;
    }
    duk_size_t size;
    const char *text = duk_safe_to_lstring(js, -1, &size);
    size_t keep = size < PLAY_TEXT_SIZE / 2 ? size : PLAY_TEXT_SIZE / 2;
    while (keep < size && keep > 0 && ((uint8_t)text[keep] & 0xc0) == 0x80) {
        keep--;
    }
    crdt_buf *out = &e->texts[0];
    crdt_buf_clear(out);
    if (append_utf8(out, (const uint8_t *)text, keep) == CRDT_OK) {
        snprintf(e->failure->text, PLAY_TEXT_SIZE, "%.*s", (int)out->size,
                 (const char *)out->data);
    }
    return 0;
}

/* The engine says "alloc failed", or where even that takes memory, DoubleError. */
static bool was_memory(const engine *e)
{
    const char *text = e->failure->text;
    return e->refused && (strstr(text, "alloc failed") != NULL ||
                          strstr(text, "DoubleError") != NULL);
}

/* The error lies on the stack. */
static void fail(engine *e)
{
    play_failure *failure = e->failure;
    failure->failed = true;
    failure->thrown = true;
    if (duk_safe_call(e->js, read_error, e, 1, 1) != DUK_EXEC_SUCCESS ||
        failure->text[0] == '\0') {
        snprintf(failure->text, sizeof failure->text, "an error without a text");
    }
    if (was_memory(e)) {
        failure->thrown = false;
        snprintf(failure->text, sizeof failure->text,
                 "took too much memory: the limit is %zu MiB",
                 e->script->memory_max >> 20);
    }
}

static bool safely(engine *e, duk_safe_call_function fn)
{
    if (duk_safe_call(e->js, fn, e, 0, 1) != DUK_EXEC_SUCCESS) {
        fail(e);
        return false;
    }
    duk_pop(e->js);
    return true;
}

/* Is each line one whole call on dcl, as generated code has them? Then lines can be run
 * in pieces without a difference. */
static bool is_generated(crdt_span code)
{
    const uint8_t *at = code.data;
    const uint8_t *end = code.data + code.size;
    while (at < end) {
        const uint8_t *stop = memchr(at, '\n', (size_t)(end - at));
        stop = stop != NULL ? stop : end;
        size_t size = (size_t)(stop - at);
        if (size > 0 && (size < 6 || memcmp(at, "dcl.", 4) != 0 || stop[-1] != ';')) {
            return false;
        }
        at = stop + 1;
    }
    return true;
}

/* The first lines of the code, taken off it. */
static crdt_span take_piece(crdt_span *code, uint32_t *lines)
{
    crdt_span piece = {code->data, 0};
    for (*lines = 0; *lines < PIECE_LINES && piece.size < code->size; ++*lines) {
        const uint8_t *from = code->data + piece.size;
        const uint8_t *stop = memchr(from, '\n', code->size - piece.size);
        piece.size = stop != NULL ? (size_t)(stop - code->data) + 1 : code->size;
    }
    code->data += piece.size;
    code->size -= piece.size;
    return piece;
}

static void run_code(engine *e, crdt_span code)
{
    bool whole = !is_generated(code);
    do {
        uint32_t lines = 0;
        e->piece = code;
        if (whole) {
            code.size = 0;
        } else {
            e->piece = take_piece(&code, &lines);
        }
        if (!safely(e, run_piece)) {
            return;
        }
        e->line += lines;
    } while (code.size > 0);
    e->line = 0;
    safely(e, run_started);
}

void play_engine_run(const play_script *script, crdt_span code, play_failure *failure)
{
    *failure = (play_failure){.failed = false};
    engine e = {.script = script, .failure = failure};
    for (size_t i = 0; i < PLAY_CALL_ARGUMENT_MAX; i++) {
        crdt_buf_init(&e.texts[i], crdt_alloc_default());
    }
    e.js = duk_create_heap(allocate, resize, release, &e, fatal);
    if (e.js == NULL) {
        failure->failed = true;
        snprintf(failure->text, sizeof failure->text, "could not be run: no memory");
    } else if (safely(&e, prepare)) {
        run_code(&e, code);
    }
    if (e.js != NULL) {
        duk_destroy_heap(e.js);
    }
    for (size_t i = 0; i < PLAY_CALL_ARGUMENT_MAX; i++) {
        crdt_buf_deinit(&e.texts[i]);
    }
}

void play_failure_tell(const play_failure *failure, char *text, size_t size)
{
    /* Of a call of what is no function the engine knows only the line of the call before. */
    const char *where = strstr(failure->text, "not callable") != NULL ? "near" : "at";
    if (failure->thrown && failure->line != 0) {
        snprintf(text, size, "error %s line %u: %s", where, failure->line,
                 failure->text);
    } else if (failure->thrown) {
        snprintf(text, size, "error: %s", failure->text);
    } else {
        snprintf(text, size, "the script %s", failure->text);
    }
}
