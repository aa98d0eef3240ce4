//! What the daemon writes into the metadata of its servers, so that a later process, or another daemon, can tell what
//! it did. Nothing that harms a session rests on a mark that is missing because it could not be written.

use std::fmt;

/// One process of the daemon: a number that it draws at its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Instance(pub u32);

impl Instance {
    /// A name's part that no other creation of this process has, and hardly any of another: six hexadecimal digits.
    #[must_use]
    pub fn name_part(self, creation: u64) -> String {
        // Multiplied by an odd number, consecutive creations go through all numbers of 24 bits.
        const STEP: u32 = 0x9e_3779;
        let start = self.0 ^ (self.0 >> 8);
        // The lower half of the number is all that matters here.
        let creation = u32::try_from(creation & 0xffff_ffff).unwrap_or_default();
        let part = start.wrapping_add(creation.wrapping_mul(STEP)) & 0xff_ffff;
        format!("{part:06x}")
    }
}

impl fmt::Display for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

/// Which creation a server stems from: `v1 INSTANCE NUMBER COUNT`, and `unserved` at the end if [`SERVED_KEY`] could
/// not be written then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CreationMark {
    /// The process that ordered it.
    pub instance: Instance,
    /// The number of its creation, the first one of a process being 1.
    pub number: u64,
    /// How many servers were ordered with it.
    pub count: u64,
    /// Whether that process marks those that have served: one without that mark has not, then.
    pub served_is_marked: bool,
}

/// The metadata key of a [`CreationMark`].
pub const CREATION_KEY: &str = "simplescalevm.creation";
/// The metadata key that a server gets once it has served: the time at which it first did, on the cloud's clock.
pub const SERVED_KEY: &str = "simplescalevm.served";

const UNSERVED: &str = "unserved";

impl CreationMark {
    /// No creation asks for more: a mark with a greater number is none of this program's.
    const MOST: u64 = 1_000_000;

    /// Reads a mark; `None`: it is none that this version understands.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let mut words = text.split_ascii_whitespace();
        let is_known = words.next() == Some("v1");
        let instance = words.next().filter(|word| word.len() == 8)?;
        let instance = u32::from_str_radix(instance, 16).ok()?;
        let number = words.next()?.parse().ok().filter(|number| *number > 0)?;
        let count = words.next()?.parse().ok();
        let count = count.filter(|count| (1..=Self::MOST).contains(count))?;
        is_known.then_some(Self {
            instance: Instance(instance),
            number,
            count,
            // Whatever a later version adds, it is no promise that this one knows.
            served_is_marked: words.next().is_none(),
        })
    }
}

impl fmt::Display for CreationMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            instance,
            number,
            count,
            ..
        } = self;
        write!(f, "v1 {instance} {number} {count}")?;
        if self.served_is_marked {
            return Ok(());
        }
        write!(f, " {UNSERVED}")
    }
}

/// The marks that a server carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Marks {
    /// Which creation it stems from.
    pub creation: Option<CreationMark>,
    /// Whether it has once served.
    pub served: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_mark_is_read_as_it_was_written() {
        for served_is_marked in [false, true] {
            let mark = CreationMark {
                instance: Instance(0x00c0_ffee),
                number: u64::MAX,
                count: CreationMark::MOST,
                served_is_marked,
            };
            let text = mark.to_string();
            assert!(text.len() <= 255, "{text}");
            assert_eq!(CreationMark::read(&text), Some(mark));
        }
    }

    #[test]
    fn an_odd_mark_is_no_mark() {
        for text in [
            "",
            "v1",
            "v1 00c0ffee",
            "v1 00c0ffee 1 18446744073709551615",
            "v1 00c0ffee 1",
            "v1 00c0ffee 0 3",
            "v1 00c0ffee 1 0",
            "v1 c0ffee 1 3",
            "v2 00c0ffee 1 3",
            "v1 00c0ffeg 1 3",
            "v1 00c0ffee -1 3",
            "v1 00c0ffee 1 99999999999999999999",
            "done",
        ] {
            assert_eq!(CreationMark::read(text), None, "{text:?}");
        }
        let later = CreationMark::read("v1 00c0ffee 1 3 something new");
        assert_eq!(later.map(|mark| mark.served_is_marked), Some(false));
    }

    #[test]
    fn names_do_not_repeat_within_a_process() {
        for instance in [0, 1, u32::MAX] {
            let parts = (0..50_000).map(|n| Instance(instance).name_part(n));
            let parts: BTreeSet<String> = parts.collect();
            assert_eq!(parts.len(), 50_000);
            assert!(parts.iter().all(|part| part.len() == 6));
        }
    }
}
