//! Payload decoders as the command line asks for them.

use std::sync::{Arc, Once};

use crate::cli::Failure;
use crate::cli::args::SchemaArgs;
use crate::proto::payload::Rule;
use crate::proto::protobuf::{Learnt, Schema};
use crate::proto::{PayloadDecoder, decoders_learning};

/// As the engine takes them.
type Decoders = Arc<Vec<Box<dyn PayloadDecoder>>>;

/// The schema that was given, with a type that is in it.
pub(super) fn with_type(args: &SchemaArgs, name: &str) -> Result<Schema, Failure> {
    let schema = crate::schema::load(&args.proto, &args.include, &args.descriptors)
        .map_err(|e| Failure::Input(e.to_string()))?;
    match schema {
        Some(s) if s.has_message(name) => Ok(s),
        Some(_) => Err(Failure::Input(format!("--as: no message type `{name}`"))),
        None => Err(Failure::Input(format!(
            "--as: no message type `{name}`; --proto says where it is defined"
        ))),
    }
}

/// The decoders, with the schemas that were given, and what they know beside these: it
/// learns what it is told to.
pub(super) fn decoders(
    args: &SchemaArgs,
    infers: bool,
    read_as: &[crate::engine::Rule],
) -> Result<(Decoders, Arc<Learnt>), Failure> {
    let schema = crate::schema::load(&args.proto, &args.include, &args.descriptors)
        .map_err(|e| Failure::Input(e.to_string()))?;
    let rule = |text: &String| {
        text.parse().map_err(|e| Failure::Input(format!("--payload '{text}': {e}")))
    };
    let rules: Vec<Rule> = args.payload.iter().map(rule).collect::<Result<_, _>>()?;
    let told = read_as.iter().flat_map(|r| r.read.message_types()).map(|n| ("-d", n));
    let types = rules.iter().flat_map(Rule::message_types).map(|n| ("--payload", n));
    for (option, name) in told.chain(types) {
        match &schema {
            Some(s) if s.has_message(name) => {}
            // That these are messages is said all the same: fields are shown by number.
            None if option == "-d" => {
                // A capture is read twice where schemas may be learnt from it.
                static SAID: Once = Once::new();
                SAID.call_once(|| {
                    say!(
                        "framescope: `{}` is shown without names: --proto says where it is defined",
                        crate::view::clean::clean(name)
                    );
                });
            }
            None => {
                return Err(Failure::Input(format!(
                    "{option}: no message type `{name}`; --proto says where it is defined"
                )));
            }
            Some(_) => {
                return Err(Failure::Input(format!("{option}: no message type `{name}`")));
            }
        }
    }
    let learnt = Learnt::new(schema.clone(), infers);
    Ok((Arc::new(decoders_learning(schema, rules, Some(Arc::clone(&learnt)))), learnt))
}
