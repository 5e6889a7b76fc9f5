# The page: what it is made of, and what people see of it in real browsers with real workers.
if(NOT SCENESYNC_SANITIZE)
    scenesync_script(page/test_page_types.sh)
    scenesync_script(page/test_page_core.sh)
    scenesync_script(page/test_page.sh)
    # The longest of all, side by side with others: it begins first.
    set_tests_properties(test_page PROPERTIES COST 200 TIMEOUT 900)
    set_property(TEST test_page APPEND PROPERTY LABELS patient)
endif()
