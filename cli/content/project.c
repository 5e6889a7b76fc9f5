#include "cli/content/project.h"

#include "cli/content/parcels.h"
#include "crdt/value.h"
#include "scene/scene.h"

static bool find_value(const crdt_document *doc, const char *name, crdt_span *value)
{
    crdt_object object = crdt_document_find_object(doc, crdt_span_of(SCENE_NAME_SCENE));
    if (object.id == 0 || !crdt_document_object_live(doc, object)) {
        return false;
    }
    crdt_part part = scene_part_find(doc, object, crdt_span_of("project"));
    crdt_entry entry;
    crdt_field field = {0};
    if (part.id != 0) {
        field = crdt_document_find_field(doc, part, crdt_span_of(name));
    }
    if (field.id == 0 || !crdt_document_field_value(doc, field, 0, &entry)) {
        return false;
    }
    *value = entry.value;
    return true;
}

static crdt_span find_text(const crdt_document *doc, const char *name)
{
    crdt_span value;
    crdt_span text;
    if (find_value(doc, name, &value) && scene_value_text(value, &text)) {
        return text;
    }
    return (crdt_span){0};
}

static uint32_t whole_number(crdt_span value)
{
    crdt_value_reader reader = crdt_value_read_open(value);
    crdt_value_token token = crdt_value_read(&reader);
    bool good = token.type == CRDT_VALUE_NUMBER && token.integral &&
                token.integer > 0 && token.integer <= CONTENT_PARCELS_MAX;
    return good ? (uint32_t)token.integer : 0;
}

/* In a file `layout` holds both, at a server they stand by themselves. */
static uint32_t layout_number(const crdt_document *doc, const char *name)
{
    crdt_span value;
    crdt_span inner;
    if (find_value(doc, "layout", &value) &&
        crdt_value_type_of(value) == CRDT_VALUE_MAP &&
        crdt_value_map_find(value, name, &inner)) {
        return whole_number(inner);
    }
    return find_value(doc, name, &value) ? whole_number(value) : 0;
}

void content_project_read(content_project *project, const crdt_document *doc)
{
    *project = (content_project){.id = find_text(doc, "id"),
                                 .title = find_text(doc, "title"),
                                 .description = find_text(doc, "description"),
                                 .rows = layout_number(doc, "rows"),
                                 .cols = layout_number(doc, "cols")};
}
