//! The host's functions as imports. Each call that gives bytes has the host allocate
//! them here, by proxy_on_memory_allocate, and takes them over.

use super::{check, Answer};
use crate::abi;
use std::alloc::{alloc, Layout};
use std::ptr::null_mut;

/// Allocates what the host is to fill. It touches nothing else: whatever is under way in
/// this instance has called the host, and goes on afterwards.
#[no_mangle]
pub extern "C" fn proxy_on_memory_allocate(size: usize) -> *mut u8 {
    match Layout::from_size_align(size, 1) {
        // SAFETY: the size is not zero.
        Ok(layout) if size > 0 => unsafe { alloc(layout) },
        _ => null_mut(),
    }
}

/// Where the host puts pointer and size.
struct Room(*mut u8, usize);

impl Room {
    fn new() -> Room {
        Room(null_mut(), 0)
    }

    /// Takes what the host has put there.
    fn take(self, status: u32) -> Answer<Vec<u8>> {
        check(status)?;
        if self.0.is_null() {
            return Ok(Vec::new());
        }
        // SAFETY: the host got it of proxy_on_memory_allocate, which allocates as Vec does.
        Ok(unsafe { Vec::from_raw_parts(self.0, self.1, self.1) })
    }
}

pub(crate) fn log(level: u32, text: &str) {
    // SAFETY: here and below, the host reads and writes what it is given before it returns.
    unsafe { abi::proxy_log(level, text.as_ptr(), text.len()) };
}

pub(crate) fn now() -> u64 {
    let mut time = 0;
    unsafe { abi::proxy_get_current_time_nanoseconds(&mut time) };
    time
}

pub(crate) fn set_tick(milliseconds: u32) {
    unsafe { abi::proxy_set_tick_period_milliseconds(milliseconds) };
}

pub(crate) fn set_effective(context: u32) -> Answer<()> {
    check(unsafe { abi::proxy_set_effective_context(context) })
}

pub(crate) fn status() -> (u32, Vec<u8>) {
    let (mut code, mut room) = (0, Room::new());
    let st = unsafe { abi::proxy_get_status(&mut code, &mut room.0, &mut room.1) };
    (code, room.take(st).unwrap_or_default())
}

pub(crate) fn buffer(kind: u32, start: u32, most: u32) -> Answer<Vec<u8>> {
    let mut room = Room::new();
    let st = unsafe { abi::proxy_get_buffer_bytes(kind, start, most, &mut room.0, &mut room.1) };
    room.take(st)
}

pub(crate) fn set_buffer(kind: u32, start: u32, size: u32, data: &[u8]) -> Answer<()> {
    check(unsafe { abi::proxy_set_buffer_bytes(kind, start, size, data.as_ptr(), data.len()) })
}

pub(crate) fn pairs(map: u32) -> Answer<Vec<u8>> {
    let mut room = Room::new();
    let st = unsafe { abi::proxy_get_header_map_pairs(map, &mut room.0, &mut room.1) };
    room.take(st)
}

pub(crate) fn value(map: u32, key: &str) -> Answer<Vec<u8>> {
    let mut room = Room::new();
    let st = unsafe { abi::proxy_get_header_map_value(map, key.as_ptr(), key.len(), &mut room.0, &mut room.1) };
    room.take(st)
}

pub(crate) fn add(map: u32, key: &str, value: &[u8]) -> Answer<()> {
    check(unsafe { abi::proxy_add_header_map_value(map, key.as_ptr(), key.len(), value.as_ptr(), value.len()) })
}

pub(crate) fn replace(map: u32, key: &str, value: &[u8]) -> Answer<()> {
    check(unsafe { abi::proxy_replace_header_map_value(map, key.as_ptr(), key.len(), value.as_ptr(), value.len()) })
}

pub(crate) fn remove(map: u32, key: &str) -> Answer<()> {
    check(unsafe { abi::proxy_remove_header_map_value(map, key.as_ptr(), key.len()) })
}

pub(crate) fn property(path: &[u8]) -> Answer<Vec<u8>> {
    let mut room = Room::new();
    let st = unsafe { abi::proxy_get_property(path.as_ptr(), path.len(), &mut room.0, &mut room.1) };
    room.take(st)
}

pub(crate) fn set_property(path: &[u8], value: &[u8]) -> Answer<()> {
    check(unsafe { abi::proxy_set_property(path.as_ptr(), path.len(), value.as_ptr(), value.len()) })
}

pub(crate) fn resume(direction: u32) -> Answer<()> {
    check(unsafe { abi::proxy_continue_stream(direction) })
}

pub(crate) fn close(direction: u32) -> Answer<()> {
    check(unsafe { abi::proxy_close_stream(direction) })
}

pub(crate) fn reply(status: u32, details: &str, body: &[u8], pairs: &[u8]) -> Answer<()> {
    check(unsafe {
        abi::proxy_send_local_response(
            status,
            details.as_ptr(),
            details.len(),
            body.as_ptr(),
            body.len(),
            pairs.as_ptr(),
            pairs.len(),
            -1, // no gRPC status
        )
    })
}

pub(crate) fn call(upstream: &str, pairs: &[u8], body: &[u8], milliseconds: u32) -> Answer<u32> {
    let mut token = 0;
    let no_trailers = 0u32.to_le_bytes();
    let st = unsafe {
        abi::proxy_http_call(
            upstream.as_ptr(),
            upstream.len(),
            pairs.as_ptr(),
            pairs.len(),
            body.as_ptr(),
            body.len(),
            no_trailers.as_ptr(),
            no_trailers.len(),
            milliseconds,
            &mut token,
        )
    };
    check(st).map(|()| token)
}

pub(crate) fn foreign(name: &str, argument: &[u8]) -> Answer<Vec<u8>> {
    let mut room = Room::new();
    let st = unsafe {
        abi::proxy_call_foreign_function(
            name.as_ptr(),
            name.len(),
            argument.as_ptr(),
            argument.len(),
            &mut room.0,
            &mut room.1,
        )
    };
    room.take(st)
}

pub(crate) fn shared(key: &str) -> Answer<(Vec<u8>, u32)> {
    let (mut room, mut version) = (Room::new(), 0);
    let st = unsafe { abi::proxy_get_shared_data(key.as_ptr(), key.len(), &mut room.0, &mut room.1, &mut version) };
    room.take(st).map(|value| (value, version))
}

pub(crate) fn set_shared(key: &str, value: &[u8], version: u32) -> Answer<()> {
    check(unsafe { abi::proxy_set_shared_data(key.as_ptr(), key.len(), value.as_ptr(), value.len(), version) })
}

pub(crate) fn define_metric(kind: u32, name: &str) -> Answer<u32> {
    let mut id = 0;
    check(unsafe { abi::proxy_define_metric(kind, name.as_ptr(), name.len(), &mut id) }).map(|()| id)
}

pub(crate) fn record(id: u32, value: u64) -> Answer<()> {
    check(unsafe { abi::proxy_record_metric(id, value) })
}

pub(crate) fn increment(id: u32, delta: i64) -> Answer<()> {
    check(unsafe { abi::proxy_increment_metric(id, delta) })
}

pub(crate) fn metric(id: u32) -> Answer<u64> {
    let mut value = 0;
    check(unsafe { abi::proxy_get_metric(id, &mut value) }).map(|()| value)
}
