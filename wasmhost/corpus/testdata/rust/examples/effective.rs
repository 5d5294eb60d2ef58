//! Keeps requests waiting until the root's next tick, which lets them on one after the
//! other, as the context of each.
use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| -> Box<dyn RootContext> { Box::new(Root { waiting: Default::default() }) });
}}

type Waiting = Rc<RefCell<Vec<u32>>>;

struct Root {
    waiting: Waiting,
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, _: usize) -> bool {
        self.set_tick_period(Duration::from_millis(20));
        true
    }

    fn on_tick(&mut self) {
        let waiting = std::mem::take(&mut *self.waiting.borrow_mut());
        for id in waiting {
            // One that has left meanwhile is no longer known.
            if hostcalls::set_effective_context(id).is_ok() {
                hostcalls::set_map_value(
                    proxy_wasm::types::MapType::HttpRequestHeaders,
                    "x-context",
                    Some(&id.to_string()),
                )
                .unwrap();
                hostcalls::resume_http_request().unwrap();
            }
        }
    }

    fn create_http_context(&self, id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream { id, waiting: self.waiting.clone() }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

struct Stream {
    id: u32,
    waiting: Waiting,
}

impl Context for Stream {}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        self.waiting.borrow_mut().push(self.id);
        Action::Pause
    }
}
