//! Shares a search out among a few threads.
//!
//! The caller works as well, at its own priority; its helpers give way to whoever wants the
//! processor, which may be the guest. Each takes one item at a time, so nobody waits long for a
//! helper that was put aside.

use std::{
    num::NonZeroUsize,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

/// So few items are not worth starting threads.
const FEW: usize = 16;
/// Threads at work, at most. The caller is one of them.
const MOST: usize = 4;
/// How much nicer than the caller helpers are (nice(2)): the scheduler gives them a tenth of what
/// it gives somebody at the usual priority.
const NICER: i32 = 10;

/// Does `work` on every item and returns what it gave, in no order.
pub(super) fn share<T: Sync, U: Send>(
    items: &[T],
    work: impl Fn(&T) -> Option<U> + Sync,
) -> Vec<U> {
    let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get).min(MOST);
    if items.len() <= FEW || threads == 1 {
        return items.iter().filter_map(work).collect();
    }
    let next = AtomicUsize::new(0);
    let take = || {
        let mut done = Vec::new();
        while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
            done.extend(work(item));
        }
        done
    };
    let help = || {
        if let Err(error) = rustix::process::nice(NICER) {
            tracing::debug!(%error, "a search's helper keeps the usual priority");
        }
        take()
    };
    thread::scope(|scope| {
        let helpers: Vec<_> = (1..threads)
            .map_while(|_| {
                thread::Builder::new().name("search".into()).spawn_scoped(scope, help).ok()
            })
            .collect();
        let mut all = take();
        for helper in helpers {
            match helper.join() {
                Ok(done) => all.extend(done),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        all
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_done_once() {
        for count in [0, 1, FEW, FEW + 1, 500] {
            let items: Vec<_> = (0..count).collect();
            let mut done = share(&items, |item| (item % 3 > 0).then_some(*item));
            done.sort_unstable();
            let want: Vec<_> = (0..count).filter(|item| item % 3 > 0).collect();
            assert_eq!(done, want);
        }
    }

    #[test]
    #[should_panic(expected = "item 99")]
    fn a_panic_is_the_callers() {
        let items: Vec<_> = (0..200).collect();
        share(&items, |item| (*item != 99).then_some(()).or_else(|| panic!("item {item}")));
    }
}
