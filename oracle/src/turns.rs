//! Whose turn it is at what only so many can do at once: what is worth most goes first, then who came first. Many checks of
//! jobs that are worth nothing must not keep the one from being made on which money hangs.

use std::{
    cmp::Reverse,
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use tokio::sync::oneshot;

use crate::oracle::lock;

struct State {
    free: usize,
    next: u64,
    waiting: BTreeMap<(Reverse<u64>, u64), oneshot::Sender<Turn>>,
}

pub struct Turns(Mutex<State>);

/// Ends when it is dropped; the next one's begins.
pub struct Turn(Option<Arc<Turns>>);

impl Turns {
    /// `free` at once.
    pub fn new(free: usize) -> Arc<Self> {
        Arc::new(Self(Mutex::new(State {
            free,
            next: 0,
            waiting: BTreeMap::new(),
        })))
    }

    /// Waits for a turn. Whoever stops waiting loses nothing to the others.
    pub async fn take(self: &Arc<Self>, worth: u64) -> Turn {
        let waiting = {
            let mut state = lock(&self.0);
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
        match waiting.await {
            Ok(turn) => turn,
            // Only with the turns themselves do the waiting ones' places go, and this holds them.
            Err(_) => Turn(None),
        }
    }

    fn give_back(self: &Arc<Self>) {
        loop {
            let next = {
                let mut state = lock(&self.0);
                let Some((_, next)) = state.waiting.pop_first() else {
                    state.free += 1;
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
        assert_eq!(lock(&turns.0).free, 1);
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
            assert_eq!(lock(&turns.0).free, 0);
            drop(late);
        }
        assert_eq!(lock(&turns.0).free, 1);
        assert!(lock(&turns.0).waiting.is_empty());
    }
}
