//! Stable words: for JSON, logs, counters and documents.

/// Gives a type one word for each of its values, and the list of all of them, so that neither can lack one.
#[macro_export]
macro_rules! names {
    ($type:ty { $($pattern:pat => $word:literal,)+ }) => {
        impl $type {
            /// Every word that `name` can give.
            pub const NAMES: [&'static str; [$($word),+].len()] = [$($word),+];

            /// A short stable word for JSON, logs and counters.
            #[must_use]
            pub fn name(&self) -> &'static str {
                match self {
                    $($pattern => $word,)+
                }
            }
        }
    };
}
