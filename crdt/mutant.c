#include "crdt/mutant.h"

#include <stdlib.h>

unsigned crdt_mutant_number;

__attribute__((constructor)) static void read_number(void)
{
    const char *number = getenv("SCENESYNC_MUTANT");
    if (number != NULL) {
        crdt_mutant_number = (unsigned)strtoul(number, NULL, 10);
    }
}
