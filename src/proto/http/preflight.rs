//! A preflight: what a browser asks before it sends a request to another origin (Fetch
//! standard, "CORS protocol"). gRPC-Web and Connect are never far behind one.

use crate::finding::Finding;
use crate::proto::Headers;
use crate::proto::http::findings as g;

/// Bytes of what is asked that are kept.
const MOST: usize = 512;

/// What is asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Preflight {
    origin: String,
    method: String,
    /// In lower case.
    headers: Vec<String>,
}

fn text(headers: &Headers, name: &str) -> Option<String> {
    let v = headers.get(name)?;
    Some(String::from_utf8_lossy(v.get(..MOST).unwrap_or(v)).trim().to_owned())
}

fn list(value: &str) -> Vec<String> {
    let names = value.split(',').map(|n| n.trim().to_ascii_lowercase());
    names.filter(|n| !n.is_empty()).collect()
}

impl Preflight {
    /// Of a request's head, if it is one.
    pub(super) fn of(h: &Headers) -> Option<Self> {
        if h.get(":method") != Some(b"OPTIONS") {
            return None;
        }
        Some(Self {
            origin: text(h, "origin")?,
            method: text(h, "access-control-request-method")?,
            headers: text(h, "access-control-request-headers").map_or(Vec::new(), |v| list(&v)),
        })
    }

    /// Memory held, in bytes.
    pub(super) fn memory(&self) -> usize {
        size_of::<Self>()
            + self.origin.len()
            + self.method.len()
            + self.headers.iter().map(String::len).sum::<usize>()
    }

    /// What follows it, as far as what it asks for says so.
    fn before(&self) -> &'static str {
        let asks = |name: &str| self.headers.iter().any(|h| h == name);
        if asks("x-grpc-web") {
            ", before gRPC-Web"
        } else if asks("connect-protocol-version") {
            ", before Connect"
        } else {
            ""
        }
    }

    /// What is found of it by its answer.
    pub(super) fn judge(&self, status: u16, answer: &Headers, found: &mut Vec<Finding>) {
        let with = if self.headers.is_empty() { "no header" } else { &self.headers.join(", ") };
        let what = format!("{} with {with} from {}{}", self.method, self.origin, self.before());
        found.push(Finding::new(&g::PREFLIGHT).with(what));
        if let Some(why) = self.refused(status, answer) {
            found.push(Finding::new(&g::CORS_REFUSED).with(why));
        }
    }

    /// Why the browser will not send the request.
    fn refused(&self, status: u16, answer: &Headers) -> Option<String> {
        if !(200..300).contains(&status) {
            return Some(format!("status {status}"));
        }
        match text(answer, "access-control-allow-origin") {
            None => return Some("no Access-Control-Allow-Origin".to_owned()),
            Some(o) if o != "*" && o != self.origin => {
                return Some(format!("origin {o} is allowed"));
            }
            Some(_) => {}
        }
        let allowed = |name: &str| {
            let values = answer.all(name).map(|v| list(&String::from_utf8_lossy(v)));
            values.flatten().collect::<Vec<String>>()
        };
        let methods = allowed("access-control-allow-methods");
        let method = self.method.to_ascii_lowercase();
        let simple = ["get", "head", "post"].contains(&method.as_str());
        if !simple && !methods.iter().any(|m| *m == method || m == "*") {
            return Some(format!("method {}", self.method));
        }
        let names = allowed("access-control-allow-headers");
        // An asterisk stands for all but Authorization.
        let is_allowed = |h: &str| names.iter().any(|n| n == h || n == "*" && h != "authorization");
        self.headers.iter().find(|h| !is_allowed(h)).map(|h| format!("header {h}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(list: &[(&str, &str)]) -> Headers {
        let mut h = Headers::new();
        for (n, v) in list {
            h.push(n.as_bytes(), v.as_bytes());
        }
        h
    }

    fn judged(status: u16, answer: &[(&str, &str)]) -> Vec<(&'static str, String)> {
        let p = Preflight::of(&headers(&[
            (":method", "OPTIONS"),
            ("Origin", "http://a.example"),
            ("Access-Control-Request-Method", "POST"),
            ("Access-Control-Request-Headers", "content-type,X-Grpc-Web"),
        ]));
        let mut found = Vec::new();
        p.unwrap().judge(status, &headers(answer), &mut found);
        found.into_iter().map(|f| (f.spec.code, f.detail.unwrap_or_default().into())).collect()
    }

    #[test]
    fn what_is_asked_and_what_is_allowed() {
        let origin = ("access-control-allow-origin", "http://a.example");
        let names = ("access-control-allow-headers", "Content-Type, x-grpc-web");
        let asked = "POST with content-type, x-grpc-web from http://a.example, before gRPC-Web";
        assert_eq!(judged(204, &[origin, names]), [("http.cors-preflight", asked.to_owned())]);
        let refused = |status, answer: &[(&str, &str)]| judged(status, answer).remove(1);
        let code = "http.cors-refused";
        assert_eq!(refused(204, &[names]), (code, "no Access-Control-Allow-Origin".into()));
        let other = ("access-control-allow-origin", "http://b.example");
        assert_eq!(
            refused(204, &[other, names]),
            (code, "origin http://b.example is allowed".into())
        );
        let few = ("access-control-allow-headers", "content-type");
        assert_eq!(refused(204, &[origin, few]), (code, "header x-grpc-web".into()));
        assert_eq!(refused(403, &[origin, names]), (code, "status 403".into()));
        assert_eq!(
            judged(
                200,
                &[("access-control-allow-origin", "*"), ("access-control-allow-headers", "*")]
            )
            .len(),
            1
        );
    }

    #[test]
    fn an_ordinary_options_is_none() {
        assert_eq!(Preflight::of(&headers(&[(":method", "OPTIONS"), ("origin", "x")])), None);
        let get = [(":method", "GET"), ("origin", "x"), ("access-control-request-method", "PUT")];
        assert_eq!(Preflight::of(&headers(&get)), None);
    }
}
