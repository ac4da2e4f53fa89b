//! The static files, embedded. Each is served under a name that changes with its content, so that browsers may keep it
//! for ever.

use std::sync::{LazyLock, OnceLock};

use flate2::Compression;
use uuid::Uuid;

use crate::gzip;

/// One static file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Asset {
    /// Its media type.
    pub(crate) content_type: &'static str,
    /// Its content.
    pub(crate) body: &'static [u8],
}

/// One style sheet out of one file per concern; later ones may override earlier ones.
macro_rules! style_sheet {
    ($($concern:literal),* $(,)?) => {
        concat!($(include_str!(concat!("../../static/css/", $concern, ".css"))),*).as_bytes()
    };
}

const CSS: &[u8] = style_sheet!(
    "tokens",
    "base",
    "shell",
    "troubles",
    "rows",
    "inbox",
    "markdown",
    "answers",
    "agents",
    "graphs",
    "log",
    "history",
    "projector",
    "help",
    "notices",
    "api",
    "print"
);

const FILES: [(&str, Asset); 4] = [
    ("remora.css", Asset { content_type: "text/css; charset=utf-8", body: CSS }),
    ("remora.svg", Asset { content_type: "image/svg+xml", body: include_bytes!("../../static/remora.svg") }),
    (
        "remora-waiting.svg",
        Asset { content_type: "image/svg+xml", body: include_bytes!("../../static/remora-waiting.svg") },
    ),
    (
        "datastar.js",
        Asset {
            content_type: "text/javascript; charset=utf-8",
            body: include_bytes!(concat!(env!("OUT_DIR"), "/datastar.js")),
        },
    ),
];

/// A file as it is served.
#[derive(Debug)]
pub(crate) struct Published {
    name: &'static str,
    url: String,
    /// The file.
    pub(crate) asset: Asset,
    packed: OnceLock<Option<Vec<u8>>>,
}

impl Published {
    /// The file in gzip, which the first one to ask waits for; `None` where that saves nothing.
    pub(crate) fn packed(&self) -> Option<&[u8]> {
        let pack = || gzip::whole(self.asset.body, Compression::best()).ok();
        self.packed.get_or_init(|| pack().filter(|packed| packed.len() < self.asset.body.len())).as_deref()
    }
}

const FOLDER: &str = "/static/";

static PUBLISHED: LazyLock<Vec<Published>> = LazyLock::new(|| {
    let publish = |(name, asset): (_, Asset)| {
        let url = format!("{FOLDER}{}", fingerprinted(name, asset.body));
        Published { name, url, asset, packed: OnceLock::new() }
    };
    FILES.map(publish).into()
});

/// `remora.css` becomes `remora.1f2e3d4c5b6a.css`.
fn fingerprinted(name: &str, body: &[u8]) -> String {
    let print = Uuid::new_v5(&Uuid::NAMESPACE_OID, body).simple().to_string();
    let (stem, extension) = name.rsplit_once('.').unwrap_or((name, ""));
    format!("{stem}.{}.{extension}", &print[..12])
}

/// The path under which a file is served.
///
/// # Panics
/// There is no such file: a mistake in this crate, found by any test that renders the page.
pub(crate) fn url(name: &str) -> &'static str {
    PUBLISHED
        .iter()
        .find(|file| file.name == name)
        .map(|file| file.url.as_str())
        .expect("only embedded files are named")
}

/// The file behind a path under `/static/`; `None` where the name or its fingerprint is another.
pub(crate) fn find(path: &str) -> Option<&'static Published> {
    PUBLISHED.iter().find(|file| file.url.strip_prefix(FOLDER) == Some(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_found_under_its_url_and_no_other_name() {
        for (name, asset) in FILES {
            let path = url(name).strip_prefix(FOLDER).expect("urls lie in the folder");
            assert_eq!(find(path).map(|file| file.asset), Some(asset));
            assert!(find(name).is_none(), "{name} without its fingerprint");
        }
        assert!(find("../Cargo.toml").is_none());
    }

    #[test]
    fn another_content_gets_another_name() {
        assert_ne!(fingerprinted("a.css", b"1"), fingerprinted("a.css", b"2"));
    }

    #[test]
    fn the_bundle_is_the_one_that_the_pages_are_written_for() {
        let path = url("datastar.js").strip_prefix(FOLDER).expect("urls lie in the folder");
        assert!(find(path).is_some_and(|file| file.asset.body.starts_with(b"// Datastar v1.")));
    }
}
