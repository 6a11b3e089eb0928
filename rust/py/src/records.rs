//! What a judge says of each test and probe.

use forge_core::text::{SHOWN, bounded, without_addresses};
use forge_core::value::Value;
use pyo3::exceptions::{PyAssertionError, PySystemExit};
use pyo3::prelude::*;

use crate::candidate::describe;
use crate::convert::{NotPlain, text_bytes, to_object, to_value};
use crate::judge::{Judge, shown};

/// The most characters of a probe's representation.
const TEXT: usize = 10_000;

impl<'py> Judge<'py> {
    /// Says how a test ended.
    pub fn report(&self, index: usize, outcome: PyResult<()>, text: &str, direct: bool) -> PyResult<()> {
        let py = self.py;
        let index = Value::Int(i64::try_from(index).unwrap_or(-1));
        let nothing = || Value::text("");
        let fields = match outcome {
            Ok(()) => {
                let mut fields = vec![index, Value::text("held")];
                fields.extend([(); 5].map(|()| nothing()));
                fields
            }
            Err(error) => {
                self.leave_if_exit(&error);
                let (name, _, _, message) = describe(&self.driver, &error)?;
                let (mismatch, call) = {
                    let mut state = self.desk.state();
                    (state.mismatch.take(), state.call.take())
                };
                let raised = call.as_ref().is_some_and(|call| call.raised);
                let rendered = call.as_ref().filter(|_| !direct).map(|call| call.text(py));
                let about = method(py, &error).or(rendered).unwrap_or_else(|| text.to_owned());
                let returned = call.and_then(|call| call.returned);
                let got = returned.map_or(String::new(), |value| {
                    to_object(py, &value).map_or(String::new(), |object| shown(&object))
                });
                let asserted = error.is_instance_of::<PyAssertionError>(py) && !raised;
                let (kind, about, got, expected) = match mismatch {
                    Some((own, got, expected)) if asserted => {
                        let about = if own.is_empty() { about } else { own };
                        ("value", about, got, expected)
                    }
                    _ if asserted => ("false", about, got, String::new()),
                    _ => ("raise", about, String::new(), String::new()),
                };
                if self.shared {
                    self.desk.state().behaviour.add(&name.encode());
                }
                let message = without_addresses(&message.lossy());
                vec![
                    index,
                    Value::text(kind),
                    Value::text(&bounded(&about, SHOWN)),
                    Value::text(&got),
                    Value::text(&expected),
                    name,
                    Value::text(&bounded(&message, SHOWN)),
                ]
            }
        };
        let mut fields = fields;
        fields.push(Value::text(&self.desk.state().behaviour.hex()));
        self.desk.record("test", fields);
        Ok(())
    }

    /// In a shared process, leaving early is the program's own doing.
    fn leave_if_exit(&self, error: &PyErr) {
        if self.shared && error.is_instance_of::<PySystemExit>(self.py) {
            self.desk.finish("exit", "the program called sys.exit");
        }
    }

    /// Says what a probe gave.
    pub fn report_probe(&self, outcome: PyResult<Bound<'py, PyAny>>) -> PyResult<()> {
        let nothing = || Value::text("");
        let fields = match outcome {
            Ok(object) => {
                let text = match object.repr() {
                    Ok(text) => Value::Str(text_bytes(&text)?),
                    Err(_) => nothing(),
                };
                match to_value(&object) {
                    Ok(value) => {
                        let text = Value::text(&bounded(&text.lossy(), TEXT));
                        vec![Value::Tuple(vec![value]), text, nothing(), nothing()]
                    }
                    Err(NotPlain::Failed(error)) => return Err(error),
                    Err(NotPlain::TooLarge) => {
                        vec![Value::None, nothing(), Value::text("OverflowError"), Value::text("too large")]
                    }
                    Err(NotPlain::Type(name)) => {
                        let message =
                            Value::text(&format!("a {} is not a plain value", bounded(&name, SHOWN)));
                        vec![Value::None, nothing(), Value::text("TypeError"), message]
                    }
                }
            }
            Err(error) => {
                self.leave_if_exit(&error);
                let (name, _, _, message) = describe(&self.driver, &error)?;
                let message = without_addresses(&message.lossy());
                vec![Value::None, nothing(), name, Value::text(&bounded(&message, SHOWN))]
            }
        };
        self.desk.record("probe", fields);
        Ok(())
    }
}

/// The method of a `unittest` test that raised an exception, as `suite.py` notes it.
fn method(py: Python<'_>, error: &PyErr) -> Option<String> {
    error.value(py).getattr("forge_test").ok()?.extract().ok()
}
