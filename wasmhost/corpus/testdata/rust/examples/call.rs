//! Asks the upstream "auth" about each request: a 200 lets it on and names the user,
//! anything else is a 401, and no answer a 503.
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::{Action, LogLevel};
use std::time::Duration;

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_http_context(|_, _| -> Box<dyn HttpContext> { Box::new(Call) });
}}

struct Call;

impl Context for Call {
    fn on_http_call_response(&mut self, _: u32, headers: usize, size: usize, _: usize) {
        if headers == 0 {
            self.send_http_response(503, vec![], Some(b"nobody answers\n"));
            return;
        }
        let body = self.get_http_call_response_body(0, size).unwrap_or_default();
        if self.get_http_call_response_header(":status").as_deref() != Some("200") {
            self.send_http_response(401, vec![("x-reason", "auth")], Some(&body));
            return;
        }
        let user = String::from_utf8(body).unwrap_or_default();
        self.set_http_request_header("x-user", Some(&user));
        self.resume_http_request();
    }
}

impl HttpContext for Call {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        let token = self.get_http_request_header("x-token").unwrap_or_default();
        let headers = vec![
            (":method", "POST"),
            (":path", "/check"),
            (":authority", "auth.test"),
            ("x-token", token.as_str()),
        ];
        match self.dispatch_http_call("auth", headers, Some(token.as_bytes()), vec![], Duration::from_secs(5)) {
            Ok(_) => Action::Pause,
            Err(status) => {
                self.send_http_response(500, vec![], Some(format!("{:?}\n", status).as_bytes()));
                Action::Pause
            }
        }
    }
}
