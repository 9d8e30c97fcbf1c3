//! Reads schemas from files: `--proto`, `-I` and `--descriptors`.

use std::fs;
use std::io::Read as _;
use std::path::{Component, Path, PathBuf};

use flate2::read::GzDecoder;
use ruzstd::decoding::StreamingDecoder;

use crate::base::limits::MAX_SCHEMA_BYTES;
use crate::proto::protobuf::{Schema, SchemaError};

/// Depth of folders that a search for .proto files goes into.
const MAX_FOLDER_DEPTH: usize = 32;

/// Loads what the command line names; `None` where it names nothing.
///
/// A folder under `protos` stands for all .proto files below it, and is searched
/// for imports, as the folder of a file is. `includes` come first.
///
/// # Errors
/// One line that names the file and says what to do.
pub fn load(
    protos: &[PathBuf],
    includes: &[PathBuf],
    descriptors: &[PathBuf],
) -> Result<Option<Schema>, SchemaError> {
    let mut schema: Option<Schema> = None;
    let mut add = |s: Schema| {
        schema = Some(match schema.take() {
            Some(old) => old.and(&s),
            None => s,
        });
    };
    for path in includes {
        let found = fs::metadata(path).map_err(|e| wrong("-I", path, &e.to_string()))?;
        if !found.is_dir() {
            return Err(wrong("-I", path, "is no folder; imports are looked up in folders"));
        }
    }
    for path in protos {
        let is_dir = path.is_dir();
        let home = match path.parent() {
            _ if is_dir => path.clone(),
            Some(p) if !p.as_os_str().is_empty() => p.to_owned(),
            _ => PathBuf::from("."),
        };
        let mut roots = includes.to_vec();
        roots.push(home);
        let mut files = Vec::new();
        if is_dir {
            find(path, MAX_FOLDER_DEPTH, &mut files)?;
            if files.is_empty() {
                return Err(wrong("--proto", path, "no .proto file below this folder"));
            }
        } else {
            fs::metadata(path).map_err(|e| wrong("--proto", path, &e.to_string()))?;
            files.push(path.clone());
        }
        let names = files.iter().map(|f| name_of(f, &roots)).collect::<Result<Vec<_>, _>>()?;
        let search = roots.clone();
        let sources = move |name: &str| open(name, &search);
        add(Schema::compile(&names, Box::new(sources))?);
    }
    for path in descriptors {
        let bytes = fs::read(path).map_err(|e| wrong("--descriptors", path, &e.to_string()))?;
        let bytes = plain(bytes).map_err(|e| wrong("--descriptors", path, &e))?;
        add(Schema::from_descriptors(&path.display().to_string(), &bytes)?);
    }
    Ok(schema)
}

/// An image that buf has compressed, as it was; anything else stays.
fn plain(bytes: Vec<u8>) -> Result<Vec<u8>, String> {
    if bytes.first() == Some(&b'{') {
        return Err("is JSON; an image is read in its binary form (buf build -o FILE.binpb)".into());
    }
    let mut out = Vec::new();
    let done = match bytes.as_slice() {
        [0x1f, 0x8b, ..] => {
            GzDecoder::new(&bytes[..]).take(MAX_SCHEMA_BYTES + 1).read_to_end(&mut out)
        }
        [0x28, 0xb5, 0x2f, 0xfd, ..] => match StreamingDecoder::new(&bytes[..]) {
            Ok(d) => d.take(MAX_SCHEMA_BYTES + 1).read_to_end(&mut out),
            Err(e) => return Err(format!("cannot be decompressed: {e}")),
        },
        _ => return Ok(bytes),
    };
    done.map_err(|e| format!("cannot be decompressed: {e}"))?;
    match out.len() as u64 > MAX_SCHEMA_BYTES {
        true => Err(format!("is more than {MAX_SCHEMA_BYTES} bytes when decompressed")),
        false => Ok(out),
    }
}

/// What is wrong with what an option names.
fn wrong(option: &str, path: &Path, what: &str) -> SchemaError {
    SchemaError(format!("{option} {}: {what}", path.display()))
}

fn error(path: &Path, what: &str) -> SchemaError {
    SchemaError(format!("{}: {what}", path.display()))
}

/// All .proto files below a folder, sorted.
fn find(dir: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), SchemaError> {
    let wrong = |e: std::io::Error| error(dir, &e.to_string());
    let mut paths = fs::read_dir(dir)
        .and_then(|list| list.map(|e| Ok(e?.path())).collect::<Result<Vec<_>, _>>())
        .map_err(wrong)?;
    paths.sort();
    for p in paths {
        if p.is_dir() && depth > 0 {
            find(&p, depth - 1, files)?;
        } else if p.extension().is_some_and(|x| x == "proto") {
            files.push(p);
        }
    }
    Ok(())
}

/// What imports call a file: its path below the first root that it is in.
fn name_of(file: &Path, roots: &[PathBuf]) -> Result<String, SchemaError> {
    let plain =
        |p: &Path| -> PathBuf { p.components().filter(|c| *c != Component::CurDir).collect() };
    let file_path = plain(file);
    let inside = roots.iter().find_map(|r| file_path.strip_prefix(plain(r)).ok());
    let name = inside.unwrap_or(&file_path).to_str();
    let name = name.ok_or_else(|| error(file, "its name is not UTF-8"))?;
    Ok(name.replace('\\', "/"))
}

fn open(name: &str, roots: &[PathBuf]) -> Result<Option<String>, String> {
    for root in roots {
        let path = root.join(name);
        match fs::read_to_string(&path) {
            Ok(s) => return Ok(Some(s)),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
            Err(e) => return Err(format!("{}: {e}", path.display())),
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Side;
    use crate::event::Level;
    use crate::proto::harness::Recorder;
    use crate::proto::{Head, Headers, Input, Out as _};

    fn fixtures() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/proto")
    }

    #[test]
    fn folders_files_and_what_is_missing() {
        let all = load(&[fixtures()], &[], &[]).unwrap().unwrap();
        let texts = fs::read_dir(fixtures()).unwrap();
        let texts = texts.map(|f| fs::read_to_string(f.unwrap().path()).unwrap());
        let rpcs: usize = texts.map(|t| t.matches("\n  rpc ").count()).sum();
        assert_eq!((all.methods(), rpcs >= 11), (rpcs, true));
        let one = load(&[fixtures().join("user.proto")], &[fixtures()], &[]).unwrap().unwrap();
        assert_eq!(one.methods(), 4);
        assert!(load(&[], &[], &[]).unwrap().is_none());
        let gone = load(&["nowhere.proto".into()], &[], &[]).unwrap_err().0;
        assert!(gone.starts_with("--proto nowhere.proto: ") && !gone.contains('\n'), "{gone}");
        let gone = load(&[], &[], &["nowhere.pb".into()]).unwrap_err().0;
        assert!(gone.starts_with("--descriptors nowhere.pb: "), "{gone}");
        let proto = fixtures().join("user.proto");
        let gone = load(&[fixtures()], &["nowhere".into()], &[]).unwrap_err().0;
        assert!(gone.starts_with("-I nowhere: "), "{gone}");
        let file = load(&[fixtures()], std::slice::from_ref(&proto), &[]).unwrap_err().0;
        assert!(file.starts_with("-I ") && file.contains("is no folder"), "{file}");
        let odd = load(&[], &[], &[fixtures().join("user.proto")]).unwrap_err().0;
        assert!(odd.contains("user.proto") && odd.contains("FileDescriptorSet"), "{odd}");
    }

    #[test]
    fn images_are_read_as_buf_writes_them() {
        use std::io::Write as _;
        // FileDescriptorSet { file: { name, message_type: { name } }, and what buf adds: 8042 }
        let file = b"\x0a\x01a\x22\x03\x0a\x01M\xd2\xf6\x03\x02\x08\x01";
        let image = [&[0x0a, file.len() as u8][..], file].concat();
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gz.write_all(&image).unwrap();
        let level = ruzstd::encoding::CompressionLevel::Fastest;
        let dir = crate::base::scratch::Scratch::folder("image");
        let path = dir.join("image");
        let read = |bytes: &[u8]| {
            fs::write(&path, bytes).unwrap();
            load(&[], &[], std::slice::from_ref(&path)).map(|s| s.is_some()).map_err(|e| e.0)
        };
        let gz = gz.finish().unwrap();
        for bytes in [&image, &gz, &ruzstd::encoding::compress_to_vec(&image[..], level)] {
            assert_eq!(read(bytes), Ok(true));
        }
        assert!(read(&gz[..gz.len() - 9]).unwrap_err().contains("cannot be decompressed"));
        assert!(read(b"{\"file\":[]}").unwrap_err().contains("is JSON"));
    }

    /// gRPC and protobuf together, as the engine joins them.
    #[test]
    fn a_call_is_told_by_its_schema() {
        let start = crate::proto::grpc::PROTOCOL.start.unwrap();
        for (schema, up, down) in [
            (
                load(&[fixtures()], &[], &[]).unwrap(),
                "GetUserRequest {id: 42}",
                "User {id: 42, name: \"Alice\"}",
            ),
            (None, "~{1: 42}", "~{1: 42, 2: \"Alice\"}"),
        ] {
            let mut r = Recorder::new();
            r.decoder = Some(Box::new(crate::proto::protobuf::Decoder { schema, learnt: None }));
            let mut m = start();
            let mut unary = Headers::new();
            unary.push(b":method", b"POST");
            unary.push(b":path", b"/user.UserService/GetUser");
            unary.push(b"content-type", b"application/grpc");
            let now = r.now();
            let head = Head {
                side: Side::Client,
                headers: &unary,
                version: 20,
                end: false,
                start: now,
                ready: now,
                wire_len: 0,
                detail: None,
            };
            r.input(&mut *m, Input::Head(head));
            r.bytes(&mut *m, Side::Client, b"\0\0\0\0\x02\x08\x2a", 3);
            r.bytes(&mut *m, Side::Server, b"\0\0\0\0\x09\x08\x2a\x12\x05Alice", 4);
            r.input(&mut *m, Input::Reset { side: Side::Client, code: 8 });
            let lines: Vec<_> = r
                .events
                .iter()
                .filter(|e| e.kind == "message")
                .map(|e| e.detail.as_ref().unwrap().summary.as_str())
                .collect();
            assert_eq!(lines, [up, down]);
            // The name's bytes lie in the packets that carried them, byte for byte.
            let d = r.events[2].detail.as_ref().unwrap();
            let name = d.tree.find("protobuf.field.value.string").unwrap().span.unwrap();
            let place = d.origins.locate(name);
            assert!(place.exact);
            assert_eq!(place.ranges.iter().map(|r| r.len).sum::<u32>(), 5);
            let call = r.events.iter().find(|e| e.level == Level::Exchange).unwrap();
            let pattern = &call.detail.as_ref().unwrap().tree.find("grpc.pattern").unwrap().value;
            assert_eq!(*pattern, crate::field::Value::Text("unary".into()));
        }
    }
}
