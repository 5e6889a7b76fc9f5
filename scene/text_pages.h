#ifndef SCENE_TEXT_PAGES_H
#define SCENE_TEXT_PAGES_H

/* Many texts, joined by commas in an order, of which few change at a time.
 *
 * Items are small numbers of the caller's; their order is the caller's too. Their texts
 * lie one after the other in pages of some 16 KiB:
 *
 *   pages   [ aaa,bbb,cc, ]  [ d,eeeee,fff, ]  [ g,h, ]       written: aaa,bbb,...,g,h
 *
 * so a change moves no more than a page, and what is written out is a page at a time.
 * An item may have no text; it keeps its place.
 *
 * Cost: put of an item that is there, and remove: O(page); a new one: O(log items) to
 * find its place besides. A page that is split or emptied: O(pages).
 * Memory: from `alloc`, the texts and 12 bytes an item; a page is half full at least,
 * unless its neighbours are fuller. */

#include "crdt/buf.h"

#define SCENE_TEXT_PAGE_ITEMS 64u
#define SCENE_TEXT_PAGE_SIZE                                                           \
    (16u << 10) /* bytes of texts, unless one alone is larger */

typedef struct scene_text_page {
    crdt_buf text;  /* of its items; a comma after each that has one */
    uint32_t index; /* its place among the pages */
    uint32_t count; /* items; never 0 */
    uint32_t items[SCENE_TEXT_PAGE_ITEMS];
    uint32_t sizes[SCENE_TEXT_PAGE_ITEMS]; /* bytes in `text`, with the comma */
} scene_text_page;

typedef struct scene_text_pages {
    crdt_alloc alloc;
    /* The order of two items; `ctx` as given to the call. */
    int (*compare)(const void *ctx, uint32_t a, uint32_t b);
    scene_text_page **pages;
    size_t page_count;
    size_t page_capacity;
    scene_text_page **places; /* the page of each item, NULL: none */
    size_t place_count;
    size_t size; /* bytes of all texts, with their commas */
} scene_text_pages;

void scene_text_pages_init(scene_text_pages *pages, crdt_alloc alloc,
                           int (*compare)(const void *ctx, uint32_t a, uint32_t b));
void scene_text_pages_deinit(scene_text_pages *pages);
/* Forget all items. */
void scene_text_pages_clear(scene_text_pages *pages);

bool scene_text_pages_has(const scene_text_pages *pages, uint32_t item);
/* Put an item behind all others. Errors: CRDT_ENOMEM, CRDT_ELIMIT (a text of 4 GiB);
 * pages as before. */
crdt_err scene_text_pages_append(scene_text_pages *pages, uint32_t item,
                                 crdt_span text);
/* Put an item at its place, or give one that is there another text (its place must not
 * have changed: else remove it first). Errors: as append. */
crdt_err scene_text_pages_put(scene_text_pages *pages, const void *ctx, uint32_t item,
                              crdt_span text);
/* The item must be there. Cannot fail. */
void scene_text_pages_remove(scene_text_pages *pages, uint32_t item);

/* Step through the items in their order; start with {0}. False at the end. */
typedef struct scene_text_cursor {
    size_t page;
    uint32_t slot;
} scene_text_cursor;
bool scene_text_pages_next(const scene_text_pages *pages, scene_text_cursor *cursor,
                           uint32_t *item);
/* Step through the joined text, a page at a time; start with 0. False at the end. */
bool scene_text_pages_piece(const scene_text_pages *pages, size_t *page,
                            crdt_span *piece);

/* Deep test of the invariants, for tests. */
bool scene_text_pages_check(const scene_text_pages *pages, const void *ctx);

#endif /* SCENE_TEXT_PAGES_H */
