//! Derives inputs from a corpus.

/// What is often significant in texts, and at the limits of numbers.
const TOKENS: &[&[u8]] = &[
    b" ",
    b":",
    b";",
    b",",
    b"=",
    b"@",
    b"!",
    b"#",
    b"*",
    b"?",
    b"+",
    b"-",
    b"\\",
    b"\"",
    b"\t",
    b"\0",
    b"\r",
    b"\n",
    b"\r\n",
    b"\xff",
    b"\x1b[2J",
    b"\x03",
    b"\x7f",
    b"\xc2\x85",
    "ä".as_bytes(),
    "İ".as_bytes(),
    "ｱ".as_bytes(),
    "\u{202e}".as_bytes(),
    "\u{feff}".as_bytes(),
    "👩‍👩‍👧".as_bytes(),
    "e\u{301}".as_bytes(),
    b"0",
    b"-1",
    b"4294967296",
    b"9223372036854775807",
    b"99999999999999999999",
    b"#lobby",
    b"alice",
    b"msgid=",
    b"timestamp=2026-01-02T03:04:05.678Z",
    b"@batch=1",
    b"draft/multiline",
    b"PRIVMSG ",
];

/// Derives inputs from a corpus: always the same ones for the same number.
#[derive(Debug)]
pub struct Mutator {
    /// The state of `SplitMix64`.
    state: u64,
}

impl Mutator {
    /// Creates a mutator whose inputs depend on this number.
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Returns a number below `limit`, which is not 0.
    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).unwrap_or_default()
    }

    /// Returns a part of the bytes, as a range.
    fn part(&mut self, length: usize) -> std::ops::Range<usize> {
        let start = self.below(length + 1);
        let longest = (length - start).min(64);
        start..start + self.below(longest + 1)
    }

    /// Returns the next input: one of the corpus, changed at one to eight places.
    pub fn derive(&mut self, corpus: &[Vec<u8>]) -> Vec<u8> {
        let mut input = corpus[self.below(corpus.len())].clone();
        for _ in 0..=self.below(8) {
            let part = self.part(input.len());
            match self.below(6) {
                0 => drop(input.drain(part)),
                1 => {
                    let copy = input[part.clone()].to_vec();
                    input.splice(part.start..part.start, copy);
                }
                2 => {
                    let other = &corpus[self.below(corpus.len())];
                    let other = other[self.part(other.len())].to_vec();
                    input.splice(part, other);
                }
                3 => {
                    let token = TOKENS[self.below(TOKENS.len())];
                    input.splice(part.start..part.start, token.iter().copied());
                }
                4 => {
                    let token = TOKENS[self.below(TOKENS.len())];
                    input.splice(part, token.iter().copied());
                }
                _ => {
                    let bits = self.next().to_le_bytes()[0];
                    if let Some(byte) = input.get_mut(part.start) {
                        *byte ^= bits;
                    }
                }
            }
        }
        input
    }
}
