# Workers in network namespaces, on a network that fails: needs root and TUN devices, and is
# skipped with its reason where they are missing.
add_executable(live_switch live/live_switch.c)
target_link_libraries(live_switch PRIVATE scenesync_flags)
if(NOT SCENESYNC_SANITIZE)
    scenesync_script(live/test_partitions.py)
endif()
