//! The same work for each item of a list, on several threads.

use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// As many threads as this process may run at once.
pub(crate) fn available() -> NonZero<usize> {
    thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN)
}

/// Does `work` on each item, begun in the order of the list, and returns what came of each in the
/// same order. Each thread has a scratch of its own.
pub(crate) fn map<T: Sync, S, R: Send>(
    n_threads: NonZero<usize>,
    items: &[T],
    scratch: impl Fn() -> S + Sync,
    work: impl Fn(&T, &mut S) -> R + Sync,
) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let on_one_thread = || {
        let mut scratch = scratch();
        let mut results = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(at) else {
                return results;
            };
            results.push((at, work(item, &mut scratch)));
        }
    };
    let n_others = n_threads.get().min(items.len()).saturating_sub(1);
    let mut results = thread::scope(|scope| {
        let others: Vec<_> = (0..n_others).map(|_| scope.spawn(on_one_thread)).collect();
        let mut results = on_one_thread();
        for other in others {
            match other.join() {
                Ok(more) => results.extend(more),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        results
    });
    results.sort_unstable_by_key(|(at, _)| *at);
    results.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_in_the_order_of_the_items() {
        let items: Vec<u32> = (0..1000).collect();
        for n_threads in 1..5 {
            let n_threads = NonZero::new(n_threads).unwrap();
            let doubled = map(n_threads, &items, || (), |item, ()| item * 2);
            assert!(doubled.iter().zip(&items).all(|(two, one)| *two == one * 2));
            assert_eq!(doubled.len(), items.len());
        }
        assert!(map(available(), &[], || (), |item: &u32, ()| *item).is_empty());
    }
}
