//! What of an answer cannot be read, told of once.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use crate::service::Service;

/// Objects that are remembered.
const MOST: usize = 500;

/// The odd objects that have been told of.
#[derive(Debug, Default)]
pub(super) struct Oddities(Mutex<BTreeSet<String>>);

impl Oddities {
    /// Tells of an object that cannot be read as a whole, unless it was told of before.
    pub(super) fn tell(&self, service: Service, kind: &str, label: &str, what: &str) {
        if let Some(text) = self.note(kind, label, what) {
            log::warn!("{service}: {text}");
        }
    }

    fn note(&self, kind: &str, label: &str, what: &str) -> Option<String> {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() > MOST || !told.insert(format!("{kind} {label}: {what}")) {
            return None;
        }
        Some(if told.len() > MOST {
            format!("more than {MOST} objects cannot be read as a whole; no other is told of")
        } else {
            format!("{kind} {label}: {what} cannot be read; all else stands")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{MOST, Oddities};

    #[test]
    fn each_is_told_of_once_and_their_number_is_bounded() {
        let odd = Oddities::default();
        let expected = "flavor f: vcpus cannot be read; all else stands";
        assert_eq!(odd.note("flavor", "f", "vcpus").as_deref(), Some(expected));
        assert_eq!(odd.note("flavor", "f", "vcpus"), None);
        assert!(odd.note("server", "f", "vcpus").is_some());
        assert!(odd.note("flavor", "f", "ram").is_some());
        let told = (0..MOST * 2).filter_map(|n| odd.note("server", &n.to_string(), "it"));
        let told: Vec<String> = told.collect();
        assert_eq!(told.len(), MOST - 2);
        assert!(
            told.last()
                .is_some_and(|text| text.contains("no other is told of"))
        );
        assert!(odd.0.lock().is_ok_and(|told| told.len() == MOST + 1));
    }
}
