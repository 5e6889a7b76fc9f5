#include "cli/worker/dismissal.h"
#include "cli/worker/view.h"
#include "scene/format.h"
#include "tests/scene/world.h"
#include "tests/support/gen.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

/* Two replicas; the view follows the first. */
typedef struct stand {
    world w;
    worker_view *view;
} stand;

static void take(stand *s)
{
    worker_news news;
    worker_news_init(&news, crdt_alloc_default());
    cr_assert_eq(worker_view_take(s->view, &news), CRDT_OK);
    worker_news_deinit(&news);
}

static void open_stand(stand *s)
{
    world_open(&s->w, 2);
    cr_assert_eq(worker_view_open(&s->view, s->w.replicas[0].doc, crdt_alloc_default(),
                                  NULL, NULL),
                 CRDT_OK);
    take(s);
}

static void close_stand(stand *s)
{
    worker_view_close(s->view);
    world_close(&s->w);
}

/* ---- the list as text, a line each, sorted ---- */

typedef struct lines {
    char *items[512];
    size_t count;
    char whole[32768];
} lines;

static bool add_line(void *ctx, const worker_conflict *conflict)
{
    lines *l = ctx;
    crdt_buf text;
    crdt_buf_init(&text, crdt_alloc_default());
    cr_assert_eq(worker_word_conflict_payload(conflict, &text), CRDT_OK);
    cr_assert_lt(l->count, 512);
    l->items[l->count] = calloc(1, text.size + 1);
    memcpy(l->items[l->count++], text.data, text.size);
    crdt_buf_deinit(&text);
    return true;
}

static int compare_lines(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void finish_lines(lines *l)
{
    size_t at = 0;
    qsort(l->items, l->count, sizeof l->items[0], compare_lines);
    l->whole[0] = '\0';
    for (size_t i = 0; i < l->count; i++) {
        at +=
            (size_t)snprintf(l->whole + at, sizeof l->whole - at, "%s\n", l->items[i]);
        cr_assert_lt(at, sizeof l->whole);
        free(l->items[i]);
    }
}

static void list(stand *s, lines *l)
{
    *l = (lines){.count = 0};
    cr_assert_eq(worker_standing_visit(
                     worker_view_standing(s->view), worker_view_document(s->view),
                     scene_snapshot_tree(worker_view_snapshot(s->view)), add_line, l),
                 CRDT_OK);
    finish_lines(l);
}

/* The same of a document that nobody followed. */
static void list_anew(const stand *s, lines *l)
{
    worker_standing standing;
    scene_tree *tree;
    const crdt_document *doc = s->w.replicas[0].doc;
    *l = (lines){.count = 0};
    worker_standing_init(&standing, crdt_alloc_default());
    cr_assert_eq(scene_tree_open(&tree, crdt_alloc_default()), CRDT_OK);
    cr_assert_eq(scene_tree_build(tree, doc), CRDT_OK);
    cr_assert_eq(worker_standing_build(&standing, doc, tree), CRDT_OK);
    cr_assert_eq(worker_standing_visit(&standing, doc, tree, add_line, l), CRDT_OK);
    scene_tree_close(tree);
    worker_standing_deinit(&standing);
    finish_lines(l);
}

static size_t count_kind(const lines *l, const char *kind)
{
    char wanted[64];
    size_t count = 0;
    snprintf(wanted, sizeof wanted, "{\"kind\":\"%s\"", kind);
    for (const char *at = l->whole; (at = strstr(at, wanted)) != NULL; at++) {
        count++;
    }
    return count;
}

/* ---- stories ---- */

Test(standing, names_who_lost_and_who_won)
{
    stand s;
    lines l;
    open_stand(&s);
    s.w.replicas[0].who = "ana";
    s.w.replicas[1].who = "ben";
    world_set(&s.w, 0, "lamp", "Transform", "{\"position\":1}");
    world_sync(&s.w);
    world_set_field(&s.w, 0, "lamp", "Transform", "position", "2");
    world_set_field(&s.w, 1, "lamp", "Transform", "position", "3");
    world_sync(&s.w);
    take(&s);
    list(&s, &l);
    bool ana_won =
        strcmp(world_get(&s.w, 0, "lamp", "Transform", "position"), "2") == 0;
    cr_assert_eq(l.count, 1);
    cr_assert(strstr(l.whole, ana_won ? "\"value\":3,\"author\":{\"name\":\"ben\"}"
                                      : "\"value\":2,\"author\":{\"name\":\"ana\"}"));
    cr_assert(strstr(l.whole, ana_won ? "\"by\":{\"name\":\"ana\"}"
                                      : "\"by\":{\"name\":\"ben\"}"));
    close_stand(&s);
}

/* Order, ids and the like are ours: people could do nothing with them. */
Test(standing, what_people_cannot_see_is_not_told)
{
    stand s;
    lines l;
    open_stand(&s);
    world_set(&s.w, 0, "lamp", "Name", "\"whole\"");
    world_sync(&s.w);
    for (size_t r = 0; r < 2; r++) {
        const char *value = r == 0 ? "1" : "2";
        world_raw(&s.w, r, CRDT_OP_SET, "lamp", "Name", SCENE_NAME_ORDER, value);
        world_raw(&s.w, r, CRDT_OP_SET, "lamp", "Name", SCENE_NAME_VALUE, value);
    }
    world_sync(&s.w);
    take(&s);
    list(&s, &l);
    cr_assert_eq(l.count, 1);
    cr_assert_null(strstr(l.whole, "\"field\""), "a whole value has none");
    close_stand(&s);
}

static void edit_at_random(stand *s, gen *g)
{
    char entity[4];
    char other[4];
    char value[16];
    size_t r = gen_below(g, 2);
    snprintf(entity, sizeof entity, "e%u", (unsigned)gen_below(g, 5));
    snprintf(other, sizeof other, "e%u", (unsigned)gen_below(g, 5));
    snprintf(value, sizeof value, "%u", (unsigned)gen_below(g, 100));
    switch (gen_below(g, 9)) {
    case 0:
        world_remove(&s->w, r, entity);
        break;
    case 1:
        world_remove_component(&s->w, r, entity, "Transform");
        break;
    case 2:
        world_add(&s->w, r, entity, NULL);
        break;
    case 3:
    case 8:
        world_add(&s->w, r, entity, NULL);
        world_add(&s->w, r, other, NULL);
        world_move(&s->w, r, entity, other);
        break;
    case 4:
        world_set(&s->w, r, entity, "Name", value);
        break;
    case 5:
        world_sync(&s->w);
        break;
    default:
        world_set_field(&s->w, r, entity, "Transform", "position", value);
        break;
    }
}

/* Whatever happens, what was followed is what one who looks at all of it finds. */
Test(standing, followed_is_as_made_anew)
{
    size_t met[4] = {0};
    static const char *const kinds[] = {"concurrent", "edited-while-removed", "cycle",
                                        "orphan"};
    uint64_t first = gen_seed(1);
    for (uint64_t seed = first; seed < first + 60; seed++) {
        stand s;
        lines followed;
        lines anew;
        gen g = gen_open(seed, NULL);
        open_stand(&s);
        for (int i = 0; i < 60; i++) {
            edit_at_random(&s, &g);
            if (gen_below(&g, 3) > 0) {
                continue;
            }
            uint64_t before = worker_view_standing(s.view)->revision;
            lines former;
            list(&s, &former);
            take(&s);
            list(&s, &followed);
            list_anew(&s, &anew);
            cr_assert_str_eq(followed.whole, anew.whole, "SEED=%d, edit %d", (int)seed,
                             i);
            cr_assert(worker_view_standing(s.view)->revision > before ||
                          strcmp(former.whole, followed.whole) == 0,
                      "SEED=%d: another list, and no revision", (int)seed);
            for (size_t k = 0; k < 4; k++) {
                met[k] += count_kind(&followed, kinds[k]);
            }
        }
        close_stand(&s);
    }
    for (size_t k = 0; k < 4; k++) {
        cr_assert_gt(met[k], 0, "no %s in any of them", kinds[k]);
    }
}

/* ---- letting go ---- */

static crdt_err commit_sweep(stand *s, crdt_op_list *ops)
{
    world_replica *r = &s->w.replicas[0];
    crdt_arena arena;
    crdt_batch batch;
    crdt_arena_init(&arena, crdt_alloc_default());
    const crdt_edit edit = {.actor = r->actor, .sweep = true};
    crdt_err err = crdt_document_commit(r->doc, &edit, ops->ops, ops->op_count, &arena,
                                        &batch, NULL);
    crdt_arena_deinit(&arena);
    return err;
}

/* The scene as it shows, without its conflicts. */
static crdt_err write_shown(const stand *s, crdt_buf *out)
{
    return scene_format_write(s->w.replicas[0].doc, SCENE_FORMAT_STATE,
                              scene_snapshot_tree(worker_view_snapshot(s->view)),
                              crdt_alloc_default(), out);
}

/* All of an entity are dismissed: nothing of it stands any more, and what shows stays. An orphan
 * whose parent was written by two at once hung below it again: the place was settled, and
 * then the sibling that showed was written over it. */
Test(standing, dismissed_shows_what_showed)
{
    uint64_t first = gen_seed(1);
    size_t done = 0;
    for (uint64_t seed = first; seed < first + 60; seed++) {
        stand s;
        gen g = gen_open(seed, NULL);
        open_stand(&s);
        for (int i = 0; i < 40; i++) {
            edit_at_random(&s, &g);
        }
        world_sync(&s.w);
        take(&s);
        for (int e = 0; e < 5; e++) {
            char entity[4];
            char wanted[32];
            lines l;
            crdt_op_list ops;
            crdt_buf before;
            crdt_buf after;
            snprintf(entity, sizeof entity, "e%d", e);
            snprintf(wanted, sizeof wanted, "\"entityId\":\"%s\"", entity);
            crdt_buf_init(&before, crdt_alloc_default());
            crdt_buf_init(&after, crdt_alloc_default());
            crdt_op_list_init(&ops, crdt_alloc_default());
            const worker_clash_choice choice = {.entity = crdt_span_of(entity)};
            const crdt_document *doc = s.w.replicas[0].doc;
            scene_snapshot *snapshot = worker_view_snapshot(s.view);
            cr_assert_eq(write_shown(&s, &before), CRDT_OK);
            cr_assert_eq(worker_dismissal_write(doc, scene_snapshot_tree(snapshot),
                                                &choice, &ops, NULL),
                         CRDT_OK);
            done += ops.op_count > 0 && commit_sweep(&s, &ops) == CRDT_OK;
            take(&s);
            list(&s, &l);
            cr_assert_null(strstr(l.whole, wanted), "SEED=%d: %s", (int)seed, l.whole);
            cr_assert_eq(write_shown(&s, &after), CRDT_OK);
            cr_assert(crdt_span_equal(crdt_buf_span(&before), crdt_buf_span(&after)),
                      "SEED=%d, %s", (int)seed, entity);
            crdt_op_list_deinit(&ops);
            crdt_buf_deinit(&before);
            crdt_buf_deinit(&after);
        }
        close_stand(&s);
    }
    cr_assert_gt(done, 30);
}
