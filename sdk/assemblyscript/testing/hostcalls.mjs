// The functions of Proxy-Wasm 0.2.1 that guests import.

import { Fields, bytesOf, decodePairs, encodePairs } from "./codec.mjs";

const OK = 0, NOT_FOUND = 1, BAD_ARGUMENT = 2, CAS_MISMATCH = 8, INTERNAL_FAILURE = 10, BROKEN = 11;

/** The imports of a host's guest. */
export function hostcalls(host) {
  const mem = () => Buffer.from(host.exports.memory.buffer);
  const bytes = (p, n) => Buffer.from(mem().subarray(p, p + n));
  const text = (p, n) => bytes(p, n).toString();
  const word = (p, n) => mem().writeUInt32LE(n >>> 0, p);
  const give = (b, p, n) => {
    const at = b.length > 0 ? host.exports.proxy_on_memory_allocate(b.length) : 0;
    if (b.length > 0) mem().set(b, at);
    if (p) word(p, at);
    if (n) word(n, b.length);
    return OK;
  };
  const stream = () => host.streams.get(host.effective);
  const map = (kind) => {
    const s = stream();
    if (kind === 0) return s?.in.header;
    if (kind === 1) return s?.in.trailers;
    if (kind === 2) return s?.outside?.header;
    if (kind === 3) return s?.outside?.trailers;
    return host.maps[kind];
  };
  const edit = (kind, f) => {
    const h = stream()?.half(kind >> 1);
    if (kind > 3 || !h || kind % 2 === 0 && h.head === "sent") return BAD_ARGUMENT;
    f(map(kind));
    return OK;
  };
  const buffer = (kind) => {
    if (kind === 7) return host.config;
    if (kind > 1) return host.buffers[kind];
    const h = stream()?.half(kind);
    return h?.readable ? h.buffer : undefined;
  };
  const path = (p, n) => text(p, n).replace(/\0+$/, "").replaceAll("\0", ".");
  const metrics = [];

  return {
    proxy_log: (level, p, n) => (host.wrote(level, text(p, n)), OK),
    proxy_get_log_level: (p) => (word(p, 0), OK),
    proxy_get_current_time_nanoseconds: (p) => (mem().writeBigUInt64LE(BigInt(host.clock) * 1000000n, p), OK),
    proxy_set_tick_period_milliseconds: (ms) => (host.setTick(ms), OK),
    proxy_set_effective_context: (id) => {
      if (id !== host.root && !host.streams.has(id)) return BAD_ARGUMENT;
      host.effective = id;
      return OK;
    },
    proxy_done: () => NOT_FOUND,
    proxy_get_status: (code, p, n) => (word(code, BROKEN), give(bytesOf(host.failure ?? ""), p, n)),

    proxy_get_buffer_bytes: (kind, start, most, p, n) => {
      const b = buffer(kind);
      return b ? give(b.subarray(start >>> 0, Math.min((start >>> 0) + (most >>> 0), b.length)), p, n) : NOT_FOUND;
    },
    proxy_set_buffer_bytes: (kind, start, size, p, n) => {
      const h = kind < 2 && stream()?.half(kind);
      if (!h || !h.readable) return BAD_ARGUMENT;
      h.buffer = Buffer.concat([h.buffer.subarray(0, start >>> 0), bytes(p, n), h.buffer.subarray((start >>> 0) + (size >>> 0))]);
      return OK;
    },

    proxy_get_header_map_pairs: (kind, p, n) => give(encodePairs(map(kind) ?? []), p, n),
    proxy_set_header_map_pairs: (kind, p, n) => edit(kind, (f) => { f.list = decodePairs(bytes(p, n)).list; }),
    proxy_get_header_map_value: (kind, k, kn, p, n) => {
      const v = map(kind)?.get(text(k, kn));
      return v === undefined ? NOT_FOUND : give(bytesOf(v), p, n);
    },
    proxy_add_header_map_value: (kind, k, kn, v, vn) => edit(kind, (f) => f.add(text(k, kn), text(v, vn))),
    proxy_replace_header_map_value: (kind, k, kn, v, vn) => edit(kind, (f) => f.set(text(k, kn), text(v, vn))),
    proxy_remove_header_map_value: (kind, k, kn) => edit(kind, (f) => f.remove(text(k, kn))),

    proxy_get_property: (p, n, q, k) => {
      const name = path(p, n), s = stream();
      let v = s?.props.get(name) ?? host.properties[name];
      if (v === undefined && name === "response.code" && s?.outside) v = BigInt(s.outside.header.get(":status"));
      if (v === undefined) return NOT_FOUND;
      if (typeof v !== "bigint") return give(bytesOf(v), q, k);
      const b = Buffer.alloc(8);
      b.writeBigInt64LE(v);
      return give(b, q, k);
    },
    proxy_set_property: (p, n, v, vn) => {
      if (!stream()) return NOT_FOUND;
      stream().props.set(path(p, n), bytes(v, vn));
      return OK;
    },

    proxy_continue_stream: (direction) => {
      const h = stream()?.half(direction);
      if (h) h.resume = true;
      return OK;
    },
    proxy_close_stream: () => {
      const s = stream();
      if (s) s.closed = true;
      return OK;
    },
    proxy_send_local_response: (status, d, dn, b, bn, h, hn) => {
      const s = stream();
      if (!s || s.reply) return OK;
      s.reply = { status, header: decodePairs(bytes(h, hn)).plain(), body: bytes(b, bn), trailers: new Fields(), done: true };
      return OK;
    },

    proxy_http_call: (u, un, h, hn, b, bn, t, tn, ms, out) => {
      const name = text(u, un), head = decodePairs(bytes(h, hn));
      if (!host.upstreams[name] || !head.has(":method") || !head.has(":path") || !head.has(":authority")) return BAD_ARGUMENT;
      const token = host.begun();
      if (token === null) return INTERNAL_FAILURE;
      word(out, token);
      host.ask(name, head, bytes(b, bn), (a) => {
        if (!host.late.delete(token)) return;
        host.maps[6] = a.error === undefined ? new Fields([[":status", a.status], ...a.header.list]) : new Fields();
        host.maps[7] = a.trailers ?? new Fields();
        host.buffers[4] = a.error === undefined ? Buffer.concat(a.chunks) : Buffer.alloc(0);
        host.failure = a.error;
        host.call("proxy_on_http_call_response", host.root, token, host.maps[6].list.length, host.buffers[4].length, host.maps[7].list.length);
        host.maps = {};
        delete host.buffers[4];
      }, token);
      return OK;
    },
    proxy_call_foreign_function: (f, fn, a, an, p, n) => {
      const call = host.foreign[text(f, fn)];
      if (!call) return NOT_FOUND;
      try {
        const got = call(bytes(a, an));
        return typeof got === "number" ? got : give(got, p, n);
      } catch (e) {
        if (e instanceof RangeError) return BAD_ARGUMENT; // fields that cannot be read
        throw e;
      }
    },

    proxy_get_shared_data: (k, kn, p, n, cas) => {
      const e = host.shared.get(text(k, kn));
      word(cas, e?.cas ?? 0);
      return e ? give(e.value, p, n) : NOT_FOUND;
    },
    proxy_set_shared_data: (k, kn, v, vn, cas) => {
      const key = text(k, kn), e = host.shared.get(key);
      if (e && cas !== 0 && cas !== e.cas) return CAS_MISMATCH;
      host.shared.set(key, { value: bytes(v, vn), cas: Number(++host.version) });
      return OK;
    },

    proxy_define_metric: (kind, p, n, out) => {
      const name = text(p, n);
      let at = metrics.findIndex((m) => m.name === name);
      if (at < 0) at = metrics.push({ kind, name }) - 1;
      host.metrics[name] ??= kind === 2 ? [] : 0;
      word(out, at + 1);
      return OK;
    },
    proxy_record_metric: (id, v) => {
      const m = metrics[id - 1];
      if (!m) return NOT_FOUND;
      const n = Number(BigInt.asUintN(64, v));
      if (m.kind === 2) host.metrics[m.name].push(n);
      else host.metrics[m.name] = m.kind === 0 ? host.metrics[m.name] + n : n;
      return OK;
    },
    proxy_increment_metric: (id, v) => {
      const m = metrics[id - 1];
      if (!m || m.kind === 2) return m ? BAD_ARGUMENT : NOT_FOUND;
      host.metrics[m.name] += Number(v);
      return OK;
    },
    proxy_get_metric: (id, out) => {
      const m = metrics[id - 1];
      if (!m || m.kind === 2) return m ? BAD_ARGUMENT : NOT_FOUND;
      mem().writeBigUInt64LE(BigInt(host.metrics[m.name]), out);
      return OK;
    },
  };
}
