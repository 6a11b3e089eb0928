//! Work on many texts with several threads, where the answer does not depend on how many.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many threads there are processors for.
#[must_use]
pub fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// `work` applied to each item, in the order of the items. Each thread makes its own tool with `tool`.
pub fn map<I: Sync, T, O: Send>(
    items: &[I],
    threads: usize,
    tool: impl Fn() -> T + Sync,
    work: impl Fn(&mut T, &I) -> O + Sync,
) -> Vec<O> {
    if threads < 2 || items.len() < 2 {
        let mut tool = tool();
        return items.iter().map(|item| work(&mut tool, item)).collect();
    }
    let next = AtomicUsize::new(0);
    let run = || {
        let mut tool = tool();
        let mut done = Vec::new();
        while let Some((at, item)) = {
            let at = next.fetch_add(1, Ordering::Relaxed);
            items.get(at).map(|item| (at, item))
        } {
            done.push((at, work(&mut tool, item)));
        }
        done
    };
    let mut all: Vec<(usize, O)> = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads.min(items.len())).map(|_| scope.spawn(run)).collect();
        let mut all = run();
        for other in others {
            match other.join() {
                Ok(done) => all.extend(done),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        all
    });
    all.sort_unstable_by_key(|(at, _)| *at);
    all.into_iter().map(|(_, done)| done).collect()
}

/// `work` done on each item, each by one thread.
pub fn for_each<I: Send>(items: impl IntoIterator<Item = I>, threads: usize, work: impl Fn(I) + Sync) {
    let mut items = items.into_iter();
    if threads < 2 {
        items.for_each(work);
        return;
    }
    let items: Vec<Mutex<Option<I>>> = items.by_ref().map(|item| Mutex::new(Some(item))).collect();
    map(
        &items,
        threads,
        || (),
        |(), item| {
            let item = item.lock().ok().and_then(|mut item| item.take());
            if let Some(item) = item {
                work(item);
            }
        },
    );
}

#[cfg(test)]
mod tests {
    use super::{for_each, map};
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn answers_come_in_the_order_of_the_items() {
        let items: Vec<usize> = (0..1000).collect();
        for threads in [1, 2, 7] {
            assert_eq!(map(&items, threads, || 1, |one, item| item + *one), (1..1001).collect::<Vec<_>>());
        }
    }

    #[test]
    fn each_item_is_worked_on_once() {
        let mut counts = [0; 100];
        let total = AtomicUsize::new(0);
        for_each(counts.iter_mut(), 3, |count| {
            *count += 1;
            total.fetch_add(1, Ordering::Relaxed);
        });
        assert_eq!((counts, total.into_inner()), ([1; 100], 100));
    }
}
