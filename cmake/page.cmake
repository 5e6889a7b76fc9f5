# The page that workers serve, made of cli/page by npm and esbuild, and compiled in.
#
#     cli/page/node_modules     what package-lock.json says, fetched once for all builds
#     BUILD/page                the page's files, bundled (cli/page/build.mjs)
#     BUILD/page_assets.c       the table of them (page_assets.cmake)
#
# Without npm, or with SCENESYNC_PAGE off, it is a page that says so (cli/page/without).
# Sets page_assets_source, which the target scenesync_page makes: a target of its own, so that
# it waits for no library.

option(SCENESYNC_PAGE "Build the page that workers serve (needs Node.js 18 and npm)" ON)

set(page_dir ${CMAKE_CURRENT_LIST_DIR}/../cli/page)
cmake_path(NORMAL_PATH page_dir)
set(page_assets_source ${PROJECT_BINARY_DIR}/page_assets.c)
find_program(NODE_PROGRAM NAMES node nodejs)
find_program(NPM_PROGRAM npm)
set(page_why "")
if(NOT SCENESYNC_PAGE)
    set(page_why "SCENESYNC_PAGE is off")
elseif(NOT NODE_PROGRAM OR NOT NPM_PROGRAM)
    set(page_why "Node.js or npm is not installed")
else()
    execute_process(COMMAND ${NODE_PROGRAM} --version OUTPUT_VARIABLE node_version
        OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
    string(REGEX REPLACE "^v" "" node_version "${node_version}")
    if(node_version VERSION_LESS 18)
        set(page_why "Node.js is ${node_version}, and 18 is needed")
    endif()
endif()

add_custom_target(scenesync_page DEPENDS ${page_assets_source})
set(page_table ${CMAKE_CURRENT_LIST_DIR}/page_assets.cmake)
if(page_why)
    if(SCENESYNC_PAGE)
        message(WARNING "The workers' page is left out: ${page_why}.")
    else()
        message(STATUS "The workers' page is left out: ${page_why}.")
    endif()
    file(GLOB_RECURSE page_sources CONFIGURE_DEPENDS ${page_dir}/without/*)
    add_custom_command(OUTPUT ${page_assets_source}
        COMMAND ${CMAKE_COMMAND} -DFOLDER=${page_dir}/without -DOUTPUT=${page_assets_source}
            -P ${page_table}
        DEPENDS ${page_sources} ${page_table}
        COMMENT "The page that says there is none"
        VERBATIM)
    return()
endif()

set(page_modules ${page_dir}/node_modules/.scenesync)
add_custom_command(OUTPUT ${page_modules}
    COMMAND ${CMAKE_COMMAND} -DFOLDER=${page_dir} -DNPM=${NPM_PROGRAM}
        -P ${CMAKE_CURRENT_LIST_DIR}/page_modules.cmake
    DEPENDS ${page_dir}/package.json ${page_dir}/package-lock.json
        ${CMAKE_CURRENT_LIST_DIR}/page_modules.cmake
    COMMENT "Libraries of the page"
    VERBATIM)
add_custom_command(OUTPUT ${page_assets_source}
    COMMAND ${NODE_PROGRAM} ${page_dir}/build.mjs ${PROJECT_BINARY_DIR}/page
        --deps ${PROJECT_BINARY_DIR}/page_assets.d ${page_assets_source}
    COMMAND ${CMAKE_COMMAND} -DFOLDER=${PROJECT_BINARY_DIR}/page -DOUTPUT=${page_assets_source}
        -P ${page_table}
    DEPENDS ${page_modules} ${page_dir}/build.mjs ${page_dir}/tsconfig.json
        ${page_table}
    DEPFILE ${PROJECT_BINARY_DIR}/page_assets.d
    COMMENT "The page"
    VERBATIM)
