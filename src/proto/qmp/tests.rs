use proptest::prelude::*;

use super::*;

/// What QEMU 7.2 said to `qmp_capabilities`, `query-status`, a wrong command, a reset by the guest,
/// its powering off and `quit`.
const RECORDED: &str = concat!(
    r#"{"QMP": {"version": {"qemu": {"micro": 22, "minor": 2, "major": 7}, "package": "Debian 1:7.2+dfsg-7+deb12u18+b3"}, "capabilities": ["oob"]}}"#,
    "\r\n",
    r#"{"return": {}, "id": 0}"#,
    "\r\n",
    r#"{"return": {"status": "prelaunch", "singlestep": false, "running": false}, "id": 1}"#,
    "\r\n",
    r#"{"id": 2, "error": {"class": "CommandNotFound", "desc": "The command nonsense has not been found"}}"#,
    "\r\n",
    r#"{"timestamp": {"seconds": 1795303833, "microseconds": 74688}, "event": "RESUME"}"#,
    "\r\n",
    r#"{"timestamp": {"seconds": 1795303833, "microseconds": 74688}, "event": "RESET", "data": {"guest": true, "reason": "guest-reset"}}"#,
    "\r\n",
    r#"{"timestamp": {"seconds": 1795303833, "microseconds": 74688}, "event": "GUEST_PANICKED", "data": {"action": "run"}}"#,
    "\r\n",
    r#"{"timestamp": {"seconds": 1795303833, "microseconds": 74688}, "event": "RTC_CHANGE", "data": {"offset": 0, "qom-path": "/x"}}"#,
    "\r\n",
    r#"{"timestamp": {"seconds": 1795303833, "microseconds": 74688}, "event": "SHUTDOWN", "data": {"guest": true, "reason": "guest-shutdown"}}"#,
    "\r\n",
);

fn all(client: &mut Client) -> Vec<Message> {
    std::iter::from_fn(|| client.poll().unwrap()).collect()
}

#[test]
fn a_recorded_conversation_reads_the_same_cut_at_every_byte() {
    let mut whole = Client::new();
    whole.feed(RECORDED.as_bytes());
    let want = all(&mut whole);
    assert_eq!(want.len(), 8);
    assert_eq!(want[0], Message::Ready { version: "7.2.22".into() });
    assert!(matches!(&want[1], Message::Done { id: 1, value } if value["status"] == "prelaunch"));
    assert!(matches!(&want[2], Message::Failed { id: 2, words } if words.contains("nonsense")));
    assert_eq!(want[3], Message::Event(Event::Resume));
    let reset = Event::Reset { guest: true, reason: "guest-reset".into() };
    assert_eq!(want[4], Message::Event(reset));
    assert_eq!(want[5], Message::Event(Event::GuestPanicked { info: String::new() }));
    assert_eq!(want[6], Message::Event(Event::Other { name: "RTC_CHANGE".into() }));
    let shutdown = Event::Shutdown { guest: true, reason: "guest-shutdown".into() };
    assert_eq!(want[7], Message::Event(shutdown));

    for cut in 0..RECORDED.len() {
        let mut client = Client::new();
        client.feed(&RECORDED.as_bytes()[..cut]);
        let mut got = all(&mut client);
        client.feed(&RECORDED.as_bytes()[cut..]);
        got.extend(all(&mut client));
        assert_eq!(got, want, "cut at {cut}");
    }
}

#[test]
fn commands_wait_until_the_monitor_is_ready() {
    let mut client = Client::new();
    assert_eq!(client.execute("cont", Map::new()), 1);
    assert!(client.output().is_empty());
    client.feed(RECORDED.as_bytes());
    assert!(matches!(client.poll(), Ok(Some(Message::Ready { .. }))));
    let said = String::from_utf8(std::mem::take(client.output())).unwrap();
    let want = "{\"execute\":\"qmp_capabilities\",\"id\":0}\n{\"execute\":\"cont\",\"id\":1}\n";
    assert_eq!(said, want);
}

#[test]
fn what_no_monitor_says_is_an_error_and_ends_the_conversation() {
    for said in ["hello\n", "{\"return\": {}, \"id\": 4}\n", "{}\n"] {
        let mut client = Client::new();
        client.feed(said.as_bytes());
        assert!(client.poll().is_err(), "{said}");
        client.feed(RECORDED.as_bytes());
        assert!(matches!(client.poll(), Ok(None)));
    }
    let mut client = Client::new();
    client.feed(&vec![b' '; MAX_LINE + 1]);
    assert!(matches!(client.poll(), Err(QmpError::LineTooLong)));
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes: Vec<u8>, greeted: bool) {
        let mut client = Client::new();
        if greeted {
            client.feed(RECORDED.as_bytes());
        }
        client.feed(&bytes);
        client.feed(b"\n");
        while let Ok(Some(_)) = client.poll() {}
    }
}
