//! What happens later, in its order. The clock stands while anything can go on.

use super::answer::Answer;
use super::host::Inner;
use super::state::State;
use crate::abi::{status, told};
use crate::codec::Fields;
use crate::runtime::calls;
use std::rc::Rc;
use std::time::Duration;

pub(super) enum Happening {
    /// An answer of weir's.
    Told { token: u64, status: u64, fields: Vec<u8> },
    /// An answer to `proxy_http_call`.
    Called { token: u64, answer: Answer },
    /// What is behind the filter answers.
    Response { id: u32, answer: Answer },
    /// The next part of that answer.
    Part { id: u32, chunk: Vec<u8>, last: bool },
    /// Something about a reply.
    Event { id: u32, kind: u32 },
}

impl State {
    /// Has something happen after a while.
    pub fn later(&mut self, wait: Duration, what: Happening) {
        let due = self.clock + wait.as_nanos() as u64;
        let n = self.fresh();
        self.events.insert((due, n), what);
    }

    /// Has a token answered after a while.
    pub fn answer(&mut self, wait: Duration, token: u64, status: u32, fields: Fields) {
        self.later(wait, Happening::Told { token, status: u64::from(status), fields: fields.0 });
    }
}

impl Inner {
    /// Has the next thing happen, if there is one until then; false if there is none.
    pub fn happen(self: &Rc<Inner>, until: u64) -> bool {
        let mut s = self.state.borrow_mut();
        let event = s.events.keys().next().copied();
        let tick = s.tick.map(|(_, due)| due);
        let due = match (event, tick) {
            (Some((e, _)), Some(t)) => e.min(t),
            (Some((e, _)), None) => e,
            (None, Some(t)) => t,
            (None, None) => return false,
        };
        if due > until {
            return false;
        }
        s.clock = s.clock.max(due);
        if tick == Some(due) {
            if let Some((period, _)) = s.tick {
                s.tick = Some((period, due + period));
            }
            s.effective = 1;
            drop(s);
            self.enter(|| calls::on_tick(1));
            return true;
        }
        let what = event.and_then(|key| s.events.remove(&key));
        drop(s);
        if let Some(what) = what {
            self.tell(what);
        }
        true
    }

    fn tell(self: &Rc<Inner>, what: Happening) {
        match what {
            Happening::Told { token, status, fields } => {
                if self.state.borrow_mut().waiting.remove(&token) {
                    let mut data = Fields::default().number(token).number(status).0;
                    data.extend_from_slice(&fields);
                    self.notice(told::ANSWER, data);
                }
            }
            Happening::Event { id, kind } => {
                let mut s = self.state.borrow_mut();
                let there = s
                    .exchanges
                    .get_mut(&id)
                    .filter(|x| x.over.is_none())
                    .map(|x| x.reply.as_mut().map(|r| r.unsent = 0));
                drop(s);
                if there.is_some() {
                    let data = Fields::default().number(u64::from(id)).number(u64::from(kind)).0;
                    self.notice(told::EVENT, data);
                }
            }
            Happening::Called { token, answer } => self.called(token, answer),
            Happening::Response { id, answer } => self.state.borrow_mut().respond(id, answer),
            Happening::Part { id, chunk, last } => {
                let mut s = self.state.borrow_mut();
                s.moved.insert(id);
                if let Some(x) = s.exchanges.get_mut(&id) {
                    x.flows[1].chunks.push_back(chunk);
                    x.flows[1].open = !last;
                }
            }
        }
    }

    fn notice(self: &Rc<Inner>, function: u32, data: Vec<u8>) {
        let size = data.len();
        let mut s = self.state.borrow_mut();
        s.lent.data = Some(data);
        s.effective = 1;
        drop(s);
        self.enter(|| calls::on_foreign(1, function, size));
        self.state.borrow_mut().lent.data = None;
    }

    fn called(self: &Rc<Inner>, token: u64, answer: Answer) {
        let mut s = self.state.borrow_mut();
        if !s.waiting.remove(&token) {
            return;
        }
        s.effective = 1;
        let body = answer.chunks.concat();
        let fields = match &answer.broken {
            Some(why) => {
                s.lent.message = why.clone().into_bytes();
                0
            }
            None => {
                s.lent.header = answer.pairs();
                s.lent.trailer = answer.trailer;
                s.lent.body = Some(body);
                s.lent.header.len() as u32
            }
        };
        drop(s);
        self.enter(|| calls::on_call_response(1, token as u32, fields));
        self.state.borrow_mut().lent = Default::default();
    }
}

impl State {
    /// What is behind the filter answers.
    pub fn respond(&mut self, id: u32, answer: Answer) {
        self.moved.insert(id);
        let gap = answer.gap;
        let mut wait = Duration::default();
        if let Some(x) = self.exchanges.get_mut(&id).filter(|x| x.over.is_none()) {
            let flow = &mut x.flows[1];
            flow.begun = true;
            flow.header = match answer.broken {
                Some(_) => Answer::new(502).pairs(),
                None => answer.pairs(),
            };
            flow.trailer = answer.trailer;
            if gap == wait {
                flow.chunks.extend(answer.chunks);
                return;
            }
            flow.open = !answer.chunks.is_empty();
        }
        let count = answer.chunks.len();
        for (n, chunk) in answer.chunks.into_iter().enumerate() {
            wait += gap;
            self.later(wait, Happening::Part { id, chunk, last: n + 1 == count });
        }
    }
}

/// What a call that has failed says.
pub(super) fn failure(why: &str) -> (u32, Fields) {
    (status::BROKEN_CONNECTION, Fields::default().bytes(why.as_bytes()))
}
