#include "sync/page.h"

#include "sync/file.h"
#include "sync/little.h"
#include "sync/page_form.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

enum {
    TABLE_MAX = 8,
    KEY_SIZE_MAX = 511,
    TAIL_PAGES_MAX = 4096, /* given out at the end of the file but never written */
};

typedef struct bytes {
    const uint8_t *data;
    size_t size;
} bytes;

typedef struct tree_record {
    uint16_t flags;
    uint16_t depth;
    uint64_t branch_pages;
    uint64_t leaf_pages;
    uint64_t overflow_pages;
    uint64_t entries;
    uint64_t root;
} tree_record;

typedef struct meta {
    uint32_t page_size;
    uint64_t last_page;
    uint64_t txn;
    tree_record free;
    tree_record main;
} meta;

typedef enum tree_kind { TREE_FREE, TREE_MAIN, TREE_TABLE } tree_kind;

typedef struct tree {
    tree_kind kind;
    const tree_record *record;
    tree_record found; /* counts as met */
} tree;

typedef struct walk {
    int fd;
    crdt_diag *diag;
    size_t page_size;
    uint64_t page_count; /* pages ever given out */
    uint8_t *seen;       /* a bit each */
    uint8_t *pages;      /* one for each level, and one for overflow headers */
    uint64_t live_count;
    tree_record tables[TABLE_MAX];
    size_t table_count;
} walk;

static crdt_err damaged(const walk *w, uint64_t page, const char *what)
{
    return crdt_diag_set(w->diag, CRDT_ECORRUPT, page * w->page_size,
                         "the store's file is damaged (page %" PRIu64
                         ": %s): restore a copy, or start anew from a peer",
                         page, what);
}

static crdt_err read_page(const walk *w, uint64_t page, size_t size, uint8_t *into)
{
    if (!sync_file_read(w->fd, into, size, page * w->page_size)) {
        if (errno == 0) {
            return damaged(w, page, "the file ends before it");
        }
        return crdt_diag_set(w->diag, CRDT_EIO, page * w->page_size,
                             "cannot read the store's file: %s",
                             sync_file_reason(errno));
    }
    return CRDT_OK;
}

/* Count pages as met; each may be met once, free or in use. */
static crdt_err claim(walk *w, uint64_t page, uint64_t count)
{
    if (page < 2 || page >= w->page_count || count > w->page_count - page) {
        return damaged(w, page, "no such page");
    }
    for (uint64_t i = page; i < page + count; i++) {
        uint8_t bit = (uint8_t)(1u << (i % 8));
        if ((w->seen[i / 8] & bit) != 0) {
            return damaged(w, i, "used twice");
        }
        w->seen[i / 8] |= bit;
    }
    return CRDT_OK;
}

static tree_record parse_tree(const uint8_t *at)
{
    return (tree_record){
        .flags = sync_get_u16(at + 4),
        .depth = sync_get_u16(at + 6),
        .branch_pages = sync_get_u64(at + 8),
        .leaf_pages = sync_get_u64(at + 16),
        .overflow_pages = sync_get_u64(at + 24),
        .entries = sync_get_u64(at + 32),
        .root = sync_get_u64(at + 40),
    };
}

/* ---- nodes ---- */

static int compare_keys(const tree *t, bytes a, bytes b)
{
    if ((t->record->flags & DB_INTEGER_KEY) != 0) {
        uint64_t x = sync_get_u64(a.data);
        uint64_t y = sync_get_u64(b.data);
        return (x > y) - (x < y);
    }
    size_t common = a.size < b.size ? a.size : b.size;
    int order = memcmp(a.data, b.data, common);
    return order != 0 ? order : (a.size > b.size) - (a.size < b.size);
}

/* The free list's value: a count, then as many page numbers. */
static crdt_err claim_free(walk *w, uint64_t page, bytes value)
{
    if (value.size < 8 || sync_get_u64(value.data) > value.size / 8 - 1) {
        return damaged(w, page, "free list");
    }
    uint64_t count = sync_get_u64(value.data);
    for (uint64_t i = 1; i <= count; i++) {
        crdt_err err = claim(w, sync_get_u64(value.data + 8 * i), 1);
        if (err != CRDT_OK) {
            return err;
        }
    }
    return CRDT_OK;
}

/* A free list too long for its page. Read in pieces, as it may be of any length. */
static crdt_err claim_free_big(walk *w, uint64_t first, uint64_t size)
{
    uint64_t at = first * w->page_size + PAGE_HEADER;
    uint8_t number[8];
    uint64_t count = 0;
    for (uint64_t i = 0; i <= count; i++) {
        if (!sync_file_read(w->fd, number, 8, at + 8 * i)) {
            return damaged(w, first, "free list");
        }
        uint64_t value = sync_get_u64(number);
        if (i == 0) {
            count = value;
            if (size < 8 || count > size / 8 - 1) {
                return damaged(w, first, "free list");
            }
            continue;
        }
        crdt_err err = claim(w, value, 1);
        if (err != CRDT_OK) {
            return err;
        }
    }
    return CRDT_OK;
}

static crdt_err check_big(walk *w, tree *t, uint64_t page, const uint8_t *data,
                          uint64_t size)
{
    uint64_t first = sync_get_u64(data);
    uint64_t needed = (PAGE_HEADER - 1 + size) / w->page_size + 1;
    uint8_t header[PAGE_HEADER];
    if (first < 2 || first >= w->page_count) {
        return damaged(w, page, "long value's place");
    }
    crdt_err err = read_page(w, first, sizeof header, header);
    if (err != CRDT_OK) {
        return err;
    }
    uint64_t count = sync_get_u32(header + 12);
    if (sync_get_u64(header) != first || sync_get_u16(header + 10) != PAGE_OVERFLOW ||
        count < needed) {
        return damaged(w, first, "long value's header");
    }
    err = claim(w, first, count);
    if (err == CRDT_OK) { /* its last byte must be there, or mapping it kills */
        uint64_t end = first * w->page_size + PAGE_HEADER + size;
        if (!sync_file_read(w->fd, header, 1, end - 1)) {
            err = damaged(w, first, "the file ends before it");
        }
    }
    if (err == CRDT_OK && t->kind == TREE_FREE) {
        err = claim_free_big(w, first, size);
    }
    t->found.overflow_pages += count;
    w->live_count += count;
    return err;
}

static crdt_err check_leaf_node(walk *w, tree *t, uint64_t page, const uint8_t *node,
                                size_t room)
{
    uint64_t size = sync_get_u32(node);
    unsigned flags = sync_get_u16(node + 4);
    size_t key_size = sync_get_u16(node + 6);
    const uint8_t *data = node + NODE_HEADER + key_size;
    room -= NODE_HEADER + key_size;
    t->found.entries++;
    if (flags == NODE_BIG && room >= 8) {
        return check_big(w, t, page, data, size);
    }
    if (size > room) {
        return damaged(w, page, "a value's size");
    }
    if (flags == NODE_TABLE && t->kind == TREE_MAIN) {
        if (size != DB_SIZE || w->table_count == TABLE_MAX) {
            return damaged(w, page, "list of tables");
        }
        w->tables[w->table_count++] = parse_tree(data);
        return CRDT_OK;
    }
    if (flags != 0) {
        return damaged(w, page, "a value's kind");
    }
    return t->kind == TREE_FREE ? claim_free(w, page, (bytes){data, size}) : CRDT_OK;
}

/* ---- pages ---- */

/* Node `i` of a page, its place and its key checked. False: not within the page. */
static bool find_node(const walk *w, const tree *t, const uint8_t *page, size_t i,
                      const uint8_t **node, size_t *room, bytes *key)
{
    size_t lower = sync_get_u16(page + 12);
    size_t at = sync_get_u16(page + PAGE_HEADER + 2 * i);
    if (at < lower || at + NODE_HEADER > w->page_size || at % 2 != 0) {
        return false;
    }
    *node = page + at;
    *room = w->page_size - at;
    *key = (bytes){*node + NODE_HEADER, sync_get_u16(*node + 6)};
    if (key->size > KEY_SIZE_MAX || key->size + NODE_HEADER > *room) {
        return false;
    }
    bool branch = sync_get_u16(page + 10) == PAGE_BRANCH;
    if (branch && i == 0) {
        return true; /* the first key of a branch page means nothing */
    }
    return (t->record->flags & DB_INTEGER_KEY) == 0 ? key->size > 0 : key->size == 8;
}

static crdt_err walk_page(walk *w, tree *t, uint64_t number, unsigned level,
                          const bytes *low, const bytes *high);

/* The nodes of a page already read: in order, within [low, high). */
static crdt_err walk_nodes(walk *w, tree *t, uint64_t number, unsigned level,
                           const bytes *low, const bytes *high)
{
    const uint8_t *page = w->pages + level * w->page_size;
    bool branch = sync_get_u16(page + 10) == PAGE_BRANCH;
    size_t count = (sync_get_u16(page + 12) - (size_t)PAGE_HEADER) / 2;
    bytes key = {0};
    const uint8_t *node = NULL;
    size_t room = 0;
    if (!find_node(w, t, page, 0, &node, &room, &key)) {
        return damaged(w, number, "a node's place");
    }
    for (size_t i = 0; i < count; i++) {
        bytes next = {0};
        const uint8_t *next_node = NULL;
        size_t next_room = 0;
        bool last = i + 1 == count;
        bool keyed = !branch || i > 0;
        if (!last && !find_node(w, t, page, i + 1, &next_node, &next_room, &next)) {
            return damaged(w, number, "a node's place");
        }
        if ((keyed && !last && compare_keys(t, key, next) >= 0) ||
            (keyed && low != NULL && compare_keys(t, key, *low) < 0) ||
            (keyed && high != NULL && compare_keys(t, key, *high) >= 0)) {
            return damaged(w, number, "order of keys");
        }
        crdt_err err;
        if (branch) {
            uint64_t child = sync_get_u32(node) | (uint64_t)sync_get_u16(node + 4)
                                                      << 32;
            err = walk_page(w, t, child, level + 1, i == 0 ? low : &key,
                            last ? high : &next);
        } else {
            err = check_leaf_node(w, t, number, node, room);
        }
        if (err != CRDT_OK) {
            return err;
        }
        key = next;
        node = next_node;
        room = next_room;
    }
    return CRDT_OK;
}

/* Recursion is bounded by DEPTH_MAX. */
static crdt_err walk_page(walk *w, tree *t, uint64_t number, unsigned level,
                          const bytes *low, const bytes *high)
{
    uint8_t *page = w->pages + level * w->page_size;
    crdt_err err = claim(w, number, 1);
    if (err == CRDT_OK) {
        err = read_page(w, number, w->page_size, page);
    }
    if (err != CRDT_OK) {
        return err;
    }
    bool leaf = level + 1u == t->record->depth;
    size_t lower = sync_get_u16(page + 12);
    size_t upper = sync_get_u16(page + 14);
    if (sync_get_u64(page) != number ||
        sync_get_u16(page + 10) != (leaf ? PAGE_LEAF : PAGE_BRANCH)) {
        return damaged(w, number, "its number or kind");
    }
    if (lower < PAGE_HEADER + (leaf ? 2u : 4u) || lower % 2 != 0 || lower > upper ||
        upper > w->page_size) {
        return damaged(w, number, "its bounds");
    }
    w->live_count++;
    t->found.leaf_pages += leaf ? 1 : 0;
    t->found.branch_pages += leaf ? 0 : 1;
    return walk_nodes(w, t, number, level, low, high);
}

static crdt_err walk_tree(walk *w, tree_kind kind, const tree_record *record)
{
    static const char *const names[] = {"the free list", "the list of tables",
                                        "a table"};
    tree t = {.kind = kind, .record = record};
    unsigned flags = record->flags;
    if (kind == TREE_FREE) {
        flags &= ~(unsigned)DB_NO_SUBDIR;
    }
    if (flags != (kind == TREE_MAIN ? 0 : DB_INTEGER_KEY) ||
        record->depth > DEPTH_MAX ||
        (record->depth == 0) != (record->root == PAGE_NONE)) {
        return damaged(w, 0, names[kind]);
    }
    if (record->depth > 0) {
        crdt_err err = walk_page(w, &t, record->root, 0, NULL, NULL);
        if (err != CRDT_OK) {
            return err;
        }
    }
    if (t.found.branch_pages != record->branch_pages ||
        t.found.leaf_pages != record->leaf_pages ||
        t.found.overflow_pages != record->overflow_pages ||
        t.found.entries != record->entries) {
        return damaged(w, record->root == PAGE_NONE ? 0 : record->root,
                       "counts of its tree");
    }
    return CRDT_OK;
}

/* ---- meta pages ---- */

static crdt_err read_meta(walk *w, unsigned index, meta *out)
{
    uint8_t page[META_END];
    crdt_err err = read_page(w, index, sizeof page, page);
    if (err != CRDT_OK) {
        return err;
    }
    if (sync_get_u64(page) != index || (sync_get_u16(page + 10) & PAGE_META) == 0 ||
        sync_get_u32(page + 16) != META_MAGIC) {
        return damaged(w, index, "its head");
    }
    if (sync_get_u32(page + 20) != 1) {
        return crdt_diag_set(w->diag, CRDT_EVERSION, 20, "another format of LMDB");
    }
    *out = (meta){
        .page_size = sync_get_u32(page + META_FREE),
        .last_page = sync_get_u64(page + META_LAST_PAGE),
        .txn = sync_get_u64(page + META_TXN),
        .free = parse_tree(page + META_FREE),
        .main = parse_tree(page + META_MAIN),
    };
    uint32_t size = out->page_size;
    if (size < PAGE_SIZE_MIN || size > PAGE_SIZE_MAX || (size & (size - 1)) != 0) {
        return damaged(w, index, "size of pages");
    }
    return CRDT_OK;
}

/* The newer of the two meta pages. Transaction n writes page n mod 2, so the other one
 * holds n - 1: else one of them lies about its number, and what was acknowledged would
 * be passed over. */
static crdt_err pick_meta(walk *w, meta *out)
{
    meta metas[2];
    w->page_size = 1;
    crdt_err err = read_meta(w, 0, &metas[0]);
    if (err != CRDT_OK) {
        return err;
    }
    w->page_size = metas[0].page_size;
    err = read_meta(w, 1, &metas[1]);
    if (err != CRDT_OK) {
        return err;
    }
    if (metas[0].page_size != metas[1].page_size) {
        return damaged(w, 0, "size of pages");
    }
    unsigned newer = metas[1].txn > metas[0].txn ? 1 : 0;
    *out = metas[newer];
    if (out->txn != 0 &&
        (out->txn % 2 != newer || metas[1 - newer].txn != out->txn - 1)) {
        return damaged(w, newer, "number of its transaction");
    }
    return CRDT_OK;
}

static crdt_err walk_all(walk *w, const meta *newest)
{
    crdt_err err = walk_tree(w, TREE_MAIN, &newest->main);
    for (size_t i = 0; i < w->table_count && err == CRDT_OK; i++) {
        err = walk_tree(w, TREE_TABLE, &w->tables[i]);
    }
    return err == CRDT_OK ? walk_tree(w, TREE_FREE, &newest->free) : err;
}

crdt_err sync_page_check(int fd, crdt_alloc alloc, sync_page_report *report,
                         crdt_diag *diag)
{
    walk w = {.fd = fd, .diag = diag};
    struct stat st;
    meta newest;
    if (fstat(fd, &st) != 0) {
        return crdt_diag_set(diag, CRDT_EIO, 0, "cannot read the store's file: %s",
                             sync_file_reason(errno));
    }
    crdt_err err = pick_meta(&w, &newest);
    if (err != CRDT_OK) {
        return err;
    }
    uint64_t file_size = (uint64_t)st.st_size;
    if (newest.last_page >= file_size / w.page_size + TAIL_PAGES_MAX) {
        return damaged(&w, newest.txn % 2, "number of the last page");
    }
    w.page_count = newest.last_page + 1;
    size_t seen_size = (size_t)(w.page_count / 8 + 1);
    size_t pages_size = DEPTH_MAX * w.page_size;
    w.seen = crdt_allocate(alloc, seen_size);
    w.pages = crdt_allocate(alloc, pages_size);
    if (w.seen == NULL || w.pages == NULL) {
        err = CRDT_ENOMEM;
    } else {
        memset(w.seen, 0, seen_size);
        err = walk_all(&w, &newest);
    }
    crdt_free(alloc, w.seen, seen_size);
    crdt_free(alloc, w.pages, pages_size);
    if (err == CRDT_OK && report != NULL) {
        *report = (sync_page_report){
            .txn_id = newest.txn,
            .file_size = file_size,
            .used_size = w.page_count * w.page_size,
            .live_size = w.live_count * w.page_size,
        };
    }
    return err;
}
