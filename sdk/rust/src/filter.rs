use crate::codec::cat;
use crate::config::Config;
use crate::runtime::Runtime;
use crate::{Next, Request, Response, Result};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

/// What a filter is at with one request.
pub type Task = Pin<Box<dyn Future<Output = Result<Response>>>>;

/// A filter: every async function from request and [`Next`] to a response is one.
pub trait Filter: 'static {
    /// Begins with a request. What it returns runs until there is a response, and is
    /// dropped when the client is gone.
    fn run(&self, request: Request, next: Next) -> Task;
}

impl<F, T> Filter for F
where
    F: Fn(Request, Next) -> T + 'static,
    T: Future<Output = Result<Response>> + 'static,
{
    fn run(&self, request: Request, next: Next) -> Task {
        Box::pin(self(request, next))
    }
}

/// Makes a filter of what all requests share, such as settings, and a function.
///
/// ```
/// use std::rc::Rc;
/// use weir::{Config, Filter, Next, Request, Response, Result};
///
/// struct Hello { name: String }
///
/// async fn hello(hello: Rc<Hello>, request: Request, next: Next) -> Result<Response> {
///     let mut response = next.run(request).await?;
///     response.header_mut().set("x-hello", &hello.name);
///     Ok(response)
/// }
///
/// fn new(config: &mut Config) -> Result<impl Filter> {
///     Ok(weir::with(Hello { name: config.string("name", "world") }, hello))
/// }
///
/// weir::filter!(configure = new);
/// ```
pub fn with<S, F, T>(shared: S, run: F) -> impl Filter
where
    S: 'static,
    F: Fn(Rc<S>, Request, Next) -> T + 'static,
    T: Future<Output = Result<Response>> + 'static,
{
    let shared = Rc::new(shared);
    move |request: Request, next: Next| run(shared.clone(), request, next)
}

/// A filter, or why it refuses its configuration.
pub(crate) type Opened = std::result::Result<Rc<dyn Filter>, Vec<String>>;

/// What makes one of a configuration.
type Open = Box<dyn Fn(&[u8]) -> Opened>;

/// A filter of a module, and the root id it is chosen by.
#[doc(hidden)]
pub struct Entry {
    name: &'static str,
    open: Open,
}

impl Entry {
    /// A filter without settings.
    pub fn plain<F: Filter + Clone>(name: &'static str, filter: F) -> Entry {
        let open = move |config: &[u8]| -> Opened {
            if crate::config::says_nothing(config) {
                return Ok(Rc::new(filter.clone()));
            }
            Err(vec!["this filter takes none".into()])
        };
        Entry { name, open: Box::new(open) }
    }

    /// A filter that is made from its configuration.
    pub fn configured<F: Filter>(name: &'static str, new: impl Fn(&mut Config) -> Result<F> + 'static) -> Entry {
        let open = move |config: &[u8]| -> Opened { Ok(Rc::new(Config::read(config, &new)?)) };
        Entry { name, open: Box::new(open) }
    }

    /// Adds the filters of a module. See [`filter!`](crate::filter!).
    pub fn register(entries: Vec<Entry>) {
        crate::runtime::current().filters.put(entries);
    }
}

/// Opens the filter of a name; where there is but one, that.
pub(crate) fn open(rt: &Runtime, name: &str, config: &[u8]) -> Opened {
    // They are not borrowed while one is made: that is an author's function.
    let all = rt.filters.take();
    let found = match all.as_slice() {
        [only] => Some(only),
        _ => all.iter().find(|e| e.name == name),
    };
    let opened = match found {
        Some(entry) => (entry.open)(config),
        None => {
            let mut problem = cat(&["no filter has the root id \"", name, "\"; there are:"]);
            all.iter().for_each(|e| problem.push_str(&cat(&[" ", e.name])));
            Err(vec![problem])
        }
    };
    rt.filters.put(all);
    opened
}

/// Makes a module of filters.
///
/// `weir::filter!(hello);` has one, `weir::filter!(configure = new);` one that is made from
/// its configuration by `fn new(config: &mut Config) -> Result<impl Filter>`. Of several,
/// the root id says which one a place in the host's configuration means:
///
/// ```
/// # use weir::*;
/// # async fn hello(request: Request, next: Next) -> Result<Response> { next.run(request).await }
/// # fn new(config: &mut Config) -> Result<impl Filter> { Ok(hello) }
/// weir::filter! {
///     "hello" => hello,
///     "gate" => configure = new,
/// }
/// ```
#[macro_export]
macro_rules! filter {
    (@ [$($entry:expr,)+]) => {
        /// Names the filters of this module, once, before the host calls anything else.
        #[cfg_attr(target_arch = "wasm32", no_mangle)]
        #[allow(dead_code)]
        extern "C" fn _initialize() {
            $crate::__start();
            $crate::Entry::register(vec![$($entry),+]);
        }
    };
    (@ [$($entry:expr,)*] $name:literal => configure = $new:path $(, $($rest:tt)*)?) => {
        $crate::filter!(@ [$($entry,)* $crate::Entry::configured($name, $new),] $($($rest)*)?);
    };
    (@ [$($entry:expr,)*] $name:literal => $filter:path $(, $($rest:tt)*)?) => {
        $crate::filter!(@ [$($entry,)* $crate::Entry::plain($name, $filter),] $($($rest)*)?);
    };
    ($name:literal => $($rest:tt)+) => {
        $crate::filter!(@ [] $name => $($rest)+);
    };
    (configure = $new:path) => {
        $crate::filter!("" => configure = $new);
    };
    ($filter:path) => {
        $crate::filter!("" => $filter);
    };
}

/// What a module does before anything else.
#[doc(hidden)]
pub fn __start() {
    #[cfg(target_arch = "wasm32")]
    crate::exports::start();
}
