// What weir answers later, apart from calls.

import { Call, Status } from "./abi";
import { ask, Asked, Context } from "./context";
import { Reader, Writer } from "./fields";
import { Result } from "./result";

/** A result that reads itself from the fields of an answer. */
export abstract class Late extends Result {
  /** @internal */
  abstract _read(fields: Reader): void;
}

/** Waits for a result of a type of its own. */
export class Waiting<T extends Context, R extends Late> extends Asked {
  constructor(private self: T, private result: R, private then: (self: T, result: R) => void) { super(self); }

  answer(status: u32, rest: Reader): bool {
    if (status == Status.OK) this.result._read(rest);
    else this.result._fail(status, rest.more() ? rest.text() : "");
    this.then(this.self, this.result);
    return true;
  }
}

/** Nothing but whether it failed. */
export class Done extends Late {
  _read(fields: Reader): void {}
}
