#include "sync/salvage_impl.h"

#include "sync/little.h"
#include "sync/page_form.h"

#include <string.h>
#include <unistd.h>

/* ---- named values ---- */

static void take_head(sync_salvage *s, crdt_span bytes)
{
    disk_head head;
    crdt_err err = disk_decode_head(bytes, &head, NULL);
    if (err == CRDT_EVERSION) {
        s->err = err;
    } else if (err == CRDT_OK && (!s->head_known || head.txn > s->head.txn)) {
        s->head = head;
        s->head_known = true;
    }
}

static void take_identity(sync_salvage *s, crdt_span bytes)
{
    if (bytes.size == 16 + SYNC_TOKEN_SIZE && s->token_count < TOKEN_MAX) {
        memcpy(s->tokens[s->token_count++].bytes, bytes.data + 16, SYNC_TOKEN_SIZE);
    }
}

/* The newer meta page is read first: what is known already stays. */
static void take_setting(sync_salvage *s, const char *name, crdt_span bytes)
{
    salvage_found item = {.kind = SYNC_SALVAGE_SETTING};
    memcpy(item.name, name, strlen(name) + 1); /* it fits: take_named has looked */
    for (size_t at = 0; at < s->items.size; at += sizeof item) {
        salvage_found known;
        memcpy(&known, s->items.data + at, sizeof known);
        if (strcmp(known.name, item.name) == 0) {
            return;
        }
    }
    salvage_keep_item(s, &item, bytes);
}

/* False: its seal is broken. */
static bool take_named(sync_salvage *s, crdt_span key, crdt_span value)
{
    char name[SYNC_TABLE_NAME_MAX + 1];
    crdt_span bytes;
    if (key.size < 2 || key.size > SYNC_TABLE_NAME_MAX || key.data[0] != '=') {
        return false;
    }
    memcpy(name, key.data + 1, key.size - 1);
    name[key.size - 1] = '\0';
    if (!sync_table_unseal_named(name, value, &bytes)) {
        return false;
    }
    if (strcmp(name, "head") == 0) {
        take_head(s, bytes);
    } else if (strcmp(name, "identity") == 0) {
        take_identity(s, bytes);
    } else if (strncmp(name, "set:", 4) == 0 &&
               strlen(name + 4) <= SYNC_STORE_SETTING_KEY_MAX) {
        take_setting(s, name + 4, bytes);
    }
    return true;
}

/* ---- trees ---- */

static void walk_page(sync_salvage *s, unsigned tree, uint64_t number, unsigned level);

/* A record of the list of tables: walk the table. */
static bool take_table(sync_salvage *s, crdt_span key, crdt_span value)
{
    static const char *const names[SYNC_TABLE_COUNT] = {"log", "history", "checkpoint"};
    if (value.size != DB_SIZE) {
        return false;
    }
    for (unsigned i = 0; i < SYNC_TABLE_COUNT; i++) {
        if (crdt_span_equal(key, crdt_span_of(names[i]))) {
            uint64_t root = sync_get_u64(value.data + 40);
            if (root != PAGE_NONE) {
                walk_page(s, i, root, 0);
            }
            return true;
        }
    }
    return false;
}

/* A long value lies on pages of its own. */
static bool find_long(const sync_salvage *s, crdt_span place, uint64_t size,
                      crdt_span *value)
{
    uint64_t page = place.size >= 8 ? sync_get_u64(place.data) : 0;
    if (page < META_COUNT || page >= s->page_count) {
        return false;
    }
    uint64_t at = page * s->page_size + PAGE_HEADER;
    if (size > s->tables.size || at > s->tables.size - size) {
        return false;
    }
    *value = (crdt_span){s->tables.data + at, (size_t)size};
    return true;
}

static bool take_leaf_node(sync_salvage *s, unsigned tree, const uint8_t *node,
                           size_t room)
{
    size_t key_size = sync_get_u16(node + 6);
    uint64_t size = sync_get_u32(node);
    unsigned flags = sync_get_u16(node + 4);
    if (key_size > room - NODE_HEADER) {
        return false;
    }
    crdt_span key = {node + NODE_HEADER, key_size};
    crdt_span value = {key.data + key_size, room - NODE_HEADER - key_size};
    if ((flags & NODE_BIG) != 0) {
        if (!find_long(s, value, size, &value)) {
            return false;
        }
    } else if (size > value.size) {
        return false;
    }
    value.size = (size_t)size;
    if (tree == TREE_NAMES) {
        return (flags & NODE_TABLE) != 0 ? take_table(s, key, value)
                                         : take_named(s, key, value);
    }
    crdt_span bytes;
    if (key.size != 8 || sync_get_u64(key.data) >= SALVAGE_JOURNAL_KEY ||
        !sync_table_unseal((sync_table)tree, sync_get_u64(key.data), value, &bytes)) {
        return false;
    }
    salvage_keep_part(s, (sync_table)tree, sync_get_u64(key.data), bytes);
    return true;
}

static bool was_seen(sync_salvage *s, unsigned tree, uint64_t number)
{
    uint64_t bit = number * TREE_COUNT + tree;
    uint8_t *byte = s->seen.data + bit / 8;
    uint8_t mask = (uint8_t)(1u << bit % 8);
    bool seen = (*byte & mask) != 0;
    *byte |= mask;
    return seen;
}

static bool walk_nodes(sync_salvage *s, unsigned tree, const uint8_t *page,
                       unsigned level)
{
    size_t lower = sync_get_u16(page + 12);
    bool branch = sync_get_u16(page + 10) == PAGE_BRANCH;
    if (lower < PAGE_HEADER || lower > s->page_size) {
        return false;
    }
    bool sound = true;
    for (size_t i = 0; i < (lower - PAGE_HEADER) / 2; i++) {
        size_t at = sync_get_u16(page + PAGE_HEADER + 2 * i);
        if (at < lower || at + NODE_HEADER > s->page_size) {
            sound = false;
        } else if (branch) {
            const uint8_t *node = page + at;
            walk_page(s, tree,
                      sync_get_u32(node) | (uint64_t)sync_get_u16(node + 4) << 32,
                      level + 1);
        } else {
            sound = take_leaf_node(s, tree, page + at, s->page_size - at) && sound;
        }
    }
    return sound;
}

/* Recursion is bounded by DEPTH_MAX; each page is walked once for each tree. */
static void walk_page(sync_salvage *s, unsigned tree, uint64_t number, unsigned level)
{
    bool there = number >= META_COUNT && number < s->page_count && level < DEPTH_MAX;
    if (there && was_seen(s, tree, number)) {
        return;
    }
    const uint8_t *page = s->tables.data + (there ? number : 0) * s->page_size;
    unsigned kind = there ? sync_get_u16(page + 10) : 0;
    if (!there || sync_get_u64(page) != number ||
        (kind != PAGE_BRANCH && kind != PAGE_LEAF) ||
        !walk_nodes(s, tree, page, level)) {
        salvage_note(s, "data.mdb", "page", number);
    }
}

/* ---- meta pages ---- */

static bool is_page_size(uint32_t size)
{
    return size >= PAGE_SIZE_MIN && size <= PAGE_SIZE_MAX && (size & (size - 1)) == 0;
}

/* The root of the list of tables that meta page `index` names, and its transaction. */
static bool read_meta(const sync_salvage *s, unsigned index, uint64_t *root,
                      uint64_t *txn)
{
    uint64_t at = index * s->page_size;
    if (s->tables.size < at + META_END) {
        return false;
    }
    const uint8_t *meta = s->tables.data + at;
    *root = sync_get_u64(meta + META_MAIN + 40);
    *txn = sync_get_u64(meta + META_TXN);
    return sync_get_u32(meta + 16) == META_MAGIC && *root != PAGE_NONE;
}

static void find_page_size(sync_salvage *s)
{
    s->page_size = (size_t)sysconf(_SC_PAGESIZE);
    if (s->tables.size >= META_END && sync_get_u32(s->tables.data + 16) == META_MAGIC &&
        is_page_size(sync_get_u32(s->tables.data + META_FREE))) {
        s->page_size = sync_get_u32(s->tables.data + META_FREE);
    }
    s->page_count = s->tables.size / s->page_size;
}

crdt_err salvage_walk(sync_salvage *s)
{
    find_page_size(s);
    size_t seen_size = (size_t)(s->page_count * TREE_COUNT / 8 + 1);
    crdt_err err = crdt_buf_reserve(&s->seen, seen_size);
    if (err != CRDT_OK) {
        return err;
    }
    memset(s->seen.data, 0, seen_size);
    uint64_t roots[META_COUNT];
    uint64_t txns[META_COUNT] = {0, 0};
    bool there[META_COUNT];
    for (unsigned i = 0; i < META_COUNT; i++) {
        there[i] = read_meta(s, i, &roots[i], &txns[i]);
        if (!there[i]) {
            salvage_note(s, "data.mdb", "page", i);
        }
    }
    unsigned newer = txns[1] > txns[0] ? 1 : 0;
    for (unsigned i = 0; i < META_COUNT; i++) {
        unsigned index = i == 0 ? newer : 1 - newer;
        if (there[index]) {
            walk_page(s, TREE_NAMES, roots[index], 0);
        }
    }
    return s->err;
}
