#include "cli/servers/project_record.h"

#include "cli/servers/json_put.h"

static void write_owner(scene_json_writer *writer, const servers_project_change *change)
{
    servers_json_text(writer, "id", change->id);
    if (strcmp(change->owner, SERVERS_OWNER_LOCAL) != 0) {
        servers_json_text(writer, "eth_address", change->owner);
    }
}

/* The row: of two members with one key the first stays (scene/json_writer.h). */
static void write_row(scene_json_writer *writer, const servers_project_change *change)
{
    scene_json_writer_object_begin(writer);
    write_owner(writer, change);
    servers_json_span(writer, "created_at", change->created_at);
    servers_json_text(writer, "updated_at", change->updated_at);
    if (change->thumbnail != NULL) {
        servers_json_text(writer, "thumbnail", change->thumbnail);
    }
    if (change->project != NULL) {
        servers_json_members(writer, change->project, change->skip);
    }
    if (change->old_project != NULL) {
        servers_json_members(writer, change->old_project, change->skip);
    }
    scene_json_writer_object_end(writer);
}

static void write_manifest(scene_json_writer *writer,
                           const servers_project_change *change)
{
    static const char *const apart[] = {"project", NULL};
    scene_json_writer_object_begin(writer);
    servers_json_members(writer, change->manifest, apart);
    scene_json_writer_key(writer, crdt_span_of("project"));
    scene_json_writer_object_begin(writer);
    write_owner(writer, change);
    const scene_json_node *project = scene_json_find(change->manifest, "project");
    if (project != NULL && project->type == SCENE_JSON_OBJECT) {
        servers_json_members(writer, project, change->skip);
    }
    scene_json_writer_object_end(writer);
    scene_json_writer_object_end(writer);
}

crdt_err servers_project_record_write(const servers_project_change *change,
                                      crdt_alloc alloc, crdt_buf *out)
{
    scene_json_writer writer;
    scene_json_writer_init(&writer, alloc, out);
    scene_json_writer_object_begin(&writer);
    servers_json_text(&writer, "owner", change->owner);
    servers_json_span(&writer, "created_at", change->created_at);
    servers_json_text(&writer, "updated_at", change->updated_at);
    scene_json_writer_key(&writer, crdt_span_of("project"));
    write_row(&writer, change);
    if (change->manifest != NULL) {
        scene_json_writer_key(&writer, crdt_span_of("manifest"));
        write_manifest(&writer, change);
    }
    scene_json_writer_object_end(&writer);
    crdt_err err = writer.err;
    scene_json_writer_deinit(&writer);
    return err;
}

crdt_err servers_project_record_row(const servers_project_change *change,
                                    crdt_alloc alloc, crdt_buf *out)
{
    scene_json_writer writer;
    scene_json_writer_init(&writer, alloc, out);
    write_row(&writer, change);
    crdt_err err = writer.err;
    scene_json_writer_deinit(&writer);
    return err;
}
