import { getBuffer, setBuffer } from "./host";
import { toBytes, toText } from "./memory";

/**
 * A piece of a body on its way. It goes on as it is, or as what it is made by `bytes` or
 * `text`; it is good until the callback returns.
 */
export class Chunk {
  /** Whether nothing follows. The last may be empty. */
  last: bool = false;

  private direction: u32 = 0;
  private start: u32 = 0;
  private end: u32 = 0;
  private now: Uint8Array | null = null;
  private changed: bool = false;
  /** @internal */ _held: bool = false;
  /** @internal */ _passed: bool = false;

  /** How many bytes it has. */
  get size(): i32 {
    this._passed = false;
    const b = this.now;
    return b ? b.length : this.end - this.start;
  }

  get bytes(): Uint8Array {
    let b = this.now;
    if (!b) this.now = b = getBuffer(this.direction, this.start, this.end - this.start);
    return b;
  }
  set bytes(b: Uint8Array) {
    this.now = b;
    this.changed = true;
  }

  /** The chunk as text. A character may be cut between two chunks: see hold. */
  get text(): string { return toText(this.bytes); }
  set text(s: string) { this.bytes = toBytes(s); }

  /**
   * Keeps the chunk back, and shows it again with what follows: for who wants to see a
   * body whole. The host holds no more than its limit of that.
   */
  hold(): void {
    this._held = !this.last;
  }

  /** @internal Begins with the bytes of a buffer from start to end. */
  _begin(direction: u32, start: u32, end: u32, last: bool): void {
    this.direction = direction;
    this.start = start;
    this.end = end;
    this.last = last;
    this.now = null;
    this.changed = this._held = this._passed = false;
  }

  /** @internal Whether there is no code of the author's that looks at it. */
  get _unseen(): bool {
    return this._passed && this.now === null;
  }

  /** @internal Gives the host what it has become, and tells how long the buffer is then. */
  _commit(): u32 {
    const b = this.now;
    if (!b || !this.changed || this._held) return this.end;
    setBuffer(this.direction, this.start, this.start == 0 ? i32.MAX_VALUE : this.end - this.start, b);
    return this.start + b.length;
  }
}

export const theChunk = new Chunk();
