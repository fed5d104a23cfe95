//! VNC's protocol, RFB 3.8: the client's half, without I/O.
//!
//! It speaks what QEMU speaks on a local socket: no authentication, raw pixels in QEMU's own
//! format, desktop sizes that change, keys by scancode. The screen is kept here as rows of red,
//! green, blue; pixels go there as they arrive, so nothing is buffered twice. A server is not
//! trusted: whatever is out of bounds is an error, and nothing is allocated before it was checked.

use super::keymap::Key;

/// No screen is wider or higher.
pub const MAX_SIDE: u16 = 8192;
const MAX_NAME: u32 = 1 << 16;
const MAX_REASON: u32 = 1 << 12;
const MAX_CUT_TEXT: u32 = 1 << 20;

const RAW: i32 = 0;
const DESKTOP_SIZE: i32 = -223;
const EXTENDED_KEYS: i32 = -258;

/// A rectangle that lies inside the screen, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Area {
    pub x: u16,
    pub y: u16,
    pub width: u16,
    pub height: u16,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Both sides know each other; the first, whole update has been asked for.
    Connected { name: String },
    /// All of an update has arrived, and the next may be asked for with
    /// [`Client::request_update`]. `damage` is what it painted: empty when it told something else
    /// (keys, a new size), everything after a new size.
    Updated { damage: Vec<Area> },
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RfbError {
    #[error("the screen's server does not speak RFB 3.8")]
    NotRfb,
    #[error("the screen's server refused: {reason}")]
    Refused { reason: String },
    #[error("the screen's server wants a password")]
    WantsPassword,
    #[error("the screen is {width}x{height}, want at most {MAX_SIDE}x{MAX_SIDE} and not nothing")]
    DesktopSize { width: u16, height: u16 },
    #[error("the screen's server sent a text of {length} bytes")]
    TextTooLong { length: u32 },
    #[error("the screen's server painted {area:?} outside of a screen of {width}x{height}")]
    Outside { area: Area, width: u16, height: u16 },
    #[error("the screen's server used encoding {encoding}, which it was not offered")]
    Encoding { encoding: i32 },
    #[error("the screen's server sent a message of unknown type {kind}")]
    UnknownMessage { kind: u8 },
}

#[derive(Debug, Clone, Copy)]
enum State {
    Version,
    SecurityTypes,
    SecurityResult,
    /// The reason of a refusal follows.
    Refusal,
    ServerInit,
    Message,
    /// Rectangles of an update that are still to come.
    Rectangles {
        left: u16,
    },
    /// Raw pixels from (`column`, `row`) of `area` on.
    Pixels {
        area: Area,
        column: u16,
        row: u16,
        left: u16,
    },
    /// Bytes nobody wants.
    Skip {
        bytes: u32,
    },
    Broken,
}

/// The client's half of one connection.
#[derive(Debug)]
pub struct Client {
    state: State,
    input: Vec<u8>,
    /// Bytes of `input` that have been read.
    read: usize,
    output: Vec<u8>,
    width: u16,
    height: u16,
    rgb: Vec<u8>,
    damage: Vec<Area>,
    /// The size is new and nothing has been painted since.
    resized: bool,
    extended_keys: bool,
}

impl Default for Client {
    fn default() -> Self {
        Self {
            state: State::Version,
            input: Vec::new(),
            read: 0,
            output: Vec::new(),
            width: 0,
            height: 0,
            rgb: Vec::new(),
            damage: Vec::new(),
            resized: true,
            extended_keys: false,
        }
    }
}

impl Client {
    pub fn new() -> Self {
        Self::default()
    }

    /// Width and height in pixels; nothing before [`Message::Connected`].
    pub const fn size(&self) -> (u16, u16) {
        (self.width, self.height)
    }

    /// The screen: rows of red, green, blue without padding.
    pub fn rgb(&self) -> &[u8] {
        &self.rgb
    }

    /// Bytes to be sent. The caller removes what it has sent.
    pub const fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    /// Whether no message has begun: the next byte fed is the first of one.
    pub fn is_between_messages(&self) -> bool {
        matches!(self.state, State::Message) && self.rest().is_empty()
    }

    /// Asks for what changes from now on.
    pub fn request_update(&mut self) {
        self.request(true);
    }

    fn request(&mut self, incremental: bool) {
        self.output.extend_from_slice(&[3, incremental.into(), 0, 0, 0, 0]);
        self.output.extend_from_slice(&self.width.to_be_bytes());
        self.output.extend_from_slice(&self.height.to_be_bytes());
    }

    /// Presses or releases a key: by scancode where the server takes those.
    pub fn key(&mut self, key: Key, down: bool) {
        if self.extended_keys {
            self.output.extend_from_slice(&[255, 0, 0, down.into()]);
            self.output.extend_from_slice(&key.keysym.to_be_bytes());
            self.output.extend_from_slice(&u32::from(key.scancode).to_be_bytes());
        } else {
            self.output.extend_from_slice(&[4, down.into(), 0, 0]);
            self.output.extend_from_slice(&key.keysym.to_be_bytes());
        }
    }

    /// Moves the pointer; `buttons` has bit 0 for left, 1 for middle, 2 for right.
    pub fn pointer(&mut self, x: u16, y: u16, buttons: u8) {
        self.output.extend_from_slice(&[5, buttons]);
        self.output.extend_from_slice(&x.to_be_bytes());
        self.output.extend_from_slice(&y.to_be_bytes());
    }

    /// Says something without meaning: a clipboard without text. QEMU takes any message of type 4
    /// and above as a sign that somebody looks, and looks at the guest's screen itself within 30 ms
    /// instead of up to 3 s.
    pub fn nudge(&mut self) {
        self.output.extend_from_slice(&[6, 0, 0, 0, 0, 0, 0, 0]);
    }

    pub fn feed(&mut self, bytes: &[u8]) {
        if !matches!(self.state, State::Broken) {
            self.input.drain(..self.read);
            self.read = 0;
            self.input.extend_from_slice(bytes);
        }
    }

    /// The next message, or `None` until more is fed. After an error the rest is ignored.
    pub fn poll(&mut self) -> Result<Option<Message>, RfbError> {
        loop {
            match self.step() {
                Ok(Step::Said(message)) => return Ok(Some(message)),
                Ok(Step::Went) => {}
                Ok(Step::Starved) => return Ok(None),
                Err(error) => {
                    self.state = State::Broken;
                    self.input.clear();
                    self.read = 0;
                    return Err(error);
                }
            }
        }
    }

    fn step(&mut self) -> Result<Step, RfbError> {
        match self.state {
            State::Version => self.version(),
            State::SecurityTypes => self.security_types(),
            State::SecurityResult => self.security_result(),
            State::Refusal => self.refusal(),
            State::ServerInit => self.server_init(),
            State::Message => self.message(),
            State::Rectangles { left: 0 } => {
                self.state = State::Message;
                Ok(Step::Said(Message::Updated { damage: self.take_damage() }))
            }
            State::Rectangles { left } => self.rectangle(left),
            State::Pixels { area, column, row, left } => Ok(self.pixels(area, column, row, left)),
            State::Skip { bytes } => Ok(self.skip(bytes)),
            State::Broken => Ok(Step::Starved),
        }
    }

    fn version(&mut self) -> Result<Step, RfbError> {
        let Some(said) = self.take::<12>() else { return Ok(Step::Starved) };
        if &said != b"RFB 003.008\n" {
            return Err(RfbError::NotRfb);
        }
        self.output.extend_from_slice(&said);
        self.state = State::SecurityTypes;
        Ok(Step::Went)
    }

    fn security_types(&mut self) -> Result<Step, RfbError> {
        let Some(&count) = self.rest().first() else { return Ok(Step::Starved) };
        let Some(types) = self.rest().get(1..1 + usize::from(count)) else {
            return Ok(Step::Starved);
        };
        let offers_none = types.contains(&1);
        self.read += 1 + usize::from(count);
        if count == 0 {
            self.state = State::Refusal;
            return Ok(Step::Went);
        }
        if !offers_none {
            return Err(RfbError::WantsPassword);
        }
        self.output.push(1);
        self.state = State::SecurityResult;
        Ok(Step::Went)
    }

    fn security_result(&mut self) -> Result<Step, RfbError> {
        let Some(result) = self.take::<4>() else { return Ok(Step::Starved) };
        if u32::from_be_bytes(result) == 0 {
            // The screen may be shared: somebody else may be looking at it as well.
            self.output.push(1);
            self.state = State::ServerInit;
        } else {
            self.state = State::Refusal;
        }
        Ok(Step::Went)
    }

    fn refusal(&mut self) -> Result<Step, RfbError> {
        match self.text(0, MAX_REASON)? {
            Some(reason) => Err(RfbError::Refused { reason }),
            None => Ok(Step::Starved),
        }
    }

    /// A length at `offset` and that many bytes of text, as a whole. Moves behind them.
    fn text(&mut self, offset: usize, limit: u32) -> Result<Option<String>, RfbError> {
        let Some(length) = self.rest().get(offset..).and_then(|rest| rest.first_chunk()) else {
            return Ok(None);
        };
        let length = u32::from_be_bytes(*length);
        if length > limit {
            return Err(RfbError::TextTooLong { length });
        }
        let start = offset + 4;
        let end = start + length as usize;
        let Some(text) = self.rest().get(start..end) else { return Ok(None) };
        let text = String::from_utf8_lossy(text).into_owned();
        self.read += end;
        Ok(Some(text))
    }

    fn server_init(&mut self) -> Result<Step, RfbError> {
        // Width, height, the server's own pixel format (16 bytes, unused), name.
        let Some(&[w1, w2, h1, h2]) = self.rest().first_chunk() else { return Ok(Step::Starved) };
        let Some(name) = self.text(20, MAX_NAME)? else { return Ok(Step::Starved) };
        self.resize(u16::from_be_bytes([w1, w2]), u16::from_be_bytes([h1, h2]))?;
        // 32 bits with red at 16, green at 8, blue at 0: what QEMU has, so that it only copies.
        self.output.extend_from_slice(&[0, 0, 0, 0, 32, 24, 0, 1, 0, 255, 0, 255, 0, 255]);
        self.output.extend_from_slice(&[16, 8, 0, 0, 0, 0]);
        let encodings = [RAW, DESKTOP_SIZE, EXTENDED_KEYS];
        self.output.extend_from_slice(&[2, 0, 0, 3]);
        self.output.extend(encodings.iter().flat_map(|encoding| encoding.to_be_bytes()));
        self.request(false);
        self.state = State::Message;
        Ok(Step::Said(Message::Connected { name }))
    }

    fn resize(&mut self, width: u16, height: u16) -> Result<(), RfbError> {
        if !(1..=MAX_SIDE).contains(&width) || !(1..=MAX_SIDE).contains(&height) {
            return Err(RfbError::DesktopSize { width, height });
        }
        (self.width, self.height, self.resized) = (width, height, true);
        self.damage.clear();
        self.rgb.clear();
        self.rgb.resize(usize::from(width) * usize::from(height) * 3, 0);
        Ok(())
    }

    fn message(&mut self) -> Result<Step, RfbError> {
        let Some(&kind) = self.rest().first() else { return Ok(Step::Starved) };
        match kind {
            0 => {
                let Some([_, _, n1, n2]) = self.take() else { return Ok(Step::Starved) };
                self.state = State::Rectangles { left: u16::from_be_bytes([n1, n2]) };
            }
            // A bell.
            2 => self.read += 1,
            // The server's clipboard.
            3 => {
                let Some([_, _, _, _, l1, l2, l3, l4]) = self.take() else {
                    return Ok(Step::Starved);
                };
                let length = u32::from_be_bytes([l1, l2, l3, l4]);
                if length > MAX_CUT_TEXT {
                    return Err(RfbError::TextTooLong { length });
                }
                self.state = State::Skip { bytes: length };
            }
            kind => return Err(RfbError::UnknownMessage { kind }),
        }
        Ok(Step::Went)
    }

    fn rectangle(&mut self, left: u16) -> Result<Step, RfbError> {
        let Some(head) = self.take::<12>() else { return Ok(Step::Starved) };
        let [x, y, width, height] =
            [0, 2, 4, 6].map(|at| u16::from_be_bytes([head[at], head[at + 1]]));
        let area = Area { x, y, width, height };
        let left = left - 1;
        self.state = State::Rectangles { left };
        match i32::from_be_bytes([head[8], head[9], head[10], head[11]]) {
            RAW => {
                let inside = u32::from(x) + u32::from(width) <= u32::from(self.width)
                    && u32::from(y) + u32::from(height) <= u32::from(self.height);
                if !inside {
                    let (width, height) = self.size();
                    return Err(RfbError::Outside { area, width, height });
                }
                if width > 0 && height > 0 {
                    self.state = State::Pixels { area, column: 0, row: 0, left };
                }
            }
            DESKTOP_SIZE => self.resize(width, height)?,
            EXTENDED_KEYS => self.extended_keys = true,
            encoding => return Err(RfbError::Encoding { encoding }),
        }
        Ok(Step::Went)
    }

    /// Paints what has arrived of a rectangle, row by row.
    fn pixels(&mut self, area: Area, mut column: u16, mut row: u16, left: u16) -> Step {
        loop {
            let wanted = usize::from(area.width - column);
            let pixels = wanted.min((self.input.len() - self.read) / 4);
            if pixels == 0 {
                self.state = State::Pixels { area, column, row, left };
                return Step::Starved;
            }
            let from = &self.input[self.read..self.read + pixels * 4];
            let line = usize::from(area.y + row) * usize::from(self.width);
            let start = (line + usize::from(area.x + column)) * 3;
            let to = &mut self.rgb[start..start + pixels * 3];
            for (to, from) in to.chunks_exact_mut(3).zip(from.chunks_exact(4)) {
                to.copy_from_slice(&[from[2], from[1], from[0]]);
            }
            self.read += pixels * 4;
            if pixels < wanted {
                column += u16::try_from(pixels).expect("less than the width, which is a u16");
                continue;
            }
            (column, row) = (0, row + 1);
            if row == area.height {
                self.damage.push(area);
                self.state = State::Rectangles { left };
                return Step::Went;
            }
        }
    }

    fn take_damage(&mut self) -> Vec<Area> {
        let mut damage = std::mem::take(&mut self.damage);
        if self.resized && !damage.is_empty() {
            self.resized = false;
            let (width, height) = self.size();
            damage = vec![Area { x: 0, y: 0, width, height }];
        }
        damage
    }

    fn skip(&mut self, bytes: u32) -> Step {
        let here = u32::try_from(self.rest().len()).unwrap_or(u32::MAX).min(bytes);
        self.read += here as usize;
        if here == bytes {
            self.state = State::Message;
            Step::Went
        } else {
            self.state = State::Skip { bytes: bytes - here };
            Step::Starved
        }
    }

    fn rest(&self) -> &[u8] {
        &self.input[self.read..]
    }

    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let taken = *self.rest().first_chunk()?;
        self.read += N;
        Some(taken)
    }
}

enum Step {
    Said(Message),
    Went,
    /// More bytes are needed.
    Starved,
}

#[cfg(test)]
mod tests;
