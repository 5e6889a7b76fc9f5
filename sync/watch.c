#include "sync/watch.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

/* A ring of copies. Invariant: count <= change_max; the fd is readable iff count > 0 or
 * ended. */
struct sync_watch {
    crdt_alloc alloc;
    pthread_mutex_t mutex;
    int fd;
    crdt_buf *ring;
    size_t change_max;
    size_t bytes_max;
    size_t first;
    size_t count;
    size_t bytes;
    uint64_t lost; /* before the first in the ring */
    bool ended;    /* the pusher has let go */
    bool closed;   /* the taker has let go */
};

crdt_err sync_watch_open(sync_watch **out, crdt_alloc alloc, size_t change_max,
                         size_t bytes_max)
{
    assert(change_max > 0);
    sync_watch *watch = crdt_allocate(alloc, sizeof *watch);
    crdt_buf *ring = crdt_resize_array(alloc, NULL, 0, change_max, sizeof *ring);
    int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (watch == NULL || ring == NULL || fd < 0) {
        crdt_free(alloc, watch, sizeof *watch);
        crdt_free(alloc, ring, change_max * sizeof *ring);
        if (fd >= 0) {
            close(fd);
        }
        return fd < 0 ? CRDT_EIO : CRDT_ENOMEM;
    }
    *watch = (sync_watch){.alloc = alloc,
                          .fd = fd,
                          .ring = ring,
                          .change_max = change_max,
                          .bytes_max = bytes_max};
    for (size_t i = 0; i < change_max; i++) {
        crdt_buf_init(&ring[i], alloc);
    }
    pthread_mutex_init(&watch->mutex, NULL);
    *out = watch;
    return CRDT_OK;
}

static void free_watch(sync_watch *watch)
{
    for (size_t i = 0; i < watch->change_max; i++) {
        crdt_buf_deinit(&watch->ring[i]);
    }
    crdt_free(watch->alloc, watch->ring, watch->change_max * sizeof *watch->ring);
    close(watch->fd);
    pthread_mutex_destroy(&watch->mutex);
    crdt_free(watch->alloc, watch, sizeof *watch);
}

void sync_watch_close(sync_watch *watch)
{
    if (watch == NULL) {
        return;
    }
    pthread_mutex_lock(&watch->mutex);
    watch->closed = true;
    bool last = watch->ended;
    pthread_mutex_unlock(&watch->mutex);
    if (last) {
        free_watch(watch);
    }
}

int sync_watch_fd(const sync_watch *watch)
{
    return watch->fd;
}

static void set_readable(sync_watch *watch, bool readable)
{
    uint64_t count = 1;
    ssize_t moved = readable ? write(watch->fd, &count, sizeof count)
                             : read(watch->fd, &count, sizeof count);
    (void)moved; /* EAGAIN: it is so already */
}

/* Mutex held. */
static void drop_first(sync_watch *watch)
{
    crdt_buf *first = &watch->ring[watch->first];
    watch->bytes -= first->size;
    crdt_buf_deinit(first);
    crdt_buf_init(first, watch->alloc);
    watch->first = (watch->first + 1) % watch->change_max;
    watch->count--;
}

bool sync_watch_push(sync_watch *watch, crdt_span history)
{
    crdt_buf copy;
    crdt_buf_init(&copy, watch->alloc);
    bool copied = history.size <= watch->bytes_max &&
                  crdt_buf_append_span(&copy, history) == CRDT_OK;
    pthread_mutex_lock(&watch->mutex);
    bool closed = watch->closed;
    if (closed) {
        crdt_buf_deinit(&copy);
    } else if (!copied) {
        /* It cannot be kept: then all before it is out of date too. */
        watch->lost += watch->count + 1;
        while (watch->count > 0) {
            drop_first(watch);
        }
        set_readable(watch, watch->ended);
    } else {
        while (watch->count == watch->change_max ||
               watch->bytes + copy.size > watch->bytes_max) {
            drop_first(watch);
            watch->lost++;
        }
        watch->ring[(watch->first + watch->count) % watch->change_max] = copy;
        watch->count++;
        watch->bytes += copy.size;
        set_readable(watch, true);
    }
    pthread_mutex_unlock(&watch->mutex);
    return !closed;
}

void sync_watch_end(sync_watch *watch)
{
    pthread_mutex_lock(&watch->mutex);
    watch->ended = true;
    bool last = watch->closed;
    set_readable(watch, true);
    pthread_mutex_unlock(&watch->mutex);
    if (last) {
        free_watch(watch);
    }
}

static crdt_err take_first(sync_watch *watch, sync_change *change)
{
    crdt_err err = CRDT_ETIMEOUT;
    pthread_mutex_lock(&watch->mutex);
    if (watch->count > 0) {
        crdt_buf *first = &watch->ring[watch->first];
        *change = (sync_change){.history = *first, .lost_count = watch->lost};
        watch->bytes -= first->size;
        watch->lost = 0;
        crdt_buf_init(first, watch->alloc); /* its bytes are the taker's now */
        watch->first = (watch->first + 1) % watch->change_max;
        watch->count--;
        err = CRDT_OK;
    } else if (watch->ended) {
        err = CRDT_ECLOSED;
    }
    if (watch->count == 0 && !watch->ended) {
        set_readable(watch, false);
    }
    pthread_mutex_unlock(&watch->mutex);
    return err;
}

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

crdt_err sync_watch_take(sync_watch *watch, int timeout_ms, sync_change *change)
{
    int64_t deadline = now_ms() + timeout_ms;
    for (;;) {
        crdt_err err = take_first(watch, change);
        int64_t left = timeout_ms < 0 ? -1 : deadline - now_ms();
        if (err != CRDT_ETIMEOUT || (timeout_ms >= 0 && left <= 0)) {
            return err;
        }
        struct pollfd ready = {.fd = watch->fd, .events = POLLIN};
        if (poll(&ready, 1, (int)left) < 0 && errno != EINTR) {
            return CRDT_EIO;
        }
    }
}

void sync_change_deinit(sync_change *change)
{
    crdt_buf_deinit(&change->history);
}
