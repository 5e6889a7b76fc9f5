#ifndef CLI_CONTENT_PUBLISH_H
#define CLI_CONTENT_PUBLISH_H

/* Publishing, which cannot be taken back: so in two steps.
 *
 *   prepare   makes all files that will be deployed, asks for the limits, and keeps them in
 *             a folder; says what it would do and the text to sign. Nothing is deployed.
 *   confirm   with that id and the user's auth chain: deploys exactly what was prepared,
 *             if the scene has not changed since; then unlinks the builder project.
 *
 * Both answer with JSON, the payload of PublishSceneResult (docs/RENDERER.md):
 *
 *   {"ok":true,"prepared":{"id","kind":"publish","entityId","sign","pointers":["X,Y"],
 *       "files":[{"file","hash","size"}],"size","sizeMax","version":{...},"lineage",
 *       "replaces":"<entity id>"|null,"expires":MS,"missing":[{"file","why"}],
 *       "warnings":["..."]}}
 *   ("unsigned":true beside "prepared": the content server verifies no signatures, so none is
 *   needed)
 *
 *   {"ok":true,"published":{"id","kind","entityId","pointers","timestamp":MS,"uploaded":N,
 *       "already":false,"unlinked":true,"warnings":["..."]}}
 *
 * A preparation lasts 15 minutes: content servers take no entity whose timestamp is older
 * than 20. Confirming again what is deployed already deploys nothing and says so.
 *
 * What is deployed: scene-state-definition.json, bin/game.js (scene/codegen.h), scene.json,
 * scene-assets.json, thumbnail.png, the files of the assets that the scene shows, and
 * of the scene that is deployed now those that this one still names. docs/PUBLISH.md
 * tells the rest.
 *
 * Blocking: for threads that may wait. Any thread; not two at once on one folder. */

#include "crdt/buf.h"
#include "crdt/err.h"

#include <stdatomic.h>
#include <stdbool.h>

#define CONTENT_PUBLISH_LAST_MS (15 * 60000)
#define CONTENT_PUBLISH_ID_SIZE 17                  /* with terminator */
#define CONTENT_PARCEL_SIZE_MAX (15u * 1024 * 1024) /* bytes of all files, per parcel */
#define CONTENT_PARCEL_FILE_MAX 200u
#define CONTENT_PARCEL_ENTITY_MAX 200u /* beyond: a warning */

typedef struct content_publish_options {
    crdt_alloc alloc;
    const char *folder;      /* of the preparations; made where it is missing */
    const char *content_url; /* the base before /content/... */
    const char *builder_url; /* NULL: none */
    const char *const
        *headers;        /* signed fetch, for the builder; NULL-terminated or NULL */
    uint64_t now_ms;     /* Unix time */
    uint32_t timeout_ms; /* of one call; default 30 s */
    const atomic_bool *stop; /* NULL, or: give up soon after it turns true */
} content_publish_options;

content_publish_options content_publish_options_default(void);

typedef struct content_publish_scene {
    const char *pointer; /* "X,Y", its base parcel */
    const char
        *parcels;    /* "0,0;0,1"; NULL: those deployed, else the project's, else one */
    crdt_span state; /* scene-state-definition.json, as scene_format_write_saved
                          * writes it: with lineage and version */
    const char *title;       /* NULL: as it is */
    const char *description; /* NULL: as it is */
    crdt_span thumbnail;     /* PNG; empty: as it is */
    const char *project;     /* NULL: as the scene says */
} content_publish_scene;

/* Append the answer to `result`. Errors, told in `diag`: CRDT_EINVAL: what was asked for;
 * CRDT_ECORRUPT: the state; CRDT_ELIMIT: too large for its parcels; CRDT_EIO, CRDT_ETIMEOUT,
 * CRDT_ECLOSED: servers or disk; CRDT_ENOMEM. Nothing is kept then. */
crdt_err content_publish_prepare(const content_publish_options *options,
                                 const content_publish_scene *scene, crdt_buf *result,
                                 crdt_diag *diag);
/* The same for an empty scene in the place of what is deployed at "X,Y". CRDT_ENOTFOUND:
 * nothing is. */
crdt_err content_unpublish_prepare(const content_publish_options *options,
                                   const char *pointer, crdt_buf *result,
                                   crdt_diag *diag);

typedef struct content_publish_confirmation {
    const char *id;       /* of the preparation */
    crdt_span auth_chain; /* JSON (cli/content/auth_links.h); empty: for a server that
                           * verifies none */
    crdt_span state; /* the state file as it would be now (only its version is looked
                           * at); empty: whatever the scene is now */
    bool unpublish;  /* it is meant to be one that unpublishes */
} content_publish_confirmation;

/* Errors also: CRDT_ENOTFOUND: no such preparation; CRDT_ETIMEOUT: it is too old;
 * CRDT_ESTALE: the scene has changed since; CRDT_EREFUSED: the auth chain, or the content
 * server says no, in its words. The preparation stays, to be confirmed again. */
crdt_err content_publish_confirm(const content_publish_options *options,
                                 const content_publish_confirmation *confirmation,
                                 crdt_buf *result, crdt_diag *diag);

/* The user's own words of an error, for programs: {"ok":false,"error":"..."} appended. */
crdt_err content_publish_refusal(crdt_err why, const crdt_diag *diag, crdt_buf *result);

#endif /* CLI_CONTENT_PUBLISH_H */
