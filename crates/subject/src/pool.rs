//! Runs of items in a few large pieces of memory, where an allocation for each would cost more
//! than what it holds.

use std::mem;

/// Items in one piece of memory. A run is never spread over two.
const SEGMENT: usize = 1 << SHIFT;
const SHIFT: u32 = 12;
const CLASSES: usize = 44;

/// The capacities that runs have: all up to 8, then four for each doubling.
const SIZES: [usize; CLASSES] = {
    let mut sizes = [0; CLASSES];
    let mut class = 0;
    while class < CLASSES {
        sizes[class] = if class < 8 {
            class + 1
        } else {
            let (doubling, quarter) = ((class - 8) / 4, (class - 8) % 4);
            (8 << doubling) + (quarter + 1) * (2 << doubling)
        };
        class += 1;
    }
    sizes
};

/// The class of the smallest capacity for a run of `len`; `CLASSES` where none is large enough.
fn class_of(len: usize) -> usize {
    match len {
        1..=8 => len - 1,
        _ => SIZES.partition_point(|&size| size < len),
    }
}

fn size_of(class: usize) -> usize {
    SIZES.get(class).copied().unwrap_or_default()
}

/// Memory for runs of items, which are named by where they start.
///
/// Who took a run knows its length and says it with every call. What a run does not use yet, and
/// what is free, holds `T::default()`.
#[derive(Debug)]
pub(crate) struct Pool<T> {
    /// Full ones have `SEGMENT` items; a run longer than that has one of its own.
    segments: Vec<Vec<T>>,
    /// The segment that is being filled.
    open: usize,
    /// Segments whose long run was given back.
    vacant: Vec<usize>,
    /// Where free runs start, by class.
    free: Vec<Vec<u32>>,
    /// The classes that have free runs, as bits.
    has_free: u64,
    /// Items in free runs.
    free_items: usize,
}

impl<T> Pool<T> {
    pub(crate) const fn new() -> Self {
        Pool {
            segments: Vec::new(),
            open: 0,
            vacant: Vec::new(),
            free: Vec::new(),
            has_free: 0,
            free_items: 0,
        }
    }

    fn split(at: u32) -> (usize, usize) {
        let at = at as usize;
        (at >> SHIFT, at & (SEGMENT - 1))
    }

    fn slot(&mut self, start: (usize, usize), place: usize) -> Option<&mut T> {
        self.segments.get_mut(start.0)?.get_mut(start.1 + place)
    }

    fn join(segment: usize, offset: usize) -> u32 {
        u32::try_from(segment * SEGMENT + offset).expect("fewer than 2^32 items fit in memory")
    }

    /// The `len` items of the run at `at`.
    pub(crate) fn run(&self, at: u32, len: usize) -> &[T] {
        let (segment, offset) = Self::split(at);
        let items = self.segments.get(segment).and_then(|items| items.get(offset..offset + len));
        items.unwrap_or_default()
    }

    pub(crate) fn run_mut(&mut self, at: u32, len: usize) -> &mut [T] {
        let (segment, offset) = Self::split(at);
        let items = self.segments.get_mut(segment);
        items.and_then(|items| items.get_mut(offset..offset + len)).unwrap_or_default()
    }

    pub(crate) fn get_mut(&mut self, at: u32) -> Option<&mut T> {
        self.slot(Self::split(at), 0)
    }

    /// Whether most of the memory is in free runs.
    pub(crate) fn is_sparse(&self) -> bool {
        let items: usize = self.segments.iter().map(Vec::len).sum();
        self.free_items > items / 2
    }
}

impl<T: Default> Pool<T> {
    /// Takes a run of `len` items, which are defaults.
    pub(crate) fn take(&mut self, len: usize) -> u32 {
        if len == 0 {
            return 0;
        }
        let class = class_of(len);
        if class == CLASSES {
            return self.take_long(len);
        }
        let size = size_of(class);
        let fitting = self.has_free >> class;
        if fitting != 0 {
            let from = class + fitting.trailing_zeros() as usize;
            if let Some(at) = self.take_free(from) {
                self.free_span(at + size as u32, size_of(from) - size);
                return at;
            }
        }
        let filled = self.segments.get(self.open).map_or(SEGMENT, Vec::len);
        if SEGMENT - filled < size {
            if let Some(items) = self.segments.get_mut(self.open) {
                items.resize_with(SEGMENT, T::default);
                self.free_span(Self::join(self.open, filled), SEGMENT - filled);
            }
            self.open = self.segments.len();
            // The first one grows, since most pools stay small.
            let room = if self.open == 0 { 0 } else { SEGMENT };
            self.segments.push(Vec::with_capacity(room));
        }
        let Some(items) = self.segments.get_mut(self.open) else { return 0 };
        let offset = items.len();
        items.resize_with(offset + size, T::default);
        Self::join(self.open, offset)
    }

    fn take_long(&mut self, len: usize) -> u32 {
        let mut items = Vec::with_capacity(len);
        items.resize_with(len, T::default);
        let segment = self.vacant.pop().unwrap_or(self.segments.len());
        match self.segments.get_mut(segment) {
            Some(vacant) => *vacant = items,
            None => {
                if self.segments.is_empty() {
                    // Small runs go elsewhere.
                    self.open = usize::MAX;
                }
                self.segments.push(items);
            }
        }
        Self::join(segment, 0)
    }

    fn take_free(&mut self, class: usize) -> Option<u32> {
        let runs = self.free.get_mut(class)?;
        let at = runs.pop()?;
        if runs.is_empty() {
            self.has_free &= !(1 << class);
        }
        self.free_items -= size_of(class);
        Some(at)
    }

    /// Makes `len` items free, in runs as long as may be.
    fn free_span(&mut self, mut at: u32, mut len: usize) {
        while len > 0 {
            let class = SIZES.partition_point(|&size| size <= len) - 1;
            if self.free.len() <= class {
                self.free.resize_with(class + 1, Vec::new);
            }
            if let Some(runs) = self.free.get_mut(class) {
                runs.push(at);
            }
            self.has_free |= 1 << class;
            let size = size_of(class);
            self.free_items += size;
            at += size as u32;
            len -= size;
        }
    }

    /// Gives back a run of `len` items, which were taken out of it.
    pub(crate) fn give_back(&mut self, at: u32, len: usize) {
        if len == 0 {
            return;
        }
        let class = class_of(len);
        if class < CLASSES {
            self.free_span(at, size_of(class));
            return;
        }
        let (segment, _) = Self::split(at);
        if let Some(items) = self.segments.get_mut(segment) {
            *items = Vec::new();
            self.vacant.push(segment);
        }
    }

    /// Puts `item` into the run at `at` before its item number `place`; answers where the run is
    /// now.
    pub(crate) fn insert(&mut self, at: u32, len: usize, place: usize, item: T) -> u32 {
        let at = self.resize(at, len, len + 1);
        if let Some(behind) = self.run_mut(at, len + 1).get_mut(place..) {
            behind.rotate_right(1);
            if let Some(first) = behind.first_mut() {
                *first = item;
            }
        }
        at
    }

    /// Takes item number `place` out of the run at `at`; answers it and where the run is now.
    pub(crate) fn remove(&mut self, at: u32, len: usize, place: usize) -> (T, u32) {
        let mut item = T::default();
        if let Some(behind) = self.run_mut(at, len).get_mut(place..) {
            if let Some(first) = behind.first_mut() {
                mem::swap(first, &mut item);
            }
            behind.rotate_left(1);
        }
        (item, self.resize(at, len, len - 1))
    }

    /// Moves a run if its new length is of another class.
    fn resize(&mut self, at: u32, len: usize, new: usize) -> u32 {
        if len > 0 && new > 0 {
            let class = class_of(len);
            if class < CLASSES && class == class_of(new) {
                return at;
            }
        }
        let to = self.take(new);
        let (from, into) = (Self::split(at), Self::split(to));
        for place in 0..len.min(new) {
            let item = self.slot(from, place).map(mem::take).unwrap_or_default();
            if let Some(slot) = self.slot(into, place) {
                *slot = item;
            }
        }
        self.give_back(at, len);
        to
    }
}
