//! The types of values, and how each is read from what the user wrote.

use std::num::{NonZeroU16, NonZeroU32, NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use log::LevelFilter;

use super::kind::Kind;
use super::settings::ProviderKind;
use crate::logging::LogFormat;
use crate::probe::Protocol;

/// A type that settings have.
pub(super) trait Value: Sized {
    /// The value, if the text is one of that kind.
    fn read(kind: Kind, text: &str) -> Option<Self>;

    /// What it is where there is neither a value nor a default.
    fn unset() -> Option<Self> {
        None
    }
}

impl<T: Value> Value for Option<T> {
    fn read(kind: Kind, text: &str) -> Option<Self> {
        // A zero that the table allows means the same as nothing.
        if kind.whole(text) == Some(0) || kind.seconds(text) == Some(Duration::ZERO) {
            return Some(None);
        }
        T::read(kind, text).map(Some)
    }

    fn unset() -> Option<Self> {
        Some(None)
    }
}

impl Value for String {
    fn read(kind: Kind, text: &str) -> Option<Self> {
        match kind {
            Kind::Address => kind.address(text).map(|address| address.to_string()),
            Kind::UrlPath => kind.url_path(text),
            _ => kind.text(text),
        }
    }
}

impl Value for Vec<String> {
    fn read(kind: Kind, text: &str) -> Option<Self> {
        kind.list(text)
    }

    fn unset() -> Option<Self> {
        Some(Self::new())
    }
}

macro_rules! values {
    (|$kind:ident, $text:ident| $($type:ty: $value:expr;)+) => {$(
        impl Value for $type {
            fn read($kind: Kind, $text: &str) -> Option<Self> {
                $value
            }
        }
    )+};
}

// The bounds of numbers, which are told, are the table's.
values! { |kind, text|
    bool: kind.switch(text);
    PathBuf: kind.text(text).map(Self::from);
    Duration: kind.seconds(text);
    u64: kind.whole(text);
    u32: kind.whole(text)?.try_into().ok();
    u16: kind.whole(text)?.try_into().ok();
    NonZeroU64: Self::new(kind.whole(text)?);
    NonZeroU32: NonZeroU64::read(kind, text)?.try_into().ok();
    NonZeroU16: NonZeroU64::read(kind, text)?.try_into().ok();
    NonZeroUsize: NonZeroU64::read(kind, text)?.try_into().ok();
}

/// A type of which each value has a word, or several.
pub(super) trait Words {
    /// All words, for [`Kind::Choice`].
    const WORDS: &'static [&'static str];
}

macro_rules! words {
    ($($type:ty { $($word:literal => $value:expr),+ })+) => {$(
        impl Words for $type {
            const WORDS: &'static [&'static str] = &[$($word),+];
        }

        impl Value for $type {
            fn read(kind: Kind, text: &str) -> Option<Self> {
                match kind.choice(text)? {
                    $($word => Some($value),)+
                    _ => None,
                }
            }
        }
    )+};
}

words! {
    Protocol { "http" => Self::Http, "https" => Self::Https }
    ProviderKind { "openstack" => Self::OpenStack }
    LogFormat { "text" => Self::Text, "json" => Self::Json }
    LevelFilter {
        "off" => Self::Off, "error" => Self::Error, "warn" => Self::Warn, "warning" => Self::Warn,
        "info" => Self::Info, "debug" => Self::Debug, "trace" => Self::Trace
    }
    // A version of IP, by its number.
    u8 { "4" => 4, "6" => 6 }
}
