/* The small texts around deployments: signatures' chains, names of contents, parcels, lists of
 * assets. The first byte says as what the rest is read.
 *
 *   c  type|payload|signature| and so on          l  JSON of a chain     t  a time
 *   i  a content identifier                       p  parcels             a  assets */

#include "cli/content/asset_list.h"
#include "cli/content/auth_links.h"
#include "cli/content/cid.h"
#include "cli/content/parcels.h"
#include "cli/servers/auth_chain.h"
#include "crdt/template.h"
#include "scene/format.h"
#include "tests/fuzz/fuzz.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* JSON, and of each asset its texts and its value; the list is written and read again. */
const fuzz_budget fuzz_target_budget = {.factor = 160, .fixed = 64u << 10};

#define NOW_MS UINT64_C(1769860000000)
#define ENTITY "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"

static crdt_span take_word(crdt_span *text)
{
    const uint8_t *end = text->size == 0 ? NULL : memchr(text->data, '|', text->size);
    size_t size = end == NULL ? text->size : (size_t)(end - text->data);
    crdt_span line = {text->data, size};
    size_t step = end == NULL ? size : size + 1;
    *text = (crdt_span){text->data + step, text->size - step};
    return line;
}

/* Whoever it names is an address in lower case. */
static bool read_chain(crdt_span text)
{
    servers_auth_chain chain = {.count = 0};
    while (text.size > 0 && chain.count < SERVERS_AUTH_LINK_MAX) {
        servers_auth_link *link = &chain.links[chain.count++];
        link->type = take_word(&text);
        link->payload = take_word(&text);
        link->signature = take_word(&text);
    }
    char owner[SERVERS_ADDRESS_SIZE] = "";
    crdt_span signed_text = {NULL, 0};
    crdt_diag diag = {.text = ""};
    crdt_err err = servers_auth_chain_check(&chain, NOW_MS, owner, &signed_text, &diag);
    if (err != CRDT_OK) {
        assert(diag.text[0] != '\0');
        return false;
    }
    assert(strlen(owner) == 42 && owner[0] == '0' && owner[1] == 'x' &&
           strspn(owner + 2, "0123456789abcdef") == 40);
    const servers_signed_call call = {
        .method = "PUT", .path = "/v1/projects/a", .timestamp = "", .metadata = ""};
    err = servers_signed_call_check(&call, signed_text, NOW_MS, &diag);
    assert(err == CRDT_OK || diag.text[0] != '\0');
    return true;
}

static bool read_links(crdt_span text)
{
    content_auth_links links;
    crdt_diag diag = {.text = ""};
    crdt_err err =
        content_auth_links_read(&links, crdt_alloc_default(), text, ENTITY, &diag);
    assert(err == CRDT_OK || diag.text[0] != '\0');
    assert(links.count <= CONTENT_AUTH_LINK_MAX);
    content_auth_links_deinit(&links);
    return err == CRDT_OK;
}

/* A name is safe as the name of a file, and names one content only. */
static bool read_cid(const char *text)
{
    if (!content_cid_valid(text)) {
        assert(!content_cid_matches(text, crdt_span_of("a")));
        return false;
    }
    assert(strspn(text, "0123456789abcdefghijklmnopqrstuvwxyz"
                        "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == strlen(text));
    char own[CONTENT_CID_SIZE];
    content_cid(crdt_span_of("a"), own);
    assert(strncmp(text, "bafk", 4) != 0 ||
           content_cid_matches(text, crdt_span_of("a")) == (strcmp(text, own) == 0));
    return true;
}

static bool read_parcels(const char *text)
{
    static content_parcels parcels;
    crdt_diag diag = {.text = ""};
    crdt_err err = content_parcels_parse(&parcels, text, &diag);
    if (err != CRDT_OK) {
        assert(diag.text[0] != '\0');
        return false;
    }
    assert(parcels.count > 0 && parcels.count <= CONTENT_PARCELS_MAX);
    for (size_t i = 0; i < parcels.count; i++) {
        char again[CONTENT_POINTER_SIZE];
        content_parcel parcel;
        content_parcel_format(parcels.list[i], again);
        assert(content_parcel_parse(crdt_span_of(again), &parcel));
        assert(parcel.x == parcels.list[i].x && parcel.y == parcels.list[i].y);
    }
    (void)content_parcels_check(&parcels, parcels.list[0], &diag);
    content_parcel corner;
    uint32_t width;
    uint32_t height;
    content_parcels_box(&parcels, &corner, &width, &height);
    assert(width >= 1 && height >= 1);
    return true;
}

/* A document with components that name the assets a and b; made once. */
static const crdt_document *scene(void)
{
    static const char text[] =
        "{\"version\":10,\"project\":{\"id\":\"p\"},\"scene\":{\"id\":\"s\","
        "\"entities\":{"
        "\"e\":{\"id\":\"e\",\"components\":[\"c\",\"d\"]}},\"components\":{"
        "\"c\":{\"id\":\"c\",\"type\":\"GLTFShape\",\"data\":{\"assetId\":\"a\"}},"
        "\"d\":{\"id\":\"d\",\"type\":\"Script\",\"data\":{\"assetId\":\"b\"}}},"
        "\"assets\":{},\"ground\":null}}";
    static crdt_document *doc;
    if (doc == NULL) {
        scene_format_options how = scene_format_options_default();
        crdt_document_options options = crdt_document_options_default();
        crdt_op_list ops;
        crdt_arena arena;
        crdt_batch batch;
        crdt_op_list_init(&ops, options.alloc);
        crdt_arena_init(&arena, options.alloc);
        how.format = SCENE_FORMAT_BUILDER;
        assert(scene_format_read(crdt_span_of(text), &how, options.alloc, &ops, NULL,
                                 NULL) == CRDT_OK);
        assert(crdt_template_make(ops.ops, ops.op_count, &arena, &batch, NULL) ==
               CRDT_OK);
        assert(crdt_document_open(&doc, &options) == CRDT_OK);
        assert(crdt_document_apply(doc, &batch, NULL) == CRDT_OK);
        crdt_arena_deinit(&arena);
        crdt_op_list_deinit(&ops);
    }
    return doc;
}

/* What a builder server says of the assets of a scene. */
static bool read_assets(crdt_span text)
{
    content_asset_list list;
    content_asset_list_init(&list, crdt_alloc_default());
    assert(content_asset_list_read(&list, scene()) == CRDT_OK && list.asset_count == 2);
    crdt_diag diag = {.text = ""};
    crdt_err err = content_asset_list_take(&list, text, &diag);
    assert(err == CRDT_OK || diag.text[0] != '\0');
    crdt_buf out;
    crdt_buf_init(&out, crdt_alloc_default());
    assert(content_asset_list_write(&list, &out) == CRDT_OK);
    for (size_t i = 0; i < list.asset_count; i++) {
        content_asset_cursor cursor = {0};
        crdt_span path;
        crdt_span hash;
        while (content_asset_next_file(&list.assets[i], &cursor, &path, &hash)) {
        }
        (void)content_asset_metric(&list.assets[i], "triangles");
    }
    crdt_buf_deinit(&out);
    content_asset_list_deinit(&list);
    return err == CRDT_OK;
}

bool fuzz_target(const uint8_t *data, size_t size)
{
    if (size == 0) {
        (void)scene();
        return false;
    }
    crdt_span rest = {data + 1, size - 1};
    char *text = malloc(size);
    assert(text != NULL);
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    uint64_t time_ms;
    bool taken = data[0] == 'c'   ? read_chain(rest)
                 : data[0] == 'l' ? read_links(rest)
                 : data[0] == 't' ? servers_time_parse(rest, &time_ms)
                 : data[0] == 'i' ? read_cid(text)
                 : data[0] == 'p' ? read_parcels(text)
                 : data[0] == 'a' ? read_assets(rest)
                                  : false;
    free(text);
    return taken;
}
