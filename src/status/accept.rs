//! What a client prefers to get, as it says in `Accept`.

/// Whether the dashboard is preferred to JSON: only where HTML is asked for by name.
pub(super) fn prefers_html(accept: &[u8]) -> bool {
    let Some(html) = named(accept, "text/html") else {
        return false;
    };
    match named(accept, "application/json") {
        Some(json) => html > json,
        None => html > 0,
    }
}

/// Whether OpenMetrics is preferred to Prometheus' older text format.
pub(super) fn prefers_open_metrics(accept: &[u8]) -> bool {
    let open = named(accept, "application/openmetrics-text").unwrap_or(0);
    open > 0 && open >= named(accept, "text/plain").unwrap_or(0)
}

/// The highest weight, in thousandths, of a media type that is named as such.
fn named(accept: &[u8], wanted: &str) -> Option<u32> {
    let ranges = accept.split(|b| *b == b',');
    ranges
        .filter_map(|range| {
            let mut parts = range.split(|b| *b == b';').map(<[u8]>::trim_ascii);
            let name = parts.next()?;
            if !name.eq_ignore_ascii_case(wanted.as_bytes()) {
                return None;
            }
            let weight = parts.find_map(|part| {
                part.strip_prefix(b"q=")
                    .or_else(|| part.strip_prefix(b"Q="))
            });
            Some(weight.map_or(1_000, thousandths))
        })
        .max()
}

/// `0.75` is 750; what is no weight counts as none.
fn thousandths(weight: &[u8]) -> u32 {
    let text = std::str::from_utf8(weight).unwrap_or_default();
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit()) && text.len() <= 3;
    if !digits(whole) || !digits(fraction) {
        return 0;
    }
    let whole = whole.parse().unwrap_or(0_u32);
    let fraction = format!("{fraction:0<3}").parse().unwrap_or(0);
    (whole * 1_000 + fraction).min(1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_gets_the_page() {
        let check = |accept: &str, expected| {
            assert_eq!(prefers_html(accept.as_bytes()), expected, "{accept}");
        };
        check("", false);
        check("*/*", false);
        check("text/*", false);
        check("application/json", false);
        check("text/html;q=0", false);
        check("text/html;q=x", false);
        check("text/html, application/json", false);
        check("application/json;q=0.9, text/html;q=0.8", false);
        check("text/html", true);
        check("TEXT/HTML ; q=0.1", true);
        check("application/json;q=0.5, text/html;q=0.8", true);
        check(
            "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8",
            true,
        );
    }

    #[test]
    fn who_gets_open_metrics() {
        let check = |accept: &str, expected| {
            assert_eq!(
                prefers_open_metrics(accept.as_bytes()),
                expected,
                "{accept}"
            );
        };
        check("", false);
        check("*/*", false);
        check("text/plain", false);
        check(
            "application/openmetrics-text;q=0.1, text/plain;q=0.5",
            false,
        );
        check(
            "application/openmetrics-text;version=1.0.0,application/openmetrics-text;\
             version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            true,
        );
    }
}
