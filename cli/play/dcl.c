#include "cli/play/dcl.h"

#include "crdt/value.h"

#define HEAD_SIZE 8 /* kind, count, zero, line */

static const struct {
    const char *name;
    size_t argument_count;
    bool carries;
} functions[PLAY_CALL_KIND_COUNT] = {
    [PLAY_CALL_END] = {"end", 2, false},
    [PLAY_CALL_ADD_ENTITY] = {"addEntity", 2, true},
    [PLAY_CALL_REMOVE_ENTITY] = {"removeEntity", 1, false},
    [PLAY_CALL_SET_PARENT] = {"setParent", 2, false},
    [PLAY_CALL_UPDATE] = {"updateEntityComponent", 5, true},
    [PLAY_CALL_REMOVE_COMPONENT] = {"removeEntityComponent", 2, false},
    [PLAY_CALL_CREATED] = {"componentCreated", 4, true},
    [PLAY_CALL_UPDATED] = {"componentUpdated", 3, true},
    [PLAY_CALL_ATTACH] = {"attachEntityComponent", 3, false},
    [PLAY_CALL_DISPOSED] = {"componentDisposed", 1, false},
    [PLAY_CALL_SCENESYNC] = {"scenesync", 2, true},
    [PLAY_CALL_SUBSCRIBE] = {"subscribe", 2, true},
    [PLAY_CALL_UNSUBSCRIBE] = {"unsubscribe", 1, false},
    [PLAY_CALL_LOG] = {"log", 1, false},
    [PLAY_CALL_ERROR] = {"error", 1, false},
};

const char *play_call_name(play_call_kind kind)
{
    return functions[kind].name;
}

size_t play_call_argument_count(play_call_kind kind)
{
    return functions[kind].argument_count;
}

bool play_call_carries(play_call_kind kind)
{
    return functions[kind].carries;
}

static void put_u32(uint8_t *bytes, uint32_t number)
{
    for (int i = 0; i < 4; i++) {
        bytes[i] = (uint8_t)(number >> (8 * i));
    }
}

static uint32_t get_u32(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
           (uint32_t)bytes[3] << 24;
}

crdt_err play_call_encode(const play_call *call, crdt_buf *out)
{
    size_t size = HEAD_SIZE;
    for (size_t i = 0; i < call->argument_count; i++) {
        if (call->arguments[i].size > PLAY_CALL_SIZE_MAX - size - 4) {
            return CRDT_ELIMIT;
        }
        size += 4 + call->arguments[i].size;
    }
    crdt_err err = crdt_buf_reserve(out, 4 + size);
    if (err != CRDT_OK) {
        return err;
    }
    uint8_t head[4 + HEAD_SIZE] = {0};
    put_u32(head, (uint32_t)size);
    head[4] = (uint8_t)call->kind;
    head[5] = (uint8_t)call->argument_count;
    put_u32(head + 8, call->line);
    crdt_buf_append(out, head, sizeof head); /* cannot fail: room is there */
    for (size_t i = 0; i < call->argument_count; i++) {
        uint8_t length[4];
        put_u32(length, (uint32_t)call->arguments[i].size);
        crdt_buf_append(out, length, sizeof length);
        crdt_buf_append_span(out, call->arguments[i]);
    }
    return CRDT_OK;
}

crdt_err play_call_decode(crdt_span bytes, play_call *call, size_t *size,
                          crdt_diag *diag)
{
    if (bytes.size < 4) {
        return CRDT_ENOTHING;
    }
    size_t left = get_u32(bytes.data);
    if (left > PLAY_CALL_SIZE_MAX) {
        return crdt_diag_set(diag, CRDT_ELIMIT, 0, "makes a call of %zu bytes", left);
    }
    if (left < HEAD_SIZE) {
        return crdt_diag_set(diag, CRDT_ECORRUPT, 0, "makes a call without its head");
    }
    if (bytes.size - 4 < left) {
        return CRDT_ENOTHING;
    }
    *size = 4 + left;
    const uint8_t *at = bytes.data + 4;
    if (at[0] >= PLAY_CALL_KIND_COUNT || at[1] != play_call_argument_count(at[0])) {
        return crdt_diag_set(diag, CRDT_ECORRUPT, 4, "makes a call that there is not");
    }
    *call =
        (play_call){.kind = at[0], .line = get_u32(at + 4), .argument_count = at[1]};
    at += HEAD_SIZE;
    left -= HEAD_SIZE;
    for (size_t i = 0; i < call->argument_count; i++) {
        size_t length = left >= 4 ? get_u32(at) : SIZE_MAX;
        if (left < 4 || length > left - 4) {
            return crdt_diag_set(diag, CRDT_ECORRUPT, 4,
                                 "makes a call that is cut off");
        }
        call->arguments[i] = (crdt_span){at + 4, length};
        if (!crdt_utf8_valid(call->arguments[i], NULL)) {
            return crdt_diag_set(diag, CRDT_ECORRUPT, 4, "makes a call with no UTF-8");
        }
        at += 4 + length;
        left -= 4 + length;
    }
    return left == 0
               ? CRDT_OK
               : crdt_diag_set(diag, CRDT_ECORRUPT, 4, "makes a call with a tail");
}
