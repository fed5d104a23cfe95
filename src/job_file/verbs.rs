//! What a step can do: every verb once, with its arguments, what they are unless said, and what
//! its result means.

use super::{
    form::{Bare, Block, Choice, Form, Key, Kind, Word, words},
    steps::{self, Reader},
    variables::LONGEST_TEXT,
};
use crate::model::{Button, PowerAction};

/// Needles are chosen by a few tags, not by a catalogue.
pub(super) const MOST_TAGS: usize = 64;
/// Longest text of one `type_string`.
pub(super) const MOST_CHARACTERS: usize = 16 << 10;
/// dB; 1,000,000 is what two equal screens have.
pub(super) const MOST_SIMILARITY_DB: f64 = 1_000_000.0;

pub(super) const BUTTONS: [Choice<Button>; 3] =
    [("left", Button::Left, ""), ("middle", Button::Middle, ""), ("right", Button::Right, "")];
pub(super) const POWER_ACTIONS: [Choice<PowerAction>; 3] = [
    (PowerAction::Off.name(), PowerAction::Off, "Pulls the plug."),
    (PowerAction::Reset.name(), PowerAction::Reset, "Presses the reset button."),
    (
        PowerAction::Acpi.name(),
        PowerAction::Acpi,
        "Presses the power button: the system may react.",
    ),
];
const BUTTON_WORDS: [Word; 3] = words(&BUTTONS);
const POWER_WORDS: [Word; 3] = words(&POWER_ACTIONS);

/// Something a step can do.
pub(super) struct Verb {
    pub(super) form: Form,
    /// The argument whose value may stand without its name.
    pub(super) short: Option<&'static str>,
    /// The verb alone is a step.
    pub(super) is_word: bool,
    /// What its result means. Markdown.
    pub(super) result: &'static str,
    /// Steps, as they stand in a list.
    pub(super) example: &'static str,
    pub(super) read: Reader,
}

pub(super) fn verb(name: &str) -> Option<&'static Verb> {
    VERBS.iter().find(|verb| verb.form.name == name)
}

pub(super) fn verb_names() -> impl Iterator<Item = &'static str> {
    VERBS.iter().map(|verb| verb.form.name)
}

const TAGS: Key = Key::new(
    "tags",
    Kind::OneOrMore { of: &Kind::Line { longest: LONGEST_TEXT }, most: MOST_TAGS },
    "The tags to look for. Words of one text must all be on the needle; of a list, one entry is \
     enough.",
)
.needed("the tags to look for")
.example("installer-language");
const WAIT: Kind = Kind::Duration { bare: Bare::Seconds, is_zero_fine: true };
const SPAN: Kind = Kind::Duration { bare: Bare::Seconds, is_zero_fine: false };

const fn form(name: &'static str, doc: &'static str, keys: &'static [Key]) -> Form {
    Form { doc, keys, ..Form::new(name, Block::Ours, "options") }
}

pub(super) static VERBS: [Verb; 9] = [
    Verb {
        form: form(
            "assert_screen",
            "Waits until a needle with these tags matches the screen. It looks again whenever the \
             screen changes, so it is over as soon as the match is there.",
            &[
                TAGS,
                Key::new("timeout", WAIT, "How long to wait. A bare number is seconds.")
                    .usual("30s")
                    .example("2m"),
            ],
        ),
        short: Some("tags"),
        is_word: false,
        result: "`ok` when a needle matched, `softfail` when that needle stands for a known \
                 workaround, `fail` when none matched in time; then the page shows how near each \
                 needle came.",
        example: "- assert_screen: installer-language\n\
                  - assert_screen: { tags: [desktop, login-screen], timeout: 5m }\n",
        read: steps::assert_screen,
    },
    Verb {
        form: form(
            "check_screen",
            "As `assert_screen`, but never fails. Without a `timeout` it looks once and goes on.",
            &[
                TAGS,
                Key::new("timeout", WAIT, "How long to wait. A bare number is seconds.")
                    .usual("0s")
                    .example("10s"),
            ],
        ),
        short: Some("tags"),
        is_word: false,
        result: "`ok` whether a needle matched or not; the words of the step say which.",
        example: "- check_screen: { tags: update-notice, timeout: 10s }\n",
        read: steps::check_screen,
    },
    Verb {
        form: form(
            "assert_and_click",
            "Waits for a match as `assert_screen` does, lets the matched areas come to rest, and \
             clicks: at the needle's click point, or in the middle of its last area. Afterwards the \
             pointer is parked in the corner.",
            &[
                TAGS,
                Key::new("timeout", WAIT, "How long to wait. A bare number is seconds.")
                    .usual("30s")
                    .example("2m"),
                Key::new("button", Kind::Words(&BUTTON_WORDS), "The mouse button.").usual("left"),
                Key::new("double", Kind::Switch, "Click twice.").usual("false"),
                Key::new(
                    "point",
                    Kind::Line { longest: LONGEST_TEXT },
                    "The click point of that name, where the needle has several.",
                )
                .example("ok"),
            ],
        ),
        short: Some("tags"),
        is_word: false,
        result: "As `assert_screen`; the words say where it clicked. `fail` also when the needle has \
                 no click point of the name asked for.",
        example: "- assert_and_click: installer-continue\n\
                  - assert_and_click: { tags: desktop-icon, double: true }\n",
        read: steps::assert_and_click,
    },
    Verb {
        form: form(
            "send_key",
            "Presses a key, or several together, and lets them go. Keys have os-autoinst's names, \
             such as `ret`, `esc`, `tab`, `spc`, `f2`, `up`, `pgdn`; a single character is its own \
             name. Held keys come first, joined with `-`.",
            &[Key::new("keys", Kind::Keys, "The keys to press.")
                .needed("the keys to press")
                .example("ctrl-alt-f2")],
        ),
        short: Some("keys"),
        is_word: false,
        result: "`ok` once the keys were sent. What the guest made of them shows in the next step.",
        example: "- send_key: ret\n- send_key: ctrl-alt-f2\n",
        read: steps::send_key,
    },
    Verb {
        form: form(
            "type_string",
            "Types text, key by key, on a US keyboard. `\\n` is the return key, `\\t` the tabulator; \
             YAML reads them so in double quotes only.",
            &[
                Key::new("text", Kind::Typed { longest: LONGEST_TEXT }, "The text to type.")
                    .needed("the text to type")
                    .example("\"root\\n\""),
                Key::new("secret", Kind::Switch, "Keep the text out of results and pages.")
                    .usual("false"),
                Key::new(
                    "interval",
                    Kind::Duration { bare: Bare::Refused, is_zero_fine: true },
                    "The time between two characters.",
                )
                .usual("30ms")
                .example("100ms"),
            ],
        ),
        short: Some("text"),
        is_word: false,
        result: "`ok` once the keys were sent.",
        example: "- type_string: \"root\\n\"\n\
                  - type_string: { text: \"s3cret\\n\", secret: true }\n",
        read: steps::type_string,
    },
    Verb {
        form: form(
            "wait_still_screen",
            "Waits until the screen has not changed for a while.",
            &[
                Key::new("stilltime", SPAN, "How long it must be still. A bare number is seconds.")
                    .usual("7s")
                    .example("3s"),
                Key::new("timeout", SPAN, "How long to wait for that; not below `stilltime`.")
                    .usual("30s")
                    .example("1m"),
                Key::new(
                    "similarity",
                    Kind::Real { least: 0.0, most: MOST_SIMILARITY_DB },
                    "How alike two pictures must be to count as unchanged, in dB. A text cursor that \
                     blinks needs 35.",
                )
                .usual("47"),
            ],
        ),
        short: Some("stilltime"),
        is_word: true,
        result: "`ok` in either case, as in os-autoinst: when the screen never rested, the words of \
                 the step say so.",
        example: "- wait_still_screen\n- wait_still_screen: { stilltime: 3s, timeout: 1m }\n",
        read: steps::wait_still_screen,
    },
    Verb {
        form: form(
            "wait_serial",
            "Waits until the serial console has said something that fits a regular expression. It \
             reads on from where the last `wait_serial` has found its match.",
            &[
                Key::new(
                    "regex",
                    Kind::Regex { longest: LONGEST_TEXT },
                    "The expression, in the syntax of Rust's `regex`: no look-around.",
                )
                .needed("the expression to wait for")
                .example("'login: $'"),
                Key::new("timeout", WAIT, "How long to wait. A bare number is seconds.")
                    .usual("90s")
                    .example("5m"),
            ],
        ),
        short: Some("regex"),
        is_word: false,
        result: "`ok` with what was found, `fail` when nothing fitted in time; then the last lines of \
                 the console are kept beside it.",
        example: "- wait_serial: 'login: $'\n- wait_serial: { regex: 'tests: \\d+ ok', timeout: 5m }\n",
        read: steps::wait_serial,
    },
    Verb {
        form: form("save_screenshot", "Keeps the screen as it is now as a result.", &[]),
        short: None,
        is_word: true,
        result: "`ok` with the picture.",
        example: "- save_screenshot\n",
        read: steps::save_screenshot,
    },
    Verb {
        form: form(
            "power",
            "Switches the machine.",
            &[Key::new("action", Kind::WordsOrFalse(&POWER_WORDS), "What to do.")
                .needed("off, reset or acpi")
                .example("acpi")],
        ),
        short: Some("action"),
        is_word: false,
        result: "`ok` once the machine was told.",
        example: "- power: acpi\n",
        read: steps::power,
    },
];
