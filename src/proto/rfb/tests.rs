use proptest::prelude::*;

use super::*;
use crate::proto::keymap;

/// As QEMU 7.2 greets: 4x3 pixels, named "QEMU".
fn greeting() -> Vec<u8> {
    let mut bytes = b"RFB 003.008\n".to_vec();
    bytes.extend([1, 1, 0, 0, 0, 0]);
    bytes.extend([0, 4, 0, 3]);
    bytes.extend([32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 16, 8, 0, 0, 0, 0]);
    bytes.extend([0, 0, 0, 4]);
    bytes.extend(b"QEMU");
    bytes
}

fn rectangle(x: u16, y: u16, w: u16, h: u16, encoding: i32) -> Vec<u8> {
    let mut bytes: Vec<u8> = [x, y, w, h].iter().flat_map(|n| n.to_be_bytes()).collect();
    bytes.extend(encoding.to_be_bytes());
    bytes
}

fn update(rectangles: &[Vec<u8>]) -> Vec<u8> {
    let count = u16::try_from(rectangles.len()).unwrap();
    let mut bytes = vec![0, 0];
    bytes.extend(count.to_be_bytes());
    bytes.extend(rectangles.concat());
    bytes
}

fn raw(x: u16, y: u16, w: u16, h: u16, rgb: [u8; 3]) -> Vec<u8> {
    let mut bytes = rectangle(x, y, w, h, RAW);
    for _ in 0..w * h {
        bytes.extend([rgb[2], rgb[1], rgb[0], 0]);
    }
    bytes
}

/// Greeting, keys acknowledged, a whole screen, two rectangles, clipboard and bell, a new size and
/// its picture.
fn recorded() -> Vec<u8> {
    let mut bytes = greeting();
    bytes.extend(update(&[rectangle(0, 0, 0, 0, EXTENDED_KEYS)]));
    bytes.extend(update(&[raw(0, 0, 4, 3, [1, 2, 3])]));
    bytes.extend(update(&[raw(1, 1, 2, 1, [9, 8, 7]), raw(3, 2, 1, 1, [255, 0, 0])]));
    bytes.extend([3, 0, 0, 0, 0, 0, 0, 2, b'h', b'i', 2]);
    bytes.extend(update(&[rectangle(0, 0, 2, 2, DESKTOP_SIZE)]));
    bytes.extend(update(&[raw(0, 0, 2, 1, [5; 3]), raw(0, 1, 2, 1, [6; 3])]));
    bytes
}

fn all(client: &mut Client) -> Vec<(Message, Vec<u8>)> {
    std::iter::from_fn(|| {
        let message = client.poll().unwrap()?;
        Some((message, client.rgb().to_vec()))
    })
    .collect()
}

#[test]
fn a_recorded_screen_reads_the_same_cut_at_every_byte() {
    let recorded = recorded();
    let mut whole = Client::new();
    whole.feed(&recorded);
    let want = all(&mut whole);
    let area = |x, y, width, height| Area { x, y, width, height };
    let damage: Vec<Vec<Area>> = want[1..]
        .iter()
        .map(|(message, _)| match message {
            Message::Updated { damage } => damage.clone(),
            Message::Connected { .. } => panic!("connected twice"),
        })
        .collect();
    assert_eq!(want[0].0, Message::Connected { name: "QEMU".into() });
    assert_eq!(
        damage,
        [
            vec![],
            vec![area(0, 0, 4, 3)],
            vec![area(1, 1, 2, 1), area(3, 2, 1, 1)],
            vec![],
            vec![area(0, 0, 2, 2)],
        ]
    );
    assert_eq!(want[3].1[15..21], [9, 8, 7, 9, 8, 7]);
    assert_eq!(want[3].1[33..], [255, 0, 0]);
    assert_eq!(want[5].1, [[5; 6], [6; 6]].concat());
    assert_eq!(whole.size(), (2, 2));

    for cut in 0..recorded.len() {
        let mut client = Client::new();
        client.feed(&recorded[..cut]);
        let mut got = all(&mut client);
        client.feed(&recorded[cut..]);
        got.extend(all(&mut client));
        assert_eq!(got, want, "cut at {cut}");
        assert_eq!(client.output(), whole.output(), "cut at {cut}");
    }
}

#[test]
fn it_says_what_qemu_understands() {
    let mut client = Client::new();
    client.feed(&greeting());
    all(&mut client);
    let mut want = b"RFB 003.008\n\x01\x01".to_vec();
    want.extend([0, 0, 0, 0, 32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 16, 8, 0, 0, 0, 0]);
    want.extend([2, 0, 0, 3, 0, 0, 0, 0, 255, 255, 255, 33, 255, 255, 254, 254]);
    want.extend([3, 0, 0, 0, 0, 0, 0, 4, 0, 3]);
    assert_eq!(*client.output(), want);

    client.output().clear();
    let keys = keymap::chord("up").unwrap();
    client.key(keys[0], true);
    assert_eq!(*client.output(), [4, 1, 0, 0, 0, 0, 0xff, 0x52]);
    client.feed(&update(&[rectangle(0, 0, 0, 0, EXTENDED_KEYS)]));
    all(&mut client);
    client.output().clear();
    client.key(keys[0], false);
    client.pointer(258, 3, 4);
    client.nudge();
    client.request_update();
    let want = [
        vec![255, 0, 0, 0, 0, 0, 0xff, 0x52, 0, 0, 0, 0xc8],
        vec![5, 4, 1, 2, 0, 3],
        vec![6, 0, 0, 0, 0, 0, 0, 0],
        vec![3, 1, 0, 0, 0, 0, 0, 4, 0, 3],
    ];
    assert_eq!(*client.output(), want.concat());
}

#[test]
fn a_hostile_server_is_told_apart() {
    let after = |bytes: Vec<u8>| [greeting(), bytes].concat();
    let mut huge = greeting();
    huge[18..20].copy_from_slice(&[0x20, 1]);
    let mut long_name = greeting();
    long_name[38] = 1;
    let refused = [&b"RFB 003.008\n"[..], &[0, 0, 0, 0, 2, b'n', b'o']].concat();
    let area = Area { x: 2, y: 0, width: 3, height: 1 };
    for (case, bytes, want) in [
        ("no RFB", b"SSH-2.0-open".to_vec(), RfbError::NotRfb),
        ("a refusal", refused, RfbError::Refused { reason: "no".into() }),
        ("a password", b"RFB 003.008\n\x01\x02".to_vec(), RfbError::WantsPassword),
        ("a huge screen", huge, RfbError::DesktopSize { width: 0x2001, height: 3 }),
        ("a long name", long_name, RfbError::TextTooLong { length: 0x0100_0004 }),
        (
            "pixels outside",
            after(update(&[raw(2, 0, 3, 1, [0; 3])])),
            RfbError::Outside { area, width: 4, height: 3 },
        ),
        (
            "no screen left",
            after(update(&[rectangle(0, 0, 0, 9, DESKTOP_SIZE)])),
            RfbError::DesktopSize { width: 0, height: 9 },
        ),
        (
            "an encoding",
            after(update(&[rectangle(0, 0, 1, 1, 7)])),
            RfbError::Encoding { encoding: 7 },
        ),
        ("a message", after(vec![77]), RfbError::UnknownMessage { kind: 77 }),
        (
            "a clipboard",
            after(vec![3, 0, 0, 0, 255, 0, 0, 0]),
            RfbError::TextTooLong { length: 0xff00_0000 },
        ),
    ] {
        let mut client = Client::new();
        client.feed(&bytes);
        let error = loop {
            match client.poll() {
                Ok(Some(_)) => {}
                Ok(None) => panic!("{case}: no error"),
                Err(error) => break error,
            }
        };
        assert_eq!(error, want, "{case}");
        client.feed(&bytes);
        assert_eq!(client.poll(), Ok(None), "{case}: it stays broken");
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes: Vec<u8>, greeted: bool) {
        let mut client = Client::new();
        if greeted {
            client.feed(&greeting());
        }
        client.feed(&bytes);
        while let Ok(Some(_)) = client.poll() {}
    }

    #[test]
    fn damaged_recordings_never_panic(at in 0_usize..400, to: u8) {
        let mut bytes = recorded();
        let at = at % bytes.len();
        bytes[at] = to;
        let mut client = Client::new();
        client.feed(&bytes);
        while let Ok(Some(_)) = client.poll() {}
    }
}
