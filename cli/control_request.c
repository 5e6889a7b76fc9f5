#include "cli/control_request.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define BLOCK_SIZE                                                                     \
    ((size_t)64 << 10) /* room is made for so much that has not come yet */

uint64_t cli_control_number(const uint8_t *at, size_t size)
{
    uint64_t value = 0;
    for (size_t i = size; i > 0; i--) {
        value = value << 8 | at[i - 1];
    }
    return value;
}

bool cli_control_receive(int fd, void *bytes, size_t size)
{
    uint8_t *at = bytes;
    while (size > 0) {
        ssize_t got = recv(fd, at, size, 0);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return false;
        }
        at += got;
        size -= (size_t)got;
    }
    return true;
}

/* `size` more bytes behind the `*used` that are there, and one free byte after them. */
static bool receive_more(int fd, uint8_t **bytes, size_t *used, size_t *capacity,
                         size_t size)
{
    do {
        size_t part = size < BLOCK_SIZE ? size : BLOCK_SIZE;
        if (*capacity - *used <= part) {
            size_t grown = *used + part + 1;
            grown = grown > 2 * *capacity ? grown : 2 * *capacity;
            uint8_t *moved = realloc(*bytes, grown);
            if (moved == NULL) {
                return false;
            }
            *bytes = moved;
            *capacity = grown;
        }
        if (!cli_control_receive(fd, *bytes + *used, part)) {
            return false;
        }
        *used += part;
        size -= part;
    } while (size > 0);
    return true;
}

static bool receive_arguments(int fd, cli_control_request *request, size_t argc)
{
    for (size_t i = 0; i < argc; i++) {
        uint8_t head[4];
        if (!cli_control_receive(fd, head, sizeof head)) {
            return false;
        }
        size_t size = cli_control_number(head, sizeof head);
        size_t begin = request->text_size;
        uint8_t *text = (uint8_t *)request->text;
        bool fits = begin + size < CLI_CONTROL_ARGUMENT_SIZE_MAX;
        bool came = fits && receive_more(fd, &text, &request->text_size,
                                         &request->text_capacity, size);
        request->text = (char *)text;
        if (!came || memchr(text + begin, '\0', size) != NULL) {
            return false;
        }
        request->text[request->text_size++] = '\0';
        request->argc = i + 1;
    }
    /* The list has stopped moving: point into it. */
    const char *at = request->text;
    for (size_t i = 0; i < request->argc; i++) {
        request->argv[i] = at;
        at += strlen(at) + 1;
    }
    return true;
}

bool cli_control_request_receive(cli_control_request *request, int fd)
{
    uint8_t head[16];
    if (!cli_control_receive(fd, head, sizeof head) ||
        memcmp(head, CLI_CONTROL_MAGIC, 4) != 0) {
        return false;
    }
    size_t argc = cli_control_number(head + 4, 4);
    uint64_t input_size = cli_control_number(head + 8, 8);
    if (argc > CLI_CONTROL_ARGUMENT_MAX || input_size > CLI_CONTROL_INPUT_SIZE_MAX) {
        return false;
    }
    return receive_arguments(fd, request, argc) &&
           receive_more(fd, &request->input, &request->input_size,
                        &request->input_capacity, input_size);
}

void cli_control_request_deinit(cli_control_request *request)
{
    free(request->text);
    free(request->input);
    *request = (cli_control_request){.argc = 0};
}
