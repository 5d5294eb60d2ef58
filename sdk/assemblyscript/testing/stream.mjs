// One request on its way through a filter, and its response.

import { Fields, bytesOf } from "./codec.mjs";

const CONTINUE = 0, UNSEEN = 5;
const REQUEST = 0;

/** One direction of a stream. */
class Half {
  constructor(direction, header, body, trailers) {
    this.direction = direction;
    this.header = header;
    this.source = [body ?? []].flat().map(bytesOf).filter((b) => b.length > 0);
    this.trailers = new Fields(trailers ?? {});
    this.buffer = Buffer.alloc(0); // what the guest holds
    this.out = []; // what has gone on
    this.head = "new"; // held, sent
    this.unseen = false;
    this.paused = false; // the guest holds the body
    this.order = 0; // what weir.body has asked for
    this.shownEnd = this.source.length === 0 && this.trailers.list.length === 0;
    this.shownTrailers = this.trailers.list.length === 0;
    this.resume = false; // proxy_continue_stream
    this.readable = false; // its buffer, to the guest
  }

  get bare() { return this.source.length === 0 && this.trailers.list.length === 0; }
  get over() { return this.head === "sent" && this.source.length === 0 && !this.paused && (this.unseen || this.shownEnd && this.shownTrailers); }

  pass() {
    this.out.push(this.buffer);
    this.buffer = Buffer.alloc(0);
    this.paused = false;
  }
}

/** A request that was begun. Its `response` is there when it is over; `paused` tells whether the filter holds it back. */
export class Stream {
  constructor(host, id, request, upstream) {
    this.host = host;
    this.id = id;
    this.upstream = upstream;
    this.props = new Map();
    const header = new Fields([[":method", request.method ?? "GET"], [":path", request.path ?? "/"],
      [":authority", request.authority ?? "example.com"], [":scheme", request.scheme ?? "http"]]);
    for (const [n, v] of new Fields(request.header ?? {}).list) header.add(n, v);
    this.in = new Half(REQUEST, header, request.body, request.trailers);
    this.outside = null;
    this.reply = null; // what the filter answers
    this.forwarded = null; // what the upstream was asked
    this.hints = [];
    this.window = request.window ?? host.limits.body; // bytes of a reply that fit before it has to wait
    this.response = null;
    this.over = false;
    this.closed = false; // the filter cuts it
    host.call("proxy_on_context_create", id, host.root);
  }

  half(direction) { return direction === REQUEST ? this.in : this.outside; }

  get paused() {
    return !this.over && [this.in, this.outside].some((h) => h && (h.head === "held" || h.paused));
  }

  /** Goes as far as it can. */
  pump() {
    while (!this.over && this.step());
  }

  step() {
    if (this.closed) return this.finish(null);
    if (this.reply?.done) return this.finish(this.reply);
    if (this.reply) return false; // it is being written
    if (this.stepHalf(this.in)) return true;
    if (!this.in.over) return false;
    if (!this.outside) return this.forward();
    if (this.stepHalf(this.outside)) return true;
    if (!this.outside.over) return false;
    return this.finish({
      status: Number(this.outside.header.get(":status")), header: this.outside.header.plain(),
      body: Buffer.concat(this.outside.out), trailers: this.outside.trailers,
    });
  }

  /** Shows the guest what is next of a direction; false: there is nothing, or it holds it back. */
  stepHalf(h) {
    const name = h.direction === REQUEST ? "request" : "response";
    if (h.head === "new") {
      h.head = "held";
      return this.took(h, this.callHalf(h, `proxy_on_${name}_headers`, h.header.list.length, Number(h.bare)), true);
    }
    if (h.resume) {
      h.resume = false;
      if (h.head === "held" || h.paused) {
        h.head = "sent";
        h.pass();
        return true;
      }
    }
    if (h.head === "held") {
      if (h.order === 0 || h.shownEnd) return false;
      const order = h.order;
      h.order = 0;
      if (order === 2) h.buffer = Buffer.alloc(0);
      if (order === 3) return (h.unseen = h.resume = true);
      return this.show(h, name, h.source.length <= 1);
    }
    if (h.over) return false;
    if (h.unseen) {
      h.out.push(h.buffer, ...h.source.splice(0));
      h.buffer = Buffer.alloc(0);
      return true;
    }
    if (h.source.length > 0) return this.show(h, name, h.source.length === 1 && h.trailers.list.length === 0);
    if (h.shownTrailers) return false;
    h.shownTrailers = true;
    h.shownEnd = true;
    return this.took(h, this.callHalf(h, `proxy_on_${name}_trailers`, h.trailers.list.length), false);
  }

  show(h, name, last) {
    h.buffer = Buffer.concat([h.buffer, h.source.shift() ?? Buffer.alloc(0)]);
    if (h.buffer.length > this.host.limits.body) {
      return this.finish({ status: h.direction === REQUEST ? 413 : 502, header: new Fields(), body: Buffer.alloc(0), trailers: new Fields() });
    }
    h.shownEnd = last;
    return this.took(h, this.callHalf(h, `proxy_on_${name}_body`, h.buffer.length, Number(last)), false);
  }

  callHalf(h, name, ...args) {
    h.readable = !name.endsWith("headers");
    return this.host.call(name, this.id, ...args);
  }

  /** Does what the guest has said. */
  took(h, action, head) {
    if (this.over || this.reply) return true;
    if (action === UNSEEN && this.host.weir) h.unseen = true;
    else if (action !== CONTINUE) {
      if (!head && h.head === "sent") h.paused = true;
      return true;
    }
    h.head = "sent";
    if (!head) h.pass();
    return true;
  }

  /** Asks what is behind the filter. */
  forward() {
    const h = this.in.header;
    this.forwarded = {
      method: h.get(":method"), path: h.get(":path"), authority: h.get(":authority"), header: h.plain(),
      body: Buffer.concat(this.in.out), text: Buffer.concat(this.in.out).toString(), trailers: this.in.trailers,
    };
    const answer = this.upstream(this.forwarded) ?? {};
    const header = new Fields([[":status", answer.status ?? 200]]);
    for (const [n, v] of new Fields(answer.header ?? {}).list) header.add(n, v);
    this.outside = new Half(1, header, answer.body, answer.trailers);
    return true;
  }

  /** The client goes away. */
  cancel() {
    if (!this.over) this.finish(null);
    this.host.run();
  }

  /** The client takes what was written of a reply. */
  take() {
    if (!this.reply || this.reply.done) return;
    this.reply.unsent = 0;
    this.host.event(this.id, 1);
    this.host.run();
  }

  finish(answer) {
    this.over = true;
    if (answer) {
      const body = Buffer.isBuffer(answer.body) ? answer.body : Buffer.concat(answer.body);
      this.response = {
        status: answer.status, header: answer.header, body, text: body.toString(), trailers: answer.trailers,
        hints: this.hints, upstream: this.forwarded, json() { return JSON.parse(this.text); },
      };
    }
    for (const name of ["proxy_on_done", "proxy_on_log"]) this.host.call(name, this.id);
    this.host.streams.delete(this.id);
    this.host.call("proxy_on_delete", this.id);
    return false;
  }
}
