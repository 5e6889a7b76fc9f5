#include "cli/access_file.h"
#include "tests/fuzz/fuzz.h"

#include <assert.h>
#include <stdlib.h>

/* A file that is taken is written and read again as the same. */
static bool check_file(crdt_span text)
{
    access_file file;
    access_file_init(&file, crdt_alloc_default());
    crdt_diag diag = {0};
    if (access_file_parse(&file, text, &diag) != CRDT_OK) {
        assert(file.entry_count == 0 && diag.text[0] != '\0');
        access_file_deinit(&file);
        return false;
    }
    crdt_buf written;
    crdt_buf again;
    crdt_buf_init(&written, file.alloc);
    crdt_buf_init(&again, file.alloc);
    assert(access_file_format(&file, &written) == CRDT_OK);
    assert(access_file_parse(&file, crdt_buf_span(&written), &diag) == CRDT_OK);
    assert(access_file_format(&file, &again) == CRDT_OK);
    assert(crdt_span_equal(crdt_buf_span(&written), crdt_buf_span(&again)));
    crdt_buf_deinit(&again);
    crdt_buf_deinit(&written);
    access_file_deinit(&file);
    return true;
}

/* A token that is taken has one spelling. */
static bool check_token(crdt_span text)
{
    char *token = malloc(text.size + 1);
    assert(token != NULL);
    memcpy(token, text.data, text.size);
    token[text.size] = '\0';
    char id[32];
    uint8_t secret[ACCESS_SECRET_SIZE];
    bool taken = access_token_parse(token, id, secret);
    if (taken) {
        char again[ACCESS_TOKEN_SIZE];
        access_token_format(id, secret, again);
        assert(strcmp(token, again) == 0);
    }
    uint64_t ms;
    taken = access_time_parse(token, &ms) || taken;
    free(token);
    return taken;
}

/* A person of a few dozen bytes is an entry of 240, beside its JSON and its text. */
const fuzz_budget fuzz_target_budget = {.factor = 32, .fixed = 16u << 10};

bool fuzz_target(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return false;
    }
    crdt_span text = {data, size};
    bool taken = check_file(text);
    return check_token(text) || taken;
}
