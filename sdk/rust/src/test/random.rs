/// Numbers that are the same in each run, for tests that try many things.
pub struct Random(u64);

impl Random {
    /// A row of numbers.
    pub fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// The next number below a bound.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.number() % bound.max(1) as u64) as usize
    }

    /// Bytes that are nearly those: some changed, lost, or there twice.
    pub fn mutate(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut out = bytes.to_vec();
        for _ in 0..1 + self.below(4) {
            let at = self.below(out.len());
            match self.below(4) {
                0 => out.truncate(at),
                1 if !out.is_empty() => out[at] = self.number() as u8,
                2 => out.insert(at, self.number() as u8),
                _ => {
                    let copy = out[at.min(out.len())..].to_vec();
                    out.extend_from_slice(&copy);
                    out.truncate(4 * bytes.len());
                }
            }
        }
        out
    }
}
