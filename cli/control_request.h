#ifndef CLI_CONTROL_REQUEST_H
#define CLI_CONTROL_REQUEST_H

/* What a caller asks at the control socket (cli/control.h), as it is read from there.
 *
 * Memory grows with what came, never with what was claimed: at most twice the bytes that are
 * there already, and a block to read into. */

#include "cli/control.h"

#include <stdint.h>

#define CLI_CONTROL_MAGIC "SCS1"

typedef struct cli_control_request {
    char *text; /* the arguments, each terminated */
    size_t text_size;
    size_t text_capacity;
    const char *argv[CLI_CONTROL_ARGUMENT_MAX];
    size_t argc;
    uint8_t *input;
    size_t input_size;
    size_t input_capacity;
} cli_control_request;

/* Read a whole request from the socket into a zeroed `request`. False: it is none, too large,
 * or the caller went away. Free with deinit in every case. */
bool cli_control_request_receive(cli_control_request *request, int fd);
void cli_control_request_deinit(cli_control_request *request);

/* Exactly `size` bytes; false: the other end closed, or took too long. */
bool cli_control_receive(int fd, void *bytes, size_t size);
/* `size` bytes as a number, little end first. */
uint64_t cli_control_number(const uint8_t *at, size_t size);

#endif /* CLI_CONTROL_REQUEST_H */
