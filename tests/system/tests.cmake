# The whole: servers, kernels, workers and scripted renderers as processes over real sockets.
# They wait more than they compute, so they run beside others; SERIAL: it measures time.
function(scenesync_system name timeout)
    cmake_parse_arguments(ARG "SERIAL" "" "" ${ARGN})
    scenesync_script(system/${name}.py)
    set_tests_properties(${name} PROPERTIES RUN_SERIAL "${ARG_SERIAL}" TIMEOUT ${timeout})
endfunction()

scenesync_system(test_arrows 600)
scenesync_system(test_doors 600)
scenesync_system(test_steps 300)
scenesync_system(test_secrets 300)
scenesync_system(test_matrix 300)
scenesync_system(test_outside 300)
scenesync_system(test_page_files 300)
scenesync_system(test_firefox 300)
scenesync_system(test_last_shown 300)
scenesync_system(test_feed 300)
scenesync_system(test_rebase 600)
scenesync_system(test_repair_store 300)
if(NOT SCENESYNC_SANITIZE)
    scenesync_system(test_hostile 600)
    scenesync_system(test_browser 600)
    scenesync_system(test_http_round_trip 900)
    scenesync_system(test_chaos 600)
    scenesync_system(test_kill_worker 600)
    add_executable(fail_call system/fail_call.c)
    target_link_libraries(fail_call PRIVATE scenesync_flags)
    scenesync_system(test_every_call 600)
    scenesync_system(test_crowd 600 SERIAL)
endif()

# A peer that means no good, for test_hostile; what servers take, for test_matrix.
# These run once more, alone, where they failed beside others (see docs/TESTING.md): all but those
# that look for an edit that is lost.
foreach(name arrows doors steps secrets matrix outside page_files firefox last_shown feed repair_store
        hostile browser crowd)
    if(TEST test_${name})
        set_property(TEST test_${name} APPEND PROPERTY LABELS patient)
    endif()
endforeach()

foreach(name rogue route_list)
    add_executable(${name} system/${name}.c)
    target_link_libraries(${name} PRIVATE scenesync_flags scenesync_cli scenesync_scene
        scenesync_sync scenesync_crdt)
endforeach()
