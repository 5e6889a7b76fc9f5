# libscenesync, static and shared, and what a program needs to find it: headers, a CMake
# package, a pkg-config file.
#
# A public header is one that is installed; what it declares is what the shared library
# exports, nothing else (cmake/exports.cmake makes the version script of them).

set(SCENESYNC_SOVERSION 0)

# These, and what they include.
set(public_headers
    crdt/digest.h crdt/document.h crdt/history.h crdt/lww_map.h crdt/op_list.h crdt/or_set.h
    crdt/template.h crdt/value.h
    scene/difference.h scene/edit.h scene/format.h scene/json.h scene/materialize.h
    scene/resolve.h scene/scene.h scene/tree.h scene/undo.h
    sync/link_nng.h sync/message.h sync/node.h sync/replica.h sync/sim_fuzz.h sync/store.h
    sync/store_mem.h)
set(unread ${public_headers})
while(unread)
    list(POP_FRONT unread header)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${header})
    file(STRINGS ${PROJECT_SOURCE_DIR}/${header} lines REGEX "^#include \"")
    foreach(line ${lines})
        string(REGEX REPLACE "^#include \"([^\"]*)\".*" "\\1" included "${line}")
        if(NOT included IN_LIST public_headers)
            list(APPEND public_headers ${included})
            list(APPEND unread ${included})
        endif()
    endforeach()
endwhile()

set(version_script ${PROJECT_BINARY_DIR}/scenesync.map)
list(TRANSFORM public_headers PREPEND ${PROJECT_SOURCE_DIR}/ OUTPUT_VARIABLE header_paths)
add_custom_command(OUTPUT ${version_script}
    COMMAND ${CMAKE_COMMAND} "-DHEADERS=${header_paths}" -DOUTPUT=${version_script}
        -DTAG=SCENESYNC_${SCENESYNC_SOVERSION}
        -P ${PROJECT_SOURCE_DIR}/cmake/exports.cmake
    DEPENDS ${header_paths} ${PROJECT_SOURCE_DIR}/cmake/exports.cmake
    COMMENT "Exports of libscenesync"
    VERBATIM)
add_custom_target(scenesync_exports DEPENDS ${version_script})

set(objects
    $<TARGET_OBJECTS:scenesync_crdt>
    $<TARGET_OBJECTS:scenesync_scene>
    $<TARGET_OBJECTS:scenesync_sync>
    $<TARGET_OBJECTS:scenesync_sim>)
# What a program links besides the static library (Debian has these as shared libraries).
set(system_libraries lmdb nng sodium simdjson double-conversion xxhash zstd stdc++ m pthread)

add_library(scenesync_shared SHARED ${objects})
add_library(scenesync_static STATIC ${objects})
foreach(target scenesync_shared scenesync_static)
    set_target_properties(${target} PROPERTIES OUTPUT_NAME scenesync)
    target_include_directories(${target} INTERFACE
        $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>
        $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}/scenesync>)
    target_compile_features(${target} INTERFACE c_std_11)
endforeach()
set_target_properties(scenesync_shared PROPERTIES
    EXPORT_NAME scenesync VERSION ${PROJECT_VERSION} SOVERSION ${SCENESYNC_SOVERSION}
    LINK_DEPENDS ${version_script})
set_target_properties(scenesync_static PROPERTIES EXPORT_NAME scenesync_static)
add_dependencies(scenesync_shared scenesync_exports)
target_link_options(scenesync_shared PRIVATE
    -Wl,--version-script=${version_script} -Wl,-Bsymbolic-functions)
if(NOT SCENESYNC_SANITIZE) # a sanitizer's own functions come from the program
    target_link_options(scenesync_shared PRIVATE -Wl,-z,defs)
endif()
target_link_libraries(scenesync_shared PRIVATE ${system_libraries})
target_link_libraries(scenesync_static INTERFACE ${system_libraries})

# ---- installation ----

include(CMakePackageConfigHelpers)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/scenesync)
install(TARGETS scenesync_shared scenesync_static EXPORT scenesync
    LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
    ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
foreach(header ${public_headers})
    get_filename_component(folder ${header} DIRECTORY)
    install(FILES ${header} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/scenesync/${folder})
endforeach()
install(EXPORT scenesync NAMESPACE scenesync:: DESTINATION ${package_dir}
    FILE scenesync-targets.cmake)
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/scenesync-config.cmake.in
    ${PROJECT_BINARY_DIR}/scenesync-config.cmake INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/scenesync-config-version.cmake
    COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/scenesync-config.cmake
    ${PROJECT_BINARY_DIR}/scenesync-config-version.cmake DESTINATION ${package_dir})
list(TRANSFORM system_libraries PREPEND -l OUTPUT_VARIABLE pc_libraries)
list(JOIN pc_libraries " " pc_libraries)
# Relocatable: found from where the file itself lies.
file(RELATIVE_PATH pc_prefix /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
configure_file(${PROJECT_SOURCE_DIR}/cmake/scenesync.pc.in
    ${PROJECT_BINARY_DIR}/scenesync.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/scenesync.pc
    DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
