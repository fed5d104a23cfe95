//! How everyone else speaks to the queue's owner.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};

use super::standing::Standing;
use crate::model::{JobId, no_job};

/// What the owner is asked.
#[derive(Debug)]
pub(super) enum Request {
    Cancel { job: JobId, by: String, hurry: bool, answer: oneshot::Sender<Result<(), Refused>> },
}

/// Why a request was not carried out.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("{}", no_job(.0))]
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
    pub(super) standing: watch::Receiver<Arc<Standing>>,
}

impl Handle {
    /// Asks for a job to end. A waiting one has ended when this returns; a running one has been
    /// told, and its end comes as a change in the store. Told again it stops at once, but only when
    /// whoever asks is in a `hurry`: a double click is not.
    pub async fn cancel(&self, job: JobId, by: String, hurry: bool) -> Result<(), Refused> {
        let (answer, answered) = oneshot::channel();
        let request = Request::Cancel { job, by, hurry, answer };
        self.requests.send(request).await.map_err(|_| Refused::Closing)?;
        answered.await.map_err(|_| Refused::Closing)?
    }

    /// How the queue stands.
    pub fn standing(&self) -> Arc<Standing> {
        self.standing.borrow().clone()
    }

    /// The same, for whoever wants to hear when it changes.
    pub fn standings(&self) -> watch::Receiver<Arc<Standing>> {
        self.standing.clone()
    }
}
