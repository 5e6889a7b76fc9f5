#!/usr/bin/env bash
# The page's TypeScript holds what its types promise: tsc, strict.
set -u
cd "$(dirname "$0")" || exit 2
./setup.sh || exit $?
[ -d ../../cli/page/node_modules/preact ] || {
    echo "the page's own packages are not installed: it was not built here"
    exit 77
}
node_modules/.bin/tsc --noEmit -p ../../cli/page || exit 1
# Core once more, without a browser's types: it needs none.
exec node_modules/.bin/tsc --noEmit -p core
