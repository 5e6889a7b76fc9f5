# The protocol: its parts, and real replicas in a simulated world. `test_campaign FIRST COUNT`
# and `test_copies FIRST COUNT` run more seeds.
foreach(noun message meta held unsent parcel peer heal replica)
    scenesync_test(sync/test_${noun}
        LIBS scenesync_sync scenesync_crdt scenesync_test_support)
endforeach()
scenesync_test(sim/test_campaign PLAIN SOURCES sim/sim_oracle.c
    LIBS scenesync_sim scenesync_sync scenesync_crdt)
scenesync_test(sim/test_copies PLAIN LIBS scenesync_sim scenesync_sync scenesync_crdt)
scenesync_test(sim/test_stories SOURCES sim/sim_oracle.c
    LIBS scenesync_sim scenesync_sync scenesync_crdt)
foreach(noun sim_disk sim_world)
    scenesync_test(sim/test_${noun} LIBS scenesync_sim scenesync_sync scenesync_crdt)
endforeach()
