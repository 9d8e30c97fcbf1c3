//! A pass over captures by several threads, for sinks that only count and keep what is found.
//! What comes out is what one thread would have brought ([`Shard`]).

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, Scope};

use crate::capture::{Batch, Polled, Source};
use crate::cli::args::Common;
use crate::cli::interrupt::Interrupted;
use crate::cli::pass::{self, Ahead, Ended};
use crate::cli::progress::Progress;
use crate::cli::told::Told;
use crate::cli::{Failure, learn};
use crate::engine::{Brought, EventSink, Looks, Merge, Options, Shard};

/// Threads at most, unless told otherwise: each looks at every packet, and one puts together
/// what all of them bring.
const MOST_THREADS: usize = 8;

/// Packets that are handed out at a time: enough that handing out costs nothing.
const PART_PACKETS: usize = 2048;

/// Parts that are under way at a time: while one is put together, the next are worked on.
const UNDER_WAY: usize = 4;

/// How many threads decode unless the command line says so.
pub(super) fn threads() -> usize {
    thread::available_parallelism().map_or(1, |n| n.get().min(MOST_THREADS))
}

/// Whether it makes no difference who works on which conversation, as far as that is known
/// before: nothing is looked for in the whole capture (secrets), and no rule goes by the
/// number of a conversation.
pub(super) fn fit(captures: &[PathBuf], options: &Options) -> bool {
    learn::can_be_read_again(captures)
        && options.decode_as.is_empty()
        && options.secrets.version() == 0
        && !options.secrets.grows()
}

/// What a worker is given and what it gives back.
struct Job {
    /// `None`: the capture is at its end.
    part: Option<Looks>,
    brought: Brought,
}

fn parts(batch: &Batch) -> impl Iterator<Item = Looks> {
    // What is odd may stand in a batch of no packets.
    let count = batch.len().div_ceil(PART_PACKETS).max(1);
    (0..count).map(|n| Looks::at(batch, n * PART_PACKETS..(n + 1) * PART_PACKETS))
}

struct Worker {
    jobs: SyncSender<Job>,
    done: Receiver<(Brought, bool)>,
}

impl Worker {
    fn begin<'s>(scope: &'s Scope<'s, '_>, mut shard: Shard) -> Self {
        let (jobs, todo) = sync_channel::<Job>(UNDER_WAY);
        let (told, done) = sync_channel(UNDER_WAY);
        scope.spawn(move || {
            while let Ok(Job { part, mut brought }) = todo.recv() {
                brought.clear();
                match part {
                    Some(part) => shard.batch(&part, &mut brought),
                    None => shard.finish(&mut brought),
                }
                if told.send((brought, shard.is_overfull())).is_err() {
                    return;
                }
            }
        });
        Self { jobs, done }
    }
}

/// The threads, and the parts that are under way.
struct Crew {
    workers: Vec<Worker>,
    under_way: VecDeque<Option<Looks>>,
    /// What they brought of the part in hand.
    brought: Vec<Brought>,
    /// To be filled again.
    spare: Vec<Vec<Brought>>,
}

impl Crew {
    /// Hands out packets, or the end of the capture.
    fn give(&mut self, part: Option<Looks>) {
        let mut spare = self.spare.pop().unwrap_or_default().into_iter();
        for w in &self.workers {
            let brought = spare.next().unwrap_or_default();
            // Whoever is gone is missed when it is asked.
            let _ = w.jobs.send(Job { part: part.clone(), brought });
        }
        self.under_way.push_back(part);
    }

    /// Waits for the oldest part. False where somebody cannot go on.
    fn take(&mut self) -> bool {
        self.brought.clear();
        let mut well = true;
        for w in &self.workers {
            let Ok((brought, overfull)) = w.done.recv() else { return false };
            well &= !overfull;
            self.brought.push(brought);
        }
        well
    }
}

/// Runs the captures through `threads` engines, as [`pass::over`] does through one. `None`
/// where it turns out that one alone must have all of them: too much is held, or the
/// capture tells schemas of its own, whose order counts.
pub(super) fn over<S: EventSink>(
    captures: &[PathBuf],
    common: &Common,
    options: &Options,
    threads: usize,
    interrupted: &Interrupted,
    sink: &mut S,
) -> Result<Option<Ended>, Failure> {
    let mut source = Ahead::open(captures, common)?;
    let mut progress = Progress::new(true);
    let mut told = Told::new(common);
    let (mut read, mut last) = (false, None);
    let count = threads.clamp(1, Shard::MOST);
    thread::scope(|scope| {
        let shards = (0..count).map(|n| Shard::new(options.clone(), n, count));
        let mut crew = Crew {
            workers: shards.map(|s| Worker::begin(scope, s)).collect(),
            under_way: VecDeque::new(),
            brought: Vec::new(),
            spare: Vec::new(),
        };
        let mut merge = Merge::new(count);
        let mut ended = None;
        let mut todo: VecDeque<Looks> = VecDeque::new();
        loop {
            if ended.is_none() && interrupted.is_set() {
                ended = Some(pass::interrupted(captures, interrupted, last));
                todo.clear();
                crew.give(None);
            }
            if ended.is_none() && crew.under_way.len() < UNDER_WAY {
                if let Some(part) = todo.pop_front() {
                    last = part.last().map(|id| id.0).or(last);
                    crew.give(Some(part));
                    continue;
                }
                match source.poll() {
                    Ok(Polled::Batch(batch)) => {
                        read = true;
                        told.batch(&batch);
                        todo.extend(parts(&batch));
                        progress.show(source.progress());
                        continue;
                    }
                    Ok(Polled::NothingYet) => {}
                    Ok(Polled::End) => ended = Some(Ended::Done(Told::default())),
                    // Of what could not be read at all, nothing was found out either.
                    Err(e) if !read => return Err(e.into()),
                    Err(e) => ended = Some(Ended::Failed(e.into())),
                }
                if ended.is_some() {
                    crew.give(None);
                }
            }
            let Some(part) = crew.under_way.pop_front() else {
                if ended.is_some() {
                    break;
                }
                continue;
            };
            let well = crew.take();
            let learnt = options.learn.as_ref().is_some_and(|l| l.file_count() > 0);
            if !well || learnt {
                progress.clear();
                return Ok(None);
            }
            let (brought, sink) = (&mut crew.brought, &mut told.beside(sink));
            match part {
                Some(part) => merge.batch(&part, brought, sink),
                None => merge.finish(brought, sink),
            }
            crew.spare.push(std::mem::take(&mut crew.brought));
        }
        progress.clear();
        Ok(ended.map(|e| match e {
            Ended::Done(_) => Ended::Done(told),
            other => other,
        }))
    })
}

/// Runs captures once, by as many threads as it can be done by.
pub(super) fn once<S: EventSink>(
    captures: &[PathBuf],
    common: &Common,
    options: Options,
    threads: usize,
    interrupted: &Interrupted,
    new: impl Fn() -> S,
) -> Result<(S, Ended), Failure> {
    pass::prepare(captures, &options);
    if threads > 1 && fit(captures, &options) {
        let mut sink = new();
        if let Some(ended) = over(captures, common, &options, threads, interrupted, &mut sink)? {
            return Ok((sink, ended));
        }
        if interrupted.is_set() {
            return Err(Failure::Interrupted(
                "interrupted where the capture had to be begun anew, by one thread: nothing was \
                 counted (--threads 1 begins so)"
                    .to_owned(),
                interrupted.status(),
            ));
        }
        if let Some(l) = &options.learn {
            l.forget();
        }
    }
    let mut sink = new();
    let ended = pass::prepared(captures, common, options, interrupted, &mut sink, |_, _| ())?;
    Ok((sink, ended))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::check::Check;
    use std::path::Path;
    use std::sync::Arc;

    fn args() -> Common {
        use clap::FromArgMatches as _;
        let check = crate::cli::command().find_subcommand("check").cloned().unwrap();
        Common::from_arg_matches(&check.get_matches_from(["check", "x"])).unwrap()
    }

    fn fixture(name: &str) -> Vec<PathBuf> {
        vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)]
    }

    /// Where one thread would have to begin anew, and the user has had enough, nothing is told:
    /// what several had counted by then was counted without the schemas.
    #[test]
    fn what_is_to_be_begun_anew_and_is_interrupted_is_told_and_not_counted() {
        let (captures, common) = (fixture("grpc-reflection/capture.pcap"), args());
        let (options, learnt) = pass::learning(&common, false).unwrap();
        let options = Options { learn: Some(Arc::clone(&learnt)), ..options };
        let run =
            |stop: &Interrupted| once(&captures, &common, options.clone(), 4, stop, Check::default);
        let quiet = Interrupted::default();
        assert!(matches!(run(&quiet), Ok((all, Ended::Done(_))) if all.packets > 0));
        assert!(learnt.file_count() > 0, "the server tells its schema");
        // It is known by now: the next reading by threads is given up at once.
        let Err(Failure::Interrupted(text, status)) = run(&Interrupted::pressed()) else {
            panic!("interrupted, it has counted nothing")
        };
        assert_eq!(status, 130);
        assert!(text.starts_with("interrupted where"), "{text}");
        // Where nothing is learnt, what was counted until then is told.
        let captures = fixture("ws-websockets/capture.pcap");
        let (options, _) = pass::learning(&common, false).unwrap();
        let all = once(&captures, &common, options, 4, &Interrupted::pressed(), Check::default);
        assert!(matches!(all, Ok((_, Ended::Failed(Failure::Interrupted(_, 130))))));
    }
}
