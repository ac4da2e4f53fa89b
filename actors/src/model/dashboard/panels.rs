//! The parts of the page that change by themselves.

use std::ops::{BitOr, BitOrAssign};

/// One part of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Panel {
    /// The questions that wait.
    Inbox,
    /// The agents and their states.
    Agents,
    /// The latest results.
    Results,
    /// How far the graphs are.
    Progress,
    /// The latest events.
    Events,
    /// What is wrong with the daemon itself.
    Troubles,
    /// The notices that could not be delivered.
    Notices,
}

impl Panel {
    /// All parts, in the order of the page.
    pub const ALL: [Self; 7] =
        [Self::Troubles, Self::Inbox, Self::Agents, Self::Results, Self::Progress, Self::Events, Self::Notices];
}

/// A set of panels.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Panels(u8);

impl Panels {
    /// No panel.
    pub const NONE: Self = Self(0);
    /// Every panel.
    pub const ALL: Self = Self((1 << Panel::ALL.len()) - 1);
    /// What shows an agent's state: the list of agents, and the progress that is counted from it.
    pub(super) const AGENTS: Self = Self(1 << Panel::Agents as u8 | 1 << Panel::Progress as u8);

    /// One panel.
    pub const fn of(panel: Panel) -> Self {
        Self(1 << panel as u8)
    }

    /// True where the set holds the panel.
    pub fn contains(self, panel: Panel) -> bool {
        self.0 & Self::of(panel).0 != 0
    }

    /// True where the two sets have a panel in common.
    pub fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// True where the set holds no panel.
    pub fn is_empty(self) -> bool {
        self == Self::NONE
    }
}

impl BitOr for Panels {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for Panels {
    fn bitor_assign(&mut self, other: Self) {
        *self = *self | other;
    }
}
