//! What an instance keeps: its filters, the streams they run for, and what those wait
//! for. Callbacks of the host come in by `calls`, one at a time; nothing is borrowed here
//! while code of an author, or the host, runs.

pub(crate) mod calls;
mod own;
pub(crate) mod reply;
pub(crate) mod side;
pub(crate) mod stream;
pub(crate) mod task;
pub(crate) mod tick;
pub(crate) mod transform;
pub(crate) mod wait;

use crate::abi::{call, told};
use crate::codec::Reading;
use crate::filter::{Entry, Filter};
use crate::host;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

pub(crate) use own::{Numbered, Own};

/// A plugin's root context.
pub(crate) struct Root {
    pub id: u32,
    pub filter: Own<Option<Rc<dyn Filter>>>,
}

/// Something that is called once it is there.
type Hook<F> = Cell<Option<F>>;

/// All of an instance.
#[derive(Default)]
pub(crate) struct Runtime {
    pub filters: Own<Vec<Entry>>,
    pub roots: Numbered<Root>,
    pub streams: Numbered<stream::Stream>,
    pub tasks: Numbered<task::Background>,
    pub answers: Numbered<wait::Slot>,
    pub calls: Numbered<wait::Slot>,
    ticks: Own<Vec<tick::Tick>>,
    pub ready: Arc<task::Ready>,
    /// What hears of answers, ticks and tasks. Filters that wait for none of them do
    /// without that code.
    pub told: Hook<fn(&Runtime, u32, Reading)>,
    pub called: Hook<fn(&Runtime, u32, bool)>,
    pub tick: Hook<fn(&Runtime)>,
    pub task: Hook<fn(&Runtime, u64)>,
    effective: Cell<u32>,
    pub root: Cell<u32>,
    last: Cell<u64>,
    weir: Cell<Option<bool>>,
}

thread_local! {
    static CURRENT: RefCell<Option<Rc<Runtime>>> = const { RefCell::new(None) };
}

/// Returns the instance that runs.
pub(crate) fn current() -> Rc<Runtime> {
    let there = CURRENT.try_with(|c| c.borrow_mut().get_or_insert_with(Rc::default).clone());
    there.unwrap_or_default()
}

/// Puts an instance in place, and returns the one that was there.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn put(runtime: Option<Rc<Runtime>>) -> Option<Rc<Runtime>> {
    CURRENT.with(|c| c.replace(runtime))
}

impl Runtime {
    /// Whether the host is weir.
    pub fn weir(&self) -> bool {
        if let Some(known) = self.weir.get() {
            return known;
        }
        let version = host::foreign(call::HELLO, &[]).ok().and_then(|v| Reading::new(v).number());
        self.weir.set(Some(version.is_some()));
        version.is_some()
    }

    /// Has the host's functions speak of a context.
    pub fn select(&self, context: u32) {
        if self.effective.replace(context) != context {
            // One that is gone has nothing that could be asked for: each function says so.
            let _ = host::set_effective(context);
        }
    }

    /// Notes which context the host calls.
    pub fn entered(&self, context: u32, root: u32) {
        self.effective.set(context);
        self.root.set(root);
    }

    /// A number that nothing else here has.
    pub fn fresh(&self) -> u64 {
        self.last.set(self.last.get() + 1);
        // Contexts have 32 bits.
        self.last.get() | 1 << 32
    }

    pub fn stream(&self, id: u32) -> Option<Rc<stream::Stream>> {
        self.streams.get(u64::from(id))
    }

    /// Lets those go on for whom something has happened.
    pub fn settle(&self) {
        loop {
            let keys = self.ready.take();
            if keys.is_empty() {
                return;
            }
            for key in keys {
                if let Some(stream) = self.streams.get(key) {
                    if stream.woken.take() {
                        stream.drive(self, None);
                    }
                } else if let Some(poll) = self.task.get() {
                    poll(self, key);
                }
            }
        }
    }
}

/// Hears an answer of weir's, or an event.
pub(crate) fn hear(rt: &Runtime, function: u32, mut fields: Reading) {
    match function {
        told::ANSWER => rt.answered(fields),
        told::EVENT => {
            let (id, kind) = (fields.number().unwrap_or(0), fields.number().unwrap_or(0));
            if let Some(stream) = rt.streams.get(id) {
                stream.event(kind as u32);
            }
        }
        _ => {}
    }
}
