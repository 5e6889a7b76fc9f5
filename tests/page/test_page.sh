#!/usr/bin/env bash
# The page from end to end, in Chromium with real workers: docs/TESTING.md, "The page".
# Arguments: those of run.mjs.
set -u
cd "$(dirname "$0")" || exit 2
./setup.sh || exit $?
exec node run.mjs "$@"
