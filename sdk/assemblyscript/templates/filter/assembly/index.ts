import { filter, Filter, Response } from "weir-sdk/assembly";

/** Hello adds a field to what the upstream answers. */
class Hello extends Filter {
  onResponse(response: Response): void {
    response.header.set("x-hello", "from {{name}}");
  }
}

filter(() => new Hello());

export * from "weir-sdk/assembly/exports";
