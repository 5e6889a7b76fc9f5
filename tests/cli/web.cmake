# The HTTP server and client: programs to try them on, and their drivers.
foreach(name web_call web_echo)
    add_executable(${name} cli/${name}.c)
    target_link_libraries(${name} PRIVATE
        scenesync_flags scenesync_cli scenesync_scene scenesync_sync scenesync_crdt)
endforeach()
scenesync_script(cli/test_web_client.py)
scenesync_script(cli/test_web_server.py)

# Many renderers at once on one worker: how long an edit takes to be seen.
pkg_check_modules(LWS REQUIRED libwebsockets)
add_executable(crowd support/crowd.c)
target_link_libraries(crowd PRIVATE scenesync_flags ${LWS_LINK_LIBRARIES})
