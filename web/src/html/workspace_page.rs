//! What stands in a workspace, to be read: its keys, how large each value is, and its beginning.

use horrorshow::{Render, owned_html};
use remora_actors::ports::Listed;
use serde_json::Value;

use super::{live, pretty::pretty, shell, text_of, words};

/// Keys shown: what a person looks through.
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
pub fn workspace_keys(workspace_id: &str, read: Result<&Listed, &str>) -> String {
    text_of(section(workspace_id, read))
}

/// The same as a document.
pub fn workspace_page(workspace_id: &str, read: Result<&Listed, &str>) -> String {
    let body = text_of(owned_html! { main(id = "agent") { : section(workspace_id, read); } });
    text_of(shell::plain("Workspace", &body))
}

fn section(workspace_id: &str, read: Result<&Listed, &str>) -> impl Render {
    let url = words::workspace_url(workspace_id);
    let (entries, is_whole, trouble) = match read {
        Ok(Listed { entries, next }) => (&**entries, next.is_none() && entries.len() <= KEYS, None),
        Err(trouble) => (&[][..], true, Some(trouble.to_owned())),
    };
    let shown = &entries[..entries.len().min(KEYS)];
    let count = if is_whole { words::count(shown.len(), "key") } else { format!("the first {} keys", shown.len()) };
    let (name, is_empty) = (workspace_id.to_owned(), shown.is_empty());
    let rows: String = shown.iter().map(|(key, value)| text_of(row(key, value))).collect();
    let all = (!is_whole).then(|| words::workspace_values_url(workspace_id));
    owned_html! {
        // The place goes on asking to be left alone.
        section(id = "workspace-keys", class = "panel", aria-labelledby = "workspace-title",
            data-preserve-attr = "data-ignore-morph") {
            h2(id = "workspace-title") { : "Workspace "; span(class = "badge") : &count; }
            form(class = "refresh", action = &url, method = "get", data-on:submit = live::RELOAD) {
                code(data-ignore) : &name;
                button(type = "submit", class = "quiet") : "Read again";
            }
            @ if let Some(trouble) = &trouble {
                p(class = "trouble", data-ignore) : trouble;
            } else if is_empty {
                p(class = "empty") : "Nothing stands in it.";
            }
            ul(class = "rows keys") { : horrorshow::Raw(&rows); }
            @ if let Some(url) = &all { p(class = "more") { a(href = url) : "All of them, as JSON"; } }
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
