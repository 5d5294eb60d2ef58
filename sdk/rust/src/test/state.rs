use super::answer::{Answer, Sent};
use super::clock::Happening;
use super::flow::Flow;
use crate::abi::level;
use crate::codec::Pairs;
use crate::host;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::rc::Rc;

/// What answers a call.
pub(super) type Answerer = Rc<dyn Fn(&Sent) -> Answer>;

/// What a host knows.
pub(super) struct State {
    pub plain: bool,
    pub config: Vec<u8>,
    pub root_id: String,
    pub started: bool,
    pub clock: u64,
    pub effective: u32,
    pub last: u64,
    pub log: Vec<(u32, String)>,
    pub events: BTreeMap<(u64, u64), Happening>,
    pub tick: Option<(u64, u64)>,
    pub exchanges: BTreeMap<u32, Passing>,
    pub upstreams: HashMap<String, Answerer>,
    pub backend: Answerer,
    pub calls: Vec<Sent>,
    /// The exchanges that may go on.
    pub moved: BTreeSet<u32>,
    pub waiting: HashSet<u64>,
    pub fetched: HashMap<u64, (VecDeque<Vec<u8>>, Answer)>,
    pub store: BTreeMap<(String, String), Kept>,
    pub spaces: HashSet<String>,
    pub keys: HashSet<String>,
    pub shared: HashMap<String, (Vec<u8>, u32)>,
    pub metrics: Vec<(u32, String, u64)>,
    pub properties: HashMap<Vec<u8>, Vec<u8>>,
    pub lent: Lent,
    pub room: usize,
    pub random: super::Random,
    pub lies: Option<super::Random>,
}

/// An entry of the store.
pub(super) struct Kept {
    pub value: Vec<u8>,
    pub version: u64,
    pub until: u64,
}

/// What a callback is about.
#[derive(Default)]
pub(super) struct Lent {
    pub data: Option<Vec<u8>>,
    pub header: Pairs,
    pub body: Option<Vec<u8>>,
    pub trailer: Pairs,
    pub message: Vec<u8>,
}

/// A request that passes the filter, and its response.
#[derive(Default)]
pub(super) struct Passing {
    pub flows: [Flow; 2],
    pub begun: u64,
    pub asked: bool,
    pub sent: Option<Sent>,
    pub reply: Option<Reply>,
    pub closed: bool,
    pub hints: Vec<Pairs>,
    pub over: Option<u64>,
    pub cut: bool,
}

/// An answer of the filter's own.
#[derive(Default)]
pub(super) struct Reply {
    pub status: u32,
    pub header: Pairs,
    pub body: Vec<u8>,
    pub trailer: Pairs,
    pub details: String,
    pub ended: bool,
    pub unsent: usize,
}

impl State {
    pub fn new() -> State {
        State {
            plain: false,
            config: Vec::new(),
            root_id: String::new(),
            started: false,
            clock: 1_800_000_000_000_000_000,
            effective: 0,
            last: 0,
            log: Vec::new(),
            events: BTreeMap::new(),
            tick: None,
            exchanges: BTreeMap::new(),
            upstreams: HashMap::new(),
            backend: Rc::new(|_| Answer::new(200)),
            calls: Vec::new(),
            moved: BTreeSet::new(),
            waiting: HashSet::new(),
            fetched: HashMap::new(),
            store: BTreeMap::new(),
            spaces: HashSet::new(),
            keys: HashSet::new(),
            shared: HashMap::new(),
            metrics: Vec::new(),
            properties: HashMap::new(),
            lent: Lent::default(),
            room: usize::MAX,
            random: super::Random::new(7),
            lies: None,
        }
    }

    /// A number that was not there before.
    pub fn fresh(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// What is given in the place of an answer, now and then.
    pub fn lie(&mut self, answer: host::Answer<Vec<u8>>) -> host::Answer<Vec<u8>> {
        let random = match &mut self.lies {
            Some(random) => random,
            None => return answer,
        };
        match (random.below(8), answer) {
            (0, _) => Err(random.below(20) as u32 + 1),
            (1, _) => Ok(vec![0xff; random.below(40)]),
            (2, Ok(bytes)) => Ok(random.mutate(&bytes)),
            (_, answer) => answer,
        }
    }

    /// The exchange that the host's functions speak of.
    pub fn here(&mut self) -> Option<&mut Passing> {
        let id = self.effective;
        self.moved.insert(id);
        self.exchanges.get_mut(&id).filter(|x| x.over.is_none())
    }

    /// The log as a test reads it.
    pub fn lines(&self) -> Vec<String> {
        let name = |l: &u32| match *l {
            level::TRACE => "trace",
            level::DEBUG => "debug",
            level::INFO => "info",
            level::WARN => "warn",
            level::ERROR => "error",
            _ => "critical",
        };
        self.log.iter().map(|(level, text)| [name(level), ": ", text].concat()).collect()
    }
}
