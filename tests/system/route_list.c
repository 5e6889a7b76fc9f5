/* Prints all calls that each server takes, as its own table has them: test_matrix makes its
 * attacks of them, and fails where it does not know one. */

#include "cli/kernel/kernel.h"
#include "cli/play/player.h"
#include "cli/worker/worker.h"

#include <stdio.h>

static void print(const char *name, const cli_route *routes, size_t count,
                  const char *end)
{
    printf("\"%s\":[", name);
    for (size_t i = 0; i < count; i++) {
        printf("%s[\"%s\",\"%s\",\"%s\"]", i > 0 ? "," : "", routes[i].method,
               routes[i].path, access_role_name(routes[i].role));
    }
    printf("]%s", end);
}

int main(void)
{
    printf("{");
    print("worker", worker_routes, worker_route_count, ",");
    print("kernel", kernel_routes, kernel_route_count, ",");
    print("play", play_routes, play_route_count, "}\n");
    return 0;
}
