// What Proxy-Wasm hosts call. A filter has them among its exports by
// `export * from "weir-sdk/assembly/exports"`.

import { Direction } from "./abi";
import * as guest from "./dispatch";
import { allocate } from "./memory";

export function proxy_abi_version_0_2_1(): void {}

export function proxy_on_memory_allocate(size: usize): usize { return allocate(size); }

export function proxy_on_context_create(id: u32, parent: u32): void { guest.create(id, parent); }

export function proxy_on_vm_start(root: u32, size: u32): u32 { return 1; }

export function proxy_on_configure(root: u32, size: u32): u32 { return guest.configure(root, size) ? 1 : 0; }

export function proxy_on_tick(root: u32): void { guest.tick(root); }

export function proxy_on_request_headers(id: u32, fields: u32, end: u32): u32 {
  return guest.header(id, Direction.Request, end != 0);
}

export function proxy_on_request_body(id: u32, size: u32, end: u32): u32 {
  return guest.body(id, Direction.Request, size, end != 0);
}

export function proxy_on_request_trailers(id: u32, fields: u32): u32 {
  return guest.trailers(id, Direction.Request);
}

export function proxy_on_response_headers(id: u32, fields: u32, end: u32): u32 {
  return guest.header(id, Direction.Response, end != 0);
}

export function proxy_on_response_body(id: u32, size: u32, end: u32): u32 {
  return guest.body(id, Direction.Response, size, end != 0);
}

export function proxy_on_response_trailers(id: u32, fields: u32): u32 {
  return guest.trailers(id, Direction.Response);
}

export function proxy_on_http_call_response(root: u32, token: u32, fields: u32, size: u32, trailers: u32): void {
  guest.called(token, fields, size);
}

export function proxy_on_foreign_function(root: u32, kind: u32, size: u32): void { guest.told(kind); }

export function proxy_on_done(id: u32): u32 {
  guest.done(id);
  return 1;
}

export function proxy_on_log(id: u32): void { guest.log(id); }

export function proxy_on_delete(id: u32): void { guest.remove(id); }
