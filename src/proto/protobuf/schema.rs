//! Schemas: compiled from .proto sources, or read from a FileDescriptorSet.
//!
//! Nothing here reads files: sources come through a function.

use std::fmt;
use std::sync::Arc;

use prost_reflect::DescriptorPool;
use prost_reflect::prost::Message as _;
use prost_reflect::prost_types::FileDescriptorSet;
use protox::file::{ChainFileResolver, File, FileResolver, GoogleFileResolver};

use crate::proto::protobuf::types::Types;

/// Message types and methods.
#[derive(Clone, Debug, Default)]
pub struct Schema {
    pub(super) types: Arc<Types>,
}

/// Why a schema cannot be used: one line that names the file and says what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaError(pub String);

impl fmt::Display for SchemaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for SchemaError {}

/// Gives the source of a .proto file by the name that imports call it by;
/// `Ok(None)` where there is none.
pub type Sources = Box<dyn Fn(&str) -> Result<Option<String>, String> + Send + Sync>;

struct Resolver(Sources);

impl FileResolver for Resolver {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        let source = (self.0)(name).map_err(protox::Error::new)?;
        let source = source.ok_or_else(|| protox::Error::file_not_found(name))?;
        if let Some(syntax) = refused(&source) {
            return Err(protox::Error::new(editions(name, &syntax).0));
        }
        File::from_source(name, &source)
    }
}

fn editions(name: &str, syntax: &str) -> SchemaError {
    SchemaError(format!(
        "{name}: {syntax} is not supported; write it with syntax = \"proto3\" or \"proto2\""
    ))
}

/// The syntax statement of a source, where it is one that nobody here reads.
fn refused(source: &str) -> Option<String> {
    let line = source
        .lines()
        .map(str::trim)
        .find(|l| l.starts_with("edition") || l.starts_with("syntax"))?;
    let statement = line.split(';').next()?.trim();
    let (word, value) = statement.split_once('=')?;
    let value = value.trim();
    match word.trim() {
        "edition" => Some(format!("edition = {value}")),
        "syntax" if !["proto2", "proto3"].contains(&value.trim_matches(['"', '\''])) => {
            Some(format!("syntax = {value}"))
        }
        _ => None,
    }
}

impl Schema {
    /// Compiles .proto files, called by their names as imports call them. The
    /// well-known types of google/protobuf come along.
    ///
    /// # Errors
    /// A source is missing, or it is wrong: its name, the line and what is wrong.
    pub fn compile(names: &[String], sources: Sources) -> Result<Self, SchemaError> {
        let mut resolver = ChainFileResolver::new();
        resolver.add(Resolver(sources));
        resolver.add(GoogleFileResolver::new());
        let mut compiler = protox::Compiler::with_file_resolver(resolver);
        for name in names {
            compiler.open_file(name).map_err(|e| {
                // With the line where there is one; our own refusals as they are.
                let text = format!("{e:?}");
                let text = if text.starts_with('"') { e.to_string() } else { text };
                let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
                let file = e.file().unwrap_or(name);
                let line = if line.contains(file) { line } else { format!("{file}: {line}") };
                let hint = if e.is_file_not_found() {
                    "; name the directory that it is in with -I"
                } else {
                    ""
                };
                SchemaError(line + hint)
            })?;
        }
        Ok(Self { types: Arc::new(Types::new(&compiler.descriptor_pool())) })
    }

    /// Reads a FileDescriptorSet (`protoc --descriptor_set_out`); `file` names it
    /// in errors.
    ///
    /// # Errors
    /// It is none, it lacks imports, or a file in it has a syntax other than
    /// proto2 and proto3.
    pub fn from_descriptors(file: &str, bytes: &[u8]) -> Result<Self, SchemaError> {
        let wrong = |what: String| SchemaError(format!("{file}: {what}"));
        let set = FileDescriptorSet::decode(bytes).map_err(|e| {
            wrong(format!("no FileDescriptorSet ({e}); make one with protoc --descriptor_set_out"))
        })?;
        if set.file.is_empty() {
            return Err(wrong(
                "no FileDescriptorSet: it has no files; make one with protoc --descriptor_set_out"
                    .into(),
            ));
        }
        // The pool panics on what it does not know.
        for f in &set.file {
            let syntax = f.syntax();
            if !matches!(syntax, "" | "proto2" | "proto3") {
                return Err(wrong(editions(f.name(), &format!("syntax {syntax:?}")).0));
            }
        }
        let pool = DescriptorPool::from_file_descriptor_set(set)
            .map_err(|e| wrong(format!("{e}; make it with --include_imports")))?;
        Ok(Self { types: Arc::new(Types::new(&pool)) })
    }

    /// Puts the types and methods of another schema beside these; what both
    /// have stays as it is here.
    #[must_use]
    pub fn and(self, other: &Self) -> Self {
        Self { types: Arc::new(self.types.and(&other.types)) }
    }

    /// Whether a message type of this full name is known.
    #[must_use]
    pub fn has_message(&self, name: &str) -> bool {
        self.types.by_name.contains_key(name)
    }

    /// Number of methods that are known.
    #[must_use]
    pub fn methods(&self) -> usize {
        self.types.method_count()
    }
}
