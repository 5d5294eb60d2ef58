// Which function answers which path: for modules.

import { Fields } from "./fields";
import { Filter } from "./filter";
import { unescape } from "./header";

/** The parts of a path that a pattern has names for. */
export class Params {
  private names: Array<string> = [];
  private values: Array<string> = [];

  /** A part, decoded; "" if the pattern has none of that name. */
  get(name: string): string {
    const i = this.names.indexOf(name);
    return i < 0 ? "" : this.values[i];
  }

  /** @internal */
  _add(name: string, value: string): void {
    this.names.push(name);
    this.values.push(value);
  }
}

class Route<T extends Filter> {
  private parts: Array<string>;

  constructor(public method: string, pattern: string, public run: (self: T, params: Params) => void) {
    this.parts = pattern.split("/");
  }

  /** The parameters of a path that fits; null: it does not. */
  match(path: Array<string>): Params | null {
    const params = new Params(), n = this.parts.length;
    for (let i = 0; i < n; i++) {
      const part = this.parts[i];
      if (part == "{rest}" && i == n - 1 && path.length >= n) {
        params._add("rest", unescape(path.slice(i).join("/")));
        return params;
      }
      if (i >= path.length) return null;
      if (part.startsWith("{") && path[i].length > 0) params._add(part.substring(1, part.length - 1), unescape(path[i]));
      else if (part != path[i]) return null;
    }
    return path.length == n ? params : null;
  }
}

/**
 * Routes of a module. Patterns are paths such as `/hello/{who}`; a last part `{rest}` fits
 * all that follows. The first that fits counts.
 */
export class Routes<T extends Filter> {
  private routes: Array<Route<T>> = [];

  /** Adds a route. GET has HEAD answered as well. */
  on(method: string, pattern: string, run: (self: T, params: Params) => void): Routes<T> {
    this.routes.push(new Route<T>(method, pattern, run));
    return this;
  }

  /** Has a route answer the filter's request; where there is none, replies 404 or 405. */
  serve(self: T): void {
    const method = self.request.method, path = self.request.urlPath.split("/");
    let allowed = "";
    for (let i = 0; i < this.routes.length; i++) {
      const route = this.routes[i], params = route.match(path);
      if (!params) continue;
      if (route.method == method || route.method == "GET" && method == "HEAD") return route.run(self, params);
      allowed += (allowed.length > 0 ? ", " : "") + route.method;
    }
    if (allowed.length > 0) self.reply(405, "method not allowed\n", Fields.of("allow", allowed));
    else self.reply(404, "not found\n");
  }
}
