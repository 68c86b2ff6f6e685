//! Matches that were looked up before.

use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use subject::MatchResult;

use crate::mappings::Mapped;
use crate::{Mappings, SubjectSpace, Subscription};

pub(crate) type Matches = MatchResult<Arc<Subscription>>;

/// Most subjects whose matches are remembered (`server/client.go` `maxResultCacheSize` is 512;
/// ours costs less per entry).
const MAX_CACHED: usize = 4096;
/// Most spaces whose matches are remembered: the sender's own, and those it imports from.
const MAX_SPACES: usize = 8;

/// Matches by subject, of the space of a sender and of those that its messages reach by imports.
#[derive(Default)]
pub(crate) struct MatchCache {
    spaces: Vec<SpaceCache>,
}

/// Matches by subject, good for one generation of one space.
#[derive(Default)]
struct SpaceCache {
    space: usize,
    generation: u64,
    last: Option<Arc<Cached>>,
    map: HashMap<Box<[u8]>, Arc<Cached>, RandomState>,
}

pub(crate) struct Cached {
    subject: Box<[u8]>,
    pub(crate) matches: Matches,
}

impl MatchCache {
    #[inline]
    pub(crate) fn get(&mut self, space: &Arc<SubjectSpace>, subject: &[u8]) -> Arc<Cached> {
        let id = Arc::as_ptr(space) as usize;
        let at = match self.spaces.iter().position(|cache| cache.space == id) {
            Some(at) => at,
            None => self.admit(id),
        };
        match self.spaces.get_mut(at) {
            Some(cache) => cache.get(space, subject),
            // It has just been put there.
            None => look_up(space, subject),
        }
    }

    #[cold]
    fn admit(&mut self, id: usize) -> usize {
        if self.spaces.len() >= MAX_SPACES {
            self.spaces.clear();
        }
        self.spaces.push(SpaceCache { space: id, ..SpaceCache::default() });
        self.spaces.len() - 1
    }
}

fn look_up(space: &SubjectSpace, subject: &[u8]) -> Arc<Cached> {
    let mut matches = Matches::default();
    space.match_into(subject, &mut matches);
    Arc::new(Cached { subject: subject.into(), matches })
}

impl SpaceCache {
    #[inline]
    fn get(&mut self, space: &Arc<SubjectSpace>, subject: &[u8]) -> Arc<Cached> {
        let generation = space.generation();
        if generation != self.generation {
            self.generation = generation;
            self.last = None;
            self.map.clear();
        }
        if let Some(last) = &self.last
            && *last.subject == *subject
        {
            return Arc::clone(last);
        }
        let cached = match self.map.get(subject) {
            Some(cached) => Arc::clone(cached),
            None => {
                let cached = look_up(space, subject);
                if self.map.len() >= MAX_CACHED {
                    self.map.clear();
                }
                self.map.insert(subject.into(), Arc::clone(&cached));
                cached
            }
        };
        self.last = Some(Arc::clone(&cached));
        cached
    }
}

/// Where subjects are mapped to, good for one set of mappings.
#[derive(Default)]
pub(crate) struct MappingCache {
    mappings: Option<Arc<Mappings>>,
    map: HashMap<Box<[u8]>, Mapped, RandomState>,
}

impl MappingCache {
    /// Where a message goes instead; `None` leaves it where it is. `pick` draws below 100.
    pub(crate) fn get(
        &mut self,
        space: &SubjectSpace,
        subject: &[u8],
        pick: impl FnOnce() -> u8,
    ) -> Option<Arc<[u8]>> {
        let mappings = space.mappings()?;
        if self.mappings.as_ref().is_none_or(|known| !Arc::ptr_eq(known, &mappings)) {
            self.map.clear();
            self.mappings = Some(Arc::clone(&mappings));
        }
        if !self.map.contains_key(subject) {
            if self.map.len() >= MAX_CACHED {
                self.map.clear();
            }
            self.map.insert(subject.into(), mappings.find(subject));
        }
        match self.map.get(subject)? {
            Mapped::Not => None,
            Mapped::To(to) => match to.as_slice() {
                [(100, only)] => Some(Arc::clone(only)),
                several => {
                    let pick = pick();
                    let chosen = several.iter().find(|(sum, _)| pick < *sum);
                    // Beyond the last share, a message is lost on purpose.
                    Some(chosen.map(|(_, subject)| Arc::clone(subject)).unwrap_or_default())
                }
            },
            Mapped::Anew(at) => Some(mappings.anew(*at, subject, pick())),
        }
    }
}
