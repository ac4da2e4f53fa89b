//! The dashboard's document.

use horrorshow::{Raw, Render, owned_html};
use remora_actors::model::Dashboard;

use super::{
    agents,
    clock::Clock,
    events, inbox, notices, progress, results,
    shell::{self, Live, Tab},
    text_of, troubles,
};

/// The dashboard.
pub(super) fn document(dashboard: &Dashboard, clock: &Clock) -> impl Render {
    let columns = text_of(columns(dashboard, clock));
    let body = text_of(owned_html! {
        : troubles::panel(dashboard, clock);
        main(id = "dashboard") {
            h1(class = "unseen") : "Remora Dashboard";
            : notices::panel(dashboard);
            : Raw(&columns);
        }
    });
    shell::live(&Live { title: "Remora Dashboard", tab: Some(Tab::Inbox), subject: None }, dashboard, &body)
}

/// The panels, of now or of another moment.
pub(super) fn columns(dashboard: &Dashboard, clock: &Clock) -> impl Render {
    owned_html! {
        div(class = "column") {
            : inbox::panel(dashboard, clock);
            : agents::panel(dashboard, clock);
        }
        div(class = "column") {
            : progress::panel(dashboard);
            : results::panel(dashboard, clock);
            : events::panel(dashboard, clock);
        }
    }
}
