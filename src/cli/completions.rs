//! Completions for the shells, from the table of commands and options.

use super::Shell;
use super::table::{COMMANDS, CommandRow, OPTIONS, OptionRow};

/// The file to install for a shell.
#[must_use]
pub fn completions(shell: Shell) -> String {
    match shell {
        Shell::Bash => bash(),
        Shell::Zsh => zsh(),
        Shell::Fish => fish(),
    }
}

fn named() -> impl Iterator<Item = &'static CommandRow> {
    COMMANDS.iter().filter(|command| !command.word.is_empty())
}

fn options_of(command: &CommandRow) -> impl Iterator<Item = &'static OptionRow> {
    OPTIONS.iter().filter(|option| (option.goes_with)(command))
}

fn words(option: &OptionRow) -> Vec<String> {
    let short = option.short.map(|letter| format!("-{letter}"));
    short.into_iter().chain([option.long.to_owned()]).collect()
}

fn bash() -> String {
    let mut text = String::from(
        "# bash completion for simplescalevm; made by `simplescalevm completions bash`\n\
         _simplescalevm() {\n    \
             local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} command= i\n    \
             for ((i = 1; i < COMP_CWORD; i++)); do\n        \
                 case ${COMP_WORDS[i]} in\n",
    );
    let files: Vec<&str> = OPTIONS
        .iter()
        .filter(|option| option.value.is_some())
        .map(|option| option.long)
        .collect();
    text.push_str(&format!("            {}) ((i++)) ;;\n", files.join(" | ")));
    let all: Vec<&str> = named().map(|command| command.word).collect();
    text.push_str(&format!(
        "            {}) command=${{COMP_WORDS[i]}} ;;\n        esac\n    done\n",
        all.join(" | ")
    ));
    text.push_str(&format!(
        "    case $before in\n        {})\n            compopt -o default\n            \
         COMPREPLY=()\n            return\n            ;;\n    esac\n    local choices\n    \
         case $command in\n",
        files.join(" | ")
    ));
    for command in COMMANDS {
        let options = options_of(command).flat_map(words);
        let choices: Vec<String> = if command.word.is_empty() {
            let commands = all.iter().map(|word| (*word).to_owned());
            commands.chain(options).collect()
        } else {
            let argument = command.argument.map_or(&[][..], |(_, words)| words);
            let argument = argument.iter().map(|word| (*word).to_owned());
            argument.chain(options).collect()
        };
        let pattern = match command.word {
            "" => "''",
            word => word,
        };
        let choices = choices.join(" ");
        text.push_str(&format!("        {pattern}) choices='{choices}' ;;\n"));
    }
    text.push_str(
        "    esac\n    mapfile -t COMPREPLY < <(compgen -W \"$choices\" -- \"$word\")\n}\n\
         complete -F _simplescalevm simplescalevm\n",
    );
    text
}

fn zsh() -> String {
    let mut text = String::from(
        "#compdef simplescalevm\n\
         # zsh completion for simplescalevm; made by `simplescalevm completions zsh`\n\
         _simplescalevm() {\n    \
             local curcontext=$curcontext state line\n    \
             local -a commands options\n    commands=(\n",
    );
    for command in named() {
        let summary = command.summary.replace(':', "\\:").replace('\'', "'\\''");
        text.push_str(&format!("        '{}:{summary}'\n", command.word));
    }
    text.push_str("    )\n    options=(\n");
    for option in OPTIONS {
        text.push_str(&format!("        {}\n", zsh_option(option)));
    }
    text.push_str(
        "    )\n    \
         _arguments -C $options '1: :->command' '*:: :->argument'\n    \
         case $state in\n        \
         command) _describe command commands ;;\n        \
         argument)\n            case $words[1] in\n",
    );
    for command in named() {
        let mut arguments: Vec<String> = options_of(command).map(zsh_option).collect();
        if let Some((name, choices)) = command.argument {
            arguments.push(format!("'1:{name}:({})'", choices.join(" ")));
        }
        text.push_str(&format!(
            "                {}) _arguments {} ;;\n",
            command.word,
            arguments.join(" ")
        ));
    }
    text.push_str("            esac\n            ;;\n    esac\n}\n_simplescalevm \"$@\"\n");
    text
}

/// `'--env-file=[read FILE instead of .env]:FILE:_files'`
fn zsh_option(option: &OptionRow) -> String {
    let summary = option.summary.replace('\'', "'\\''");
    let value = option.value.map(|name| format!(":{name}:_files"));
    let equals = if value.is_some() { "=" } else { "" };
    let rest = format!("{equals}[{summary}]{}", value.unwrap_or_default());
    match option.short {
        Some(letter) => format!(
            "'(-{letter} {long})'{{-{letter},{long}}}'{rest}'",
            long = option.long
        ),
        None => format!("'{}{rest}'", option.long),
    }
}

fn fish() -> String {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "\\'"));
    let mut text = String::from(
        "# fish completion for simplescalevm; made by `simplescalevm completions fish`\n\
         complete -c simplescalevm -f\n",
    );
    for command in named() {
        text.push_str(&format!(
            "complete -c simplescalevm -n __fish_use_subcommand -a {} -d {}\n",
            command.word,
            quoted(command.summary)
        ));
    }
    for command in named() {
        for word in command.argument.map_or(&[][..], |(_, words)| words) {
            text.push_str(&format!(
                "complete -c simplescalevm -n '__fish_seen_subcommand_from {}' -a {word}\n",
                command.word
            ));
        }
    }
    for option in OPTIONS {
        let refused: Vec<&str> = named()
            .filter(|command| !(option.goes_with)(command))
            .map(|command| command.word)
            .collect();
        let condition = if refused.is_empty() {
            String::new()
        } else {
            format!(
                " -n 'not __fish_seen_subcommand_from {}'",
                refused.join(" ")
            )
        };
        let short = option.short.map(|letter| format!(" -s {letter}"));
        let file = if option.value.is_some() { " -r -F" } else { "" };
        text.push_str(&format!(
            "complete -c simplescalevm{condition}{} -l {}{file} -d {}\n",
            short.unwrap_or_default(),
            option.long.trim_start_matches('-'),
            quoted(option.summary)
        ));
    }
    text
}
