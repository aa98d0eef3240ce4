//! Settings: the environment and `.env`, read once at start.
//!
//! [`variables`] is the one table of variables. Parsing, `.env.example`, the README's table and the
//! check for misspelt names come from it. [`Environment`] says where a value came from,
//! [`Settings`] holds the values as types, [`ConfigError`] tells everything that is wrong at once.

mod document;
mod dotenv;
mod environment;
mod error;
mod exposed;
mod files;
mod hosts;
mod kind;
mod listing;
mod mask;
mod names;
mod read;
mod settings;
mod table;
mod value;
mod variable;
mod warnings;

pub use document::{env_example, markdown_table};
pub use environment::Environment;
pub use error::{ConfigError, Problem};
pub use kind::Kind;
pub use listing::{Listed, Origin, listing, remarks};
pub use settings::{CloudSettings, DaemonSettings, PoolSettings, ProviderKind, Settings};
pub use table::{settings, variables};
pub use variable::{Scope, Section, Variable};
