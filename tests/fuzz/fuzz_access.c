#include "cli/access_file.h"
#include "tests/fuzz/fuzz.h"

#include <assert.h>
#include <stdlib.h>

/* A file that is taken is written and read again as the same. */
static void check_file(crdt_span text)
{
    access_file file;
    access_file_init(&file, crdt_alloc_default());
    crdt_diag diag = {0};
    if (access_file_parse(&file, text, &diag) != CRDT_OK) {
        assert(file.entry_count == 0 && diag.text[0] != '\0');
        access_file_deinit(&file);
        return;
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
}

/* A token that is taken has one spelling. */
static void check_token(crdt_span text)
{
    char *token = malloc(text.size + 1);
    assert(token != NULL);
    memcpy(token, text.data, text.size);
    token[text.size] = '\0';
    char id[32];
    uint8_t secret[ACCESS_SECRET_SIZE];
    if (access_token_parse(token, id, secret)) {
        char again[ACCESS_TOKEN_SIZE];
        access_token_format(id, secret, again);
        assert(strcmp(token, again) == 0);
    }
    uint64_t ms;
    (void)access_time_parse(token, &ms);
    free(token);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    crdt_span text = {data, size};
    check_file(text);
    check_token(text);
    return 0;
}
