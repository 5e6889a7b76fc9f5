#!/usr/bin/env bash
# Properties of the text that no compiler checks; the rules are in docs/TESTING.md, "Tidy".
# Usage: tests/tidy.sh        prints each breach as file:line: text; exits 1 if there is one.
set -u
cd "$(dirname "$0")/.." || exit 2
LC_ALL=C
export LC_ALL

scratch=$(mktemp -d) || exit 2
trap 'rm -rf "$scratch"' EXIT
breach() { # breach FILE[:LINE] TEXT
    printf '%s: %s\n' "$1" "$2" | tee -a "$scratch/breaches"
}
# Reads the `file:line:text` lines of grep: each one is a breach.
breach_each() { # breach_each TEXT
    local file line rest
    while IFS=: read -r file line rest; do
        breach "$file:$line" "$1"
    done
}

mapfile -t sources < <(find crdt scene sync cli tests bench docs -name node_modules -prune -o \
    \( -name '*.c' -o -name '*.h' -o -name '*.cpp' -o -name '*.hpp' \) -print 2>/dev/null | sort)
mapfile -t product < <(printf '%s\n' "${sources[@]}" | grep -E '^(crdt|scene|sync|cli)/')

# The code without its comments, line numbers kept, as file:line:text.
stripped=$scratch/stripped
awk '
    FNR == 1 { block = 0 }
    {
        line = $0; out = ""
        while (length(line) > 0) {
            if (block) {
                end = index(line, "*/")
                if (end == 0) { line = ""; break }
                line = substr(line, end + 2); block = 0
            } else if (match(line, /^"([^"\\]|\\.)*"/) || match(line, /^\047([^\047\\]|\\.)*\047/)) {
                out = out substr(line, 1, RLENGTH); line = substr(line, RLENGTH + 1)
            } else if (substr(line, 1, 2) == "/*") { block = 1; line = substr(line, 3)
            } else if (substr(line, 1, 2) == "//") { line = ""
            } else { out = out substr(line, 1, 1); line = substr(line, 2) }
        }
        print FILENAME ":" FNR ":" out
    }' "${sources[@]}" >"$stripped"
code() { grep -E "^($1)/" "$stripped"; } # code 'crdt|scene'
# The same with the insides of strings gone: what is called, not what is said.
calls() { code "$1" | grep -vE "^(${2:-none})" | sed -E 's/"([^"\\]|\\.)*"/""/g'; }

# ---- 1. include edges: crdt <- scene <- cli, crdt <- sync <- cli ----
edges() { # edges FOLDER ALLOWED: quoted includes below FOLDER name only ALLOWED folders
    code "$1" | grep -E '^[^:]*:[0-9]*:[[:space:]]*#[[:space:]]*include[[:space:]]*"' |
        grep -vE "include[[:space:]]*\"($2)/" | breach_each "may include only from: $2"
}
edges crdt 'crdt'
edges scene 'crdt|scene'
edges sync 'crdt|sync'
edges cli 'crdt|scene|sync|cli'
edges tests/crdt 'crdt|tests'
edges tests/scene 'crdt|scene|tests'
edges tests/sync 'crdt|sync|tests'
edges 'tests|bench|docs' 'crdt|scene|sync|cli|tests|bench'

# ---- 2. each library is met by one file ----
one_file() { # one_file HEADER-REGEX FILE-REGEX NAME
    local found
    found=$(code 'crdt|scene|sync|cli' | grep -E "#[[:space:]]*include[[:space:]]*[<\"]$1" |
        cut -d: -f1 | sort -u)
    local file count=0
    for file in $found; do
        count=$((count + 1))
        [[ $file =~ ^($2)$ ]] || breach "$file" "only $2 meets $3"
    done
    [ "$count" -le 1 ] || breach "${found//$'\n'/ }" "$3 is met by $count files"
}
one_file 'msgpack' 'crdt/msgpack\.c' msgpack-c
one_file 'xxhash|xxh3' 'crdt/digest\.c' xxhash
one_file 'zstd' 'crdt/zstd\.c' zstd
one_file 'lmdb' 'sync/table\.c' LMDB
one_file 'nng/' 'sync/link_nng\.c' nng
one_file 'libwebsockets' 'cli/web/server\.c' libwebsockets
one_file 'curl/' 'cli/web/client\.c' libcurl
one_file 'sodium' 'sync/crypto\.c' libsodium
one_file 'simdjson' 'scene/json\.cpp' simdjson
one_file 'double-conversion' 'scene/json\.cpp' double-conversion
one_file 'duktape' 'cli/play/engine\.c' duktape
code 'crdt|scene|sync|cli|bench' | grep -E 'include[[:space:]]*<criterion' |
    breach_each 'criterion belongs to tests/'

# The page: core <- view, core <- ui <- status; view and ui never meet; main.tsx wires them.
page_imports() { # page_imports FOLDER FORBIDDEN-REGEX WHY
    grep -rnE "(from|import)[[:space:](]*['\"]($2)" "cli/page/src/$1" --include='*.ts' --include='*.tsx' 2>/dev/null |
        breach_each "$3"
}
page_imports core 'three|preact|@preact/signals['"'"'"]|[^'"'"'"]*/(view|ui|status)/' 'core is pure: it meets no view, no ui'
page_imports view 'preact|@preact/signals['"'"'"]|[^'"'"'"]*/(ui|status)/' 'view meets three and core alone'
page_imports ui 'three|[^'"'"'"]*/(view|status)/' 'ui meets preact and core alone'
page_imports status 'three|[^'"'"'"]*/view/' 'status meets preact, core and ui alone'
grep -rnE '\b(innerHTML|outerHTML|insertAdjacentHTML|dangerouslySetInnerHTML|document\.write|eval\(|new Function)' cli/page/src 2>/dev/null |
    breach_each 'banned: what others say is shown as text, and nothing is run'
grep -rnE '\b(document|window|localStorage|sessionStorage)\.' cli/page/src/core 2>/dev/null | grep -vE ':[0-9]+:[[:space:]]*(/?\*|//)' |
    breach_each 'core is pure: what the browser has comes in as an argument'

# ---- 3. include guards are the first and the last line ----
for file in "${sources[@]}"; do
    [[ $file == *.h || $file == *.hpp ]] || continue
    name=${file//[\/.-]/_}
    name=${name^^}
    first=$(head -n 1 "$file")
    guard=${first#\#ifndef }
    if [ "$first" = "$guard" ] || [[ "$name" != *"$guard" ]]; then
        breach "$file:1" "the first line is not \`#ifndef $name\`"
        continue
    fi
    [ "$(sed -n 2p "$file")" = "#define $guard" ] || breach "$file:2" "not \`#define $guard\`"
    [ "$(tail -n 1 "$file")" = "#endif /* $guard */" ] ||
        breach "$file" "the last line is not \`#endif /* $guard */\`"
done

# ---- 4. calls that are banned ----
ban() { # ban FOLDERS NAMES WHY [EXCEPT]
    calls "$1" "${4:-}" | grep -E "^[^:]*:[0-9]*:(.*[^A-Za-z0-9_.>])?($2)[[:space:]]*\(" | breach_each "$3"
}
ban 'crdt|scene|sync|cli|tests|bench' \
    'strcpy|strcat|stpcpy|sprintf|vsprintf|gets|strtok|alloca|tmpnam|mktemp' \
    'banned: no bound, or not safe with threads'
ban 'crdt|scene|sync|cli' 'atoi|atol|atoll|atof' 'banned: tells no error'
ban 'crdt|scene|sync|cli' 'system|popen|rand|srand|random|drand48|localtime|gmtime|ctime|strerror' \
    'banned: hidden state or a shell'
ban 'crdt|scene' \
    'time|clock|clock_gettime|gettimeofday|getrandom|getentropy|getenv|fopen|open|read|write|printf|fprintf|pthread_[a-z_]*|exit|abort' \
    'banned: crdt and scene are pure; time, randomness and I/O come in as arguments' 'crdt/mutant\.c'
# link_nng.c: its sockets belong to the process and outlive whoever opened them.
ban 'crdt|scene|sync|cli' 'malloc|calloc|realloc' \
    'banned: memory comes from a crdt_alloc' 'crdt/alloc\.c|cli/|scene/json\.cpp|sync/link_nng\.c'

# ---- 5. formatting ----
if command -v clang-format >/dev/null; then
    if ! clang-format --dry-run -Werror "${sources[@]}" 2>"$scratch/format"; then
        grep -E 'error:' "$scratch/format" | cut -d: -f1 | sort | uniq -c | while read -r n file; do
            breach "$file" "clang-format would change $n places (clang-format -i $file)"
        done
    fi
else
    breach clang-format 'is not installed'
fi

# ---- 6. file names are unique in the repository ----
find crdt scene sync cli tests bench -name node_modules -prune -o \
    \( -name '*.c' -o -name '*.h' -o -name '*.cpp' -o -name '*.hpp' -o -name '*.py' -o -name '*.sh' \) \
    -printf '%f %p\n' | sort | awk '
    seen[$1] { print $2 ":1:" } { seen[$1] = 1 }' | breach_each 'another file has this name'

# ---- 7. text: final newline, no CR, no trailing blanks, nothing left undone ----
mapfile -t texts < <(find . \( -path ./.git -o -path ./build -o -path ./out -o -path ./docs/scenes \
    -o -path ./tests/golden -o -path ./tests/fuzz/corpus -o -name node_modules \) -prune -o -type f \
    \( -name '*.[ch]' -o -name '*.cpp' -o -name '*.md' -o -name '*.py' -o -name '*.sh' -o -name '*.txt' \
    -o -name '*.1' -o -name '*.cmake' -o -name '*.ts' -o -name '*.tsx' -o -name '*.mjs' -o -name '*.css' -o -name '*.html' -o -name '*.in' -o -name run -o -name test \) -printf '%P\n' | sort)
grep -nE '[[:blank:]]+$' "${texts[@]}" | breach_each 'trailing blanks'
grep -n $'\r' "${texts[@]}" | breach_each 'carriage return'
for file in "${texts[@]}"; do
    [ -s "$file" ] && [ -n "$(tail -c 1 "$file")" ] && breach "$file" 'no newline at the end'
done
grep -nwE 'TODO|FIXME|XXX|HACK' "${sources[@]}" $(printf '%s\n' "${texts[@]}" | grep -E '\.(tsx?|mjs|css)$') | breach_each 'left undone'
# Test data outside the repository is named by the tests alone.
grep -nF '../shared' "${texts[@]}" | grep -vE '^(tests/|docs/TESTING\.md)' |
    breach_each 'only tests refer to data outside the repository'

# ---- 8. every source is built ----
for file in "${product[@]}"; do
    [[ $file == *.c || $file == *.cpp ]] || continue
    base=${file#*/}
    grep -qE "(^|[[:space:]/(])${base//./\\.}([[:space:])]|$)" "${file%%/*}/CMakeLists.txt" ||
        breach "$file" "is not named in ${file%%/*}/CMakeLists.txt"
done

if [ -s "$scratch/breaches" ]; then
    echo "tidy: $(wc -l <"$scratch/breaches") breaches"
    exit 1
fi
echo "tidy: ${#sources[@]} files, no breach"
