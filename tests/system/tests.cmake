# The whole: servers, kernels, workers and scripted renderers as processes over real sockets.
# Each runs alone: they measure time, and start many processes.
function(scenesync_system name timeout)
    scenesync_script(system/${name}.py ${ARGN})
    set_tests_properties(${name} PROPERTIES RUN_SERIAL TRUE TIMEOUT ${timeout})
endfunction()

scenesync_system(test_arrows 600)
scenesync_system(test_doors 600)
scenesync_system(test_last_shown 300)
scenesync_system(test_rebase 600)
if(NOT SCENESYNC_SANITIZE)
    scenesync_system(test_http_round_trip 900)
    scenesync_system(test_chaos 600)
    scenesync_system(test_crowd 600)
endif()
