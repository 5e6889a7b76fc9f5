# The HTTP server and client: programs to try them on, and their drivers.
foreach(name web_echo)
    add_executable(${name} cli/${name}.c)
    target_link_libraries(${name} PRIVATE
        scenesync_flags scenesync_cli scenesync_scene scenesync_sync scenesync_crdt)
endforeach()
scenesync_script(cli/test_web_server.py)
