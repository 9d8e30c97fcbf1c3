//! What a capture says of its own schemas, by the program as people run it.
#![allow(missing_docs)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

const REFLECTION: &str = "fixtures/grpc-reflection/capture.pcap";
const PLAIN: &str = "fixtures/grpc-grpcio/capture.pcap";

fn run(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_framescope"))
        .args(args)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap()
}

fn out(args: &[&str]) -> String {
    let o = run(args);
    assert!(o.status.success(), "{args:?}: {}", String::from_utf8_lossy(&o.stderr));
    String::from_utf8(o.stdout).unwrap()
}

/// A folder of this test's own, gone afterwards.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("framescope-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_string_lossy().into_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn messages(args: &[&str]) -> Vec<Value> {
    let text = out(args);
    let all = text.lines().map(|l| serde_json::from_str(l).unwrap());
    all.filter(|e: &Value| e["protocol"] == "grpc" && e["kind"] == "message").collect()
}

fn of_shop(all: &[Value]) -> Vec<&Value> {
    all.iter().filter(|e| e["fields"]["grpc.service"] == "shop.v1.Orders").collect()
}

/// The server is asked for its schema by the second connection; all calls are read by it,
/// those of the first connection, too.
#[test]
fn reflection_is_used_for_every_call() {
    let all = messages(&["print", "--format", "json", REFLECTION]);
    let shop = of_shop(&all);
    assert_eq!(shop.len(), 10);
    for m in &shop {
        let name = m["payload"]["type"].as_str().unwrap_or_else(|| panic!("{m}"));
        assert!(name.starts_with("shop.v1."), "{m}");
        assert_eq!(m["findings"], serde_json::json!([]));
    }
    // With the sources it is the same, byte for byte.
    let given = messages(&[
        "print",
        "--format",
        "json",
        "--proto",
        "fixtures/proto/orders.proto",
        REFLECTION,
    ]);
    assert_eq!(shop, of_shop(&given));
    let order = &shop[1]["payload"]["protobuf"];
    assert_eq!(order["state"], "STATE_PAID");
    assert_eq!(order["labels"]["channel"], "web");
    assert_eq!(order["corrections"], serde_json::json!([-3, 5, -1, 1]));
    assert_eq!(order["placed_at"], "2024-11-19T07:06:41.500Z");
    assert_eq!(order["patience"], "90.5s");
    assert_eq!(order["extra"]["@type"], "type.googleapis.com/shop.v1.GetRequest");
    assert_eq!(order["lines"][1]["price"]["tax"][0]["percent"], 19.5);
    assert_eq!(order["lines"][1]["price"]["[shop.v1.note]"], "reduced");
    // The method of a call is known, and so is its pattern.
    let calls = out(&["print", "-l", "exchange", "--format", "json", REFLECTION]);
    let watch = calls.lines().find(|l| l.contains("\"Watch\"")).unwrap();
    assert!(watch.contains("\"grpc.pattern\":\"server_streaming\""), "{watch}");
    // A call says what its messages would be as JSON, whether these are shown or not.
    let watch: Value = serde_json::from_str(watch).unwrap();
    let sizes = |side: &str| -> u64 {
        let of = shop.iter().filter(|m| m["stream"] == 1 && m["conversation"] == 3);
        let of = of.filter(|m| m["sender"] == side);
        of.map(|m| m["fields"]["protobuf.json_bytes"].as_u64().unwrap()).sum()
    };
    assert!(sizes("server") > watch["fields"]["grpc.response_bytes"].as_u64().unwrap());
    assert_eq!(watch["fields"]["grpc.request_json_bytes"], sizes("client"));
    assert_eq!(watch["fields"]["grpc.response_json_bytes"], sizes("server"));
    // And that number is the length of the JSON.
    let text = serde_json::to_string(&shop[2]["payload"]["protobuf"]).unwrap();
    assert_eq!(shop[2]["fields"]["protobuf.json_bytes"], text.len());
    // Any command knows it: the same order by explain.
    let number = shop[1]["event"].to_string();
    assert!(out(&["explain", REFLECTION, &number]).contains("shop.v1.Order"));
}

/// A pipe cannot be read twice: what has arrived by then is used.
#[test]
fn a_pipe_uses_what_has_arrived() {
    let o = Command::new(env!("CARGO_BIN_EXE_framescope"))
        .args(["print", "--format", "json", "-"])
        .stdin(Stdio::from(
            std::fs::File::open(Path::new(env!("CARGO_MANIFEST_DIR")).join(REFLECTION)).unwrap(),
        ))
        .output()
        .unwrap();
    let all: Vec<Value> = String::from_utf8(o.stdout)
        .unwrap()
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .filter(|e: &Value| e["kind"] == "message" && e["protocol"] == "grpc")
        .collect();
    let known: Vec<bool> = of_shop(&all).iter().map(|m| m["payload"]["type"].is_string()).collect();
    assert_eq!(known, [vec![false; 4], vec![true; 6]].concat());
}

#[test]
fn what_was_learnt_is_written_and_read_again() {
    let f = Folder::new("schema-out");
    let set = f.path("set.binpb");
    let listed = out(&["schema", "--out", &f.path("learnt"), "--descriptors", &set, REFLECTION]);
    assert!(listed.contains("orders.proto") && listed.contains("money.proto"), "{listed}");
    let shop = std::fs::read_to_string(f.path("learnt/orders.proto")).unwrap();
    for part in [
        "message Order {",
        "reserved 13 to 15, 20;",
        "oneof payment {",
        "map<string, string> labels = 5;",
        "optional bool gift = 12;",
        "rpc Watch(WatchRequest) returns (stream Order);",
    ] {
        assert!(shop.contains(part), "{part}\n{shop}");
    }
    let money = std::fs::read_to_string(f.path("learnt/money.proto")).unwrap();
    assert!(money.contains("optional sint64 cents = 2 [(shop.v1.unit) = \"cent\"];"), "{money}");
    assert!(money.contains("repeated group Tax = 3 {"), "{money}");
    let reference = messages(&["print", "--format", "json", REFLECTION]);
    for how in [["--proto", &f.path("learnt")], ["--descriptors", &set]] {
        let args = ["print", "--format", "json", how[0], how[1], REFLECTION];
        assert_eq!(of_shop(&messages(&args)), of_shop(&reference), "{how:?}");
    }
    // A second time the files are there, and the same.
    out(&["schema", "--out", &f.path("learnt"), REFLECTION]);
    std::fs::write(f.path("learnt/orders.proto"), "// mine").unwrap();
    let o = run(&["schema", "--out", &f.path("learnt"), REFLECTION]);
    assert_eq!(o.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&o.stderr).contains("is there already"));
}

/// protoc, from Python's grpcio-tools, reads both, and makes the same of them.
#[test]
fn protoc_reads_what_was_written() {
    let protoc = |args: &[String]| {
        Command::new("python3").args(["-m", "grpc_tools.protoc"]).args(args).output()
    };
    let have = protoc(&["--version".to_owned()]).is_ok_and(|o| o.status.success());
    if !have {
        eprintln!("SKIPPED: python3 -m grpc_tools.protoc is not there");
        return;
    }
    let f = Folder::new("schema-protoc");
    let set = f.path("set.binpb");
    for capture in [REFLECTION, PLAIN] {
        let dir =
            f.path(Path::new(capture).parent().unwrap().file_name().unwrap().to_str().unwrap());
        let listed = out(&["schema", "--out", &dir, "--descriptors", &set, capture]);
        let names: Vec<String> = listed
            .lines()
            .map(|l| l.strip_prefix(&dir).unwrap().trim_start_matches('/').to_owned())
            .collect();
        assert!(!names.is_empty());
        let by_set = [
            vec![format!("--descriptor_set_in={set}"), format!("--python_out={dir}")],
            names.clone(),
        ]
        .concat();
        let o = protoc(&by_set).unwrap();
        assert!(o.status.success(), "{}", String::from_utf8_lossy(&o.stderr));
        let by_text = [
            vec![
                format!("-I{dir}"),
                // Its own files of google/protobuf come first in its default path.
                "--include_imports".to_owned(),
                format!("--descriptor_set_out={}", f.path("back.binpb")),
            ],
            names,
        ]
        .concat();
        let well_known = Command::new("python3")
            .args(["-c", "import grpc_tools, os; print(os.path.dirname(grpc_tools.__file__))"])
            .output()
            .unwrap();
        let well_known = String::from_utf8(well_known.stdout).unwrap();
        let include = format!("-I{}/_proto", well_known.trim());
        let o = protoc(&[vec![include], by_text].concat()).unwrap();
        assert!(o.status.success(), "{}", String::from_utf8_lossy(&o.stderr));
    }
    let back =
        messages(&["print", "--format", "json", "--descriptors", &f.path("back.binpb"), PLAIN]);
    assert!(back.iter().any(|m| m["payload"]["type"] == "weather.GetWeatherResponse"));
}

/// Without any schema: a type a method, with a confidence a field, that can be edited.
#[test]
fn types_are_inferred_printed_edited_and_used() {
    let text = out(&["schema", PLAIN]);
    for part in [
        "package weather;",
        "  double field_1 = 1; // 0.88, 11 values",
        "  string field_3 = 3;",
        "  uint64 field_4 = 4; // 0.90, 11 values; seconds since 1970",
        "rpc SubscribeWeather(SubscribeWeatherRequest) returns (stream SubscribeWeatherResponse);",
        "rpc WeatherChat(stream WeatherChatRequest) returns (stream WeatherChatResponse);",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    // The first message of a method is read by what the last ones say.
    let all = messages(&["print", "--format", "json", PLAIN]);
    let first = all.iter().find(|m| m["sender"] == "server").unwrap();
    let field = &first["payload"]["protobuf_fields"][0];
    assert_eq!(field["inferred"]["name"], "field_1");
    assert_eq!(field["inferred"]["type"], "double");
    assert_eq!(field["inferred"]["value"], field["readings"]["double"]);
    assert!(field["inferred"]["confidence"].as_f64().unwrap() > 0.5);
    // Edited, it is a schema like any other.
    let f = Folder::new("schema-edited");
    let path = f.path("weather.proto");
    std::fs::write(&path, text.replace("double field_1 = 1", "double temperature = 1")).unwrap();
    let all = messages(&["print", "--format", "json", "--proto", &path, PLAIN]);
    let first = all.iter().find(|m| m["sender"] == "server").unwrap();
    assert_eq!(first["payload"]["type"], "weather.GetWeatherResponse");
    assert!(first["payload"]["protobuf"]["temperature"].is_number(), "{first}");
}

#[test]
fn a_capture_without_calls_has_no_schema() {
    let o = run(&["schema", "fixtures/ws-websockets/capture.pcap"]);
    assert_eq!(o.status.code(), Some(1), "{o:?}");
    assert!(o.stdout.is_empty() && String::from_utf8_lossy(&o.stderr).contains("no schema"));
}
