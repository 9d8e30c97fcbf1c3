//! Schemas: compiled from .proto sources, or read from a FileDescriptorSet.
//!
//! Nothing here reads files: sources come through a function.

use std::fmt;
use std::sync::Arc;

use protox::file::{ChainFileResolver, File, FileResolver, GoogleFileResolver};

use crate::proto::protobuf::files::{self, SchemaFile};
use crate::proto::protobuf::readings::{self, Raw};
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
        "{name}: {syntax} is not supported in .proto text; compile it with protoc \
         --include_imports --descriptor_set_out=FILE or buf build -o FILE, and give that with \
         --descriptors"
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
        let all: Vec<SchemaFile> = compiler
            .descriptor_pool()
            .file_descriptor_protos()
            .map(|f| SchemaFile::made(f.clone()))
            .collect();
        Ok(Self { types: Arc::new(files::tables(&all).0) })
    }

    /// Reads a FileDescriptorSet (`protoc --descriptor_set_out`) or a buf image, which is
    /// one; `file` names it in errors. Files written with an edition are read as well.
    ///
    /// # Errors
    /// It is none, it lacks imports, or a file in it has a syntax that nobody knows.
    pub fn from_descriptors(file: &str, bytes: &[u8]) -> Result<Self, SchemaError> {
        let wrong = |what: String| SchemaError(format!("{file}: {what}"));
        let how = "make one with protoc --descriptor_set_out";
        let none = |what: &str| wrong(format!("no FileDescriptorSet ({what}); {how}"));
        let mut set = Vec::new();
        let mut rest = bytes;
        while !rest.is_empty() {
            let (field, next) =
                readings::cut(rest, 1).ok_or_else(|| none("its fields cannot be read"))?;
            if let (1, Raw::Bytes(b)) = (field.number, &field.value) {
                let file = SchemaFile::read(b);
                set.push(file.map_err(|e| match e.contains("syntax") {
                    true => wrong(format!("{e}; this program is older than that file")),
                    false => none(&e),
                })?);
            }
            rest = next;
        }
        if set.is_empty() {
            return Err(none("it has no files"));
        }
        let gone = files::complete(&mut set);
        let (types, missing) = files::tables(&set);
        if let (Some(import), Some(name)) = (gone.first(), missing.first()) {
            return Err(wrong(format!(
                "{name} is defined nowhere, and {import} is missing; make it with --include_imports"
            )));
        }
        Ok(Self { types: Arc::new(types) })
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
