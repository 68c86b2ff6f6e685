//! Subject mappings of an account: what is published goes elsewhere.

use std::sync::Arc;

use subject::{Transform, TransformError, number_wildcards};

/// One destination of a mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// Subject template.
    pub subject: String,
    /// Share of the messages, percent.
    pub weight: u8,
}

/// What becomes of messages beyond the sum of a mapping's weights (`server/accounts.go`
/// `AddWeightedMappings`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// They go where they were published to.
    ToSource,
    /// They are lost: the source is itself among the destinations, with a weight of its own.
    Lost,
}

/// The mappings of an account, in order; the first that matches counts (`server/accounts.go`
/// `selectMappedSubject`).
#[derive(Debug, Default)]
pub struct Mappings {
    all: Vec<Mapping>,
}

#[derive(Debug)]
struct Mapping {
    source: Box<[u8]>,
    /// With the sum of weights up to and with each.
    destinations: Vec<(u8, Transform)>,
}

/// Where messages on one subject go.
#[derive(Debug)]
pub(crate) enum Mapped {
    /// Nowhere else.
    Not,
    /// To one of these, by the sum of weights; to nobody beyond the last.
    To(Vec<(u8, Arc<[u8]>)>),
    /// It has to be worked out for each message.
    Anew(usize),
}

impl Mappings {
    /// No mapping.
    pub fn new() -> Self {
        Mappings::default()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Adds one; `rest` is for messages beyond the sum of weights.
    ///
    /// # Errors
    /// When a destination does not fit the source; nothing is added.
    pub fn add(
        &mut self,
        source: &str,
        to: &[Destination],
        rest: Rest,
    ) -> Result<(), TransformError> {
        let mut weighted: Vec<(u8, Transform)> = Vec::new();
        for destination in to {
            let transform = Transform::new(source, &destination.subject)?;
            weighted.push((destination.weight, transform));
        }
        let total: u32 = to.iter().map(|destination| u32::from(destination.weight)).sum();
        let missing = u8::try_from(100_u32.saturating_sub(total)).unwrap_or(100);
        if missing > 0 && rest == Rest::ToSource {
            weighted.push((missing, Transform::new(source, &number_wildcards(source))?));
        }
        weighted.sort_by_key(|(weight, _)| *weight);
        let mut sum = 0_u8;
        for (weight, _) in &mut weighted {
            sum = sum.saturating_add(*weight);
            *weight = sum;
        }
        self.all.push(Mapping { source: source.as_bytes().into(), destinations: weighted });
        Ok(())
    }

    /// What becomes of messages on a literal subject.
    pub(crate) fn find(&self, subject: &[u8]) -> Mapped {
        let found = self
            .all
            .iter()
            .position(|mapping| subject::is_literal(subject) && covers(&mapping.source, subject));
        let Some((at, mapping)) = found.and_then(|at| Some((at, self.all.get(at)?))) else {
            return Mapped::Not;
        };
        if mapping.destinations.iter().any(|(_, transform)| transform.is_random()) {
            return Mapped::Anew(at);
        }
        let to = mapping.destinations.iter();
        Mapped::To(to.map(|(sum, t)| (*sum, t.rewrite_pattern(subject).into())).collect())
    }

    /// Works out one message; `pick` is below 100.
    pub(crate) fn anew(&self, at: usize, subject: &[u8], pick: u8) -> Arc<[u8]> {
        let destinations = self.all.get(at).map(|mapping| mapping.destinations.iter());
        let chosen = destinations.and_then(|mut all| all.find(|(sum, _)| pick < *sum));
        chosen.map(|(_, transform)| transform.rewrite_pattern(subject).into()).unwrap_or_default()
    }
}

fn covers(source: &[u8], subject: &[u8]) -> bool {
    source == subject || subject::matches(subject, source)
}
