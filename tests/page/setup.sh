#!/usr/bin/env bash
# What the tests of the page need, once: node_modules of the committed lock.
# Exits with 77, the last line the reason, where that is not to be had.
set -u
cd "$(dirname "$0")" || exit 2
skip() {
    echo "$1"
    exit 77
}
command -v node >/dev/null || skip 'node is not installed (Debian package nodejs)'
command -v npm >/dev/null || skip 'npm is not installed (Debian package npm)'
[ "$(node -p 'process.versions.node.split(".")[0]')" -ge 18 ] || skip "node $(node --version) is older than 18"
mkdir -p ../../build
exec 9>../../build/.page-tests.lock
flock 9
if ! cmp -s package-lock.json node_modules/.lock-installed; then
    npm ci --no-audit --no-fund --loglevel=error || skip 'npm cannot fetch the packages of tests/page'
    cp package-lock.json node_modules/.lock-installed
fi
