#include "bench/heap.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* getrusage has the peak too, but the kernel resets only this one. */
uint64_t bench_rss_peak(void)
{
    FILE *file = fopen("/proc/self/status", "r");
    char line[256];
    uint64_t kib = 0;
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, "VmHWM:", 6) == 0) {
            kib = strtoull(line + 6, NULL, 10);
        }
    }
    if (file != NULL) {
        fclose(file);
    }
    return kib * 1024;
}

void bench_rss_reset(void)
{
    FILE *file = fopen("/proc/self/clear_refs", "w");
    if (file != NULL) {
        fputs("5", file);
        fclose(file);
    }
}

uint64_t bench_rss(void)
{
    FILE *file = fopen("/proc/self/statm", "r");
    uint64_t pages = 0;
    if (file != NULL) {
        if (fscanf(file, "%*u %" SCNu64, &pages) != 1) {
            pages = 0;
        }
        fclose(file);
    }
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void *count(void *ctx, void *ptr, size_t old_size, size_t new_size)
{
    bench_heap *heap = ctx;
    if (new_size == 0) {
        free(ptr);
        heap->live -= ptr != NULL ? old_size : 0;
        return NULL;
    }
    void *bytes = realloc(ptr, new_size);
    if (bytes != NULL) {
        heap->calls++;
        heap->live += new_size - (ptr != NULL ? old_size : 0);
        heap->peak = heap->live > heap->peak ? heap->live : heap->peak;
    }
    return bytes;
}

crdt_alloc bench_heap_alloc(bench_heap *heap)
{
    return (crdt_alloc){.fn = count, .ctx = heap};
}
