/* A switch between network namespaces that does what networks do: packets that come late,
 * twice, damaged or not at all, slow ways, ways that are cut, also in one direction.
 *
 *     live_switch SEED NAMESPACE DEVICE [NAMESPACE DEVICE]...
 *
 * Each DEVICE is a TUN device that stands in its NAMESPACE already (`ip tuntap add`); port 0
 * is the first. Where an IPv4 address lives is learned from who sends under it, so an address
 * may move; what is for an address that nobody used yet goes to all. Commands come on
 * standard input, one a line, each answered with one line:
 *
 *     way FROM TO KEY=NUMBER...   FROM, TO: ports, or * for all; the keys below; "ok"
 *     count                       {"in":..,"out":..,"lost":..,...}
 *
 * keys: delay, jitter (ms), loss, twice, damage (percent), rate (kbit/s; 0: no limit), cut (0, 1).
 * It ends when standard input does. Needs root. */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* setns */
#endif

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define PORTS_MAX 16
#define PACKET_MAX 2048   /* bytes; the devices' MTU is 1500 */
#define QUEUE_MAX 16384   /* packets under way; more are lost, as in any switch */
#define BACKLOG_MS 2000.0 /* a slow way holds so much, and loses what comes on top */
#define LINE_MAX 512

/* From one port to another. */
typedef struct way {
    double delay;
    double jitter;
    double loss;
    double twice;
    double damage;
    double rate;
    double cut;
    double free_at; /* ms: what waits on a slow way is through then */
} way;

typedef struct packet {
    double due; /* ms */
    uint64_t order;
    uint32_t to;
    uint32_t size;
    unsigned char *bytes;
} packet;

static struct {
    int fds[PORTS_MAX];
    uint32_t count;
    way ways[PORTS_MAX][PORTS_MAX];
    int owner[256]; /* last byte of an address -> port, or -1 */
    packet heap[QUEUE_MAX];
    uint32_t heap_count;
    uint64_t order;
    uint64_t random;
} net;

static struct {
    uint64_t in, out, lost, twice, damaged, cut, full;
} counts;

static void fail(const char *what)
{
    fprintf(stderr, "live_switch: %s: %s\n", what, strerror(errno));
    exit(1);
}

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

/* In [0, 1). splitmix64. */
static double chance(void)
{
    uint64_t z = net.random += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (double)((z ^ (z >> 31)) >> 11) / 9007199254740992.0;
}

static int open_port(const char *space, const char *device)
{
    char path[256];
    snprintf(path, sizeof path, "/run/netns/%s", space);
    int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    int there = open(path, O_RDONLY | O_CLOEXEC);
    if (home < 0 || there < 0 || setns(there, CLONE_NEWNET) != 0) {
        fail(path);
    }
    int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI};
    snprintf(request.ifr_name, sizeof request.ifr_name, "%s", device);
    if (fd < 0 || ioctl(fd, TUNSETIFF, &request) != 0) {
        fail(device);
    }
    if (setns(home, CLONE_NEWNET) != 0) {
        fail("the way back");
    }
    close(there);
    close(home);
    return fd;
}

/* ---- what is under way: a heap by time, then by order ---- */

static bool sooner(uint32_t a, uint32_t b)
{
    const packet *x = &net.heap[a];
    const packet *y = &net.heap[b];
    return x->due < y->due || (x->due == y->due && x->order < y->order);
}

static void swap(uint32_t a, uint32_t b)
{
    packet held = net.heap[a];
    net.heap[a] = net.heap[b];
    net.heap[b] = held;
}

static void push(packet p)
{
    uint32_t at = net.heap_count++;
    net.heap[at] = p;
    while (at > 0 && sooner(at, (at - 1) / 2)) {
        swap(at, (at - 1) / 2);
        at = (at - 1) / 2;
    }
}

static packet pop(void)
{
    packet first = net.heap[0];
    net.heap[0] = net.heap[--net.heap_count];
    for (uint32_t at = 0;;) {
        uint32_t least = at;
        for (uint32_t child = 2 * at + 1; child <= 2 * at + 2; child++) {
            if (child < net.heap_count && sooner(child, least)) {
                least = child;
            }
        }
        if (least == at) {
            return first;
        }
        swap(at, least);
        at = least;
    }
}

/* ---- packets ---- */

static void queue(way *w, uint32_t to, const unsigned char *bytes, uint32_t size)
{
    double now = now_ms();
    double leaves = now;
    if (w->rate > 0) {
        leaves = (w->free_at > now ? w->free_at : now) + size * 8.0 / w->rate;
    }
    if (net.heap_count == QUEUE_MAX || leaves - now > BACKLOG_MS) {
        counts.full++;
        return;
    }
    packet p = {.order = net.order++, .to = to, .size = size, .bytes = malloc(size)};
    if (p.bytes == NULL) {
        fail("packet");
    }
    w->free_at = leaves;
    p.due = leaves + w->delay + (2.0 * chance() - 1.0) * w->jitter;
    memcpy(p.bytes, bytes, size);
    if (chance() * 100.0 < w->damage && size > 40) {
        uint32_t at = 40 + (uint32_t)(chance() * (size - 40));
        p.bytes[at] ^= (unsigned char)(1u << (uint32_t)(chance() * 8.0));
        counts.damaged++;
    }
    push(p);
}

static void send_way(uint32_t from, uint32_t to, const unsigned char *bytes,
                     uint32_t size)
{
    way *w = &net.ways[from][to];
    if (w->cut != 0) {
        counts.cut++;
    } else if (chance() * 100.0 < w->loss) {
        counts.lost++;
    } else {
        queue(w, to, bytes, size);
        if (chance() * 100.0 < w->twice) {
            counts.twice++;
            queue(w, to, bytes, size);
        }
    }
}

static void take(uint32_t from)
{
    unsigned char bytes[PACKET_MAX];
    for (int i = 0; i < 256; i++) {
        ssize_t size = read(net.fds[from], bytes, sizeof bytes);
        if (size <= 0) {
            return;
        }
        if (size < 20 || bytes[0] >> 4 != 4) {
            continue; /* IPv6 looks for its neighbours */
        }
        counts.in++;
        net.owner[bytes[15]] = (int)from;
        int to = net.owner[bytes[19]];
        for (uint32_t port = 0; port < net.count; port++) {
            if (port != from && (to < 0 || to == (int)port)) {
                send_way(from, port, bytes, (uint32_t)size);
            }
        }
    }
}

static void deliver(void)
{
    double now = now_ms();
    while (net.heap_count > 0 && net.heap[0].due <= now) {
        packet p = pop();
        /* A full device loses it, as the wire does. */
        if (write(net.fds[p.to], p.bytes, p.size) == (ssize_t)p.size) {
            counts.out++;
        }
        free(p.bytes);
    }
}

/* ---- commands ---- */

static bool set_key(way *w, const char *word)
{
    const struct {
        const char *name;
        double *value;
    } keys[] = {{"delay=", &w->delay}, {"jitter=", &w->jitter}, {"loss=", &w->loss},
                {"twice=", &w->twice}, {"damage=", &w->damage}, {"rate=", &w->rate},
                {"cut=", &w->cut}};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        size_t size = strlen(keys[i].name);
        if (strncmp(word, keys[i].name, size) == 0) {
            *keys[i].value = strtod(word + size, NULL);
            return true;
        }
    }
    return false;
}

static bool names_port(const char *word, uint32_t port)
{
    return strcmp(word, "*") == 0 || (uint32_t)strtoul(word, NULL, 10) == port;
}

static bool set_ways(char *rest)
{
    char *save = NULL;
    const char *from = strtok_r(rest, " ", &save);
    const char *to = strtok_r(NULL, " ", &save);
    const char *word = NULL;
    while (to != NULL && (word = strtok_r(NULL, " ", &save)) != NULL) {
        for (uint32_t a = 0; a < net.count; a++) {
            for (uint32_t b = 0; b < net.count; b++) {
                if (names_port(from, a) && names_port(to, b) &&
                    !set_key(&net.ways[a][b], word)) {
                    return false;
                }
            }
        }
    }
    return to != NULL;
}

static void obey(char *line)
{
    if (strcmp(line, "count") == 0) {
        printf("{\"in\":%" PRIu64 ",\"out\":%" PRIu64 ",\"lost\":%" PRIu64
               ",\"twice\":%" PRIu64 ",\"damaged\":%" PRIu64 ",\"cut\":%" PRIu64
               ",\"full\":%" PRIu64 "}\n",
               counts.in, counts.out, counts.lost, counts.twice, counts.damaged,
               counts.cut, counts.full);
    } else if (strncmp(line, "way ", 4) == 0 && set_ways(line + 4)) {
        puts("ok");
    } else {
        puts("what?");
    }
    fflush(stdout);
}

/* False: the end. */
static bool listen_once(void)
{
    static char text[LINE_MAX];
    static size_t size;
    ssize_t got = read(STDIN_FILENO, text + size, sizeof text - size);
    if (got <= 0) {
        return false;
    }
    size += (size_t)got;
    char *end = NULL;
    while ((end = memchr(text, '\n', size)) != NULL) {
        *end = '\0';
        obey(text);
        size -= (size_t)(end + 1 - text);
        memmove(text, end + 1, size);
    }
    return size < sizeof text;
}

static int wait_ms(void)
{
    if (net.heap_count == 0) {
        return -1;
    }
    double left = net.heap[0].due - now_ms();
    return left <= 0 ? 0 : (int)left + 1;
}

int main(int argc, char **argv)
{
    if (argc < 4 || argc % 2 != 0 || argc > 2 + 2 * PORTS_MAX) {
        fprintf(stderr,
                "usage: live_switch SEED NAMESPACE DEVICE [NAMESPACE DEVICE]...\n");
        return 2;
    }
    net.random = strtoull(argv[1], NULL, 10);
    memset(net.owner, -1, sizeof net.owner);
    struct pollfd polled[PORTS_MAX + 1] = {{.fd = STDIN_FILENO, .events = POLLIN}};
    for (int i = 2; i < argc; i += 2) {
        net.fds[net.count] = open_port(argv[i], argv[i + 1]);
        polled[net.count + 1] =
            (struct pollfd){.fd = net.fds[net.count], .events = POLLIN};
        net.count++;
    }
    for (;;) {
        if (poll(polled, net.count + 1, wait_ms()) < 0 && errno != EINTR) {
            fail("poll");
        }
        if (polled[0].revents != 0 && !listen_once()) {
            return 0;
        }
        for (uint32_t i = 0; i < net.count; i++) {
            if (polled[i + 1].revents != 0) {
                take(i);
            }
        }
        deliver();
    }
}
