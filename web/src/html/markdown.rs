//! What agents write, with its Markdown: parsed, then sanitised. No pictures, nothing loaded, no attributes of theirs but
//! where a link leads. It stands under `data-ignore` as any other text of theirs.

use std::{
    collections::{HashMap, HashSet},
    sync::LazyLock,
};

use ammonia::Builder;
use horrorshow::{Raw, Render, owned_html};
use pulldown_cmark::{Alignment, Event, HeadingLevel, Options, Parser, Tag, TagEnd};

use super::words;

/// Bytes that are read as Markdown; a longer text is shown as it is.
const MOST_BYTES: usize = 64 << 10;
/// Elements within each other. Nobody means more, and browsers slow down with them.
const DEEPEST: usize = 24;
/// Pieces of one text, so that a text of nothing but marks stays cheap.
const MOST_EVENTS: usize = 20_000;

/// What agents write beside plain Markdown.
const OPTIONS: Options = Options::ENABLE_TABLES.union(Options::ENABLE_STRIKETHROUGH).union(Options::ENABLE_TASKLISTS);

/// All elements that come out.
const TAGS: [&str; 22] = [
    "a",
    "blockquote",
    "br",
    "code",
    "del",
    "em",
    "h4",
    "h5",
    "h6",
    "hr",
    "li",
    "ol",
    "p",
    "pre",
    "strong",
    "table",
    "tbody",
    "td",
    "th",
    "thead",
    "tr",
    "ul",
];

/// Where a table's cell may put its text.
const SIDES: [&str; 3] = ["left", "center", "right"];

static SANITISER: LazyLock<Builder<'static>> = LazyLock::new(|| {
    let mut builder = Builder::empty();
    builder
        .tags(HashSet::from(TAGS))
        .tag_attributes(HashMap::from([("a", HashSet::from(["href"])), ("ol", HashSet::from(["start"]))]))
        .tag_attribute_values(HashMap::from(["td", "th"].map(|cell| (cell, HashMap::from([("align", SIDES.into())])))))
        .url_schemes(HashSet::from(["http", "https", "mailto"]))
        .url_relative(ammonia::UrlRelative::Deny)
        .link_rel(Some("noopener noreferrer nofollow"))
        .set_tag_attribute_value("a", "target", "_blank");
    builder
});

/// A block of it.
pub(super) fn block(id: Option<&str>, class: &'static str, text: &str) -> impl Render {
    let html = html(text);
    let class = if html.is_some() { format!("{class} markdown") } else { class.to_owned() };
    let (id, text) = (id.map(str::to_owned), if html.is_some() { String::new() } else { text.to_owned() });
    let html = html.unwrap_or_default();
    owned_html! {
        div(id ?= id.as_deref(), class = &class, dir = "auto", data-ignore) { : Raw(&html); : &text; }
    }
}

/// The HTML of a text. `None`: it is better shown as it is.
pub(super) fn html(text: &str) -> Option<String> {
    if text.len() > MOST_BYTES || is_preformatted(text) {
        return None;
    }
    let events = events(text)?;
    let mut html = String::with_capacity(text.len() * 2);
    pulldown_cmark::html::push_html(&mut html, events.into_iter());
    Some(SANITISER.clean(&html).to_string().replace('\r', "&#13;"))
}

/// What a text says, on one line and without its marks, up to so many characters.
pub(super) fn line(text: &str, max: usize) -> String {
    let is_read = text.len() <= MOST_BYTES && !is_preformatted(text);
    let said = is_read.then(|| events(text)).flatten().map(said);
    words::brief(said.as_deref().unwrap_or(text), max).into_owned()
}

/// The words of its pieces.
fn said(events: Vec<Event<'_>>) -> String {
    let mut said = String::new();
    for event in events {
        match event {
            Event::Text(text) | Event::Code(text) => said.push_str(&text),
            Event::Start(_) => {}
            Event::End(TagEnd::Emphasis | TagEnd::Strong | TagEnd::Strikethrough | TagEnd::Link) => {}
            _ => said.push(' '),
        }
    }
    said.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// True for a patch, whose signs would be taken for lists.
fn is_preformatted(text: &str) -> bool {
    text.lines().any(|line| line.starts_with("diff --git ") || line.starts_with("@@ -"))
}

/// The pieces of a text, none of them HTML. `None`: too many, or too deep in each other.
fn events(text: &str) -> Option<Vec<Event<'_>>> {
    let mut depth = 0_usize;
    let mut events = Vec::new();
    let mut cells = Cells::default();
    for event in Parser::new_ext(text, OPTIONS) {
        depth = match event {
            Event::Start(_) => depth + 1,
            Event::End(_) => depth.saturating_sub(1),
            _ => depth,
        };
        if depth > DEEPEST || events.len() >= MOST_EVENTS {
            return None;
        }
        events.extend(harmless(event).map(|event| cells.align(event)));
    }
    Some(events)
}

/// The cells of a table on their way past. Each says itself where its text stands: styles in the HTML are forbidden.
#[derive(Default)]
struct Cells {
    columns: Vec<Alignment>,
    at: usize,
    name: &'static str,
}

impl Cells {
    fn align<'a>(&mut self, event: Event<'a>) -> Event<'a> {
        match &event {
            Event::Start(Tag::Table(columns)) => self.columns.clone_from(columns),
            Event::Start(Tag::TableHead) => (self.at, self.name) = (0, "th"),
            Event::Start(Tag::TableRow) => (self.at, self.name) = (0, "td"),
            Event::Start(Tag::TableCell) => {
                let column = self.columns.get(self.at);
                self.at += 1;
                let side = match column {
                    Some(Alignment::Left) => "left",
                    Some(Alignment::Center) => "center",
                    Some(Alignment::Right) => "right",
                    Some(Alignment::None) | None => return event,
                };
                return Event::InlineHtml(format!("<{} align=\"{side}\">", self.name).into());
            }
            _ => {}
        }
        event
    }
}

/// HTML is text, a picture is what it is called, a line break is meant, a task is done or not, and headings stand below the card's.
fn harmless(event: Event<'_>) -> Option<Event<'_>> {
    Some(match event {
        Event::Html(text) | Event::InlineHtml(text) => Event::Text(text),
        Event::Start(Tag::HtmlBlock) => Event::Start(Tag::Paragraph),
        Event::End(TagEnd::HtmlBlock) => Event::End(TagEnd::Paragraph),
        Event::Start(Tag::Image { .. }) | Event::End(TagEnd::Image) => return None,
        Event::SoftBreak => Event::HardBreak,
        Event::TaskListMarker(is_done) => Event::Text(if is_done { "☑ " } else { "☐ " }.into()),
        Event::Start(Tag::Heading { level, .. }) => {
            Event::Start(Tag::Heading { level: below(level), id: None, classes: Vec::new(), attrs: Vec::new() })
        }
        Event::End(TagEnd::Heading(level)) => Event::End(TagEnd::Heading(below(level))),
        other => other,
    })
}

fn below(level: HeadingLevel) -> HeadingLevel {
    match level {
        HeadingLevel::H1 => HeadingLevel::H4,
        HeadingLevel::H2 => HeadingLevel::H5,
        _ => HeadingLevel::H6,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::html::tests::markup;

    fn rendered(text: &str) -> String {
        html(text).expect("markdown")
    }

    #[test]
    fn a_line_says_the_same_without_marks() {
        for (text, said) in [
            ("Which **default** for `a_b`?", "Which default for a_b?"),
            ("un**frozen** ~~today~~\n\n- [x] one\n- two", "unfrozen today ☑ one two"),
            ("# Title\nand\ntext", "Title and text"),
            ("|a|b|\n|-|:-:|\n|1|2|", "a b 1 2"),
            ("1 < 2 <b>&amp;</b>", "1 < 2 <b>&</b>"),
            ("@@ -1 +1 @@\n- a", "@@ -1 +1 @@\n- a"),
        ] {
            assert_eq!(line(text, 100), said);
        }
        assert_eq!(line("**abc** def", 5), "abc d…");
    }

    #[test]
    fn what_people_write_is_shown_as_it_was_meant() {
        for (text, html) in [
            ("Deploy **now**?", "<p>Deploy <strong>now</strong>?</p>\n"),
            ("one\ntwo", "<p>one<br>\ntwo</p>\n"),
            ("# Title", "<h4>Title</h4>\n"),
            ("`a < b`", "<p><code>a &lt; b</code></p>\n"),
            ("- [x] done\n- [ ] to do", "<ul>\n<li>☑ done</li>\n<li>☐ to do</li>\n</ul>\n"),
            ("```rust\nfn main() {}\n```", "<pre><code>fn main() {}\n</code></pre>\n"),
            ("a <b>c</b>", "<p>a &lt;b&gt;c&lt;/b&gt;</p>\n"),
            ("![a cat](https://example.org/cat.png)", "<p>a cat</p>\n"),
            (
                "[here](https://example.org/a?b=1&c)",
                "<p><a href=\"https://example.org/a?b=1&amp;c\" target=\"_blank\" \
                 rel=\"noopener noreferrer nofollow\">here</a></p>\n",
            ),
            ("3. three", "<ol start=\"3\">\n<li>three</li>\n</ol>\n"),
            (
                "|a|b|\n|-|-:|\n|1|2|",
                "<table><thead><tr><th>a</th><th align=\"right\">b</th></tr></thead><tbody>\n\
                 <tr><td>1</td><td align=\"right\">2</td></tr>\n</tbody></table>\n",
            ),
            (
                "|a|b|\n|:-:|:-|\n|1|`style=\"text-align: center\"`|",
                "<table><thead><tr><th align=\"center\">a</th><th align=\"left\">b</th></tr></thead><tbody>\n\
                 <tr><td align=\"center\">1</td><td align=\"left\"><code>style=\"text-align: center\"</code></td></tr>\n\
                 </tbody></table>\n",
            ),
        ] {
            assert_eq!(rendered(text), html, "{text}");
        }
    }

    #[test]
    fn links_lead_only_where_a_click_may() {
        for text in [
            "[x](javascript:alert(1))",
            "[x](JaVaScRiPt:alert(1))",
            "[x](data:text/html,<script>alert(1)</script>)",
            "[x](vbscript:x)",
            "[x](file:///etc/passwd)",
            "[x](/agent/a/respond)",
            "[x](//evil.example)",
            "[x](&#106;avascript:alert(1))",
            "<javascript:alert(1)>",
        ] {
            assert!(!rendered(text).contains("href"), "{text}: {}", rendered(text));
        }
        assert!(rendered("<mailto:a@example.org>").contains("href=\"mailto:a@example.org\""));
    }

    #[test]
    fn what_would_be_costly_or_mangled_stays_text() {
        let deep = format!("{} x", ">".repeat(100));
        let long = "a ".repeat(MOST_BYTES);
        let patch = "diff --git a/x b/x\n@@ -1 +1 @@\n- a\n+ b";
        for text in [deep.as_str(), &long, patch, &"*a* ".repeat(15_000)] {
            assert_eq!(html(text), None);
        }
    }

    proptest! {
        #[test]
        fn whatever_is_written_only_known_elements_come_out(text in hostile()) {
            let Some(html) = html(&text) else { return Ok(()) };
            prop_assert!(!html.contains('\r'));
            for tag in markup::read(&html).tags {
                prop_assert!(TAGS.contains(&tag.name.as_str()), "{tag:?}");
                for (name, value) in &tag.attributes {
                    match (tag.name.as_str(), name.as_str()) {
                        ("a", "href") => prop_assert!(
                            ["http:", "https:", "mailto:"].iter().any(|scheme| value.to_lowercase().starts_with(scheme)),
                            "{value}"
                        ),
                        ("a", "rel") => prop_assert_eq!(value, "noopener noreferrer nofollow"),
                        ("a", "target") => prop_assert_eq!(value, "_blank"),
                        ("td" | "th", "align") => prop_assert!(SIDES.contains(&value.as_str())),
                        ("ol", "start") => prop_assert!(value.bytes().all(|b| b.is_ascii_digit())),
                        _ => prop_assert!(false, "{tag:?}"),
                    }
                }
            }
        }
    }

    fn hostile() -> impl Strategy<Value = String> {
        let parts = [
            "<script>",
            "</script>",
            "<img src=x onerror=alert(1)>",
            "[x](",
            "javascript:alert(1)",
            ")",
            "](",
            "![",
            "<a ",
            "data-on:click=\"x\"",
            "<svg onload=x>",
            "\"",
            "'",
            ">",
            "<",
            "&",
            "&lt;",
            "&#60;",
            "&#x6A;avascript:",
            "\r",
            "\n",
            "\n\n",
            "\r\r",
            "# ",
            "- ",
            "1. ",
            "> ",
            "```",
            "~~~\n",
            "`",
            "*",
            "**",
            "_",
            "~~",
            "|",
            "|-|\n",
            "\t",
            "    ",
            "<https://a.b/",
            "<mailto:x@y>",
            "<style>",
            "style=\"a\"",
            "</div>",
            "</p>",
            "<!--",
            "-->",
            "<![CDATA[",
            "]]>",
            "\\",
            "\0",
            "\u{2028}",
            "[a]: javascript:x\n",
            "[a]",
            "<x:y>",
            "a",
            "ü",
            "http://a",
            "<table><td>",
            "{#id .c}",
        ];
        prop_oneof![
            prop::collection::vec(prop::sample::select(parts.to_vec()), 0..40).prop_map(|p| p.concat()),
            any::<String>()
        ]
    }
}
