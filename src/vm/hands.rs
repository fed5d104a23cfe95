//! What hands do, as a script: presses, releases and moves with the time after each.
//!
//! The times are os-autoinst's: keys are held for a thirtieth of a second, buttons for 150 ms, and
//! 100 ms lie between the halves of a double click.

use std::time::Duration;

use crate::{
    model::Button,
    proto::keymap::{self, Key, KeymapError},
};

/// Between a key and the next one.
const KEY_HOLD: Duration = Duration::from_millis(33);
/// Between releases: nobody looks, but firmware drops keys that come at once.
const KEY_RELEASE: Duration = Duration::from_millis(5);
const CLICK_HOLD: Duration = Duration::from_millis(150);
const DOUBLE_CLICK_HOLD: Duration = Duration::from_millis(100);
/// A pointer that moves and clicks at once is missed by slow desktops.
const SETTLE: Duration = Duration::from_millis(30);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    Press(Key),
    Release(Key),
    /// With the buttons that are down: bit 0 left, 1 middle, 2 right.
    Pointer {
        x: u16,
        y: u16,
        buttons: u8,
    },
}

/// An act and the time until the next one.
pub(super) type Beat = (Act, Duration);

/// Presses the keys of a chord in order and releases them in reverse.
pub(super) fn chord(text: &str) -> Result<Vec<Beat>, KeymapError> {
    Ok(press(&keymap::chord(text)?, KEY_HOLD, KEY_RELEASE))
}

/// Types characters, one each `interval` (at least 12 ms: a PS/2 keyboard drops faster ones).
pub(super) fn text(text: &str, interval: Duration) -> Result<Vec<Beat>, KeymapError> {
    let interval = interval.max(Duration::from_millis(12));
    let mut beats = Vec::new();
    for character in text.chars() {
        let keys = keymap::character(character)?;
        let events = u32::try_from(keys.len() * 2).expect("at most two keys");
        let each = (interval / events).min(KEY_HOLD);
        beats.extend(press(&keys, each, each));
        if let Some((_, after)) = beats.last_mut() {
            *after = interval - each * (events - 1);
        }
    }
    Ok(beats)
}

fn press(keys: &[Key], hold: Duration, release: Duration) -> Vec<Beat> {
    let down = keys.iter().map(|key| (Act::Press(*key), hold));
    let up = keys.iter().rev().map(|key| (Act::Release(*key), release));
    down.chain(up).collect()
}

pub(super) fn pointer(x: u16, y: u16) -> Vec<Beat> {
    vec![(Act::Pointer { x, y, buttons: 0 }, SETTLE)]
}

pub(super) fn click(x: u16, y: u16, button: Button, double: bool) -> Vec<Beat> {
    let mask = match button {
        Button::Left => 1,
        Button::Middle => 2,
        Button::Right => 4,
    };
    let (times, hold) = if double { (2, DOUBLE_CLICK_HOLD) } else { (1, CLICK_HOLD) };
    let mut beats = pointer(x, y);
    for _ in 0..times {
        beats.push((Act::Pointer { x, y, buttons: mask }, hold));
        beats.push((Act::Pointer { x, y, buttons: 0 }, hold));
    }
    // Nothing follows the last release.
    if let Some((_, after)) = beats.last_mut() {
        *after = SETTLE;
    }
    beats
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(beats: &[Beat]) -> String {
        let shown = |(act, after): &Beat| {
            let after = after.as_millis();
            match act {
                Act::Press(key) => format!("+{:02x} {after}", key.scancode),
                Act::Release(key) => format!("-{:02x} {after}", key.scancode),
                Act::Pointer { x, y, buttons } => format!("{x},{y}:{buttons} {after}"),
            }
        };
        beats.iter().map(shown).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn chords_are_released_in_reverse() {
        assert_eq!(shown(&chord("ctrl-alt-f2").unwrap()), "+1d 33 +38 33 +3c 33 -3c 5 -38 5 -1d 5");
    }

    #[test]
    fn typing_keeps_its_interval() {
        let interval = Duration::from_millis(100);
        let beats = text("aB", interval).unwrap();
        assert_eq!(shown(&beats), "+1e 33 -1e 67 +2a 25 +30 25 -30 25 -2a 25");
        let whole: Duration = beats.iter().map(|(_, after)| *after).sum();
        assert_eq!(whole, interval * 2);
        assert_eq!(shown(&text("a", Duration::ZERO).unwrap()), "+1e 6 -1e 6");
    }

    #[test]
    fn clicks_hold_as_long_as_os_autoinst() {
        assert_eq!(shown(&click(7, 8, Button::Right, false)), "7,8:0 30 7,8:4 150 7,8:0 30");
        assert_eq!(
            shown(&click(7, 8, Button::Left, true)),
            "7,8:0 30 7,8:1 100 7,8:0 100 7,8:1 100 7,8:0 30"
        );
    }
}
