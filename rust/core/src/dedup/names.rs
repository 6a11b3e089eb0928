//! The names of one snippet: which of them the snippet itself binds, and where.
//!
//! A name is local if the snippet binds it: as a parameter, a target of an assignment, loop, `with`, `except`
//! or comprehension, an import below a `def`, a nested function. Local names may be renamed without changing
//! what the snippet does. Attributes, keyword arguments, built-in names, functions and classes at the top (other
//! code calls them by name) and what an import at the top brings in keep their names. Each function at the top
//! has names of its own; inside it they are one set.

use super::hash::{Wide, mix, word};
use super::words::{self, known};

/// The function at the top that a line belongs to, as one bit; names of the top itself are in bit 0.
pub type Scope = u64;
/// The lines outside any function or class.
pub const TOP: Scope = 1;

/// What can be known of the values that a name is bound to.
pub mod gets {
    /// Anything.
    pub const ANYTHING: u8 = 0;
    /// Something that cannot be changed in place.
    pub const FIXED: u8 = 1;
    /// A number, which is fixed too.
    pub const NUMBER: u8 = 3;
}

/// What a snippet does with one name.
#[derive(Clone, Copy, Debug)]
pub struct Name {
    key: u64,
    start: u32,
    length: u32,
    /// The hash of its bytes.
    pub hash: Wide,
    /// What is known of it if the snippet does not bind it.
    pub known: u16,
    /// Where it is bound.
    pub bound: Scope,
    /// What an import at the top binds it to.
    pub import: Option<Wide>,
    /// How often it occurs as a variable, annotations left out.
    pub uses: u32,
    /// Whether an annotation that is evaluated has it.
    pub annotates: bool,
    /// Where it is declared to be a name of the top.
    outer: Scope,
    /// Whether a parameter of a `def` has it, and whether an argument is given by it: then it keeps its name, so
    /// that an argument by another name is seen.
    pub parameter: bool,
    /// See `parameter`.
    pub argument: bool,
    /// What holds of every value that it is bound to; see `gets`.
    pub gets: u8,
    /// Its number in the order of first occurrence, and in which scope.
    number: (Scope, u32),
}

/// The names of a snippet, each once.
#[derive(Debug, Default)]
pub struct Names {
    all: Vec<Name>,
    /// Places in `all`, plus one, by hash; 0 is free.
    slots: Vec<u32>,
    /// How many numbers were given out, in the top and in the present scope.
    given: (u32, u32),
    scope: Scope,
    /// Whether a name is used that sees others as data.
    pub reflects: bool,
}

const FEWEST_SLOTS: usize = 128;

impl Names {
    /// Forgets all names.
    pub fn clear(&mut self) {
        self.all.clear();
        self.slots.clear();
        self.slots.resize(FEWEST_SLOTS, 0);
        self.given = (0, 0);
        self.scope = TOP;
        self.reflects = false;
    }

    /// All names.
    pub fn all(&self) -> &[Name] {
        &self.all
    }

    /// The place of the name at `start..end`.
    #[inline]
    pub fn place(&mut self, text: &[u8], start: u32, end: u32) -> u32 {
        let bytes = text.get(start as usize..end as usize).unwrap_or_default();
        let length = end - start;
        let key = if length <= 8 { word(text, start as usize, end as usize) } else { Wide::bytes(bytes).0 };
        let mask = self.slots.len() - 1;
        let mut at = mix(key ^ u64::from(length), 0x9e37_79b9_7f4a_7c15) as usize & mask;
        while let Some(place) = self.slots[at].checked_sub(1) {
            let name = &self.all[place as usize];
            if name.key == key && name.length == length && (length <= 8 || name.text(text) == bytes) {
                return place;
            }
            at = (at + 1) & mask;
        }
        let place = self.all.len() as u32;
        self.slots[at] = place + 1;
        let hash = Wide::bytes(bytes);
        let known = words::of_name(hash.0);
        self.all.push(Name {
            key,
            start,
            length,
            hash,
            known,
            bound: 0,
            import: None,
            uses: 0,
            annotates: false,
            outer: 0,
            parameter: false,
            argument: false,
            gets: u8::MAX,
            number: (0, 0),
        });
        if self.all.len() * 2 > self.slots.len() {
            self.grow();
        }
        place
    }

    fn grow(&mut self) {
        let size = self.slots.len() * 4;
        self.slots.clear();
        self.slots.resize(size, 0);
        for (place, name) in self.all.iter().enumerate() {
            let mut at = mix(name.key ^ u64::from(name.length), 0x9e37_79b9_7f4a_7c15) as usize & (size - 1);
            while self.slots[at] != 0 {
                at = (at + 1) & (size - 1);
            }
            self.slots[at] = place as u32 + 1;
        }
    }

    /// The name at this place.
    #[inline]
    pub fn get(&self, place: u32) -> &Name {
        &self.all[place as usize]
    }

    /// The name at this place, to be changed.
    #[inline]
    pub fn edit(&mut self, place: u32) -> &mut Name {
        &mut self.all[place as usize]
    }

    /// Counts a use of the name as a variable.
    #[inline]
    pub fn count(&mut self, place: u32) {
        let name = &mut self.all[place as usize];
        name.uses += 1;
        self.reflects |= name.known & known::REFLECTS != 0;
    }

    /// Notes that the name is bound in this scope, to a value of which this holds.
    #[inline]
    pub fn bind(&mut self, place: u32, scope: Scope, gets: u8) {
        let name = &mut self.all[place as usize];
        name.bound |= scope;
        name.gets &= gets;
    }

    /// Notes that the name is one of the top in this scope.
    pub fn declare(&mut self, place: u32, scope: Scope) {
        self.bind(place, TOP, gets::ANYTHING);
        self.all[place as usize].outer |= scope;
    }

    /// Starts to number the names of another scope.
    pub fn enter(&mut self, scope: Scope) {
        if scope != self.scope {
            self.scope = scope;
            self.given.1 = 0;
        }
    }

    /// Whether the name is local where we are.
    #[inline]
    pub fn is_local(&self, place: u32) -> bool {
        let name = &self.all[place as usize];
        name.bound & (self.scope | TOP) != 0 && !(name.parameter && name.argument)
    }

    /// The number of a local name, in the order of first occurrence.
    #[inline]
    pub fn number(&mut self, place: u32) -> u64 {
        let name = &mut self.all[place as usize];
        let own = name.bound & self.scope & !name.outer;
        let scope = if own == 0 { TOP } else { own };
        if name.number.0 != scope {
            let given = if scope == TOP { &mut self.given.0 } else { &mut self.given.1 };
            *given += 1;
            name.number = (scope, *given);
        }
        u64::from(name.number.1) << 1 | u64::from(scope == TOP)
    }
}

impl Name {
    fn text<'a>(&self, source: &'a [u8]) -> &'a [u8] {
        let start = self.start as usize;
        source.get(start..start + self.length as usize).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::{Names, TOP};

    #[test]
    fn a_name_has_one_place_however_many_there_are() {
        let text: String =
            (0..2000).map(|number| format!("name{number} a_much_longer_name{number} ")).collect();
        let mut names = Names::default();
        names.clear();
        let mut places = Vec::new();
        for _ in 0..2 {
            let mut start = 0;
            for word in text.split_whitespace() {
                let end = start + word.len() as u32;
                places.push(names.place(text.as_bytes(), start, end));
                start = end + 1;
            }
        }
        assert_eq!(names.all().len(), 4000);
        assert_eq!(places[..4000], places[4000..]);
    }

    #[test]
    fn numbers_begin_anew_in_each_function_and_go_on_at_the_top() {
        let text = b"a b";
        let mut names = Names::default();
        names.clear();
        let (a, b) = (names.place(text, 0, 1), names.place(text, 2, 3));
        names.bind(a, 2 | 4, 0);
        names.bind(b, TOP, 0);
        names.enter(2);
        let first = (names.number(a), names.number(b));
        names.enter(4);
        assert_eq!((names.number(a), names.number(b)), first);
        assert_ne!(first.0, first.1);
    }
}
