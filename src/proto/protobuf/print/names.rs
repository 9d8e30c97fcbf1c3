//! Names of types, as short as they may be.

use std::collections::HashSet;

use prost_reflect::prost_types::DescriptorProto;

use crate::proto::protobuf::files::{SchemaFile, join};

/// Everything that a name may lead to: types and packages.
pub(super) struct Names {
    known: HashSet<String>,
    packages: HashSet<String>,
}

impl Names {
    pub(super) fn new(all: &[SchemaFile]) -> Self {
        let mut names = Self { known: HashSet::new(), packages: HashSet::new() };
        for f in all {
            let package = f.proto.package();
            let mut part = String::new();
            for p in package.split('.').filter(|p| !p.is_empty()) {
                part = join(&part, p);
                names.known.insert(part.clone());
                names.packages.insert(part.clone());
            }
            f.proto.message_type.iter().for_each(|m| names.message(m, package));
            names.known.extend(f.proto.enum_type.iter().map(|e| join(package, e.name())));
        }
        names
    }

    fn message(&mut self, m: &DescriptorProto, scope: &str) {
        let full = join(scope, m.name());
        self.known.extend(m.enum_type.iter().map(|e| join(&full, e.name())));
        m.nested_type.iter().for_each(|n| self.message(n, &full));
        self.known.insert(full);
    }

    /// The shortest name that means `name` within `scope`: a compiler looks for its first
    /// part from the inside to the outside, and stays where it finds it.
    pub(super) fn shortest(&self, name: &str, scope: &str) -> String {
        let Some(full) = name.strip_prefix('.') else { return name.to_owned() };
        // What scope and name have in common may be left out, from the longest on.
        let mut outer = scope;
        loop {
            let inside = |o: &str| full.strip_prefix(o)?.strip_prefix('.').map(str::to_owned);
            let short = if outer.is_empty() { Some(full.to_owned()) } else { inside(outer) };
            if let Some(short) = short
                && self.means(&short, scope).as_deref() == Some(full)
            {
                return short;
            }
            if outer.is_empty() {
                return name.to_owned();
            }
            outer = outer.rsplit_once('.').map_or("", |(o, _)| o);
        }
    }

    fn means(&self, short: &str, scope: &str) -> Option<String> {
        let first = short.split('.').next()?;
        let mut outer = scope;
        loop {
            if self.known.contains(&join(outer, first)) {
                let full = join(outer, short);
                return self.known.contains(&full).then_some(full);
            }
            if outer.is_empty() {
                return None;
            }
            outer = outer.rsplit_once('.').map_or("", |(o, _)| o);
        }
    }
}
