// Requests to upstreams, and what those say.

import { Wait } from "./context";
import { Fields } from "./fields";
import { toBytes, toText } from "./memory";
import { Result } from "./result";

/** A request to an upstream. */
export class Call {
  authority: string = ""; // "": the upstream's name
  header: Fields = new Fields();
  body: Uint8Array = new Uint8Array(0);
  timeout: i64 = 0; // in milliseconds; 0: the host's
  limit: i32 = 1 << 20; // how long the answer's body may be
  streamed: bool = false; // hear the answer with its head, and read its body with `read`

  constructor(public method: string, public path: string) {}

  set text(s: string) { this.body = toBytes(s); }
}

/** What an upstream has answered. A status such as 500 is no failure. */
export class Answer extends Result {
  status: i32 = 0;
  header: Fields = new Fields();
  body: Uint8Array = new Uint8Array(0);
  trailer: Fields = new Fields();
  more: bool = false; // there is more to read: of streamed calls
  /** @internal */ _call: Wait | null = null; // what reads on

  get text(): string { return toText(this.body); }
}

/** A piece of an answer's body. */
export class Piece extends Result {
  bytes: Uint8Array = new Uint8Array(0);
  last: bool = false; // it is empty, and nothing follows

  get text(): string { return toText(this.bytes); }
}
