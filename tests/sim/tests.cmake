# The protocol: its parts, and real replicas in a simulated world. `test_campaign FIRST COUNT`
# and `test_copies FIRST COUNT` run more seeds.
foreach(noun message meta held unsent parcel peer heal replica)
    scenesync_test(sync/test_${noun}
        LIBS scenesync_sync scenesync_crdt scenesync_test_support)
endforeach()
# What runs without a sanitizer in full runs its first seeds under one.
if(SCENESYNC_SANITIZE)
    set(few_seeds 1 100)
endif()
scenesync_test(sim/test_campaign PLAIN ARGUMENTS ${few_seeds} SOURCES sim/sim_oracle.c
    LIBS scenesync_sim scenesync_sync scenesync_crdt)
scenesync_test(sim/test_copies PLAIN ARGUMENTS ${few_seeds} LIBS scenesync_sim scenesync_sync scenesync_crdt)
scenesync_test(sim/test_stories SOURCES sim/sim_oracle.c
    LIBS scenesync_sim scenesync_sync scenesync_crdt)
foreach(noun sim_disk sim_fuzz sim_net sim_world)
    scenesync_test(sim/test_${noun} LIBS scenesync_sim scenesync_sync scenesync_crdt)
endforeach()
scenesync_test(sim/test_sim_memory
    LIBS scenesync_sim scenesync_sync scenesync_crdt scenesync_test_support)
target_link_options(test_sim_memory PRIVATE -Wl,--wrap=sync_replica_step)
# What a reader may copy, built and run as it stands.
add_executable(example_fuzz ${PROJECT_SOURCE_DIR}/docs/example_fuzz.c)
target_link_libraries(example_fuzz PRIVATE
    scenesync_flags scenesync_sim scenesync_sync scenesync_crdt)
add_test(NAME example_fuzz COMMAND example_fuzz)
add_test(NAME example_fuzz_wrong COMMAND example_fuzz 1 50 wrong)
set_tests_properties(example_fuzz_wrong PROPERTIES
    PASS_REGULAR_EXPRESSION "steps are enough: .* notes in the last column")
set_tests_properties(example_fuzz example_fuzz_wrong PROPERTIES LABELS sim)
