# Write OUTPUT, a C source with the table of cli/page/asset.h: every file below FOLDER, with
# its gzipped form (FILE.gz) where there is one. The bytes are taken in by the assembler.
#
# usage: cmake -DFOLDER=... -DOUTPUT=... -P page_assets.cmake

cmake_minimum_required(VERSION 3.23)

set(type_html "text/html; charset=utf-8")
set(type_js "text/javascript; charset=utf-8")
set(type_css "text/css; charset=utf-8")
set(type_txt "text/plain; charset=utf-8")
set(type_svg "image/svg+xml")
set(type_png "image/png")
set(type_woff2 "font/woff2")

# Its bytes as `name`.
function(add_bytes name file)
    string(APPEND code "extern const uint8_t ${name}[];\n"
        "__asm__(\".section .rodata\\n\"\n"
        "        \".balign 16\\n\"\n"
        "        \".global ${name}\\n\"\n"
        "        \"${name}:\\n\"\n"
        "        \".incbin \\\"${file}\\\"\\n\"\n"
        "        \".previous\\n\");\n")
    set(code "${code}" PARENT_SCOPE)
endfunction()

file(GLOB_RECURSE files RELATIVE ${FOLDER} ${FOLDER}/*)
list(FILTER files EXCLUDE REGEX "\\.gz$")
list(SORT files)
set(code "")
set(rows "")
set(number 0)
foreach(file ${files})
    set(path /${file})
    if(file MATCHES "^([a-z]+)\\.html$")
        set(path /${CMAKE_MATCH_1})
        string(REPLACE "/index" "/" path ${path})
    endif()
    string(REGEX REPLACE "^.*\\." "" extension ${file})
    if(NOT DEFINED type_${extension})
        message(FATAL_ERROR "${file}: what type is .${extension}?")
    endif()
    set(hashed false)
    if(file MATCHES "-[A-Z0-9]+\\.[a-z0-9]+$")
        set(hashed true)
    endif()
    file(SIZE ${FOLDER}/${file} size)
    file(SHA256 ${FOLDER}/${file} hash)
    string(SUBSTRING ${hash} 0 20 hash)
    add_bytes(page_bytes_${number} ${FOLDER}/${file})
    set(gzip "{NULL, 0}")
    set(gzip_hash ${hash})
    if(EXISTS ${FOLDER}/${file}.gz)
        file(SIZE ${FOLDER}/${file}.gz gzip_size)
        file(SHA256 ${FOLDER}/${file}.gz gzip_hash)
        string(SUBSTRING ${gzip_hash} 0 20 gzip_hash)
        add_bytes(page_gzip_${number} ${FOLDER}/${file}.gz)
        set(gzip "{page_gzip_${number}, ${gzip_size}}")
    endif()
    string(APPEND rows "    {\"${path}\", \"${type_${extension}}\", ${hashed},\n"
        "     {page_bytes_${number}, ${size}}, ${gzip},\n"
        "     \"\\\"${hash}\\\"\", \"\\\"${gzip_hash}-gz\\\"\"},\n")
    math(EXPR number "${number} + 1")
endforeach()

file(WRITE ${OUTPUT} "/* Made by cmake/page_assets.cmake. */\n\n"
    "#include \"cli/page/asset.h\"\n\n${code}\n"
    "const page_asset page_assets[] = {\n${rows}};\n"
    "const size_t page_asset_count = ${number};\n")
