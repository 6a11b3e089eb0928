//! Code that must not be met again, and texts looked at for it.
//!
//! Of each held-out text only its rarest shingles are looked up, as many as must include one of any share of them
//! that reaches the threshold; what they find is then counted in full. So nothing is missed, and shingles that all
//! code has cost nothing.

use std::collections::HashMap;

use hashbrown::HashTable;

use super::features::Extractor;
use super::hash::{Wide, spread};
use super::sets::shared;

/// How a text was recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// It means the same as the held-out text.
    Fingerprint,
    /// It holds enough of the held-out text's shingles.
    Containment,
}

impl How {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Fingerprint => "fingerprint",
            Self::Containment => "containment",
        }
    }
}

/// A held-out text that was met.
#[derive(Clone, Debug, PartialEq)]
pub struct Match {
    /// Which one, by the order in which they were added.
    pub item: usize,
    /// How it was recognised.
    pub how: How,
    /// The share of its shingles that were met; 1 for a fingerprint.
    pub score: f64,
}

#[derive(Debug)]
struct Item {
    start: usize,
    end: usize,
}

/// Held-out texts.
#[derive(Debug)]
pub struct Matcher {
    threshold: f64,
    least: usize,
    items: Vec<Item>,
    shingles: Vec<u32>,
    fingerprints: HashMap<u128, Vec<u32>>,
    /// Where in `owners` those of a shingle begin and end: `(shingle, begin, end)`.
    places: HashTable<(u32, u32, u32)>,
    owners: Vec<u32>,
    /// How many items the places cover.
    covered: usize,
}

/// What one thread needs to look at texts.
#[derive(Debug, Default)]
pub struct Looker {
    extractor: Extractor,
    shingles: Vec<u32>,
    seen: Vec<u32>,
    round: u32,
}

impl Matcher {
    /// Nothing yet. A text is met where this share of its shingles is, if it has at least `least` of them.
    #[must_use]
    pub fn new(threshold: f64, least: usize) -> Self {
        Self {
            threshold,
            least: least.max(1),
            items: Vec::new(),
            shingles: Vec::new(),
            fingerprints: HashMap::new(),
            places: HashTable::new(),
            owners: Vec::new(),
            covered: 0,
        }
    }

    /// How many texts were added.
    #[must_use]
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether none were.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Adds a text.
    pub fn add(&mut self, text: &[u8]) {
        let start = self.shingles.len();
        let fingerprint = Extractor::default().read(text, &mut self.shingles);
        let end = self.shingles.len();
        if end > start {
            let item = self.items.len() as u32;
            self.fingerprints.entry(fingerprint.number()).or_default().push(item);
        }
        self.items.push(Item { start, end });
    }

    fn set(&self, item: usize) -> &[u32] {
        self.items.get(item).and_then(|item| self.shingles.get(item.start..item.end)).unwrap_or_default()
    }

    /// The fewest shingles of so many that are a large enough share of them.
    fn needed(&self, size: usize) -> usize {
        let guess = (self.threshold * size as f64).ceil() as usize;
        let holds = |count: usize| count as f64 / size as f64 >= self.threshold;
        let least =
            if guess > 0 && holds(guess - 1) { guess - 1 } else { guess + usize::from(!holds(guess)) };
        least.max(1)
    }

    /// Makes ready for looking, if texts were added since it was last done.
    pub fn prepare(&mut self) {
        if self.covered == self.items.len() {
            return;
        }
        let mut counts: HashMap<u32, u32> = HashMap::new();
        for shingle in &self.shingles {
            *counts.entry(*shingle).or_default() += 1;
        }
        let mut pairs = Vec::new();
        for item in 0..self.items.len() {
            let set = self.set(item);
            if set.len() < self.least {
                continue;
            }
            let mut rarest = set.to_vec();
            rarest.sort_unstable_by_key(|shingle| (counts.get(shingle).copied(), *shingle));
            rarest.truncate((set.len() + 1).saturating_sub(self.needed(set.len())));
            pairs.extend(rarest.into_iter().map(|shingle| (shingle, item as u32)));
        }
        pairs.sort_unstable();
        self.places.clear();
        self.owners = pairs.iter().map(|(_, item)| *item).collect();
        let mut begin = 0;
        for same in pairs.chunk_by(|one, two| one.0 == two.0) {
            let end = begin + same.len() as u32;
            if let Some((shingle, _)) = same.first() {
                let place = (*shingle, begin, end);
                self.places
                    .insert_unique(spread(u64::from(*shingle)), place, |place| spread(u64::from(place.0)));
            }
            begin = end;
        }
        self.covered = self.items.len();
    }

    /// The held-out texts that are met in a text; those that were added since `prepare` are not looked for by
    /// containment.
    pub fn look(&self, looker: &mut Looker, text: &[u8]) -> Vec<Match> {
        looker.shingles.clear();
        let fingerprint: Wide = looker.extractor.read(text, &mut looker.shingles);
        looker.seen.resize(self.items.len(), 0);
        looker.round += 1;
        let mut found = Vec::new();
        for item in self.fingerprints.get(&fingerprint.number()).into_iter().flatten() {
            looker.seen[*item as usize] = looker.round;
            found.push(Match { item: *item as usize, how: How::Fingerprint, score: 1.0 });
        }
        for shingle in &looker.shingles {
            let place = self.places.find(spread(u64::from(*shingle)), |place| place.0 == *shingle);
            let Some((_, begin, end)) = place else { continue };
            for item in self.owners.get(*begin as usize..*end as usize).unwrap_or_default() {
                let seen = &mut looker.seen[*item as usize];
                if std::mem::replace(seen, looker.round) == looker.round {
                    continue;
                }
                let set = self.set(*item as usize);
                if let Some(count) = shared(set, &looker.shingles, self.needed(set.len())) {
                    let score = count as f64 / set.len() as f64;
                    found.push(Match { item: *item as usize, how: How::Containment, score });
                }
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::{How, Looker, Matcher};
    use crate::dedup::features::Extractor;
    use crate::dedup::sets::containment;

    fn text(number: usize) -> String {
        let lines: String = (0..number % 9)
            .map(|line| {
                format!("    if x > {}:\n        x = f{}(x)\n", (number + line) % 13, (number * line) % 5)
            })
            .collect();
        format!("def f(x):\n{lines}    return x\n")
    }

    #[test]
    fn nothing_is_missed_and_nothing_is_made_up() {
        let mut extractor = Extractor::default();
        let mut set = |text: &str| {
            let mut shingles = Vec::new();
            let fingerprint = extractor.read(text.as_bytes(), &mut shingles);
            (fingerprint, shingles)
        };
        for (threshold, least) in [(0.6, 8), (0.35, 1), (1.0, 20)] {
            let mut matcher = Matcher::new(threshold, least);
            let held: Vec<_> = (0..120).map(text).collect();
            held.iter().for_each(|text| matcher.add(text.as_bytes()));
            matcher.prepare();
            let mut looker = Looker::default();
            for number in 0..200 {
                let whole = text(number * 7 + 3);
                let mut found: Vec<_> = matcher.look(&mut looker, whole.as_bytes());
                found.sort_by_key(|found| found.item);
                let (fingerprint, shingles) = set(&whole);
                let mut wanted = Vec::new();
                for (item, text) in held.iter().enumerate() {
                    let (its, part) = set(text);
                    let share = containment(&part, &shingles);
                    if its == fingerprint {
                        wanted.push((item, How::Fingerprint, 1.0));
                    } else if part.len() >= least && share >= threshold {
                        wanted.push((item, How::Containment, share));
                    }
                }
                let found: Vec<_> =
                    found.into_iter().map(|found| (found.item, found.how, found.score)).collect();
                assert_eq!(found, wanted);
            }
        }
    }
}
