//! A call whose data stood still, because its receiver did not let more of it be sent (flow
//! control, RFC 9113 §5.2).

use crate::proto::grpc::findings;
use crate::proto::grpc::verdict::{Case, Verdict};
pub(super) use crate::proto::waited::{Half, Waited};

/// Adds to the verdict what flow control had to do with it: where a call did not end in OK and
/// its data stood still until then, that is the verdict.
pub(super) fn judge(v: &mut Verdict, case: &Case<'_>) {
    let Some(w) = case.waited else { return };
    let took = case.took();
    let failed = v.is_failure();
    let late = failed && v.cause == "deadline" && v.client_status == Some(4);
    let gave_up = matches!(v.cause, "deadline" | "cancelled" | "connection lost");
    let is_it = failed && gave_up && !case.is_ok() && w.is_cause(took, late);
    if !(is_it || w.is_felt(took, failed)) {
        return;
    }
    let text = w.text(case.end);
    if !v.text.is_empty() {
        v.text.push_str("; ");
    }
    v.text.push_str(&text);
    if is_it {
        v.cause = "flow control";
        let proof = w.proof(case.end);
        v.also(&findings::FLOW_CONTROL, text, proof);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{CaptureTime, Moment, PacketId, Side};
    use crate::proto::Stall;
    use crate::proto::grpc::call::{Ended, Lost, Status};
    use crate::proto::grpc::verdict;

    fn at(ms: i64) -> Moment {
        Moment { packet: PacketId(ms.unsigned_abs() + 1), time: CaptureTime(ms * 1_000_000) }
    }

    const MS: u64 = 1_000_000;

    /// A call of a second that the server had begun to answer after 10 ms.
    fn waited(stall: Stall, due: bool) -> Option<Waited> {
        let half = Half { begun: Some(at(10)), cut_off: due, owes: false };
        Waited::of(Side::Server, stall, half, [at(0), at(1000)])
    }

    fn shut(ms: i64) -> Stall {
        Stall { shut: Some(at(ms)), ..Stall::default() }
    }

    fn over(from: i64, to: i64) -> Stall {
        let ns = at(to).time.since(at(from).time);
        Stall { ns, times: 1, longest: Some([at(from), at(to)]), ..Stall::default() }
    }

    fn judged(
        ended: &Ended,
        code: Option<u64>,
        timeout: Option<u64>,
        w: Option<Waited>,
    ) -> Verdict {
        let status = code.map(|c| Status { code: Some(c), ..Status::default() });
        verdict::judge(&Case {
            ended,
            status: status.as_ref(),
            http_status: Some(200),
            timeout,
            start: at(0),
            end: at(1000),
            asked: Some(at(0)),
            answered: Some([at(10), at(20)]),
            messages: [1, 1],
            holed: false,
            asked_in_part: false,
            asked_in_full: true,
            waited: w,
            out_of_sight: false,
            sides_unknown: false,
            status_at: None,
        })
    }

    const CANCEL: Ended = Ended::Reset(8, Side::Client);

    #[test]
    fn a_call_that_stood_still_until_it_ended() {
        let lost = Ended::ConnectionLost(Side::Server, Lost::Fin);
        for (ended, timeout, what) in [
            (&CANCEL, Some(990 * MS), "deadline exceeded: the client gave up"),
            (&CANCEL, None, "cancelled by the client"),
            (&Ended::Reset(8, Side::Server), Some(990 * MS), "the server gave up"),
            (&lost, None, "the server ended the connection"),
        ] {
            let mut v = judged(ended, None, timeout, waited(shut(20), true));
            assert_eq!(v.cause, "flow control", "{what}");
            assert!(v.text.contains(what), "{}", v.text);
            let why = "data of the server had stood still for 980 ms: the client did not open the \
                       window of the stream";
            assert!(v.text.ends_with(why), "{}", v.text);
            assert_eq!(v.is_deadline(), timeout.is_some());
            let f = v.reason().unwrap();
            assert_eq!((f.spec.code, f.detail.as_deref()), ("grpc.flow-control", Some(why)));
            assert_eq!(f.proof, [PacketId(21), PacketId(1001)]);
            // The other finding is there as well.
            assert!(v.finding(String::new).is_some());
        }
        // A status that says that a deadline has passed.
        let v = judged(&Ended::Status, Some(4), Some(990 * MS), waited(shut(20), true));
        assert_eq!((v.cause, v.client_status), ("flow control", Some(4)));
    }

    #[test]
    fn other_reasons_stay_the_verdict() {
        // Shut for a moment alone.
        let v = judged(&CANCEL, None, None, waited(shut(998), true));
        assert_eq!(v.cause, "cancelled");
        assert!(!v.text.contains("window"), "{}", v.text);
        // The server's own word.
        let mut v = judged(&Ended::Status, Some(13), None, waited(shut(20), true));
        assert_eq!(v.cause, "status");
        assert!(v.text.contains("stood still for 980 ms") && v.reason().is_none(), "{}", v.text);
        // The connection's window is shut by others; nobody knows whether this one had more.
        let by = |stall: Stall| Stall { by_connection: true, ..stall };
        let v = judged(&CANCEL, None, None, waited(by(shut(20)), false));
        assert_eq!(v.cause, "cancelled");
        assert!(v.text.contains("the server could send no data for 980 ms"), "{}", v.text);
        let v = judged(&CANCEL, None, None, waited(by(shut(20)), true));
        assert_eq!(v.cause, "flow control");
        // It waited, and went on.
        let v = judged(&CANCEL, None, None, waited(over(20, 300), true));
        assert_eq!(v.cause, "cancelled");
        assert!(v.text.contains("waited 280 ms until the client opened"), "{}", v.text);
        // For most of its time, and then the deadline passed.
        let v = judged(&CANCEL, None, Some(990 * MS), waited(over(20, 720), true));
        assert_eq!(v.cause, "flow control");
    }

    #[test]
    fn what_ended_in_ok_is_told_beside() {
        let ok = |timeout, w| judged(&Ended::Status, Some(0), timeout, w);
        let mut v = ok(Some(500 * MS), waited(over(20, 720), false));
        assert_eq!((v.cause, v.client_status), ("deadline", Some(4)));
        assert!(v.text.ends_with("waited 700 ms until the client opened the window of the stream"));
        assert!(v.reason().is_none());
        let v = ok(None, waited(over(20, 220), false));
        assert_eq!(v.cause, "ok");
        assert!(v.text.starts_with("data of the server waited 200 ms"), "{}", v.text);
        let v = ok(None, waited(over(20, 90), false));
        assert_eq!((v.cause, &*v.text), ("ok", ""));
        let open = judged(&Ended::CaptureEnded, None, None, waited(shut(20), true));
        assert_eq!(open.cause, "open");
        assert!(open.text.contains("stood still for 980 ms"), "{}", open.text);
    }

    #[test]
    fn who_had_nothing_to_send_waited_for_nothing() {
        // The answer's head came after 10 ms, and no message; the deadline passed.
        let cause = |stall: Stall, owes: bool| {
            let half = Half { begun: Some(at(10)), cut_off: false, owes };
            let w = Waited::of(Side::Server, stall, half, [at(0), at(1000)]);
            let v = judged(&CANCEL, None, Some(990 * MS), w);
            assert!(v.text.contains("did not open the window"), "{}", v.text);
            v.cause
        };
        let by = |stall: Stall| Stall { by_connection: true, ..stall };
        // Others had shut the window before: such a head comes with the first message.
        assert_eq!(cause(by(shut(5)), true), "flow control");
        // When the head came there was room, and no data.
        assert_eq!(cause(by(shut(20)), true), "deadline");
        assert_eq!(cause(by(shut(5)), false), "deadline");
        // The stream's own never was open: nothing says that there was data.
        let never = Stall { shut: Some(Moment::default()), ..Stall::default() };
        assert_eq!(cause(never, false), "deadline");
        assert_eq!(cause(never, true), "flow control");
        // Data used it up.
        assert_eq!(cause(shut(20), false), "flow control");
    }

    #[test]
    fn only_what_lies_within_the_call_counts() {
        // Shut before the answer began, and before the call did.
        assert_eq!(waited(shut(5), true).unwrap().ns, 990 * MS);
        assert_eq!(
            waited(Stall { shut: Some(Moment::default()), ..shut(0) }, true).unwrap().ns,
            990 * MS
        );
        let before = Waited::of(
            Side::Client,
            over(0, 720),
            Half { begun: Some(at(700)), cut_off: true, owes: false },
            [at(700), at(1000)],
        );
        assert_eq!(before.unwrap().ns, 20 * MS);
        // Nobody waits who has not begun; nor for less than a millisecond.
        let silent = Half { begun: None, cut_off: true, owes: true };
        assert!(Waited::of(Side::Server, shut(5), silent, [at(0), at(1000)]).is_none());
        assert!(waited(shut(1000), true).is_none());
        let many =
            Stall { ns: 90 * MS, times: 4, longest: Some([at(20), at(50)]), ..Stall::default() };
        let v = judged(&CANCEL, None, Some(150 * MS), waited(many, true));
        assert_eq!(v.cause, "deadline");
        let mut v =
            judged(&CANCEL, None, Some(990 * MS), waited(Stall { ns: 600 * MS, ..many }, true));
        assert_eq!(v.cause, "flow control");
        let text = v.reason().unwrap().detail.unwrap();
        assert!(
            text.contains("600 ms in all, 4 times") && text.contains("longest 30 ms"),
            "{text}"
        );
    }
}
