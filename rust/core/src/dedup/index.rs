//! The index: texts go in one by one or many at a time, and each gets the cluster that it belongs to.
//!
//! A text is compared with representatives only, the first text of each cluster, so that clusters do not grow by
//! chains and a text's cluster depends on nothing that comes after it. What comes out is the same whether texts
//! are inserted singly, in batches, or by any number of threads: the texts of one key are always placed in
//! order, by one thread.

use super::features::Extractor;
use super::hash::{Wide, spread};
use super::parallel;
use super::shard::{Level, Newcomer, Shard};

/// The least similarity inside a key, if the caller names none.
pub const THRESHOLD: f64 = 0.45;

/// How many parts an index has, whose keys are worked on side by side.
pub(super) const SHARDS: usize = 32;
/// How many texts are read before they are placed.
const BATCH: usize = 8192;
/// How many texts a thread reads at a time.
const BLOCK: usize = 128;

/// How many fingerprints a thread remembers of those it met in a batch.
const MET: usize = 8192;

/// Where a text belongs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Member {
    /// The number of its cluster; clusters are numbered in the order in which they begin.
    pub cluster: u32,
    /// The number of the cluster's first text.
    pub representative: u32,
    /// Why it belongs there.
    pub level: Level,
    /// Its similarity to the representative; 1 for equal fingerprints.
    pub similarity: f32,
}

/// Clusters of texts that grow as texts are inserted.
#[derive(Debug)]
pub struct Index {
    /// What the caller asked for; none for the defaults.
    pub(super) threshold: Option<f64>,
    pub(super) shards: Vec<Shard>,
    pub(super) texts: u32,
    pub(super) clusters: u32,
}

struct Feature {
    fingerprint: Wide,
    exact: u64,
    key: u64,
    shard: u32,
    /// Where its shingles are in those of its block.
    start: u32,
    end: u32,
}

/// What a thread reads texts of one batch with.
///
/// Of equal fingerprints in a batch only the first is compared by shingles, and no thread reads a later block before
/// an earlier one: so shingles are made for a fingerprint only when this thread meets it for the first time.
struct Reader {
    extractor: Extractor,
    /// Fingerprints that were met, each in the place that its bits name, where another may have taken it.
    met: Vec<Wide>,
}

impl Default for Reader {
    fn default() -> Self {
        Self { extractor: Extractor::default(), met: vec![Wide::default(); MET] }
    }
}

impl Reader {
    /// Whether this thread meets a fingerprint for the first time; of some others it is said as well.
    fn is_fresh(&mut self, fingerprint: Wide) -> bool {
        let place = &mut self.met[fingerprint.1 as usize % MET];
        std::mem::replace(place, fingerprint) != fingerprint
    }
}

impl Index {
    /// An empty index. Inside a key texts are merged from this similarity on, `THRESHOLD` if none; without a key
    /// texts are merged by similarity only if there is a threshold here.
    #[must_use]
    pub fn new(threshold: Option<f64>) -> Self {
        let shards = (0..SHARDS).map(|_| Shard::default()).collect();
        Self { threshold, shards, texts: 0, clusters: 0 }
    }

    /// How many texts were inserted.
    #[must_use]
    pub fn len(&self) -> usize {
        self.texts as usize
    }

    /// Whether none were.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.texts == 0
    }

    /// How many clusters there are.
    #[must_use]
    pub fn clusters(&self) -> usize {
        self.clusters as usize
    }

    fn threshold_for(&self, keyed: bool) -> Option<f64> {
        if keyed { Some(self.threshold.unwrap_or(THRESHOLD)) } else { self.threshold }
    }

    fn feature(
        &self,
        reader: &mut Reader,
        text: &[u8],
        key: Option<u64>,
        shingles: &mut Vec<u32>,
    ) -> Feature {
        let meaning = reader.extractor.fingerprint(text);
        let similar = self.threshold_for(key.is_some()).is_some();
        let mixed = key.map_or(0, |key| spread(key ^ 0x5bd1_e995));
        let fingerprint = Wide(meaning.0 ^ mixed, meaning.1.wrapping_add(mixed));
        let by = if similar { mixed } else { fingerprint.0 };
        let shard = (spread(by) >> 40) as u32 % SHARDS as u32;
        let start = shingles.len() as u32;
        if similar && reader.is_fresh(fingerprint) && !self.shards[shard as usize].knows(fingerprint) {
            reader.extractor.shingles(shingles);
        }
        let exact = Wide::bytes(text).0;
        Feature { fingerprint, exact, key: mixed, shard, start, end: shingles.len() as u32 }
    }

    /// Inserts texts, each with the key that it may be merged in.
    pub fn insert(&mut self, texts: &[(&[u8], Option<u64>)], threads: usize) -> Vec<Member> {
        let mut members = Vec::with_capacity(texts.len());
        for batch in texts.chunks(BATCH) {
            self.insert_batch(batch, threads, &mut members);
        }
        members
    }

    fn insert_batch(&mut self, texts: &[(&[u8], Option<u64>)], threads: usize, members: &mut Vec<Member>) {
        let blocks: Vec<&[(&[u8], Option<u64>)]> = texts.chunks(BLOCK).collect();
        let read = parallel::map(&blocks, threads, Reader::default, |reader, block| {
            let mut shingles = Vec::with_capacity(BLOCK * 64);
            let features: Vec<Feature> =
                block.iter().map(|(text, key)| self.feature(reader, text, *key, &mut shingles)).collect();
            (features, shingles)
        });
        let mut work: Vec<Vec<(u32, Newcomer<'_>)>> = Vec::new();
        work.resize_with(SHARDS, Vec::new);
        for (at, (feature, shingles)) in read
            .iter()
            .flat_map(|(features, all)| features.iter().map(move |feature| (feature, all)))
            .enumerate()
        {
            let newcomer = Newcomer {
                number: self.texts + at as u32,
                key: feature.key,
                fingerprint: feature.fingerprint,
                exact: feature.exact,
                shingles: shingles.get(feature.start as usize..feature.end as usize).unwrap_or_default(),
                threshold: self.threshold_for(texts[at].1.is_some()),
            };
            work[feature.shard as usize].push((at as u32, newcomer));
        }
        let mut placed: Vec<Vec<_>> = work.iter().map(|work| Vec::with_capacity(work.len())).collect();
        let threads = if texts.len() < BLOCK { 1 } else { threads };
        let parts = self.shards.iter_mut().zip(&work).zip(&mut placed);
        parallel::for_each(parts, threads, |((shard, work), placed)| {
            placed.extend(work.iter().map(|(at, newcomer)| (*at, shard.place(newcomer))));
        });
        let mut order = vec![(0, 0); texts.len()];
        for (shard, placed) in placed.iter().enumerate() {
            for (place, (at, _)) in placed.iter().enumerate() {
                order[*at as usize] = (shard, place);
            }
        }
        for (shard, place) in order {
            let placed = placed[shard][place].1;
            let representative = &mut self.shards[shard].representatives[placed.representative as usize];
            if placed.level == Level::New {
                representative.cluster = self.clusters;
                self.clusters += 1;
            }
            members.push(Member {
                cluster: representative.cluster,
                representative: representative.number,
                level: placed.level,
                similarity: placed.similarity,
            });
        }
        self.texts += texts.len() as u32;
    }
}

#[cfg(test)]
mod tests {
    use super::{Index, Member};
    use crate::dedup::shard::{Level, MANY};

    fn snippets(count: usize) -> Vec<(String, Option<u64>)> {
        let snippet = |number: usize| {
            let steps: String = (0..number % 7)
                .map(|step| format!("    x = f{step}(x, {})\n", number / 7 * step / 3 % 50))
                .collect();
            let name = ["a", "b"][number % 2];
            let key = [None, Some(number as u64 % 5)][number % 3 % 2];
            (format!("def f({name}):\n    x = {name}\n{steps}    return x\n"), key)
        };
        (0..count).map(snippet).collect()
    }

    fn insert(
        texts: &[(String, Option<u64>)],
        batch: usize,
        threads: usize,
        threshold: Option<f64>,
    ) -> Vec<Member> {
        let mut index = Index::new(threshold);
        let texts: Vec<_> = texts.iter().map(|(text, key)| (text.as_bytes(), *key)).collect();
        texts.chunks(batch).flat_map(|texts| index.insert(texts, threads)).collect()
    }

    #[test]
    fn batches_and_threads_make_no_difference() {
        let texts = snippets(3000);
        for threshold in [None, Some(0.7)] {
            let wanted = insert(&texts, 3000, 1, threshold);
            assert!(wanted.iter().any(|member| member.level == Level::Shingles));
            for (batch, threads) in [(1, 1), (17, 2), (3000, 3), (1000, 8)] {
                assert_eq!(
                    insert(&texts, batch, threads, threshold),
                    wanted,
                    "{batch} {threads} {threshold:?}"
                );
            }
        }
    }

    #[test]
    fn clusters_are_numbered_as_they_begin() {
        let mut next = 0;
        for (number, member) in insert(&snippets(500), 100, 2, None).iter().enumerate() {
            if member.level == Level::New {
                assert_eq!((member.cluster, member.representative), (next, number as u32));
                next += 1;
            }
            assert!(member.cluster < next);
        }
    }

    #[test]
    fn keys_with_very_many_representatives_still_find_twins() {
        let count = MANY + 500;
        let line =
            |number: usize, step: usize| format!("    y{step} = g{}(x, {number})\n", number * 31 + step);
        let text = |number: usize, extra: &str| {
            let body: String = (0..12).map(|step| line(number, step)).collect();
            (format!("def f(x):\n{body}{extra}    return x\n"), Some(1))
        };
        let mut texts: Vec<_> = (0..count).map(|number| text(number, "")).collect();
        texts.extend((0..count).map(|number| text(number, "    print(x)\n")));
        let members = insert(&texts, 5000, 2, None);
        let found =
            (0..count).filter(|number| members[count + number].representative == *number as u32).count();
        assert!(found * 1000 >= count * 995, "{found} of {count}");
    }
}
