//! Python objects to plain values and back. Types are compared exactly: a subclass is never plain, because
//! it may bring behaviour along.

use std::time::Instant;

use forge_core::value::{MAX_BYTES, MAX_DEPTH, MAX_NODES, Value};
use pyo3::exceptions::PyValueError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{
    PyBool, PyByteArray, PyBytes, PyComplex, PyDict, PyFloat, PyFrozenSet, PyInt, PyList, PyRange, PySet,
    PyString, PyTuple,
};
use pyo3::{PyTypeCheck, PyTypeInfo};

/// Why an object is not a plain value.
#[derive(Debug)]
pub enum NotPlain {
    /// It, or something inside it, is of this type.
    Type(String),
    /// It is plain but too deep, too large, or circular.
    TooLarge,
    /// The interpreter failed while looking.
    Failed(PyErr),
}

impl From<PyErr> for NotPlain {
    fn from(error: PyErr) -> Self {
        Self::Failed(error)
    }
}

struct Budget {
    nodes: usize,
    bytes: usize,
    bases: bool,
}

impl Budget {
    fn new(bases: bool) -> Self {
        Self { nodes: MAX_NODES, bytes: MAX_BYTES - 4096, bases }
    }

    /// The object as one of this type, or of a subclass if those count as their base.
    fn cast<'a, 'py, T: PyTypeInfo + PyTypeCheck>(
        &self,
        object: &'a Bound<'py, PyAny>,
    ) -> Option<&'a Bound<'py, T>> {
        if self.bases { object.cast::<T>().ok() } else { object.cast_exact::<T>().ok() }
    }
}

impl Budget {
    fn spend(&mut self, bytes: usize) -> Result<(), NotPlain> {
        self.nodes = self.nodes.checked_sub(1).ok_or(NotPlain::TooLarge)?;
        self.bytes = self.bytes.checked_sub(bytes + 9).ok_or(NotPlain::TooLarge)?;
        Ok(())
    }
}

/// The plain value of an object.
pub fn to_value(object: &Bound<'_, PyAny>) -> Result<Value, NotPlain> {
    plain(object, MAX_DEPTH - 4, &mut Budget::new(false))
}

/// The plain value that an object holds as an instance of a built-in type, whatever its own class adds. Runs
/// no code of that class.
pub fn to_base_value(object: &Bound<'_, PyAny>) -> Result<Value, NotPlain> {
    plain(object, MAX_DEPTH - 4, &mut Budget::new(true))
}

fn plain(object: &Bound<'_, PyAny>, depth: usize, budget: &mut Budget) -> Result<Value, NotPlain> {
    let depth = depth.checked_sub(1).ok_or(NotPlain::TooLarge)?;
    budget.spend(0)?;
    if object.is_none() {
        return Ok(Value::None);
    }
    if let Some(text) = budget.cast::<PyString>(object) {
        return string(text, budget);
    }
    if let Some(flag) = budget.cast::<PyBool>(object) {
        return Ok(Value::Bool(flag.is_true()));
    }
    if let Some(number) = budget.cast::<PyInt>(object) {
        return integer(number, budget);
    }
    if let Some(number) = budget.cast::<PyFloat>(object) {
        return Ok(Value::Float(number.value()));
    }
    if let Some(list) = budget.cast::<PyList>(object) {
        return Ok(Value::List(members(list.iter(), depth, budget)?));
    }
    if let Some(tuple) = budget.cast::<PyTuple>(object) {
        return Ok(Value::Tuple(members(tuple.iter(), depth, budget)?));
    }
    if let Some(dict) = budget.cast::<PyDict>(object) {
        let mut items = Vec::new();
        for (key, value) in dict.copy()?.iter() {
            items.push((plain(&key, depth, budget)?, plain(&value, depth, budget)?));
        }
        return Ok(Value::Dict(items));
    }
    if let Some(set) = budget.cast::<PySet>(object) {
        let copy = copy_of::<PySet>(set.as_any())?;
        return Ok(Value::Set(members(copy.cast::<PySet>().map_err(PyErr::from)?.iter(), depth, budget)?));
    }
    if let Some(set) = budget.cast::<PyFrozenSet>(object) {
        let copy = copy_of::<PyFrozenSet>(set.as_any())?;
        let copy = copy.cast::<PyFrozenSet>().map_err(PyErr::from)?;
        return Ok(Value::FrozenSet(members(copy.iter(), depth, budget)?));
    }
    rare(object, budget)
}

fn rare(object: &Bound<'_, PyAny>, budget: &mut Budget) -> Result<Value, NotPlain> {
    if let Some(bytes) = budget.cast::<PyBytes>(object) {
        budget.spend(bytes.as_bytes().len())?;
        return Ok(Value::Bytes(bytes.as_bytes().to_vec()));
    }
    if let Some(bytes) = budget.cast::<PyByteArray>(object) {
        let bytes = bytes.to_vec();
        budget.spend(bytes.len())?;
        return Ok(Value::ByteArray(bytes));
    }
    if let Some(number) = budget.cast::<PyComplex>(object) {
        return Ok(Value::Complex(number.real(), number.imag()));
    }
    if object.cast_exact::<PyRange>().is_ok() {
        let part = |name| object.getattr(name).and_then(|part| part.extract::<i64>());
        if let (Ok(start), Ok(stop), Ok(step)) = (part("start"), part("stop"), part("step")) {
            return Ok(Value::Range(start, stop, step));
        }
    }
    Err(NotPlain::Type(type_name(object)))
}

fn members<'py>(
    items: impl Iterator<Item = Bound<'py, PyAny>>,
    depth: usize,
    budget: &mut Budget,
) -> Result<Vec<Value>, NotPlain> {
    items.map(|item| plain(&item, depth, budget)).collect()
}

/// An exact copy of a set, made by the set's own method even if a subclass has another.
fn copy_of<'py, T: PyTypeInfo>(set: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let py = set.py();
    if set.is_exact_instance_of::<T>() {
        return Ok(set.clone());
    }
    py.get_type::<T>().call_method1(intern!(py, "union"), (set,))
}

fn string(text: &Bound<'_, PyString>, budget: &mut Budget) -> Result<Value, NotPlain> {
    let bytes = text_bytes(text)?;
    budget.spend(bytes.len())?;
    Ok(Value::Str(bytes))
}

/// The bytes of a text, lone surrogates included.
pub fn text_bytes(text: &Bound<'_, PyString>) -> PyResult<Vec<u8>> {
    if let Ok(text) = text.to_str() {
        return Ok(text.as_bytes().to_vec());
    }
    let py = text.py();
    let arguments = (text, "utf-8", "surrogatepass");
    let encoded = py.get_type::<PyString>().call_method1(intern!(py, "encode"), arguments)?;
    Ok(encoded.cast::<PyBytes>()?.as_bytes().to_vec())
}

fn integer(number: &Bound<'_, PyInt>, budget: &mut Budget) -> Result<Value, NotPlain> {
    if let Ok(small) = number.extract::<i64>() {
        return Ok(Value::Int(small));
    }
    let py = number.py();
    let kind = py.get_type::<PyInt>();
    let bits: usize = kind.call_method1(intern!(py, "bit_length"), (number,))?.extract()?;
    let length = bits / 8 + 1;
    budget.spend(length)?;
    let signed = PyDict::new(py);
    signed.set_item(intern!(py, "signed"), true)?;
    let bytes = kind.call_method(intern!(py, "to_bytes"), (number, length, "little"), Some(&signed))?;
    Ok(Value::BigInt(bytes.cast::<PyBytes>().map_err(PyErr::from)?.as_bytes().to_vec()))
}

/// The object that a plain value stands for.
pub fn to_object<'py>(py: Python<'py>, value: &Value) -> PyResult<Bound<'py, PyAny>> {
    let all = |items: &[Value]| items.iter().map(|item| to_object(py, item)).collect::<PyResult<Vec<_>>>();
    Ok(match value {
        Value::None => py.None().into_bound(py),
        Value::Bool(flag) => PyBool::new(py, *flag).to_owned().into_any(),
        Value::Int(number) => number.into_pyobject(py)?.into_any(),
        Value::BigInt(bytes) => {
            let signed = PyDict::new(py);
            signed.set_item(intern!(py, "signed"), true)?;
            let kind = py.get_type::<PyInt>();
            let bytes = PyBytes::new(py, bytes);
            kind.call_method(intern!(py, "from_bytes"), (bytes, "little"), Some(&signed))?
        }
        Value::Float(number) => PyFloat::new(py, *number).into_any(),
        Value::Complex(real, imaginary) => PyComplex::from_doubles(py, *real, *imaginary).into_any(),
        Value::Str(bytes) => text(py, bytes)?.into_any(),
        Value::Bytes(bytes) => PyBytes::new(py, bytes).into_any(),
        Value::ByteArray(bytes) => PyByteArray::new(py, bytes).into_any(),
        Value::List(items) => PyList::new(py, all(items)?)?.into_any(),
        Value::Tuple(items) => PyTuple::new(py, all(items)?)?.into_any(),
        Value::Dict(items) => {
            let dict = PyDict::new(py);
            for (key, value) in items {
                dict.set_item(to_object(py, key)?, to_object(py, value)?)?;
            }
            dict.into_any()
        }
        Value::Set(items) => PySet::new(py, all(items)?)?.into_any(),
        Value::FrozenSet(items) => PyFrozenSet::new(py, all(items)?)?.into_any(),
        Value::Range(start, stop, step) => py.get_type::<PyRange>().call1((*start, *stop, *step))?,
    })
}

/// The object that a plain value stands for; none if it is not there by then. Members that all have the same
/// hash take the square of their number to put together.
pub fn to_object_until<'py>(
    py: Python<'py>,
    value: &Value,
    until: Instant,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    let inner = |value: &Value| to_object_until(py, value, until);
    let all = |items: &[Value]| items.iter().map(inner).collect::<PyResult<Option<Vec<_>>>>();
    let set = |items: &[Value]| {
        let set = PySet::empty(py)?;
        for item in items {
            match inner(item)? {
                Some(item) if Instant::now() < until => set.add(item)?,
                _ => return Ok(None),
            }
        }
        PyResult::Ok(Some(set))
    };
    Ok(match value {
        Value::List(items) => {
            all(items)?.map(|items| PyList::new(py, items)).transpose()?.map(Bound::into_any)
        }
        Value::Tuple(items) => {
            all(items)?.map(|items| PyTuple::new(py, items)).transpose()?.map(Bound::into_any)
        }
        Value::Set(items) => set(items)?.map(Bound::into_any),
        Value::FrozenSet(items) => {
            let frozen = |set: Bound<'py, PySet>| py.get_type::<PyFrozenSet>().call1((set,));
            set(items)?.map(frozen).transpose()?
        }
        Value::Dict(items) => {
            let dict = PyDict::new(py);
            for (key, value) in items {
                match (inner(key)?, inner(value)?) {
                    (Some(key), Some(value)) if Instant::now() < until => dict.set_item(key, value)?,
                    _ => return Ok(None),
                }
            }
            Some(dict.into_any())
        }
        leaf => Some(to_object(py, leaf)?),
    })
}

/// The text that bytes stand for, lone surrogates included.
pub fn text<'py>(py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyString>> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Ok(PyString::new(py, text));
    }
    let bytes = PyBytes::new(py, bytes);
    let text = bytes.call_method1(intern!(py, "decode"), ("utf-8", "surrogatepass"))?;
    text.cast_into::<PyString>().map_err(|_| PyValueError::new_err("not text"))
}

/// The name of an object's type.
pub fn type_name(object: &Bound<'_, PyAny>) -> String {
    let name = object.get_type().name().map(|name| name.to_string_lossy().into_owned());
    name.unwrap_or_else(|_| "object".to_owned())
}
