#include "cli/fuzz/scopes.h"

#include "crdt/value.h"

#include <stdio.h>
#include <stdlib.h>

#define BATCHES_MAX 5u
#define SETS (1u << BATCHES_MAX)

const char fuzz_scope_letters[] = "psurdabh";

typedef struct made {
    uint32_t author;
    char letter;
    uint32_t seen; /* set of batches */
    crdt_buf bytes;
    crdt_arena arena;
    crdt_batch batch; /* decoded from bytes */
} made;

typedef struct explorer {
    const fuzz_scope *scope;
    fuzz_scope_counts *counts;
    made made[BATCHES_MAX];
    uint32_t count;
    uint64_t branches; /* at the depth where shares are handed out */
    bool known[SETS];  /* of the history at hand: */
    crdt_digest digests[SETS];
} explorer;

static void must(bool ok)
{
    if (!ok) {
        fputs("fuzz: out of memory\n", stderr);
        abort();
    }
}

static crdt_actor actor_of(uint32_t author)
{
    crdt_actor actor;
    memset(actor.bytes, (int)(author + 1), sizeof actor.bytes);
    return actor;
}

/* ---- saying what is wrong ---- */

static void describe(const explorer *e, char *out, size_t size)
{
    size_t at = 0;
    out[0] = '\0';
    for (uint32_t i = 0; i < e->count && at < size; i++) {
        int wrote = snprintf(out + at, size - at, "%u:%c{", e->made[i].author,
                             e->made[i].letter);
        at += (size_t)wrote;
        for (uint32_t j = 0; j < i && at < size; j++) {
            if ((e->made[i].seen >> j & 1) != 0) {
                at += (size_t)snprintf(out + at, size - at, "%u", j);
            }
        }
        at += at < size ? (size_t)snprintf(out + at, size - at, "} ") : 0;
    }
}

static bool fail(explorer *e, const char *oracle, const char *text, uint32_t set)
{
    fuzz_scope_counts *c = e->counts;
    if (c->oracle[0] == '\0') {
        snprintf(c->oracle, sizeof c->oracle, "%s", oracle);
        snprintf(c->text, sizeof c->text, "%s (batches %02x)", text, set);
        describe(e, c->history, sizeof c->history);
    }
    return false;
}

/* ---- documents ---- */

static crdt_document *open_document(void)
{
    crdt_document *doc = NULL;
    crdt_document_options options = crdt_document_options_default();
    must(crdt_document_open(&doc, &options) == CRDT_OK);
    return doc;
}

static bool apply(explorer *e, crdt_document *doc, uint32_t number, uint32_t set)
{
    crdt_err err = crdt_document_apply(doc, &e->made[number].batch, NULL);
    must(err != CRDT_ENOMEM);
    return err == CRDT_OK || fail(e, "apply", crdt_err_name(err), set);
}

/* The document of a downset, its batches in the order in which they were made. */
static crdt_document *document_of(explorer *e, uint32_t set)
{
    crdt_document *doc = open_document();
    for (uint32_t i = 0; i < e->count; i++) {
        if ((set >> i & 1) != 0) {
            apply(e, doc, i, set);
        }
    }
    return doc;
}

static bool check_digest(explorer *e, const crdt_document *doc, uint32_t set,
                         const char *how)
{
    crdt_digest digest = crdt_document_digest(doc);
    if (!e->known[set]) {
        e->known[set] = true;
        e->digests[set] = digest;
    }
    return crdt_digest_equal(e->digests[set], digest) || fail(e, "order", how, set);
}

static bool is_downset(const explorer *e, uint32_t set)
{
    for (uint32_t i = 0; i < e->count; i++) {
        if ((set >> i & 1) != 0 && (e->made[i].seen & ~set) != 0) {
            return false;
        }
    }
    return true;
}

/* ---- the promises ---- */

/* Each downset is what the full history says. */
static bool check_downsets(explorer *e)
{
    fuzz_full_history *history = fuzz_full_history_open();
    bool ok = true;
    for (uint32_t i = 0; i < e->count; i++) {
        fuzz_full_history_add(history, &e->made[i].batch);
    }
    uint32_t newest = 1u << (e->count - 1);
    for (uint32_t set = newest; set < 2 * newest && ok; set++) {
        if (!is_downset(e, set)) {
            continue; /* those without the newest batch belong to shorter histories */
        }
        fuzz_finding finding;
        crdt_document *doc = document_of(e, set);
        ok = check_digest(e, doc, set, "another digest");
        if (ok && !fuzz_full_history_check(history, doc, &finding)) {
            ok = fail(e, finding.oracle, finding.text, set);
        }
        if (ok && !crdt_document_check(doc)) {
            ok = fail(e, "invariant", "the document contradicts itself", set);
        }
        e->counts->downsets++;
        crdt_document_close(doc);
    }
    fuzz_full_history_close(history);
    return ok && e->counts->oracle[0] == '\0';
}

/* What comes again is known; what comes too early is held back; neither does anything. */
static bool check_untimely(explorer *e, crdt_document *doc, uint32_t set)
{
    for (uint32_t i = 0; i < e->count; i++) {
        bool there = (set >> i & 1) != 0;
        bool ready = (e->made[i].seen & ~set) == 0;
        if (!there && ready) {
            continue;
        }
        crdt_err err = crdt_document_apply(doc, &e->made[i].batch, NULL);
        must(err != CRDT_ENOMEM);
        if (err != (there ? CRDT_EDUPLICATE : CRDT_EGAP)) {
            return fail(e, "untimely", crdt_err_name(err), set);
        }
    }
    return check_digest(e, doc, set, "a batch that was refused did something");
}

/* Every order: all batches in `order` are in the document of `set` anew, then each that may
 * come next. Documents cannot be taken back, so each whole order has its own. */
static bool walk_orders(explorer *e, uint32_t *order, uint32_t depth, uint32_t set)
{
    bool ok = true;
    if (depth == e->count) {
        crdt_document *doc = open_document();
        uint32_t at = 0;
        for (uint32_t i = 0; i < depth && ok; i++) {
            at |= 1u << order[i];
            ok = apply(e, doc, order[i], at) &&
                 check_digest(e, doc, at, "the order of arrival matters") &&
                 check_untimely(e, doc, at);
        }
        e->counts->orders++;
        crdt_document_close(doc);
        return ok;
    }
    for (uint32_t i = 0; i < e->count && ok; i++) {
        if ((set >> i & 1) == 0 && (e->made[i].seen & ~set) == 0) {
            order[depth] = i;
            ok = walk_orders(e, order, depth + 1, set | 1u << i);
        }
    }
    return ok;
}

/* X takes what it lacks of Y. */
static bool check_join(explorer *e, uint32_t x, uint32_t y, const crdt_document *from)
{
    crdt_buf answer;
    crdt_document *doc = document_of(e, x);
    crdt_buf_init(&answer, crdt_alloc_default());
    must(crdt_document_answer(from, crdt_document_version(doc), NULL, &answer) ==
         CRDT_OK);
    crdt_err err = crdt_document_merge(doc, crdt_buf_span(&answer), NULL, NULL, NULL);
    must(err != CRDT_ENOMEM);
    bool ok = err == CRDT_OK || fail(e, "join", crdt_err_name(err), x);
    if (ok && !e->known[x | y]) {
        crdt_document *both = document_of(e, x | y);
        ok = check_digest(e, both, x | y, "another digest");
        crdt_document_close(both);
    }
    ok = ok && check_digest(e, doc, x | y, "a join is not what its parts are");
    e->counts->joins++;
    crdt_buf_deinit(&answer);
    crdt_document_close(doc);
    return ok;
}

/* Every downset, and what each author held when it had made a batch; those of which one has
 * the newest batch, the others belong to shorter histories. */
static bool check_joins(explorer *e)
{
    bool ok = true;
    uint32_t newest = 1u << (e->count - 1);
    for (uint32_t i = 0; i < e->count && ok; i++) {
        uint32_t y = e->made[i].seen | 1u << i;
        crdt_document *from = document_of(e, y);
        for (uint32_t x = 0; x < 2 * newest && ok; x++) {
            if (((x | y) & newest) != 0 && (y & ~x) != 0 && is_downset(e, x)) {
                ok = check_join(e, x, y, from);
            }
        }
        crdt_document_close(from);
    }
    return ok;
}

static bool check_history(explorer *e)
{
    uint32_t order[BATCHES_MAX];
    e->counts->histories++;
    memset(e->known, 0, sizeof e->known);
    return check_downsets(e) && walk_orders(e, order, 0, 0) && check_joins(e);
}

/* ---- making histories ---- */

static size_t ops_of(char letter, crdt_span value, crdt_op ops[3])
{
    crdt_span o = crdt_span_of("o");
    crdt_span p = crdt_span_of("p");
    crdt_key object = crdt_key_object(o);
    crdt_key part = crdt_key_part(o, p);
    crdt_key field = crdt_key_field(o, p, crdt_span_of("f"));
    switch (letter) {
    case 'p':
        ops[0] = (crdt_op){.kind = CRDT_OP_ADD, .key = object};
        ops[1] = (crdt_op){.kind = CRDT_OP_ADD, .key = part};
        ops[2] = (crdt_op){.kind = CRDT_OP_SET, .key = field, .value = value};
        return 3;
    case 's':
        ops[0] = (crdt_op){.kind = CRDT_OP_SET, .key = field, .value = value};
        return 1;
    case 'u':
        ops[0] = (crdt_op){.kind = CRDT_OP_UNSET, .key = field};
        return 1;
    case 'r':
        ops[0] = (crdt_op){.kind = CRDT_OP_REMOVE, .key = object};
        return 1;
    case 'd':
        ops[0] = (crdt_op){.kind = CRDT_OP_REMOVE, .key = part};
        return 1;
    case 'a':
        ops[0] = (crdt_op){.kind = CRDT_OP_ADD, .key = object};
        return 1;
    default:
        ops[0] = (crdt_op){.kind = CRDT_OP_ADD, .key = part};
        return 1;
    }
}

/* Have the author make its batch. False: it says nothing there. */
static bool make(explorer *e, made *m)
{
    crdt_document *doc = document_of(e, m->seen);
    crdt_edit edit = {.actor = actor_of(m->author)};
    crdt_batch batch;
    crdt_op ops[3];
    crdt_buf value;
    crdt_buf_init(&value, crdt_alloc_default());
    must(crdt_value_write_integer(&value, (int64_t)e->count + 1) == CRDT_OK);
    crdt_arena_reset(&m->arena);
    crdt_err err = CRDT_OK;
    if (m->letter == 'h') {
        err = crdt_document_housekeep(doc, &edit, NULL, &m->arena, &batch, NULL);
    } else {
        size_t count = ops_of(m->letter, crdt_buf_span(&value), ops);
        err = crdt_document_commit(doc, &edit, ops, count, &m->arena, &batch, NULL);
    }
    must(err == CRDT_OK || err == CRDT_ENOTHING);
    if (err == CRDT_OK) {
        crdt_buf_clear(&m->bytes);
        must(crdt_batch_encode(&batch, NULL, &m->bytes) == CRDT_OK);
    }
    crdt_document_close(doc);
    crdt_buf_deinit(&value);
    if (err != CRDT_OK) {
        return false;
    }
    crdt_arena_reset(&m->arena);
    if (crdt_batch_decode(crdt_buf_span(&m->bytes), NULL, &m->arena, &m->batch, NULL) !=
        CRDT_OK) {
        fail(e, "codec", "a batch made here cannot be read", m->seen);
        return false;
    }
    return true;
}

static void explore(explorer *e);

/* One more batch: by this author, of this letter, having seen that. */
static void extend(explorer *e, uint32_t author, uint32_t seen)
{
    made *m = &e->made[e->count];
    m->author = author;
    m->seen = seen;
    for (const char *letter = e->scope->letters; *letter != '\0'; letter++) {
        if (e->counts->oracle[0] != '\0') {
            return;
        }
        if (e->count == 1 && e->branches++ % e->scope->shares != e->scope->share) {
            continue;
        }
        m->letter = *letter;
        if (!make(e, m)) {
            continue;
        }
        e->count++;
        bool others = e->count == 1 && e->scope->share != 0; /* share 0 looks at it */
        if (others || check_history(e)) {
            explore(e);
        }
        e->count--;
    }
}

static void explore(explorer *e)
{
    if (e->count == e->scope->batches) {
        return;
    }
    for (uint32_t author = 0; author < e->scope->authors; author++) {
        uint32_t own = 0;
        for (uint32_t i = 0; i < e->count; i++) {
            own |= e->made[i].author == author ? 1u << i : 0;
        }
        for (uint32_t seen = 0; seen < 1u << e->count; seen++) {
            bool beside = e->count > 0 && (seen >> (e->count - 1) & 1) == 0;
            bool swapped = beside && e->made[e->count - 1].author > author;
            if ((own & ~seen) == 0 && !swapped && is_downset(e, seen)) {
                extend(e, author, seen);
            }
        }
    }
}

void fuzz_scope_run(const fuzz_scope *scope, fuzz_scope_counts *counts)
{
    explorer e = {.scope = scope, .counts = counts};
    for (uint32_t i = 0; i < BATCHES_MAX; i++) {
        crdt_buf_init(&e.made[i].bytes, crdt_alloc_default());
        crdt_arena_init(&e.made[i].arena, crdt_alloc_default());
    }
    explore(&e);
    for (uint32_t i = 0; i < BATCHES_MAX; i++) {
        crdt_buf_deinit(&e.made[i].bytes);
        crdt_arena_deinit(&e.made[i].arena);
    }
}
