//! Choices made by bytes: those of a seed in the tests, those of libFuzzer in the fuzz targets.

use arbitrary::Unstructured;

/// The bytes that are left to draw from; past their end every draw is 0.
pub(crate) struct Draws<'a>(pub(crate) Unstructured<'a>);

impl<'a> Draws<'a> {
    pub(crate) fn new(data: &'a [u8]) -> Self {
        Self(Unstructured::new(data))
    }

    /// A number below `end`, or 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        let range = 0..=end.saturating_sub(1);
        self.0.int_in_range(range).expect("the range is not empty")
    }

    pub(crate) fn pick<'b, T>(&mut self, of: &'b [T]) -> &'b T {
        &of[self.below(of.len())]
    }

    /// Changes, removes or inserts a few bytes.
    pub(crate) fn mutate(&mut self, bytes: &mut Vec<u8>) {
        const TELLING: [u8; 8] = [0, 1, 0x41, 0x6c, 0x6d, 0x7f, 0x80, 0xff];
        for _ in 0..self.below(4) {
            let at = self.below(bytes.len());
            match self.below(6) {
                0 if !bytes.is_empty() => bytes[at] ^= 1 << self.below(8),
                1 if !bytes.is_empty() => bytes[at] = self.below(256) as u8,
                2 if !bytes.is_empty() => bytes[at] = *self.pick(&TELLING),
                3 => bytes.truncate(at),
                4 => {
                    let end = bytes.len().min(at + self.below(16));
                    drop(bytes.drain(at..end));
                }
                _ => {
                    let more = *self.pick(&TELLING);
                    let count = 1 + self.below(12);
                    drop(bytes.splice(at..at, vec![more; count]));
                }
            }
        }
    }
}
