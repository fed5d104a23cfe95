//! Bytes as they come to whole lines.

/// Holds what has come of a line that has no end yet.
#[derive(Debug, Default)]
pub(super) struct Lines {
    bytes: Vec<u8>,
    /// Bytes that have been handed out as lines.
    taken: usize,
}

impl Lines {
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.taken);
        self.taken = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole line, without its end.
    pub(super) fn poll(&mut self) -> Option<String> {
        let rest = &self.bytes[self.taken..];
        let end = rest.iter().position(|byte| *byte == b'\n')?;
        let line = String::from_utf8_lossy(&rest[..end]).into_owned();
        self.taken += end + 1;
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_the_same_wherever_the_bytes_are_cut() {
        let text = "one\n\nträd\nno end".as_bytes();
        for cut in 0..=text.len() {
            let mut lines = Lines::default();
            let mut found = Vec::new();
            for part in [&text[..cut], &text[cut..]] {
                lines.feed(part);
                found.extend(std::iter::from_fn(|| lines.poll()));
            }
            assert_eq!(found, ["one", "", "träd"], "cut at {cut}");
        }
    }
}
