#!/usr/bin/env bash
# The page's core under node: its own tests, and at a real worker. docs/TESTING.md, "The page".
# Arguments: those of core/run.mjs.
set -u
cd "$(dirname "$0")" || exit 2
command -v node >/dev/null || {
    echo 'node is not installed (Debian package nodejs)'
    exit 77
}
[ -d ../../cli/page/node_modules/esbuild ] || {
    echo "the page's own packages are not installed: it was not built here"
    exit 77
}
exec node core/run.mjs "$@"
