import { filter, Filter, Request, Routes } from "weir-sdk/assembly";

/** App answers requests by itself. */
class App extends Filter {
  onRequest(request: Request): void {
    routes.serve(this);
  }
}

const routes = new Routes<App>()
  .on("GET", "/", (self, params) => {
    self.reply(200, "Hello from {{name}}.\n");
  })
  .on("GET", "/hello/{who}", (self, params) => {
    self.reply(200, "Hello, " + params.get("who") + ", at " + self.request.authority + ".\n");
  });

filter(() => new App());

export * from "weir-sdk/assembly/exports";
