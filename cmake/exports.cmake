# Write the linker's version script: every function that a public header declares, under
# one version tag; all else stays inside.
# Run as: cmake -DHEADERS=a.h;b.h -DOUTPUT=x.map -DTAG=SCENESYNC_0 -P exports.cmake
set(names "")
foreach(header ${HEADERS})
    file(READ ${header} text)
    string(REGEX REPLACE "/\\*([^*]|\\*+[^*/])*\\*+/" "" text "${text}")
    string(REGEX MATCHALL "(crdt|scene|sync)_[a-z0-9_]+\\(" found "${text}")
    list(APPEND names ${found})
endforeach()
list(TRANSFORM names REPLACE "\\(" "")
list(REMOVE_DUPLICATES names)
list(SORT names)
set(script "${TAG} {\n    global:\n")
foreach(name ${names})
    string(APPEND script "        ${name};\n")
endforeach()
string(APPEND script "    local:\n        *;\n};\n")
file(WRITE ${OUTPUT} "${script}")
