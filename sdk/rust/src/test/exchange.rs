use super::answer::{readable, Answer, Sent};
use super::clock::Happening;
use super::host::Inner;
use super::state::{Passing, State};
use crate::abi::action;
use crate::codec::{text, Pairs};
use crate::runtime::calls;
use std::rc::Rc;
use std::time::Duration;

/// How long a test waits by the virtual clock.
const PATIENCE: Duration = Duration::from_secs(24 * 3600);

/// A request that is going to be sent.
pub struct Ask {
    inner: Rc<Inner>,
    header: Pairs,
    chunks: Vec<Vec<u8>>,
    trailer: Pairs,
    open: bool,
}

impl Ask {
    pub(super) fn new(inner: Rc<Inner>, header: Pairs) -> Ask {
        Ask { inner, header, chunks: Vec::new(), trailer: Vec::new(), open: false }
    }

    /// The same, with a field more; of pseudo fields such as `:authority`, with this one.
    pub fn header(mut self, name: &str, value: &str) -> Ask {
        if name.starts_with(':') {
            self.header.retain(|(n, _)| n != name);
        }
        self.header.push((name.to_ascii_lowercase(), value.as_bytes().to_vec()));
        self
    }

    /// The same, with some bytes more in its body, which come by themselves.
    pub fn body(mut self, chunk: impl Into<Vec<u8>>) -> Ask {
        let chunk = chunk.into();
        if !chunk.is_empty() {
            self.chunks.push(chunk);
        }
        self
    }

    /// The same, with a field more behind the body.
    pub fn trailer(mut self, name: &str, value: &str) -> Ask {
        self.trailer.push((name.into(), value.as_bytes().to_vec()));
        self
    }

    /// The same, with a body that goes on by [`Exchange::send`] and [`Exchange::end`].
    pub fn open(mut self) -> Ask {
        self.open = true;
        self
    }

    /// Sends it, and waits for all that comes of it.
    pub fn send(self) -> Outcome {
        self.start().finish()
    }

    /// Sends it, and goes on as far as it goes without time passing.
    pub fn start(self) -> Exchange {
        if let Err(problem) = self.inner.start() {
            panic!("start: {problem}");
        }
        let mut s = self.inner.state.borrow_mut();
        let id = s.fresh() as u32;
        let mut x = Passing { begun: s.clock, ..Passing::default() };
        x.flows[0].header = self.header;
        x.flows[0].chunks = self.chunks.into();
        x.flows[0].trailer = self.trailer;
        x.flows[0].open = self.open;
        x.flows[0].begun = true;
        s.exchanges.insert(id, x);
        s.moved.insert(id);
        s.effective = id;
        drop(s);
        self.inner.enter(|| calls::on_context_create(id, 1));
        self.inner.settle();
        Exchange { inner: self.inner, id }
    }
}

/// A request under way.
pub struct Exchange {
    inner: Rc<Inner>,
    id: u32,
}

impl Exchange {
    /// Sends more of the body.
    pub fn send(&self, chunk: impl Into<Vec<u8>>) {
        self.change(|x| x.flows[0].chunks.push_back(chunk.into()));
    }

    /// Ends the body.
    pub fn end(&self) {
        self.change(|x| x.flows[0].open = false);
    }

    fn change(&self, f: impl FnOnce(&mut Passing)) {
        let mut s = self.inner.state.borrow_mut();
        s.moved.insert(self.id);
        if let Some(x) = s.exchanges.get_mut(&self.id) {
            f(x);
        }
        drop(s);
        self.inner.settle();
    }

    /// Whether there is no more to come.
    pub fn over(&self) -> bool {
        self.inner.state.borrow().exchanges.get(&self.id).map_or(true, |x| x.over.is_some())
    }

    /// What has come of it so far.
    pub fn sofar(&self) -> Outcome {
        Outcome::of(&self.inner.state.borrow(), self.id)
    }

    /// The client goes away.
    pub fn cancel(self) -> Outcome {
        self.inner.finish(self.id, true);
        self.inner.settle();
        self.sofar()
    }

    /// Somebody else answers, another filter perhaps, whatever this one is at.
    pub fn answered(self, answer: Answer) -> Outcome {
        self.inner.state.borrow_mut().respond(self.id, answer);
        self.finish()
    }

    /// Waits for all that comes of it, while the clock goes on.
    pub fn finish(self) -> Outcome {
        let until = self.inner.state.borrow().clock + PATIENCE.as_nanos() as u64;
        self.inner.settle();
        while !self.over() {
            if !self.inner.happen(until) {
                panic!("the filter waits for what never happens; its log: {:#?}", self.inner.state.borrow().lines());
            }
            self.inner.settle();
        }
        self.sofar()
    }
}

/// What has come of a request.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// The response's status; 0 if there was none.
    pub status: u16,
    /// Its header.
    pub header: Vec<(String, String)>,
    /// Its body.
    pub body: Vec<u8>,
    /// Its trailer.
    pub trailer: Vec<(String, String)>,
    /// The fields of responses that came ahead of it.
    pub hints: Vec<Vec<(String, String)>>,
    /// It broke off.
    pub cut: bool,
    /// The word with which the filter has replied.
    pub details: String,
    /// What reached what is behind the filter.
    pub upstream: Option<Sent>,
    /// How long it took.
    pub took: Duration,
}

impl Outcome {
    /// The first value of a field.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.header.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// The body, as text.
    pub fn text(&self) -> String {
        text(self.body.clone())
    }

    fn of(s: &State, id: u32) -> Outcome {
        let x = match s.exchanges.get(&id) {
            Some(x) => x,
            None => return Outcome::default(),
        };
        let took = Duration::from_nanos(x.over.unwrap_or(s.clock) - x.begun);
        let hints = x.hints.iter().map(readable).collect();
        let mut out = Outcome { hints, took, cut: x.cut, upstream: x.sent.clone(), ..Outcome::default() };
        if let Some(reply) = &x.reply {
            out.status = reply.status as u16;
            out.header = readable(&reply.header);
            out.body = reply.body.clone();
            out.trailer = readable(&reply.trailer);
            out.details = reply.details.clone();
        } else if x.flows[1].gone {
            let flow = &x.flows[1];
            out.header = readable(&flow.header);
            out.status = out.header(":status").and_then(|s| s.parse().ok()).unwrap_or(0);
            out.header.retain(|(n, _)| n != ":status");
            out.body = flow.out.clone();
            if flow.done {
                out.trailer = readable(&flow.trailer);
            }
        }
        out
    }
}

impl Inner {
    /// Lets all exchanges go on as far as they go now.
    pub fn settle(self: &Rc<Inner>) {
        loop {
            let id = self.state.borrow().moved.iter().next().copied();
            match id {
                Some(id) => {
                    self.state.borrow_mut().moved.remove(&id);
                    while self.step(id) {}
                }
                None => return,
            }
        }
    }

    fn step(self: &Rc<Inner>, id: u32) -> bool {
        let mut s = self.state.borrow_mut();
        let x = match s.exchanges.get_mut(&id).filter(|x| x.over.is_none()) {
            Some(x) => x,
            None => return false,
        };
        if x.closed {
            drop(s);
            return self.finish(id, true);
        }
        if x.reply.as_ref().map_or(false, |r| r.ended) {
            let body = x.reply.as_ref().map_or(0, |r| r.body.len());
            s.effective = id;
            drop(s);
            self.through(id, body);
            return self.finish(id, false);
        }
        if x.flows[1].done {
            drop(s);
            return self.finish(id, false);
        }
        let asks = x.flows[0].done && !x.asked && x.reply.is_none();
        if asks {
            x.asked = true;
            let flow = &x.flows[0];
            let sent = Sent::new("", &flow.header, flow.out.clone(), &flow.trailer);
            x.sent = Some(sent.clone());
            let backend = s.backend.clone();
            drop(s);
            let answer: Answer = backend(&sent);
            self.state.borrow_mut().later(answer.delay, Happening::Response { id, answer });
            return true;
        }
        drop(s);
        self.advance(id, 0) || self.advance(id, 1)
    }

    /// Shows the filter its own reply, which may not hold it.
    fn through(self: &Rc<Inner>, id: u32, body: usize) {
        let held = self.enter(|| {
            let head = calls::on_headers(1, id, body == 0);
            head == action::PAUSE || body > 0 && calls::on_body(1, id, body, true) == action::PAUSE
        });
        if held {
            panic!("the filter holds its own reply");
        }
    }

    /// Ends an exchange.
    pub fn finish(self: &Rc<Inner>, id: u32, cut: bool) -> bool {
        let mut s = self.state.borrow_mut();
        let clock = s.clock;
        match s.exchanges.get_mut(&id).filter(|x| x.over.is_none()) {
            Some(x) => {
                x.over = Some(clock);
                x.cut = cut;
            }
            None => return false,
        }
        s.effective = id;
        drop(s);
        self.enter(|| calls::on_delete(id));
        true
    }
}
