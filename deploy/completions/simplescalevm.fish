# fish completion for simplescalevm; made by `simplescalevm completions fish`
complete -c simplescalevm -f
complete -c simplescalevm -n __fish_use_subcommand -a check -d 'check the settings, log in and look at all that they need; changes nothing'
complete -c simplescalevm -n __fish_use_subcommand -a config -d 'print every setting, its value and where it is from; makes no request'
complete -c simplescalevm -n __fish_use_subcommand -a plan -d 'observe once and print what would be done and why; changes nothing'
complete -c simplescalevm -n __fish_use_subcommand -a healthcheck -d 'ask the daemon on this machine whether its loop turns; exit code 0 or 1'
complete -c simplescalevm -n __fish_use_subcommand -a completions -d 'print the completions for bash, zsh or fish'
complete -c simplescalevm -n __fish_use_subcommand -a man -d 'print the manual page'
complete -c simplescalevm -n '__fish_seen_subcommand_from completions' -a bash
complete -c simplescalevm -n '__fish_seen_subcommand_from completions' -a zsh
complete -c simplescalevm -n '__fish_seen_subcommand_from completions' -a fish
complete -c simplescalevm -n 'not __fish_seen_subcommand_from completions man' -l env-file -r -F -d 'read FILE instead of .env (the environment wins over either)'
complete -c simplescalevm -n 'not __fish_seen_subcommand_from healthcheck completions man' -l json -d 'with check, config and plan: print JSON'
complete -c simplescalevm -s h -l help -d 'print this help'
complete -c simplescalevm -s V -l version -d 'print the version'
