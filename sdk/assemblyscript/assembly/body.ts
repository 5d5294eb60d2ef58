import { Status } from "./abi";
import { nothing, settle } from "./context";
import { Reader } from "./fields";
import { BodyReader, Filter, Half, showMore } from "./filter";
import { getBuffer } from "./host";
import { toText } from "./memory";
import { Kind, Result } from "./result";

/** A body that was read whole. */
export class Body extends Result {
  bytes: Uint8Array = new Uint8Array(0);

  get text(): string { return toText(this.bytes); }
}

/** Collects a body up to a limit. */
abstract class Collecting extends BodyReader {
  protected body: Uint8Array = new Uint8Array(0);

  constructor(owner: Filter, private limit: u32) { super(owner); }

  show(filter: Filter, half: Half): void {
    const fits = half.size <= this.limit, direction = this.direction;
    if (fits && !half.last) {
      showMore(direction);
      return;
    }
    if (fits) this.body = getBuffer(direction, 0, half.size);
    half.reader = null;
    half.start = half.size;
    half.last = false;
    settle(this, fits ? Status.OK : <u32>Kind.TooLarge, nothing);
  }
}

class Reading<T extends Filter> extends Collecting {
  constructor(private self: T, limit: u32, private then: (self: T, body: Body) => void) {
    super(self, limit);
  }

  answer(status: u32, rest: Reader): bool {
    const body = new Body();
    body._fail(status, "");
    body.bytes = this.body;
    this.then(this.self, body);
    return true;
  }
}

/**
 * Reads a body whole, in onRequest the request's, in onResponse the response's, and holds
 * the head back until `then` has seen it: it may still change the header, set another
 * body, or reply. Fails with Kind.TooLarge over the limit in bytes, and with
 * Kind.Unsupported where the host is not weir.
 */
export function readBody<T extends Filter>(self: T, limit: u32, then: (self: T, body: Body) => void): void {
  self._read(new Reading<T>(self, limit, then));
}
