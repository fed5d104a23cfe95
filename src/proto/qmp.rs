//! QEMU's monitor, as lines of JSON: the client's half, without I/O.
//!
//! Commands may be given before QEMU has greeted; they are held back until it has accepted
//! `qmp_capabilities`. Answers carry the number the command got.

use serde::Deserialize;
use serde_json::{Map, Value, json};

/// A longer line is no monitor's: the longest known answer has some 200 kB.
const MAX_LINE: usize = 4 << 20;
/// Number of the `qmp_capabilities` that opens the conversation.
const HELLO: u64 = 0;

/// What QEMU said.
#[derive(Debug, Clone, PartialEq)]
pub enum Message {
    /// It has greeted and takes commands.
    Ready {
        version: String,
    },
    /// A command was carried out.
    Done {
        id: u64,
        value: Value,
    },
    /// A command was refused, with QEMU's words.
    Failed {
        id: u64,
        words: String,
    },
    Event(Event),
}

/// Things that happen to the machine. `guest` tells whether the guest did it, `reason` is QEMU's
/// word (`guest-shutdown`, `host-qmp-quit`, `host-signal`, …).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    Shutdown {
        guest: bool,
        reason: String,
    },
    Reset {
        guest: bool,
        reason: String,
    },
    /// The power button was pressed.
    Powerdown,
    Stop,
    Resume,
    /// With QEMU's `info`, if it has any.
    GuestPanicked {
        info: String,
    },
    /// Any other, by QEMU's name.
    Other {
        name: String,
    },
}

#[derive(Debug, thiserror::Error)]
pub enum QmpError {
    #[error("a line of the monitor is longer than {MAX_LINE} bytes")]
    LineTooLong,
    #[error("a line of the monitor is not what a monitor says: {line:?}")]
    Malformed { line: String, source: serde_json::Error },
    #[error("the monitor said something before its greeting")]
    NotGreeted,
    #[error("the monitor refused to take commands: {words}")]
    NotReady { words: String },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Greeting,
    Capabilities,
    Ready,
    Broken,
}

/// The client's half of one connection.
#[derive(Debug)]
pub struct Client {
    state: State,
    version: String,
    input: Vec<u8>,
    /// Bytes of `input` that hold no line end.
    scanned: usize,
    output: Vec<u8>,
    /// Commands that wait for the monitor to be ready.
    held: Vec<u8>,
    next: u64,
}

impl Default for Client {
    fn default() -> Self {
        Self {
            state: State::Greeting,
            version: String::new(),
            input: Vec::new(),
            scanned: 0,
            output: Vec::new(),
            held: Vec::new(),
            next: HELLO + 1,
        }
    }
}

impl Client {
    pub fn new() -> Self {
        Self::default()
    }

    /// Queues a command and returns the number its answer will carry.
    pub fn execute(&mut self, command: &str, arguments: Map<String, Value>) -> u64 {
        let id = self.next;
        self.next += 1;
        let mut line = json!({ "execute": command, "id": id });
        if !arguments.is_empty() {
            line["arguments"] = Value::Object(arguments);
        }
        let to = if self.state == State::Ready { &mut self.output } else { &mut self.held };
        to.extend_from_slice(line.to_string().as_bytes());
        to.push(b'\n');
        id
    }

    /// Bytes to be sent. The caller removes what it has sent.
    pub const fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    pub fn feed(&mut self, bytes: &[u8]) {
        if self.state != State::Broken {
            self.input.extend_from_slice(bytes);
        }
    }

    /// The next message, or `None` until more is fed. After an error the rest is ignored.
    pub fn poll(&mut self) -> Result<Option<Message>, QmpError> {
        let message = self.next_message();
        if message.is_err() {
            self.state = State::Broken;
            self.input.clear();
        }
        message
    }

    fn next_message(&mut self) -> Result<Option<Message>, QmpError> {
        loop {
            let Some(end) = self.input[self.scanned..].iter().position(|byte| *byte == b'\n')
            else {
                self.scanned = self.input.len();
                let too_long = self.scanned > MAX_LINE;
                return if too_long { Err(QmpError::LineTooLong) } else { Ok(None) };
            };
            let end = self.scanned + end;
            let line: Vec<u8> = self.input.drain(..=end).collect();
            self.scanned = 0;
            if line.len() > MAX_LINE {
                return Err(QmpError::LineTooLong);
            }
            let line = line.trim_ascii();
            if line.is_empty() {
                continue;
            }
            if let Some(message) = self.on_line(line)? {
                return Ok(Some(message));
            }
        }
    }

    fn on_line(&mut self, line: &[u8]) -> Result<Option<Message>, QmpError> {
        let line: Line = serde_json::from_slice(line).map_err(|source| QmpError::Malformed {
            line: String::from_utf8_lossy(&line[..line.len().min(200)]).into(),
            source,
        })?;
        match (self.state, line) {
            (State::Greeting, Line::Greeting { greeting }) => {
                let version = greeting.version.qemu;
                self.version = format!("{}.{}.{}", version.major, version.minor, version.micro);
                self.state = State::Capabilities;
                let hello = json!({ "execute": "qmp_capabilities", "id": HELLO });
                self.output.extend_from_slice(format!("{hello}\n").as_bytes());
                Ok(None)
            }
            (State::Greeting, _) => Err(QmpError::NotGreeted),
            (State::Capabilities, Line::Done { id: Some(HELLO), .. }) => {
                self.state = State::Ready;
                self.output.append(&mut self.held);
                Ok(Some(Message::Ready { version: self.version.clone() }))
            }
            (State::Capabilities, Line::Failed { error, .. }) => {
                Err(QmpError::NotReady { words: error.desc })
            }
            (_, Line::Event { event, data }) => Ok(Some(Message::Event(data.into_event(event)))),
            (_, Line::Done { id: Some(id), value }) => Ok(Some(Message::Done { id, value })),
            (_, Line::Failed { id: Some(id), error }) => {
                Ok(Some(Message::Failed { id, words: error.desc }))
            }
            // A second greeting, or an answer to nothing we asked.
            (_, Line::Greeting { .. } | Line::Done { .. } | Line::Failed { .. }) => Ok(None),
        }
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    Greeting {
        #[serde(rename = "QMP")]
        greeting: Greeting,
    },
    Event {
        event: String,
        #[serde(default)]
        data: EventData,
    },
    Done {
        #[serde(rename = "return")]
        value: Value,
        id: Option<u64>,
    },
    Failed {
        error: Refusal,
        id: Option<u64>,
    },
}

#[derive(Deserialize)]
struct Greeting {
    version: Versions,
}

#[derive(Deserialize)]
struct Versions {
    qemu: Version,
}

#[derive(Deserialize)]
struct Version {
    major: u32,
    minor: u32,
    micro: u32,
}

#[derive(Deserialize)]
struct Refusal {
    desc: String,
}

#[derive(Default, Deserialize)]
struct EventData {
    #[serde(default)]
    guest: Value,
    #[serde(default)]
    reason: Value,
    #[serde(default)]
    info: Value,
}

impl EventData {
    fn into_event(self, name: String) -> Event {
        let guest = self.guest.as_bool().unwrap_or(false);
        let reason = self.reason.as_str().unwrap_or_default().to_owned();
        match name.as_str() {
            "SHUTDOWN" => Event::Shutdown { guest, reason },
            "RESET" => Event::Reset { guest, reason },
            "POWERDOWN" => Event::Powerdown,
            "STOP" => Event::Stop,
            "RESUME" => Event::Resume,
            "GUEST_PANICKED" => Event::GuestPanicked {
                info: if self.info.is_null() { String::new() } else { self.info.to_string() },
            },
            _ => Event::Other { name },
        }
    }
}

#[cfg(test)]
mod tests;
