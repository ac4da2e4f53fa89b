//! What stands in a workspace, to be read: its keys, how large each value is, and its beginning.

use horrorshow::{Render, owned_html};
use serde_json::Value;

use super::{live, pretty::pretty, shell, text_of, words};

/// Keys shown: what a person looks through. The others are counted.
const KEYS: usize = 200;
/// Characters of a value.
const VALUE_CHARS: usize = 4_000;

/// Where the keys go on an agent's page. They are read when the page has been loaded, and left alone by every patch.
pub(super) fn place(workspace_id: &str) -> impl Render {
    let url = words::workspace_url(workspace_id);
    owned_html! {
        section(id = "workspace-keys", class = "panel", aria-labelledby = "workspace-title", data-ignore-morph,
            data-url = &url, data-init = live::LOAD) {
            h2(id = "workspace-title") : "Workspace";
            p { a(href = &url) : "Keys and values"; }
        }
    }
}

/// The keys, for their place on an agent's page: the body, `text/html`, of the response that it asks for.
pub fn workspace_keys(workspace_id: &str, read: Result<&[(String, Value)], &str>) -> String {
    text_of(section(workspace_id, read))
}

/// The same as a document.
pub fn workspace_page(workspace_id: &str, read: Result<&[(String, Value)], &str>) -> String {
    let body = text_of(owned_html! { main(id = "agent") { : section(workspace_id, read); } });
    text_of(shell::plain("Workspace", &body))
}

fn section(workspace_id: &str, read: Result<&[(String, Value)], &str>) -> impl Render {
    let url = words::workspace_url(workspace_id);
    let (entries, trouble) = match read {
        Ok(entries) => (entries, None),
        Err(trouble) => (&[][..], Some(trouble.to_owned())),
    };
    let (shown, hidden) = (entries[..entries.len().min(KEYS)].to_vec(), entries.len().saturating_sub(KEYS));
    let (name, total) = (workspace_id.to_owned(), entries.len());
    let rows: String = shown.iter().map(|(key, value)| text_of(row(key, value))).collect();
    owned_html! {
        // The place goes on asking to be left alone.
        section(id = "workspace-keys", class = "panel", aria-labelledby = "workspace-title",
            data-preserve-attr = "data-ignore-morph") {
            h2(id = "workspace-title") { : "Workspace "; span(class = "badge") : words::count(total, "key"); }
            form(class = "refresh", action = &url, method = "get", data-on:submit = live::RELOAD) {
                code(data-ignore) : &name;
                button(type = "submit", class = "quiet") : "Read again";
            }
            @ if let Some(trouble) = &trouble {
                p(class = "trouble", data-ignore) : trouble;
            } else if total == 0 {
                p(class = "empty") : "Nothing stands in it.";
            }
            ul(class = "rows keys") { : horrorshow::Raw(&rows); }
            @ if hidden > 0 { p(class = "more") : format!("and {hidden} more"); }
        }
    }
}

fn row(key: &str, value: &Value) -> impl Render {
    let (shown, is_cut) = pretty(value, VALUE_CHARS);
    let (key, size) = (key.to_owned(), format!("{} bytes", value.to_string().len()));
    owned_html! {
        li {
            details {
                summary { code(data-ignore) : &key; : " "; span(class = "detail") : &size; }
                pre(data-ignore) : &shown;
                @ if is_cut { p(class = "more") : "The value goes on."; }
            }
        }
    }
}
