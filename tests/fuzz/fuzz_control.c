#include "cli/control_request.h"
#include "tests/fuzz/fuzz.h"

#include <assert.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A request to the control socket of a running node, as it comes out of a socket. What it
 * claims to send costs nothing: twice what came, and two blocks to read into. */
const fuzz_budget fuzz_target_budget = {.factor = 3, .fixed = 256u << 10};

bool fuzz_target(const uint8_t *data, size_t size)
{
    int fds[2];
    assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
    /* More than the socket holds would wait for ever: there is only this thread. */
    ssize_t sent = size == 0 ? 0 : send(fds[0], data, size, MSG_DONTWAIT);
    assert(sent >= 0 || size > 65536);
    close(fds[0]);
    cli_control_request request = {.argc = 0};
    bool taken = cli_control_request_receive(&request, fds[1]);
    close(fds[1]);
    if (taken) {
        size_t total = 16 + request.input_size;
        for (size_t i = 0; i < request.argc; i++) {
            total += 4 + strlen(request.argv[i]);
        }
        assert(total <= size && request.argc <= CLI_CONTROL_ARGUMENT_MAX);
    }
    cli_control_request_deinit(&request);
    return taken;
}
