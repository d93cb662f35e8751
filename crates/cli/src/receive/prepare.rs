//! From an offer to the decision on it.

use std::os::unix::ffi::OsStrExt as _;
use std::sync::Arc;

use peerage_transfer::manifest::Manifest;
use peerage_transfer::protocol::{ErrorKind, RejectKind};
use peerage_transfer::receiver::Receiver;
use peerage_transfer::state::Receiving;
use peerage_transfer::store::{Resumed, Store, StoreError, free_space, partial_name};
use peerage_transfer::value::{ResumeSecret, TransferId};
use tokio::time::Instant;

use super::{Run, ask};
use crate::ending::{Ending, Kind, Outcome};
use crate::meet::{Memory, discard};
use crate::text::size;
use crate::worker::Worker;

impl Run<'_> {
    /// Decides on an offer: asks where that is wanted, looks at the disk, and says what is there already.
    ///
    /// An error is the end of the run; the machine has the words for the sender.
    pub(super) async fn offered(
        &mut self,
        id: TransferId,
        resume: ResumeSecret,
        manifest: Arc<Manifest>,
    ) -> Outcome<()> {
        if !self.may_return {
            // By text every run has its own; what stays the same is the transfer.
            self.memory =
                Memory::take(&[b"text", &id.0, self.out.as_os_str().as_bytes()], self.report).inspect_err(|_| {
                    self.machine(|machine| machine.reject(RejectKind::Busy, "this transfer is already under way"));
                })?;
        }
        let earlier = self.memory.record().cloned();
        let same = earlier.clone().filter(|record| record.id == id && record.resume == resume);
        if same.is_none() {
            self.check_room(&manifest).await?;
        }
        let accepted = same.as_ref().is_some_and(|record| record.accepted == manifest.outline());
        if self.ask && !accepted {
            self.confirm(&manifest).await?;
        }
        let partial = match (&same, &earlier) {
            (Some(record), _) => record.partial.clone(),
            (None, old) => {
                // Another transfer under the same code takes the place of the one that was left.
                if let Some(old) = old
                    && let Err(error) = discard(&old.out, &old.partial)
                {
                    tracing::debug!(%error, "an old partial transfer stays");
                }
                partial_name(&mut self.rng)
            }
        };
        let record =
            Receiving { id, resume, out: self.out.clone(), partial: partial.clone(), accepted: manifest.outline() };
        self.memory.save(record, self.report);
        let (store, resumed) = self.open(partial, manifest.clone()).await?;
        self.take(store, resumed, manifest)
    }

    async fn check_room(&mut self, manifest: &Manifest) -> Outcome<()> {
        let out = self.out.clone();
        let free = tokio::task::spawn_blocking(move || free_space(&out)).await.map_err(Ending::from(Kind::Disk))?;
        match free {
            Ok(free) if free < manifest.bytes() => Err(self.no_room(manifest.bytes(), free)),
            Ok(_) => Ok(()),
            Err(error) => Err(self.disk_failed(&error.to_string())),
        }
    }

    async fn confirm(&mut self, manifest: &Manifest) -> Outcome<()> {
        self.report.note(&ask::describe(manifest));
        let answer = tokio::select! {
            answer = ask::line("Receive? [Y/n] ", self.input.as_mut()) => answer,
            () = self.interrupt.heard() => return Err(Ending::interrupted(self.memory.record().is_some())),
        };
        if answer.is_some_and(|answer| ask::is_yes(&answer)) {
            return Ok(());
        }
        self.machine(|machine| machine.reject(RejectKind::Declined, "declined"));
        Err(Ending::new(Kind::Refused, "declined"))
    }

    async fn open(&mut self, partial: String, manifest: Arc<Manifest>) -> Outcome<(Store, Resumed)> {
        let out = self.out.clone();
        let open = tokio::task::spawn_blocking(move || Store::open(&out, &partial, manifest));
        match open.await.map_err(Ending::from(Kind::Disk))? {
            Ok(opened) => Ok(opened),
            Err(error) => Err(self.disk_failed(&error.to_string())),
        }
    }

    fn take(&mut self, mut store: Store, resumed: Resumed, manifest: Arc<Manifest>) -> Outcome<()> {
        let kept = resumed.bytes();
        match store.check_space(manifest.bytes() - kept) {
            Err(StoreError::Space { needed, free }) => return Err(self.no_room(needed, free)),
            Err(error) => return Err(self.disk_failed(&error.to_string())),
            Ok(()) => {}
        }
        for &index in &resumed.void {
            self.report.restarted(manifest.entry(index).map_or("", |entry| entry.path.as_str()));
        }
        self.report.begin(kept, manifest.bytes());
        let Some(transfer) = &mut self.transfer else { return Ok(()) };
        transfer.machine.accept(resumed.kept).map_err(Ending::from(Kind::Gone))?;
        transfer.lane.set_worker(Worker::start(move |task| store.execute(task)));
        transfer.manifest = manifest;
        transfer.began = Instant::now();
        Ok(())
    }

    fn no_room(&mut self, needed: u64, free: u64) -> Ending {
        let message = format!("not enough room: {} are needed, {} are free", size(needed), size(free));
        self.machine(|machine| machine.reject(RejectKind::Space, &message));
        Ending::new(Kind::Refused, message)
    }

    fn disk_failed(&mut self, message: &str) -> Ending {
        self.machine(|machine| machine.abort(ErrorKind::Disk, "the receiver's disk fails"));
        Ending::new(Kind::Disk, message)
    }

    fn machine(&mut self, act: impl FnOnce(&mut Receiver)) {
        if let Some(transfer) = &mut self.transfer {
            act(&mut transfer.machine);
        }
    }
}
