use crate::codec::cat;
use crate::{Error, Kind, Reader, Result, Writer};

/// A server-sent event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Event {
    /// What kind of event it is; empty: a message.
    pub name: String,
    /// Its content, which may have lines.
    pub data: String,
    /// By which a client goes on where it was; empty: none.
    pub id: String,
}

impl Event {
    /// An event with this content.
    pub fn new(data: impl Into<String>) -> Event {
        Event { data: data.into(), ..Event::default() }
    }

    /// The same, of another kind.
    pub fn name(mut self, name: impl Into<String>) -> Event {
        self.name = name.into();
        self
    }

    /// The same, with an id.
    pub fn id(mut self, id: impl Into<String>) -> Event {
        self.id = id.into();
        self
    }

    fn encode(&self) -> String {
        let mut out = String::new();
        for (field, value) in [("event: ", &self.name), ("id: ", &self.id)] {
            if !value.is_empty() {
                // A line break would begin another field.
                let value = value.replace(['\r', '\n', '\0'], " ");
                out.push_str(&cat(&[field, &value, "\n"]));
            }
        }
        for line in self.data.replace("\r\n", "\n").split(['\r', '\n']) {
            out.push_str(&cat(&["data: ", line, "\n"]));
        }
        out.push('\n');
        out
    }
}

impl Writer {
    /// Writes an event. See [`Response::events`](crate::Response::events).
    pub async fn event(&mut self, event: &Event) -> Result<()> {
        self.write(event.encode()).await
    }

    /// Writes something that clients skip, which keeps the connection alive.
    pub async fn comment(&mut self, text: &str) -> Result<()> {
        let text = text.replace(['\r', '\n'], " ");
        self.write(cat(&[": ", &text, "\n\n"])).await
    }
}

/// Reads events of a body.
///
/// ```
/// # use weir::*;
/// async fn loud(request: Request, next: Next) -> Result<Response> {
///     let mut response = next.run(request).await?;
///     response.transform(|body, mut out| async move {
///         let mut events = body.events(64 << 10);
///         while let Some(mut event) = events.next().await? {
///             event.data = event.data.to_uppercase();
///             out.event(&event).await?;
///         }
///         Ok(())
///     });
///     Ok(response)
/// }
/// ```
pub struct Events {
    from: Reader,
    limit: usize,
    rest: Vec<u8>,
    seen: usize,
    event: Event,
    some: bool,
    begun: bool,
}

impl Reader {
    /// Reads server-sent events, none of them longer than so many bytes.
    pub fn events(self, limit: usize) -> Events {
        Events { from: self, limit, rest: Vec::new(), seen: 0, event: Event::default(), some: false, begun: false }
    }
}

impl Events {
    /// Waits for the next event; None at the end. What is not ended by an empty line is none.
    pub async fn next(&mut self) -> Result<Option<Event>> {
        loop {
            while let Some(line) = self.line() {
                if let Some(event) = self.field(&line) {
                    return Ok(Some(event));
                }
            }
            if self.rest.len() + self.event.data.len() > self.limit {
                return Err(Error::of(Kind::Limit, "read event: it is longer than it may be"));
            }
            match self.from.chunk().await? {
                Some(chunk) => self.rest.extend_from_slice(&chunk),
                None if self.rest.last() == Some(&b'\r') => self.rest.push(b'\n'),
                None => return Ok(None),
            }
        }
    }

    /// Takes a line: it ends with CR, LF or both. A CR at the end may be half of both.
    fn line(&mut self) -> Option<String> {
        let (start, mut at) = (self.seen, 0);
        let mut found = None;
        for (n, b) in self.rest.iter().enumerate().skip(start) {
            if *b == b'\n' || *b == b'\r' && n + 1 < self.rest.len() {
                let both = *b == b'\r' && self.rest.get(n + 1) == Some(&b'\n');
                found = Some(n);
                at = n + 1 + usize::from(both);
                break;
            }
        }
        match found {
            Some(end) => {
                let line = String::from_utf8_lossy(&self.rest[..end]).into_owned();
                self.rest.drain(..at);
                self.seen = 0;
                Some(line)
            }
            None => {
                self.seen = self.rest.len().saturating_sub(1);
                None
            }
        }
    }

    /// Takes a field, and gives the event that it ends.
    fn field(&mut self, line: &str) -> Option<Event> {
        let line = if self.begun { line } else { line.strip_prefix('\u{feff}').unwrap_or(line) };
        self.begun = true;
        if line.is_empty() {
            let event = std::mem::take(&mut self.event);
            return if std::mem::take(&mut self.some) { Some(event) } else { None };
        }
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "data" => {
                if self.some {
                    self.event.data.push('\n');
                }
                self.event.data.push_str(value);
                self.some = true;
            }
            "event" => self.event.name = value.into(),
            "id" if !value.contains('\0') => self.event.id = value.into(),
            _ => {}
        }
        None
    }
}
