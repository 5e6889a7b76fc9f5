#include "cli/content/asset_list.h"

#include "crdt/value.h"
#include "scene/scene.h"

#include <stdlib.h>

#define ANSWER_SIZE_MAX (32u << 20)

void content_asset_list_init(content_asset_list *list, crdt_alloc alloc)
{
    *list = (content_asset_list){.alloc = alloc};
    crdt_arena_init(&list->arena, alloc);
}

void content_asset_list_deinit(content_asset_list *list)
{
    crdt_free(list->alloc, list->assets, list->asset_capacity * sizeof list->assets[0]);
    crdt_free(list->alloc, list->sources,
              list->source_capacity * sizeof list->sources[0]);
    crdt_arena_deinit(&list->arena);
    content_asset_list_init(list, list->alloc);
}

/* ---- collecting ---- */

static crdt_err keep(content_asset_list *list, crdt_span text, crdt_span *kept)
{
    uint8_t *copy = crdt_arena_alloc(&list->arena, text.size);
    if (copy == NULL) {
        return CRDT_ENOMEM;
    }
    memcpy(copy, text.data, text.size);
    *kept = (crdt_span){copy, text.size};
    return CRDT_OK;
}

/* Where `text` stands in the sorted spans, or belongs. */
static size_t place_of(const void *rows, size_t count, size_t row_size, crdt_span text,
                       bool *found)
{
    size_t low = 0;
    size_t high = count;
    *found = false;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const crdt_span *at = (const crdt_span *)(const void *)((const uint8_t *)rows +
                                                                middle * row_size);
        int order = crdt_span_compare(*at, text);
        if (order == 0) {
            *found = true;
            return middle;
        }
        low = order < 0 ? middle + 1 : low;
        high = order < 0 ? high : middle;
    }
    return low;
}

/* Room for one more row; false: no memory. */
static bool grow(crdt_alloc alloc, void **rows, size_t count, size_t *capacity,
                 size_t row_size)
{
    if (count < *capacity) {
        return true;
    }
    size_t more = *capacity == 0 ? 16 : *capacity * 2;
    void *moved = crdt_resize_array(alloc, *rows, *capacity, more, row_size);
    if (moved == NULL) {
        return false;
    }
    *rows = moved;
    *capacity = more;
    return true;
}

static crdt_err add_asset(content_asset_list *list, crdt_span id)
{
    bool found;
    size_t at =
        place_of(list->assets, list->asset_count, sizeof list->assets[0], id, &found);
    if (found) {
        list->assets[at].uses++;
        return CRDT_OK;
    }
    if (list->asset_count == CONTENT_ASSETS_MAX) {
        return CRDT_ELIMIT;
    }
    void *rows = list->assets;
    content_asset asset = {.uses = 1};
    if (!grow(list->alloc, &rows, list->asset_count, &list->asset_capacity,
              sizeof list->assets[0])) {
        return CRDT_ENOMEM;
    }
    list->assets = rows;
    crdt_err err = keep(list, id, &asset.id);
    if (err == CRDT_OK) {
        memmove(&list->assets[at + 1], &list->assets[at],
                (list->asset_count - at) * sizeof list->assets[0]);
        list->assets[at] = asset;
        list->asset_count++;
    }
    return err;
}

static crdt_err add_source(content_asset_list *list, crdt_span source)
{
    bool found;
    size_t at = place_of(list->sources, list->source_count, sizeof list->sources[0],
                         source, &found);
    if (found) {
        return CRDT_OK;
    }
    if (list->source_count == CONTENT_SOURCES_MAX) {
        return CRDT_ELIMIT;
    }
    void *rows = list->sources;
    crdt_span kept;
    if (!grow(list->alloc, &rows, list->source_count, &list->source_capacity,
              sizeof list->sources[0])) {
        return CRDT_ENOMEM;
    }
    list->sources = rows;
    crdt_err err = keep(list, source, &kept);
    if (err == CRDT_OK) {
        memmove(&list->sources[at + 1], &list->sources[at],
                (list->source_count - at) * sizeof list->sources[0]);
        list->sources[at] = kept;
        list->source_count++;
    }
    return err;
}

static crdt_err read_component(content_asset_list *list, const crdt_document *doc,
                               crdt_part part, crdt_span type)
{
    scene_component shown;
    scene_field field;
    crdt_span text;
    crdt_err err = CRDT_OK;
    scene_component_open(doc, part, &shown);
    bool names_asset = scene_layout_class(type) == SCENE_CLASS_SHAPE ||
                       crdt_span_equal(type, crdt_span_of("Script"));
    if (names_asset && scene_component_field(&shown, crdt_span_of("assetId"), &field) &&
        scene_value_text(field.value, &text) && text.size > 0) {
        err = add_asset(list, text);
    }
    if (err == CRDT_OK && scene_component_field(&shown, crdt_span_of("src"), &field) &&
        scene_value_text(field.value, &text) && text.size > 0) {
        err = add_source(list, text);
    }
    return err;
}

/* What the scene itself says of its assets. */
static crdt_err read_values(content_asset_list *list, const crdt_document *doc)
{
    crdt_object scene = crdt_document_find_object(doc, crdt_span_of(SCENE_NAME_SCENE));
    if (scene.id == 0 || !crdt_document_object_live(doc, scene)) {
        return CRDT_OK;
    }
    crdt_part assets = scene_part_find(doc, scene, crdt_span_of("assets"));
    for (size_t i = 0; assets.id != 0 && i < list->asset_count; i++) {
        crdt_entry entry;
        crdt_field field = crdt_document_find_field(doc, assets, list->assets[i].id);
        if (field.id != 0 && crdt_document_field_value(doc, field, 0, &entry) &&
            crdt_value_type_of(entry.value) == CRDT_VALUE_MAP &&
            keep(list, entry.value, &list->assets[i].value) != CRDT_OK) {
            return CRDT_ENOMEM;
        }
    }
    return CRDT_OK;
}

crdt_err content_asset_list_read(content_asset_list *list, const crdt_document *doc)
{
    crdt_object entity = {0};
    crdt_err err = CRDT_OK;
    while (err == CRDT_OK && scene_entity_next(doc, &entity)) {
        crdt_part part = {0};
        while (err == CRDT_OK && crdt_document_next_part(doc, entity, &part)) {
            crdt_span type;
            if (crdt_document_part_live(doc, part) &&
                scene_layout_is_component(crdt_document_part_name(doc, part), &type)) {
                err = read_component(list, doc, part, type);
            }
        }
    }
    return err == CRDT_OK ? read_values(list, doc) : err;
}

static crdt_err take_asset(content_asset_list *list, const scene_json_node *node)
{
    const scene_json_node *id = scene_json_find(node, "id");
    if (id == NULL || id->type != SCENE_JSON_STRING) {
        return CRDT_OK;
    }
    bool found;
    size_t at = place_of(list->assets, list->asset_count, sizeof list->assets[0],
                         scene_json_text(id), &found);
    if (!found || list->assets[at].value.size > 0) {
        return CRDT_OK;
    }
    crdt_buf value;
    crdt_buf_init(&value, list->alloc);
    crdt_err err = scene_json_encode(node, list->alloc, &value);
    if (err == CRDT_OK) {
        err = keep(list, crdt_buf_span(&value), &list->assets[at].value);
    }
    crdt_buf_deinit(&value);
    return err;
}

crdt_err content_asset_list_take(content_asset_list *list, crdt_span answer,
                                 crdt_diag *diag)
{
    scene_json_limits limits = scene_json_limits_default();
    limits.size_max = ANSWER_SIZE_MAX;
    scene_json *json;
    crdt_err err = scene_json_open(&json, list->alloc, answer, &limits, diag);
    if (err != CRDT_OK) {
        return err;
    }
    const scene_json_node *root = scene_json_root(json);
    const scene_json_node *data = scene_json_find(root, "data");
    data = data != NULL ? data : root;
    if (data->type != SCENE_JSON_ARRAY) {
        err = scene_json_refuse(json, data, diag, CRDT_ECORRUPT,
                                "it is no list of assets");
    }
    const scene_json_node *node = data + 1;
    for (uint32_t i = 0; err == CRDT_OK && i < data->count; i++) {
        err = take_asset(list, node);
        node = scene_json_next(node);
    }
    scene_json_close(json);
    return err;
}

/* ---- reading ---- */

const content_asset *content_asset_list_find(const content_asset_list *list,
                                             crdt_span id)
{
    bool found;
    size_t at =
        place_of(list->assets, list->asset_count, sizeof list->assets[0], id, &found);
    return found ? &list->assets[at] : NULL;
}

bool content_asset_list_model(void *ctx, crdt_span asset, crdt_span *path)
{
    const content_asset *found = content_asset_list_find(ctx, asset);
    crdt_span model;
    return found != NULL && found->value.size > 0 &&
           crdt_value_map_find(found->value, "model", &model) &&
           scene_value_text(model, path);
}

bool content_asset_next_file(const content_asset *asset, content_asset_cursor *cursor,
                             crdt_span *path, crdt_span *hash)
{
    if (cursor->at == NULL) {
        crdt_span contents;
        if (asset->value.size == 0 ||
            !crdt_value_map_find(asset->value, "contents", &contents) ||
            crdt_value_type_of(contents) != CRDT_VALUE_MAP) {
            return false;
        }
        crdt_value_reader reader = crdt_value_read_open(contents);
        cursor->left = crdt_value_read(&reader).count;
        cursor->at = reader.at;
        cursor->end = reader.end;
    }
    while (cursor->left > 0) {
        crdt_value_reader reader = {cursor->at, cursor->end};
        *path = crdt_value_read(&reader).string;
        crdt_span value = crdt_value_read_span(&reader);
        cursor->at = reader.at;
        cursor->left--;
        if (scene_value_text(value, hash)) {
            return true;
        }
    }
    return false;
}

double content_asset_metric(const content_asset *asset, const char *name)
{
    crdt_span metrics;
    crdt_span value;
    if (asset->value.size == 0 ||
        !crdt_value_map_find(asset->value, "metrics", &metrics) ||
        crdt_value_type_of(metrics) != CRDT_VALUE_MAP ||
        !crdt_value_map_find(metrics, name, &value) ||
        crdt_value_type_of(value) != CRDT_VALUE_NUMBER) {
        return 0;
    }
    crdt_value_reader reader = crdt_value_read_open(value);
    double number = crdt_value_read(&reader).number;
    return number > 0 ? number : 0;
}

crdt_err content_asset_list_write(const content_asset_list *list, crdt_buf *out)
{
    size_t before = out->size;
    bool first = true;
    crdt_err err = crdt_buf_append(out, "[", 1);
    for (size_t i = 0; err == CRDT_OK && i < list->asset_count; i++) {
        if (list->assets[i].value.size == 0) {
            continue;
        }
        err = first ? CRDT_OK : crdt_buf_append(out, ",", 1);
        err = err == CRDT_OK ? scene_json_write_value(list->assets[i].value, out) : err;
        first = false;
    }
    err = err == CRDT_OK ? crdt_buf_append(out, "]", 1) : err;
    if (err != CRDT_OK) {
        out->size = before;
    }
    return err;
}
