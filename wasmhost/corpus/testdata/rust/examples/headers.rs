//! Edits headers both ways, and answers /deny itself.
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::{Action, LogLevel};

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_http_context(|_, _| -> Box<dyn HttpContext> { Box::new(Headers) });
}}

struct Headers;

impl Context for Headers {}

impl HttpContext for Headers {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        if self.get_http_request_header(":path").as_deref() == Some("/deny") {
            self.send_http_response(403, vec![("x-rust", "denied")], Some(b"not here\n"));
            return Action::Pause;
        }
        self.set_http_request_header("x-remove", None);
        self.set_http_request_header("x-replace", Some("by rust"));
        self.add_http_request_header("x-add", "one");
        self.add_http_request_header("x-add", "two");
        Action::Continue
    }

    fn on_http_response_headers(&mut self, _: usize, _: bool) -> Action {
        let status = self.get_http_response_header(":status").unwrap_or_default();
        self.set_http_response_header("x-rust", Some(&format!("saw {}", status)));
        self.set_http_response_header("x-upstream", None);
        Action::Continue
    }
}
