import { Status } from "./abi";

/** What a failure is; the same numbers as Proxy-Wasm's statuses. */
export enum Kind {
  None = 0,
  NotFound = 1, // no entry of that key
  Invalid = 2, // the host does not take what it was given
  Conflict = 8, // somebody else was faster: the entry has not the version it should have
  Busy = 10, // too much is under way, or the host has failed
  Broken = 11, // the upstream gave no answer, or broke off
  Unsupported = 12, // by this host: it is not weir
  Denied = 16, // the plugin has not been granted it
  TooLarge = 100, // more than was asked for at most
  Late = 101, // what was to be read or changed has gone on
}

/** What something that was waited for has come to. */
export class Result {
  /** What it failed with; Kind.None: it did not. */
  kind: Kind = Kind.None;
  private message: string = "";

  /** Whether it failed. */
  get failed(): bool {
    return this.kind != Kind.None;
  }

  /** Why it failed, for a log; "" if it did not. */
  get error(): string {
    if (!this.failed) return "";
    return this.message.length > 0 ? describe(this.kind) + ": " + this.message : describe(this.kind);
  }

  /** @internal */
  _fail(status: u32, message: string): void {
    this.kind = <Kind>status;
    this.message = message;
  }
}

function describe(kind: u32): string {
  switch (kind) {
    case Kind.NotFound: return "not found";
    case Kind.Invalid: return "not valid";
    case Kind.Conflict: return "somebody else was faster";
    case Kind.Busy: return "too much is under way";
    case Kind.Broken: return "the upstream gave no answer";
    case Kind.Unsupported: return "not supported here";
    case Kind.Denied: return "not granted";
    case Kind.TooLarge: return "too large";
    case Kind.Late: return "too late";
    default: return "status " + kind.toString();
  }
}

/** The kind of failure that a host means which refuses a function of weir's. */
export function refused(status: u32): u32 {
  return status == Status.NotFound ? <u32>Kind.Unsupported : status;
}
