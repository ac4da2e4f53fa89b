//! The page where an operator shows a token.

use horrorshow::html;

use super::{page, text_of};

/// The page, with what was wrong the last time.
pub(crate) fn login(problem: Option<&str>) -> String {
    let body = text_of(html! {
        main(class = "login") {
            h1 : "Remora";
            form(action = "/login", method = "post") {
                label(for = "token") : "Operator token";
                input(id = "token", name = "token", type = "password", autocomplete = "current-password", required, autofocus);
                @ if let Some(problem) = problem { p(class = "note error", role = "alert") : problem; }
                button(type = "submit") : "Sign in";
            }
        }
    });
    text_of(page::frame("Sign in to Remora", None, None, &body))
}
