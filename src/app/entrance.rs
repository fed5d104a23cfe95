//! The ways in: whoever sends a job, by whichever door, it is read, held against the box, and made
//! durable here.

use std::{fmt, fs, sync::Arc, time::Duration};

use crate::{
    clock,
    decide::{
        Demand, Reason,
        access::{Rights, sees},
    },
    intake::{Content, Examine, Explanation, Found},
    job_file::{Admission, Arrival, Problems, Refusal, bundle},
    model::{
        After, Conditions, Digest, Door, Idempotency, Identity, Job, JobId, Lineage, NewJob,
        Submitter, WayIn, no_job,
        problem::{Place, Problem},
        with_causes,
    },
    people::People,
    schedule,
    store::{self, Store, StoreError},
    tasks,
    web::{ComposeRequest, Composed, SubmitRefused, SubmitRequest, Submitted, Wishes},
};

/// How long the same once more is taken for an answer that was lost, where the sender gives it no key.
const A_MOMENT: Duration = Duration::from_secs(10);

/// The way in of a bundle that somebody sends to the API.
pub(super) fn submit(admission: Arc<Admission>, entrance: Entrance) -> crate::web::Submit {
    Arc::new(move |request: SubmitRequest| {
        let (admission, entrance) = (admission.clone(), entrance.clone());
        Box::pin(async move {
            let who = request.rights.who.clone();
            let job = tasks::lasting(move || admit_tar(&admission, request)).await?;
            entrance.enter(job, &who).await
        })
    })
}

/// The way in of a text: written in a browser, or for what another job came with.
pub(super) fn compose(admission: Arc<Admission>, entrance: Entrance) -> crate::web::Compose {
    Arc::new(move |request: ComposeRequest| {
        let (admission, entrance) = (admission.clone(), entrance.clone());
        Box::pin(async move {
            let (only_check, who) = (request.only_check, request.rights.who.clone());
            // A large file that it names may have a sum.
            let job = tasks::lasting(move || admit_text(&admission, request)).await?;
            if !only_check {
                return Ok(Composed::Submitted(entrance.enter(job, &who).await?));
            }
            entrance.look(&job, &who).await.map_err(|unfit| unfit.refusal(&job.definition))?;
            let waits = entrance.queue.standing().would_wait(&job);
            Ok(Composed::Fine { job: Box::new(job), waits })
        })
    })
}

/// Where a job that is well written is held against the box and made durable.
#[derive(Clone)]
pub(super) struct Entrance {
    pub store: Store,
    pub queue: schedule::Handle,
    pub people: People,
}

/// Why a job that is well written is not for this box.
#[derive(Debug)]
enum Unfit {
    Never(Box<Reason>),
    /// It is to wait for a job that is not there, as far as the sender may know.
    NoSuchJob(JobId),
    Store(StoreError),
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Never(reason) => write!(f, "{reason}"),
            Self::NoSuchJob(job) => {
                write!(f, "after: {}; `sutler jobs` shows their numbers", no_job(job))
            }
            Self::Store(error) => write!(f, "{}", with_causes(error)),
        }
    }
}

impl Unfit {
    /// What whoever has sent `text` is told, at the line of it that is about it.
    fn refusal(self, text: &str) -> SubmitRefused {
        let (key, found, expected, help) = match self {
            Self::Never(reason) => {
                let is_type = matches!(*reason, Reason::NoSuchDevice { .. });
                let is_tag = matches!(*reason, Reason::NoSuchTag { .. });
                // A size is said somewhere in the actions, or nowhere.
                let other = if is_type { "device_type" } else { "" };
                let key = if is_tag { "tags" } else { other };
                let help = "`sutler device list` shows what there is";
                (key, reason.to_string(), "a device of this box", help)
            }
            Self::NoSuchJob(job) => {
                let help = "`sutler jobs` shows their numbers";
                ("after", format!("job {job}"), "a job of this box", help)
            }
            Self::Store(error) => return unavailable(&error),
        };
        // What is sent beside the text is not in it.
        match line_of(text, key) {
            Some(place) => refused(place, key, found, expected, help),
            None => refused(Place::start(), "", found, expected, help),
        }
    }
}

/// Where the text has a key of the job.
fn line_of(text: &str, key: &str) -> Option<Place> {
    let is_it = |line: &str| line.strip_prefix(key).is_some_and(|rest| rest.starts_with(':'));
    let line = text.lines().position(is_it).filter(|_| !key.is_empty())?;
    Some(Place { length: key.len(), ..Place::of(text, line + 1, 1) })
}

impl Entrance {
    /// Whether this box can ever run it, and what it waits for is there for whoever sends it.
    async fn look(&self, job: &NewJob, who: &Identity) -> Result<(), Unfit> {
        if let Some(reason) = self.queue.standing().never(&Demand::of_new(job)) {
            return Err(Unfit::Never(Box::new(reason)));
        }
        for After { job, .. } in &job.conditions.after {
            let found = self.store.job(*job).await.map_err(Unfit::Store)?;
            if !found.is_some_and(|found: Job| sees(who, &found)) {
                return Err(Unfit::NoSuchJob(*job));
            }
        }
        Ok(())
    }

    async fn enter(&self, job: NewJob, who: &Identity) -> Result<Submitted, SubmitRefused> {
        self.look(&job, who).await.map_err(|unfit| unfit.refusal(&job.definition))?;
        // Of what is submitted again, it is the other job that is noted, by whoever was asked.
        let is_first = job.lineage.resubmitted_from.is_none();
        let taken = match is_first {
            true => self.people.submit(who, job).await,
            false => self.store.submit(job).await,
        };
        match taken {
            Ok(store::Submitted { id, uuid, fresh }) => {
                Ok(Submitted { id, uuid, fresh, noted: fresh && is_first })
            }
            Err(error @ StoreError::NoBundle(_)) => {
                let help = "send it with its files";
                Err(refused(Place::start(), "", error.to_string(), "what it came with", help))
            }
            Err(error @ StoreError::KeyUsed(_)) => {
                Err(SubmitRefused::KeyUsed { why: error.to_string() })
            }
            Err(error) => Err(unavailable(&error)),
        }
    }
}

/// A refusal that is ours, and may pass.
fn unavailable(error: &dyn std::error::Error) -> SubmitRefused {
    SubmitRefused::Unavailable { why: with_causes(error) }
}

/// What whoever submits is told of it.
fn told(refusal: Refusal) -> SubmitRefused {
    match refusal {
        Refusal::Bundle(error) if error.is_ours() => unavailable(&error),
        Refusal::Bundle(error) => {
            let expected = "a bundle this box can take";
            refused(Place::start(), "", with_causes(&error), expected, "pack it anew")
        }
        Refusal::Invalid(problems) => invalid(&problems),
    }
}

fn invalid(problems: &Problems) -> SubmitRefused {
    SubmitRefused::Invalid { problems: problems.to_json() }
}

/// A refusal that is no fault of the text.
fn refused(at: Place, path: &str, found: String, expected: &str, help: &str) -> SubmitRefused {
    let problem = Problem::new(at, path, found, expected).help(help);
    SubmitRefused::Invalid { problems: serde_json::json!([problem.to_json()]) }
}

fn admit_tar(admission: &Admission, request: SubmitRequest) -> Result<NewJob, SubmitRefused> {
    let tar = fs::File::open(&request.tar).map_err(|error| unavailable(&error))?;
    let arrival = Arrival {
        submitter: request.submitter,
        way_in: request.way_in,
        submitted: clock::now(),
        intake_key: None,
    };
    let options = admission.options(request.wishes.strict);
    let source = bundle::Source::Tar(Box::new(tar));
    let rights = request.rights;
    let may = |stream: Option<&str>| rights.may_submit(stream).map_err(|why| why.to_string());
    let job = admission.admit(source, "bundle", arrival, options, &may);
    Ok(wished(job.map_err(told)?, request.wishes))
}

/// With what its sender says beside it.
fn wished(mut job: NewJob, wishes: Wishes) -> NewJob {
    let Wishes { strict: _, after, priority, key } = wishes;
    job.priority = priority.unwrap_or(job.priority);
    job.conditions.after.extend(after);
    job.idempotency = Some(idempotency(key, &job));
    job
}

/// By the sender's key, or by all that was sent: the same a moment later is an answer that was lost, or
/// a finger that was too quick.
fn idempotency(key: Option<String>, job: &NewJob) -> Idempotency {
    let NewJob { bundle, definition_hash, priority, conditions, lineage, .. } = job;
    let (after, from) = (&conditions.after, lineage.resubmitted_from);
    let said = format!("{bundle} {definition_hash} {priority:?} {after:?} {from:?}");
    match key {
        Some(key) => Idempotency {
            key: format!("key {key}"),
            within: store::LONGEST_IDEMPOTENCY,
            said: Some(Digest::of(said.as_bytes()).to_string()),
        },
        None => Idempotency { key: format!("bytes {said}"), within: A_MOMENT, said: None },
    }
}

fn admit_text(admission: &Admission, request: ComposeRequest) -> Result<NewJob, SubmitRefused> {
    let ComposeRequest { from, text, submitter, rights, way_in, wishes, .. } = request;
    let may = |stream: Option<&str>| rights.may_submit(stream).map_err(|why| why.to_string());
    let arrival = Arrival { submitter, way_in, submitted: clock::now(), intake_key: None };
    let options = admission.options(wishes.strict);
    let Some(from) = from else {
        let job = admission.admit_text(&text, arrival, options, &may);
        return Ok(wished(job.map_err(|wrong| invalid(&wrong))?, wishes));
    };
    let job = admission.admit_again(&text, from.bundle, arrival, options, &may);
    let job = job.map_err(|wrong| invalid(&wrong))?;
    // What the other one waited for may be long gone.
    let after = if text == from.definition { Vec::new() } else { job.conditions.after };
    let conditions = Conditions { after, ..job.conditions };
    let lineage = Lineage { resubmitted_from: Some(from.id), ..Lineage::default() };
    Ok(wished(NewJob { conditions, lineage, ..job }, wishes))
}

/// The way in of the inbox.
pub(super) struct Gate {
    pub admission: Arc<Admission>,
    pub entrance: Entrance,
}

impl Gate {
    /// The owner of a file, as every other door knows them.
    async fn who(&self, owner: &Submitter) -> Result<Identity, StoreError> {
        let Submitter { uid, name } = owner.clone();
        match uid {
            Some(uid) => self.entrance.people.account(uid, name, Door::Inbox).await,
            None => Ok(self.entrance.people.nobody()),
        }
    }

    /// What the owner of a file may submit. Blocks.
    fn rights(&self, owner: &Submitter) -> Result<Rights, StoreError> {
        tokio::runtime::Handle::current()
            .block_on(async { self.entrance.people.rights(self.who(owner).await?).await })
    }
}

impl Examine for Gate {
    fn examine(&self, found: Found) -> Result<NewJob, Explanation> {
        let source = match found.content {
            Content::File(file) => bundle::Source::of_file(file, &found.name),
            Content::Folder => bundle::Source::Folder(found.path),
        };
        let not_now = |error: StoreError| Explanation::NotNow(with_causes(&error));
        let rights = self.rights(&found.submitter).map_err(not_now)?;
        let arrival = Arrival {
            submitter: rights.who.submitter().unwrap_or(found.submitter),
            way_in: WayIn::Inbox,
            submitted: clock::now(),
            intake_key: Some(found.key),
        };
        let may = |stream: Option<&str>| rights.may_submit(stream).map_err(|why| why.to_string());
        let options = self.admission.options(false);
        let admitted = self.admission.admit(source, &found.name, arrival, options, &may);
        let job = admitted.map_err(|refusal| match refusal {
            Refusal::Bundle(error) if error.is_ours() => Explanation::NotNow(with_causes(&error)),
            Refusal::Bundle(error) => Explanation::Refused(with_causes(&error)),
            Refusal::Invalid(problems) => Explanation::Refused(problems.to_string()),
        })?;
        let look = self.entrance.look(&job, &rights.who);
        match tokio::runtime::Handle::current().block_on(look) {
            Ok(()) => Ok(job),
            Err(unfit @ Unfit::Store(_)) => Err(Explanation::NotNow(unfit.to_string())),
            Err(unfit) => Err(Explanation::Refused(format!("{unfit}\n"))),
        }
    }

    async fn enter(&self, job: NewJob) -> Result<store::Submitted, StoreError> {
        let who = self.who(&job.submitter).await?;
        self.entrance.people.submit(&who, job).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_told_at_the_line_it_is_about() {
        let text = "job_name: x\ntags: [nope]\nafter: [7]\nactions:\n- test: {tags: x}\n";
        let tag = Reason::NoSuchTag { device_type: "arm".into(), tag: "nope".into() };
        let none = Reason::NoSuchDevice { device_type: "arm".into() };
        for (unfit, path, line) in [
            (Unfit::Never(Box::new(tag)), "tags", 2),
            (Unfit::NoSuchJob(JobId(7)), "after", 3),
            (Unfit::Never(Box::new(none)), "", 1),
        ] {
            let SubmitRefused::Invalid { problems } = unfit.refusal(text) else { panic!("{path}") };
            let told = (problems[0]["path"].as_str(), problems[0]["line"].as_u64());
            assert_eq!(told, (Some(path), Some(line)));
        }
    }
}
