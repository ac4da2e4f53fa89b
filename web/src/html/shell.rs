//! What every document shares: its head, the bar with the navigation, and the stream that keeps it up to date.

use horrorshow::{Raw, Render, helper::doctype, owned_html};
use remora_actors::{model::Dashboard, view::Subject};

use super::{alerts, help, keeper, live, login, text_of};
use crate::{address, assets};

/// The name on every page.
pub(super) const NAME: &str = "Remora";

/// A page that the navigation leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tab {
    /// The dashboard: the inbox first.
    Inbox,
    /// The agents.
    Agents,
    /// The graphs.
    Graphs,
    /// The search in the journal, and the dashboard as it was.
    History,
}

impl Tab {
    const ALL: [Self; 4] = [Self::Inbox, Self::Agents, Self::Graphs, Self::History];

    fn name(self) -> &'static str {
        match self {
            Self::Inbox => "Inbox",
            Self::Agents => "Agents",
            Self::Graphs => "Graphs",
            Self::History => "History",
        }
    }

    fn url(self) -> &'static str {
        match self {
            Self::Inbox => "/",
            Self::Agents => "/agents",
            Self::Graphs => "/graphs",
            Self::History => "/history",
        }
    }
}

/// A document that keeps itself up to date.
pub(super) struct Live<'a> {
    /// What the title says behind the number of questions that wait.
    pub(super) title: &'a str,
    /// Where it belongs in the navigation.
    pub(super) tab: Option<Tab>,
    /// What its stream is about; `None`: the dashboard.
    pub(super) subject: Option<&'a Subject>,
}

/// A live document around a body that was rendered before.
pub(super) fn live(live: &Live<'_>, dashboard: &Dashboard, body: &str) -> impl Render + use<> {
    let waiting = dashboard.inbox().waiting_count();
    let title = if waiting > 0 { format!("({waiting}) {}", live.title) } else { live.title.to_owned() };
    let signals = live::initial_signals(dashboard);
    let stream = live.subject.map_or_else(|| "/events".to_owned(), address::stream_url);
    let (name, tab) = (live.title.to_owned(), live.tab);
    let body = text_of(owned_html! {
        : bar(tab, Some(waiting));
        : live::stream(&stream);
        : keeper::keeper();
        : live::parked_notice();
        : live::logged_out_notice();
        noscript { p(class = "notice") : "Without JavaScript this page does not update by itself: reload it."; }
        : Raw(body);
        : foot();
        : help::panel();
        : alerts::panel();
    });
    owned_html! {
        : doctype::HTML;
        html(lang = "en") {
            head {
                title(data-title = &name, data-text = live::TITLE) : &title;
                : head(true);
                script(type = "module", src = assets::url("datastar.js"));
            }
            body(data-signals = &signals) { : Raw(&body) }
        }
    }
}

/// A document that shows the past: it has the signals and the keys of a live one, and no stream.
pub(super) fn past(title: &str, signals: &str, body: &str) -> impl Render + use<> {
    let (title, signals) = (format!("{title} · {NAME}"), signals.to_owned());
    let body = text_of(owned_html! {
        : bar(Some(Tab::History), None);
        : keeper::keeper();
        : Raw(body);
        : foot();
    });
    owned_html! {
        : doctype::HTML;
        html(lang = "en") {
            head {
                title : &title;
                : head(false);
                script(type = "module", src = assets::url("datastar.js"));
            }
            body(data-signals = &signals) { : Raw(&body) }
        }
    }
}

/// A document that stays as it is, around a body that was rendered before.
pub(super) fn plain(title: &str, body: &str) -> impl Render {
    owned_html! {
        : doctype::HTML;
        html(lang = "en") {
            head { title : format!("{title} · {NAME}"); : head(false); }
            body { : bar(None, None); : Raw(body); : foot(); }
        }
    }
}

/// The document that is shown where there is no such page, or it is not for whoever asked.
pub(crate) fn problem_page(title: &str, detail: &str) -> String {
    let mut rest = detail.chars();
    let first: String = rest.next().into_iter().flat_map(char::to_uppercase).collect();
    let end = if detail.ends_with('.') { "" } else { "." };
    let sentence = format!("{first}{}{end}", rest.as_str());
    let body = text_of(owned_html! {
        main(id = "agent") {
            section(class = "panel") {
                h1 : title;
                p : &sentence;
                p { a(href = "/agents") : "All agents"; : " · "; a(href = "/") : "The inbox"; }
            }
        }
    });
    text_of(plain(title, &body))
}

fn head(live: bool) -> impl Render {
    owned_html! {
        meta(charset = "utf-8");
        meta(name = "viewport", content = "width=device-width, initial-scale=1");
        meta(name = "color-scheme", content = "light dark");
        : alerts::icon(live);
        link(rel = "stylesheet", href = assets::url("remora.css"));
    }
}

/// The bar: the name, the ways to the other pages, and whether what the page shows is current.
fn bar(here: Option<Tab>, waiting: Option<usize>) -> impl Render {
    owned_html! {
        header(class = "bar") {
            a(class = "brand", href = "/") {
                img(src = assets::url("remora.svg"), alt = "", width = "24", height = "24");
                : NAME;
            }
            nav(aria-label = "Pages") {
                @ for tab in Tab::ALL {
                    a(href = tab.url(), aria-current ?= (here == Some(tab)).then_some("page")) {
                        : tab.name();
                        @ if let Some(waiting) = waiting.filter(|_| tab == Tab::Inbox) {
                            span(class = "badge", hidden ?= waiting == 0, data-attr:hidden = "!($waiting > 0)",
                                data-text = "$waiting")
                                : waiting.to_string();
                        }
                    }
                }
            }
            @ if waiting.is_some() {
                p(id = "connection-status", role = "status", data-attr:data-link = live::STATUS_LOOK,
                    data-text = live::STATUS) : "Connecting";
                : alerts::button();
                : help::button();
            }
        }
    }
}

fn foot() -> impl Render {
    owned_html! {
        footer(class = "foot") {
            a(href = "/projector") : "For the wall"; a(href = "/notices") : "Notices"; a(href = "/api") : "API";
            : login::logout();
        }
    }
}
