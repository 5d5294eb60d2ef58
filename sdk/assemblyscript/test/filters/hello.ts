import { filter, Filter, Response } from "../../assembly";

class Hello extends Filter {
  onResponse(response: Response): void {
    response.header.set("x-hello", "from AssemblyScript");
  }
}

filter(() => new Hello());

export * from "../../assembly/exports";
