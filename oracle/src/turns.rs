//! Whose turn it is at what only so many can do at once: what is worth most goes first, then who came first. Many checks of
//! jobs that are worth nothing must not keep the one from being made on which money hangs.

use std::{
    cmp::Reverse,
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use tokio::sync::{Notify, oneshot};

use crate::oracle::lock;

struct State {
    free: usize,
    next: u64,
    waiting: BTreeMap<(Reverse<u64>, u64), oneshot::Sender<Turn>>,
}

pub struct Turns {
    state: Mutex<State>,
    /// A place became free, or somebody waits for one.
    changed: Notify,
}

/// Ends when it is dropped; the next one's begins.
pub struct Turn(Option<Arc<Turns>>);

impl Turns {
    /// `free` at once.
    pub fn new(free: usize) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                free,
                next: 0,
                waiting: BTreeMap::new(),
            }),
            changed: Notify::new(),
        })
    }

    /// Waits for a turn. Whoever stops waiting loses nothing to the others.
    pub async fn take(self: &Arc<Self>, worth: u64) -> Turn {
        let waiting = {
            let mut state = lock(&self.state);
            if state.free > 0 {
                state.free -= 1;
                return Turn(Some(self.clone()));
            }
            let (turn, waiting) = oneshot::channel();
            let place = (Reverse(worth), state.next);
            state.next += 1;
            // Those that do not wait any more would pile up behind a long turn.
            state.waiting.retain(|_, other| !other.is_closed());
            state.waiting.insert(place, turn);
            waiting
        };
        self.changed.notify_waiters();
        match waiting.await {
            Ok(turn) => turn,
            // Only with the turns themselves do the waiting ones' places go, and this holds them.
            Err(_) => Turn(None),
        }
    }

    /// Waits for a place that nobody else waits for. Whoever has it should give it back when it is [wanted](Self::wanted).
    pub async fn take_idle(self: &Arc<Self>) -> Turn {
        loop {
            let changed = self.changed.notified();
            {
                let mut state = lock(&self.state);
                if state.free > 0 {
                    state.free -= 1;
                    return Turn(Some(self.clone()));
                }
            }
            changed.await;
        }
    }

    /// Returns once somebody waits for a turn.
    pub async fn wanted(&self) {
        loop {
            let changed = self.changed.notified();
            let is_wanted = lock(&self.state)
                .waiting
                .values()
                .any(|waiting| !waiting.is_closed());
            if is_wanted {
                return;
            }
            changed.await;
        }
    }

    fn give_back(self: &Arc<Self>) {
        loop {
            let next = {
                let mut state = lock(&self.state);
                let Some((_, next)) = state.waiting.pop_first() else {
                    state.free += 1;
                    drop(state);
                    self.changed.notify_waiters();
                    return;
                };
                next
            };
            match next.send(Turn(Some(self.clone()))) {
                Ok(()) => return,
                Err(mut unwanted) => unwanted.0 = None,
            }
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(turns) = self.0.take() {
            turns.give_back();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{future::Future, pin::pin, task::Poll};

    use super::*;

    fn poll<F: Future>(waiting: std::pin::Pin<&mut F>) -> Poll<F::Output> {
        waiting.poll(&mut std::task::Context::from_waker(std::task::Waker::noop()))
    }

    #[test]
    fn what_is_worth_most_goes_first_then_who_came_first() {
        let turns = Turns::new(1);
        let Poll::Ready(first) = poll(pin!(turns.take(0))) else {
            panic!("one is free")
        };
        let (mut dust, mut dear, mut other) = (
            pin!(turns.take(1)),
            pin!(turns.take(100)),
            pin!(turns.take(1)),
        );
        for waiting in [&mut dust, &mut dear, &mut other] {
            assert!(poll(waiting.as_mut()).is_pending());
        }
        drop(first);
        assert!(poll(dust.as_mut()).is_pending() && poll(other.as_mut()).is_pending());
        let Poll::Ready(second) = poll(dear.as_mut()) else {
            panic!("the dearest is next")
        };
        drop(second);
        assert!(poll(other.as_mut()).is_pending());
        assert!(poll(dust.as_mut()).is_ready());
        assert!(poll(other.as_mut()).is_ready());
        assert_eq!(lock(&turns.state).free, 1);
    }

    /// What can wait has a place only while nobody else wants one.
    #[test]
    fn what_can_wait_gives_way() {
        let turns = Turns::new(1);
        let Poll::Ready(first) = poll(pin!(turns.take(0))) else {
            panic!("one is free")
        };
        let mut idle = pin!(turns.take_idle());
        let mut worthless = pin!(turns.take(0));
        assert!(poll(idle.as_mut()).is_pending());
        assert!(poll(worthless.as_mut()).is_pending());
        drop(first);
        // Who came later, for a job, is first all the same.
        assert!(poll(idle.as_mut()).is_pending());
        let Poll::Ready(second) = poll(worthless.as_mut()) else {
            panic!("its turn")
        };
        drop(second);
        let Poll::Ready(turn) = poll(idle.as_mut()) else {
            panic!("nobody wants it")
        };
        let mut wanted = pin!(turns.wanted());
        assert!(poll(wanted.as_mut()).is_pending());
        let mut next = Box::pin(turns.take(0));
        assert!(poll(next.as_mut()).is_pending());
        assert!(poll(wanted.as_mut()).is_ready());
        drop(next);
        assert!(poll(pin!(turns.wanted())).is_pending(), "it has left");
        drop(turn);
        assert_eq!(lock(&turns.state).free, 1);
    }

    #[test]
    fn a_turn_given_to_nobody_is_not_lost() {
        let turns = Turns::new(1);
        let Poll::Ready(first) = poll(pin!(turns.take(0))) else {
            panic!("one is free")
        };
        {
            // One leaves before its turn, one after it was given and before it looked.
            let mut early = Box::pin(turns.take(9));
            assert!(poll(early.as_mut()).is_pending());
            drop(early);
            let mut late = Box::pin(turns.take(5));
            assert!(poll(late.as_mut()).is_pending());
            drop(first);
            assert_eq!(lock(&turns.state).free, 0);
            drop(late);
        }
        assert_eq!(lock(&turns.state).free, 1);
        assert!(lock(&turns.state).waiting.is_empty());
    }
}
