// Costly or secret work, which is the host's.

import { Call, Status } from "./abi";
import { ask, Context, onWeir } from "./context";
import { Reader, Writer } from "./fields";
import { foreign } from "./host";
import { Late, Waiting } from "./late";
import { bytes } from "./memory";

/** A password's hash, to be stored. */
export class Hash extends Late {
  text: string = ""; // a PHC string

  _read(fields: Reader): void { this.text = fields.text(); }
}

/** Whether a password, or a signature, is right. What has failed is not. */
export class Verdict extends Late {
  right: bool = false;
  renew: bool = false; // of a password: the hash should be made anew

  _read(fields: Reader): void {
    this.right = fields.number() == 1;
    this.renew = fields.more() && fields.number() == 1;
    if (fields.bad) this.right = false;
  }
}

/** A signature. */
export class Signature extends Late {
  bytes: Uint8Array = new Uint8Array(0);
  algorithm: string = ""; // HS256 or EdDSA

  _read(fields: Reader): void {
    this.bytes = fields.bytes();
    this.algorithm = fields.text();
  }
}

export namespace password {
  /** Hashes a password, slowly and beside the requests. */
  export function hash<T extends Context>(self: T, password: string, then: (self: T, hash: Hash) => void): void {
    ask(new Waiting<T, Hash>(self, new Hash(), then), Call.PasswordHash, new Writer().text(password));
  }

  /** Checks a password against its hash. */
  export function verify<T extends Context>(self: T, hash: string, password: string, then: (self: T, verdict: Verdict) => void): void {
    ask(new Waiting<T, Verdict>(self, new Verdict(), then), Call.PasswordVerify, new Writer().text(hash).text(password));
  }
}

/** Signs with a key that the plugin was granted by name. */
export function sign<T extends Context>(self: T, key: string, message: Uint8Array, then: (self: T, signature: Signature) => void): void {
  ask(new Waiting<T, Signature>(self, new Signature(), then), Call.Sign, new Writer().text(key).bytes(message));
}

/** Checks a signature. */
export function verify<T extends Context>(self: T, key: string, message: Uint8Array, signature: Uint8Array, then: (self: T, verdict: Verdict) => void): void {
  ask(new Waiting<T, Verdict>(self, new Verdict(), then), Call.Verify, new Writer().text(key).bytes(message).bytes(signature));
}

/** Random bytes for secrets, 1 to 65,536; null: not supported here. */
export function random(n: i32): Uint8Array | null {
  if (!onWeir() || foreign(Call.Random, new Writer().number(n).done()) != Status.OK) return null;
  const b = new Reader(bytes()).bytes();
  return b.length == n ? b : null;
}
