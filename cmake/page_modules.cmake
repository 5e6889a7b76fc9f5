# Fetch what FOLDER/package-lock.json names into FOLDER/node_modules, unless it is there.
# Several builds of one source tree may do so at once.
#
# usage: cmake -DFOLDER=... -DNPM=... -P page_modules.cmake

cmake_minimum_required(VERSION 3.23)

set(stamp ${FOLDER}/node_modules/.scenesync)
file(LOCK ${FOLDER}/node_modules.lock GUARD PROCESS TIMEOUT 600)
file(SHA256 ${FOLDER}/package-lock.json wanted)
set(there "")
if(EXISTS ${stamp})
    file(READ ${stamp} there)
endif()
if(NOT there STREQUAL wanted)
    # No script of a package runs: esbuild's program comes as a package of its own.
    execute_process(
        COMMAND ${NPM} ci --include=dev --no-audit --no-fund --ignore-scripts --loglevel=error
        WORKING_DIRECTORY ${FOLDER} RESULT_VARIABLE failed OUTPUT_VARIABLE said ERROR_VARIABLE said)
    if(failed)
        message(FATAL_ERROR "npm could not fetch the libraries of the page:\n${said}\n"
            "Without a network, bring ${FOLDER}/node_modules along from where it was built, "
            "or configure with -DSCENESYNC_PAGE=OFF.")
    endif()
endif()
file(WRITE ${stamp} ${wanted})
