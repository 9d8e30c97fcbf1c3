//! Payload decoders as the command line asks for them.

use std::sync::Arc;

use crate::cli::Failure;
use crate::cli::args::SchemaArgs;
use crate::proto::PayloadDecoder;

/// The decoders, with the schemas that were given.
pub(super) fn decoders(args: &SchemaArgs) -> Result<Arc<Vec<Box<dyn PayloadDecoder>>>, Failure> {
    let schema = crate::schema::load(&args.proto, &args.include, &args.descriptors)
        .map_err(|e| Failure::Input(e.to_string()))?;
    Ok(Arc::new(vec![Box::new(crate::proto::protobuf::Decoder { schema })]))
}
