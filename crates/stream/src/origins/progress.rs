//! All origins of a stream, and how far it has come with each over a restart.

use std::collections::BTreeMap;

use store::{Durability, Filter, OriginMark, SavedOrigins, StoreError, StreamStore};
use types::{ApiError, StreamConfig};

use super::feed::{Feed, Home};
use super::header::{self, Origin};
use crate::ctx::Ctx;

/// After so many messages what was reached is stored, so that a start need not read more.
const SAVE_EVERY: u64 = 16 * 1024;

/// The origins of a stream.
///
/// How far a source was read says the last of its messages that is stored. Once such a message may
/// be gone, the place itself is stored, before the removal is: see [`Origins::removed`].
#[derive(Debug, Default)]
pub(crate) struct Origins {
    pub(crate) mirror: Option<Box<Feed>>,
    pub(crate) sources: Vec<Feed>,
    /// Places of sources that are no longer configured.
    retired: BTreeMap<String, u64>,
    /// The stored places hold up to this sequence of the stream.
    saved_to: u64,
    /// They must be stored before anything else is.
    must_save: bool,
    last_id: u32,
    /// Some feed holds what could not be stored; something left the stream since.
    holding: bool,
    room: bool,
}

impl Origins {
    /// Whether the stream takes from none.
    pub(crate) fn is_empty(&self) -> bool {
        self.mirror.is_none() && self.sources.is_empty()
    }

    /// Where the feed with a number is now.
    pub(crate) fn place_of(&self, id: u32) -> Option<usize> {
        self.feeds().position(|feed| feed.id == id)
    }

    /// A feed by its place; a mirror has only one.
    pub(crate) fn feed_mut(&mut self, place: usize) -> Option<&mut Feed> {
        match &mut self.mirror {
            Some(mirror) if place == 0 => Some(mirror),
            Some(_) => None,
            None => self.sources.get_mut(place),
        }
    }

    pub(crate) fn feeds(&self) -> impl Iterator<Item = &Feed> {
        self.mirror.as_deref().into_iter().chain(&self.sources)
    }

    /// Lets a feed ask anew, as if its answer was lost.
    #[cfg(test)]
    pub(crate) fn ask_again_in_test(&mut self, number: usize, ctx: &Ctx<'_>) {
        if let Some(feed) = self.feed_mut(number) {
            feed.ask_again(ctx);
        }
    }

    /// Takes over a configuration; what stays the same goes on. Answers the feeds that are gone.
    pub(crate) fn configure(
        &mut self,
        config: &StreamConfig,
        home: &Home<'_>,
    ) -> Result<Vec<Feed>, ApiError> {
        let mut wanted = Vec::new();
        for source in &config.sources {
            wanted.push(Feed::source(source, &config.sources, home)?);
        }
        let mirror = match &config.mirror {
            None => None,
            Some(source) => Some(Box::new(Feed::mirror(source, home)?)),
        };
        let mut gone: Vec<Feed> = Vec::new();
        let mut held = std::mem::take(&mut self.sources);
        for mut feed in wanted {
            match held
                .iter()
                .position(|old| old.index == feed.index && old.reader() == feed.reader())
            {
                Some(at) => self.sources.push(held.swap_remove(at)),
                None => {
                    let before = held.iter().find(|old| old.index == feed.index);
                    let place = match before {
                        Some(old) => old.seen,
                        None => self.retired.remove(&feed.index).unwrap_or(0),
                    };
                    if place > 0 {
                        feed.resume(place);
                    }
                    self.must_save = true;
                    self.last_id += 1;
                    feed.id = self.last_id;
                    self.sources.push(feed);
                }
            }
        }
        for feed in held {
            if feed.seen > 0 && !self.sources.iter().any(|other| other.index == feed.index) {
                self.retired.insert(feed.index.clone(), feed.seen);
                self.must_save = true;
            }
            gone.push(feed);
        }
        match (&self.mirror, mirror) {
            (Some(_), Some(_)) => {}
            (_, Some(mut new)) => {
                self.last_id += 1;
                new.id = self.last_id;
                self.mirror = Some(new);
            }
            (_, None) => gone.extend(self.mirror.take().map(|feed| *feed)),
        }
        Ok(gone)
    }

    /// A message left the stream. If it is the last one of its source that was stored, nothing in
    /// the stream says any more how far that was read.
    pub(crate) fn removed(&mut self, seq: u64) {
        self.must_save |= seq > self.saved_to && !self.sources.is_empty();
        self.room |= self.holding;
    }

    /// Some feed holds what could not be stored.
    pub(crate) fn holds(&mut self) {
        self.holding = true;
    }

    /// Whether there is room for what is held, since the last call.
    pub(crate) fn take_room(&mut self) -> bool {
        if !std::mem::take(&mut self.room) {
            return false;
        }
        self.holding = false;
        let mirror = self.mirror.iter_mut().any(|feed| feed.release());
        self.sources.iter_mut().fold(mirror, |any, feed| feed.release() || any)
    }

    /// A purge is about to take everything, and is durable at once.
    pub(crate) fn before_purge(&mut self, last: u64) {
        self.must_save |= last > self.saved_to && !self.sources.is_empty();
    }

    /// The stream stops: the next start need not look for places.
    pub(crate) fn save_all(&mut self) {
        self.must_save |= !self.sources.is_empty();
    }

    /// Whether something is to be stored.
    pub(crate) fn is_due(&self) -> bool {
        self.must_save
    }

    /// Something was passed over that nothing in the stream tells of.
    pub(crate) fn passed_over(&mut self) {
        self.must_save = true;
    }

    /// Hands over what is to be stored with the next flush of a stream that ends at `last` and was
    /// committed up to `committed`.
    pub(crate) fn save_if_due(
        &mut self,
        store: &mut dyn StreamStore,
        committed: u64,
        last: u64,
        durability: Durability,
    ) {
        let far = !self.sources.is_empty() && last.saturating_sub(self.saved_to) > SAVE_EVERY;
        if !self.must_save && !far {
            return;
        }
        self.must_save = true;
        let places = |of: fn(&Feed) -> u64| {
            let now = self.sources.iter().map(|feed| (feed.index.clone(), of(feed)));
            let before = self.retired.iter().map(|(index, seq)| (index.clone(), *seq));
            now.chain(before).collect::<Vec<_>>()
        };
        let now = OriginMark { last_seq: last, positions: places(|feed| feed.seen) };
        let mut marks = Vec::new();
        if committed < last {
            // Should what is new not make it, that is how far it went without.
            let positions = places(|feed| feed.committed);
            marks.push(OriginMark { last_seq: committed, positions });
        }
        marks.push(now);
        store.save_origins(SavedOrigins { marks }, durability);
    }

    /// What [`save_if_due`](Self::save_if_due) handed over is stored, and so is all of the stream
    /// up to `last`.
    pub(crate) fn flushed(&mut self, last: u64) {
        if std::mem::take(&mut self.must_save) {
            self.saved_to = last;
        }
        for feed in &mut self.sources {
            feed.committed = feed.seen;
        }
    }

    /// What was not committed never happened.
    pub(crate) fn roll_back(&mut self, last: u64, ctx: &Ctx<'_>) {
        // The stored places may speak of it.
        self.must_save |= !self.sources.is_empty();
        self.saved_to = self.saved_to.min(last);
        for feed in &mut self.sources {
            feed.roll_back(ctx);
        }
        if let Some(mirror) = &mut self.mirror {
            mirror.rewind(last, ctx);
        }
    }

    /// Finds out how far each source was read, from what is stored (`startingSequenceForSources`).
    pub(crate) fn recover(
        &mut self,
        config: &StreamConfig,
        store: &mut dyn StreamStore,
    ) -> Result<(), StoreError> {
        let totals = store.totals();
        if let Some(mirror) = &mut self.mirror {
            if totals.last_seq > 0 {
                mirror.resume(totals.last_seq);
            }
            return Ok(());
        }
        let saved = store.take_origins();
        let was_saved = saved.is_some();
        let saved = saved.unwrap_or_default();
        self.must_save = !was_saved && !self.sources.is_empty()
            || saved.marks.iter().any(|mark| mark.last_seq > totals.last_seq);
        let valid = saved.marks.into_iter().rev().find(|mark| mark.last_seq <= totals.last_seq);
        let mark = valid.unwrap_or_default();
        self.saved_to = mark.last_seq;
        self.retired = mark.positions.into_iter().collect();
        let mut places: Vec<u64> =
            self.sources.iter().map(|feed| self.retired.remove(&feed.index).unwrap_or(0)).collect();
        let floor = match was_saved {
            true => self.saved_to,
            false => config.first_seq.max(1) - 1,
        };
        let found = self.scan(store, floor, totals.last_seq)?;
        let complete = found.seen == totals.last_seq.saturating_sub(floor);
        for ((feed, place), found) in self.sources.iter_mut().zip(&mut places).zip(found.places) {
            let from_stored = found.is_some();
            *place = (*place).max(found.unwrap_or(0));
            if *place > 0 {
                feed.resume(*place);
            }
            // This server stores its place before anything is missing. Where another one ran, all
            // that is known is that the stream had everything up to its last message.
            if !from_stored && !complete && !totals.last_ts.is_zero() {
                feed.not_before(totals.last_ts);
            }
        }
        Ok(())
    }

    /// Looks for the last message of each source above `floor`, from the end.
    fn scan(&self, store: &mut dyn StreamStore, floor: u64, last: u64) -> Result<Scan, StoreError> {
        let mut scan = Scan { places: vec![None; self.sources.len()], seen: 0 };
        let mut at = last;
        while at > floor && scan.places.iter().any(Option::is_none) {
            let Some(msg) = store.last_match(&Filter::all(), at)? else { break };
            if msg.seq <= floor {
                break;
            }
            scan.seen += 1;
            at = msg.seq - 1;
            if let Some(origin) = header::index_of(msg.headers) {
                self.note(&origin, &mut scan.places);
            }
        }
        Ok(scan)
    }

    fn note(&self, origin: &Origin, places: &mut [Option<u64>]) {
        for (feed, place) in self.sources.iter().zip(places) {
            let is_it = match &origin.index {
                Some(index) => feed.index == *index,
                // Headers of old servers are for every source of that stream.
                None => feed.index.split(' ').next() == Some(origin.stream.as_str()),
            };
            if is_it && place.is_none() {
                *place = Some(origin.seq);
            }
        }
    }
}

/// What was found of each source.
struct Scan {
    places: Vec<Option<u64>>,
    /// Messages looked at.
    seen: u64,
}
