//! Names in messages.

/// The one of the names that was most likely meant.
pub fn nearest<'a>(wanted: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let simple = |text: &str| text.to_lowercase().replace([' ', '_', '.'], "-");
    let wanted = simple(wanted);
    let far = (wanted.chars().count() / 3).min(4);
    let scored = names
        .into_iter()
        .map(|name| (strsim::osa_distance(&wanted, &simple(name)), name));
    let (_, name) = scored
        .filter(|(distance, _)| *distance <= far)
        .min_by_key(|(distance, _)| *distance)?;
    Some(name)
}

/// Names in a row, not too many and none of them too long: they may come from a file or a catalog.
pub(crate) fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    const MOST: usize = 40;
    const MOST_CHARS: usize = 64;
    let short = |name: &str| match name.char_indices().nth(MOST_CHARS) {
        Some((end, _)) => format!("{}...", name.get(..end).unwrap_or_default()),
        None => name.to_owned(),
    };
    let names: Vec<String> = names.into_iter().take(MOST).map(short).collect();
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_was_meant() {
        let names = ["RegionOne", "SBG7", "GRA11", "Debian 12"];
        let check = |wanted, expected| {
            assert_eq!(nearest(wanted, names), expected, "{wanted}");
        };
        check("regionone", Some("RegionOne"));
        check("RegoinOne", Some("RegionOne"));
        check("SBG", Some("SBG7"));
        check("debian-12", Some("Debian 12"));
        check("London", None);
        check("", None);
    }
}
