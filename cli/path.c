#include "cli/path.h"

#include <string.h>

/* Unescape text[0 .. size) to `out`; returns the name. */
static crdt_span unescape(const char *text, size_t size, char *out)
{
    size_t count = 0;
    for (size_t i = 0; i < size; i++) {
        if (text[i] == '\\' && i + 1 < size &&
            (text[i + 1] == '.' || text[i + 1] == '\\')) {
            i++;
        }
        out[count++] = text[i];
    }
    return (crdt_span){.data = (const uint8_t *)out, .size = count};
}

/* The next dot that is not escaped, at or after `from`; `size` if there is none. */
static size_t find_dot(const char *text, size_t size, size_t from)
{
    for (size_t i = from; i < size; i++) {
        if (text[i] == '\\' && i + 1 < size) {
            i++;
        } else if (text[i] == '.') {
            return i;
        }
    }
    return size;
}

static crdt_key key_below(const crdt_key *above, crdt_depth depth, crdt_span name)
{
    if (depth == CRDT_OBJECT) {
        return crdt_key_object(name);
    }
    return depth == CRDT_PART ? crdt_key_part(above->object, name)
                              : crdt_key_field(above->object, above->part, name);
}

/* Where the name of this depth ends in `text`. `more`: names must follow it. */
static size_t name_end(const char *text, size_t size, crdt_depth depth, bool more,
                       const crdt_key *above, const crdt_document *doc, char *scratch)
{
    size_t first = find_dot(text, size, 0);
    size_t longest = 0;
    bool found = false;
    for (size_t end = first;; end = find_dot(text, size, end + 1)) {
        crdt_key key = key_below(above, depth, unescape(text, end, scratch));
        if (crdt_document_live(doc, &key) && !(more && end == size)) {
            longest = end;
            found = true;
        }
        if (end == size) {
            break;
        }
    }
    return found ? longest : first;
}

crdt_err cli_path_resolve(const char *text, const crdt_span *entity, crdt_depth min,
                          crdt_depth max, const crdt_document *doc, char *scratch,
                          crdt_key *key, crdt_diag *diag)
{
    size_t size = strlen(text);
    crdt_depth depth = CRDT_OBJECT;
    if (entity != NULL) {
        *key = crdt_key_object(*entity);
        depth = CRDT_PART;
    }
    for (;; depth++) {
        size_t end = size;
        if (depth < max) {
            end = name_end(text, size, depth, depth < min, key, doc, scratch);
        }
        crdt_span name = unescape(text, end, scratch);
        *key = key_below(key, depth, name);
        scratch += name.size;
        if (end == size) {
            break;
        }
        text += end + 1;
        size -= end + 1;
    }
    if (depth < min) {
        return crdt_diag_set(diag, CRDT_EINVAL, 0, "%s",
                             min == CRDT_FIELD ? "a field is missing: COMPONENT.FIELD"
                                               : "a component is missing: "
                                                 "ENTITY.COMPONENT");
    }
    return CRDT_OK;
}
