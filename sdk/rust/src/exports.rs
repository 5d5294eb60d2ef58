//! What the host calls, as exports.

use crate::abi::direction::{REQUEST, RESPONSE};
use crate::runtime::calls;

#[cfg(target_os = "wasi")]
extern "C" {
    fn __wasm_call_ctors();
}

/// Does what programs do before main.
pub(crate) fn start() {
    #[cfg(target_os = "wasi")]
    // SAFETY: it is called once, before all else.
    unsafe {
        __wasm_call_ctors()
    };
    std::panic::set_hook(Box::new(|panic| crate::log::critical(&panic.to_string())));
}

#[no_mangle]
pub extern "C" fn proxy_abi_version_0_2_1() {}

#[no_mangle]
pub extern "C" fn proxy_on_context_create(context: u32, root: u32) {
    calls::on_context_create(context, root)
}

#[no_mangle]
pub extern "C" fn proxy_on_vm_start(_root: u32, _size: usize) -> bool {
    true
}

#[no_mangle]
pub extern "C" fn proxy_on_configure(root: u32, size: usize) -> bool {
    calls::on_configure(root, size)
}

#[no_mangle]
pub extern "C" fn proxy_on_tick(root: u32) {
    calls::on_tick(root)
}

#[no_mangle]
pub extern "C" fn proxy_on_request_headers(context: u32, _fields: usize, end: bool) -> u32 {
    calls::on_headers(REQUEST, context, end)
}

#[no_mangle]
pub extern "C" fn proxy_on_request_body(context: u32, size: usize, end: bool) -> u32 {
    calls::on_body(REQUEST, context, size, end)
}

#[no_mangle]
pub extern "C" fn proxy_on_request_trailers(context: u32, _fields: usize) -> u32 {
    calls::on_trailers(REQUEST, context)
}

#[no_mangle]
pub extern "C" fn proxy_on_response_headers(context: u32, _fields: usize, end: bool) -> u32 {
    calls::on_headers(RESPONSE, context, end)
}

#[no_mangle]
pub extern "C" fn proxy_on_response_body(context: u32, size: usize, end: bool) -> u32 {
    calls::on_body(RESPONSE, context, size, end)
}

#[no_mangle]
pub extern "C" fn proxy_on_response_trailers(context: u32, _fields: usize) -> u32 {
    calls::on_trailers(RESPONSE, context)
}

#[no_mangle]
pub extern "C" fn proxy_on_http_call_response(root: u32, token: u32, fields: u32, _size: usize, _trailers: u32) {
    calls::on_call_response(root, token, fields)
}

#[no_mangle]
pub extern "C" fn proxy_on_foreign_function(root: u32, function: u32, size: usize) {
    calls::on_foreign(root, function, size)
}

#[no_mangle]
pub extern "C" fn proxy_on_done(_context: u32) -> bool {
    true
}

#[no_mangle]
pub extern "C" fn proxy_on_delete(context: u32) {
    calls::on_delete(context)
}
