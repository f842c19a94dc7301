//! The same work for each item of a list, on several threads.

use std::num::NonZero;
use std::sync::{Mutex, PoisonError};
use std::thread;

/// The most threads: more would only wait for the disk, and each has a buffer.
const THREADS_MAX: usize = 64;

/// As many threads as this process may run at once.
pub(crate) fn available() -> NonZero<usize> {
    thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN)
}

/// Does `work` on each item, begun in the order of the list, and returns what came of those of which
/// something came, in no order. Each thread has a scratch of its own.
pub(crate) fn filter_map<T: Send, S, R: Send>(
    n_threads: NonZero<usize>,
    items: impl ExactSizeIterator<Item = T> + Send,
    scratch: impl Fn() -> S + Sync,
    work: impl Fn(T, &mut S) -> Option<R> + Sync,
) -> Vec<R> {
    let n_threads = n_threads.get().min(THREADS_MAX).min(items.len());
    let n_others = n_threads.saturating_sub(1);
    let items = Mutex::new(items);
    let next = || items.lock().unwrap_or_else(PoisonError::into_inner).next();
    let on_one_thread = || {
        let mut scratch = scratch();
        let mut results = Vec::new();
        while let Some(item) = next() {
            results.extend(work(item, &mut scratch));
        }
        results
    };
    thread::scope(|scope| {
        let others: Vec<_> = (0..n_others).map(|_| scope.spawn(on_one_thread)).collect();
        let mut results = on_one_thread();
        for other in others {
            match other.join() {
                Ok(more) => results.extend(more),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        results
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_item_is_worked_on_once() {
        for n_threads in 1..5 {
            let n_threads = NonZero::new(n_threads).unwrap();
            let mut items: Vec<u32> = (0..1000).collect();
            let double = |item: &mut u32, (): &mut ()| {
                *item *= 2;
                item.is_multiple_of(500).then_some(*item)
            };
            let mut some = filter_map(n_threads, items.iter_mut(), || (), double);
            some.sort_unstable();
            assert_eq!(some, [0, 500, 1000, 1500]);
            assert!(items.iter().zip(0..).all(|(two, one)| *two == one * 2));
        }
        let none: [u32; 0] = [];
        assert!(filter_map(available(), none.iter(), || (), |_, ()| Some(())).is_empty());
    }
}
