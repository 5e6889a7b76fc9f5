#include "bench/node_writer.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUILD_PER_EDIT 100u

static crdt_err copy_ops(const bench_ops *from, crdt_op_list *ops)
{
    for (size_t i = 0; i < from->op_count; i++) {
        crdt_err err = crdt_op_list_push(ops, &from->ops[i]);
        if (err != CRDT_OK) {
            return err;
        }
    }
    return CRDT_OK;
}

static crdt_err fill_build(void *ctx, const crdt_document *doc, crdt_op_list *ops,
                           crdt_diag *diag)
{
    (void)doc;
    (void)diag;
    bench_node_writer *writer = ctx;
    bench_ops_clear(&writer->ops);
    for (uint32_t i = 0; i < BUILD_PER_EDIT && writer->next < writer->entity_count;
         i++) {
        bench_entity entity = bench_entity_draw(&writer->stream, writer->next++);
        bench_ops_push_entity(&writer->ops, &entity);
    }
    return copy_ops(&writer->ops, ops);
}

static crdt_err fill_update(void *ctx, const crdt_document *doc, crdt_op_list *ops,
                            crdt_diag *diag)
{
    (void)doc;
    (void)diag;
    bench_node_writer *writer = ctx;
    bench_ops_clear(&writer->ops);
    for (uint32_t i = 0; i < writer->per_edit; i++) {
        bench_transform transform = bench_transform_draw(&writer->stream);
        bench_ops_push_transform(&writer->ops, bench_ops_id(&writer->ops, writer->next),
                                 &transform);
        writer->next = (writer->next + 1) % writer->entity_count;
    }
    return copy_ops(&writer->ops, ops);
}

static crdt_err count_objects(void *ctx, const crdt_document *doc)
{
    *(uint64_t *)ctx = crdt_document_count(doc).objects;
    return CRDT_OK;
}

void bench_node_writer_open(bench_node_writer *writer, sync_node *node,
                            uint32_t entity_count, uint32_t per_edit)
{
    *writer = (bench_node_writer){.node = node,
                                  .entity_count = entity_count,
                                  .per_edit = per_edit,
                                  .stream = {.x = BENCH_SEED_BUILD}};
    bench_ops_open(&writer->ops, per_edit > BUILD_PER_EDIT ? per_edit : BUILD_PER_EDIT);
    uint64_t objects = 0;
    bench_must(sync_node_read(node, count_objects, &objects), "reading the node");
    const sync_edit build = {
        .fn = fill_build, .ctx = writer, .origin = CRDT_ORIGIN_EDIT};
    while (objects == 0 && writer->next < entity_count) {
        bench_must(sync_node_edit(node, &build, NULL), "building the scene");
    }
    writer->next = 0;
    static uint32_t opened; /* each draws values of its own: they say something new */
    writer->stream.x = BENCH_SEED_UPDATE + opened++;
}

void bench_node_writer_close(bench_node_writer *writer)
{
    bench_ops_close(&writer->ops);
}

sync_edit bench_node_writer_edit(bench_node_writer *writer)
{
    return (sync_edit){.fn = fill_update, .ctx = writer, .origin = CRDT_ORIGIN_EDIT};
}

static int remove_one(const char *path, const struct stat *st, int kind,
                      struct FTW *where)
{
    (void)st;
    (void)kind;
    (void)where;
    return remove(path);
}

void bench_folder_close(const char *path)
{
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

void bench_folder_open(const bench_options *options, const char *name,
                       char path[BENCH_PATH_SIZE])
{
    bench_path(options, name, path);
    bench_folder_close(path);
    if (mkdir(path, 0700) != 0) {
        bench_die(path, strerror(errno));
    }
}
