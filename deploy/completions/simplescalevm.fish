# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_simplescalevm_global_optspecs
    string join \n env-file= h/help V/version
end

function __fish_simplescalevm_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_simplescalevm_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_simplescalevm_using_subcommand
    set -l cmd (__fish_simplescalevm_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c simplescalevm -n "__fish_simplescalevm_needs_command" -l env-file -d 'Read FILE instead of .env (the environment wins over either)' -r -F
complete -c simplescalevm -n "__fish_simplescalevm_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c simplescalevm -n "__fish_simplescalevm_needs_command" -s V -l version -d 'Print version'
complete -c simplescalevm -n "__fish_simplescalevm_needs_command" -f -a "check" -d 'Check the settings, log in and look at all that they need; changes nothing'
complete -c simplescalevm -n "__fish_simplescalevm_needs_command" -f -a "config" -d 'Print every setting, its value and where it is from; makes no request'
complete -c simplescalevm -n "__fish_simplescalevm_needs_command" -f -a "plan" -d 'Observe once and print what would be done and why; changes nothing'
complete -c simplescalevm -n "__fish_simplescalevm_needs_command" -f -a "healthcheck" -d 'Ask the daemon on this machine whether its control loop is running; exit code 0 or 1'
complete -c simplescalevm -n "__fish_simplescalevm_needs_command" -f -a "completions" -d 'Print the completions for a shell'
complete -c simplescalevm -n "__fish_simplescalevm_needs_command" -f -a "man" -d 'Print the manual page'
complete -c simplescalevm -n "__fish_simplescalevm_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c simplescalevm -n "__fish_simplescalevm_using_subcommand check" -l env-file -d 'Read FILE instead of .env (the environment wins over either)' -r -F
complete -c simplescalevm -n "__fish_simplescalevm_using_subcommand check" -l json -d 'Print JSON'
complete -c simplescalevm -n "__fish_simplescalevm_using_subcommand check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c simplescalevm -n "__fish_simplescalevm_using_subcommand config" -l env-file -d 'Read FILE instead of .env (the environment wins over either)' -r -F
complete -c simplescalevm -n "__fish_simplescalevm_using_subcommand config" -l json -d 'Print JSON'
complete -c simplescalevm -n "__fish_simplescalevm_using_subcommand config" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c simplescalevm -n "__fish_simplescalevm_using_subcommand plan" -l env-file -d 'Read FILE instead of .env (the environment wins over either)' -r -F
complete -c simplescalevm -n "__fish_simplescalevm_using_subcommand plan" -l json -d 'Print JSON'
complete -c simplescalevm -n "__fish_simplescalevm_using_subcommand plan" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c simplescalevm -n "__fish_simplescalevm_using_subcommand healthcheck" -l env-file -d 'Read FILE instead of .env (the environment wins over either)' -r -F
complete -c simplescalevm -n "__fish_simplescalevm_using_subcommand healthcheck" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c simplescalevm -n "__fish_simplescalevm_using_subcommand completions" -l env-file -d 'Read FILE instead of .env (the environment wins over either)' -r -F
complete -c simplescalevm -n "__fish_simplescalevm_using_subcommand completions" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c simplescalevm -n "__fish_simplescalevm_using_subcommand man" -l env-file -d 'Read FILE instead of .env (the environment wins over either)' -r -F
complete -c simplescalevm -n "__fish_simplescalevm_using_subcommand man" -s h -l help -d 'Print help'
complete -c simplescalevm -n "__fish_simplescalevm_using_subcommand help; and not __fish_seen_subcommand_from check config plan healthcheck completions man help" -f -a "check" -d 'Check the settings, log in and look at all that they need; changes nothing'
complete -c simplescalevm -n "__fish_simplescalevm_using_subcommand help; and not __fish_seen_subcommand_from check config plan healthcheck completions man help" -f -a "config" -d 'Print every setting, its value and where it is from; makes no request'
complete -c simplescalevm -n "__fish_simplescalevm_using_subcommand help; and not __fish_seen_subcommand_from check config plan healthcheck completions man help" -f -a "plan" -d 'Observe once and print what would be done and why; changes nothing'
complete -c simplescalevm -n "__fish_simplescalevm_using_subcommand help; and not __fish_seen_subcommand_from check config plan healthcheck completions man help" -f -a "healthcheck" -d 'Ask the daemon on this machine whether its control loop is running; exit code 0 or 1'
complete -c simplescalevm -n "__fish_simplescalevm_using_subcommand help; and not __fish_seen_subcommand_from check config plan healthcheck completions man help" -f -a "completions" -d 'Print the completions for a shell'
complete -c simplescalevm -n "__fish_simplescalevm_using_subcommand help; and not __fish_seen_subcommand_from check config plan healthcheck completions man help" -f -a "man" -d 'Print the manual page'
complete -c simplescalevm -n "__fish_simplescalevm_using_subcommand help; and not __fish_seen_subcommand_from check config plan healthcheck completions man help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
