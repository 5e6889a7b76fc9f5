#include "scene/text_pages.h"

#include <assert.h>
#include <string.h>

void scene_text_pages_init(scene_text_pages *pages, crdt_alloc alloc,
                           int (*compare)(const void *ctx, uint32_t a, uint32_t b))
{
    *pages = (scene_text_pages){.alloc = alloc, .compare = compare};
}

static void free_page(scene_text_pages *pages, scene_text_page *page)
{
    crdt_buf_deinit(&page->text);
    crdt_free(pages->alloc, page, sizeof *page);
}

void scene_text_pages_clear(scene_text_pages *pages)
{
    for (size_t i = 0; i < pages->page_count; i++) {
        free_page(pages, pages->pages[i]);
    }
    for (size_t i = 0; i < pages->place_count; i++) {
        pages->places[i] = NULL;
    }
    pages->page_count = 0;
    pages->size = 0;
}

void scene_text_pages_deinit(scene_text_pages *pages)
{
    scene_text_pages_clear(pages);
    crdt_free(pages->alloc, pages->pages,
              pages->page_capacity * sizeof(scene_text_page *));
    crdt_free(pages->alloc, pages->places,
              pages->place_count * sizeof(scene_text_page *));
    scene_text_pages_init(pages, pages->alloc, pages->compare);
}

bool scene_text_pages_has(const scene_text_pages *pages, uint32_t item)
{
    return item < pages->place_count && pages->places[item] != NULL;
}

/* ---- room ---- */

static bool reserve_place(scene_text_pages *pages, uint32_t item)
{
    if (item < pages->place_count) {
        return true;
    }
    size_t count = pages->place_count * 2;
    if (count <= item) {
        count = (size_t)item + 64;
    }
    scene_text_page **places =
        crdt_resize_array(pages->alloc, pages->places, pages->place_count, count,
                          sizeof(scene_text_page *));
    if (places == NULL) {
        return false;
    }
    for (size_t i = pages->place_count; i < count; i++) {
        places[i] = NULL;
    }
    pages->places = places;
    pages->place_count = count;
    return true;
}

static bool reserve_page(scene_text_pages *pages)
{
    if (pages->page_count < pages->page_capacity) {
        return true;
    }
    size_t capacity = pages->page_capacity * 2 + 16;
    scene_text_page **list =
        crdt_resize_array(pages->alloc, pages->pages, pages->page_capacity, capacity,
                          sizeof(scene_text_page *));
    if (list == NULL) {
        return false;
    }
    pages->pages = list;
    pages->page_capacity = capacity;
    return true;
}

/* A page without items, in no list, with room for `size` bytes; NULL: no memory. */
static scene_text_page *make_page(scene_text_pages *pages, size_t size)
{
    if (!reserve_page(pages)) {
        return NULL;
    }
    scene_text_page *page = crdt_allocate(pages->alloc, sizeof *page);
    if (page == NULL) {
        return NULL;
    }
    page->count = 0;
    crdt_buf_init(&page->text, pages->alloc);
    if (crdt_buf_reserve(&page->text, size) != CRDT_OK) {
        free_page(pages, page);
        return NULL;
    }
    return page;
}

/* ---- the list of pages ---- */

static void number_from(scene_text_pages *pages, size_t index)
{
    for (size_t i = index; i < pages->page_count; i++) {
        pages->pages[i]->index = (uint32_t)i;
    }
}

/* Room is there: make_page made it. */
static void insert_page(scene_text_pages *pages, size_t index, scene_text_page *page)
{
    memmove(pages->pages + index + 1, pages->pages + index,
            (pages->page_count - index) * sizeof(scene_text_page *));
    pages->pages[index] = page;
    pages->page_count++;
    number_from(pages, index);
}

static void remove_page(scene_text_pages *pages, scene_text_page *page)
{
    size_t index = page->index;
    free_page(pages, page);
    pages->page_count--;
    memmove(pages->pages + index, pages->pages + index + 1,
            (pages->page_count - index) * sizeof(scene_text_page *));
    number_from(pages, index);
}

/* Move the items from `slot` on, and their texts, to the end of another page. Its text
 * has the room. */
static void move_items(scene_text_pages *pages, scene_text_page *from, uint32_t slot,
                       scene_text_page *to)
{
    size_t size = 0;
    for (uint32_t i = slot; i < from->count; i++) {
        to->items[to->count] = from->items[i];
        to->sizes[to->count++] = from->sizes[i];
        pages->places[from->items[i]] = to;
        size += from->sizes[i];
    }
    from->count = slot;
    from->text.size -= size;
    if (size > 0) {
        memcpy(to->text.data + to->text.size, from->text.data + from->text.size, size);
    }
    to->text.size += size;
}

/* Move the upper half to a new page. Errors: CRDT_ENOMEM; as before. */
static crdt_err split(scene_text_pages *pages, scene_text_page *page)
{
    size_t room = page->text.size;
    scene_text_page *upper =
        make_page(pages, room > SCENE_TEXT_PAGE_SIZE ? room : SCENE_TEXT_PAGE_SIZE);
    if (upper == NULL) {
        return CRDT_ENOMEM;
    }
    move_items(pages, page, page->count / 2, upper);
    insert_page(pages, (size_t)page->index + 1, upper);
    return CRDT_OK;
}

/* ---- items of a page ---- */

static size_t offset_of(const scene_text_page *page, uint32_t slot)
{
    size_t offset = 0;
    for (uint32_t i = 0; i < slot; i++) {
        offset += page->sizes[i];
    }
    return offset;
}

static uint32_t slot_of(const scene_text_page *page, uint32_t item)
{
    uint32_t slot = 0;
    while (page->items[slot] != item) {
        slot++;
    }
    assert(slot < page->count);
    return slot;
}

static size_t joined_size(crdt_span text)
{
    return text.size == 0 ? 0 : text.size + 1;
}

/* Give the bytes of a slot another size, moving those behind. Room is there. */
static void resize_slot(scene_text_pages *pages, scene_text_page *page, uint32_t slot,
                        size_t offset, size_t size)
{
    size_t old = page->sizes[slot];
    size_t behind = page->text.size - offset - old;
    if (size != old && behind > 0) {
        uint8_t *at = page->text.data + offset;
        memmove(at + size, at + old, behind);
    }
    page->text.size += size - old;
    pages->size += size - old;
    page->sizes[slot] = (uint32_t)size;
}

static crdt_err set_text(scene_text_pages *pages, scene_text_page *page, uint32_t slot,
                         crdt_span text)
{
    size_t size = joined_size(text);
    size_t old = page->sizes[slot];
    if (size > old && crdt_buf_reserve(&page->text, size - old) != CRDT_OK) {
        return CRDT_ENOMEM;
    }
    size_t offset = offset_of(page, slot);
    resize_slot(pages, page, slot, offset, size);
    if (size > 0) {
        memcpy(page->text.data + offset, text.data, text.size);
        page->text.data[offset + text.size] = ',';
    }
    return CRDT_OK;
}

/* Put an item into a page that has a free slot. */
static crdt_err insert_item(scene_text_pages *pages, scene_text_page *page,
                            uint32_t slot, uint32_t item, crdt_span text)
{
    if (crdt_buf_reserve(&page->text, joined_size(text)) != CRDT_OK) {
        return CRDT_ENOMEM;
    }
    size_t above = page->count - slot;
    memmove(page->items + slot + 1, page->items + slot, above * sizeof(uint32_t));
    memmove(page->sizes + slot + 1, page->sizes + slot, above * sizeof(uint32_t));
    page->items[slot] = item;
    page->sizes[slot] = 0;
    page->count++;
    pages->places[item] = page;
    return set_text(pages, page, slot, text); /* has its room */
}

/* ---- putting and removing ---- */

crdt_err scene_text_pages_append(scene_text_pages *pages, uint32_t item, crdt_span text)
{
    size_t size = joined_size(text);
    if (size >= UINT32_MAX) {
        return CRDT_ELIMIT;
    }
    if (!reserve_place(pages, item)) {
        return CRDT_ENOMEM;
    }
    scene_text_page *last =
        pages->page_count > 0 ? pages->pages[pages->page_count - 1] : NULL;
    if (last == NULL || last->count == SCENE_TEXT_PAGE_ITEMS ||
        last->text.size + size > SCENE_TEXT_PAGE_SIZE) {
        last =
            make_page(pages, size > SCENE_TEXT_PAGE_SIZE ? size : SCENE_TEXT_PAGE_SIZE);
        if (last == NULL) {
            return CRDT_ENOMEM;
        }
        insert_page(pages, pages->page_count, last);
    }
    return insert_item(pages, last, last->count, item, text); /* has its room */
}

/* The page where an item belongs: the last one that begins at or before it. */
static scene_text_page *find_page(const scene_text_pages *pages, const void *ctx,
                                  uint32_t item)
{
    size_t low = 0;
    size_t high = pages->page_count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (pages->compare(ctx, pages->pages[middle]->items[0], item) <= 0) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return pages->pages[low];
}

static uint32_t find_slot(const scene_text_pages *pages, const void *ctx,
                          const scene_text_page *page, uint32_t item)
{
    uint32_t low = 0;
    uint32_t high = page->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (pages->compare(ctx, page->items[middle], item) <= 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static crdt_err insert(scene_text_pages *pages, const void *ctx, uint32_t item,
                       crdt_span text)
{
    scene_text_page *page = find_page(pages, ctx, item);
    bool large = page->text.size + joined_size(text) > SCENE_TEXT_PAGE_SIZE;
    if (page->count == SCENE_TEXT_PAGE_ITEMS || (large && page->count > 1)) {
        crdt_err err = split(pages, page);
        if (err != CRDT_OK) {
            return err;
        }
        page = find_page(pages, ctx, item);
    }
    return insert_item(pages, page, find_slot(pages, ctx, page, item), item, text);
}

crdt_err scene_text_pages_put(scene_text_pages *pages, const void *ctx, uint32_t item,
                              crdt_span text)
{
    if (joined_size(text) >= UINT32_MAX) {
        return CRDT_ELIMIT;
    }
    if (!scene_text_pages_has(pages, item)) {
        if (pages->page_count == 0) {
            return scene_text_pages_append(pages, item, text);
        }
        return reserve_place(pages, item) ? insert(pages, ctx, item, text)
                                          : CRDT_ENOMEM;
    }
    scene_text_page *page = pages->places[item];
    crdt_err err = set_text(pages, page, slot_of(page, item), text);
    if (err == CRDT_OK && page->text.size > 2 * SCENE_TEXT_PAGE_SIZE &&
        page->count > 1) {
        (void)split(pages, page); /* without memory it stays large: no harm */
    }
    return err;
}

/* Join a page that has become small with the next, if they make one. */
static void join(scene_text_pages *pages, scene_text_page *page)
{
    size_t next = (size_t)page->index + 1;
    if (next == pages->page_count || page->count > SCENE_TEXT_PAGE_ITEMS / 4 ||
        page->text.size > SCENE_TEXT_PAGE_SIZE / 2) {
        return;
    }
    scene_text_page *upper = pages->pages[next];
    if (page->count + upper->count > SCENE_TEXT_PAGE_ITEMS / 4 * 3 ||
        page->text.size + upper->text.size > SCENE_TEXT_PAGE_SIZE ||
        crdt_buf_reserve(&page->text, upper->text.size) != CRDT_OK) {
        return;
    }
    move_items(pages, upper, 0, page);
    remove_page(pages, upper);
}

void scene_text_pages_remove(scene_text_pages *pages, uint32_t item)
{
    scene_text_page *page = pages->places[item];
    uint32_t slot = slot_of(page, item);
    resize_slot(pages, page, slot, offset_of(page, slot), 0);
    page->count--;
    size_t above = page->count - slot;
    memmove(page->items + slot, page->items + slot + 1, above * sizeof(uint32_t));
    memmove(page->sizes + slot, page->sizes + slot + 1, above * sizeof(uint32_t));
    pages->places[item] = NULL;
    if (page->count == 0) {
        remove_page(pages, page);
    } else {
        join(pages, page);
    }
}

/* ---- reading ---- */

bool scene_text_pages_next(const scene_text_pages *pages, scene_text_cursor *cursor,
                           uint32_t *item)
{
    if (cursor->page < pages->page_count &&
        cursor->slot == pages->pages[cursor->page]->count) {
        cursor->page++;
        cursor->slot = 0;
    }
    if (cursor->page >= pages->page_count) {
        return false;
    }
    *item = pages->pages[cursor->page]->items[cursor->slot++];
    return true;
}

bool scene_text_pages_piece(const scene_text_pages *pages, size_t *page,
                            crdt_span *piece)
{
    while (*page < pages->page_count && pages->pages[*page]->text.size == 0) {
        ++*page;
    }
    if (*page == pages->page_count) {
        return false;
    }
    *piece = crdt_buf_span(&pages->pages[*page]->text);
    ++*page;
    while (*page < pages->page_count && pages->pages[*page]->text.size == 0) {
        ++*page;
    }
    if (*page == pages->page_count) {
        piece->size--; /* there is no comma after the last */
    }
    return true;
}

bool scene_text_pages_check(const scene_text_pages *pages, const void *ctx)
{
    size_t size = 0;
    size_t count = 0;
    uint32_t before = 0;
    for (size_t i = 0; i < pages->page_count; i++) {
        const scene_text_page *page = pages->pages[i];
        if (page->index != i || page->count == 0 ||
            offset_of(page, page->count) != page->text.size) {
            return false;
        }
        for (uint32_t slot = 0; slot < page->count; slot++) {
            uint32_t item = page->items[slot];
            if (!scene_text_pages_has(pages, item) || pages->places[item] != page ||
                (count > 0 && pages->compare(ctx, before, item) >= 0)) {
                return false;
            }
            before = item;
            count++;
        }
        size += page->text.size;
    }
    for (size_t i = 0; i < pages->place_count; i++) {
        count -= pages->places[i] != NULL;
    }
    return count == 0 && size == pages->size;
}
