//! Holds bodies back until they are whole, and replaces "secret" in them.
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::{Action, LogLevel};

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_http_context(|_, _| -> Box<dyn HttpContext> { Box::new(Redact { asked: 0, answered: 0 }) });
}}

struct Redact {
    asked: usize,
    answered: usize,
}

fn redacted(body: Vec<u8>) -> Option<Vec<u8>> {
    let text = String::from_utf8(body).ok()?;
    if text.contains("secret") {
        Some(text.replace("secret", "[redacted]").into_bytes())
    } else {
        None
    }
}

impl Context for Redact {}

impl HttpContext for Redact {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        self.set_http_request_header("content-length", None);
        Action::Continue
    }

    fn on_http_request_body(&mut self, size: usize, end: bool) -> Action {
        self.asked += size;
        if !end {
            return Action::Pause;
        }
        if let Some(new) = self.get_http_request_body(0, self.asked).and_then(redacted) {
            self.set_http_request_body(0, self.asked, &new);
        }
        Action::Continue
    }

    fn on_http_response_headers(&mut self, _: usize, _: bool) -> Action {
        self.set_http_response_header("content-length", None);
        Action::Continue
    }

    fn on_http_response_body(&mut self, size: usize, end: bool) -> Action {
        self.answered += size;
        if !end {
            return Action::Pause;
        }
        if let Some(new) = self.get_http_response_body(0, self.answered).and_then(redacted) {
            self.set_http_response_body(0, self.answered, &new);
        }
        Action::Continue
    }
}
