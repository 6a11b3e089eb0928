//! A part of an index: representatives of some of the keys, and where a newcomer belongs among them.

use hashbrown::HashTable;

use super::bands::Bands;
use super::hash::{Wide, mix};
use super::sets::{Sketch, needed, shared};

/// Above this many representatives in a key, candidates come from bands of minimum hashes, so that a few may
/// be missed; up to it each is looked at.
pub const MANY: usize = 1024;

/// Why a text is where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// It is like nothing before it, and represents its cluster.
    New,
    /// It has the bytes of a text before it.
    Exact,
    /// It has the fingerprint of a text before it.
    Fingerprint,
    /// It shares enough shingles with the representative.
    Shingles,
}

impl Level {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Exact => "exact",
            Self::Fingerprint => "fingerprint",
            Self::Shingles => "shingles",
        }
    }
}

/// A text about to be placed.
#[derive(Clone, Copy, Debug)]
pub struct Newcomer<'a> {
    /// Its number among all texts.
    pub number: u32,
    /// The group that it may be merged in.
    pub key: u64,
    /// The fingerprint, mixed with the key.
    pub fingerprint: Wide,
    /// A hash of its bytes.
    pub exact: u64,
    /// Its shingles; they may be missing if a text before it has its fingerprint.
    pub shingles: &'a [u32],
    /// The least similarity to be merged; none for equal fingerprints only.
    pub threshold: Option<f64>,
}

/// Where a text was placed.
#[derive(Clone, Copy, Debug)]
pub struct Placed {
    /// The representative's place in the shard.
    pub representative: u32,
    /// Why.
    pub level: Level,
    /// The similarity to the representative.
    pub similarity: f32,
}

/// A fingerprint that was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub fingerprint: Wide,
    /// Half of a hash of the bytes: for the level only, so that a mistake would change nothing else.
    pub exact: u32,
    pub representative: u32,
}

/// The first text of a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Representative {
    /// Where its shingles begin; they end where the next one's begin.
    pub start: u32,
    pub number: u32,
    pub cluster: u32,
}

/// A representative as one of its key.
#[derive(Clone, Copy, Debug)]
struct Entry {
    sketch: Sketch,
    size: u32,
    representative: u32,
    /// The entry before it with the same key, `NONE` if it is the first.
    older: u32,
}

const NONE: u32 = u32::MAX;

/// The representatives of one key.
#[derive(Debug)]
pub(super) struct Group {
    pub key: u64,
    newest: u32,
    count: u32,
    many: Option<Box<Many>>,
}

/// What a key with many representatives has besides.
#[derive(Debug)]
struct Many {
    bands: Bands,
    /// The entry of each set in the bands.
    entries: Vec<u32>,
}

/// A part of an index.
#[derive(Debug, Default)]
pub struct Shard {
    pub(super) seen: Vec<Seen>,
    pub(super) representatives: Vec<Representative>,
    pub(super) shingles: Vec<u32>,
    pub(super) groups: HashTable<Group>,
    entries: Vec<Entry>,
    /// Similarities to their representatives of the fingerprints seen that were merged by shingles, ascending.
    pub(super) similarities: Vec<(u32, f32)>,
    places: HashTable<u32>,
}

fn spot(fingerprint: Wide) -> u64 {
    fingerprint.0 ^ fingerprint.1
}

fn group_spot(key: u64) -> u64 {
    mix(key ^ 0x9e37_79b9_7f4a_7c15, 0xd1b5_4a32_d192_ed03)
}

/// The shingles of a representative.
pub(super) fn set_of<'a>(
    representatives: &[Representative],
    shingles: &'a [u32],
    representative: u32,
) -> &'a [u32] {
    let at = representative as usize;
    let start = representatives.get(at).map_or(0, |found| found.start as usize);
    let end = representatives.get(at + 1).map_or(shingles.len(), |next| next.start as usize);
    shingles.get(start..end).unwrap_or_default()
}

impl Shard {
    /// Whether a text of this fingerprint was placed, so that the next one's shingles will not be looked at.
    pub fn knows(&self, fingerprint: Wide) -> bool {
        self.find(fingerprint).is_some()
    }

    fn find(&self, fingerprint: Wide) -> Option<&u32> {
        self.places.find(spot(fingerprint), |at| self.seen[*at as usize].fingerprint == fingerprint)
    }

    /// Finds a text's cluster, or makes it the representative of a new one.
    pub fn place(&mut self, text: &Newcomer<'_>) -> Placed {
        if let Some(at) = self.find(text.fingerprint) {
            let seen = &self.seen[*at as usize];
            let level = if seen.exact == text.exact as u32 { Level::Exact } else { Level::Fingerprint };
            let merged = self.similarities.binary_search_by_key(at, |(at, _)| *at);
            let similarity =
                merged.ok().and_then(|place| self.similarities.get(place)).map_or(1.0, |found| found.1);
            return Placed { representative: seen.representative, level, similarity };
        }
        let nearest = text.threshold.and_then(|threshold| self.nearest(text, threshold));
        let placed = match nearest {
            Some((representative, similarity)) => {
                let similarity = similarity as f32;
                self.similarities.push((self.seen.len() as u32, similarity));
                Placed { representative, level: Level::Shingles, similarity }
            }
            None => Placed { representative: self.represent(text), level: Level::New, similarity: 1.0 },
        };
        let (exact, representative) = (text.exact as u32, placed.representative);
        self.see(Seen { fingerprint: text.fingerprint, exact, representative });
        placed
    }

    pub(super) fn see(&mut self, seen: Seen) {
        let at = self.seen.len() as u32;
        self.seen.push(seen);
        let all = &self.seen;
        self.places.insert_unique(spot(seen.fingerprint), at, |at| spot(all[*at as usize].fingerprint));
    }

    fn represent(&mut self, text: &Newcomer<'_>) -> u32 {
        let representative = self.representatives.len() as u32;
        let start = self.shingles.len() as u32;
        self.representatives.push(Representative { start, number: text.number, cluster: 0 });
        if let Some(threshold) = text.threshold {
            self.shingles.extend_from_slice(text.shingles);
            self.join_group(text.key, representative, threshold);
        }
        representative
    }

    /// Adds a representative, whose shingles are there, to those of its key.
    pub(super) fn join_group(&mut self, key: u64, representative: u32, threshold: f64) {
        let Self { groups, representatives, shingles, entries, .. } = self;
        let spot = |group: &Group| group_spot(group.key);
        let group = groups
            .entry(group_spot(key), |group| group.key == key, spot)
            .or_insert_with(|| Group { key, newest: NONE, count: 0, many: None })
            .into_mut();
        let set = set_of(representatives, shingles, representative);
        let entry = entries.len() as u32;
        let older = std::mem::replace(&mut group.newest, entry);
        entries.push(Entry { sketch: Sketch::of(set), size: set.len() as u32, representative, older });
        group.count += 1;
        if let Some(many) = &mut group.many {
            many.bands.add(set);
            many.entries.push(entry);
        } else if group.count as usize > MANY {
            let mut found: Vec<u32> = chain(entries, group.newest).collect();
            found.reverse();
            let mut bands = Bands::new(threshold);
            for at in &found {
                bands.add(set_of(representatives, shingles, entries[*at as usize].representative));
            }
            group.many = Some(Box::new(Many { bands, entries: found }));
        }
    }

    /// The representatives of a group, the oldest first.
    pub(super) fn members(&self, group: &Group) -> Vec<u32> {
        let mut found: Vec<u32> =
            chain(&self.entries, group.newest).map(|at| self.entries[at as usize].representative).collect();
        found.reverse();
        found
    }

    /// The most similar representative of the key and how similar it is, the earliest of several, if there is
    /// one similar enough.
    fn nearest(&mut self, text: &Newcomer<'_>, threshold: f64) -> Option<(u32, f64)> {
        let group = self.groups.find_mut(group_spot(text.key), |group| group.key == text.key)?;
        let mut search = Search {
            set: text.shingles,
            sketch: Sketch::of(text.shingles),
            all: &self.shingles,
            representatives: &self.representatives,
            least: threshold,
            best: None,
        };
        match &mut group.many {
            None => chain(&self.entries, group.newest).for_each(|at| search.look(&self.entries[at as usize])),
            Some(many) => {
                let mut found = Vec::new();
                many.bands.candidates(text.shingles, |set| found.push(many.entries[set as usize]));
                found.sort_unstable_by(|one, two| two.cmp(one));
                for at in found {
                    search.look(&self.entries[at as usize]);
                }
            }
        }
        search.best
    }
}

/// The entries of a key from this one on, the newest first.
fn chain(entries: &[Entry], newest: u32) -> impl Iterator<Item = u32> {
    std::iter::successors(Some(newest), |at| entries.get(*at as usize).map(|entry| entry.older))
        .take_while(|at| *at != NONE)
}

/// Looks at the entries of a key from the newest to the oldest.
struct Search<'a> {
    set: &'a [u32],
    sketch: Sketch,
    all: &'a [u32],
    representatives: &'a [Representative],
    /// What another has to reach: of several as similar the oldest is taken.
    least: f64,
    best: Option<(u32, f64)>,
}

impl Search<'_> {
    #[inline]
    fn look(&mut self, entry: &Entry) {
        let (mine, its) = (self.set.len(), entry.size as usize);
        let least = needed(mine, its, self.least);
        let most = (mine - self.sketch.lacks(entry.sketch).min(mine))
            .min(its - entry.sketch.lacks(self.sketch).min(its));
        if most < least {
            return;
        }
        let start = self.representatives[entry.representative as usize].start as usize;
        let other = self.all.get(start..start + its).unwrap_or_default();
        if let Some(count) = shared(self.set, other, least) {
            let all = mine + its - count;
            let similarity = if all == 0 { 1.0 } else { count as f64 / all as f64 };
            if self.best.is_none_or(|(_, best)| similarity >= best) {
                self.best = Some((entry.representative, similarity));
                self.least = similarity;
            }
        }
    }
}
