//! The dashboard: one file without any outside resource, under a policy that lets nothing
//! else in.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::sync::{Arc, LazyLock};

const TEMPLATE: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/page.css");
const SCRIPT: &str = include_str!("page/page.js");
const SCRIPT_CHART: &str = include_str!("page/chart.js");

/// The page, and the headers that go with it.
pub(super) struct Page {
    pub(super) body: Arc<Vec<u8>>,
    pub(super) headers: String,
}

/// The page is put together once.
pub(super) static PAGE: LazyLock<Page> = LazyLock::new(|| {
    let script = format!("\n{SCRIPT_CHART}{SCRIPT}");
    let style = format!("\n{STYLE}");
    let body = TEMPLATE
        .replace("{{style}}", &style)
        .replace("{{script}}", &script);
    let headers = format!(
        "Content-Security-Policy: default-src 'none'; script-src '{}'; style-src '{}'; \
         connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'\r\n\
         Referrer-Policy: no-referrer\r\n\
         Cross-Origin-Opener-Policy: same-origin\r\n\
         Cross-Origin-Resource-Policy: same-origin\r\n",
        source_hash(&script),
        source_hash(&style),
    );
    Page {
        body: Arc::new(body.into_bytes()),
        headers,
    }
});

/// What a browser makes of the bytes between `<script>` and `</script>`.
fn source_hash(content: &str) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, content.as_bytes());
    format!("sha256-{}", STANDARD.encode(digest.as_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_small_and_self_contained() {
        let page = std::str::from_utf8(&PAGE.body).unwrap();
        assert!(page.len() < 64 * 1024, "{} bytes", page.len());
        assert!(!page.contains("{{"), "a placeholder is left");
        for tag in ["<script", "<style", "</script", "</style"] {
            assert_eq!(page.matches(tag).count(), 1, "{tag}");
        }
        // The one URL is SVG's name space, which nobody fetches.
        for outside in [
            "<link rel=\"stylesheet",
            "@import",
            "url(",
            " src=\"",
            " style=\"",
        ] {
            assert!(!page.contains(outside), "{outside}");
        }
        for unsafe_word in [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "eval(",
            "document.write",
        ] {
            assert!(!page.contains(unsafe_word), "{unsafe_word}");
        }
        assert!(PAGE.headers.lines().all(|line| line.contains(": ")));
    }
}
