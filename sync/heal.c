#include "sync/heal.h"

#include "crdt/mutant.h"

#include <string.h>

/* One key in one document: its dots or siblings. id 0: not there. */
typedef struct slot {
    const crdt_document *doc;
    crdt_depth depth;
    uint32_t id;
} slot;

/* The same key on both sides, and what is to be done about it. */
typedef struct pair {
    slot mine;
    slot theirs;
} pair;

typedef struct verdict {
    bool write;       /* the sides differ, and I have to write */
    bool wanted;      /* something of it is to be there afterwards */
    bool winner_only; /* only one side holds the winner */
    crdt_entry winner;
} verdict;

/* What becomes of an entry that is judged by itself. */
typedef enum fate {
    FATE_KEPT, /* both hold it, or it is news to the other side */
    FATE_ONLY, /* one side holds it, though the other's version covers it */
    FATE_GONE, /* removed by an operation that the holder has not seen */
} fate;

typedef struct healer {
    const crdt_document *mine;
    const crdt_document *theirs;
    const sync_heal_options *o;
    crdt_op_list *ops;
    sync_heal_counts *counts;
} healer;

static bool slot_entry(slot s, size_t index, crdt_entry *entry)
{
    if (s.id == 0) {
        return false;
    }
    switch (s.depth) {
    case CRDT_OBJECT:
        return crdt_document_object_dot(s.doc, (crdt_object){s.id}, index, entry);
    case CRDT_PART:
        return crdt_document_part_dot(s.doc, (crdt_part){s.id}, index, entry);
    case CRDT_FIELD:
        return crdt_document_field_value(s.doc, (crdt_field){s.id}, index, entry);
    }
    return false;
}

static bool find_stamp(slot s, const crdt_stamp *stamp, crdt_entry *found)
{
    for (size_t i = 0; slot_entry(s, i, found); i++) {
        if (crdt_stamp_compare(&found->stamp, stamp) == 0) {
            return true;
        }
    }
    return false;
}

/* Was it written in one of two histories of a former actor? */
static bool is_forked(const healer *h, const crdt_stamp *stamp)
{
    for (size_t i = 0; i < h->o->former_count; i++) {
        const sync_former *former = &h->o->formers[i];
        if (crdt_actor_equal(&stamp->actor, &former->actor) &&
            stamp->time > former->time) {
            return true;
        }
    }
    return false;
}

static fate judge(const healer *h, const crdt_document *other, const crdt_stamp *stamp)
{
    if (!crdt_version_covers(crdt_document_version(other), stamp)) {
        return FATE_KEPT;
    }
    return !h->o->rescue || is_forked(h, stamp) || MUTANT(253) ? FATE_ONLY : FATE_GONE;
}

/* The later one shows; of two values with one stamp the greater bytes. */
static bool beats(const crdt_entry *a, const crdt_entry *b)
{
    int order = crdt_stamp_compare(&a->stamp, &b->stamp);
    return order > 0 ||
           (order == 0 && !MUTANT(252) && crdt_span_compare(a->value, b->value) > 0);
}

static void consider(verdict *v, const crdt_entry *entry, bool only)
{
    if (!v->wanted || beats(entry, &v->winner)) {
        v->winner = *entry;
        v->winner_only = only;
    }
    v->wanted = true;
}

static void weigh_mine(healer *h, const pair *p, verdict *v)
{
    crdt_entry entry;
    crdt_entry other;
    for (size_t i = 0; slot_entry(p->mine, i, &entry); i++) {
        if (find_stamp(p->theirs, &entry.stamp, &other)) {
            bool same = crdt_span_equal(entry.value, other.value) || MUTANT(33);
            h->counts->forks += same ? 0 : 1;
            v->write = v->write || (!same && (h->o->rescue || beats(&entry, &other))) ||
                       (h->o->rescue && is_forked(h, &entry.stamp));
            consider(v, &entry, !same);
            continue;
        }
        fate f = judge(h, h->theirs, &entry.stamp);
        if (f == FATE_GONE) {
            continue;
        }
        if (h->o->rescue && p->mine.depth == CRDT_FIELD && is_forked(h, &entry.stamp)) {
            f = FATE_ONLY; /* under this stamp a third party may drop it yet */
        }
        if (f == FATE_ONLY) {
            h->counts->mine++;
            h->counts->own += crdt_actor_equal(&entry.stamp.actor, &h->o->actor);
            v->write = true;
            if (MUTANT(41)) {
                continue;
            }
        }
        consider(v, &entry, f == FATE_ONLY);
    }
}

static void weigh_theirs(healer *h, const pair *p, verdict *v)
{
    crdt_entry entry;
    crdt_entry other;
    for (size_t i = 0; slot_entry(p->theirs, i, &entry); i++) {
        if (find_stamp(p->mine, &entry.stamp, &other)) {
            if (!crdt_span_equal(entry.value, other.value)) {
                h->counts->theirs++;
                v->write = v->write || h->o->both;
                consider(v, &entry, true);
            }
            continue;
        }
        fate f = judge(h, h->mine, &entry.stamp);
        if (f == FATE_ONLY) {
            h->counts->theirs++;
            v->write = v->write || h->o->both || h->o->rescue;
        }
        if (f != FATE_GONE) {
            consider(v, &entry, f == FATE_ONLY);
        }
    }
}

static verdict weigh(healer *h, const pair *p)
{
    verdict v = {0};
    weigh_mine(h, p, &v);
    weigh_theirs(h, p, &v);
    return v;
}

static void tell(const healer *h, const crdt_key *key, const crdt_entry *entry,
                 bool lost)
{
    if (h->o->tell != NULL) {
        h->o->tell(h->o->tell_ctx, key, entry, lost);
    }
}

/* What only one side held and does not show afterwards. */
static void tell_losers(healer *h, const pair *p, const crdt_key *key, const verdict *v)
{
    const slot sides[2] = {p->mine, p->theirs};
    for (size_t side = 0; side < 2; side++) {
        const slot other_side = sides[1 - side];
        const crdt_document *other_doc = side == 0 ? h->theirs : h->mine;
        crdt_entry entry;
        crdt_entry other;
        for (size_t i = 0; slot_entry(sides[side], i, &entry); i++) {
            bool held = find_stamp(other_side, &entry.stamp, &other) &&
                        crdt_span_equal(entry.value, other.value);
            bool shows = v->wanted && crdt_span_equal(entry.value, v->winner.value);
            if (!held && !shows && judge(h, other_doc, &entry.stamp) == FATE_ONLY) {
                tell(h, key, &entry, true);
            }
        }
    }
}

/* ---- walking the children of both sides in the order of names ---- */

typedef struct walk {
    const healer *h;
    crdt_depth depth;     /* of the children */
    uint32_t parents[2];  /* mine, theirs; 0: none */
    uint32_t children[2]; /* the next ones; 0: no more */
} walk;

static const crdt_document *side_doc(const healer *h, size_t side)
{
    return side == 0 ? h->mine : h->theirs;
}

static void step(walk *w, size_t side)
{
    const crdt_document *doc = side_doc(w->h, side);
    uint32_t *id = &w->children[side];
    if (w->depth == CRDT_PART) {
        crdt_part part = {*id};
        crdt_document_next_part(doc, (crdt_object){w->parents[side]}, &part);
        *id = part.id;
    } else {
        crdt_field field = {*id};
        crdt_document_next_field(doc, (crdt_part){w->parents[side]}, &field);
        *id = field.id;
    }
}

static walk walk_open(const healer *h, const pair *parent, crdt_depth depth)
{
    walk w = {.h = h, .depth = depth, .parents = {parent->mine.id, parent->theirs.id}};
    for (size_t side = 0; side < 2; side++) {
        if (w.parents[side] != 0) {
            step(&w, side);
        }
    }
    return w;
}

static crdt_span child_name(const walk *w, size_t side)
{
    const crdt_document *doc = side_doc(w->h, side);
    return w->depth == CRDT_PART
               ? crdt_document_part_name(doc, (crdt_part){w->children[side]})
               : crdt_document_field_name(doc, (crdt_field){w->children[side]});
}

static bool walk_next(walk *w, pair *out, crdt_span *name)
{
    if (w->children[0] == 0 && w->children[1] == 0) {
        return false;
    }
    int order = w->children[0] == 0 ? 1
                : w->children[1] == 0
                    ? -1
                    : crdt_span_compare(child_name(w, 0), child_name(w, 1));
    *name = child_name(w, order <= 0 ? 0 : 1);
    bool takes[2] = {order <= 0, order >= 0};
    *out = (pair){.mine = {w->h->mine, w->depth, takes[0] ? w->children[0] : 0},
                  .theirs = {w->h->theirs, w->depth, takes[1] ? w->children[1] : 0}};
    for (size_t side = 0; side < 2; side++) {
        if (takes[side]) {
            step(w, side);
        }
    }
    return true;
}

/* ---- writing again ---- */

static void write_field(healer *h, const pair *p, const crdt_key *key, const verdict *v)
{
    static const uint8_t nil[1] = {0xc0};
    tell_losers(h, p, key, v);
    if (v->wanted) {
        if (v->winner_only) {
            tell(h, key, &v->winner, false);
        }
        crdt_op_list_unset(h->ops, *key);
        crdt_op_list_set(h->ops, *key, v->winner.value);
    } else { /* a write that drops theirs, and leaves nothing */
        crdt_op_list_set(h->ops, *key, (crdt_span){nil, 1});
        crdt_op_list_unset(h->ops, *key);
    }
}

/* A value that no live part can hold goes with its part, and is listed. */
static void list_hidden(healer *h, const pair *p, const crdt_key *key, const verdict *v)
{
    tell_losers(h, p, key, v);
    if (v->wanted && !v->winner_only) {
        tell(h, key, &v->winner, true);
    }
}

/* `fresh`: the part was removed and added again, so all its fields are written. True: it
 * holds a hidden value that has to go. */
static bool heal_fields(healer *h, const pair *part, const crdt_key *part_key,
                        bool fresh, bool visible)
{
    bool hidden_differs = false;
    walk w = walk_open(h, part, CRDT_FIELD);
    pair field;
    crdt_span name;
    while (walk_next(&w, &field, &name)) {
        crdt_key key = crdt_key_field(part_key->object, part_key->part, name);
        verdict v = weigh(h, &field);
        if (!fresh && !v.write) {
            continue;
        }
        if (!visible) {
            list_hidden(h, &field, &key, &v);
            hidden_differs = true;
        } else if (v.wanted || v.write) {
            write_field(h, &field, &key, &v);
        }
    }
    return hidden_differs;
}

static void heal_part(healer *h, const pair *part, const crdt_key *key, bool fresh,
                      bool object_wanted)
{
    verdict v = weigh(h, part);
    if (v.write && !fresh && !MUTANT(251)) {
        crdt_op_list_remove(h->ops, *key);
    }
    fresh = fresh || v.write;
    if (fresh && v.wanted) {
        crdt_op_list_add(h->ops, *key);
    }
    if (heal_fields(h, part, key, fresh, object_wanted && v.wanted) && !fresh) {
        crdt_op_list_remove(h->ops, *key);
        if (v.wanted) {
            crdt_op_list_add(h->ops, *key);
        }
    }
}

static void heal_object(healer *h, const pair *object, crdt_span name)
{
    crdt_key key = crdt_key_object(name);
    verdict v = weigh(h, object);
    if (v.write) {
        crdt_op_list_remove(h->ops, key);
        if (v.wanted) {
            crdt_op_list_add(h->ops, key);
        }
    }
    walk w = walk_open(h, object, CRDT_PART);
    pair part;
    crdt_span part_name;
    while (walk_next(&w, &part, &part_name)) {
        crdt_key part_key = crdt_key_part(name, part_name);
        heal_part(h, &part, &part_key, v.write, v.wanted);
    }
}

crdt_err sync_heal_plan(const crdt_document *mine, const crdt_document *theirs,
                        const sync_heal_options *options, crdt_op_list *ops,
                        sync_heal_counts *counts)
{
    healer h = {mine, theirs, options, ops, counts};
    *counts = (sync_heal_counts){0};
    crdt_object object = {0};
    while (crdt_document_next_object(mine, &object)) {
        crdt_span name = crdt_document_object_name(mine, object);
        crdt_object other = crdt_document_find_object(theirs, name);
        pair p = {{mine, CRDT_OBJECT, object.id}, {theirs, CRDT_OBJECT, other.id}};
        heal_object(&h, &p, name);
    }
    object.id = 0;
    while (crdt_document_next_object(theirs, &object)) {
        crdt_span name = crdt_document_object_name(theirs, object);
        if (crdt_document_find_object(mine, name).id == 0) {
            pair p = {{mine, CRDT_OBJECT, 0}, {theirs, CRDT_OBJECT, object.id}};
            heal_object(&h, &p, name);
        }
    }
    return ops->err;
}
