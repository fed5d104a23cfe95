//! Writes the log into systemd's journal, in the journal's own protocol: a datagram an entry, a
//! line a field.
//!
//! What `journalctl` shows of an entry by itself is its message, so the fields of an event are in
//! it as they are in the text form, and beside it as fields of their own (`SUTLER_JOB`,
//! `SUTLER_ERROR`), for `journalctl SUTLER_JOB=7`. The fields of spans are fields only. The crate
//! `tracing-journald` has no fields in the message, so that an error would be shown without its
//! reason, and knows one socket only, which no test can listen at.

use std::{fmt, fmt::Write as _, io, os::unix::net::UnixDatagram, path::Path};

use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{Layer, layer::Context, registry::LookupSpan};
use uuid::Uuid;

use crate::model::{JobId, with_causes};

/// Where journald listens.
pub(super) const SOCKET: &str = "/run/systemd/journal/socket";

/// A longer value is cut, so that an entry fits a datagram.
const LONGEST: usize = 16 << 10;

/// A layer that writes into the journal.
#[derive(Debug)]
pub(super) struct Journal {
    socket: UnixDatagram,
    /// What every entry has.
    always: Entry,
}

impl Journal {
    /// # Errors
    /// When nobody listens there.
    pub(super) fn open(socket: &Path) -> io::Result<Self> {
        let journal = UnixDatagram::unbound()?;
        journal.connect(socket)?;
        // The journal may be slow; the appliance must not be for that.
        journal.set_nonblocking(true)?;
        let mut always = Entry::default();
        always.put("SYSLOG_IDENTIFIER", "sutler");
        Ok(Self { socket: journal, always })
    }

    /// For a process that is about one job, whatever thread or task speaks.
    #[must_use]
    pub(super) fn about(mut self, job: JobId, uuid: Uuid) -> Self {
        self.always.put("SUTLER_JOB", &job.to_string());
        self.always.put("SUTLER_JOB_UUID", &uuid.to_string());
        self
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Journal {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let metadata = event.metadata();
        let mut entry = self.always.clone();
        entry.put("MESSAGE", &fields.message());
        entry.put("PRIORITY", priority(*metadata.level()));
        entry.put("TARGET", metadata.target());
        if let (Some(file), Some(line)) = (metadata.file(), metadata.line()) {
            entry.put("CODE_FILE", file);
            entry.put("CODE_LINE", &line.to_string());
        }
        entry.put_all(&fields);
        for span in context.event_scope(event).into_iter().flatten() {
            if let Some(fields) = span.extensions().get::<Fields>() {
                entry.put_all(fields);
            }
        }
        // There is nobody left to tell.
        let _ = self.socket.send(&entry.0);
    }
}

/// As syslog counts.
fn priority(level: Level) -> &'static str {
    match level {
        Level::ERROR => "3",
        Level::WARN => "4",
        Level::INFO => "6",
        Level::DEBUG | Level::TRACE => "7",
    }
}

/// What an event or a span has, in order.
#[derive(Debug, Default)]
struct Fields {
    words: String,
    named: Vec<(&'static str, String)>,
}

impl Fields {
    /// `could not be removed path=/lab error=no such file`
    fn message(&self) -> String {
        let mut message = self.words.clone();
        for (name, value) in &self.named {
            let _ = write!(message, " {name}={value}");
        }
        message.trim_start().into()
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let value = format!("{value:?}");
        if field.name() == "message" {
            self.words = value;
        } else {
            self.named.push((field.name(), value));
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.record_debug(field, &format_args!("{}", with_causes(value)));
    }
}

/// One entry as it is sent.
#[derive(Debug, Clone, Default)]
struct Entry(Vec<u8>);

impl Entry {
    fn put_all(&mut self, fields: &Fields) {
        for (name, value) in &fields.named {
            let plain =
                |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
            let name: String = name.chars().map(plain).collect();
            self.put(&format!("SUTLER_{name}"), value);
        }
    }

    fn put(&mut self, name: &str, value: &str) {
        let mut end = value.len().min(LONGEST);
        while !value.is_char_boundary(end) {
            end -= 1;
        }
        let value = &value.as_bytes()[..end];
        self.0.extend(name.as_bytes());
        if value.contains(&b'\n') {
            // A line feed would end the field: such a value comes with its length.
            self.0.push(b'\n');
            self.0.extend((value.len() as u64).to_le_bytes());
        } else {
            self.0.push(b'=');
        }
        self.0.extend(value);
        self.0.push(b'\n');
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[test]
    fn an_entry_has_its_fields_in_the_message_and_beside_it_and_those_of_the_job() {
        let place = tempfile::tempdir().unwrap();
        let socket = place.path().join("socket");
        let journald = UnixDatagram::bind(&socket).unwrap();
        let subscriber = tracing_subscriber::registry().with(Journal::open(&socket).unwrap());
        tracing::subscriber::with_default(subscriber, || {
            let _job = tracing::info_span!("job", job = 7, job_uuid = "0193").entered();
            let error = io::Error::other("disk full");
            tracing::warn!(path = %"/lab", error = &error as &dyn std::error::Error, "not kept");
            tracing::error!("two\nlines");
        });
        let hear = || {
            let mut bytes = [0; 4096];
            let length = journald.recv(&mut bytes).unwrap();
            String::from_utf8_lossy(&bytes[..length]).into_owned()
        };
        let first = hear();
        for line in [
            "MESSAGE=not kept path=/lab error=disk full",
            "PRIORITY=4",
            "SYSLOG_IDENTIFIER=sutler",
            "CODE_FILE=src/cli/log/journal.rs",
            "SUTLER_PATH=/lab",
            "SUTLER_ERROR=disk full",
            "SUTLER_JOB=7",
            "SUTLER_JOB_UUID=0193",
        ] {
            assert!(first.lines().any(|found| found == line), "{line} in {first}");
        }
        let second = hear();
        assert!(second.contains("\nMESSAGE\n\u{9}\0\0\0\0\0\0\0two\nlines\n"), "{second:?}");
        assert!(second.contains("\nPRIORITY=3\n") && second.contains("\nSUTLER_JOB=7\n"));
    }

    #[test]
    fn an_engine_speaks_about_its_job_in_every_thread() {
        let place = tempfile::tempdir().unwrap();
        let socket = place.path().join("socket");
        let journald = UnixDatagram::bind(&socket).unwrap();
        let journal = Journal::open(&socket).unwrap().about(JobId(7), Uuid::nil());
        let subscriber = tracing_subscriber::registry().with(journal);
        tracing::subscriber::with_default(subscriber, || tracing::info!("no span here"));
        let mut bytes = [0; 4096];
        let length = journald.recv(&mut bytes).unwrap();
        let heard = String::from_utf8_lossy(&bytes[..length]);
        for line in ["SUTLER_JOB=7", "SUTLER_JOB_UUID=00000000-0000-0000-0000-000000000000"] {
            assert!(heard.lines().any(|found| found == line), "{line} in {heard}");
        }
    }

    #[test]
    fn a_value_too_long_for_a_datagram_is_cut_between_characters() {
        let mut entry = Entry::default();
        entry.put("MESSAGE", &"é".repeat(LONGEST));
        let text = String::from_utf8(entry.0).unwrap();
        assert_eq!(text.len(), "MESSAGE=\n".len() + LONGEST);
    }

    #[test]
    fn without_a_journal_there_is_an_error() {
        assert!(Journal::open(Path::new("/nowhere/socket")).is_err());
    }
}
