//! The stream's consumers, by slot and by name.

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use crate::consumer::Consumer;

/// Consumers in slots that stay theirs for life.
#[derive(Default)]
pub(crate) struct Consumers {
    slots: Vec<Option<Box<Consumer>>>,
    names: HashMap<Box<[u8]>, u32, RandomState>,
}

impl Consumers {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The slot of a name.
    pub(crate) fn find(&self, name: &[u8]) -> Option<u32> {
        self.names.get(name).copied()
    }

    /// The consumer in a slot.
    pub(crate) fn get(&self, slot: u32) -> Option<&Consumer> {
        self.slots.get(slot as usize)?.as_deref()
    }

    /// The consumer in a slot.
    pub(crate) fn get_mut(&mut self, slot: u32) -> Option<&mut Consumer> {
        self.slots.get_mut(slot as usize)?.as_deref_mut()
    }

    /// All, in order of slots.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Consumer> {
        self.slots.iter().filter_map(|slot| slot.as_deref())
    }

    /// All, in order of slots.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Consumer> {
        self.slots.iter_mut().filter_map(|slot| slot.as_deref_mut())
    }

    /// All with their slots.
    pub(crate) fn slots_mut(&mut self) -> impl Iterator<Item = (u32, &mut Consumer)> {
        (0u32..).zip(&mut self.slots).filter_map(|(slot, c)| Some((slot, c.as_deref_mut()?)))
    }

    /// All slots in use.
    pub(crate) fn slots(&self) -> Vec<u32> {
        (0u32..).zip(&self.slots).filter(|(_, c)| c.is_some()).map(|(slot, _)| slot).collect()
    }

    /// Names in order.
    pub(crate) fn sorted_names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.iter().map(|c| c.name.clone()).collect();
        names.sort_unstable();
        names
    }

    /// Adds a consumer under its name.
    pub(crate) fn add(&mut self, consumer: Consumer) -> u32 {
        let name: Box<[u8]> = consumer.name.as_bytes().into();
        let free = self.slots.iter().position(Option::is_none);
        let at = match free {
            Some(at) => {
                if let Some(slot) = self.slots.get_mut(at) {
                    *slot = Some(Box::new(consumer));
                }
                at
            }
            None => {
                self.slots.push(Some(Box::new(consumer)));
                self.slots.len() - 1
            }
        };
        let slot = u32::try_from(at).unwrap_or(u32::MAX);
        self.names.insert(name, slot);
        slot
    }

    /// Takes a consumer out.
    pub(crate) fn remove(&mut self, slot: u32) -> Option<Box<Consumer>> {
        let consumer = self.slots.get_mut(slot as usize)?.take()?;
        self.names.remove(consumer.name.as_bytes());
        Some(consumer)
    }
}
