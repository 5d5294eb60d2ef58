use crate::abi::call;
use crate::codec::Fields;
use crate::host;
use crate::runtime::task::{Background, PollFn};
use crate::runtime::wait::ask;
use crate::runtime::{current, tick};
use crate::{Error, Kind, Result};
use std::future::Future;
use std::task::{Context, Poll};
use std::time::Duration;

/// The time since the beginning of 1970, by the host's clock.
pub fn now() -> Duration {
    Duration::from_nanos(host::now())
}

/// Waits. Other requests do not.
pub async fn sleep(time: Duration) -> Result<()> {
    if !current().weir() {
        tick::wait(time).await;
        return Ok(());
    }
    let milliseconds = (time.as_nanos() + 999_999) / 1_000_000;
    let milliseconds = u64::try_from(milliseconds).unwrap_or(u64::MAX);
    ask(call::TIMER, Fields::default().number(milliseconds)).await.map(drop)
}

/// Waits for something, but no longer than this: then it is dropped, and the error is of
/// kind [`Kind::Limit`].
pub async fn timeout<T>(time: Duration, work: impl Future<Output = T>) -> Result<T> {
    let mut work = Box::pin(work);
    let mut clock = Box::pin(sleep(time));
    PollFn(|cx: &mut Context<'_>| {
        if let Poll::Ready(done) = work.as_mut().poll(cx) {
            return Poll::Ready(Ok(done));
        }
        match clock.as_mut().poll(cx) {
            Poll::Ready(Ok(())) => Poll::Ready(Err(Error::of(Kind::Limit, "it took too long"))),
            Poll::Ready(Err(e)) => Poll::Ready(Err(e)),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// Waits for two things at once.
pub async fn both<A, B>(a: impl Future<Output = A>, b: impl Future<Output = B>) -> (A, B) {
    let (mut a, mut b) = (Box::pin(a), Box::pin(b));
    let (mut first, mut second) = (None, None);
    PollFn(|cx: &mut Context<'_>| {
        if first.is_none() {
            first = ready(a.as_mut().poll(cx));
        }
        if second.is_none() {
            second = ready(b.as_mut().poll(cx));
        }
        match (first.take(), second.take()) {
            (Some(a), Some(b)) => Poll::Ready((a, b)),
            (a, b) => {
                first = a;
                second = b;
                Poll::Pending
            }
        }
    })
    .await
}

fn ready<T>(poll: Poll<T>) -> Option<T> {
    match poll {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

/// Runs something beside all requests, in each instance. It ends with the instance.
pub fn spawn(work: impl Future<Output = ()> + 'static) {
    Background::spawn(&current(), Box::pin(work));
}

/// Runs something again and again, at first when the time has passed once, and never
/// before the last run has ended: in each instance. Call it where the filter is made.
pub fn every<F, T>(time: Duration, mut run: F)
where
    F: FnMut() -> T + 'static,
    T: Future<Output = Result<()>> + 'static,
{
    spawn(async move {
        loop {
            if let Err(e) = sleep(time).await {
                crate::log::error(e.text());
                return;
            }
            if let Err(e) = run().await {
                crate::log::error(e.text());
            }
        }
    });
}
