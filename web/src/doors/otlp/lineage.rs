//! Which agent a span belongs to: the nearest one above it.
//!
//! A span is sent when it ends, so that a child is known before its parent. Within a request that does not matter;
//! across requests a span finds the ancestors that ended, or were sent, before it.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use opentelemetry_proto::tonic::trace::v1::Span;
use remora_actors::model::{Limits, check_id};

use super::span::{GenAi, Operation};

/// Spans remembered: some minutes of busy agents, a few MiB. Beyond it the first go.
const REMEMBERED: usize = 20_000;
/// Steps toward the root: deeper traces are loops, or nobody's reading.
const STEPS: usize = 64;

/// What names a span, all over the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct SpanKey {
    pub(super) trace_id: [u8; 16],
    pub(super) span_id: [u8; 8],
}

impl SpanKey {
    /// `None`: the ids are not what the specification wants.
    pub(super) fn of(span: &Span) -> Option<Self> {
        let trace_id = span.trace_id.as_slice().try_into().ok().filter(|id| *id != [0; 16])?;
        let span_id = span.span_id.as_slice().try_into().ok().filter(|id| *id != [0; 8])?;
        Some(Self { trace_id, span_id })
    }
}

/// What is remembered of a span.
#[derive(Debug, Clone, Default)]
pub(super) struct Link {
    parent: Option<[u8; 8]>,
    owner: Owner,
}

/// The agent and the graph that a span belongs to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(super) agent_id: Option<Arc<str>>,
    /// The agent that called that one.
    pub(super) parent_agent_id: Option<Arc<str>>,
    pub(super) graph_id: Option<Arc<str>>,
}

impl Link {
    pub(super) fn of(span: &Span, limits: &Limits) -> Self {
        let genai = GenAi::read(span);
        // An id that cannot be one is not worth remembering; its span is refused.
        let named = |wanted: Operation, name: fn(&GenAi<'_>) -> Option<String>| {
            let genai = genai.as_ref().filter(|genai| genai.operation == wanted)?;
            let id = name(genai)?;
            check_id(&id, "agent_id", limits).is_ok().then(|| Arc::from(id))
        };
        let agent_id = named(Operation::InvokeAgent, |genai| genai.agent().map(str::to_owned));
        let graph_id = named(Operation::InvokeWorkflow, |genai| Some(genai.workflow()));
        Self {
            parent: span.parent_span_id.as_slice().try_into().ok(),
            owner: Owner { agent_id, graph_id, ..Owner::default() },
        }
    }
}

/// The spans seen last, with the way up.
#[derive(Debug, Default)]
pub(crate) struct Lineage {
    links: HashMap<SpanKey, Link>,
    oldest: VecDeque<SpanKey>,
}

impl Lineage {
    pub(super) fn insert(&mut self, key: SpanKey, link: Link) {
        if self.links.insert(key, link).is_none() {
            self.oldest.push_back(key);
        }
        if self.oldest.len() > REMEMBERED
            && let Some(oldest) = self.oldest.pop_front()
        {
            self.links.remove(&oldest);
        }
    }

    /// The nearest agent, the one that called it, and the nearest graph at or above a span.
    pub(super) fn owner(&self, key: SpanKey) -> Owner {
        let mut owner = Owner::default();
        let mut at = key;
        for _ in 0..STEPS {
            let Some(link) = self.links.get(&at) else { break };
            if owner.agent_id.is_some() && link.owner.agent_id != owner.agent_id {
                owner.parent_agent_id = owner.parent_agent_id.or_else(|| link.owner.agent_id.clone());
            }
            owner.agent_id = owner.agent_id.or_else(|| link.owner.agent_id.clone());
            owner.graph_id = owner.graph_id.or_else(|| link.owner.graph_id.clone());
            let Some(parent) = link.parent else { break };
            at.span_id = parent;
        }
        owner
    }
}
