//! Who is to be polled, and what runs without a stream.

use super::{Own, Runtime};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

/// What is polled, and gives nothing.
pub(crate) type Job<T> = Pin<Box<dyn Future<Output = T>>>;

/// The keys of those that are to be polled, and whether there are any.
#[derive(Default)]
pub(crate) struct Ready {
    some: AtomicBool,
    keys: Mutex<Vec<u64>>,
}

impl Ready {
    /// Takes all of them.
    pub fn take(&self) -> Vec<u64> {
        if !self.some.swap(false, Ordering::Acquire) {
            return Vec::new();
        }
        self.keys.lock().map_or_else(|_| Vec::new(), |mut keys| std::mem::take(&mut *keys))
    }

    fn push(&self, key: u64) {
        if let Ok(mut keys) = self.keys.lock() {
            keys.push(key);
            self.some.store(true, Ordering::Release);
        }
    }
}

/// Woken is what wakers set. A key stands in the queue at most once.
pub(crate) struct Woken {
    key: u64,
    set: AtomicBool,
    ready: Arc<Ready>,
}

impl Woken {
    pub fn new(key: u64, ready: &Arc<Ready>) -> Arc<Woken> {
        Arc::new(Woken { key, set: AtomicBool::new(false), ready: ready.clone() })
    }

    /// Sets it, for who is going to be polled at once and needs no place in the queue.
    pub fn expect(&self) {
        self.set.store(true, Ordering::Relaxed);
    }

    /// Whether it is set, and not any longer.
    pub fn take(&self) -> bool {
        self.set.swap(false, Ordering::Relaxed)
    }
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.set.swap(true, Ordering::Relaxed) {
            self.ready.push(self.key);
        }
    }
}

/// A task of a root's.
pub(crate) struct Background {
    root: u32,
    key: u64,
    woken: Arc<Woken>,
    job: Own<Option<Job<()>>>,
}

impl Background {
    /// Adds a task, which begins when the callback that runs is about to return.
    pub fn spawn(rt: &Runtime, job: Job<()>) {
        let key = rt.fresh();
        let woken = Woken::new(key, &rt.ready);
        woken.wake_by_ref();
        let task = Background { root: rt.root.get(), key, woken, job: Own::new(Some(job)) };
        rt.task.set(Some(Background::turn));
        rt.tasks.insert(key, Rc::new(task));
    }

    pub fn of(&self, root: u32) -> bool {
        self.root == root
    }

    /// Lets the one of a key run on.
    fn turn(rt: &Runtime, key: u64) {
        if let Some(task) = rt.tasks.get(key) {
            task.poll(rt);
        }
    }

    fn poll(&self, rt: &Runtime) {
        self.woken.take();
        if let Some(mut job) = self.job.take() {
            rt.select(self.root);
            let waker = Waker::from(self.woken.clone());
            match job.as_mut().poll(&mut Context::from_waker(&waker)) {
                Poll::Pending => self.job.put(Some(job)),
                Poll::Ready(()) => drop(rt.tasks.remove(self.key)),
            }
        }
    }
}

/// A future of a function that is polled.
pub(crate) struct PollFn<F>(pub F);

impl<F> Unpin for PollFn<F> {}

impl<T, F: FnMut(&mut Context<'_>) -> Poll<T>> Future for PollFn<F> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        (self.0)(cx)
    }
}

/// Where one waits for something: whoever has it to tell wakes them.
#[derive(Default)]
pub(crate) struct Bell(Own<Option<Waker>>);

impl Bell {
    pub fn wait(&self, cx: &Context<'_>) {
        self.0.put(Some(cx.waker().clone()));
    }

    pub fn ring(&self) {
        if let Some(waker) = self.0.take() {
            waker.wake();
        }
    }
}
