/// Numbers that look random and are the same each time (splitmix64: Steele, Lea and Flood, 2014).
pub(super) struct Dice(pub u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    pub(super) fn upto(&mut self, limit: i64) -> i64 {
        (self.next() >> 1).cast_signed() % limit
    }

    pub(super) fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        let at = usize::try_from(self.below(all.len() as u64)).unwrap();
        all[at]
    }

    /// 0 for half of all, 1 for half of the rest and so on, 11 at most.
    pub(super) fn halving(&mut self) -> u32 {
        self.next().leading_zeros().min(11)
    }
}
