//! Waiting for what the host tells later.

use super::task::{Bell, PollFn};
use super::{current, Numbered, Own, Runtime};
use crate::abi::{buffer, call, map, status};
use crate::codec::cat;
use crate::codec::{read_pairs, Fields, Pairs, Reading};
use crate::error::{Error, Result};
use crate::host;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

/// What an answer says.
pub(crate) enum Told {
    /// weir's: a status, and fields.
    Fields(u32, Reading),
    /// Of `proxy_http_call`; without a header it has failed.
    Call { header: Pairs, body: Vec<u8>, trailer: Pairs },
    /// A timer of ours has run out.
    Tick,
}

/// Where an answer is put.
#[derive(Default)]
pub(crate) struct Slot {
    told: Own<Option<Told>>,
    bell: Bell,
}

impl Slot {
    pub fn put(&self, told: Told) {
        self.told.put(Some(told));
        self.bell.ring();
    }

    pub async fn wait(&self) -> Told {
        PollFn(|cx: &mut Context<'_>| match self.told.take() {
            Some(told) => Poll::Ready(told),
            None => {
                self.bell.wait(cx);
                Poll::Pending
            }
        })
        .await
    }
}

/// A token of weir's. What it stands for is given up with it.
pub(crate) struct Token {
    number: u64,
    done: bool,
}

impl Token {
    /// Calls a function that answers later.
    pub fn begin(name: &str, argument: Fields) -> Result<Token> {
        current().told.set(Some(super::hear));
        let result = foreign(name, argument)?;
        match Reading::new(result).number() {
            Some(number) => Ok(Token { number, done: false }),
            None => Err(Error::of(crate::Kind::Other, cat(&[name, ": the host's answer cannot be read"]))),
        }
    }

    pub fn number(&self) -> u64 {
        self.number
    }

    /// Nothing more comes under this token.
    pub fn done(&mut self) {
        self.done = true;
    }

    /// Waits for an answer: its status, and what it says.
    pub async fn answer(&mut self) -> (u32, Reading) {
        let slot = Rc::new(Slot::default());
        let _entry = Entry::new(true, self.number, slot.clone());
        match slot.wait().await {
            Told::Fields(status, fields) => (status, fields),
            _ => (status::INTERNAL_FAILURE, Reading::new(Vec::new())),
        }
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        if !self.done {
            // There is nobody to tell if that fails.
            let _ = host::foreign(call::CANCEL, &Fields::default().number(self.number).0);
        }
    }
}

/// A slot's place among those that wait, as long as somebody does.
pub(crate) struct Entry {
    answers: bool,
    number: u64,
    slot: Rc<Slot>,
}

impl Entry {
    pub fn new(answers: bool, number: u64, slot: Rc<Slot>) -> Entry {
        let rt = current();
        Entry::of(&rt, answers).insert(number, slot.clone());
        Entry { answers, number, slot }
    }

    fn of(rt: &Runtime, answers: bool) -> &Numbered<Slot> {
        if answers {
            &rt.answers
        } else {
            &rt.calls
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let rt = current();
        let all = Entry::of(&rt, self.answers);
        if all.get(self.number).map_or(false, |there| Rc::ptr_eq(&there, &self.slot)) {
            drop(all.remove(self.number));
        }
    }
}

/// Calls a function of weir's that answers at once.
pub(crate) fn foreign(name: &str, argument: Fields) -> Result<Vec<u8>> {
    if !current().weir() {
        return Err(Error::unsupported(name));
    }
    host::foreign(name, &argument.0).map_err(|st| Error::status(name, st, ""))
}

/// Calls a function that answers once, later.
pub(crate) fn ask(name: &'static str, argument: Fields) -> Pin<Box<dyn Future<Output = Result<Reading>>>> {
    Box::pin(async move {
        let mut token = Token::begin(name, argument)?;
        let (status, mut fields) = token.answer().await;
        token.done();
        if status == status::OK {
            return Ok(fields);
        }
        Err(Error::status(name, status, &fields.text().unwrap_or_default()))
    })
}

/// What an answer lacks.
pub(crate) fn missing(name: &str) -> Error {
    Error::new(cat(&[name, ": the host's answer cannot be read"]))
}

/// Hears an answer to `proxy_http_call`.
pub(crate) fn hear_call(rt: &Runtime, token: u32, some: bool) {
    if let Some(slot) = rt.calls.remove(u64::from(token)) {
        let read = |kind| read_pairs(&host::pairs(kind).unwrap_or_default());
        let header = if some { read(map::CALL_RESPONSE_HEADERS) } else { Vec::new() };
        let (body, trailer) = if header.is_empty() {
            (host::status().1, Vec::new()) // why it has failed
        } else {
            let body = host::buffer(buffer::CALL_RESPONSE_BODY, 0, host::MOST).unwrap_or_default();
            (body, read(map::CALL_RESPONSE_TRAILERS))
        };
        slot.put(Told::Call { header, body, trailer });
    }
}

impl Runtime {
    /// An answer of weir's has come. One that nobody waits for is dropped.
    pub fn answered(&self, mut fields: Reading) {
        if let (Some(token), Some(status)) = (fields.number(), fields.number()) {
            if let Some(slot) = self.answers.remove(token) {
                slot.put(Told::Fields(status as u32, fields));
            }
        }
    }
}
