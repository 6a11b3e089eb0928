//! Candidates among many sets: those that agree in a band of their one-permutation minimum hashes.
//!
//! Source: P. Li, A. Owen, C.-H. Zhang, "One permutation hashing", 2012; empty bins are filled as in A. Shrivastava,
//! P. Li, "Densifying one permutation hashing via rotation", 2014. A pair may be missed: with three bins a band and
//! 21 bands, one in 200 at a similarity of .6 and fewer above. What is found is for the caller to verify.

use hashbrown::HashTable;

use super::hash::{mix, spread};

const BINS: usize = 63;
const EMPTY: u32 = u32::MAX;

/// Sets by the bands of their sketches.
#[derive(Debug)]
pub struct Bands {
    rows: usize,
    /// The newest set of each band's hash, by that hash: `(hash, link)`.
    heads: HashTable<(u32, u32)>,
    /// For each set and band the next older one, `EMPTY` at the end; a link is a set's number times the bands
    /// plus the band.
    older: Vec<u32>,
    seen: Vec<u32>,
    round: u32,
}

impl Bands {
    /// Nothing yet; for pairs at least as similar as this.
    #[must_use]
    pub fn new(threshold: f64) -> Self {
        let rows = match threshold {
            ..0.4 => 2,
            ..0.7 => 3,
            ..0.85 => 5,
            _ => 7,
        };
        Self { rows, heads: HashTable::new(), older: Vec::new(), seen: Vec::new(), round: 0 }
    }

    fn count(&self) -> usize {
        BINS / self.rows
    }

    fn hashes(&self, set: &[u32]) -> [u32; BINS] {
        let mut bins = [EMPTY; BINS];
        for member in set {
            let value = spread(u64::from(*member));
            let bin = (((value & 0xffff_ffff) * BINS as u64) >> 32) as usize;
            bins[bin] = bins[bin].min((value >> 32) as u32);
        }
        fill(&mut bins);
        let mut found = [EMPTY; BINS];
        for (band, (rows, hash)) in bins.chunks_exact(self.rows).zip(&mut found).enumerate() {
            let seed = spread(band as u64 + 1);
            *hash = (rows.iter().fold(seed, |hash, row| mix(hash ^ u64::from(*row), 0x9e37_79b9_7f4a_7c15))
                >> 32) as u32;
        }
        found
    }

    /// Adds the next set; sets are numbered from 0 in the order in which they are added.
    pub fn add(&mut self, set: &[u32]) {
        let count = self.count();
        for hash in self.hashes(set).into_iter().take(count) {
            let link = self.older.len() as u32;
            let place = u64::from(hash).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let again = |head: &(u32, u32)| u64::from(head.0).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            match self.heads.find_mut(place, |head| head.0 == hash) {
                Some(head) => {
                    self.older.push(head.1);
                    head.1 = link;
                }
                None => {
                    self.older.push(EMPTY);
                    self.heads.insert_unique(place, (hash, link), again);
                }
            }
        }
        self.seen.push(0);
    }

    /// Calls `with` with the number of each set that agrees with this one in a band, once.
    pub fn candidates(&mut self, set: &[u32], mut with: impl FnMut(u32)) {
        let count = self.count();
        self.round += 1;
        for hash in self.hashes(set).into_iter().take(count) {
            let place = u64::from(hash).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let mut link = self.heads.find(place, |head| head.0 == hash).map_or(EMPTY, |head| head.1);
            while link != EMPTY {
                let set = link / count as u32;
                if self.seen[set as usize] != self.round {
                    self.seen[set as usize] = self.round;
                    with(set);
                }
                link = self.older[link as usize];
            }
        }
    }
}

/// Gives each empty bin what the next full one holds, told apart by its distance.
fn fill(bins: &mut [u32; BINS]) {
    let Some(first) = bins.iter().position(|bin| *bin != EMPTY) else { return };
    let (mut value, mut distance) = (bins[first], first);
    for at in (0..BINS).rev() {
        if bins[at] == EMPTY {
            distance += 1;
            bins[at] = (spread(u64::from(value) << 8 | distance as u64) >> 32) as u32;
        } else {
            (value, distance) = (bins[at], 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Bands;

    /// A set of 60 of which this many are the first set's.
    fn set(common: u32, number: u32) -> Vec<u32> {
        let mut members: Vec<u32> = (0..common).map(|member| member.wrapping_mul(2_654_435_761)).collect();
        members.extend((common..60).map(|member| (member + 100 * number + 1000).wrapping_mul(2_654_435_761)));
        members.sort_unstable();
        members
    }

    #[test]
    fn similar_sets_are_candidates_and_most_others_are_not() {
        let mut bands = Bands::new(0.5);
        for number in 0..400 {
            bands.add(&set(if number % 2 == 0 { 50 } else { 2 }, number));
        }
        let mut found = Vec::new();
        bands.candidates(&set(60, 0), |set| found.push(set));
        let near = found.iter().filter(|set| *set % 2 == 0).count();
        assert!(near >= 196, "{near} of 200 with a similarity of .71");
        assert!(found.len() - near < 10, "{}", found.len() - near);
        found.sort_unstable();
        found.dedup();
        assert!(found.len() >= near, "each is told once");
    }

    #[test]
    fn an_empty_set_is_no_danger() {
        let mut bands = Bands::new(0.9);
        bands.add(&[]);
        let mut found = 0;
        bands.candidates(&[], |_| found += 1);
        assert_eq!(found, 1);
    }
}
