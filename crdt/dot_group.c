#include "crdt/dot_group.h"

#include "crdt/dot_store.h"

#include <assert.h>
#include <string.h>

#define LISTS_MIN 4u
#define LIST_SIZE_MIN 16u
#define FLAGS (CRDT_GROUP_UNSORTED | CRDT_GROUP_LARGE)

static crdt_slot *at(const crdt_dot_store *store, uint32_t slot)
{
    return crdt_dot_store_at(store, slot);
}

static crdt_key_list *list_of(const crdt_dot_store *store, crdt_group group)
{
    assert((group & CRDT_GROUP_LARGE) != 0);
    return &store->lists.lists[(group & ~FLAGS) - 1];
}

/* A key's link lies in its first sibling where it has one. */
static uint32_t link_of(const crdt_dot_store *store, uint32_t key)
{
    const crdt_slot *slot = at(store, key);
    return slot->has_lower ? at(store, slot->next)->name : slot->next;
}

static void set_link(const crdt_dot_store *store, uint32_t key, uint32_t link)
{
    crdt_slot *slot = at(store, key);
    if (slot->has_lower) {
        at(store, slot->next)->name = link & 0x1fffffffu;
    } else {
        slot->next = link & 0x1fffffffu;
    }
}

static crdt_span name_of(const crdt_dot_store *store, uint32_t key)
{
    return crdt_names_get(&store->context->names, at(store, key)->name);
}

/* ---- lists ---- */

static void free_slots(crdt_dot_store *store, crdt_key_list *list)
{
    crdt_free(store->context->alloc, list->slots, list->capacity * sizeof *list->slots);
}

void crdt_dot_group_deinit(crdt_dot_store *store)
{
    for (uint32_t i = 0; i < store->lists.count; i++) {
        free_slots(store, &store->lists.lists[i]);
    }
    crdt_free(store->context->alloc, store->lists.lists,
              store->lists.capacity * sizeof *store->lists.lists);
    store->lists = (crdt_key_lists){0};
}

static crdt_err reserve_list(crdt_dot_store *store)
{
    crdt_key_lists *lists = &store->lists;
    if (lists->free_first != 0 || lists->count < lists->capacity) {
        return CRDT_OK;
    }
    uint32_t capacity = lists->capacity == 0 ? LISTS_MIN : lists->capacity * 2;
    crdt_key_list *grown = crdt_resize_array(store->context->alloc, lists->lists,
                                             lists->capacity, capacity, sizeof *grown);
    if (grown == NULL) {
        return CRDT_ENOMEM;
    }
    lists->lists = grown;
    lists->capacity = capacity;
    return CRDT_OK;
}

/* The number of an empty list; there must be one. */
static uint32_t take_list(crdt_dot_store *store)
{
    crdt_key_lists *lists = &store->lists;
    uint32_t number = lists->free_first;
    if (number != 0) {
        lists->free_first = lists->lists[number - 1].free_next;
    } else {
        number = ++lists->count;
    }
    lists->lists[number - 1] = (crdt_key_list){0};
    return number;
}

static void give_list(crdt_dot_store *store, uint32_t number)
{
    crdt_key_list *list = &store->lists.lists[number - 1];
    free_slots(store, list);
    *list = (crdt_key_list){.free_next = store->lists.free_first};
    store->lists.free_first = number;
}

static void close_gaps(const crdt_dot_store *store, crdt_key_list *list)
{
    uint32_t end = 0;
    for (uint32_t i = 0; i < list->end; i++) {
        if (list->slots[i] != 0) {
            set_link(store, list->slots[i], end);
            list->slots[end++] = list->slots[i];
        }
    }
    list->end = end;
}

static crdt_err resize_list(crdt_dot_store *store, crdt_key_list *list,
                            uint32_t capacity)
{
    uint32_t *slots = crdt_resize_array(store->context->alloc, list->slots,
                                        list->capacity, capacity, sizeof *slots);
    if (slots == NULL) {
        return CRDT_ENOMEM;
    }
    list->slots = slots;
    list->capacity = capacity;
    return CRDT_OK;
}

crdt_err crdt_dot_group_reserve(crdt_dot_store *store, crdt_group group)
{
    if ((group & CRDT_GROUP_LARGE) == 0) {
        return CRDT_OK;
    }
    crdt_key_list *list = list_of(store, group);
    if (list->end < list->capacity) {
        return CRDT_OK;
    }
    if (list->key_count < list->end / 4 * 3) {
        close_gaps(store, list);
        return CRDT_OK;
    }
    return resize_list(store, list, list->capacity + list->capacity / 4);
}

crdt_err crdt_dot_group_enlarge(crdt_dot_store *store, crdt_group *group)
{
    assert((*group & CRDT_GROUP_LARGE) == 0);
    crdt_key_list made = {0};
    crdt_err err = reserve_list(store);
    err = err != CRDT_OK ? err : resize_list(store, &made, LIST_SIZE_MIN);
    if (err != CRDT_OK) {
        return err;
    }
    uint32_t number = take_list(store);
    for (uint32_t key = *group & ~FLAGS; key != 0;) {
        uint32_t next = link_of(store, key);
        set_link(store, key, made.end);
        made.slots[made.end++] = key;
        key = next;
    }
    made.key_count = made.end;
    store->lists.lists[number - 1] = made;
    *group = (*group & CRDT_GROUP_UNSORTED) | CRDT_GROUP_LARGE | number;
    return CRDT_OK;
}

/* ---- keys ---- */

static uint32_t last_of(const crdt_dot_store *store, crdt_group group)
{
    if ((group & CRDT_GROUP_LARGE) != 0) {
        const crdt_key_list *list = list_of(store, group);
        return list->end == 0 ? 0 : list->slots[list->end - 1];
    }
    uint32_t last = group & ~FLAGS;
    while (last != 0 && link_of(store, last) != 0) {
        last = link_of(store, last);
    }
    return last;
}

void crdt_dot_group_link(crdt_dot_store *store, crdt_group *group, uint32_t key,
                         bool in_order)
{
    uint32_t last = last_of(store, *group);
    if (!in_order && last != 0 && (*group & CRDT_GROUP_UNSORTED) == 0 &&
        crdt_span_compare(name_of(store, last), name_of(store, key)) > 0) {
        *group |= CRDT_GROUP_UNSORTED;
    }
    if ((*group & CRDT_GROUP_LARGE) != 0) {
        crdt_key_list *list = list_of(store, *group);
        assert(list->end < list->capacity);
        set_link(store, key, list->end);
        list->slots[list->end++] = key;
        list->key_count++;
    } else if (last != 0) {
        set_link(store, last, key);
    } else {
        *group = key;
    }
}

static void unlink_large(crdt_dot_store *store, crdt_group *group, uint32_t key)
{
    crdt_key_list *list = list_of(store, *group);
    list->slots[link_of(store, key)] = 0;
    list->key_count--;
    if (list->key_count == 0) {
        give_list(store, *group & ~FLAGS);
        *group = 0;
        return;
    }
    while (list->slots[list->end - 1] == 0) {
        list->end--;
    }
    if (list->end / 2 > list->key_count + LIST_SIZE_MIN) {
        close_gaps(store, list);
        resize_list(store, list, list->end + list->end / 2); /* or it stays large */
    }
}

void crdt_dot_group_unlink(crdt_dot_store *store, crdt_group *group, uint32_t key)
{
    if ((*group & CRDT_GROUP_LARGE) != 0) {
        unlink_large(store, group, key);
        return;
    }
    uint32_t next = link_of(store, key);
    uint32_t before = *group & ~FLAGS;
    if (before == key) {
        *group = next == 0 ? 0 : (*group & FLAGS) | next;
        return;
    }
    while (link_of(store, before) != key) {
        before = link_of(store, before);
    }
    set_link(store, before, next);
}

/* The first key of the list from a place on. */
static uint32_t from_place(const crdt_key_list *list, uint32_t place)
{
    while (place < list->end && list->slots[place] == 0) {
        place++;
    }
    return place < list->end ? list->slots[place] : 0;
}

uint32_t crdt_dot_group_any(const crdt_dot_store *store, crdt_group group)
{
    return (group & CRDT_GROUP_LARGE) != 0 ? from_place(list_of(store, group), 0)
                                           : group & ~FLAGS;
}

uint32_t crdt_dot_group_next(const crdt_dot_store *store, crdt_group group,
                             uint32_t key)
{
    uint32_t link = link_of(store, key);
    return (group & CRDT_GROUP_LARGE) != 0 ? from_place(list_of(store, group), link + 1)
                                           : link;
}

/* ---- order ---- */

/* Merge two runs of linked keys, each ascending. */
static uint32_t merge_runs(const crdt_dot_store *store, uint32_t a, uint32_t b)
{
    uint32_t head = 0;
    uint32_t tail = 0;
    while (a != 0 && b != 0) {
        bool first = crdt_span_compare(name_of(store, a), name_of(store, b)) < 0;
        uint32_t lower = first ? a : b;
        *(first ? &a : &b) = link_of(store, lower);
        if (tail == 0) {
            head = lower;
        } else {
            set_link(store, tail, lower);
        }
        tail = lower;
    }
    uint32_t rest = a != 0 ? a : b;
    if (tail == 0) {
        return rest;
    }
    set_link(store, tail, rest);
    return head;
}

/* Cut the longest ascending run off the front. */
static uint32_t cut_run(const crdt_dot_store *store, uint32_t head)
{
    uint32_t tail = head;
    uint32_t next = link_of(store, tail);
    while (next != 0 &&
           crdt_span_compare(name_of(store, tail), name_of(store, next)) < 0) {
        tail = next;
        next = link_of(store, tail);
    }
    set_link(store, tail, 0);
    return next;
}

/* Bottom-up merge sort of linked keys by their ascending runs: runs[i] is empty or made of
 * 2^i of them. Sorted keys with a few newcomers take one pass and a short merge. */
static uint32_t sort_linked(const crdt_dot_store *store, uint32_t head)
{
    uint32_t runs[32] = {0};
    while (head != 0) {
        uint32_t run = head;
        head = cut_run(store, run);
        size_t i = 0;
        for (; runs[i] != 0; i++) {
            run = merge_runs(store, runs[i], run);
            runs[i] = 0;
        }
        runs[i] = run;
    }
    uint32_t sorted = 0;
    for (size_t i = 0; i < 32; i++) {
        sorted = merge_runs(store, runs[i], sorted);
    }
    return sorted;
}

/* The keys of a list are linked while they are sorted: so it takes no memory. */
static void sort_large(const crdt_dot_store *store, crdt_key_list *list)
{
    close_gaps(store, list);
    for (uint32_t i = 0; i < list->end; i++) {
        set_link(store, list->slots[i], i + 1 < list->end ? list->slots[i + 1] : 0);
    }
    uint32_t key = sort_linked(store, list->slots[0]);
    for (uint32_t i = 0; i < list->end; i++) {
        uint32_t next = link_of(store, key);
        list->slots[i] = key;
        set_link(store, key, i);
        key = next;
    }
}

void crdt_dot_group_sort(const crdt_dot_store *store, crdt_group *group)
{
    if ((*group & CRDT_GROUP_UNSORTED) == 0) {
        return;
    }
    *group &= ~CRDT_GROUP_UNSORTED;
    if ((*group & CRDT_GROUP_LARGE) != 0) {
        sort_large(store, list_of(store, *group));
    } else {
        *group = sort_linked(store, *group);
    }
}

bool crdt_dot_group_check(const crdt_dot_store *store, crdt_group group)
{
    if ((group & CRDT_GROUP_LARGE) == 0) {
        return true;
    }
    const crdt_key_list *list = list_of(store, group);
    uint32_t count = 0;
    for (uint32_t i = 0; i < list->end; i++) {
        if (list->slots[i] != 0 && link_of(store, list->slots[i]) != i) {
            return false;
        }
        count += list->slots[i] != 0;
    }
    return count == list->key_count && list->end <= list->capacity;
}
