//! The dashboard's document.

use horrorshow::{Render, owned_html};
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
    let body = text_of(owned_html! {
        : troubles::panel(dashboard, clock);
        main(id = "dashboard") {
            h1(class = "unseen") : "Remora Dashboard";
            : notices::panel(dashboard);
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
    });
    shell::live(&Live { title: "Remora Dashboard", tab: Some(Tab::Inbox), subject: None }, dashboard, &body)
}
