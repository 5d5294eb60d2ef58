// What the instances of guests with the same vm_id share, in memory.

import { proxy_get_shared_data, proxy_set_shared_data, Status } from "./abi";
import { bytes, clear, data, expect, number, size, toBytes, toText, write, written } from "./memory";

/** A value that is shared. */
export class Shared {
  value: Uint8Array = new Uint8Array(0);
  version: u32 = 0; // for `set`; 0: there is none
  found: bool = false;

  get text(): string { return toText(this.value); }
}

export namespace shared {
  export function get(key: string): Shared {
    const s = new Shared();
    clear();
    expect();
    const p = write(key);
    store<u32>(number, 0);
    if (proxy_get_shared_data(p, written, data, size, number) != Status.OK) return s;
    s.value = bytes();
    s.version = load<u32>(number);
    s.found = true;
    return s;
  }

  /** Sets a value, if it has the version; 0: whatever it has. False: somebody else was faster. */
  export function set(key: string, value: string, version: u32 = 0): bool {
    return setBytes(key, toBytes(value), version);
  }

  export function setBytes(key: string, value: Uint8Array, version: u32 = 0): bool {
    clear();
    const p = write(key);
    return proxy_set_shared_data(p, written, value.dataStart, value.length, version) == Status.OK;
  }
}
