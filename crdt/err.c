#include "crdt/err.h"

#include <stdarg.h>
#include <stdio.h>

typedef struct err_row {
    crdt_err err;
    const char *name;
    const char *text;
} err_row;

static const err_row ERR_ROWS[] = {
#define CRDT_ERR_ROW(name, value, text) {CRDT_##name, #name, text},
    CRDT_ERR_MAP(CRDT_ERR_ROW)
#undef CRDT_ERR_ROW
};

static const err_row *find_row(crdt_err err)
{
    static const err_row unknown = {CRDT_OK, "EUNKNOWN", "unknown error"};
    for (size_t i = 0; i < sizeof ERR_ROWS / sizeof ERR_ROWS[0]; i++) {
        if (ERR_ROWS[i].err == err) {
            return &ERR_ROWS[i];
        }
    }
    return &unknown;
}

const char *crdt_err_name(crdt_err err)
{
    return find_row(err)->name;
}

const char *crdt_err_text(crdt_err err)
{
    return find_row(err)->text;
}

/* Cut an incomplete UTF-8 character off the end of a truncated text. */
static void trim_partial_character(char *text, size_t size)
{
    size_t end = size;
    while (end > 0 && ((unsigned char)text[end - 1] & 0xC0) == 0x80) {
        end--;
    }
    unsigned char lead = end > 0 ? (unsigned char)text[end - 1] : 0;
    size_t whole = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 0;
    if (size - end + 1 < whole) {
        text[end - 1] = '\0';
    }
}

crdt_err crdt_diag_set(crdt_diag *diag, crdt_err err, uint64_t offset,
                       const char *format, ...)
{
    if (diag == NULL) {
        return err;
    }
    diag->offset = offset;
    diag->line = 0;
    diag->column = 0;
    va_list args;
    va_start(args, format);
    int length = vsnprintf(diag->text, sizeof diag->text, format, args);
    va_end(args);
    if (length >= (int)sizeof diag->text) {
        trim_partial_character(diag->text, sizeof diag->text - 1);
    }
    return err;
}
