//! What is to come.

use jiff::{Timestamp, tz::TimeZone};

use super::words::{clean, columns};
use crate::cli::answers::{Expected, Foretold, PlanAnswer, Planned};

/// A line for each job that runs or waits: when it starts and ends, and how that is known.
pub(in crate::cli) fn plan(plan: &PlanAnswer, zone: &TimeZone) -> String {
    let mut text = String::new();
    if let Some(why) = &plan.hold {
        text += &format!("Nothing starts: {}\n", clean(why));
    }
    if plan.jobs.is_empty() {
        return text + "Nothing runs and nothing waits.\n";
    }
    let now = plan.now;
    let rows = plan.jobs.iter().map(|Planned { job, expected }| {
        let reason = job.reason.as_ref().filter(|_| expected.is_none());
        let why = reason.map_or_else(String::new, |reason| format!(" ({})", clean(reason)));
        let (starts, ends, known) = match expected {
            Some(Expected { start: Some(start), end: Some(end), words, .. }) => {
                let starts = match job.started {
                    Some(started) => clock(started, now, zone),
                    None => between(start, now, zone),
                };
                (starts, between(end, now, zone), clean(words))
            }
            Some(_) | None => ("not known".into(), String::new(), String::new()),
        };
        let name = clean(&job.name) + &why;
        [job.number.to_string(), job.state.to_string(), starts, ends, known, name]
    });
    text += &columns(["JOB", "STATE", "STARTS", "ENDS", "KNOWN", "NAME"], rows);
    if plan.more > 0 {
        text += &format!("and {} more that wait\n", plan.more);
    }
    text
}

/// What is expected of one job, in a line: `number 3 in the queue, starts 12:05 to 12:11, ends 12:15
/// to 12:25 (from 12 runs)`.
pub(in crate::cli) fn expected(expected: &Expected, now: Timestamp, zone: &TimeZone) -> String {
    let Expected { position, after, start, end, words } = expected;
    let place = position.map(|place| format!("number {place} in the queue"));
    let later = after.map(|job| format!(" after job {job}")).unwrap_or_default();
    let starts = start.as_ref().map(|start| format!("starts {}{later}", between(start, now, zone)));
    let ends = end.as_ref().map(|end| format!("ends {}", between(end, now, zone)));
    let unknown = start.is_none().then(|| match after {
        Some(_) => format!("starts{later}"),
        None => "it is not known when it starts".to_owned(),
    });
    let parts: Vec<_> = [place, starts, ends, unknown].into_iter().flatten().collect();
    format!("{} ({})", parts.join(", "), clean(words))
}

/// `ends 12:15 to 12:25`
pub(in crate::cli) fn ends(expected: &Expected, now: Timestamp, zone: &TimeZone) -> Option<String> {
    expected.end.as_ref().map(|end| format!("ends {}", between(end, now, zone)))
}

/// `12:05 to 12:11`, or one of them where they are the same.
fn between(foretold: &Foretold, now: Timestamp, zone: &TimeZone) -> String {
    let (usual, late) = (clock(foretold.usual, now, zone), clock(foretold.late, now, zone));
    if usual == late { usual } else { format!("{usual} to {late}") }
}

/// The time of day, with the date where that is not today's.
fn clock(at: Timestamp, now: Timestamp, zone: &TimeZone) -> String {
    let (at, now) = (at.to_zoned(zone.clone()), now.to_zoned(zone.clone()));
    let format = if at.date() == now.date() { "%H:%M" } else { "%F %H:%M" };
    at.strftime(format).to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn job(number: u64, state: &str, more: &Value) -> Value {
        let mut job = json!({
            "number": number, "uuid": uuid::Uuid::nil(), "url": format!("/jobs/{number}"),
            "name": "install\u{1b}[2Jer", "state": state, "cancel_asked": false,
            "submitter": {"uid": 1000, "name": "ada"}, "way_in": "inbox",
            "submitted": "2026-01-31T12:00:00Z",
        });
        job.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        job
    }

    #[test]
    fn each_job_has_its_times_and_says_how_they_are_known() {
        let moment = |usual: &str, late: &str| json!({ "usual": usual, "late": late });
        let (soon, later) = ("2026-01-31T12:05:10Z", "2026-01-31T12:11:00Z");
        let tomorrow = "2026-02-01T01:00:00Z";
        let answer = json!({
            "now": "2026-01-31T12:01:00Z", "hold": null, "more": 3,
            "jobs": [
                job(7, "running", &json!({
                    "started": "2026-01-31T12:00:30Z",
                    "expected": { "start": moment("2026-01-31T12:00:30Z", "2026-01-31T12:00:30Z"),
                                  "end": moment(soon, later), "words": "from 12 runs" },
                })),
                job(8, "waiting", &json!({
                    "expected": { "start": moment(soon, later),
                                  "end": moment(tomorrow, tomorrow),
                                  "words": "unknown: at most 15 min" },
                })),
                job(9, "waiting", &json!({ "reason": "needs 9 GiB, this box lends 4 GiB",
                                           "expected": null })),
            ],
        });
        let answer: PlanAnswer = serde_json::from_value(answer).unwrap();
        insta::assert_snapshot!(plan(&answer, &TimeZone::UTC), @r"
        JOB  STATE    STARTS          ENDS              KNOWN                    NAME
        7    running  12:00           12:05 to 12:11    from 12 runs             install�[2Jer
        8    waiting  12:05 to 12:11  2026-02-01 01:00  unknown: at most 15 min  install�[2Jer
        9    waiting  not known                                                  install�[2Jer (needs 9 GiB, this box lends 4 GiB)
        and 3 more that wait
        ");
        let told = answer.jobs[1].expected.as_ref().unwrap();
        assert_eq!(
            expected(&Expected { position: Some(2), ..told.clone() }, answer.now, &TimeZone::UTC),
            "number 2 in the queue, starts 12:05 to 12:11, ends 2026-02-01 01:00 \
             (unknown: at most 15 min)"
        );
        let held = PlanAnswer { hold: Some("no QEMU".into()), jobs: vec![], ..answer };
        assert_eq!(
            plan(&held, &TimeZone::UTC),
            "Nothing starts: no QEMU\nNothing runs and nothing waits.\n"
        );
    }
}
