//! The dashboard's document, and the frame that every document shares.

use horrorshow::{Raw, Render, RenderOnce, helper::doctype, owned_html};
use remora_actors::model::Dashboard;

use super::{agents, clock::Clock, events, inbox, live, progress, results, text_of};
use crate::assets;

const NAME: &str = "Remora Dashboard";

/// The dashboard.
pub(super) fn document(dashboard: &Dashboard, clock: &Clock) -> impl Render {
    let waiting = dashboard.inbox().open_count();
    let title = if waiting > 0 { format!("({waiting}) {NAME}") } else { NAME.to_owned() };
    let signals = live::initial_signals(dashboard);
    let body = text_of(owned_html! {
        : header();
        : live::stream();
        : live::parked_notice();
        noscript { p(class = "notice") : "Without JavaScript this page does not update by itself: reload it."; }
        main(id = "dashboard") {
            div(class = "column") {
                : inbox::panel(dashboard, clock);
                : agents::panel(dashboard);
            }
            div(class = "column") {
                : results::panel(dashboard, clock);
                : progress::panel(dashboard);
                : events::panel(dashboard, clock);
            }
        }
        footer(class = "foot") { a(href = "/api") : "API"; }
    });
    owned_html! { : frame(&title, Some(live::TITLE), Some(&signals), &body); }
}

/// A document around a body that was rendered before.
pub(super) fn frame(
    title: &str,
    live_title: Option<&'static str>,
    signals: Option<&str>,
    body: &str,
) -> impl RenderOnce {
    owned_html! {
        : doctype::HTML;
        html(lang = "en") {
            head {
                meta(charset = "utf-8");
                title(data-text ?= live_title) : title;
                meta(name = "viewport", content = "width=device-width, initial-scale=1");
                meta(name = "color-scheme", content = "light dark");
                link(rel = "icon", type = "image/svg+xml", href = assets::url("remora.svg"));
                link(rel = "stylesheet", href = assets::url("remora.css"));
                script(type = "module", src = assets::url("datastar.js"));
            }
            body(data-signals ?= signals) { : Raw(body) }
        }
    }
}

/// The dashboard's bar: the name, and whether what the page shows is current.
fn header() -> impl Render {
    owned_html! {
        header(class = "bar") {
            h1(class = "brand") { : logo(); : NAME; }
            p(id = "connection-status", role = "status", data-attr:data-link = live::STATUS_LOOK,
                data-text = live::STATUS) : "Connecting";
        }
    }
}

/// The bar of the other pages: the way back.
pub(super) fn back() -> impl Render {
    owned_html! {
        header(class = "bar") { a(class = "brand", href = "/") { : logo(); : NAME; } }
    }
}

fn logo() -> impl Render {
    owned_html! { img(src = assets::url("remora.svg"), alt = "", width = "24", height = "24"); }
}
