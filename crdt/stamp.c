#include "crdt/stamp.h"

#include "crdt/mutant.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

int crdt_stamp_compare(const crdt_stamp *a, const crdt_stamp *b)
{
    if (a->time != b->time) {
        return a->time < b->time ? -1 : 1;
    }
    return MUTANT(108) ? 0 : crdt_actor_compare(&a->actor, &b->actor);
}

void crdt_actor_format(const crdt_actor *actor, char text[CRDT_ACTOR_TEXT_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < sizeof actor->bytes; i++) {
        text[2 * i] = digits[actor->bytes[i] >> 4];
        text[2 * i + 1] = digits[actor->bytes[i] & 15];
    }
    text[2 * sizeof actor->bytes] = '\0';
}

void crdt_stamp_format(const crdt_stamp *stamp, char text[CRDT_STAMP_TEXT_SIZE])
{
    int size = snprintf(text, CRDT_STAMP_TEXT_SIZE, "%" PRIu64 "@", stamp->time);
    crdt_actor_format(&stamp->actor, text + size);
}

/* Lower case only, so that each actor has one text. -1: no hex digit. */
static int hex_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool crdt_actor_parse(const char *text, crdt_actor *actor)
{
    crdt_actor parsed;
    for (size_t i = 0; i < sizeof parsed.bytes; i++) {
        int high = hex_value(text[2 * i]);
        if (high < 0) {
            return false; /* also the terminator: the next digit is not looked at */
        }
        int low = hex_value(text[2 * i + 1]);
        if (low < 0) {
            return false;
        }
        parsed.bytes[i] = (uint8_t)(high << 4 | low);
    }
    if (text[2 * sizeof parsed.bytes] != '\0') {
        return false;
    }
    *actor = parsed;
    return true;
}

bool crdt_stamp_parse(const char *text, crdt_stamp *stamp)
{
    crdt_stamp parsed = {.time = 0};
    if (*text < '1' || *text > '9') {
        return false; /* no sign, no leading zero, no time 0 */
    }
    for (; *text >= '0' && *text <= '9'; text++) {
        parsed.time = parsed.time * 10 + (uint64_t)(*text - '0');
        if (parsed.time > CRDT_TIME_MAX) {
            return false;
        }
    }
    if (*text != '@' || !crdt_actor_parse(text + 1, &parsed.actor)) {
        return false;
    }
    *stamp = parsed;
    return true;
}
