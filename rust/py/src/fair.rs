//! Comparisons in a process that the program shares with its tests, where a type of the program's own may claim
//! to equal anything. No method of such a type is asked about a value of any other type.

use pyo3::basic::CompareOp;
use pyo3::prelude::*;
use pyo3::types::{
    PyDict, PyDictItems, PyDictKeys, PyDictValues, PyFrozenSet, PyList, PySet, PyTuple, PyType,
};

use crate::convert::{to_base_value, to_object};

/// How deep lists and the like are compared member by member.
const DEPTH: usize = 100;

/// Compares as Python does, by the methods of whichever side has them.
pub fn compare(got: &Bound<'_, PyAny>, expected: &Bound<'_, PyAny>, sign: &str) -> PyResult<bool> {
    let operation = match sign {
        "!=" => CompareOp::Ne,
        "<" => CompareOp::Lt,
        "<=" => CompareOp::Le,
        ">" => CompareOp::Gt,
        ">=" => CompareOp::Ge,
        "in" => return expected.contains(got),
        _ => CompareOp::Eq,
    };
    got.rich_compare(expected, operation)?.is_truthy()
}

/// Types whose members count, taken before any program was loaded.
pub struct Fair {
    deque: Py<PyType>,
}

type Object<'py> = Bound<'py, PyAny>;

impl Fair {
    /// Takes the types.
    pub fn new(py: Python<'_>) -> PyResult<Self> {
        let deque = py.import("collections")?.getattr("deque")?.cast_into::<PyType>()?;
        Ok(Self { deque: deque.unbind() })
    }

    /// Compares plain values, instances of subclasses of built-in types as what they are below; anything else
    /// only with its own kind. Values of different kinds are unequal and have no order.
    pub fn compare(&self, got: &Object<'_>, expected: &Object<'_>, sign: &str) -> PyResult<bool> {
        self.holds(got, expected, sign, DEPTH)
    }

    fn holds<'py>(
        &self,
        got: &Object<'py>,
        expected: &Object<'py>,
        sign: &str,
        depth: usize,
    ) -> PyResult<bool> {
        let (plain_got, plain_expected) = (plain(got)?, plain(expected)?);
        match (&plain_got, &plain_expected) {
            (Some(got), Some(expected)) => compare(got, expected, sign),
            (_, None) if sign == "in" => match self.members(expected)? {
                Some(members) => any(&members, |member| self.holds(got, member, "==", depth)),
                None => compare(plain_got.as_ref().unwrap_or(got), expected, sign),
            },
            (None, None) if depth > 0 && got.get_type().is(expected.get_type()) => {
                self.alike(got, expected, sign, depth - 1)
            }
            _ => Ok(sign == "!="),
        }
    }

    /// Compares two values of one type, neither of them plain.
    fn alike<'py>(
        &self,
        got: &Object<'py>,
        expected: &Object<'py>,
        sign: &str,
        depth: usize,
    ) -> PyResult<bool> {
        let equal = if let (Ok(got), Ok(expected)) = (got.cast::<PyDict>(), expected.cast::<PyDict>()) {
            let mut equal = got.len() == expected.len();
            for (key, value) in expected.iter() {
                let found = if plain(&key)?.is_some() { got.get_item(&key)? } else { None };
                equal = equal && matches!(found, Some(found) if self.holds(&found, &value, "==", depth)?);
            }
            equal
        } else if let (Some(ours), Some(theirs)) = (self.members(got)?, self.members(expected)?) {
            let ordered = !is_set(got);
            let mut equal = ours.len() == theirs.len();
            for (place, member) in ours.iter().enumerate() {
                let place = theirs.get(place).filter(|_| ordered);
                equal = equal
                    && match place {
                        Some(other) => self.holds(member, other, "==", depth)?,
                        None => any(&theirs, |other| self.holds(member, other, "==", depth))?,
                    };
            }
            equal
        } else {
            return compare(got, expected, sign);
        };
        Ok(match sign {
            "==" => equal,
            "!=" => !equal,
            _ => false,
        })
    }

    /// The members of a container, had without asking a type of the program's own.
    fn members<'py>(&self, object: &Object<'py>) -> PyResult<Option<Vec<Object<'py>>>> {
        let py = object.py();
        if let Ok(list) = object.cast::<PyList>() {
            return Ok(Some(list.iter().collect()));
        }
        if let Ok(tuple) = object.cast::<PyTuple>() {
            return Ok(Some(tuple.iter().collect()));
        }
        if let Ok(dict) = object.cast::<PyDict>() {
            return Ok(Some(dict.keys().iter().collect()));
        }
        if object.get_type().is(self.deque.bind(py)) || is_set(object) || is_view(object) {
            let kind = if object.is_instance_of::<PySet>() {
                py.get_type::<PySet>().getattr("__iter__")?
            } else if object.is_instance_of::<PyFrozenSet>() {
                py.get_type::<PyFrozenSet>().getattr("__iter__")?
            } else {
                object.get_type().getattr("__iter__")?
            };
            return kind.call1((object,))?.try_iter()?.collect::<PyResult<Vec<_>>>().map(Some);
        }
        Ok(None)
    }
}

fn is_set(object: &Object<'_>) -> bool {
    object.is_instance_of::<PySet>() || object.is_instance_of::<PyFrozenSet>()
}

fn is_view(object: &Object<'_>) -> bool {
    object.is_exact_instance_of::<PyDictKeys>()
        || object.is_exact_instance_of::<PyDictItems>()
        || object.is_exact_instance_of::<PyDictValues>()
}

/// The plain value that an object holds as an instance of a built-in type, or that a view shows.
pub fn plain<'py>(object: &Object<'py>) -> PyResult<Option<Object<'py>>> {
    if let Ok(value) = to_base_value(object) {
        return to_object(object.py(), &value).map(Some);
    }
    if object.is_exact_instance_of::<PyDictKeys>() || object.is_exact_instance_of::<PyDictItems>() {
        let members = object.try_iter()?.collect::<PyResult<Vec<_>>>()?;
        if to_base_value(PyTuple::new(object.py(), &members)?.as_any()).is_ok() {
            // Members of views of pairs may not be hashable: such a view equals no plain value.
            return Ok(PySet::new(object.py(), &members).ok().map(Bound::into_any));
        }
    }
    Ok(None)
}

fn any<'py>(
    members: &[Object<'py>],
    mut holds: impl FnMut(&Object<'py>) -> PyResult<bool>,
) -> PyResult<bool> {
    for member in members {
        if holds(member)? {
            return Ok(true);
        }
    }
    Ok(false)
}
