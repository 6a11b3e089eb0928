//! Imports at the top of a snippet: what they bind is kept, where they stand is not.

use super::hash::{Wide, sum};
use super::lines::{Lines, NONE};
use super::tokens::{Kind, Token};
use super::words::{self, key, known, mark};

impl Lines {
    /// Reads an import at the top.
    pub(super) fn take_import(&mut self, text: &[u8], first: usize) {
        let line: Vec<Token> = self.body.drain(first..).collect();
        let from = line.first().is_some_and(|token| token.is_word(key::FROM));
        let mut parts = line.iter().skip(1).peekable();
        let mut module = Wide::default();
        let mut known = false;
        if from {
            let mut root = true;
            while let Some(token) = parts.next_if(|token| !token.is_word(key::IMPORT)) {
                let hash = Wide::bytes(token.text(text));
                known |= root && words::of_name(hash.0) & known::MODULE != 0;
                root = false;
                module = module.then(hash);
            }
            parts.next();
        }
        let mut path = module;
        let mut place = None;
        let mut root = true;
        let mut alias = false;
        let mut any = false;
        for token in parts.map(Some).chain([None]) {
            let Some(token) = token.filter(|token| !token.is(mark::COMMA)) else {
                if any {
                    self.bound.push((place.unwrap_or(NONE), path, known));
                }
                (path, place, root, alias, any) = (module, None, true, false, false);
                continue;
            };
            if token.is(mark::OPEN) || token.is(mark::CLOSE) {
                continue;
            }
            any = true;
            if token.is_word(key::AS) {
                alias = true;
            } else if alias {
                place = (token.kind == Kind::Name && token.code == 0).then_some(token.note);
            } else {
                let hash = Wide::bytes(token.text(text));
                if root && token.kind == Kind::Name && token.code == 0 {
                    place = Some(token.note);
                    known = if from { known } else { words::of_name(hash.0) & known::MODULE != 0 };
                }
                root = false;
                path = path.then(hash);
            }
        }
    }

    /// Ties imported names to what they were imported as, and keeps those that are not used if importing them
    /// might do something.
    pub(super) fn settle_imports(&mut self) {
        for &(place, path, known) in &self.bound {
            let path = Wide::of(0x1777).then(path);
            if place == NONE {
                self.imports = sum(self.imports, path);
                continue;
            }
            let name = self.names.edit(place);
            if name.uses > 0 {
                let before = name.import.unwrap_or_default();
                name.import = Some(sum(before, path));
            } else {
                name.import = Some(path);
                if !known || self.names.reflects {
                    self.imports = sum(self.imports, path);
                }
            }
        }
        for name in self.names.all() {
            if name.annotates && name.bound == 0 && name.import.is_none() && name.known & known::BUILTIN == 0
            {
                self.imports = sum(self.imports, Wide::of(0xa770).then(name.hash));
            }
        }
    }
}
