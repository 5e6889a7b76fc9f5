#include "cli/content/parcels.h"

#include <assert.h>
#include <stdio.h>

#define DIGITS_MAX 5

static bool parse_integer(const uint8_t **at, const uint8_t *end, int32_t *number)
{
    bool negative = *at < end && **at == '-';
    *at += negative ? 1 : 0;
    const uint8_t *first = *at;
    int32_t value = 0;
    while (*at < end && **at >= '0' && **at <= '9' && *at - first < DIGITS_MAX) {
        value = value * 10 + (**at - '0');
        (*at)++;
    }
    bool zero_first = *at - first > 1 && *first == '0';
    if (*at == first || zero_first || (negative && value == 0)) {
        return false;
    }
    *number = negative ? -value : value;
    return true;
}

bool content_parcel_parse(crdt_span text, content_parcel *parcel)
{
    const uint8_t *at = text.data;
    const uint8_t *end = text.data + text.size;
    if (!parse_integer(&at, end, &parcel->x) || at == end || *at != ',') {
        return false;
    }
    at++;
    return parse_integer(&at, end, &parcel->y) && at == end;
}

void content_parcel_format(content_parcel parcel, char text[CONTENT_POINTER_SIZE])
{
    snprintf(text, CONTENT_POINTER_SIZE, "%d,%d", parcel.x, parcel.y);
}

crdt_err content_parcels_parse(content_parcels *parcels, const char *text,
                               crdt_diag *diag)
{
    parcels->count = 0;
    while (*text != '\0') {
        size_t size = strcspn(text, "; ");
        content_parcel parcel;
        if (!content_parcel_parse((crdt_span){(const uint8_t *)text, size}, &parcel)) {
            return crdt_diag_set(diag, CRDT_EINVAL, 0, "`%.*s` is no parcel \"X,Y\"",
                                 size < 40 ? (int)size : 40, text);
        }
        if (parcels->count == CONTENT_PARCELS_MAX) {
            return crdt_diag_set(diag, CRDT_ELIMIT, 0, "more than %u parcels",
                                 CONTENT_PARCELS_MAX);
        }
        parcels->list[parcels->count++] = parcel;
        text += size;
        text += strspn(text, "; ");
    }
    return parcels->count > 0
               ? CRDT_OK
               : crdt_diag_set(diag, CRDT_EINVAL, 0, "there is no parcel");
}

bool content_parcels_layout(content_parcels *parcels, content_parcel base,
                            uint32_t rows, uint32_t cols)
{
    parcels->count = 0;
    if (rows == 0 || cols == 0 || rows > CONTENT_PARCELS_MAX ||
        cols > CONTENT_PARCELS_MAX || rows * cols > CONTENT_PARCELS_MAX) {
        return false;
    }
    for (uint32_t i = 0; i < rows; i++) {
        for (uint32_t j = 0; j < cols; j++) {
            parcels->list[parcels->count++] =
                (content_parcel){base.x + (int32_t)i, base.y + (int32_t)j};
        }
    }
    return true;
}

bool content_parcels_have(const content_parcels *parcels, content_parcel parcel)
{
    for (size_t i = 0; i < parcels->count; i++) {
        if (parcels->list[i].x == parcel.x && parcels->list[i].y == parcel.y) {
            return true;
        }
    }
    return false;
}

static bool neighbours(content_parcel a, content_parcel b)
{
    int32_t dx = a.x > b.x ? a.x - b.x : b.x - a.x;
    int32_t dy = a.y > b.y ? a.y - b.y : b.y - a.y;
    return dx + dy == 1;
}

/* How many are reached from the first one, stepping to neighbours. */
static size_t reached(const content_parcels *parcels)
{
    bool seen[CONTENT_PARCELS_MAX] = {true};
    size_t queue[CONTENT_PARCELS_MAX] = {0};
    size_t end = 1;
    for (size_t at = 0; at < end; at++) {
        for (size_t i = 0; i < parcels->count; i++) {
            if (!seen[i] && neighbours(parcels->list[queue[at]], parcels->list[i])) {
                seen[i] = true;
                queue[end++] = i;
            }
        }
    }
    return end;
}

crdt_err content_parcels_check(const content_parcels *parcels, content_parcel base,
                               crdt_diag *diag)
{
    char text[CONTENT_POINTER_SIZE];
    if (!content_parcels_have(parcels, base)) {
        content_parcel_format(base, text);
        return crdt_diag_set(diag, CRDT_EINVAL, 0,
                             "the scene's own parcel %s is not among the parcels",
                             text);
    }
    for (size_t i = 0; i < parcels->count; i++) {
        for (size_t j = 0; j < i; j++) {
            if (parcels->list[i].x == parcels->list[j].x &&
                parcels->list[i].y == parcels->list[j].y) {
                content_parcel_format(parcels->list[i], text);
                return crdt_diag_set(diag, CRDT_EINVAL, 0, "parcel %s stands twice",
                                     text);
            }
        }
    }
    return reached(parcels) == parcels->count
               ? CRDT_OK
               : crdt_diag_set(diag, CRDT_EINVAL, 0,
                               "the parcels do not lie next to each other");
}

void content_parcels_box(const content_parcels *parcels, content_parcel *corner,
                         uint32_t *width, uint32_t *height)
{
    assert(parcels->count > 0);
    content_parcel low = parcels->list[0];
    content_parcel high = low;
    for (size_t i = 1; i < parcels->count; i++) {
        content_parcel at = parcels->list[i];
        low.x = at.x < low.x ? at.x : low.x;
        low.y = at.y < low.y ? at.y : low.y;
        high.x = at.x > high.x ? at.x : high.x;
        high.y = at.y > high.y ? at.y : high.y;
    }
    *corner = low;
    *width = (uint32_t)(high.x - low.x) + 1;
    *height = (uint32_t)(high.y - low.y) + 1;
}
