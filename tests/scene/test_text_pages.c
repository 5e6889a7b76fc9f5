#include "scene/text_pages.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/fault_alloc.h"
#include "tests/support/gen.h"

#define ITEMS 600u

/* The naive model: a text for each item, in the order of `rank`. */
typedef struct model {
    crdt_buf texts[ITEMS];
    bool there[ITEMS];
    uint32_t rank[ITEMS]; /* a permutation */
} model;

static model the_model;

static int compare(const void *ctx, uint32_t a, uint32_t b)
{
    const model *m = ctx;
    return (m->rank[a] > m->rank[b]) - (m->rank[a] < m->rank[b]);
}

static void open_model(model *m, gen *g)
{
    for (uint32_t i = 0; i < ITEMS; i++) {
        crdt_buf_init(&m->texts[i], crdt_alloc_default());
        m->there[i] = false;
        m->rank[i] = i;
    }
    for (uint32_t i = ITEMS - 1; i > 0; i--) {
        uint32_t other = (uint32_t)(gen_next(g) % (i + 1));
        uint32_t rank = m->rank[i];
        m->rank[i] = m->rank[other];
        m->rank[other] = rank;
    }
}

static void close_model(model *m)
{
    for (uint32_t i = 0; i < ITEMS; i++) {
        crdt_buf_deinit(&m->texts[i]);
    }
}

/* Mostly short, some empty, now and then larger than a page. */
static void draw_text(gen *g, crdt_buf *text)
{
    uint64_t kind = gen_next(g) % 100;
    size_t size = kind < 10   ? 0
                  : kind < 98 ? 1 + gen_next(g) % 700
                              : SCENE_TEXT_PAGE_SIZE / 2 + gen_next(g) % 30000;
    crdt_buf_clear(text);
    for (size_t i = 0; i < size; i++) {
        cr_assert_eq(crdt_buf_append(text, &"abcdefghijklmnop"[gen_next(g) % 16], 1),
                     CRDT_OK);
    }
}

static void expect_same(const scene_text_pages *pages, const model *m)
{
    cr_assert(scene_text_pages_check(pages, m));
    crdt_buf wanted;
    crdt_buf got;
    crdt_buf_init(&wanted, crdt_alloc_default());
    crdt_buf_init(&got, crdt_alloc_default());
    uint32_t by_rank[ITEMS];
    for (uint32_t i = 0; i < ITEMS; i++) {
        by_rank[m->rank[i]] = i;
    }
    scene_text_cursor cursor = {0};
    uint32_t item;
    for (uint32_t r = 0; r < ITEMS; r++) {
        uint32_t i = by_rank[r];
        cr_assert_eq(scene_text_pages_has(pages, i), m->there[i]);
        if (m->there[i]) {
            cr_assert(scene_text_pages_next(pages, &cursor, &item));
            cr_assert_eq(item, i);
        }
        if (m->there[i] && m->texts[i].size > 0) {
            if (wanted.size > 0) {
                cr_assert_eq(crdt_buf_append(&wanted, ",", 1), CRDT_OK);
            }
            crdt_buf_append_span(&wanted, crdt_buf_span(&m->texts[i]));
        }
    }
    cr_assert(!scene_text_pages_next(pages, &cursor, &item));
    size_t page = 0;
    crdt_span piece;
    while (scene_text_pages_piece(pages, &page, &piece)) {
        cr_assert_gt(piece.size, 0);
        crdt_buf_append_span(&got, piece);
    }
    cr_assert(crdt_span_equal(crdt_buf_span(&got), crdt_buf_span(&wanted)));
    crdt_buf_deinit(&wanted);
    crdt_buf_deinit(&got);
}

/* One change of a random item, in both; a failure (of memory) changes nothing. */
static void change(scene_text_pages *pages, model *m, gen *g, bool removing)
{
    uint32_t item = (uint32_t)(gen_next(g) % ITEMS);
    if (m->there[item] && (removing || gen_next(g) % 4 == 0)) {
        scene_text_pages_remove(pages, item);
        m->there[item] = false;
        return;
    }
    crdt_buf text;
    crdt_buf_init(&text, crdt_alloc_default());
    draw_text(g, &text);
    crdt_err err = scene_text_pages_put(pages, m, item, crdt_buf_span(&text));
    cr_assert(err == CRDT_OK || err == CRDT_ENOMEM);
    if (err == CRDT_OK) {
        m->there[item] = true;
        crdt_buf_deinit(&m->texts[item]);
        m->texts[item] = text;
    } else {
        crdt_buf_deinit(&text);
    }
}

/* Whatever is put, changed and taken out, the text is that of the items in their order;
 * failed allocations leave it so. */
Test(text_pages, say_what_their_items_say)
{
    fault_alloc fault;
    crdt_alloc alloc = fault_alloc_init(&fault);
    gen g = gen_open(gen_seed(1), NULL);
    model *m = &the_model;
    open_model(m, &g);
    scene_text_pages pages;
    scene_text_pages_init(&pages, alloc, compare);
    expect_same(&pages, m);
    for (int i = 0; i < 6000; i++) {
        if (i % 5 == 0) {
            fault_alloc_fail_at(&fault, gen_next(&g) % 3);
        }
        change(&pages, m, &g, i % 3000 > 2000);
        fault_alloc_heal(&fault);
        if (i % 97 == 0) {
            expect_same(&pages, m);
        }
    }
    expect_same(&pages, m);
    /* Few are left: few pages, too. */
    for (uint32_t i = 0; i < ITEMS; i++) {
        if (m->there[i] && m->rank[i] % 50 != 0) {
            scene_text_pages_remove(&pages, i);
            m->there[i] = false;
        }
    }
    expect_same(&pages, m);
    scene_text_pages_clear(&pages);
    cr_expect_eq(pages.page_count, 0);
    scene_text_pages_deinit(&pages);
    cr_assert(fault_alloc_balanced(&fault));
    close_model(m);
}

/* What is appended in its order lies in full pages. */
Test(text_pages, are_filled_by_appending)
{
    model *m = &the_model;
    gen g = gen_open(gen_seed(1), NULL);
    open_model(m, &g);
    scene_text_pages pages;
    scene_text_pages_init(&pages, crdt_alloc_default(), compare);
    size_t size = 0;
    for (uint32_t i = 0; i < ITEMS; i++) {
        m->rank[i] = i;
    }
    for (uint32_t i = 0; i < ITEMS; i++) {
        draw_text(&g, &m->texts[i]);
        cr_assert_eq(scene_text_pages_append(&pages, i, crdt_buf_span(&m->texts[i])),
                     CRDT_OK);
        m->there[i] = true;
        size += m->texts[i].size;
    }
    expect_same(&pages, m);
    cr_expect_lt(pages.page_count, 2 * size / SCENE_TEXT_PAGE_SIZE + ITEMS / 16);
    scene_text_pages_deinit(&pages);
    close_model(m);
}
