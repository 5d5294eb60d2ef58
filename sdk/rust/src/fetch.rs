use crate::abi::{call, status};
use crate::body::Reader;
use crate::codec::cat;
use crate::codec::{read_pairs, write_list, Fields, Pairs};
use crate::header::{Header, Value};
use crate::host;
use crate::runtime::current;
use crate::runtime::wait::{hear_call, missing, Entry, Slot, Token, Told};
use crate::{Error, Kind, Result};
use std::rc::Rc;
use std::time::Duration;

/// A request to an upstream.
pub struct Call {
    header: Pairs,
    body: Vec<u8>,
    timeout: Duration,
}

impl Call {
    /// A call with a method, and a path with its query.
    pub fn new(method: &str, target: &str) -> Call {
        let header = vec![(":method".into(), method.as_bytes().to_vec()), (":path".into(), target.as_bytes().to_vec())];
        Call { header, body: Vec::new(), timeout: Duration::from_secs(0) }
    }

    /// A GET.
    pub fn get(target: &str) -> Call {
        Call::new("GET", target)
    }

    /// A POST.
    pub fn post(target: &str, body: impl Into<Vec<u8>>) -> Call {
        Call::new("POST", target).body(body)
    }

    /// The same, with a field more.
    pub fn header(mut self, name: &str, value: impl Value) -> Call {
        self.header.push((name.to_ascii_lowercase(), value.bytes().to_vec()));
        self
    }

    /// The same, for this host; otherwise it is the upstream's name.
    pub fn authority(self, authority: &str) -> Call {
        self.header(":authority", authority)
    }

    /// The same, with a body.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Call {
        self.body = body.into();
        self
    }

    /// The same, with a limit of time; the host has one of its own.
    pub fn timeout(mut self, timeout: Duration) -> Call {
        self.timeout = timeout;
        self
    }

    fn milliseconds(&self) -> u64 {
        let all = self.timeout.as_millis().min(u128::from(u32::MAX)) as u64;
        if self.timeout > Duration::from_secs(0) {
            all.max(1)
        } else {
            all
        }
    }
}

/// What an upstream has answered.
pub struct Answer {
    header: Header,
    status: u16,
    body: Reader,
}

impl Answer {
    fn new(pairs: Pairs, rest: Rest) -> Result<Answer> {
        let header = Header::here(pairs);
        match header.get(":status").and_then(|s| s.parse().ok()) {
            Some(status) => Ok(Answer { header, status, body: Reader::answer(rest) }),
            None => Err(Error::of(Kind::Broken, "fetch: there is no status in the answer")),
        }
    }

    /// Its status.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Whether its status is one of success, 200 to 299.
    pub fn ok(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Its header.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Its body. On weir it is read from the upstream as it is read here; elsewhere the host
    /// has read it whole before.
    pub fn body(&mut self) -> &mut Reader {
        &mut self.body
    }

    /// Its trailer, when the body has been read to its end.
    pub fn trailer(&self) -> Header {
        self.body.trailer()
    }
}

/// Calls an upstream that the plugin has been granted, and waits for its answer.
///
/// ```
/// # use weir::*;
/// async fn gate(mut request: Request, next: Next) -> Result<Response> {
///     let cookie = request.header().get("cookie").unwrap_or_default();
///     let mut answer = fetch("users", Call::get("/whoami").header("cookie", cookie)).await?;
///     if !answer.ok() {
///         return Ok(reply(401, "Please log in."));
///     }
///     request.header_mut().set("x-user", answer.body().text(256).await?);
///     next.run(request).await
/// }
/// ```
pub async fn fetch(upstream: &str, mut call: Call) -> Result<Answer> {
    if !call.header.iter().any(|(n, _)| n == ":authority") {
        let host = upstream.split("://").last().unwrap_or(upstream);
        let host = host.split('/').next().unwrap_or(host);
        call.header.insert(0, (":authority".into(), host.as_bytes().to_vec()));
    }
    if current().weir() {
        streamed(upstream, &call).await
    } else {
        whole(upstream, &call).await
    }
}

async fn streamed(upstream: &str, call: &Call) -> Result<Answer> {
    let fields = Fields::default()
        .bytes(upstream.as_bytes())
        .bytes(&write_list(&call.header))
        .bytes(&call.body)
        .number(call.milliseconds());
    let mut token = Token::begin(call::FETCH, fields)?;
    let (st, mut fields) = token.answer().await;
    if st != status::OK {
        token.done();
        let what = cat(&["fetch ", upstream]);
        return Err(Error::status(&what, st, &fields.text().unwrap_or_default()));
    }
    let pairs = fields.bytes().map(read_pairs).ok_or_else(|| missing(call::FETCH))?;
    let body = fields.bytes().map(<[u8]>::to_vec).unwrap_or_default();
    let more = fields.number().unwrap_or(0) != 0;
    let mut rest = Rest { body, token: None, trailer: Vec::new() };
    if more {
        rest.token = Some(token);
    } else {
        token.done();
        rest.trailer = fields.bytes().map(read_pairs).unwrap_or_default();
    }
    Answer::new(pairs, rest)
}

async fn whole(upstream: &str, call: &Call) -> Result<Answer> {
    let what = cat(&["fetch ", upstream]);
    let token = host::call(upstream, &write_list(&call.header), &call.body, call.milliseconds() as u32)
        .map_err(|st| Error::status(&what, st, ""))?;
    current().called.set(Some(hear_call));
    let slot = Rc::new(Slot::default());
    let _entry = Entry::new(false, u64::from(token), slot.clone());
    match slot.wait().await {
        Told::Call { header, body, trailer } if !header.is_empty() => {
            Answer::new(header, Rest { body, token: None, trailer })
        }
        Told::Call { body, .. } => Err(Error::status(&what, status::BROKEN_CONNECTION, &crate::codec::text(body))),
        _ => Err(missing(&what)),
    }
}

/// What is left of an answer.
pub(crate) struct Rest {
    body: Vec<u8>,
    token: Option<Token>,
    trailer: Pairs,
}

impl Rest {
    pub fn trailer(&self) -> Header {
        Header::here(self.trailer.clone())
    }

    pub async fn chunk(&mut self) -> Result<Option<Vec<u8>>> {
        if !self.body.is_empty() {
            return Ok(Some(std::mem::take(&mut self.body)));
        }
        while let Some(token) = &mut self.token {
            crate::runtime::wait::foreign(call::FETCH_READ, Fields::default().number(token.number()))?;
            let (st, mut fields) = token.answer().await;
            if st == status::OK {
                let chunk = fields.bytes().ok_or_else(|| missing(call::FETCH_READ))?;
                if !chunk.is_empty() {
                    return Ok(Some(chunk.to_vec()));
                }
                continue;
            }
            token.done();
            self.token = None;
            if st != status::EMPTY {
                return Err(Error::status("read answer", st, &fields.text().unwrap_or_default()));
            }
            self.trailer = fields.bytes().map(read_pairs).unwrap_or_default();
        }
        Ok(None)
    }
}
