//! Removes escape sequences, so that expressions match what a person reads.

/// A sequence that is never ended must not swallow what follows for ever.
const MAX_STRING: usize = 4096;
const ESC: u8 = 0x1b;
const BEL: u8 = 0x07;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Text,
    /// After the escape character.
    Escape,
    /// One more byte belongs to it, as in `ESC ( B`.
    Last,
    /// `ESC [`, until a letter.
    Control,
    /// `ESC ]` and its like, until BEL or `ESC \`; holds its length.
    String(usize),
    /// An escape character inside a string.
    StringEscape,
}

/// Remembers where in a sequence the last piece was cut.
#[derive(Debug, Default)]
pub(super) struct Stripper(State);

impl Stripper {
    /// Appends the text of `bytes` to `text`.
    pub(super) fn strip(&mut self, bytes: &[u8], text: &mut Vec<u8>) {
        for &byte in bytes {
            self.0 = match (self.0, byte) {
                (State::Text, ESC) => State::Escape,
                (State::Text, _) => {
                    text.push(byte);
                    State::Text
                }
                (State::Escape, b'[') => State::Control,
                (State::Escape, b']' | b'P' | b'X' | b'^' | b'_') => State::String(0),
                (State::Escape, b' '..=b'/') => State::Last,
                (State::Control, b' '..=b'?') => State::Control,
                // The end of a string, or a sequence that breaks off where another begins.
                (State::Escape | State::Last | State::Control, ESC) => State::Escape,
                (State::Escape | State::Last | State::Control, _) => State::Text,
                (State::String(_), BEL | b'\n') => State::Text,
                (State::String(_), ESC) => State::StringEscape,
                (State::String(MAX_STRING..), _) => State::Text,
                (State::String(length), _) => State::String(length + 1),
                (State::StringEscape, _) => State::Text,
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn stripped(pieces: &[&[u8]]) -> String {
        let mut stripper = Stripper::default();
        let mut text = Vec::new();
        for piece in pieces {
            stripper.strip(piece, &mut text);
        }
        String::from_utf8_lossy(&text).into_owned()
    }

    #[test]
    fn only_text_is_left_wherever_it_is_cut() {
        for (bytes, want) in [
            ("\x1b[1;32mok\x1b[0m done", "ok done"),
            ("\x1b]0;title\x07login: ", "login: "),
            ("\x1b]0;title\x1b\\login: ", "login: "),
            ("\x1b(Bboot\x1b[?25l\x1b[2J\x1b[Hed\r\n", "booted\r\n"),
            ("\x1bcreset\x1b=", "reset"),
            ("a\x1b[31\x1b[32mb", "ab"),
            ("\x1b]never ended\nnext", "next"),
        ] {
            for cut in 0..=bytes.len() {
                let (before, after) = bytes.as_bytes().split_at(cut);
                assert_eq!(stripped(&[before, after]), want, "{bytes:?} cut at {cut}");
            }
        }
    }

    #[test]
    fn a_string_without_end_is_given_up() {
        let long = [b"\x1b]".as_slice(), &[b'x'; 5000], b"text"].concat();
        assert!(stripped(&[&long]).ends_with("text"));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic_and_never_grow(bytes: Vec<u8>) {
            let mut text = Vec::new();
            Stripper::default().strip(&bytes, &mut text);
            prop_assert!(text.len() <= bytes.len());
        }
    }
}
