//! The names of keys that `send_key` knows.

/// Keys with a name, as os-autoinst calls them.
pub(super) const NAMED: [&str; 35] = [
    "ret",
    "kp_enter",
    "esc",
    "tab",
    "spc",
    "backspace",
    "delete",
    "insert",
    "home",
    "end",
    "pgup",
    "pgdn",
    "up",
    "down",
    "left",
    "right",
    "print",
    "sysrq",
    "pause",
    "menu",
    "minus",
    "equal",
    "less",
    "f1",
    "f2",
    "f3",
    "f4",
    "f5",
    "f6",
    "f7",
    "f8",
    "f9",
    "f10",
    "f11",
    "f12",
];

/// Keys that are held while the last one is pressed; each is also a key of its own.
pub(super) const HELD: [&str; 12] = [
    "ctrl", "ctrl_r", "alt", "alt_r", "altgr", "shift", "shift_r", "super", "super_r", "meta",
    "meta_r", "win",
];

/// Most keys pressed together.
const MOST: usize = 6;

/// Whether `keys` is one key or several held together, as `ret`, `a`, `ctrl-alt-f2`, `shift--`.
/// The error names the part that is not known.
pub fn valid_keys(keys: &str) -> Result<(), String> {
    let parts = taken_apart(keys);
    if parts.len() > MOST {
        return Err(format!("{} keys together", parts.len()));
    }
    let Some((last, held)) = parts.split_last() else { return Err("no key".into()) };
    for key in held {
        if !HELD.contains(&key.to_ascii_lowercase().as_str()) {
            return Err(format!("`{key}` held down"));
        }
    }
    let lower = last.to_ascii_lowercase();
    let mut chars = last.chars();
    let one = matches!((chars.next(), chars.next()), (Some(' '..='~'), None));
    if one || NAMED.contains(&lower.as_str()) || HELD.contains(&lower.as_str()) {
        return Ok(());
    }
    Err(format!("the key `{last}`"))
}

/// Every name, for the nearest one to be found.
pub(super) fn key_names() -> impl Iterator<Item = &'static str> {
    NAMED.into_iter().chain(HELD)
}

/// A `-` between keys joins them, a last one is the key itself.
fn taken_apart(keys: &str) -> Vec<&str> {
    if keys == "-" {
        return vec!["-"];
    }
    match keys.strip_suffix("--") {
        Some(held) => held.split('-').chain(["-"]).collect(),
        None => keys.split('-').filter(|_| !keys.is_empty()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_known_by_name() {
        for good in [
            "ret",
            "RET",
            "a",
            "A",
            "1",
            "-",
            "%",
            " ",
            "f12",
            "ctrl-alt-f2",
            "ctrl-alt-delete",
            "shift--",
            "super",
            "alt-tab",
            "ctrl-c",
            "shift-f10",
            "ctrl--",
        ] {
            assert_eq!(valid_keys(good), Ok(()), "{good}");
        }
        for (bad, why) in [
            ("", "no key"),
            ("enter", "the key `enter`"),
            ("f13", "the key `f13`"),
            ("é", "the key `é`"),
            ("a-b", "`a` held down"),
            ("ctrl-", "the key ``"),
            ("-ret", "`` held down"),
            ("ctrl-alt-shift-super-meta-altgr-a", "7 keys together"),
            ("ret ret", "the key `ret ret`"),
        ] {
            assert_eq!(valid_keys(bad), Err(why.into()), "{bad}");
        }
    }
}
