#ifndef CLI_USAGE_H
#define CLI_USAGE_H

/* What this process takes of the machine, as the kernel tells it. */

#include <stdint.h>

typedef struct cli_usage {
    uint64_t cpu_us;      /* of all threads, in user and kernel mode */
    uint64_t memory_size; /* bytes resident; 0: not known */
    uint64_t file_count;  /* descriptors open; 0: not known */
    uint64_t file_max;
    uint64_t thread_count; /* 0: not known */
} cli_usage;

/* Some 100 us. */
void cli_usage_get(cli_usage *usage);

#endif /* CLI_USAGE_H */
