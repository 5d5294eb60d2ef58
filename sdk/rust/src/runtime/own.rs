//! Where an instance keeps what it has. Nothing here can be borrowed twice.

use std::cell::Cell;
use std::rc::Rc;

/// A value that is taken out while it is used: who comes meanwhile finds an empty one,
/// and no panic.
#[derive(Default)]
pub(crate) struct Own<T>(Cell<T>);

impl<T: Default> Own<T> {
    pub fn new(value: T) -> Own<T> {
        Own(Cell::new(value))
    }

    /// Uses it. The function must not call the host, or code of an author's.
    pub fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        let mut value = self.0.take();
        let result = f(&mut value);
        self.0.set(value);
        result
    }

    /// Takes it, and leaves an empty one.
    pub fn take(&self) -> T {
        self.0.take()
    }

    /// Puts another one in its place.
    pub fn put(&self, value: T) {
        drop(self.0.replace(value));
    }
}

impl<T: Default + Clone> Own<T> {
    pub fn get(&self) -> T {
        self.with(|value| value.clone())
    }
}

/// What has a number that the host has chosen: a table of hashes, each at its place or
/// behind it.
pub(crate) struct Numbered<T>(Own<Table<T>>);

struct Table<T> {
    slots: Vec<Option<(u64, Rc<T>)>>,
    count: usize,
}

impl<T> Default for Table<T> {
    fn default() -> Table<T> {
        Table { slots: Vec::new(), count: 0 }
    }
}

impl<T> Default for Numbered<T> {
    fn default() -> Numbered<T> {
        Numbered(Own::default())
    }
}

impl<T> Numbered<T> {
    pub fn get(&self, key: u64) -> Option<Rc<T>> {
        self.0.with(|t| t.find(key).and_then(|at| t.slots.get(at)?.as_ref().map(|(_, value)| value.clone())))
    }

    pub fn insert(&self, key: u64, value: Rc<T>) {
        drop(self.remove(key));
        self.0.with(|t| {
            if 4 * (t.count + 1) > 3 * t.slots.len() {
                t.grow();
            }
            t.place(key, value);
            t.count += 1;
        })
    }

    pub fn remove(&self, key: u64) -> Option<Rc<T>> {
        self.0.with(|t| t.find(key).and_then(|at| t.remove(at)))
    }

    /// Takes out those that fit.
    pub fn remove_all(&self, fits: impl Fn(&T) -> bool) -> Vec<Rc<T>> {
        self.0.with(|t| {
            let all = std::mem::take(&mut t.slots).into_iter().flatten();
            let (mut out, mut rest) = (Vec::new(), Vec::new());
            for (key, value) in all {
                if fits(&value) {
                    out.push(value);
                } else {
                    rest.push((key, value));
                }
            }
            t.count = rest.len();
            t.slots.resize_with((2 * rest.len()).next_power_of_two(), || None);
            rest.into_iter().for_each(|(key, value)| t.place(key, value));
            out
        })
    }
}

impl<T> Table<T> {
    fn home(&self, key: u64) -> usize {
        (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize & self.mask()
    }

    fn mask(&self) -> usize {
        self.slots.len().wrapping_sub(1)
    }

    /// Where a key is. There is always an empty slot.
    fn find(&self, key: u64) -> Option<usize> {
        let mut at = self.home(key);
        while let Some((there, _)) = self.slots.get(at)? {
            if *there == key {
                return Some(at);
            }
            at = (at + 1) & self.mask();
        }
        None
    }

    fn place(&mut self, key: u64, value: Rc<T>) {
        let mut at = self.home(key);
        while let Some(Some(_)) = self.slots.get(at) {
            at = (at + 1) & self.mask();
        }
        if let Some(slot) = self.slots.get_mut(at) {
            *slot = Some((key, value));
        }
    }

    fn grow(&mut self) {
        let size = (2 * self.slots.len()).max(8);
        let old = std::mem::take(&mut self.slots);
        self.slots.resize_with(size, || None);
        for (key, value) in old.into_iter().flatten() {
            self.place(key, value);
        }
    }

    /// Empties a slot, and moves those behind it nearer to their places.
    fn remove(&mut self, at: usize) -> Option<Rc<T>> {
        let out = self.slots.get_mut(at)?.take();
        self.count -= usize::from(out.is_some());
        let (mut free, mut next) = (at, at);
        loop {
            next = (next + 1) & self.mask();
            let key = match self.slots.get(next) {
                Some(Some((key, _))) => *key,
                _ => return out.map(|(_, value)| value),
            };
            let from_home = next.wrapping_sub(self.home(key)) & self.mask();
            if from_home >= next.wrapping_sub(free) & self.mask() {
                self.slots.swap(free, next);
                free = next;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn a_table_holds_what_a_map_would() {
        let (table, mut map, mut random) = (Numbered::default(), BTreeMap::new(), crate::test::Random::new(3));
        for n in 0..100_000u64 {
            let key = random.below(300) as u64 * 0x1_0000_0001;
            if random.below(2) == 0 {
                table.insert(key, Rc::new(n));
                map.insert(key, n);
            } else {
                assert_eq!(table.remove(key).map(|v| *v), map.remove(&key));
            }
            let key = random.below(300) as u64 * 0x1_0000_0001;
            assert_eq!(table.get(key).map(|v| *v), map.get(&key).copied());
        }
        let odd = table.remove_all(|n| n % 2 == 1).len();
        assert_eq!(odd, map.values().filter(|n| *n % 2 == 1).count());
        for (key, n) in map {
            assert_eq!(table.get(key).map(|v| *v), Some(n).filter(|n| n % 2 == 0));
        }
    }
}
