//! Hearing of what has changed.

use tokio::sync::broadcast::{
    Receiver,
    error::{RecvError, TryRecvError},
};

use crate::model::{JobId, JobState, Verdict};

/// A job was added or has changed, and that is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Changed {
    pub id: JobId,
    pub state: JobState,
    pub verdict: Option<Verdict>,
}

/// Tells all that has changed since it was asked last, so that a crowd of jobs is looked at once.
#[derive(Debug)]
pub struct Changes(Receiver<Changed>);

/// What has changed, in the order in which it did.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Heard {
    pub changed: Vec<Changed>,
    /// Some changes were not heard of: the store has to be asked for everything again.
    pub missed: bool,
}

impl Changes {
    pub(super) const fn new(receiver: Receiver<Changed>) -> Self {
        Self(receiver)
    }

    /// Waits until something has changed; for ever when the store is gone. Nothing is lost when
    /// the waiting is given up.
    pub async fn next(&mut self) -> Heard {
        let mut heard = Heard::default();
        match self.0.recv().await {
            Ok(changed) => heard.changed.push(changed),
            Err(RecvError::Lagged(_)) => heard.missed = true,
            Err(RecvError::Closed) => std::future::pending().await,
        }
        self.add(&mut heard);
        heard
    }

    /// What there is already.
    pub fn so_far(&mut self) -> Heard {
        let mut heard = Heard::default();
        self.add(&mut heard);
        heard
    }

    fn add(&mut self, heard: &mut Heard) {
        loop {
            match self.0.try_recv() {
                Ok(changed) => heard.changed.push(changed),
                Err(TryRecvError::Lagged(_)) => heard.missed = true,
                Err(TryRecvError::Empty | TryRecvError::Closed) => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::broadcast;

    use super::*;

    fn changed(id: u64) -> Changed {
        Changed { id: JobId(id), state: JobState::Waiting, verdict: None }
    }

    #[tokio::test]
    async fn a_crowd_is_heard_of_at_once_and_what_was_missed_is_said() {
        let (sender, receiver) = broadcast::channel(4);
        let mut changes = Changes::new(receiver);
        assert_eq!(changes.so_far(), Heard::default());
        for id in 1..=3 {
            sender.send(changed(id)).unwrap();
        }
        let all = Heard { changed: vec![changed(1), changed(2), changed(3)], missed: false };
        assert_eq!(changes.next().await, all);
        for id in 1..=6 {
            sender.send(changed(id)).unwrap();
        }
        let last = (3..=6).map(changed).collect();
        assert_eq!(changes.so_far(), Heard { changed: last, missed: true });
    }
}
