//! The manual page: clap's, with the settings and what else a daemon's page has.

use super::{CommandLine, EXIT_CODES, NAME};
use crate::text::sentence;
use clap::CommandFactory;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, italic, roman};
use std::io;

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
    let mut page = Vec::new();
    // Writing to memory cannot fail.
    let _ = write(&mut page, settings);
    String::from_utf8_lossy(&page).into_owned()
}

fn write(page: &mut Vec<u8>, settings: &[ManSetting]) -> io::Result<()> {
    let command = CommandLine::command();
    let man = Man::new(command.clone())
        .title(NAME.to_uppercase())
        .section("8")
        .manual("System administration")
        .source(format!("{NAME} {}", env!("CARGO_PKG_VERSION")));
    man.render_title(page)?;
    man.render_name_section(page)?;
    man.render_synopsis_section(page)?;
    man.render_description_section(page)?;
    man.render_options_section(page)?;
    let mut rest = Roff::new();
    rest.control("SH", ["COMMANDS"]);
    for command in command.get_subcommands() {
        let about = command.get_long_about().or(command.get_about());
        let about = about.map(ToString::to_string).unwrap_or_default();
        let arguments = command
            .get_positionals()
            .map(|a| format!(" {}", a.get_id()));
        let usage = format!(
            "{}{}",
            command.get_name(),
            arguments.collect::<String>().to_uppercase()
        );
        item(&mut rest, &usage, &about.replace("\n\n", ". "));
    }
    rest.control("SH", ["ENVIRONMENT"]);
    rest.text([
        roman("All settings are environment variables, or lines of the file that "),
        bold("--env-file"),
        roman(" names. Durations are seconds."),
    ]);
    for setting in settings {
        let default = setting.default.filter(|value| !value.is_empty());
        let default = default.map(|value| format!(" Default: {value}."));
        let meaning = sentence(setting.meaning).replace('`', "");
        item(
            &mut rest,
            setting.name,
            &(meaning + &default.unwrap_or_default()),
        );
    }
    rest.control("SH", ["EXIT STATUS"]);
    for (code, meaning) in EXIT_CODES {
        item(&mut rest, code, &sentence(meaning));
    }
    rest.control("SH", ["FILES"]);
    for (file, meaning) in [
        (".env", "Settings, in the working directory."),
        (
            "/etc/simplescalevm/simplescalevm.env",
            "Settings of the service of the Debian package.",
        ),
        (
            "/etc/simplescalevm/NAME.env",
            "Settings of its instance simplescalevm@NAME: one daemon for each pool.",
        ),
    ] {
        rest.control("TP", []);
        rest.text([italic(file)]);
        rest.text([roman(meaning)]);
    }
    rest.control("SH", ["SEE ALSO"]);
    rest.text([
        bold("openstack"),
        roman("(1), "),
        bold("systemd"),
        roman("(1)"),
    ]);
    rest.to_writer(page)
}

fn item(page: &mut Roff, term: &str, text: &str) {
    page.control("TP", []);
    page.text([bold(term)]);
    page.text([roman(text)]);
}
