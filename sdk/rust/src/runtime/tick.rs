//! Timers on hosts that have none but `proxy_on_tick`.

use super::wait::{Slot, Told};
use super::{current, Runtime};
use crate::host;
use std::rc::Rc;
use std::time::Duration;

pub(super) struct Tick {
    due: u64,
    slot: Rc<Slot>,
}

impl Runtime {
    /// Has a slot told when the time has passed. It is dropped by whoever waits.
    pub fn tick_after(&self, wait: Duration, slot: Rc<Slot>) {
        let nanoseconds = u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX);
        let due = host::now().saturating_add(nanoseconds);
        self.tick.set(Some(Runtime::ticked));
        self.ticks.with(|all| all.push(Tick { due, slot }));
        self.arm();
    }

    /// The host says that time has passed.
    fn ticked(&self) {
        let now = host::now();
        let due = self.ticks.with(|all| {
            let (mut due, mut rest) = (Vec::new(), Vec::new());
            for t in std::mem::take(all) {
                if t.due <= now {
                    due.push(t.slot);
                } else if Rc::strong_count(&t.slot) > 1 {
                    rest.push(t);
                }
            }
            *all = rest;
            due
        });
        for slot in due {
            slot.put(Told::Tick);
        }
        self.arm();
    }

    /// Wants to be told when the next one is due.
    fn arm(&self) {
        let next = self.ticks.with(|all| all.iter().map(|t| t.due).min());
        let period = next.map_or(0, |due| {
            let milliseconds = due.saturating_sub(host::now()).saturating_add(999_999) / 1_000_000;
            u32::try_from(milliseconds).unwrap_or(u32::MAX).max(1)
        });
        host::set_tick(period);
    }
}

/// Waits, told by ticks.
pub(crate) async fn wait(time: Duration) {
    let slot = Rc::new(Slot::default());
    current().tick_after(time, slot.clone());
    slot.wait().await;
}
