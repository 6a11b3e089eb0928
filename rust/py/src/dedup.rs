//! Near-duplicates for Python: texts are borrowed where they lie, and read without the interpreter's lock.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard};

use forge_core::dedup::distance::{self as edits, Words};
use forge_core::dedup::features::Extractor;
use forge_core::dedup::hash::Wide;
use forge_core::dedup::index::{self, Member};
use forge_core::dedup::lexer;
use forge_core::dedup::matcher::{self, Looker};
use forge_core::dedup::saved::Unreadable;
use forge_core::dedup::tokens::Token;
use forge_core::dedup::{parallel, sets};
use pyo3::exceptions::{PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyFloat, PyInt, PyList, PyString, PyTuple};

use crate::convert::type_name;

/// How many texts are borrowed at a time.
const BORROWED: usize = 8192;

type Row = (u32, u32, &'static str, f64);

/// Clusters that grow as texts are inserted.
#[pyclass(frozen, module = "forge._core")]
pub struct Index {
    inner: Mutex<index::Index>,
}

#[pymethods]
impl Index {
    #[new]
    fn new(threshold: Option<f64>) -> Self {
        Self { inner: Mutex::new(index::Index::new(threshold)) }
    }

    fn __len__(&self) -> PyResult<usize> {
        Ok(locked(&self.inner)?.len())
    }

    #[getter]
    fn clusters(&self) -> PyResult<usize> {
        Ok(locked(&self.inner)?.clusters())
    }

    /// Inserts texts: for each its cluster, the cluster's first text, the level and the similarity.
    fn insert(
        &self,
        py: Python<'_>,
        texts: &Bound<'_, PyList>,
        keys: Option<&Bound<'_, PyList>>,
        threads: Option<usize>,
    ) -> PyResult<Vec<Row>> {
        let mut rows = Vec::new();
        self.each(py, texts, keys, threads, |member| {
            let similarity = (f64::from(member.similarity) * 1e6).round() / 1e6;
            rows.push((member.cluster, member.representative, member.level.name(), similarity));
        })?;
        Ok(rows)
    }

    /// Inserts texts: for each the first text of its cluster.
    fn firsts(
        &self,
        py: Python<'_>,
        texts: &Bound<'_, PyList>,
        keys: Option<&Bound<'_, PyList>>,
        threads: Option<usize>,
    ) -> PyResult<Vec<u32>> {
        let mut firsts = Vec::with_capacity(texts.len());
        self.each(py, texts, keys, threads, |member| firsts.push(member.representative))?;
        Ok(firsts)
    }

    fn save(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        py.detach(|| locked(&self.inner)?.save(&path).map_err(PyErr::from))
    }

    #[staticmethod]
    fn load(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        let loaded = py.detach(|| index::Index::load(&path));
        loaded.map(|index| Self { inner: Mutex::new(index) }).map_err(|failure| match failure {
            Unreadable::System(failure) => PyErr::from(failure),
            other => PyValueError::new_err(other.to_string()),
        })
    }
}

impl Index {
    fn each(
        &self,
        py: Python<'_>,
        texts: &Bound<'_, PyList>,
        keys: Option<&Bound<'_, PyList>>,
        threads: Option<usize>,
        mut with: impl FnMut(&Member),
    ) -> PyResult<()> {
        let threads = threads.unwrap_or_else(parallel::processors);
        let count = texts.len();
        for from in (0..count).step_by(BORROWED) {
            let held = strings(texts, from, BORROWED)?;
            let mut borrowed = Vec::with_capacity(held.len());
            for (at, text) in held.iter().enumerate() {
                let key = keys.map(|keys| key(&keys.get_item(from + at)?, from + at)).transpose()?.flatten();
                borrowed.push((bytes(text, from + at)?, key));
            }
            let members = py.detach(|| PyResult::Ok(locked(&self.inner)?.insert(&borrowed, threads)))?;
            members.iter().for_each(&mut with);
        }
        Ok(())
    }
}

/// Held-out texts, and where they are met.
#[pyclass(frozen, module = "forge._core")]
pub struct Matcher {
    inner: Mutex<matcher::Matcher>,
}

#[pymethods]
impl Matcher {
    #[new]
    fn new(threshold: f64, least: usize) -> Self {
        Self { inner: Mutex::new(matcher::Matcher::new(threshold, least)) }
    }

    fn __len__(&self) -> PyResult<usize> {
        Ok(locked(&self.inner)?.len())
    }

    fn add(&self, text: &Bound<'_, PyString>) -> PyResult<()> {
        locked(&self.inner)?.add(bytes(text, 0)?);
        Ok(())
    }

    /// For each text what is met in it: which of those that were added, how, and the score.
    #[allow(clippy::type_complexity)]
    fn look(
        &self,
        py: Python<'_>,
        texts: &Bound<'_, PyList>,
        threads: Option<usize>,
    ) -> PyResult<Vec<Vec<(usize, &'static str, f64)>>> {
        let threads = threads.unwrap_or_else(parallel::processors);
        let mut all = Vec::with_capacity(texts.len());
        for from in (0..texts.len()).step_by(BORROWED) {
            let held = strings(texts, from, BORROWED)?;
            let borrowed = all_bytes(&held, from)?;
            let found = py.detach(|| {
                let mut matcher = locked(&self.inner)?;
                matcher.prepare();
                let matcher = &*matcher;
                PyResult::Ok(parallel::map(&borrowed, threads, Looker::default, |looker, text| {
                    matcher.look(looker, text)
                }))
            })?;
            all.extend(found.into_iter().map(|found| {
                found.into_iter().map(|found| (found.item, found.how.name(), found.score)).collect::<Vec<_>>()
            }));
        }
        Ok(all)
    }
}

/// What a text means, as 32 hexadecimal digits.
#[pyfunction]
pub fn fingerprint(text: &Bound<'_, PyString>) -> PyResult<String> {
    let meaning = Extractor::default().fingerprint(bytes(text, 0)?);
    Ok(format!("{:032x}", meaning.number()))
}

/// The share of the shingles of two texts that both have.
#[pyfunction]
pub fn similarity(one: &Bound<'_, PyString>, two: &Bound<'_, PyString>) -> PyResult<f64> {
    Ok(sets::similarity(&shingles(one)?, &shingles(two)?))
}

/// The share of a text's shingles that another has.
#[pyfunction]
pub fn containment(part: &Bound<'_, PyString>, whole: &Bound<'_, PyString>) -> PyResult<f64> {
    Ok(sets::containment(&shingles(part)?, &shingles(whole)?))
}

/// How many tokens have to be inserted, removed or replaced to make one text of the other.
#[pyfunction]
pub fn distance(one: &Bound<'_, PyString>, two: &Bound<'_, PyString>) -> PyResult<usize> {
    let mut words = Words::default();
    let (one, two) = (words.of(bytes(one, 0)?), words.of(bytes(two, 1)?));
    Ok(edits::distance(&one, &two, usize::MAX).unwrap_or(usize::MAX))
}

/// Which of several texts has the least distance, the first of several.
#[pyfunction]
pub fn nearest(
    py: Python<'_>,
    text: &Bound<'_, PyString>,
    others: &Bound<'_, PyList>,
) -> PyResult<Option<usize>> {
    let text = bytes(text, 0)?;
    let held = strings(others, 0, others.len())?;
    let borrowed = all_bytes(&held, 0)?;
    Ok(py.detach(|| edits::nearest(text, &borrowed)))
}

/// The tokens of a text: kind, and the characters.
#[pyfunction]
pub fn tokens<'py>(text: &Bound<'py, PyString>) -> PyResult<Vec<(&'static str, Bound<'py, PyString>)>> {
    let source = bytes(text, 0)?;
    let mut found: Vec<Token> = Vec::new();
    lexer::lex(source, true, &mut found);
    let name = |token: &Token| {
        (token.kind.name(), PyString::new(text.py(), &String::from_utf8_lossy(token.text(source))))
    };
    Ok(found.iter().map(name).collect())
}

fn shingles(text: &Bound<'_, PyString>) -> PyResult<Vec<u32>> {
    let mut found = Vec::new();
    Extractor::default().read(bytes(text, 0)?, &mut found);
    Ok(found)
}

fn locked<T>(inner: &Mutex<T>) -> PyResult<MutexGuard<'_, T>> {
    inner.lock().map_err(|_| PyRuntimeError::new_err("a thread failed while it changed this object"))
}

/// At most so many members of a list, which are text.
fn strings<'py>(texts: &Bound<'py, PyList>, from: usize, most: usize) -> PyResult<Vec<Bound<'py, PyString>>> {
    let mut held = Vec::with_capacity(most.min(texts.len()));
    for at in from..texts.len().min(from.saturating_add(most)) {
        let text = texts.get_item(at)?;
        held.push(text.cast_into::<PyString>().map_err(|failure| {
            PyTypeError::new_err(format!(
                "text {at} is not a str but of type {}",
                type_name(&failure.into_inner())
            ))
        })?);
    }
    Ok(held)
}

/// The UTF-8 of texts, the first of which has the number `from`.
fn all_bytes<'a>(held: &'a [Bound<'_, PyString>], from: usize) -> PyResult<Vec<&'a [u8]>> {
    held.iter().enumerate().map(|(at, text)| bytes(text, from + at)).collect()
}

/// The UTF-8 of a text, where it lies.
fn bytes<'a>(text: &'a Bound<'_, PyString>, at: usize) -> PyResult<&'a [u8]> {
    let text = text.to_str().map_err(|_| {
        PyValueError::new_err(format!(
            "text {at} holds a lone surrogate, so that it cannot be written as UTF-8"
        ))
    })?;
    Ok(text.as_bytes())
}

/// The number of a key, the same in every process; none for `None`.
fn key(object: &Bound<'_, PyAny>, at: usize) -> PyResult<Option<u64>> {
    if object.is_none() {
        return Ok(None);
    }
    match key_hash(object, 0)? {
        Some(hash) => Ok(Some(hash.0)),
        None => Err(PyTypeError::new_err(format!(
            "key {at} is or holds something of type {}: a key is a str, bytes, int, bool, float, None or a tuple of these",
            type_name(object)
        ))),
    }
}

fn key_hash(object: &Bound<'_, PyAny>, depth: usize) -> PyResult<Option<Wide>> {
    let tagged = |tag: u64, hash: Wide| Ok(Some(Wide::of(tag).then(hash)));
    if let Ok(text) = object.cast::<PyString>() {
        return match text.to_str() {
            Ok(text) => tagged(1, Wide::bytes(text.as_bytes())),
            Err(_) => tagged(1, Wide::bytes(&crate::convert::text_bytes(text)?)),
        };
    }
    if let Ok(tuple) = object.cast::<PyTuple>() {
        let mut found = Wide::of(2);
        for member in tuple.iter() {
            match if depth < 100 { key_hash(&member, depth + 1)? } else { None } {
                Some(hash) => found = found.then(hash),
                None => return Ok(None),
            }
        }
        return tagged(2, found);
    }
    if object.is_none() {
        return tagged(3, Wide::default());
    }
    if let Ok(flag) = object.cast::<PyBool>() {
        return tagged(4, Wide::of(u64::from(flag.is_true())));
    }
    if object.cast::<PyInt>().is_ok() {
        // As in a dictionary, 1, True and 1.0 are one key.
        return match object.extract::<i64>() {
            Ok(number) => tagged(4, Wide::of(number as u64)),
            Err(_) => tagged(5, Wide::bytes(object.str()?.to_str()?.as_bytes())),
        };
    }
    if let Ok(number) = object.cast::<PyFloat>() {
        let number = number.value();
        if number.fract() == 0.0 && number.abs() < 9e18 {
            return tagged(4, Wide::of(number as i64 as u64));
        }
        return tagged(6, Wide::of(if number.is_nan() { f64::NAN } else { number }.to_bits()));
    }
    if let Ok(data) = object.cast::<PyBytes>() {
        return tagged(7, Wide::bytes(data.as_bytes()));
    }
    Ok(None)
}
