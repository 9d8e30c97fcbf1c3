//! What is known without a schema: services and types that come with gRPC itself.
//!
//! Health checking (gRPC `doc/health-checking.md`), server reflection (`doc/server-reflection.md`)
//! in both its versions, and the types of the error model (`google.rpc`). A schema of the
//! user's goes before them.

use std::sync::LazyLock;

use crate::proto::protobuf::Schema;

/// Health checking.
const HEALTH: &str = r#"syntax = "proto3";
package grpc.health.v1;

service Health {
  rpc Check(HealthCheckRequest) returns (HealthCheckResponse);
  rpc List(HealthListRequest) returns (HealthListResponse);
  rpc Watch(HealthCheckRequest) returns (stream HealthCheckResponse);
}

message HealthCheckRequest {
  string service = 1;
}

message HealthCheckResponse {
  enum ServingStatus {
    UNKNOWN = 0;
    SERVING = 1;
    NOT_SERVING = 2;
    SERVICE_UNKNOWN = 3;
  }
  ServingStatus status = 1;
}

message HealthListRequest {}

message HealthListResponse {
  map<string, HealthCheckResponse> statuses = 1;
}
"#;

/// Server reflection; the versions differ in the name of the package alone.
const REFLECTION: &str = r#"syntax = "proto3";
package grpc.reflection.VERSION;

service ServerReflection {
  rpc ServerReflectionInfo(stream ServerReflectionRequest) returns (stream ServerReflectionResponse);
}

message ServerReflectionRequest {
  string host = 1;
  oneof message_request {
    string file_by_filename = 3;
    string file_containing_symbol = 4;
    ExtensionRequest file_containing_extension = 5;
    string all_extension_numbers_of_type = 6;
    string list_services = 7;
  }
}

message ExtensionRequest {
  string containing_type = 1;
  int32 extension_number = 2;
}

message ServerReflectionResponse {
  string valid_host = 1;
  ServerReflectionRequest original_request = 2;
  oneof message_response {
    FileDescriptorResponse file_descriptor_response = 4;
    ExtensionNumberResponse all_extension_numbers_response = 5;
    ListServiceResponse list_services_response = 6;
    ErrorResponse error_response = 7;
  }
}

message FileDescriptorResponse {
  repeated bytes file_descriptor_proto = 1;
}

message ExtensionNumberResponse {
  string base_type_name = 1;
  repeated int32 extension_number = 2;
}

message ListServiceResponse {
  repeated ServiceResponse service = 1;
}

message ServiceResponse {
  string name = 1;
}

message ErrorResponse {
  int32 error_code = 1;
  string error_message = 2;
}
"#;

/// The error model: what `grpc-status-details-bin` holds.
const RPC: &str = r#"syntax = "proto3";
package google.rpc;

import "google/protobuf/any.proto";
import "google/protobuf/duration.proto";

message Status {
  int32 code = 1;
  string message = 2;
  repeated google.protobuf.Any details = 3;
}

message ErrorInfo {
  string reason = 1;
  string domain = 2;
  map<string, string> metadata = 3;
}

message RetryInfo {
  google.protobuf.Duration retry_delay = 1;
}

message DebugInfo {
  repeated string stack_entries = 1;
  string detail = 2;
}

message QuotaFailure {
  message Violation {
    string subject = 1;
    string description = 2;
    string api_service = 3;
    string quota_metric = 4;
    string quota_id = 5;
    map<string, string> quota_dimensions = 6;
    int64 quota_value = 7;
    optional int64 future_quota_value = 8;
  }
  repeated Violation violations = 1;
}

message PreconditionFailure {
  message Violation {
    string type = 1;
    string subject = 2;
    string description = 3;
  }
  repeated Violation violations = 1;
}

message BadRequest {
  message FieldViolation {
    string field = 1;
    string description = 2;
    string reason = 3;
    LocalizedMessage localized_message = 4;
  }
  repeated FieldViolation field_violations = 1;
}

message RequestInfo {
  string request_id = 1;
  string serving_data = 2;
}

message ResourceInfo {
  string resource_type = 1;
  string resource_name = 2;
  string owner = 3;
  string description = 4;
}

message Help {
  message Link {
    string description = 1;
    string url = 2;
  }
  repeated Link links = 1;
}

message LocalizedMessage {
  string locale = 1;
  string message = 2;
}
"#;

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
    let sources = |name: &str| {
        Ok(match name {
            "grpc/health/v1/health.proto" => Some(HEALTH.to_owned()),
            "grpc/reflection/v1/reflection.proto" => Some(REFLECTION.replace("VERSION", "v1")),
            "grpc/reflection/v1alpha/reflection.proto" => {
                Some(REFLECTION.replace("VERSION", "v1alpha"))
            }
            "google/rpc/rpc.proto" => Some(RPC.to_owned()),
            _ => None,
        })
    };
    let names = [
        "grpc/health/v1/health.proto",
        "grpc/reflection/v1/reflection.proto",
        "grpc/reflection/v1alpha/reflection.proto",
        "google/rpc/rpc.proto",
    ];
    // The sources above compile; a test says so.
    Schema::compile(&names.map(str::to_owned), Box::new(sources)).unwrap_or_default()
});

/// The types and methods that need no schema. Compiled when it is first asked for, which
/// takes some milliseconds.
#[must_use]
pub fn schema() -> &'static Schema {
    &SCHEMA
}

/// The same, where a path is of one of its services: nothing is compiled for others.
pub(super) fn for_path(path: &str) -> Option<&'static Schema> {
    let path = path.as_bytes();
    let service = path.get(..memchr::memrchr(b'/', path)?)?;
    let begin = memchr::memrchr(b'/', service).map_or(0, |slash| slash + 1);
    let known: [&[u8]; 3] = [
        b"grpc.health.v1.Health",
        b"grpc.reflection.v1.ServerReflection",
        b"grpc.reflection.v1alpha.ServerReflection",
    ];
    known.contains(&service.get(begin..)?).then(schema)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Side;
    use crate::event::{Detail, Payload};
    use crate::field::Datum;
    use crate::proto::protobuf::Decoder;
    use crate::proto::{PayloadDecoder as _, PayloadHint};

    fn decoded(path: &str, side: Side, data: &[u8]) -> (Option<String>, String) {
        let hint = PayloadHint { media_type: "application/grpc", path, side, message: None };
        let mut detail = Detail::default();
        let buffer = detail.origins.add(crate::base::Buffer::new("message"));
        let found = Decoder::default().decode(&hint, data, Some((&mut detail, buffer)));
        assert_eq!(found.unwrap(), []);
        match detail.payload {
            Payload::Protobuf { type_name, value: value @ Datum::Map(_) } => {
                (type_name, value.line(500))
            }
            Payload::Protobuf { type_name, value } => (type_name, value.wire_line(500)),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn it_compiles_with_all_its_services() {
        assert_eq!(schema().methods(), 5);
        for name in ["Status", "ErrorInfo", "BadRequest", "LocalizedMessage"] {
            assert!(schema().has_message(&format!("google.rpc.{name}")), "{name}");
        }
    }

    #[test]
    fn health_and_reflection_go_by_their_names() {
        let check = "/grpc.health.v1.Health/Check";
        let (name, text) = decoded(check, Side::Server, &[8, 1]);
        assert_eq!(name.as_deref(), Some("grpc.health.v1.HealthCheckResponse"));
        assert_eq!(text, "{status: \"SERVING\"}");
        let (name, text) = decoded(check, Side::Client, b"\x0a\x03a.B");
        assert_eq!(name.as_deref(), Some("grpc.health.v1.HealthCheckRequest"));
        assert_eq!(text, "{service: \"a.B\"}");
        for version in ["v1", "v1alpha"] {
            let path = format!("/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo");
            let (name, text) = decoded(&path, Side::Client, b"\x3a\x01*");
            let full = format!("grpc.reflection.{version}.ServerReflectionRequest");
            assert_eq!((name.unwrap(), text), (full, "{list_services: \"*\"}".to_owned()));
        }
        let decoder = Decoder::default();
        assert_eq!(decoder.method_pattern(check), Some("unary"));
        let watch = "/prefix/grpc.health.v1.Health/Watch";
        assert_eq!(decoder.method_pattern(watch), Some("server_streaming"));
        // What is not one of them is not named.
        assert_eq!(decoder.method_pattern("/grpc.health.v2.Health/Check"), None);
        assert_eq!(decoded("/grpc.health.v2.Health/Check", Side::Server, &[8, 1]).0, None);
    }
}
