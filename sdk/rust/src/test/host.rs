use super::answer::{Answer, Sent};
use super::exchange::Ask;
use super::state::{Kept, State};
use crate::codec::Pairs;
use crate::host::{put, Functions};
use crate::runtime::{self, calls, Runtime};
use crate::{Config, Entry, Filter, Result};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

/// A host with a filter in it: requests of one instance.
pub struct Host(pub(super) Rc<Inner>);

pub(super) struct Inner {
    pub state: RefCell<State>,
    runtime: Rc<Runtime>,
}

/// Puts back what was there, also where a test fails.
struct Left(Option<Rc<dyn Functions>>, Option<Rc<Runtime>>);

impl Drop for Left {
    fn drop(&mut self) {
        put(self.0.take());
        runtime::put(self.1.take());
    }
}

impl Inner {
    /// Runs something of the guest's.
    pub fn enter<T>(self: &Rc<Inner>, f: impl FnOnce() -> T) -> T {
        let _left = Left(put(Some(self.clone())), runtime::put(Some(self.runtime.clone())));
        f()
    }

    /// Starts the guest, unless that is done.
    pub fn start(self: &Rc<Inner>) -> std::result::Result<(), String> {
        if std::mem::replace(&mut self.state.borrow_mut().started, true) {
            return Ok(());
        }
        let size = {
            let mut s = self.state.borrow_mut();
            s.last = 1;
            s.effective = 1;
            s.config.len()
        };
        let taken = self.enter(|| {
            calls::on_context_create(1, 0);
            calls::on_configure(1, size)
        });
        if taken {
            return Ok(());
        }
        let lines = self.state.borrow().lines();
        Err(lines.join("\n"))
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // What still waits may speak to the host when it is dropped.
        let ids: Vec<u32> = self.0.state.borrow().exchanges.keys().copied().collect();
        self.0.enter(|| {
            ids.into_iter().for_each(calls::on_delete);
            calls::on_delete(1);
        });
    }
}

impl Host {
    /// A host with a filter that has no settings.
    pub fn new(filter: impl Filter + Clone) -> Host {
        Host::of(Entry::plain("", filter))
    }

    /// A host with a filter that is made from its configuration.
    pub fn configured<F: Filter>(new: impl Fn(&mut Config) -> Result<F> + 'static) -> Host {
        Host::of(Entry::configured("", new))
    }

    fn of(entry: Entry) -> Host {
        let runtime = Rc::new(Runtime::default());
        runtime.filters.put(vec![entry]);
        Host(Rc::new(Inner { state: RefCell::new(State::new()), runtime }))
    }

    fn with(self, f: impl FnOnce(&mut State)) -> Host {
        f(&mut self.0.state.borrow_mut());
        self
    }

    /// The same, with this configuration.
    pub fn config(self, json: &str) -> Host {
        self.with(|s| s.config = json.as_bytes().to_vec())
    }

    /// The same, as a host that knows nothing of weir's functions.
    pub fn plain(self) -> Host {
        self.with(|s| s.plain = true)
    }

    /// The same, with what is behind the filter; otherwise that answers 200.
    pub fn backend(self, f: impl Fn(&Sent) -> Answer + 'static) -> Host {
        self.with(|s| s.backend = Rc::new(f))
    }

    /// The same, with an upstream that the filter may call.
    pub fn upstream(self, name: &str, f: impl Fn(&Sent) -> Answer + 'static) -> Host {
        self.with(|s| drop(s.upstreams.insert(name.into(), Rc::new(f))))
    }

    /// The same, with a property that the filter may read: `["source", "address"]`.
    pub fn property(self, path: &[&str], value: impl Into<Vec<u8>>) -> Host {
        self.with(|s| drop(s.properties.insert(path.join("\0").into_bytes(), value.into())))
    }

    /// The same, with an entry in the plugin's own space of the store.
    pub fn entry(self, key: &str, value: impl Into<Vec<u8>>) -> Host {
        self.with(|s| {
            let version = s.fresh();
            let kept = Kept { value: value.into(), version, until: u64::MAX };
            s.store.insert((String::new(), key.into()), kept);
        })
    }

    /// The same, with a space of the store that is granted.
    pub fn space(self, name: &str) -> Host {
        self.with(|s| s.spaces.extend([name.into()]))
    }

    /// The same, with a key to sign with that is granted.
    pub fn key(self, name: &str) -> Host {
        self.with(|s| s.keys.extend([name.into()]))
    }

    /// The same, with clients that take no more than so many bytes at a time.
    pub fn slow_clients(self, bytes: usize) -> Host {
        self.with(|s| s.room = bytes)
    }

    /// The same, as a host that lies now and then: it answers with a status, or with bytes,
    /// that make no sense.
    pub fn lying(self, seed: u64) -> Host {
        self.with(|s| s.lies = Some(super::Random::new(seed)))
    }

    /// Starts the filter, as its first request does otherwise, and returns what it says if
    /// it refuses its configuration.
    pub fn start(&self) -> std::result::Result<(), String> {
        self.0.start()
    }

    /// A request.
    pub fn request(&self, method: &str, target: &str) -> Ask {
        let header: Pairs =
            [(":method", method), (":scheme", "http"), (":authority", "example.com"), (":path", target)]
                .iter()
                .map(|(n, v)| (String::from(*n), v.as_bytes().to_vec()))
                .collect();
        Ask::new(self.0.clone(), header)
    }

    /// A GET.
    pub fn get(&self, target: &str) -> Ask {
        self.request("GET", target)
    }

    /// A POST.
    pub fn post(&self, target: &str, body: impl Into<Vec<u8>>) -> Ask {
        self.request("POST", target).body(body)
    }

    /// The lines that were logged: `info: text`.
    pub fn log(&self) -> Vec<String> {
        self.0.state.borrow().lines()
    }

    /// What the filter has called.
    pub fn calls(&self) -> Vec<Sent> {
        self.0.state.borrow().calls.clone()
    }

    /// What a metric is at; a histogram: how often something was recorded.
    pub fn metric(&self, name: &str) -> Option<u64> {
        self.0.state.borrow().metrics.iter().find(|(_, n, _)| n == name).map(|(_, _, v)| *v)
    }

    /// A value in the plugin's own space of the store.
    pub fn stored(&self, key: &str) -> Option<Vec<u8>> {
        let s = self.0.state.borrow();
        s.store.get(&(String::new(), key.into())).filter(|e| e.until > s.clock).map(|e| e.value.clone())
    }

    /// How many answers the filter waits for.
    pub fn waiting(&self) -> usize {
        self.0.state.borrow().waiting.len()
    }

    /// Lets time pass.
    pub fn advance(&self, time: Duration) {
        if let Err(problem) = self.start() {
            panic!("start: {problem}");
        }
        let until = self.0.state.borrow().clock + time.as_nanos() as u64;
        self.0.settle();
        while self.0.happen(until) {
            self.0.settle();
        }
        self.0.state.borrow_mut().clock = until;
    }
}
