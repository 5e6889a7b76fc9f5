# Tests of the program and of its parts.
include(cli/web.cmake)
scenesync_test(cli/test_access LIBS scenesync_cli scenesync_scene scenesync_sync scenesync_crdt
    scenesync_test_support)
scenesync_test(cli/test_args SOURCES ${PROJECT_SOURCE_DIR}/cli/args.c)
scenesync_test(cli/test_clerk THREADED SOURCES ${PROJECT_SOURCE_DIR}/cli/clerk.c
    LIBS scenesync_crdt Threads::Threads)
scenesync_test(cli/test_confine SOURCES ${PROJECT_SOURCE_DIR}/cli/confine.c
    LIBS scenesync_sync scenesync_crdt scenesync_test_support)
scenesync_test(cli/test_cid SOURCES ${PROJECT_SOURCE_DIR}/cli/content/cid.c
    LIBS scenesync_sync scenesync_crdt)
scenesync_test(cli/test_control THREADED SOURCES ${PROJECT_SOURCE_DIR}/cli/control.c
    ${PROJECT_SOURCE_DIR}/cli/control_request.c
    LIBS scenesync_crdt Threads::Threads)
foreach(noun auth_links entity_text file_cache parcels preparation)
    scenesync_test(cli/test_${noun} LIBS scenesync_cli scenesync_scene scenesync_sync
        scenesync_crdt scenesync_test_support)
endforeach()
foreach(noun asset_list published_scene scene_info)
    scenesync_test(cli/test_${noun} SOURCES scene/scene_files.c
        LIBS scenesync_cli scenesync_scene scenesync_sync scenesync_crdt scenesync_test_support)
endforeach()
scenesync_script(cli/test_publish.py)
scenesync_script(cli/test_access_verb.py)
scenesync_script(cli/test_generated_code.py)
scenesync_script(cli/test_help.sh)
scenesync_script(cli/test_node_verb.py THREADED)
add_dependencies(threaded scenesync)
if(NOT SCENESYNC_SANITIZE) # who uses the library would have to link the sanitizer
    scenesync_script(cli/test_package.sh)
endif()
scenesync_script(cli/test_round_trip.py)
scenesync_script(cli/test_verbs.py)
scenesync_script(cli/test_trouble.py)
scenesync_test(cli/test_key_file SOURCES ${PROJECT_SOURCE_DIR}/cli/key_file.c
    LIBS scenesync_sync scenesync_crdt scenesync_test_support)
scenesync_test(cli/test_path SOURCES ${PROJECT_SOURCE_DIR}/cli/path.c
    LIBS scenesync_scene scenesync_crdt)
scenesync_test(cli/test_report SOURCES ${PROJECT_SOURCE_DIR}/cli/report.c
    LIBS scenesync_scene scenesync_crdt)
scenesync_test(cli/test_scene_state SOURCES ${PROJECT_SOURCE_DIR}/cli/kernel/scene_state.c)
scenesync_script(cli/test_kernel.py THREADED)
foreach(noun audience place process errand stage)
    scenesync_test(cli/test_${noun} LIBS scenesync_cli scenesync_scene scenesync_sync
        scenesync_crdt scenesync_test_support)
endforeach()
scenesync_script(cli/test_play.py THREADED)
scenesync_script(cli/test_run.py)
scenesync_test(cli/test_dcl SOURCES ${PROJECT_SOURCE_DIR}/cli/play/dcl.c
    LIBS scenesync_crdt scenesync_test_support)
scenesync_test(cli/test_sandbox
    SOURCES ${PROJECT_SOURCE_DIR}/cli/play/dcl.c ${PROJECT_SOURCE_DIR}/cli/play/sandbox.c
    ${PROJECT_SOURCE_DIR}/cli/play/engine.c
    LIBS scenesync_crdt ${DUKTAPE_LIBRARY})

# Loading, saving, bringing over.
foreach(noun backoff builder_client content_client pulse relation save save_plan)
    scenesync_test(cli/test_${noun} LIBS scenesync_cli scenesync_scene scenesync_sync
        scenesync_crdt scenesync_test_support)
endforeach()
scenesync_test(cli/test_rebase_plan SOURCES ${PROJECT_SOURCE_DIR}/cli/worker/rebase_plan.c
    LIBS scenesync_scene scenesync_crdt scenesync_test_support)
# The embedded servers.
foreach(noun multipart auth_chain entity entity_index manifest disk content_store project_store)
    scenesync_test(cli/test_${noun} LIBS scenesync_cli scenesync_scene scenesync_sync
        scenesync_crdt scenesync_test_support)
endforeach()
scenesync_script(cli/test_servers.py)
scenesync_test(cli/rebase_kill PLAIN LIBS scenesync_cli scenesync_scene scenesync_sync
    scenesync_crdt scenesync_test_support)
add_executable(worker_box cli/worker_box.c)
target_link_libraries(worker_box PRIVATE scenesync_flags scenesync_cli scenesync_scene
    scenesync_sync scenesync_crdt)
scenesync_script(cli/test_load_save.py THREADED)
add_dependencies(threaded worker_box)

# The edition worker.
foreach(noun clashes standing chronicle)
    scenesync_test(cli/test_${noun} SOURCES scene/world.c
        LIBS scenesync_cli scenesync_scene scenesync_sync scenesync_crdt scenesync_test_support)
endforeach()
scenesync_test(cli/test_metrics LIBS scenesync_cli scenesync_scene scenesync_sync
    scenesync_crdt)
foreach(noun event hub members presence)
    scenesync_test(cli/test_${noun} LIBS scenesync_cli scenesync_scene scenesync_sync
        scenesync_crdt scenesync_test_support)
endforeach()
scenesync_test(cli/test_undone SOURCES scene/world.c
    LIBS scenesync_cli scenesync_scene scenesync_sync scenesync_crdt scenesync_test_support)
scenesync_test(cli/test_view SOURCES scene/world.c
    LIBS scenesync_cli scenesync_scene scenesync_sync scenesync_crdt scenesync_test_support)
scenesync_test(cli/test_session
    SOURCES cli/gallery.c scene/world.c
    LIBS scenesync_cli scenesync_scene scenesync_sync scenesync_crdt scenesync_test_support)
foreach(noun fuzz_plan fuzz_execute full_history)
    scenesync_test(cli/test_${noun} LIBS scenesync_cli scenesync_scene scenesync_sync
        scenesync_crdt scenesync_test_support)
endforeach()
scenesync_script(cli/test_fuzz_verb.py)
scenesync_script(sim/same_trace.sh)
