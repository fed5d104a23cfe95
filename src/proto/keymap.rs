//! The keys of a US keyboard: os-autoinst's names and typed characters to keysyms and scancodes.
//!
//! Layouts other than US English are not offered, as in os-autoinst: a guest that has switched its
//! layout reads the scancodes as its own keys.

use std::fmt;

/// One key, as both VNC key messages name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// X11's name for it, shifted where the character is.
    pub keysym: u32,
    /// XT make code; keys behind the prefix `0xe0` have bit 7 set.
    pub scancode: u8,
}

impl Key {
    const fn new(keysym: u32, scancode: u8) -> Self {
        Self { keysym, scancode }
    }
}

const SHIFT: Key = Key::new(0xffe1, 0x2a);

/// Why keys cannot be pressed as written. The job's author has to change them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeymapError {
    #[error("no key is called {name:?}, the nearest is {nearest:?}")]
    NoKey { name: String, nearest: &'static str },
    #[error("a US keyboard cannot type {}", Shown(*character))]
    NoCharacter { character: char },
    #[error("no key is named")]
    Empty,
}

struct Shown(char);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} (U+{:04X})", self.0, u32::from(self.0))
    }
}

/// Rows of neighbours: first scancode, characters without and with shift.
const ROWS: [(u8, &str, &str); 5] = [
    (0x02, "1234567890-=", "!@#$%^&*()_+"),
    (0x10, "qwertyuiop[]", "QWERTYUIOP{}"),
    (0x1e, "asdfghjkl;'`", "ASDFGHJKL:\"~"),
    (0x2b, "\\zxcvbnm,./", "|ZXCVBNM<>?"),
    (0x39, " ", ""),
];

/// Names, the first of each key being os-autoinst's where it has one. Scancodes beyond F12 are
/// those of QEMU 8 and later; QEMU 7.2 ignores them.
const NAMES: [(&str, u32, u8); 94] = [
    ("esc", 0xff1b, 0x01),
    ("escape", 0xff1b, 0x01),
    ("backspace", 0xff08, 0x0e),
    ("tab", 0xff09, 0x0f),
    ("ret", 0xff0d, 0x1c),
    ("return", 0xff0d, 0x1c),
    ("enter", 0xff0d, 0x1c),
    ("spc", 0x20, 0x39),
    ("space", 0x20, 0x39),
    ("minus", 0x2d, 0x0c),
    ("equal", 0x3d, 0x0d),
    ("ctrl", 0xffe3, 0x1d),
    ("ctrl_r", 0xffe4, 0x9d),
    ("shift", 0xffe1, 0x2a),
    ("shift_r", 0xffe2, 0x36),
    ("alt", 0xffe9, 0x38),
    ("alt_r", 0xffea, 0xb8),
    ("altgr", 0xfe03, 0xb8),
    ("super", 0xffeb, 0xdb),
    ("super_r", 0xffec, 0xdc),
    ("meta", 0xffe7, 0xdb),
    ("meta_r", 0xffe8, 0xdc),
    ("win", 0xffeb, 0xdb),
    ("menu", 0xff67, 0xdd),
    ("caps", 0xffe5, 0x3a),
    ("capslock", 0xffe5, 0x3a),
    ("num", 0xff7f, 0x45),
    ("numlock", 0xff7f, 0x45),
    ("scroll", 0xff14, 0x46),
    ("scrolllock", 0xff14, 0x46),
    ("print", 0xff61, 0xb7),
    ("sysrq", 0xff15, 0x54),
    ("pause", 0xff13, 0xc6),
    ("home", 0xff50, 0xc7),
    ("left", 0xff51, 0xcb),
    ("up", 0xff52, 0xc8),
    ("right", 0xff53, 0xcd),
    ("down", 0xff54, 0xd0),
    ("pgup", 0xff55, 0xc9),
    ("pageup", 0xff55, 0xc9),
    ("pgdn", 0xff56, 0xd1),
    ("pagedown", 0xff56, 0xd1),
    ("end", 0xff57, 0xcf),
    ("insert", 0xff63, 0xd2),
    ("ins", 0xff63, 0xd2),
    ("delete", 0xffff, 0xd3),
    ("del", 0xffff, 0xd3),
    ("f1", 0xffbe, 0x3b),
    ("f2", 0xffbf, 0x3c),
    ("f3", 0xffc0, 0x3d),
    ("f4", 0xffc1, 0x3e),
    ("f5", 0xffc2, 0x3f),
    ("f6", 0xffc3, 0x40),
    ("f7", 0xffc4, 0x41),
    ("f8", 0xffc5, 0x42),
    ("f9", 0xffc6, 0x43),
    ("f10", 0xffc7, 0x44),
    ("f11", 0xffc8, 0x57),
    ("f12", 0xffc9, 0x58),
    ("f13", 0xffca, 0x5d),
    ("f14", 0xffcb, 0x5e),
    ("f15", 0xffcc, 0x5f),
    ("f16", 0xffcd, 0x55),
    ("f17", 0xffce, 0x83),
    ("f18", 0xffcf, 0xf7),
    ("f19", 0xffd0, 0x84),
    ("f20", 0xffd1, 0x5a),
    ("f21", 0xffd2, 0x74),
    ("f22", 0xffd3, 0xf9),
    ("f23", 0xffd4, 0x6d),
    ("f24", 0xffd5, 0x6f),
    ("kp0", 0xffb0, 0x52),
    ("kp1", 0xffb1, 0x4f),
    ("kp2", 0xffb2, 0x50),
    ("kp3", 0xffb3, 0x51),
    ("kp4", 0xffb4, 0x4b),
    ("kp5", 0xffb5, 0x4c),
    ("kp6", 0xffb6, 0x4d),
    ("kp7", 0xffb7, 0x47),
    ("kp8", 0xffb8, 0x48),
    ("kp9", 0xffb9, 0x49),
    ("kp_dot", 0xffae, 0x53),
    ("kp_decimal", 0xffae, 0x53),
    ("kp_plus", 0xffab, 0x4e),
    ("kp_add", 0xffab, 0x4e),
    ("kp_minus", 0xffad, 0x4a),
    ("kp_subtract", 0xffad, 0x4a),
    ("kp_times", 0xffaa, 0x37),
    ("kp_multiply", 0xffaa, 0x37),
    ("kp_slash", 0xffaf, 0xb5),
    ("kp_divide", 0xffaf, 0xb5),
    ("kp_enter", 0xff8d, 0x9c),
    ("kp_ret", 0xff8d, 0x9c),
    ("less", 0x3c, 0x56),
];

/// Keys in the order they are pressed, for `ctrl-alt-f2`, `A` (with shift) or `ctrl--` (minus).
pub fn chord(text: &str) -> Result<Vec<Key>, KeymapError> {
    let mut keys = Vec::new();
    let mut rest = text;
    loop {
        // A dash at the start of a part is the key itself, not what parts keys.
        let end = rest.char_indices().skip(1).find(|(_, c)| *c == '-').map(|(at, _)| at);
        let part = &rest[..end.unwrap_or(rest.len())];
        for key in named(part)? {
            // `shift-A` holds shift once.
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        let Some(end) = end else { return Ok(keys) };
        rest = &rest[end + 1..];
    }
}

fn named(name: &str) -> Result<Vec<Key>, KeymapError> {
    let mut characters = name.chars();
    match (characters.next(), characters.next()) {
        (None, _) => return Err(KeymapError::Empty),
        (Some(only), None) => return character(only),
        (Some(_), Some(_)) => {}
    }
    let lower = name.to_ascii_lowercase();
    if let Some((_, keysym, scancode)) = NAMES.iter().find(|(known, ..)| *known == lower) {
        return Ok(vec![Key::new(*keysym, *scancode)]);
    }
    let near = |known: &str| strsim::damerau_levenshtein(known, &lower);
    let nearest = NAMES.iter().map(|(known, ..)| *known).min_by_key(|known| near(known));
    Err(KeymapError::NoKey { name: name.into(), nearest: nearest.expect("the table has names") })
}

/// Keys, in the order they are pressed, that type one character: itself, after shift if need be.
pub fn character(character: char) -> Result<Vec<Key>, KeymapError> {
    let special = match character {
        '\n' | '\r' => "ret",
        '\t' => "tab",
        '\u{8}' | '\u{7f}' => "backspace",
        '\u{1b}' => "esc",
        _ => "",
    };
    if !special.is_empty() {
        return named(special);
    }
    for (first, plain, shifted) in ROWS {
        for (characters, shift) in [(plain, false), (shifted, true)] {
            if let Some(at) = characters.find(character) {
                let at = u8::try_from(at).expect("a row has a dozen keys");
                let key = Key::new(u32::from(character), first + at);
                return Ok(if shift { vec![SHIFT, key] } else { vec![key] });
            }
        }
    }
    Err(KeymapError::NoCharacter { character })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(keys: &[Key]) -> Vec<u8> {
        keys.iter().map(|key| key.scancode).collect()
    }

    #[test]
    fn chords_press_their_keys_in_order() {
        for (text, want) in [
            ("ret", vec![0x1c]),
            ("RET", vec![0x1c]),
            ("ctrl-alt-f2", vec![0x1d, 0x38, 0x3c]),
            ("shift-a", vec![0x2a, 0x1e]),
            ("A", vec![0x2a, 0x1e]),
            ("shift-A", vec![0x2a, 0x1e]),
            ("ctrl-alt-delete", vec![0x1d, 0x38, 0xd3]),
            ("-", vec![0x0c]),
            ("ctrl--", vec![0x1d, 0x0c]),
            ("ctrl---a", vec![0x1d, 0x0c, 0x1e]),
            ("alt-sysrq-b", vec![0x38, 0x54, 0x30]),
            (" ", vec![0x39]),
            ("?", vec![0x2a, 0x35]),
        ] {
            assert_eq!(codes(&chord(text).unwrap()), want, "{text}");
        }
    }

    #[test]
    fn unknown_keys_are_named_with_their_nearest() {
        let said = |text| chord(text).unwrap_err().to_string();
        assert_eq!(said("ctrl-retrun"), "no key is called \"retrun\", the nearest is \"return\"");
        assert_eq!(said("crtl-a"), "no key is called \"crtl\", the nearest is \"ctrl\"");
        assert_eq!(said(""), "no key is named");
        assert_eq!(said("ctrl-"), "no key is named");
        assert_eq!(said("ctrl-ß"), "a US keyboard cannot type 'ß' (U+00DF)");
    }

    #[test]
    fn every_printable_character_is_typed_by_one_key() {
        for byte in b' '..=b'~' {
            let c = char::from(byte);
            let keys = character(c).unwrap();
            let key = keys.last().unwrap();
            assert_eq!(key.keysym, u32::from(byte), "{c}");
            assert_eq!(keys.len() == 2, "~!@#$%^&*()_+{}|:\"<>?".contains(c) || c.is_uppercase());
        }
        assert_eq!(codes(&character('\n').unwrap()), [0x1c]);
    }

    #[test]
    fn names_are_unique() {
        let mut names: Vec<_> = NAMES.iter().map(|(name, ..)| name).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), NAMES.len());
    }
}
