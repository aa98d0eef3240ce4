//! What the commands print. `println!` and `eprintln!` end the program where they cannot write; these do not.

use crate::pool::{visible_json, visible_lines};
use std::io::{self, ErrorKind, Write, stderr, stdout};

/// Writes to standard output; `false`: it could not be written, which standard error is told. A reader that goes away
/// early, such as `head`, has what it wanted.
#[must_use]
pub fn print(text: &str) -> bool {
    match write(&mut stdout().lock(), text) {
        Ok(()) => true,
        Err(error) if error.kind() == ErrorKind::BrokenPipe => true,
        Err(error) => {
            complain(&format!("standard output: {error}"));
            false
        }
    }
}

/// Writes a complaint to standard error, if that can be written.
pub fn complain(text: &str) {
    let line = format!("simplescalevm: {}\n", visible_lines(text.trim_end()));
    // There is nowhere else to tell it.
    let _ = write(&mut stderr().lock(), &line);
}

/// Text for people, line by line, with names and errors in it that come from outside.
pub(crate) fn print_words(text: &str) -> bool {
    print(&visible_lines(text))
}

/// JSON, which means the same to a program.
pub(crate) fn print_json(json: String) -> bool {
    print(&visible_json(json))
}

fn write(out: &mut impl Write, text: &str) -> io::Result<()> {
    out.write_all(text.as_bytes())?;
    out.flush()
}
