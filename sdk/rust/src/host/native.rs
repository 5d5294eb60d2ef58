//! The host's functions where there is no WebAssembly: they are those of the host that
//! runs the filter, of which a thread has one at a time.

use super::Answer;
use crate::abi::status;
use std::cell::RefCell;
use std::rc::Rc;

/// What a host does for guests.
pub(crate) trait Functions {
    fn log(&self, level: u32, text: &str);
    fn now(&self) -> u64;
    fn set_tick(&self, milliseconds: u32);
    fn set_effective(&self, context: u32) -> Answer<()>;
    fn status(&self) -> (u32, Vec<u8>);
    fn buffer(&self, kind: u32, start: u32, most: u32) -> Answer<Vec<u8>>;
    fn set_buffer(&self, kind: u32, start: u32, size: u32, data: &[u8]) -> Answer<()>;
    fn pairs(&self, map: u32) -> Answer<Vec<u8>>;
    fn value(&self, map: u32, key: &str) -> Answer<Vec<u8>>;
    fn add(&self, map: u32, key: &str, value: &[u8]) -> Answer<()>;
    fn replace(&self, map: u32, key: &str, value: &[u8]) -> Answer<()>;
    fn remove(&self, map: u32, key: &str) -> Answer<()>;
    fn property(&self, path: &[u8]) -> Answer<Vec<u8>>;
    fn set_property(&self, path: &[u8], value: &[u8]) -> Answer<()>;
    fn resume(&self, direction: u32) -> Answer<()>;
    fn close(&self, direction: u32) -> Answer<()>;
    fn reply(&self, status: u32, details: &str, body: &[u8], pairs: &[u8]) -> Answer<()>;
    fn call(&self, upstream: &str, pairs: &[u8], body: &[u8], milliseconds: u32) -> Answer<u32>;
    fn foreign(&self, name: &str, argument: &[u8]) -> Answer<Vec<u8>>;
    fn shared(&self, key: &str) -> Answer<(Vec<u8>, u32)>;
    fn set_shared(&self, key: &str, value: &[u8], version: u32) -> Answer<()>;
    fn define_metric(&self, kind: u32, name: &str) -> Answer<u32>;
    fn record(&self, id: u32, value: u64) -> Answer<()>;
    fn increment(&self, id: u32, delta: i64) -> Answer<()>;
    fn metric(&self, id: u32) -> Answer<u64>;
}

thread_local! {
    static CURRENT: RefCell<Option<Rc<dyn Functions>>> = RefCell::new(None);
}

/// Puts a host in place, and returns the one that was there.
pub(crate) fn put(host: Option<Rc<dyn Functions>>) -> Option<Rc<dyn Functions>> {
    CURRENT.with(|c| c.replace(host))
}

/// Calls the host; outside of its calls there is none, and nothing it could answer.
fn with<T>(none: T, f: impl FnOnce(&dyn Functions) -> T) -> T {
    match CURRENT.try_with(|c| c.borrow().clone()) {
        Ok(Some(host)) => f(&*host),
        _ => none,
    }
}

const NOBODY: u32 = status::UNIMPLEMENTED;

pub(crate) fn log(level: u32, text: &str) {
    with((), |h| h.log(level, text))
}

pub(crate) fn now() -> u64 {
    with(0, |h| h.now())
}

pub(crate) fn set_tick(milliseconds: u32) {
    with((), |h| h.set_tick(milliseconds))
}

pub(crate) fn set_effective(context: u32) -> Answer<()> {
    with(Err(NOBODY), |h| h.set_effective(context))
}

pub(crate) fn status() -> (u32, Vec<u8>) {
    with((NOBODY, Vec::new()), |h| h.status())
}

pub(crate) fn buffer(kind: u32, start: u32, most: u32) -> Answer<Vec<u8>> {
    with(Err(NOBODY), |h| h.buffer(kind, start, most))
}

pub(crate) fn set_buffer(kind: u32, start: u32, size: u32, data: &[u8]) -> Answer<()> {
    with(Err(NOBODY), |h| h.set_buffer(kind, start, size, data))
}

pub(crate) fn pairs(map: u32) -> Answer<Vec<u8>> {
    with(Err(NOBODY), |h| h.pairs(map))
}

pub(crate) fn value(map: u32, key: &str) -> Answer<Vec<u8>> {
    with(Err(NOBODY), |h| h.value(map, key))
}

pub(crate) fn add(map: u32, key: &str, value: &[u8]) -> Answer<()> {
    with(Err(NOBODY), |h| h.add(map, key, value))
}

pub(crate) fn replace(map: u32, key: &str, value: &[u8]) -> Answer<()> {
    with(Err(NOBODY), |h| h.replace(map, key, value))
}

pub(crate) fn remove(map: u32, key: &str) -> Answer<()> {
    with(Err(NOBODY), |h| h.remove(map, key))
}

pub(crate) fn property(path: &[u8]) -> Answer<Vec<u8>> {
    with(Err(NOBODY), |h| h.property(path))
}

pub(crate) fn set_property(path: &[u8], value: &[u8]) -> Answer<()> {
    with(Err(NOBODY), |h| h.set_property(path, value))
}

pub(crate) fn resume(direction: u32) -> Answer<()> {
    with(Err(NOBODY), |h| h.resume(direction))
}

pub(crate) fn close(direction: u32) -> Answer<()> {
    with(Err(NOBODY), |h| h.close(direction))
}

pub(crate) fn reply(status: u32, details: &str, body: &[u8], pairs: &[u8]) -> Answer<()> {
    with(Err(NOBODY), |h| h.reply(status, details, body, pairs))
}

pub(crate) fn call(upstream: &str, pairs: &[u8], body: &[u8], milliseconds: u32) -> Answer<u32> {
    with(Err(NOBODY), |h| h.call(upstream, pairs, body, milliseconds))
}

pub(crate) fn foreign(name: &str, argument: &[u8]) -> Answer<Vec<u8>> {
    with(Err(NOBODY), |h| h.foreign(name, argument))
}

pub(crate) fn shared(key: &str) -> Answer<(Vec<u8>, u32)> {
    with(Err(NOBODY), |h| h.shared(key))
}

pub(crate) fn set_shared(key: &str, value: &[u8], version: u32) -> Answer<()> {
    with(Err(NOBODY), |h| h.set_shared(key, value, version))
}

pub(crate) fn define_metric(kind: u32, name: &str) -> Answer<u32> {
    with(Err(NOBODY), |h| h.define_metric(kind, name))
}

pub(crate) fn record(id: u32, value: u64) -> Answer<()> {
    with(Err(NOBODY), |h| h.record(id, value))
}

pub(crate) fn increment(id: u32, delta: i64) -> Answer<()> {
    with(Err(NOBODY), |h| h.increment(id, delta))
}

pub(crate) fn metric(id: u32) -> Answer<u64> {
    with(Err(NOBODY), |h| h.metric(id))
}
