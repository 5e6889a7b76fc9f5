# bash completion for scenesync; made by `scenesync --completion bash`.
_scenesync()
{
    local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}
    local words=
    COMPREPLY=()
    if [ "$COMP_CWORD" -eq 1 ]; then
        words="import export codegen node worker sync key add remove set unset move undo redo status log conflicts blame diff servers verify repair watch publish unpublish access kernel play fuzz --help --version"
        mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
        return
    fi
    case "${COMP_WORDS[1]} $previous" in
    'import --format')
        words="state builder composite"
        mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
        return ;;
    'export --format')
        words="state builder composite"
        mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
        return ;;
    'worker --loopback-role')
        words="none view edit publish admin"
        mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
        return ;;
    'access --role')
        words="view edit publish admin"
        mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
        return ;;
    'kernel --loopback-role')
        words="none view edit publish admin"
        mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
        return ;;
    'play --loopback-role')
        words="none view edit publish admin"
        mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
        return ;;
    'fuzz --profile')
        words="calm lossy partition crash hostile everything"
        mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
        return ;;
    *' --store')
        mapfile -t COMPREPLY < <(compgen -d -- "$word")
        return ;;
    esac
    if [[ $word == -* ]]; then
        case ${COMP_WORDS[1]} in
        import) words="--store --scene --format --onto --as --json --help" ;;
        export) words="--store --format --saved --output --help" ;;
        codegen) words="--store --output --help" ;;
        node) words="--store --listen --peer --no-discover --scene --for --fault --message-max --key --tls-cert --tls-key --tls-ca --tls-name --as --no-confine --json --help" ;;
        worker) words="--store --scene --http --content --builder --kernel --project --save --autosave --access --loopback-role --host --origin --http-cert --http-key --tick --listen --peer --no-discover --fault --key --tls-cert --tls-key --tls-ca --tls-name --no-confine --json --help" ;;
        sync) words="--store --peer --timeout --scene --key --tls-cert --tls-key --tls-ca --tls-name --json --help" ;;
        key) words="--output --check --json --help" ;;
        add) words="--store --parent --as --json --help" ;;
        remove) words="--store --as --json --help" ;;
        set) words="--store --scene --seen --as --json --help" ;;
        unset) words="--store --as --json --help" ;;
        move) words="--store --parent --as --json --help" ;;
        undo) words="--store --as --json --help" ;;
        redo) words="--store --as --json --help" ;;
        status) words="--store --json --help" ;;
        log) words="--store --count --json --help" ;;
        conflicts) words="--store --clear --json --help" ;;
        blame) words="--store --json --help" ;;
        diff) words="--json --help" ;;
        servers) words="--dir --http --deploy --files --project --body-max --size-max --any-age --open --host --origin --tls-cert --tls-key --no-confine --json --help" ;;
        verify) words="--store --json --help" ;;
        repair) words="--store --peer --from --key --tls-cert --tls-key --tls-ca --tls-name --json --help" ;;
        watch) words="--store --for --json --help" ;;
        publish) words="--store --scene --parcels --title --description --thumbnail --project --as-prepared --content --builder --folder --confirm --auth-chain --header --json --help" ;;
        unpublish) words="--scene --content --builder --folder --confirm --auth-chain --header --json --help" ;;
        access) words="--file --role --expires --json --help" ;;
        kernel) words="--http --dir --content --builder --listen --peer --no-discover --key --tick --autosave --tls-cert --tls-key --tls-ca --tls-name --access --loopback-role --host --origin --no-confine --json --help" ;;
        play) words="--code --scene --http --content --builder --kernel --info --print --seconds --access --loopback-role --host --origin --no-confine --json --help" ;;
        fuzz) words="--seed --runs --minutes --jobs --profile --replicas --steps --loss --scene --scopes --letters --convergence --replay --trace --output-dir --no-shrink --json --help" ;;
        esac
        mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
    else
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
    fi
}
complete -o filenames -F _scenesync scenesync
