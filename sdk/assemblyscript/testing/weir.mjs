// What weir offers beyond Proxy-Wasm, see HOST.md, as far as a test needs it.

import { createHash, createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { FieldReader, Fields, decodePairs, encodeFields, encodePairs } from "./codec.mjs";

const OK = 0, NOT_FOUND = 1, BAD_ARGUMENT = 2, EMPTY = 7, CAS_MISMATCH = 8, INTERNAL_FAILURE = 10, BROKEN = 11, DENIED = 16;
const ANY = 2n ** 64n - 1n;

/** The functions by their names: each takes its argument, and returns a status or a result. */
export function weirFunctions(host) {
  const stream = () => host.streams.get(host.effective);
  const args = (b, ...kinds) => {
    const r = new FieldReader(b), got = kinds.map((k) => r[k]());
    r.end();
    return got;
  };
  /** Answers later: `work` returns a status and fields. */
  const later = (work, ms = 0) => {
    const token = host.begun();
    if (token === null) return INTERNAL_FAILURE;
    host.after(ms, () => host.answer(token, ...work()), token);
    return encodeFields(token);
  };
  const space = (name) => {
    if (!host.store.has(name) && name === "") host.store.set(name, new Map());
    return host.store.get(name);
  };
  const live = (entries, key) => {
    const e = entries.get(key);
    return e && e.expires > host.clock ? e : undefined;
  };
  const wanted = (e, version) => version === ANY || version === (e ? e.version : 0n);
  const inStore = (name, work) => later(() => space(name) ? work(space(name)) : [DENIED, `grant the store "${name}"`]);
  const withKey = (name, work) => later(() => host.options.keys?.[name] ? work(host.options.keys[name]) : [DENIED, `grant the key "${name}"`]);
  const mac = (key, message) => createHmac("sha256", key).update(message).digest();
  const hashOf = (password) => "$argon2id$test$" + createHash("sha256").update(password).digest("base64url");

  return {
    "weir.hello": (b) => (args(b), encodeFields(1)),
    "weir.random": (b) => {
      const [n] = args(b, "number");
      return n < 1 || n > 65536 ? BAD_ARGUMENT : encodeFields(randomBytes(n));
    },
    "weir.timer": (b) => later(() => [OK], args(b, "number")[0]),
    "weir.cancel": (b) => {
      const [token] = args(b, "number");
      host.late.delete(token);
      host.events = host.events.filter((e) => e.token !== token);
      return OK;
    },

    "weir.fetch": (b) => {
      const [name, head, body, ms] = args(b, "text", "pairs", "bytes", "number");
      if (!head.has(":method") || !head.has(":path") || !head.has(":authority")) return BAD_ARGUMENT;
      const token = host.begun();
      if (token === null) return INTERNAL_FAILURE;
      if (!host.upstreams[name]) host.after(0, () => host.answer(token, DENIED, `grant the upstream "${name}"`));
      else host.ask(name, head, body, (a) => {
        const what = host.late.get(token);
        if (!what) return;
        if (a.error !== undefined) return host.answer(token, BROKEN, a.error);
        const pairs = encodePairs([[":status", a.status], ...a.header.list]);
        if (a.chunks.length > 1 || a.cut) {
          Object.assign(what, { more: true, rest: a });
          return host.answer(token, OK, pairs, "", 1);
        }
        host.answer(token, OK, pairs, a.chunks[0] ?? "", 0, encodePairs(a.trailers));
      }, token);
      if (ms > 0) host.after(ms, () => {
        if (host.late.get(token)?.rest) return;
        host.answer(token, BROKEN, "timeout");
      }, token);
      return encodeFields(token);
    },
    "weir.fetch.read": (b) => {
      const [token] = args(b, "number"), what = host.late.get(token);
      if (!what?.rest || what.asked) return BAD_ARGUMENT;
      what.asked = true;
      host.after(0, () => {
        what.asked = false;
        const chunk = what.rest.chunks.shift();
        if (chunk) return host.answer(token, OK, chunk);
        what.more = false;
        if (what.rest.cut) host.answer(token, BROKEN, "the body breaks off");
        else host.answer(token, EMPTY, encodePairs(what.rest.trailers));
      }, token);
      return OK;
    },

    "weir.body": (b) => {
      const [direction, order] = args(b, "number", "number"), h = stream()?.half(direction);
      if (direction > 1 || order < 1 || order > 3) return BAD_ARGUMENT;
      if (h) h.order = order;
      return OK;
    },

    "weir.reply.start": (b) => {
      const [status, header] = args(b, "number", "pairs"), s = stream();
      if (!s || s.reply) return BAD_ARGUMENT;
      s.reply = { status, header: header.plain(), body: [], trailers: new Fields(), unsent: 0, done: false };
      return OK;
    },
    "weir.reply.write": (b) => {
      const [bytes] = args(b, "bytes"), reply = stream()?.reply;
      if (!reply || reply.done) return BAD_ARGUMENT;
      reply.body.push(bytes);
      reply.unsent += bytes.length;
      return encodeFields(Number(reply.unsent <= stream().window));
    },
    "weir.reply.end": (b) => {
      const [trailers] = args(b, "bytes"), reply = stream()?.reply;
      if (!reply || reply.done) return BAD_ARGUMENT;
      reply.trailers = decodePairs(trailers);
      reply.done = true;
      return OK;
    },
    "weir.inform": (b) => {
      const [status, header] = args(b, "number", "pairs");
      if (!stream() || status < 100 || status > 199 || status === 101) return BAD_ARGUMENT;
      stream().hints.push({ status, header });
      return OK;
    },

    "weir.store.get": (b) => {
      const [name, key] = args(b, "text", "text");
      return inStore(name, (entries) => {
        const e = live(entries, key);
        return e ? [OK, e.value, e.version] : [NOT_FOUND, "no such key"];
      });
    },
    "weir.store.put": (b) => {
      const [name, key, value, ms, version] = args(b, "text", "text", "bytes", "number", "big");
      if (key === "" || value.length > 65536) return BAD_ARGUMENT;
      return inStore(name, (entries) => {
        if (!wanted(live(entries, key), version)) return [CAS_MISMATCH, "another version"];
        entries.set(key, { value, version: ++host.version, expires: ms > 0 ? host.clock + ms : Infinity });
        return [OK, host.version];
      });
    },
    "weir.store.delete": (b) => {
      const [name, key, version] = args(b, "text", "text", "big");
      return inStore(name, (entries) => {
        const e = live(entries, key);
        if (e && !wanted(e, version)) return [CAS_MISMATCH, "another version"];
        entries.delete(key);
        return [OK];
      });
    },
    "weir.store.list": (b) => {
      const [name, prefix, after, most] = args(b, "text", "text", "text", "number");
      if (most < 1 || most > 1000) return BAD_ARGUMENT;
      return inStore(name, (entries) => {
        const keys = [...entries.keys()].filter((k) => live(entries, k) && k.startsWith(prefix) && k > after).sort().slice(0, most);
        return [OK, ...keys.flatMap((k) => [k, entries.get(k).value, entries.get(k).version])];
      });
    },

    // Not argon2id, which a test has no time for.
    "weir.password.hash": (b) => {
      const [password] = args(b, "text");
      return later(() => [OK, hashOf(password)]);
    },
    "weir.password.verify": (b) => {
      const [hash, password] = args(b, "text", "text");
      return later(() => [OK, Number(hash === hashOf(password)), Number(!hash.startsWith("$argon2id$test$"))]);
    },
    "weir.sign": (b) => {
      const [name, message] = args(b, "text", "bytes");
      return withKey(name, (key) => [OK, mac(key, message), "HS256"]);
    },
    "weir.verify": (b) => {
      const [name, message, signature] = args(b, "text", "bytes", "bytes");
      return withKey(name, (key) => {
        const m = mac(key, message);
        return [OK, Number(m.length === signature.length && timingSafeEqual(m, signature))];
      });
    },
  };
}
