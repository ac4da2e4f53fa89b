//! The page that asks for an operator's token, and what tells on every other page whose it was.

use horrorshow::{Render, owned_html};

use super::{shell, text_of};
use crate::guard::NAME_COOKIE;
/// Who has logged in at this moment; nobody where there are no tokens.
pub(super) fn who() -> String {
    format!("(new URLSearchParams(document.cookie.replaceAll('; ', '&')).get('{NAME_COOKIE}') ?? '')")
}

/// Who has logged in, and the way out.
pub(super) fn logout() -> impl Render {
    owned_html! {
        form(class = "logged-in", action = "/logout", method = "post", hidden, data-attr:hidden = "!$_who || $_link === 'out'") {
            span(data-text = "'Logged in as ' + $_who");
            button(type = "submit", class = "plain") : "Log out";
        }
    }
}

/// The document, with where to go from there and what was wrong with the last try. Its form posts the fields `token` and
/// `to` to `/login`.
pub fn login(to: &str, error: Option<&str>) -> String {
    let body = text_of(owned_html! {
        main(id = "login") { : form(to, error); }
    });
    text_of(owned_html! { : shell::plain("Log in", &body); })
}

fn form<'a>(to: &'a str, error: Option<&'a str>) -> impl Render + use<'a> {
    owned_html! {
        section(class = "panel", aria-labelledby = "login-title") {
            h1(id = "login-title") : "Log in";
            form(class = "answer", action = "/login", method = "post") {
                input(type = "hidden", name = "to", value = to);
                label(for = "token") : "Operator's token";
                input(id = "token", type = "password", name = "token", required, autofocus,
                    autocomplete = "current-password", spellcheck = "false", aria-describedby = "login-note");
                button(type = "submit") : "Log in";
            }
            @ if let Some(error) = error { p(class = "note error", role = "alert") : error; }
            p(id = "login-note", class = "more") : "Whoever runs this daemon has it in the token file.";
        }
    }
}
