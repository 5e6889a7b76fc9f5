/* A caller to try cli/web/client.c with, driven by tests/cli/test_web_client.py.
 *
 *     web_call METHOD URL [--header H]... [--body N] [--part NAME=TEXT]... [--follow 1]
 *              [--max BYTES] [--timeout MS] [--stop-after MS] [--times N]
 *
 * prints "ERR STATUS TYPE SIZE TEXT": the error's name, what came (the first 200 bytes), or
 * what the diag says. --times: that many threads make the call at once. */

#include "cli/web/client.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static atomic_bool stop;
static web_call call;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void *stop_later(void *ctx)
{
    long ms = *(long *)ctx;
    struct timespec wait = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&wait, NULL);
    atomic_store(&stop, true);
    return NULL;
}

static void *make_call(void *ctx)
{
    (void)ctx;
    web_answer answer;
    crdt_diag diag = {0};
    crdt_err err = web_client_call(&call, &answer, &diag);
    pthread_mutex_lock(&lock);
    printf("%s %d %s %zu ", crdt_err_name(err), answer.status,
           answer.type[0] != '\0' ? answer.type : "-", answer.body.size);
    if (err == CRDT_OK) {
        for (size_t i = 0; i < answer.body.size && i < 200; i++) {
            uint8_t c = answer.body.data[i];
            putchar(c >= 0x20 && c < 0x7f ? c : '.');
        }
    } else {
        printf("%s", diag.text);
    }
    printf("\n");
    pthread_mutex_unlock(&lock);
    web_answer_deinit(&answer);
    return NULL;
}

int main(int argc, char **argv)
{
    const char *headers[16] = {NULL};
    web_part parts[8];
    size_t header_count = 0;
    long stop_ms = -1;
    unsigned long times = 1;
    crdt_buf body;
    crdt_buf_init(&body, crdt_alloc_default());
    call = web_call_default();
    if (argc < 3) {
        return 2;
    }
    call.method = argv[1];
    call.url = argv[2];
    call.headers = headers;
    call.parts = parts;
    call.stop = &stop;
    for (int i = 3; i + 1 < argc; i += 2) {
        char *value = argv[i + 1];
        if (strcmp(argv[i], "--header") == 0 && header_count < 15) {
            headers[header_count++] = value;
        } else if (strcmp(argv[i], "--body") == 0) {
            size_t size = strtoul(value, NULL, 10);
            if (crdt_buf_reserve(&body, size) != CRDT_OK) {
                return 1;
            }
            memset(body.data, 'b', size);
            body.size = size;
            call.body = crdt_buf_span(&body);
        } else if (strcmp(argv[i], "--part") == 0 && call.part_count < 8) {
            char *equals = strchr(value, '=');
            *equals = '\0';
            parts[call.part_count++] = (web_part){.name = value,
                                                  .file_name = "a \"b\".bin",
                                                  .type = "text/plain",
                                                  .content = crdt_span_of(equals + 1)};
        } else if (strcmp(argv[i], "--follow") == 0) {
            call.follow = true;
        } else if (strcmp(argv[i], "--max") == 0) {
            call.answer_max = strtoul(value, NULL, 10);
        } else if (strcmp(argv[i], "--timeout") == 0) {
            call.timeout_ms = (uint32_t)strtoul(value, NULL, 10);
        } else if (strcmp(argv[i], "--stop-after") == 0) {
            stop_ms = strtol(value, NULL, 10);
        } else if (strcmp(argv[i], "--times") == 0) {
            times = strtoul(value, NULL, 10);
        }
    }
    pthread_t stopper;
    if (stop_ms >= 0) {
        pthread_create(&stopper, NULL, stop_later, &stop_ms);
    }
    pthread_t threads[64];
    times = times < 64 ? times : 64;
    for (unsigned long i = 0; i < times; i++) {
        pthread_create(&threads[i], NULL, make_call, NULL);
    }
    for (unsigned long i = 0; i < times; i++) {
        pthread_join(threads[i], NULL);
    }
    if (stop_ms >= 0) {
        pthread_join(stopper, NULL);
    }
    crdt_buf_deinit(&body);
    return 0;
}
