// Calls to upstreams.

import { Buffer, Call as Functions, Map as Maps, proxy_http_call, Status } from "./abi";
import { Answer, Call, Piece } from "./call";
import { ask, Asked, become, Context, nothing, now, onWeir, refuse, settle, Wait } from "./context";
import { decodePairs, encodePairs, Fields, Reader, Writer } from "./fields";
import { getBuffer, getPairs, lastStatus } from "./host";
import { clear, number, write, written } from "./memory";
import { Kind } from "./result";
import { Table } from "./table";
import { span } from "./units";

/**
 * Calls an upstream, by its name or as a URL's origin, of those that the plugin was
 * granted; `then` hears the answer. No redirects are followed.
 */
export function fetch<T extends Context>(self: T, upstream: string, call: Call, then: (self: T, answer: Answer) => void): void {
  const wait = new Fetching<T>(self, call, then);
  const head = new Fields();
  head.add(":method", call.method).add(":path", call.path);
  head.add(":authority", call.authority.length > 0 ? call.authority : upstream);
  const own = call.header.all();
  for (let i = 0; i < own.length; i++) head.add(own[i].name, own[i].value);
  const pairs = encodePairs(head);
  if (onWeir()) {
    return ask(wait, Functions.Fetch, new Writer().text(upstream).bytes(pairs).bytes(call.body).number(max<i64>(call.timeout, 0)));
  }
  if (self._over) return;
  const before = now.context;
  become(self);
  clear();
  const p = write(upstream), n = written;
  store<u32>(number, 0);
  const ms = call.timeout > 0 ? span(call.timeout) : 60000;
  const status = proxy_http_call(p, n, pairs.dataStart, pairs.length, call.body.dataStart, call.body.length, 0, 0, ms, number);
  if (before) become(before);
  wait.portable = true;
  if (status != Status.OK) return refuse(wait, status == Status.NotFound ? Status.BadArgument : status);
  wait.token = load<u32>(number);
  calls.add(<u32>wait.token, wait);
  wait.link();
  now.called = called;
}

// @ts-ignore: a decorator
@lazy
const calls = new Table();

/** Hears the answer to proxy_http_call, which the host has in its buffers. */
function called(token: u32, fields: u32, size: u32): void {
  const wait = calls.get(token);
  if (!wait) return;
  now.context = null; // the host speaks of the root
  settle(changetype<Streaming>(wait), fields > 0 ? Status.OK : Status.BrokenConnection, nothing);
}

/** Reads on in the body of a streamed answer. After the last piece, and a failed one, there is nothing to read. */
export function read<T extends Context>(self: T, answer: Answer, then: (self: T, piece: Piece) => void): void {
  const call = changetype<Streaming>(answer._call);
  const reading = new Reading<T>(self, then);
  if (!call || !answer.more || call.reading) return refuse(reading, Kind.Late);
  call.reading = reading;
  call.direction = reading.direction;
  ask(call, Functions.FetchRead, new Writer().number(call.token));
}

/** Gives up what is left of a streamed answer. */
export function abandon(answer: Answer): void {
  const call = answer._call;
  if (call && answer.more) changetype<Streaming>(call).drop();
  answer.more = false;
}

/** Who reads a piece. */
abstract class Hearer extends Wait {
  abstract hear(status: u32, message: string, bytes: Uint8Array): void;
}

class Reading<T extends Context> extends Hearer {
  constructor(private self: T, private then: (self: T, piece: Piece) => void) { super(self); }

  hear(status: u32, message: string, bytes: Uint8Array): void {
    const piece = new Piece();
    piece.bytes = bytes;
    piece.last = status == Status.Empty;
    if (status != Status.OK && !piece.last) piece._fail(status, message);
    this.then(this.self, piece);
  }

  answer(status: u32, rest: Reader): bool {
    this.hear(status, "", new Uint8Array(0));
    return true;
  }
}

/** A call that is under way. */
abstract class Streaming extends Asked {
  result: Answer = new Answer();
  reading: Hearer | null = null;
  portable: bool = false; // the token is proxy_http_call's

  constructor(owner: Context, protected call: Call) { super(owner); }

  /** Gives up the rest. */
  drop(): void {
    this.cancel();
    this.unlink();
  }

  cancel(): void {
    if (this.portable) this.forget();
    else super.cancel();
  }

  forget(): void {
    if (!this.portable) return super.forget();
    if (this.token != 0) calls.remove(this._id);
    this.token = 0;
  }

  abstract tell(): void;

  answer(status: u32, rest: Reader): bool {
    const a = this.result;
    if (this.portable) return this.portably(status);
    if (a.more) return this.piece(status, rest);
    if (status != Status.OK) return this.failed(status, rest.text());
    a.header = head(a, decodePairs(rest.bytes()));
    a.body = rest.bytes();
    a.more = rest.number() == 1;
    if (a.body.length > this.call.limit) return this.tooLarge();
    if (!a.more) {
      a.trailer = decodePairs(rest.bytes());
      return this.told();
    }
    if (!this.call.streamed) return this.go();
    a._call = this;
    this.tell();
    return !a.more;
  }

  private piece(status: u32, rest: Reader): bool {
    const a = this.result, reading = this.reading;
    const bytes = status == Status.OK ? rest.bytes() : new Uint8Array(0);
    let message = "";
    if (status == Status.Empty) a.trailer = decodePairs(rest.bytes());
    else if (status != Status.OK) message = rest.text();
    if (status != Status.OK) a.more = false;
    if (reading) {
      this.reading = null;
      reading.hear(status, message, bytes);
      return !a.more;
    }
    if (status == Status.Empty) return this.told();
    if (status != Status.OK) return this.failed(status, message);
    if (a.body.length + bytes.length > this.call.limit) return this.tooLarge();
    a.body = join(a.body, bytes);
    return this.go();
  }

  private go(): bool {
    ask(this, Functions.FetchRead, new Writer().number(this.token));
    return false;
  }

  private portably(status: u32): bool {
    const a = this.result;
    if (status != Status.OK) {
      // What the author's code was refused is told without a token.
      return this.failed(status, this.token != 0 ? lastStatus() : "");
    }
    a.header = head(a, decodePairs(getPairs(Maps.CallResponseHeaders)));
    a.body = getBuffer(Buffer.CallResponseBody, 0, i32.MAX_VALUE);
    a.trailer = decodePairs(getPairs(Maps.CallResponseTrailers));
    if (a.body.length > this.call.limit) return this.tooLarge();
    return this.told();
  }

  private told(): bool {
    this.tell();
    return true;
  }

  private tooLarge(): bool {
    if (this.result.more) this.cancel();
    return this.failed(Kind.TooLarge, "");
  }

  private failed(status: u32, message: string): bool {
    const a = this.result;
    a.more = false;
    a.body = new Uint8Array(0);
    a._fail(status, message);
    return this.told();
  }
}

class Fetching<T extends Context> extends Streaming {
  constructor(private self: T, call: Call, private then: (self: T, answer: Answer) => void) { super(self, call); }

  tell(): void { this.then(this.self, this.result); }
}

/** Takes the status from a head. */
function head(a: Answer, h: Fields): Fields {
  a.status = I32.parseInt(h.get(":status"));
  return h.remove(":status");
}

function join(a: Uint8Array, b: Uint8Array): Uint8Array {
  const all = new Uint8Array(a.length + b.length);
  memory.copy(all.dataStart, a.dataStart, a.length);
  memory.copy(all.dataStart + a.length, b.dataStart, b.length);
  return all;
}
