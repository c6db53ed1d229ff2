//! Changes of valid input for tests: the same in every run. `UNISHARE_FUZZ_ROUNDS` makes them run longer.

/// xorshift: no quality needed, only the same numbers everywhere.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below `bound`, which is not 0.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }

    /// A few bytes of `input` changed, removed, or put in, some from `pieces`.
    pub fn change(&mut self, input: &[u8], pieces: &[&[u8]]) -> Vec<u8> {
        let mut bytes = input.to_vec();
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len() + 1);
            match self.below(4) {
                0 if at < bytes.len() => bytes[at] = self.below(256) as u8,
                1 => drop(bytes.drain(at..(at + self.below(20)).min(bytes.len()))),
                2 => drop(bytes.splice(at..at, pieces[self.below(pieces.len())].iter().copied())),
                _ => bytes.truncate(bytes.len().min(at + self.below(64))),
            }
        }
        bytes
    }
}

/// How many inputs a test tries.
pub fn rounds() -> u64 {
    std::env::var("UNISHARE_FUZZ_ROUNDS").map_or(20_000, |text| text.parse().expect("UNISHARE_FUZZ_ROUNDS is a number"))
}
