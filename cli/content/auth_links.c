#include "cli/content/auth_links.h"

#include <stdio.h>

#define ADDRESS_SIZE 42     /* 0x and 40 digits */
#define TEXT_SIZE_MAX 4096u /* bytes of a payload or a signature */

static bool is(crdt_span text, const char *wanted)
{
    return crdt_span_equal(text, crdt_span_of(wanted));
}

/* 0x and hex digits. */
static bool is_hex(crdt_span text, size_t size_min, size_t size_max)
{
    if (text.size < size_min || text.size > size_max || text.data[0] != '0' ||
        text.data[1] != 'x') {
        return false;
    }
    for (size_t i = 2; i < text.size; i++) {
        uint8_t c = text.data[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') ||
              (c >= 'A' && c <= 'F'))) {
            return false;
        }
    }
    return true;
}

static crdt_err read_text(const scene_json *json, const scene_json_node *link,
                          const char *key, crdt_span *text, crdt_diag *diag)
{
    const scene_json_node *node = scene_json_find(link, key);
    if (node == NULL || node->type != SCENE_JSON_STRING ||
        node->count > TEXT_SIZE_MAX) {
        return scene_json_refuse(json, node != NULL ? node : link, diag, CRDT_ECORRUPT,
                                 "a link has a text `%s`", key);
    }
    *text = scene_json_text(node);
    if (memchr(text->data, '\0', text->size) != NULL) {
        return scene_json_refuse(json, node, diag, CRDT_ECORRUPT,
                                 "`%s` holds a zero byte", key);
    }
    return CRDT_OK;
}

static crdt_err read_links(content_auth_links *links, crdt_diag *diag)
{
    const scene_json *json = links->json;
    const scene_json_node *root = scene_json_root(json);
    if (root->type == SCENE_JSON_OBJECT) {
        const scene_json_node *inner = scene_json_find(root, "authChain");
        root = inner != NULL ? inner : root;
    }
    if (root->type != SCENE_JSON_ARRAY) {
        return scene_json_refuse(json, root, diag, CRDT_ECORRUPT,
                                 "an auth chain is a list of links");
    }
    if (root->count < 2 || root->count > CONTENT_AUTH_LINK_MAX) {
        return scene_json_refuse(json, root, diag, CRDT_EREFUSED,
                                 "an auth chain has 2 to %d links",
                                 CONTENT_AUTH_LINK_MAX);
    }
    const scene_json_node *node = root + 1;
    for (uint32_t i = 0; i < root->count; i++) {
        content_auth_link *link = &links->list[links->count++];
        crdt_err err = node->type != SCENE_JSON_OBJECT
                           ? scene_json_refuse(json, node, diag, CRDT_ECORRUPT,
                                               "a link is an object")
                           : read_text(json, node, "type", &link->type, diag);
        err = err == CRDT_OK ? read_text(json, node, "payload", &link->payload, diag)
                             : err;
        err = err == CRDT_OK
                  ? read_text(json, node, "signature", &link->signature, diag)
                  : err;
        if (err != CRDT_OK) {
            return err;
        }
        node = scene_json_next(node);
    }
    return CRDT_OK;
}

static crdt_err check_links(const content_auth_links *links, const char *entity_id,
                            crdt_diag *diag)
{
    const content_auth_link *first = &links->list[0];
    const content_auth_link *last = &links->list[links->count - 1];
    if (!is(first->type, "SIGNER") || first->signature.size != 0 ||
        !is_hex(first->payload, ADDRESS_SIZE, ADDRESS_SIZE)) {
        return crdt_diag_set(diag, CRDT_EREFUSED, 0,
                             "the first link is the SIGNER: an address 0x..., no "
                             "signature");
    }
    for (size_t i = 1; i < links->count; i++) {
        const content_auth_link *link = &links->list[i];
        bool ends = link == last;
        bool known = ends ? is(link->type, "ECDSA_SIGNED_ENTITY") ||
                                is(link->type, "ECDSA_EIP_1654_SIGNED_ENTITY")
                          : is(link->type, "ECDSA_EPHEMERAL") ||
                                is(link->type, "ECDSA_EIP_1654_EPHEMERAL");
        if (!known) {
            return crdt_diag_set(diag, CRDT_EREFUSED, 0,
                                 ends ? "the last link is the signed entity"
                                      : "link %zu is no ephemeral key",
                                 i + 1);
        }
        if (!is_hex(link->signature, 4, TEXT_SIZE_MAX)) {
            return crdt_diag_set(diag, CRDT_EREFUSED, 0,
                                 "link %zu has no signature 0x...", i + 1);
        }
    }
    if (!is(last->payload, entity_id)) {
        return crdt_diag_set(diag, CRDT_EREFUSED, 0,
                             "the chain signs another text than %s", entity_id);
    }
    return CRDT_OK;
}

crdt_err content_auth_links_read(content_auth_links *links, crdt_alloc alloc,
                                 crdt_span text, const char *entity_id, crdt_diag *diag)
{
    *links = (content_auth_links){0};
    if (text.size == 0) {
        return crdt_diag_set(diag, CRDT_EINVAL, 0,
                             "an auth chain (authChain) that signs %s is needed",
                             entity_id);
    }
    scene_json_limits limits = {.size_max = CONTENT_AUTH_SIZE_MAX, .depth_max = 8};
    crdt_err err = scene_json_open(&links->json, alloc, text, &limits, diag);
    if (err != CRDT_OK) {
        links->json = NULL;
        return err;
    }
    err = read_links(links, diag);
    return err == CRDT_OK ? check_links(links, entity_id, diag) : err;
}

crdt_err content_auth_links_unsigned(const char *entity_id, crdt_buf *out)
{
    static const char FORM[] =
        "[{\"type\":\"SIGNER\",\"payload\":\"0x%040d\",\"signature\":\"\"},"
        "{\"type\":\"ECDSA_SIGNED_ENTITY\",\"payload\":\"%.64s\","
        "\"signature\":\"0x%0130d\"}]";
    char text[sizeof FORM + 40 + 64 + 130];
    int size = snprintf(text, sizeof text, FORM, 0, entity_id, 0);
    return crdt_buf_append(out, text, (size_t)size);
}

void content_auth_links_deinit(content_auth_links *links)
{
    scene_json_close(links->json);
    *links = (content_auth_links){0};
}
