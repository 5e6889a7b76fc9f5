#!/usr/bin/env bash
# What is said about the verbs is whole and in step: help, man page, completions.
set -u
scenesync=${SCENESYNC:-build/release/scenesync}
failed=0
fail() {
    echo "FAILED: $*"
    failed=1
}

same() { # same FILE ARGUMENT...: the committed file is what the program prints
    local file=$1
    shift
    "$scenesync" "$@" | cmp -s - "$file" || fail "$file is out of date: scenesync $* >$file"
}
same docs/man/scenesync.1 --man
same cli/completion/scenesync.bash --completion bash
same cli/completion/_scenesync --completion zsh
same cli/completion/scenesync.fish --completion fish

# Every verb and every option of its help is in the man page and in the completions.
man=$(sed 's/\\-/-/g' docs/man/scenesync.1)
verbs=$("$scenesync" --help | sed -n '/^Verbs:/,/^$/s/^  \([a-z]*\) .*/\1/p')
for verb in import export node sync add remove set unset move undo redo status log conflicts \
    blame diff verify watch; do
    grep -qx "$verb" <<<"$verbs" || fail "--help does not list $verb"
done
for verb in $verbs; do
    help=$("$scenesync" "$verb" --help) || fail "$verb --help"
    [ "$help" = "$("$scenesync" help "$verb")" ] || fail "help $verb"
    grep -q "^\.SS $verb$" <<<"$man" || fail "the man page lacks $verb"
    section=$(awk -v verb="$verb" '/^\.S[SH] / { on = $0 == ".SS " verb } on' <<<"$man")
    options=$(sed -n '/^Options:/,/^$/p' <<<"$help" | grep -oE '^  (-[a-z], )?--[a-z-]+' |
        grep -oE -- '--[a-z-]+' | grep -vx -- --help)
    for option in $options; do
        grep -qF -- "$option" <<<"$section" || fail "the man page lacks $verb $option"
        grep -qE "seen_subcommand_from $verb' -l ${option#--}( |$)" cli/completion/scenesync.fish ||
            fail "the completions lack $verb $option"
    done
    awk 'length > 100 { exit 1 }' <<<"$help" || fail "$verb --help has lines over 100"
done

# The shells accept their completions; the man page has no warnings.
bash -n cli/completion/scenesync.bash || fail 'bash completion'
command -v zsh >/dev/null && { zsh -n cli/completion/_scenesync || fail 'zsh completion'; }
command -v fish >/dev/null && { fish -n cli/completion/scenesync.fish || fail 'fish completion'; }
if command -v man >/dev/null; then
    warnings=$(LC_ALL=C.UTF-8 MANROFFSEQ= MANWIDTH=80 man --warnings -E UTF-8 -l -Tutf8 -Z docs/man/scenesync.1 2>&1 >/dev/null)
    [ -z "$warnings" ] || fail "the man page: $warnings"
fi

# bash: verbs, options and choices are completed.
complete_line() {
    # shellcheck disable=SC1091
    (
        . cli/completion/scenesync.bash
        COMP_WORDS=("$@")
        COMP_CWORD=$(($# - 1))
        _scenesync
        printf '%s\n' "${COMPREPLY[@]}"
    )
}
complete_line scenesync im | grep -qx import || fail 'bash: verb'
complete_line scenesync import --on | grep -qx -- --onto || fail 'bash: option'
complete_line scenesync import --format b | grep -qx builder || fail 'bash: choice'

[ "$failed" -eq 0 ] && echo 'help, man page and completions agree'
exit "$failed"
