# The HTTP server and client: programs to try them on, and their drivers.
foreach(name web_call web_echo)
    add_executable(${name} cli/${name}.c)
    target_link_libraries(${name} PRIVATE
        scenesync_flags scenesync_cli scenesync_scene scenesync_sync scenesync_crdt)
endforeach()
set(web ${PROJECT_SOURCE_DIR}/cli/web)
scenesync_test(cli/test_url SOURCES ${web}/url.c LIBS scenesync_crdt)
scenesync_test(cli/test_origin SOURCES ${web}/origin.c)
scenesync_test(cli/test_listen SOURCES ${web}/listen.c LIBS scenesync_crdt)
scenesync_test(cli/test_accept SOURCES ${web}/accept.c)
scenesync_test(cli/test_asset SOURCES ${PROJECT_SOURCE_DIR}/cli/page/asset.c ${web}/accept.c
    LIBS scenesync_crdt)
scenesync_test(cli/test_exchange SOURCES ${web}/exchange.c ${web}/exchange_head.c ${web}/socket.c ${web}/url.c ${web}/origin.c
    LIBS scenesync_scene scenesync_crdt scenesync_test_support)
scenesync_test(cli/test_postbox THREADED SOURCES ${web}/postbox.c LIBS scenesync_crdt Threads::Threads)
scenesync_test(cli/race_web THREADED
    LIBS scenesync_cli scenesync_scene scenesync_sync scenesync_crdt)
scenesync_script(cli/test_page_build.sh)
scenesync_script(cli/test_web_client.py THREADED)
scenesync_script(cli/test_web_server.py THREADED)
add_dependencies(threaded web_call web_echo)

# Many renderers at once on one worker: how long an edit takes to be seen.
pkg_check_modules(LWS REQUIRED libwebsockets)
add_executable(crowd support/crowd.c)
target_link_libraries(crowd PRIVATE scenesync_flags ${LWS_LINK_LIBRARIES})
