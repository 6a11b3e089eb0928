//! An index as a file.
//!
//! The format has a version, which also stands for what fingerprints and shingles mean, and a sum over all of
//! it. Written beside its place and moved there when it is whole.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use super::hash::{Wide, mix};
use super::index::{Index, SHARDS, THRESHOLD};
use super::shard::{Representative, Seen, Shard};

const MAGIC: &[u8; 12] = b"forge dedup\n";
/// Goes up whenever the file, a hash or the meaning of a fingerprint changes.
const VERSION: u32 = 1;
const BLOCK: usize = 1 << 16;

/// Why a file is no index.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// The system refused to read it.
    #[error("{0}")]
    System(#[from] io::Error),
    /// It was not written by this module.
    #[error("not an index of forge dedup")]
    Foreign,
    /// It is from another version.
    #[error("an index of format {0}, and this is format {VERSION}")]
    Version(u32),
    /// It is not what was written.
    #[error("damaged: {0}")]
    Damaged(&'static str),
}

struct Writer {
    file: File,
    block: Vec<u8>,
    sum: u64,
}

fn add_to_sum(sum: u64, block: &[u8]) -> u64 {
    mix(sum ^ Wide::bytes(block).0, 0x9e37_79b9_7f4a_7c15).wrapping_add(block.len() as u64)
}

impl Writer {
    /// Writes at most a block.
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        let (now, later) = bytes.split_at(bytes.len().min(BLOCK - self.block.len()));
        self.block.extend_from_slice(now);
        if self.block.len() == BLOCK {
            self.flush()?;
        }
        self.block.extend_from_slice(later);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sum = add_to_sum(self.sum, &self.block);
        self.file.write_all(&self.block)?;
        self.block.clear();
        Ok(())
    }

    fn number(&mut self, number: u64) -> io::Result<()> {
        self.put(&number.to_le_bytes())
    }
}

impl Index {
    /// Writes the index to a file, which is there in full or as it was before.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn save(&self, path: &Path) -> io::Result<()> {
        let mut name = path.file_name().unwrap_or_default().to_os_string();
        name.push(format!(".{}.part", std::process::id()));
        let part = path.with_file_name(name);
        let saved = self.write(&part).and_then(|()| fs::rename(&part, path));
        if saved.is_err() {
            drop(fs::remove_file(&part));
        }
        saved
    }

    fn write(&self, path: &Path) -> io::Result<()> {
        let mut to = Writer { file: File::create(path)?, block: Vec::with_capacity(BLOCK), sum: 0 };
        to.put(MAGIC)?;
        to.put(&VERSION.to_le_bytes())?;
        to.number(u64::from(self.threshold.is_some()))?;
        to.number(self.threshold.unwrap_or_default().to_bits())?;
        to.number(u64::from(self.texts) << 32 | u64::from(self.clusters))?;
        for shard in &self.shards {
            shard.write(&mut to)?;
        }
        to.flush()?;
        let sum = to.sum;
        to.file.write_all(&sum.to_le_bytes())?;
        to.file.sync_all()
    }

    /// Reads an index that `save` wrote.
    ///
    /// # Errors
    /// The file cannot be read, or is not such an index.
    pub fn load(path: &Path) -> Result<Self, Unreadable> {
        let bytes = fs::read(path)?;
        if !bytes.starts_with(MAGIC) {
            return Err(Unreadable::Foreign);
        }
        let version = bytes.get(MAGIC.len()..).and_then(|rest| rest.first_chunk::<4>());
        let version = u32::from_le_bytes(*version.ok_or(Unreadable::Damaged("cut off"))?);
        if version != VERSION {
            return Err(Unreadable::Version(version));
        }
        let (all, sum) = bytes.split_last_chunk::<8>().ok_or(Unreadable::Damaged("cut off"))?;
        if all.chunks(BLOCK).fold(0, add_to_sum) != u64::from_le_bytes(*sum) {
            return Err(Unreadable::Damaged("its sum is not that of its contents"));
        }
        let mut from = Reader { bytes: all.get(MAGIC.len() + 4..).unwrap_or_default() };
        Self::read(&mut from).ok_or(Unreadable::Damaged("its parts do not fit together"))
    }

    fn read(from: &mut Reader<'_>) -> Option<Self> {
        let has_threshold = from.number()? != 0;
        let threshold = f64::from_bits(from.number()?);
        let mut index = Self::new(has_threshold.then_some(threshold));
        let counts = from.number()?;
        (index.texts, index.clusters) = ((counts >> 32) as u32, counts as u32);
        for shard in &mut index.shards {
            *shard = Shard::read(from, index.threshold.unwrap_or(THRESHOLD))?;
        }
        debug_assert_eq!(index.shards.len(), SHARDS);
        from.bytes.is_empty().then_some(index)
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
}

impl Reader<'_> {
    fn number(&mut self) -> Option<u64> {
        let (number, rest) = self.bytes.split_first_chunk::<8>()?;
        self.bytes = rest;
        Some(u64::from_le_bytes(*number))
    }

    fn half(&mut self) -> Option<u32> {
        let (number, rest) = self.bytes.split_first_chunk::<4>()?;
        self.bytes = rest;
        Some(u32::from_le_bytes(*number))
    }

    /// A number of things of at least so many bytes each.
    fn count(&mut self, size: usize) -> Option<usize> {
        let count = usize::try_from(self.number()?).ok()?;
        (count <= self.bytes.len() / size).then_some(count)
    }
}

impl Shard {
    fn write(&self, to: &mut Writer) -> io::Result<()> {
        to.number(self.seen.len() as u64)?;
        for seen in &self.seen {
            to.number(seen.fingerprint.0)?;
            to.number(seen.fingerprint.1)?;
            to.number(u64::from(seen.representative) << 32 | u64::from(seen.exact))?;
        }
        to.number(self.similarities.len() as u64)?;
        for (seen, similarity) in &self.similarities {
            to.number(u64::from(*seen) << 32 | u64::from(similarity.to_bits()))?;
        }
        to.number(self.representatives.len() as u64)?;
        for representative in &self.representatives {
            to.put(&representative.start.to_le_bytes())?;
            to.number(u64::from(representative.number) << 32 | u64::from(representative.cluster))?;
        }
        to.number(self.shingles.len() as u64)?;
        for shingle in &self.shingles {
            to.put(&shingle.to_le_bytes())?;
        }
        to.number(self.groups.len() as u64)?;
        let mut groups: Vec<_> = self.groups.iter().collect();
        groups.sort_unstable_by_key(|group| group.key);
        for group in groups {
            to.number(group.key)?;
            let members = self.members(group);
            to.number(members.len() as u64)?;
            for representative in members {
                to.put(&representative.to_le_bytes())?;
            }
        }
        Ok(())
    }

    fn read(from: &mut Reader<'_>, threshold: f64) -> Option<Self> {
        let mut shard = Self::default();
        for _ in 0..from.count(24)? {
            let fingerprint = Wide(from.number()?, from.number()?);
            let both = from.number()?;
            shard.see(Seen { fingerprint, exact: both as u32, representative: (both >> 32) as u32 });
        }
        for _ in 0..from.count(8)? {
            let both = from.number()?;
            shard.similarities.push(((both >> 32) as u32, f32::from_bits(both as u32)));
        }
        let mut last = 0;
        for _ in 0..from.count(12)? {
            let (start, both) = (from.half()?, from.number()?);
            if start < last {
                return None;
            }
            last = start;
            let (number, cluster) = ((both >> 32) as u32, both as u32);
            shard.representatives.push(Representative { start, number, cluster });
        }
        let count = from.count(4)?;
        if last as usize > count {
            return None;
        }
        for _ in 0..count {
            shard.shingles.push(from.half()?);
        }
        let known = shard.representatives.len() as u32;
        if shard.seen.iter().any(|seen| seen.representative >= known) {
            return None;
        }
        for _ in 0..from.count(16)? {
            let key = from.number()?;
            for _ in 0..from.count(4)? {
                let representative = from.half().filter(|representative| *representative < known)?;
                shard.join_group(key, representative, threshold);
            }
        }
        Some(shard)
    }
}

#[cfg(test)]
mod tests {
    use super::Unreadable;
    use crate::dedup::index::Index;

    fn text(number: u64) -> (String, Option<u64>) {
        let line = |step: u64| format!("    x = x * {} + f{step}(x)\n", number * 3 % 11);
        let body: String = (0..number % 6).map(line).collect();
        (format!("def f(x):\n{body}    return x\n"), [None, Some(1), Some(2)][number as usize % 3])
    }

    #[test]
    fn what_was_saved_goes_on_as_if_it_had_not_been() -> Result<(), Unreadable> {
        let all: Vec<_> = (0..400).map(text).collect();
        let texts: Vec<_> = all.iter().map(|(text, key)| (text.as_bytes(), *key)).collect();
        let path = std::env::temp_dir().join(format!("forge-dedup-{}", std::process::id()));
        for threshold in [None, Some(0.8)] {
            let mut whole = Index::new(threshold);
            let wanted = whole.insert(&texts, 1);
            let mut first = Index::new(threshold);
            first.insert(&texts[..150], 1);
            first.save(&path)?;
            let mut again = Index::load(&path)?;
            assert_eq!((again.len(), again.clusters()), (150, first.clusters()));
            assert_eq!(again.insert(&texts[150..], 2), wanted[150..]);
        }
        let good = std::fs::read(&path)?;
        for at in (0..good.len()).step_by(97) {
            let mut bad = good.clone();
            bad[at] ^= 0x10;
            std::fs::write(&path, &bad)?;
            assert!(Index::load(&path).is_err(), "byte {at}");
            std::fs::write(&path, &good[..at])?;
            assert!(Index::load(&path).is_err(), "cut at {at}");
        }
        std::fs::write(&path, b"something else")?;
        assert!(matches!(Index::load(&path), Err(Unreadable::Foreign)));
        std::fs::remove_file(&path)?;
        Ok(())
    }
}
