//! Entries that last, and that all nodes see. On weir alone.
//!
//! ```
//! # use weir::*;
//! # use std::time::Duration;
//! # async fn visit(user: &str) -> Result<()> {
//! let key = format!("seen/{user}");
//! match store::get(&key).await? {
//!     Some(entry) => log::info(&String::from_utf8_lossy(&entry.value)),
//!     None => drop(store::put(&key, "today").ttl(Duration::from_secs(86_400)).absent().await?),
//! }
//! # Ok(()) }
//! ```

use crate::abi::{call, wanted};
use crate::codec::{text, Fields};
use crate::runtime::task::Job;
use crate::runtime::wait::{ask, missing};
use crate::{Error, Kind, Result};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// An entry of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// By what it is found.
    pub key: String,
    /// What it holds.
    pub value: Vec<u8>,
    /// Another one with each change.
    pub version: u64,
}

impl Entry {
    /// What it holds, as text.
    pub fn text(&self) -> String {
        text(self.value.clone())
    }
}

/// A space of keys: the plugin's own, or one that it has been granted by its name.
#[derive(Debug, Clone, Default)]
pub struct Space(String);

/// The space of a name.
pub fn space(name: &str) -> Space {
    Space(name.into())
}

/// Reads an entry of the plugin's own space.
pub async fn get(key: &str) -> Result<Option<Entry>> {
    Space::default().get(key).await
}

/// Writes an entry of the plugin's own space. Nothing is done before it is awaited.
pub fn put(key: &str, value: impl Into<Vec<u8>>) -> Put {
    Space::default().put(key, value)
}

/// Deletes an entry of the plugin's own space, if it is there.
pub fn delete(key: &str) -> Delete {
    Space::default().delete(key)
}

/// Lists entries of the plugin's own space whose keys begin so, in the order of keys, from
/// the first after a key on, 1,000 at most.
pub async fn list(prefix: &str, after: &str, most: usize) -> Result<Vec<Entry>> {
    Space::default().list(prefix, after, most).await
}

impl Space {
    /// Reads an entry.
    pub async fn get(&self, key: &str) -> Result<Option<Entry>> {
        let fields = Fields::default().bytes(self.0.as_bytes()).bytes(key.as_bytes());
        let mut answer = match ask(call::STORE_GET, fields).await {
            Err(e) if e.kind() == Kind::NotFound => return Ok(None),
            other => other?,
        };
        let value = answer.bytes().map(<[u8]>::to_vec);
        match (value, answer.number()) {
            (Some(value), Some(version)) => Ok(Some(Entry { key: key.into(), value, version })),
            _ => Err(missing(call::STORE_GET)),
        }
    }

    /// Writes an entry. Nothing is done before it is awaited.
    pub fn put(&self, key: &str, value: impl Into<Vec<u8>>) -> Put {
        let fields = Fields::default().bytes(self.0.as_bytes()).bytes(key.as_bytes()).bytes(&value.into());
        Put { fields, milliseconds: 0, version: wanted::ANY, job: None }
    }

    /// Deletes an entry, if it is there. Nothing is done before it is awaited.
    pub fn delete(&self, key: &str) -> Delete {
        let fields = Fields::default().bytes(self.0.as_bytes()).bytes(key.as_bytes());
        Delete { fields, version: wanted::ANY, job: None }
    }

    /// Lists entries; see [`list`].
    pub async fn list(&self, prefix: &str, after: &str, most: usize) -> Result<Vec<Entry>> {
        let fields = Fields::default()
            .bytes(self.0.as_bytes())
            .bytes(prefix.as_bytes())
            .bytes(after.as_bytes())
            .number(most as u64);
        let mut answer = ask(call::STORE_LIST, fields).await?;
        let mut all = Vec::new();
        while answer.more() {
            let key = answer.text();
            let value = answer.bytes().map(<[u8]>::to_vec);
            match (key, value, answer.number()) {
                (Some(key), Some(value), Some(version)) => all.push(Entry { key, value, version }),
                _ => return Err(missing(call::STORE_LIST)),
            }
        }
        Ok(all)
    }
}

/// A write, which gives the entry's version. If the entry is not as wanted, the error is
/// of kind [`Kind::Conflict`].
#[must_use = "nothing is written before it is awaited"]
pub struct Put {
    fields: Fields,
    milliseconds: u64,
    version: u64,
    job: Option<Job<Result<u64>>>,
}

impl Put {
    /// The entry shall be gone after this time.
    pub fn ttl(mut self, time: Duration) -> Put {
        self.milliseconds = u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1);
        self
    }

    /// There must be no such entry.
    pub fn absent(self) -> Put {
        self.version(wanted::ABSENT)
    }

    /// The entry must have the version that it was read with.
    pub fn version(mut self, version: u64) -> Put {
        self.version = version;
        self
    }
}

impl Future for Put {
    type Output = Result<u64>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<u64>> {
        if self.job.is_none() {
            let fields = std::mem::take(&mut self.fields).number(self.milliseconds).number(self.version);
            self.job = Some(Box::pin(async move {
                let mut answer = ask(call::STORE_PUT, fields).await?;
                answer.number().ok_or_else(|| missing(call::STORE_PUT))
            }));
        }
        run(&mut self.job, cx)
    }
}

/// A deletion. If the entry is not as wanted, the error is of kind [`Kind::Conflict`].
#[must_use = "nothing is deleted before it is awaited"]
pub struct Delete {
    fields: Fields,
    version: u64,
    job: Option<Job<Result<()>>>,
}

impl Delete {
    /// The entry must have the version that it was read with.
    pub fn version(mut self, version: u64) -> Delete {
        self.version = version;
        self
    }
}

impl Future for Delete {
    type Output = Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        if self.job.is_none() {
            let fields = std::mem::take(&mut self.fields).number(self.version);
            self.job = Some(Box::pin(async move { ask(call::STORE_DELETE, fields).await.map(drop) }));
        }
        run(&mut self.job, cx)
    }
}

fn run<T>(job: &mut Option<Job<Result<T>>>, cx: &mut Context<'_>) -> Poll<Result<T>> {
    match job {
        Some(job) => job.as_mut().poll(cx),
        None => Poll::Ready(Err(Error::new("store: it was not begun"))),
    }
}
