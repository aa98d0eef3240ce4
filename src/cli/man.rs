//! The manual page, from the table of commands and options and from the settings.

use crate::text::sentence;

use super::table::{COMMANDS, EXIT_CODES, OPTIONS};

/// A setting, as the manual page explains it.
#[derive(Debug, Clone, Copy)]
pub struct ManSetting {
    /// Its name in the environment.
    pub name: &'static str,
    /// Its default.
    pub default: Option<&'static str>,
    /// What it is.
    pub meaning: &'static str,
}

/// The manual page in section 8, as `man` reads it.
#[must_use]
pub fn man_page(settings: &[ManSetting]) -> String {
    let mut text = format!(
        ".\\\" Made by `simplescalevm man`.\n\
         .TH SIMPLESCALEVM 8 \"\" \"simplescalevm {}\" \"System administration\"\n\
         .SH NAME\n\
         simplescalevm \\- keep a pool of OpenStack VMs large enough\n\
         .SH SYNOPSIS\n",
        env!("CARGO_PKG_VERSION")
    );
    for (index, command) in COMMANDS.iter().enumerate() {
        let mut line = String::from(if index > 0 { ".br\n" } else { "" });
        line.push_str(".B simplescalevm\n");
        for option in OPTIONS.iter().filter(|option| option.short.is_none()) {
            if (option.goes_with)(command) {
                let value = option.value.map(|value| format!(" \\fI{value}\\fR"));
                line.push_str(&format!(
                    "[\\fB{}\\fR{}]\n",
                    roff(option.long),
                    value.unwrap_or_default()
                ));
            }
        }
        if !command.word.is_empty() {
            line.push_str(&format!(".B {}\n", command.word));
        }
        if let Some((_, words)) = command.argument {
            line.push_str(&format!("\\fI{}\\fR\n", words.join("\\fR|\\fI")));
        }
        text.push_str(&line);
    }
    text.push_str(
        ".SH DESCRIPTION\n\
         Keeps a pool of virtual machines (replicas) on an OpenStack cloud large enough that a set \
         number of resources (free slots: calls, sessions, jobs) is available at all times. Each \
         replica says over HTTP how many it has free, and when it may be deleted. On request it \
         also keeps a set of floating IPs on replicas that work.\n\
         .SH COMMANDS\n",
    );
    for command in COMMANDS {
        let usage = match command.word {
            "" => "(none)".to_owned(),
            _ => command.usage(),
        };
        text.push_str(&format!(
            ".TP\n.B {}\n{}\n",
            roff(&usage),
            roff(&sentence(command.summary))
        ));
        if !command.more.is_empty() {
            text.push_str(&format!("{}\n", roff(command.more)));
        }
    }
    text.push_str(".SH OPTIONS\n");
    for option in OPTIONS {
        text.push_str(&format!(
            ".TP\n.B {}\n{}\n",
            roff(&option.usage()),
            roff(&sentence(option.summary))
        ));
    }
    text.push_str(
        ".SH ENVIRONMENT\nAll settings are environment variables, or lines of the file that\n\
         .B \\-\\-env\\-file\nnames. Durations are seconds.\n",
    );
    for setting in settings {
        let default = match setting.default {
            Some(value) => format!(" Default: {value}."),
            None => String::new(),
        };
        text.push_str(&format!(
            ".TP\n.B {}\n{}\n",
            roff(setting.name),
            roff(&format!("{}{default}", sentence(setting.meaning)))
        ));
    }
    text.push_str(".SH EXIT STATUS\n");
    for (code, meaning) in EXIT_CODES {
        text.push_str(&format!(".TP\n.B {code}\n{}\n", roff(&sentence(meaning))));
    }
    text.push_str(
        ".SH FILES\n\
         .TP\n.I .env\nSettings, in the working directory.\n\
         .TP\n.I /etc/simplescalevm/simplescalevm.env\n\
         Settings of the service of the Debian package.\n\
         .TP\n.I /etc/simplescalevm/NAME.env\n\
         Settings of its instance simplescalevm@NAME: one daemon for each pool.\n\
         .SH SEE ALSO\n.BR openstack (1),\n.BR systemd (1)\n",
    );
    text
}

/// Text in which nothing is a request, a quote or a hyphen for hyphenation.
fn roff(text: &str) -> String {
    let mut line = text
        .replace('\\', "\\e")
        .replace('-', "\\-")
        .replace('`', "")
        .replace('\'', "\\(aq");
    if line.starts_with('.') {
        line.insert_str(0, "\\&");
    }
    line
}
