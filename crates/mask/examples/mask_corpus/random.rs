//! Chance that is the same in every run: splitmix64 of a seed.

pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn below(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        // The remainder is smaller than what it is taken of.
        ((mixed ^ (mixed >> 31)) % below as u64) as usize
    }

    pub(crate) fn between(&mut self, least: usize, most: usize) -> usize {
        least + self.below(most - least + 1)
    }

    pub(crate) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub(crate) fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    /// As many signs of these, which are ASCII.
    pub(crate) fn signs(&mut self, of: &str, count: usize) -> String {
        (0..count).map(|_| char::from(*self.pick(of.as_bytes()))).collect()
    }

    /// What a form says: `#` is a digit, `%` one that is not zero, `@` a capital letter; all else stands for itself.
    pub(crate) fn form(&mut self, form: &str) -> String {
        let sign = |sign| match sign {
            '#' => self.signs("0123456789", 1),
            '%' => self.signs("123456789", 1),
            '@' => self.signs("ABCDEFGHJKLMNPQRSTUVWXYZ", 1),
            other => other.to_string(),
        };
        form.chars().map(sign).collect()
    }
}
