//! A world before another one.

/// The methods of [`Out`](crate::proto::Out) that a machine's own `Out` hands on as they
/// are, to `self.inner`: all but where bytes lie (`moment`, `ready`, `pieces`) and
/// `emit`, which are why there is one.
///
/// A method that is added to `Out` is added here. One with a body of its own there would
/// not be missed else: what stands between would answer in the engine's place.
macro_rules! forward_out {
    () => {
        fn wants(&self, level: crate::event::Level) -> bool {
            self.inner.wants(level)
        }

        fn look(&self, level: crate::event::Level) -> crate::proto::Look {
            self.inner.look(level)
        }

        fn reopens(&self) -> bool {
            self.inner.reopens()
        }

        fn mark(&mut self) {
            self.inner.mark();
        }

        fn payload_cap(&self) -> usize {
            self.inner.payload_cap()
        }

        fn now(&self) -> crate::base::Moment {
            self.inner.now()
        }

        fn finding(&mut self, finding: crate::finding::Finding) {
            self.inner.finding(finding);
        }

        fn finding_at(&mut self, finding: crate::finding::Finding, at: crate::base::Moment) {
            self.inner.finding_at(finding, at);
        }

        fn inflated(&mut self, bytes: u64) {
            self.inner.inflated(bytes);
        }

        fn open(&mut self, child: crate::proto::Child<'_>) -> bool {
            self.inner.open(child)
        }

        fn pass(&mut self, key: u64, side: crate::base::Side, offset: u64, data: &[u8]) {
            self.inner.pass(key, side, offset, data);
        }

        fn pass_made(
            &mut self,
            key: u64,
            side: crate::base::Side,
            source: std::ops::Range<u64>,
            data: &[u8],
            exact: bool,
        ) {
            self.inner.pass_made(key, side, source, data, exact);
        }

        fn tell(&mut self, key: u64, input: crate::proto::Input<'_>) {
            self.inner.tell(key, input);
        }

        fn close(&mut self, key: u64) {
            self.inner.close(key);
        }

        fn decode(
            &mut self,
            hint: &crate::proto::PayloadHint<'_>,
            data: &[u8],
            detail: Option<(&mut crate::event::Detail, crate::base::BufferId)>,
        ) -> Option<Vec<crate::finding::Finding>> {
            self.inner.decode(hint, data, detail)
        }

        fn demands(&self, hint: &crate::proto::PayloadHint<'_>) -> bool {
            self.inner.demands(hint)
        }

        fn method_pattern(&self, path: &str) -> Option<&'static str> {
            self.inner.method_pattern(path)
        }

        fn abort(&self) -> crate::proto::Abort {
            self.inner.abort()
        }

        fn set_abort(&mut self, abort: crate::proto::Abort) {
            self.inner.set_abort(abort);
        }

        fn aborted_at(&self) -> crate::base::Moment {
            self.inner.aborted_at()
        }

        fn set_aborted_at(&mut self, at: Option<crate::base::Moment>) {
            self.inner.set_aborted_at(at);
        }

        fn path(&self) -> crate::proto::Path {
            self.inner.path()
        }

        fn acknowledged(&mut self, side: crate::base::Side, ns: u64) {
            self.inner.acknowledged(side, ns);
        }

        fn stalls(&self) -> [Option<crate::proto::Stall>; 2] {
            self.inner.stalls()
        }

        fn set_stalls(&mut self, stalls: [Option<crate::proto::Stall>; 2]) {
            self.inner.set_stalls(stalls);
        }
    };
}

pub(crate) use forward_out;
