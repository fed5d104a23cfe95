//! How everyone else speaks to the queue's owner.

use std::{collections::BTreeMap, sync::Arc};

use tokio::sync::{mpsc, oneshot, watch};

use crate::{decide::Lends, model::JobId};

/// Why each waiting job waits, in words for a person, newest decision.
pub type WaitReasons = Arc<BTreeMap<JobId, String>>;

/// What the owner is asked.
#[derive(Debug)]
pub(super) enum Request {
    Cancel { job: JobId, by: String, answer: oneshot::Sender<Result<(), Refused>> },
}

/// Why a request was not carried out.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("there is no job {0}")]
    NoSuchJob(JobId),
    #[error("job {0} has ended already")]
    Ended(JobId),
    #[error("the appliance is closing")]
    Closing,
    #[error("the request could not be made durable")]
    NotDurable,
}

/// Sends to the queue's owner.
#[derive(Debug, Clone)]
pub struct Handle {
    pub(super) requests: mpsc::Sender<Request>,
    pub(super) reasons: watch::Receiver<WaitReasons>,
    pub(super) lends: Arc<Lends>,
}

impl Handle {
    /// Asks for a job to end. A waiting one has ended when this returns; a running one has been
    /// told, and its end comes as a change in the store.
    pub async fn cancel(&self, job: JobId, by: String) -> Result<(), Refused> {
        let (answer, answered) = oneshot::channel();
        let request = Request::Cancel { job, by, answer };
        self.requests.send(request).await.map_err(|_| Refused::Closing)?;
        answered.await.map_err(|_| Refused::Closing)?
    }

    /// What is given to jobs, all together.
    pub fn lends(&self) -> Arc<Lends> {
        self.lends.clone()
    }

    /// Why the waiting jobs wait.
    pub fn reasons(&self) -> WaitReasons {
        self.reasons.borrow().clone()
    }
}
