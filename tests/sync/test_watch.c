#include "sync/watch.h"

#include <criterion/criterion.h>

#include <poll.h>
#include <pthread.h>
#include <stdio.h>

static sync_watch *open_watch(size_t change_max, size_t bytes_max)
{
    sync_watch *watch = NULL;
    cr_assert_eq(sync_watch_open(&watch, crdt_alloc_default(), change_max, bytes_max),
                 CRDT_OK);
    return watch;
}

static bool readable(const sync_watch *watch)
{
    struct pollfd ready = {.fd = sync_watch_fd(watch), .events = POLLIN};
    return poll(&ready, 1, 0) == 1;
}

static void expect(sync_watch *watch, const char *text, uint64_t lost)
{
    sync_change change;
    cr_assert_eq(sync_watch_take(watch, 0, &change), CRDT_OK);
    cr_assert(crdt_span_equal(crdt_buf_span(&change.history), crdt_span_of(text)));
    cr_assert_eq(change.lost_count, lost);
    sync_change_deinit(&change);
}

Test(watch, changes_come_in_order)
{
    sync_watch *watch = open_watch(4, 100);
    sync_change change;
    cr_assert_eq(sync_watch_take(watch, 0, &change), CRDT_ETIMEOUT);
    cr_assert_eq(sync_watch_take(watch, 5, &change), CRDT_ETIMEOUT);
    cr_assert_not(readable(watch));
    sync_watch_push(watch, crdt_span_of("a"));
    sync_watch_push(watch, crdt_span_of("b"));
    cr_assert(readable(watch));
    expect(watch, "a", 0);
    expect(watch, "b", 0);
    cr_assert_not(readable(watch));
    sync_watch_close(watch);
    cr_assert_not(sync_watch_push(watch, crdt_span_of("c")), "nobody takes any more");
    sync_watch_end(watch);
}

/* Too many, or too many bytes: the oldest go, and it is said how many. */
Test(watch, oldest_are_lost_and_counted)
{
    sync_watch *watch = open_watch(3, 10);
    for (char c = 'a'; c <= 'f'; c++) {
        char text[2] = {c, '\0'};
        sync_watch_push(watch, crdt_span_of(text));
    }
    expect(watch, "d", 3);
    expect(watch, "e", 0);
    sync_watch_push(watch, crdt_span_of("0123456789"));
    expect(watch, "0123456789", 1);
    sync_watch_push(watch, crdt_span_of("x"));
    sync_watch_push(watch, crdt_span_of("longer than all of it"));
    cr_assert_not(readable(watch));
    sync_watch_push(watch, crdt_span_of("y"));
    expect(watch, "y", 2);
    sync_watch_close(watch);
    sync_watch_end(watch);
}

Test(watch, end_comes_after_the_last)
{
    sync_watch *watch = open_watch(3, 10);
    sync_watch_push(watch, crdt_span_of("a"));
    sync_watch_end(watch);
    expect(watch, "a", 0);
    cr_assert(readable(watch));
    sync_change change;
    cr_assert_eq(sync_watch_take(watch, -1, &change), CRDT_ECLOSED);
    cr_assert_eq(sync_watch_take(watch, -1, &change), CRDT_ECLOSED);
    sync_watch_close(watch);
}

static void *push_many(void *ctx)
{
    for (unsigned i = 0; i < 10000; i++) {
        char text[16];
        snprintf(text, sizeof text, "%u", i);
        sync_watch_push(ctx, crdt_span_of(text));
    }
    sync_watch_end(ctx);
    return NULL;
}

/* Taken and lost together are all, while one pushes and one takes. */
Test(watch, none_is_missed_uncounted)
{
    sync_watch *watch = open_watch(7, 1000);
    pthread_t thread;
    cr_assert_eq(pthread_create(&thread, NULL, push_many, watch), 0);
    uint64_t count = 0;
    sync_change change;
    while (sync_watch_take(watch, -1, &change) == CRDT_OK) {
        count += 1 + change.lost_count;
        sync_change_deinit(&change);
    }
    cr_assert_eq(count, 10000);
    pthread_join(thread, NULL);
    sync_watch_close(watch);
}

Test(watch, close_accepts_null)
{
    sync_watch_close(NULL);
}
