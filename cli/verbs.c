#include "cli/verbs.h"

#include <string.h>

#define STORE                                                                          \
    {                                                                                  \
        "--store", 's', CLI_VALUE, true, "DIR", "the directory of the replica"         \
    }
#define JSON                                                                           \
    {                                                                                  \
        "--json", 'j', CLI_FLAG, false, NULL, "print one JSON object a line"           \
    }
#define AS                                                                             \
    {                                                                                  \
        "--as", 0, CLI_VALUE, false, "NAME", "whose edit it is; for blame and the log" \
    }
#define SCENE                                                                          \
    {                                                                                  \
        "--scene", 0, CLI_VALUE, false, "NAME", "name of the scene, for a new store"   \
    }
#define FORMAT(text)                                                                   \
    {                                                                                  \
        "--format", 'f', CLI_VALUE, false, "state|builder|composite", text             \
    }
#define PEER(required, kind)                                                           \
    {                                                                                  \
        "--peer", 'p', kind, required, "URL",                                          \
            "a replica to meet: tcp://HOST:PORT, tls+tcp://HOST:PORT"                  \
    }
#define PLACE(text)                                                                    \
    {                                                                                  \
        "--scene", 0, CLI_VALUE, false, "X,Y", text                                    \
    }
#define DEPLOY                                                                         \
    {"--content", 'c',   CLI_VALUE,                                                    \
     true,        "URL", "the content server: what comes before /content/..."},        \
        {"--builder", 'b',   CLI_VALUE,                                                \
         false,       "URL", "the builder server: what comes before /v1/..."},         \
        {"--folder", 0,                                                                \
         CLI_VALUE,  false,                                                            \
         "DIR",      "keeps what is prepared; else `publish` in the store, or here"},  \
        {"--confirm", 0, CLI_VALUE, false, "ID", "do what was prepared"},              \
        {"--auth-chain",                                                               \
         0,                                                                            \
         CLI_VALUE,                                                                    \
         false,                                                                        \
         "FILE",                                                                       \
         "JSON list of links, the last one signs the text shown; needed unless the "   \
         "server verifies none"},                                                      \
    {                                                                                  \
        "--header", 0, CLI_LIST, false, "NAME: VALUE",                                 \
            "for the builder server (signed fetch)"                                    \
    }
#define FOR                                                                            \
    {                                                                                  \
        "--for", 0, CLI_VALUE, false, "SECONDS",                                       \
            "stop after so long; else when told to"                                    \
    }
#define KEY                                                                            \
    {                                                                                  \
        "--key", 0, CLI_VALUE, false, "FILE",                                          \
            "the scene's key: who has another one, or none, is not heard and hears "   \
            "nothing; see `key`"                                                       \
    }
#define TLS                                                                            \
    {"--tls-cert", 0, CLI_VALUE, false, "FILE", "own certificate, PEM, for tls+tcp"},  \
        {"--tls-key", 0, CLI_VALUE, false, "FILE", "its private key, PEM"},            \
        {"--tls-ca", 0,      CLI_VALUE,                                                \
         false,      "FILE", "certificates that vouch for the peers, PEM"},            \
    {                                                                                  \
        "--tls-name", 0, CLI_VALUE, false, "NAME",                                     \
            "name in the peers' certificates; else the host of the URL"                \
    }

/* What verbs with a web server take. */
#define HTTP                                                                           \
    {                                                                                  \
        "--http", 0, CLI_VALUE, false, "ADDRESS",                                      \
            "HOST:PORT to serve at; default 127.0.0.1 and any free port"               \
    }
#define ACCESS                                                                         \
    {                                                                                  \
        "--access", 0, CLI_VALUE, false, "FILE",                                       \
            "who may do what: tokens and roles (verb access)"                          \
    }
#define LOOPBACK_ROLE(text)                                                            \
    {                                                                                  \
        "--loopback-role", 0, CLI_VALUE, false, "none|view|edit|publish|admin", text   \
    }
#define HOSTS                                                                          \
    {                                                                                  \
        "--host", 0,                                                                   \
        CLI_LIST, false,                                                               \
        "NAME",   "a name that the server may be called by, besides its address"},     \
    {                                                                                  \
        "--origin", 0, CLI_LIST, false, "URL",                                         \
            "a site whose pages may call: https://HOST[:PORT]"                         \
    }

#define NO_CONFINE                                                                     \
    {                                                                                  \
        "--no-confine", 0, CLI_FLAG, false, NULL,                                      \
            "keep files and system calls that it does not need (docs/SECURITY.md)"     \
    }

const cli_verb cli_verbs[] = {
    {.name = "import",
     .arguments = "FILE",
     .argument_min = 1,
     .argument_max = 1,
     .summary = "take a scene file into a store",
     .details =
         "FILE is a scene-state-definition.json (state), a Builder manifest (builder) "
         "or\n"
         "an SDK7 main.composite (composite); `-` reads standard input. Importing the\n"
         "same scene into several new stores gives them the same state, so they can\n"
         "sync at once. A store that holds something already is refused, unless "
         "--onto\n"
         "is given: then the difference to the file is made as ordinary edits.\n"
         "A file that is not valid changes nothing; line, column and reason are said.",
     .examples = "scenesync import --store a scene-state-definition.json\n"
                 "scenesync import --store a --onto edited.json",
     .flags = CLI_VERB_INPUT | CLI_VERB_FORWARD | CLI_VERB_PERSON,
     .run = cli_cmd_import,
     .options = {STORE,
                 {"--scene", 0, CLI_VALUE, false, "NAME",
                  "name of the scene; else the project or scene id in the file, else "
                  "`scene`"},
                 FORMAT("format of the file; else recognized"),
                 {"--onto", 0, CLI_FLAG, false, NULL,
                  "make the difference to the file as edits"},
                 AS,
                 JSON}},
    {.name = "export",
     .arguments = "",
     .summary = "write the scene as it is now",
     .details =
         "The bytes are canonical JSON (RFC 8785): equal states give equal bytes on\n"
         "every replica. Without --format, the format that was imported (state, if\n"
         "none was).",
     .examples = "scenesync export --store a -o scene.json\n"
                 "scenesync export --store a --format composite",
     .flags = CLI_VERB_OUTPUT | CLI_VERB_FORWARD,
     .run = cli_cmd_export,
     .options = {STORE,
                 FORMAT("format to write"),
                 {"--saved", 0, CLI_FLAG, false, NULL,
                  "as it is saved or published: with its lineage and version"},
                 {"--output", 'o', CLI_VALUE, false, "FILE",
                  "write FILE, whole or not at all; else standard output"}}},
    {.name = "codegen",
     .arguments = "",
     .summary = "write the code that builds the scene (bin/game.js)",
     .details =
         "Calls on the object `dcl`, as the code writers of the real systems make "
         "them,\n"
         "that build what the scene shows; beside them what a running worker needs to\n"
         "build exactly that. Equal states give equal bytes. The format is told in\n"
         "docs/CODEGEN.md.",
     .examples = "scenesync codegen --store a -o bin/game.js",
     .flags = CLI_VERB_OUTPUT | CLI_VERB_FORWARD,
     .run = cli_cmd_codegen,
     .options = {STORE,
                 {"--output", 'o', CLI_VALUE, false, "FILE",
                  "write FILE, whole or not at all; else standard output"}}},
    {.name = "node",
     .arguments = "",
     .summary = "be a replica on the network until stopped",
     .details =
         "Others are met by URL, and found through those that are met. A URL names "
         "the\n"
         "port for requests; the next port up carries what is published. While the "
         "node\n"
         "runs, the other verbs on its store are done by it, so a live scene can be\n"
         "edited from a shell. Prints what happens, one line each: opened, listening,\n"
         "joined, left, synced, adopted, conflict, refused, stranger (a replica whose\n"
         "scene of this name began differently), unreachable (a peer that was given "
         "is\n"
         "not there, and why); and what should not be:\n"
         "fork (two histories under one actor), fresh (the store is a copy), alarm,\n"
         "rewritten, lost (what healing made of it), poisoned (the disk failed),\n"
         "stuck (the network library hangs: it ends with 1, to be started again).\n"
         "SIGINT and SIGTERM stop it cleanly: peers are told, all is on disk.",
     .examples = "scenesync node --store a --listen tcp://0.0.0.0:7700\n"
                 "scenesync node --store b --listen tcp://0.0.0.0:7700 --peer "
                 "tcp://host-a:7700",
     .run = cli_cmd_node,
     .options = {STORE,
                 {"--listen", 'l', CLI_LIST, false, "URL",
                  "where others reach it: tcp://HOST:PORT (port 0: any), "
                  "tls+tcp://HOST:PORT"},
                 PEER(false, CLI_LIST),
                 {"--no-discover", 0, CLI_FLAG, false, NULL,
                  "meet only the peers given, not those they know"},
                 SCENE,
                 FOR,
                 {"--fault", 0, CLI_VALUE, false, "drop=SHARE",
                  "test aid: lose this share (0 to 1) of all messages"},
                 {"--message-max", 0, CLI_VALUE, false, "BYTES",
                  "limit of one message, 4096 or more, the same at all replicas; "
                  "default 1048576"},
                 KEY,
                 TLS,
                 AS,
                 NO_CONFINE,
                 JSON}},
    {.name = "worker",
     .arguments = "",
     .summary = "be the edition worker of a scene until stopped",
     .details =
         "http://ADDR/ is the page where people see the scene and edit it together,\n"
         "http://ADDR/status tells how its replicas are. Other renderers connect to\n"
         "ws://ADDR/renderer; programs ask by HTTP; other workers of the scene are "
         "met\n"
         "as a node meets them. The scene comes from whoever edits it already, else\n"
         "from the content or the builder server, else from the store. Who may do\n"
         "what stands in the access file (`scenesync access`); without one, callers "
         "on\n"
         "this machine may edit and nobody else may anything. SIGTERM: what is "
         "unsaved\n"
         "is saved, peers are "
         "told.\n"
         "The other verbs on its store are done by the running worker.",
     .examples =
         "scenesync worker --scene 0,0 --store a --http 127.0.0.1:8080\n"
         "scenesync worker --scene 0,0 --store b --content http://127.0.0.1:6969 "
         "--peer tcp://host-a:7700",
     .run = cli_cmd_worker,
     .options =
         {STORE,
          {"--scene", 0, CLI_VALUE, true, "X,Y", "the scene's base parcel"},
          {"--http", 0, CLI_VALUE, false, "ADDR",
           "where renderers and programs reach it, HOST:PORT; default 127.0.0.1:0"},
          {"--content", 0, CLI_VALUE, false, "URL",
           "the content server: what is before /content/..."},
          {"--builder", 0, CLI_VALUE, false, "URL",
           "the builder server: what is before /v1/..."},
          {"--kernel", 0, CLI_VALUE, false, "URL",
           "the kernel that started it: who plays or stops the scene here asks it"},
          {"--project", 0, CLI_VALUE, false, "ID",
           "the builder project to load and save"},
          {"--save", 0, CLI_VALUE, false, "FILE", "save to this file too"},
          {"--autosave", 0, CLI_VALUE, false, "SECONDS",
           "save so long after a change at the latest; 0: only on demand; "
           "default 5"},
          {"--access", 0, CLI_VALUE, false, "FILE", "who may do what"},
          {"--loopback-role", 0, CLI_VALUE, false, "none|view|edit|publish|admin",
           "of callers on this machine without a token; default edit, with "
           "--access none"},
          {"--host", 0, CLI_LIST, false, "NAME", "a name by which it may be called"},
          {"--origin", 0, CLI_LIST, false, "URL", "a site whose pages may call it"},
          {"--http-cert", 0, CLI_VALUE, false, "FILE",
           "certificate, PEM: renderers and programs come by https and wss"},
          {"--http-key", 0, CLI_VALUE, false, "FILE", "its private key, PEM"},
          {"--tick", 0, CLI_VALUE, false, "MS",
           "edits are gathered so long; default 50"},
          {"--listen", 'l', CLI_LIST, false, "URL",
           "where other workers reach it: tcp://HOST:PORT, tls+tcp://HOST:PORT"},
          PEER(false, CLI_LIST),
          {"--no-discover", 0, CLI_FLAG, false, NULL,
           "meet only the peers given, not those they know"},
          {"--fault", 0, CLI_VALUE, false, "drop=SHARE",
           "test aid: lose this share (0 to 1) of all messages"},
          KEY,
          TLS,
          NO_CONFINE,
          JSON}},
    {.name = "sync",
     .arguments = "",
     .summary = "catch up with a replica, both ways, once",
     .details =
         "Exits 0 when versions and digests of both are equal and all is on disk.\n"
         "A new store takes over what the peer has.",
     .examples = "scenesync sync --store b --peer tcp://host-a:7700",
     .flags = CLI_VERB_FORWARD,
     .run = cli_cmd_sync,
     .options = {STORE,
                 PEER(true, CLI_VALUE),
                 {"--timeout", 0, CLI_VALUE, false, "SECONDS",
                  "give up after so long; default 30"},
                 SCENE,
                 KEY,
                 TLS,
                 JSON}},
    {.name = "key",
     .arguments = "",
     .summary = "make the key that a scene's replicas share",
     .details =
         "Give every replica the same file with --key: all that they say to each "
         "other\n"
         "is sealed with it. The file is made new, readable by its owner alone, and\n"
         "never overwritten. The fingerprint tells that two files hold the same key,\n"
         "and nothing of the key. A key file may also be written by hand: 64\n"
         "hexadecimal digits, or 32 bytes in base64.",
     .examples = "scenesync key -o plaza.key\n"
                 "scenesync key --check plaza.key",
     .run = cli_cmd_key,
     .options = {{"--output", 'o', CLI_VALUE, false, "FILE", "make this file"},
                 {"--check", 0, CLI_VALUE, false, "FILE",
                  "print the fingerprint of this key file"},
                 JSON}},
    {.name = "add",
     .arguments = "ENTITY",
     .argument_min = 1,
     .argument_max = 1,
     .summary = "add an entity",
     .details = "An entity that is there already stays as it is, apart from --parent.",
     .examples = "scenesync add --store a lamp --parent table",
     .flags = CLI_VERB_FORWARD | CLI_VERB_PERSON,
     .run = cli_cmd_add,
     .options = {STORE,
                 {"--parent", 0, CLI_VALUE, false, "ENTITY",
                  "hang it below this entity; else at the root"},
                 AS,
                 JSON}},
    {.name = "remove",
     .arguments = "ENTITY[.COMPONENT]",
     .argument_min = 1,
     .argument_max = 1,
     .summary = "remove an entity or one of its components",
     .details =
         "Who edits it elsewhere at the same time does not revive it; such edits are\n"
         "listed as conflicts, and `undo` brings all of it back.",
     .examples = "scenesync remove --store a lamp\n"
                 "scenesync remove --store a lamp.GLTFShape",
     .flags = CLI_VERB_FORWARD | CLI_VERB_PERSON,
     .run = cli_cmd_remove,
     .options = {STORE, AS, JSON}},
    {.name = "set",
     .arguments = "ENTITY COMPONENT[.FIELD] JSON",
     .argument_min = 3,
     .argument_max = 3,
     .summary = "set a component, or one field of it; makes what is missing",
     .details = "JSON is any JSON value. A component that is set whole gets exactly "
                "the fields\n"
                "of the object given.",
     .examples = "scenesync set --store a lamp Transform.scale "
                 "'{\"x\":2,\"y\":2,\"z\":2}'\n"
                 "scenesync set --store a lamp Name '{\"value\":\"Lamp\"}'",
     .flags = CLI_VERB_FORWARD | CLI_VERB_PERSON,
     .run = cli_cmd_set,
     .options = {STORE,
                 SCENE,
                 {"--seen", 0, CLI_VALUE, false, "STAMP",
                  "the write it was made on (TIME@ACTOR, as blame shows); replacing a "
                  "newer one is listed as a conflict"},
                 AS,
                 JSON}},
    {.name = "unset",
     .arguments = "ENTITY COMPONENT.FIELD",
     .argument_min = 2,
     .argument_max = 2,
     .summary = "take a field out of a component",
     .details = "",
     .examples = "scenesync unset --store a lamp GLTFShape.visible",
     .flags = CLI_VERB_FORWARD | CLI_VERB_PERSON,
     .run = cli_cmd_unset,
     .options = {STORE, AS, JSON}},
    {.name = "move",
     .arguments = "ENTITY",
     .argument_min = 1,
     .argument_max = 1,
     .summary = "hang an entity below another",
     .details = "Without --parent it goes to the root.",
     .examples = "scenesync move --store a lamp --parent table",
     .flags = CLI_VERB_FORWARD | CLI_VERB_PERSON,
     .run = cli_cmd_move,
     .options = {STORE,
                 {"--parent", 0, CLI_VALUE, false, "ENTITY", "the new parent"},
                 AS,
                 JSON}},
    {.name = "undo",
     .arguments = "",
     .summary = "take back this store's last edit",
     .details =
         "Only one's own edits are taken back, and only where nobody has written "
         "since:\n"
         "what others changed stays theirs and is named. An entity that was removed\n"
         "comes back with its id and its values. What a renderer did in one step (a\n"
         "drag) is taken back at once, and the step is named.",
     .examples = "scenesync undo --store a",
     .flags = CLI_VERB_FORWARD,
     .run = cli_cmd_undo,
     .options = {STORE,
                 {"--as", 0, CLI_VALUE, false, "NAME",
                  "only edits of this person, in whose name this is done too"},
                 JSON}},
    {.name = "redo",
     .arguments = "",
     .summary = "make again what `undo` took back",
     .details = "Possible until the next edit.",
     .examples = "scenesync redo --store a",
     .flags = CLI_VERB_FORWARD,
     .run = cli_cmd_redo,
     .options = {STORE,
                 {"--as", 0, CLI_VALUE, false, "NAME",
                  "only edits of this person, in whose name this is done too"},
                 JSON}},
    {.name = "status",
     .arguments = "",
     .summary = "say what the store holds",
     .details =
         "Keys with --json: scene, lineage, actor, version, digest, entities,\n"
         "components, fields, conflicts, bytes (on disk); from a node that runs also\n"
         "urls, peers, lag, held_back, refused. Two replicas with equal versions have\n"
         "equal digests.",
     .examples = "scenesync status --store a --json",
     .flags = CLI_VERB_FORWARD,
     .run = cli_cmd_status,
     .options = {STORE, JSON}},
    {.name = "log",
     .arguments = "",
     .summary = "show the edits, newest first, with the values they replaced",
     .details = "Kept are the last 16 MB of them, on this replica only; the end of the "
                "output\n"
                "says if older ones are gone. With --json each operation lists what it "
                "dropped:\n"
                "also values that a concurrent edit hid. Edits of one step of a\n"
                "renderer (a drag) carry its name.",
     .examples = "scenesync log --store a --count 20",
     .flags = CLI_VERB_FORWARD,
     .run = cli_cmd_log,
     .options = {STORE,
                 {"--count", 'n', CLI_VALUE, false, "COUNT", "at most so many edits"},
                 JSON}},
    {.name = "conflicts",
     .arguments = "",
     .summary = "list concurrent edits of which one does not show",
     .details =
         "Kinds: concurrent (two wrote the same field; both values are listed) and\n"
         "edited-while-removed (the value lies hidden below what another removed).\n"
         "The next edit of a field settles it; --clear settles all as they show now.\n"
         "Parents that cannot be (cycles, removed parents) are listed as they are\n"
         "resolved: kind cycle and orphan. A worker that runs lists besides what "
         "people\n"
         "replaced or removed there without having seen it: kind stale and removed.",
     .examples = "scenesync conflicts --store a",
     .flags = CLI_VERB_FORWARD,
     .run = cli_cmd_conflicts,
     .options = {STORE,
                 {"--clear", 0, CLI_FLAG, false, NULL,
                  "settle all of them: what shows stays, the rest goes"},
                 JSON}},
    {.name = "blame",
     .arguments = "ENTITY[.COMPONENT[.FIELD]]",
     .argument_min = 1,
     .argument_max = 1,
     .summary = "say who wrote what is there, and when",
     .details = "",
     .examples = "scenesync blame --store a lamp.Transform.position",
     .flags = CLI_VERB_FORWARD,
     .run = cli_cmd_blame,
     .options = {STORE, JSON}},
    {.name = "diff",
     .arguments = "A B",
     .argument_min = 2,
     .argument_max = 2,
     .summary = "show in what two stores or scene files differ",
     .details =
         "Lines begin with + (only in B), - (only in A) or ~ (differs). Exits 0 if\n"
         "there is no difference, 1 if there is one or the diff failed.",
     .examples = "scenesync diff a b\n"
                 "scenesync diff scene.json a",
     .run = cli_cmd_diff,
     .options = {JSON}},
    {.name = "servers",
     .arguments = "",
     .summary = "be a content server and a Builder server",
     .details =
         "One address answers /content/... as a content server does (entities, files\n"
         "by their hash, deployments) and /v1/... as the Builder's server (projects,\n"
         "manifests, pictures). All is kept below DIR; what was answered with success\n"
         "is on disk. One machine without internet has with it all that workers need.\n"
         "Auth chains must be well-formed, not expired and sign the right text, but\n"
         "their signatures are NOT verified, nor who owns a parcel: whoever may write\n"
         "here may write as anybody. So writes come from this machine only, unless\n"
         "--open is given. docs/SERVERS.md tells all calls, checks and limits.\n"
         "--deploy and --project fill the servers with scene files; what is there\n"
         "already stays. With --json a line {\"event\":\"ready\",\"http\":URL} says "
         "when and\n"
         "where they can be reached; written and refused tell of writes, damaged of\n"
         "files that cannot be read, missed of lines that nobody read in time. SIGINT\n"
         "and SIGTERM stop it.",
     .examples = "scenesync servers --dir servers --http 127.0.0.1:8900\n"
                 "scenesync servers --dir servers --http 8900 --deploy "
                 "0,0=builder.json",
     .run = cli_cmd_servers,
     .options = {{"--dir", 'd', CLI_VALUE, true, "DIR",
                  "where all is kept; made if it is not there"},
                 {"--http", 0, CLI_VALUE, false, "ADDR",
                  "HOST:PORT or PORT to listen at; default 127.0.0.1:0 (any port)"},
                 {"--deploy", 0, CLI_LIST, false, "X,Y=FILE",
                  "deploy a scene file there, if nothing is"},
                 {"--files", 0, CLI_VALUE, false, "DIR",
                  "with --deploy: models and other files, for scenes that name them by "
                  "hash or path"},
                 {"--project", 0, CLI_LIST, false, "UUID=FILE",
                  "put a Builder manifest as this project, if it is not there"},
                 {"--body-max", 0, CLI_VALUE, false, "BYTES",
                  "limit of one request; default 67108864 (deployments are 15 MB a "
                  "parcel)"},
                 {"--size-max", 0, CLI_VALUE, false, "BYTES",
                  "limit of all files; default 10 GiB, 0: none"},
                 {"--any-age", 0, CLI_FLAG, false, NULL,
                  "take entities whose timestamp is older than 20 minutes"},
                 {"--open", 0, CLI_FLAG, false, NULL,
                  "take writes from other machines, though nobody's signature is "
                  "verified"},
                 {"--host", 0, CLI_LIST, false, "NAME",
                  "another name by which it may be called"},
                 {"--origin", 0, CLI_LIST, false, "URL",
                  "a site whose pages may call it"},
                 {"--tls-cert", 0, CLI_VALUE, false,
                  "FILE", "own certificate, PEM, for https"},
                 {"--tls-key", 0, CLI_VALUE, false, "FILE", "its private key, PEM"},
                 NO_CONFINE,
                 JSON}},
    {.name = "verify",
     .arguments = "",
     .summary = "check every byte of a store",
     .details = "Reads it all, replays it, and compares checksums, counts and digest. "
                "Exits 1\n"
                "if something is wrong.",
     .examples = "scenesync verify --store a",
     .flags = CLI_VERB_FORWARD,
     .run = cli_cmd_verify,
     .options = {STORE, JSON}},
    {.name = "repair",
     .arguments = "",
     .summary = "make a damaged store usable again",
     .details =
         "Reads what can be read of a store that `verify` finds damaged into a new "
         "one, "
         "which\n"
         "takes its place and writes as a fresh replica; the damaged files are kept in "
         "a "
         "folder\n"
         "of the store (damaged-1, ...). What peers know comes back from them: at once "
         "with\n"
         "--peer, else when it next meets them. Records that need what is missing are "
         "held\n"
         "back; --from tries them again later. Edits of which only the history is left "
         "are\n"
         "printed. A store that is whole is left alone.",
     .examples = "scenesync repair --store a --peer tcp://host-b:7700\n"
                 "scenesync repair --store a --from damaged-1",
     .run = cli_cmd_repair,
     .options = {STORE,
                 PEER(false, CLI_LIST),
                 {"--from", 0, CLI_VALUE, false, "FOLDER",
                  "try again what an earlier repair held back: damaged-1, ..."},
                 KEY,
                 TLS,
                 JSON}},
    {.name = "watch",
     .arguments = "",
     .summary = "follow the changes of a running node as they arrive",
     .details = "",
     .examples = "scenesync watch --store a --for 10",
     .flags = CLI_VERB_FORWARD,
     .run = cli_cmd_watch,
     .options = {STORE, FOR, JSON}},
    {.name = "publish",
     .arguments = "",
     .summary = "deploy the scene to a content server, in two steps",
     .details =
         "Without --confirm everything is prepared and shown: the files, what they\n"
         "replace, what is missing, and the text to sign. Nothing is deployed. With\n"
         "--confirm ID and the auth chain that signs that text, exactly what was "
         "shown\n"
         "is deployed, if the scene has not changed since. A preparation lasts 15\n"
         "minutes. Deploying cannot be taken back. Files of assets come from the "
         "content\n"
         "server, or else from the builder server; after deploying the builder project "
         "is\n"
         "unlinked from the land. The node or worker that holds the store may run on.",
     .examples =
         "scenesync publish --store a --scene 0,0 --content http://localhost:8090\n"
         "scenesync publish --store a --content http://localhost:8090 --confirm "
         "3f0c... --auth-chain FILE",
     .run = cli_cmd_publish,
     .options = {STORE,
                 PLACE("where to deploy it; else the name of the scene"),
                 {"--parcels", 0, CLI_VALUE, false, "\"X,Y;X,Y\"",
                  "the land it takes; else that of the deployed scene, of the project"},
                 {"--title", 0, CLI_VALUE, false, "TEXT", "title; else as it is"},
                 {"--description", 0, CLI_VALUE, false, "TEXT", "else as it is"},
                 {"--thumbnail", 0, CLI_VALUE, false, "FILE", "PNG; else as it is"},
                 {"--project", 0, CLI_VALUE, false, "ID",
                  "the builder project it comes from; else the scene's own"},
                 {"--as-prepared", 0, CLI_FLAG, false, NULL,
                  "with --confirm: deploy it though the scene has changed since"},
                 DEPLOY,
                 JSON}},
    {.name = "unpublish",
     .arguments = "",
     .summary = "put an empty scene in the place of the deployed one, in two steps",
     .details =
         "As publish: without --confirm it is prepared and shown. What was deployed\n"
         "cannot be brought back from the content server; the store, its files and "
         "the\n"
         "builder project are not touched.",
     .examples = "scenesync unpublish --scene 0,0 --content http://localhost:8090\n"
                 "scenesync unpublish --content http://localhost:8090 --confirm "
                 "3f0c... --auth-chain FILE",
     .run = cli_cmd_unpublish,
     .options = {PLACE("where it is deployed"), DEPLOY, JSON}},
    {.name = "access",
     .arguments = "add|list|role|remove [NAME] [ROLE]",
     .argument_min = 1,
     .argument_max = 3,
     .summary = "say who may take part in an edition",
     .details =
         "`add NAME --role ROLE` prints the token of that person, once: the file "
         "keeps\n"
         "a hash of it. `role NAME ROLE` changes what somebody may do, `remove NAME`\n"
         "takes the token away; NAME may be the id that `list` shows. A worker sees\n"
         "the change at once, also for those who are connected.\n"
         "Roles: view (see the scene and who is there), edit (and change and save "
         "it),\n"
         "publish (and publish it), admin (and start, stop and unpublish it).\n"
         "The file is one that its owner alone may write; what is not exactly an\n"
         "access file lets nobody in.",
     .examples =
         "scenesync access add --file access.json Ana --role edit --expires 30\n"
         "scenesync access role --file access.json Ana view\n"
         "scenesync access list --file access.json",
     .run = cli_cmd_access,
     .options = {{"--file", 'f', CLI_VALUE, true, "FILE", "the access file"},
                 {"--role", 'r', CLI_VALUE, false, "view|edit|publish|admin",
                  "what the person added may do"},
                 {"--expires", 0, CLI_VALUE, false, "DATE",
                  "until when: 2027-01-31, 2027-01-31T12:00:00Z, or a number of days"},
                 JSON}},
    {.name = "kernel",
     .arguments = "",
     .summary = "start, stop and look after the workers of scenes",
     .details =
         "One worker a scene, a process of its own: the edition worker after\n"
         "POST /scenes/X,Y/edit, the running worker after /play: it runs the code "
         "that\n"
         "the edition makes, or, if there was none, that of the deployed scene. /stop\n"
         "ends play and goes back to the edition it came from; else it ends the "
         "worker.\n"
         "GET /scenes and /scenes/X,Y tell what is there.\n"
         "A worker that crashes or hangs is started again from its store at the same\n"
         "address. When the kernel ends, its workers save and leave; when it is "
         "killed,\n"
         "they do so too, and the next one goes on where it was.",
     .examples = "scenesync kernel --http 127.0.0.1:8080 --dir work --content "
                 "http://127.0.0.1:8090\n"
                 "curl -X POST http://127.0.0.1:8080/scenes/0,0/edit",
     .run = cli_cmd_kernel,
     .options = {HTTP,
                 {"--dir", 0, CLI_VALUE, true, "DIR",
                  "where stores, code and logs of the scenes lie"},
                 {"--content", 0, CLI_VALUE, false, "URL", "the content server"},
                 {"--builder", 0, CLI_VALUE, false, "URL", "the builder server"},
                 {"--listen", 'l', CLI_VALUE, false, "URL",
                  "where workers meet others: tcp://HOST:0; default tcp://127.0.0.1:0"},
                 PEER(false, CLI_LIST),
                 {"--no-discover", 0, CLI_FLAG, false, NULL,
                  "workers meet only the peers given, not those they know"},
                 {"--key", 0, CLI_VALUE, false, "FILE",
                  "the key that workers share with their peers (verb key)"},
                 {"--tick", 0, CLI_VALUE, false, "MS",
                  "workers: how long edits are gathered"},
                 {"--autosave", 0, CLI_VALUE, false, "SECONDS",
                  "workers: save so long after the last change; 0: not"},
                 TLS,
                 ACCESS,
                 LOOPBACK_ROLE("what callers on this machine may do without a token; "
                               "default edit, with --access none"),
                 HOSTS,
                 NO_CONFINE,
                 JSON}},
    {.name = "play",
     .arguments = "",
     .summary = "run a scene's code and show what it builds",
     .details =
         "The running worker: FILE (bin/game.js) is run once, in a process of its own\n"
         "with limits on time and memory and without access to anything but the "
         "object\n"
         "`dcl`. http://ADDR/ shows what it built, and ws://ADDR/renderer tells it to\n"
         "renderers; edits are refused.\n"
         "A script that fails is no end: what it built until then is shown, with its\n"
         "error. --print writes what is built as JSON, and ends: 0, or 1 with an "
         "error.",
     .examples = "scenesync play --scene 0,0 --code bin/game.js --http 127.0.0.1:8081\n"
                 "scenesync play --code bin/game.js --print",
     .run = cli_cmd_play,
     .options = {{"--code", 0, CLI_VALUE, true, "FILE",
                  "the code; `-`: standard input"},
                 {"--scene", 0, CLI_VALUE, false, "X,Y", "its place; default 0,0"},
                 HTTP,
                 {"--content", 0, CLI_VALUE, false, "URL",
                  "the content server: the files of its models"},
                 {"--builder", 0, CLI_VALUE, false, "URL",
                  "the builder server: files that the content server lacks"},
                 {"--kernel", 0, CLI_VALUE, false, "URL",
                  "the kernel that started it: who stops the scene here asks it"},
                 {"--info", 0, CLI_VALUE, false,
                  "FILE", "what GET /v1/info answered where the scene was edited"},
                 {"--print", 0, CLI_FLAG, false, NULL, "print what is built, and end"},
                 {"--seconds", 0, CLI_VALUE, false, "SECONDS",
                  "of work that a script may do; default 5"},
                 ACCESS,
                 LOOPBACK_ROLE("what callers on this machine may do without a token; "
                               "default edit, with --access none"),
                 HOSTS,
                 NO_CONFINE,
                 JSON}},
    {.name = "fuzz",
     .arguments = "",
     .summary = "look for a run in which replicas do not end up equal and right",
     .details =
         "Replicas on a simulated network, disk and clock are edited, cut off, "
         "crashed\n"
         "and brought together again; one seed decides all of it. Equal versions must\n"
         "have equal digests at every step; in every quiet all replicas must be "
         "equal,\n"
         "equal to what a full history of all edits says, and nothing acknowledged "
         "may\n"
         "be gone. docs/TESTING.md lists what is promised.\n"
         "A run that fails is made as small as possible and written as a plan and a\n"
         "readable trace: fuzz-SEED.plan, fuzz-SEED.trace. Exits 0 if nothing failed, "
         "1\n"
         "if something did, 2 if the command line is wrong.",
     .examples = "scenesync fuzz --minutes 1\n"
                 "scenesync fuzz --profile crash --seed 4711 --runs 1\n"
                 "scenesync fuzz --replay fuzz-4711.plan --trace",
     .run = cli_cmd_fuzz,
     .options =
         {{"--seed", 0, CLI_VALUE, false, "N", "first seed; default 1"},
          {"--runs", 'n', CLI_VALUE, false, "COUNT",
           "so many seeds; default 1000, without --minutes"},
          {"--minutes", 0, CLI_VALUE, false, "MINUTES", "stop after so long"},
          {"--jobs", 0, CLI_VALUE, false, "COUNT",
           "processes at once; default: one a processor"},
          {"--profile", 0, CLI_VALUE, false,
           "calm|lossy|partition|crash|hostile|everything",
           "what may happen; default everything"},
          {"--replicas", 0, CLI_VALUE, false, "COUNT",
           "replicas in each run; default 2 to 5"},
          {"--steps", 0, CLI_VALUE, false, "COUNT",
           "about so many steps a run; default 20 to 200"},
          {"--loss", 0, CLI_VALUE, false, "PERCENT",
           "packets lost; default as the profile has it, 0 to 75"},
          {"--scene", 0, CLI_VALUE, false, "FILE",
           "begin with this scene; else with nothing"},
          {"--scopes", 0, CLI_FLAG, false, NULL,
           "instead: every history of up to --replicas (3) authors and --steps (4) "
           "batches, in every order, with every join"},
          {"--letters", 0, CLI_VALUE, false, "LETTERS",
           "with --scopes: put, set, unset, remove, drop, add, b (add a component), "
           "housekeep; default psurdabh"},
          {"--convergence", 0, CLI_FLAG, false, NULL,
           "instead: how long 2 to 64 replicas need to be equal, 0 to 75 % of "
           "packets lost; --runs seeds each"},
          {"--replay", 0, CLI_VALUE, false, "FILE", "run this plan again"},
          {"--trace", 0, CLI_FLAG, false, NULL,
           "with --replay: print all that happens"},
          {"--output-dir", 0, CLI_VALUE, false, "DIR",
           "where a failing plan goes; default here"},
          {"--no-shrink", 0, CLI_FLAG, false, NULL, "keep a failing plan as it is"},
          JSON}},
};

const size_t cli_verb_count = sizeof cli_verbs / sizeof cli_verbs[0];

const char cli_about[] =
    "scenesync keeps replicas of one 3D scene the same while several people edit it\n"
    "at several places, connected or not. Edits never wait for each other and none is\n"
    "lost without a word: replicas that have met the same edits hold the same scene,\n"
    "byte for byte, and what lost against a concurrent edit is listed as a conflict.\n"
    "\n"
    "A store is a directory that holds one replica. import, add, set, node and sync\n"
    "make a store that is missing. While a node runs on a store, the other verbs are\n"
    "done by that node.\n";

const char cli_about_names[] =
    "ENTITY, COMPONENT and FIELD are the names in the scene file, any UTF-8. In\n"
    "COMPONENT.FIELD and ENTITY.COMPONENT the first dot parts the names; a dot that\n"
    "belongs to a name is written `\\.`, a backslash `\\\\`. If the text as a whole,\n"
    "dots and all, names an entity (or component) that is there, that one is meant.\n";

const cli_verb *cli_verb_find(const char *name)
{
    for (size_t i = 0; i < cli_verb_count; i++) {
        if (strcmp(cli_verbs[i].name, name) == 0) {
            return &cli_verbs[i];
        }
    }
    return NULL;
}
