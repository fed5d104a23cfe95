use super::*;

const fn s(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// Looks once a second from 100 s on; `sight` is given the second.
fn looked(seconds: u64, sight: impl Fn(u64) -> Sight) -> Vec<(u64, Remark)> {
    let mut stalls = Stalls::default();
    let look = |at| stalls.look(s(at), &sight(at)).into_iter().map(move |said| (at, said));
    (100..=100 + seconds).flat_map(look).collect()
}

/// When each stall is named first and when it ends the job.
fn named(seen: &[(u64, Remark)]) -> Vec<(Stall, u64, Option<u64>)> {
    let mut found: Vec<(Stall, u64, Option<u64>)> = Vec::new();
    for (at, said) in seen {
        match found.iter_mut().find(|(stall, ..)| *stall == said.stall) {
            Some((.., ended)) if said.ends => *ended = ended.or(Some(*at - 100)),
            Some(_) => {}
            None => found.push((said.stall, *at - 100, said.ends.then_some(*at - 100))),
        }
    }
    found
}

#[test]
fn each_stall_is_named_within_seconds_and_as_itself() {
    use Stall::{Frozen, Halted, SilentConsole, StalledDisplay};
    let screen = Some((Waits::Screen, s(90)));
    let console = Some((Waits::Console, s(100)));
    let key = Some(s(100));
    let base = Sight { ran: Some(5.0), heard: Some(s(80)), ..Sight::default() };
    for (case, sight, want) in [
        (
            "stopped from outside",
            Sight { is_stopped: true, ran: Some(0.0), ..base.clone() },
            vec![(Frozen, 3, Some(20))],
        ),
        (
            "held by QEMU",
            Sight { held: Some("io-error".into()), ..base.clone() },
            vec![(Frozen, 3, Some(20))],
        ),
        (
            "stopped while a key waits: one name is enough",
            Sight {
                is_stopped: true,
                waits: screen,
                unanswered: key,
                ran: Some(0.0),
                ..base.clone()
            },
            vec![(Frozen, 3, Some(20))],
        ),
        (
            "the display stands still, the guest works",
            Sight { waits: screen, unanswered: key, ran: Some(97.0), ..base.clone() },
            vec![(StalledDisplay, 10, None)],
        ),
        (
            "its processors do not wake",
            Sight { waits: screen, unanswered: key, ran: Some(0.1), ..base.clone() },
            vec![(Halted, 10, None)],
        ),
        ("a quiet guest that has not been asked", Sight { waits: screen, ..base.clone() }, vec![]),
        (
            "an idle prompt that ticks, and a key without effect",
            Sight { waits: screen, unanswered: key, ran: Some(3.0), ..base.clone() },
            vec![],
        ),
        (
            "a key that no step waits for",
            Sight { unanswered: key, ran: Some(97.0), ..base.clone() },
            vec![],
        ),
        (
            "where the kernel tells nothing",
            Sight { waits: screen, unanswered: key, ran: None, ..base.clone() },
            vec![],
        ),
        (
            "the console says nothing",
            Sight { waits: console, ..base.clone() },
            vec![(SilentConsole, 15, None)],
        ),
        (
            "the console has never said anything",
            Sight { waits: console, heard: None, ..base.clone() },
            vec![(SilentConsole, 15, None)],
        ),
        (
            "a guest that sleeps owes the console nothing",
            Sight { waits: console, ran: Some(0.0), ..base.clone() },
            vec![],
        ),
        ("a screen is waited for, the console is silent", Sight { waits: screen, ..base }, vec![]),
    ] {
        assert_eq!(named(&looked(25, |_| sight.clone())), want, "{case}");
    }
    let owes = looked(40, |at| Sight { owes: s(at - 100), ..Sight::default() });
    assert_eq!(named(&owes), [(Frozen, 10, Some(30))], "QEMU does not answer");
    assert_eq!(owes[0].1.words, "the guest is frozen: QEMU does not answer, for 10 s");
}

#[test]
fn what_goes_on_is_news_only_once_and_what_comes_and_goes_ever_more_seldom() {
    let stopped = |at: u64| Sight { is_stopped: !(108..=112).contains(&at), ..Sight::default() };
    let news = |said: Vec<(u64, Remark)>| -> Vec<u64> {
        said.into_iter().filter(|(_, said)| said.is_new).map(|(at, _)| at).collect()
    };
    assert_eq!(news(looked(20, stopped)), [103]);
    let again = |at: u64| Sight { is_stopped: at % 10 >= 5, ..Sight::default() };
    assert_eq!(news(looked(200, again)), [108, 168, 288]);
    // A host that stops it for moments makes it slow, not frozen.
    let pulsed = looked(60, |at| Sight { is_stopped: at % 2 == 0, ..Sight::default() });
    assert_eq!(pulsed, []);
    let console = |at| Sight {
        waits: Some((Waits::Console, s(100))),
        heard: Some(s(at - at % 10)),
        ran: Some(50.0),
        ..Sight::default()
    };
    assert_eq!(looked(60, console), [], "it says something every ten seconds");
}

#[test]
fn resets_are_a_loop_when_no_step_passes_between_them() {
    let told = |resets: &[u64], passed_at: Option<u64>| {
        let mut stalls = Stalls::default();
        let (mut last, mut passed_at) = (None, passed_at);
        for at in resets {
            if passed_at.take_if(|passed| at > passed).is_some() {
                stalls.on_step_passed();
            }
            let said = stalls.on_reset(Duration::from_millis(at * 100));
            last = said.map(|said| (said.words, said.ends)).or(last);
        }
        last
    };
    let twice = Some(("the guest was reset 2 times in 5 s".to_owned(), false));
    for (case, resets, passed, want) in [
        ("firmware, once", vec![10], None, None),
        ("one reboot that comes as two", vec![10, 13], None, None),
        ("two reboots", vec![10, 12, 60, 63], None, twice.clone()),
        (
            "a loop",
            vec![10, 60, 110, 160, 210],
            None,
            Some(("the guest resets in a loop: 5 times in 20 s".into(), true)),
        ),
        ("a step passed between", vec![10, 60, 110, 160, 210], Some(120), twice),
        (
            "spread over minutes",
            vec![10, 510, 1010, 1510, 2010],
            None,
            Some(("the guest was reset 2 times in 50 s".into(), false)),
        ),
    ] {
        assert_eq!(told(&resets, passed), want, "{case}");
    }
}
