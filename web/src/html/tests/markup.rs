//! A strict reader of our own HTML: whatever it does not expect is a fault.

use std::collections::BTreeSet;

/// One opening tag.
#[derive(Debug)]
pub(in crate::html) struct Tag {
    pub(in crate::html) name: String,
    pub(in crate::html) attributes: Vec<(String, String)>,
}

impl Tag {
    fn has(&self, attribute: &str) -> bool {
        self.attributes.iter().any(|(name, _)| name == attribute)
    }
}

/// What a document or fragment is made of.
#[derive(Debug, Default)]
pub(in crate::html) struct Markup {
    pub(in crate::html) tags: Vec<Tag>,
    /// Each text, and whether an element around it keeps Datastar away.
    pub(in crate::html) texts: Vec<(String, bool)>,
}

const VOID: [&str; 6] = ["input", "link", "meta", "img", "br", "hr"];

/// Reads HTML in which every `<` begins a tag, every attribute is quoted and every element is closed.
pub(in crate::html) fn read(html: &str) -> Markup {
    let mut markup = Markup::default();
    let mut open: Vec<(String, bool)> = Vec::new();
    let mut rest = html.strip_prefix("<!DOCTYPE html>").unwrap_or(html);
    while !rest.is_empty() {
        let ignored = open.iter().any(|(_, ignored)| *ignored);
        if let Some(after) = rest.strip_prefix("</") {
            let (name, after) = after.split_once('>').expect("a closing tag ends");
            assert_eq!(open.pop().map(|(name, _)| name).as_deref(), Some(name), "closed in order");
            rest = after;
        } else if let Some(after) = rest.strip_prefix('<') {
            let (tag, after) = read_tag(after);
            if !VOID.contains(&tag.name.as_str()) {
                open.push((tag.name.clone(), tag.has("data-ignore")));
            }
            markup.tags.push(tag);
            rest = after;
        } else {
            let end = rest.find('<').unwrap_or(rest.len());
            markup
                .texts
                .push((rest[..end].to_owned(), ignored || open.last().is_some_and(|(name, _)| name == "title")));
            rest = &rest[end..];
        }
    }
    assert!(open.is_empty(), "unclosed: {open:?}");
    markup
}

fn read_tag(text: &str) -> (Tag, &str) {
    let end = text.find([' ', '>']).expect("a tag ends");
    let mut tag = Tag { name: text[..end].to_owned(), attributes: Vec::new() };
    assert!(tag.name.chars().all(|c| c.is_ascii_alphanumeric()), "a tag's name: {:?}", tag.name);
    let mut rest = &text[end..];
    while let Some(after) = rest.strip_prefix(' ') {
        let end = after.find([' ', '>', '=']).expect("an attribute ends");
        let name = after[..end].to_owned();
        assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || "-:_".contains(c)), "an attribute's name: {name:?}");
        let (value, after) = match after[end..].strip_prefix("=\"") {
            Some(quoted) => quoted.split_once('"').expect("a value ends"),
            None => ("", &after[end..]),
        };
        tag.attributes.push((name, value.to_owned()));
        rest = after;
    }
    (tag, rest.strip_prefix('>').expect("a tag ends after its attributes"))
}

impl Markup {
    /// What agents must not be able to add to: tags, attributes and expressions.
    pub(in crate::html) fn vocabulary(&self) -> BTreeSet<String> {
        let mut words = BTreeSet::new();
        for tag in &self.tags {
            words.insert(format!("<{}", tag.name));
            for (name, value) in &tag.attributes {
                words.insert(format!("{} {name}", tag.name));
                if is_ours(name) {
                    words.insert(format!("{name}={}", value.replace(|c: char| c.is_ascii_digit(), "")));
                }
            }
        }
        words
    }

    pub(in crate::html) fn check_urls_and_ids(&self) {
        for (name, value) in self.tags.iter().flat_map(|tag| &tag.attributes) {
            match name.as_str() {
                "href" | "src" | "action" | "data-stream" | "data-url" => assert!(
                    value.starts_with('/')
                        && !value.starts_with("//")
                        && value
                            .replace("&amp;", "&")
                            .chars()
                            .all(|c| c.is_ascii_alphanumeric() || "/-_.~%?=&".contains(c)),
                    "a url: {value:?}"
                ),
                "id" | "for" | "aria-describedby" | "aria-labelledby" => {
                    assert!(value.chars().all(|c| c.is_ascii_alphanumeric() || "- ".contains(c)), "{value:?}");
                }
                _ => {}
            }
        }
    }
}

/// Values that the browser runs, or that styles and forms go by.
fn is_ours(attribute: &str) -> bool {
    attribute.starts_with("data-") && !["data-msg-id", "data-title", "data-stream", "data-url"].contains(&attribute)
        || ["class", "type", "name", "method", "rel", "role", "style"].contains(&attribute)
        || attribute.starts_with("on")
}
