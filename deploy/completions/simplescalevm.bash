# bash completion for simplescalevm; made by `simplescalevm completions bash`
_simplescalevm() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} command= i
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
            --env-file) ((i++)) ;;
            check | config | plan | healthcheck | completions | man) command=${COMP_WORDS[i]} ;;
        esac
    done
    case $before in
        --env-file)
            compopt -o default
            COMPREPLY=()
            return
            ;;
    esac
    local choices
    case $command in
        '') choices='check config plan healthcheck completions man --env-file -h --help -V --version' ;;
        check) choices='--env-file --json -h --help -V --version' ;;
        config) choices='--env-file --json -h --help -V --version' ;;
        plan) choices='--env-file --json -h --help -V --version' ;;
        healthcheck) choices='--env-file -h --help -V --version' ;;
        completions) choices='bash zsh fish -h --help -V --version' ;;
        man) choices='-h --help -V --version' ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$choices" -- "$word")
}
complete -F _simplescalevm simplescalevm
