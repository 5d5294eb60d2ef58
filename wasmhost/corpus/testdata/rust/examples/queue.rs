//! Puts the paths of requests into a queue, and counts in shared data what comes out
//! of it; /count answers with the number so far.
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel, Status};

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| -> Box<dyn RootContext> { Box::new(Root { queue: 0 }) });
}}

const COUNT: &str = "taken";

struct Root {
    queue: u32,
}

fn number(bytes: Option<Vec<u8>>) -> u32 {
    bytes.and_then(|b| String::from_utf8(b).ok()).and_then(|s| s.parse().ok()).unwrap_or(0)
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, _: usize) -> bool {
        self.queue = self.register_shared_queue("paths");
        true
    }

    fn on_queue_ready(&mut self, queue: u32) {
        while let Ok(Some(_)) = self.dequeue_shared_queue(queue) {
            loop {
                let (value, cas) = self.get_shared_data(COUNT);
                let next = (number(value) + 1).to_string();
                match self.set_shared_data(COUNT, Some(next.as_bytes()), cas) {
                    Err(Status::CasMismatch) => continue,
                    _ => break,
                }
            }
        }
    }

    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream { queue: self.queue }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

struct Stream {
    queue: u32,
}

impl Context for Stream {}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        let path = self.get_http_request_header(":path").unwrap_or_default();
        if path == "/count" {
            let count = number(self.get_shared_data(COUNT).0).to_string();
            self.send_http_response(200, vec![], Some(count.as_bytes()));
            return Action::Pause;
        }
        match self.enqueue_shared_queue(self.queue, Some(path.as_bytes())) {
            Ok(()) => Action::Continue,
            Err(status) => {
                self.send_http_response(500, vec![], Some(format!("{:?}\n", status).as_bytes()));
                Action::Pause
            }
        }
    }
}
