//! Makes a gRPC call for each request: to the upstream "echo", method Say of the
//! service test.Echo. What comes back goes on to the upstream as fields.
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::{Action, LogLevel};
use std::time::Duration;

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_http_context(|_, _| -> Box<dyn HttpContext> { Box::new(Call) });
}}

struct Call;

impl Context for Call {
    fn on_grpc_call_response(&mut self, _: u32, status: u32, size: usize) {
        self.set_http_request_header("x-grpc-status", Some(&status.to_string()));
        if status == 0 {
            let message = self.get_grpc_call_response_body(0, size).unwrap_or_default();
            let text = String::from_utf8(message).unwrap_or_default();
            self.set_http_request_header("x-grpc-message", Some(&text));
        }
        self.resume_http_request();
    }
}

impl HttpContext for Call {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        let say = self.get_http_request_header("x-say").unwrap_or_default();
        let sent = self.dispatch_grpc_call(
            "echo",
            "test.Echo",
            "Say",
            vec![("x-from", b"rust")],
            Some(say.as_bytes()),
            Duration::from_secs(5),
        );
        match sent {
            Ok(_) => Action::Pause,
            Err(status) => {
                self.send_http_response(500, vec![], Some(format!("{:?}\n", status).as_bytes()));
                Action::Pause
            }
        }
    }
}
