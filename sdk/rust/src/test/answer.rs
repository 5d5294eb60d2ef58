use crate::codec::{text, Pairs};
use std::time::Duration;

/// What an upstream answers.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    pub(super) status: u16,
    pub(super) header: Pairs,
    pub(super) chunks: Vec<Vec<u8>>,
    pub(super) trailer: Pairs,
    pub(super) delay: Duration,
    pub(super) gap: Duration,
    pub(super) broken: Option<String>,
}

impl Answer {
    /// An answer with this status.
    pub fn new(status: u16) -> Answer {
        Answer { status, ..Answer::default() }
    }

    /// None: the call fails.
    pub fn broken(why: &str) -> Answer {
        Answer { broken: Some(why.into()), ..Answer::default() }
    }

    /// The same, with a field more.
    pub fn header(mut self, name: &str, value: &str) -> Answer {
        self.header.push((name.into(), value.as_bytes().to_vec()));
        self
    }

    /// The same, with some bytes more in its body, which come by themselves.
    pub fn body(mut self, chunk: impl Into<Vec<u8>>) -> Answer {
        let chunk = chunk.into();
        if !chunk.is_empty() {
            self.chunks.push(chunk);
        }
        self
    }

    /// The same, with a field more behind the body.
    pub fn trailer(mut self, name: &str, value: &str) -> Answer {
        self.trailer.push((name.into(), value.as_bytes().to_vec()));
        self
    }

    /// The same, after a while.
    pub fn after(mut self, delay: Duration) -> Answer {
        self.delay = delay;
        self
    }

    /// The same, with a pause before each part of the body.
    pub fn pauses(mut self, gap: Duration) -> Answer {
        self.gap = gap;
        self
    }

    /// Its header as the ABI has it.
    pub(super) fn pairs(&self) -> Pairs {
        let mut pairs = vec![(":status".into(), self.status.to_string().into_bytes())];
        pairs.extend(self.header.iter().cloned());
        pairs
    }
}

/// A request as it reached an upstream.
#[derive(Debug, Clone, Default)]
pub struct Sent {
    /// The name of the upstream; empty: what is behind the filter.
    pub to: String,
    /// Its method.
    pub method: String,
    /// Its path and query.
    pub path: String,
    /// Its header, in which there is `:authority`, too.
    pub header: Vec<(String, String)>,
    /// Its body.
    pub body: Vec<u8>,
    /// Its trailer.
    pub trailer: Vec<(String, String)>,
}

impl Sent {
    pub(super) fn new(to: &str, pairs: &Pairs, body: Vec<u8>, trailer: &Pairs) -> Sent {
        let mut sent =
            Sent { to: to.into(), header: readable(pairs), body, trailer: readable(trailer), ..Sent::default() };
        sent.method = sent.header(":method").unwrap_or_default().into();
        sent.path = sent.header(":path").unwrap_or_default().into();
        sent
    }

    /// The first value of a field.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.header.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// Its body, as text.
    pub fn text(&self) -> String {
        text(self.body.clone())
    }
}

pub(super) fn readable(pairs: &Pairs) -> Vec<(String, String)> {
    pairs.iter().map(|(n, v)| (n.clone(), text(v.clone()))).collect()
}
