//! Which state of the database the running query sees, to tell whether another one sees the same.

use pgrx::{pg_guard, pg_sys};
use std::cell::Cell;
use std::ffi::c_void;

thread_local! {
    /// Raised at the end of every transaction and subtransaction: snapshots that look the same before and after one
    /// that was rolled back differ in what it had done.
    static ENDED: Cell<u64> = const { Cell::new(0) };
}

/// Hooks into transactions. Called once, from `_PG_init`.
pub(in crate::pg) fn install() {
    // SAFETY: callbacks with the signatures of xact.h.
    unsafe {
        pg_sys::RegisterXactCallback(Some(at_transaction_event), std::ptr::null_mut());
        pg_sys::RegisterSubXactCallback(Some(at_subtransaction_event), std::ptr::null_mut());
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn at_transaction_event(_event: pg_sys::XactEvent::Type, _argument: *mut c_void) {
    ENDED.set(ENDED.get().wrapping_add(1));
}

#[pg_guard]
unsafe extern "C-unwind" fn at_subtransaction_event(
    _event: pg_sys::SubXactEvent::Type,
    _own: pg_sys::SubTransactionId,
    _parent: pg_sys::SubTransactionId,
    _argument: *mut c_void,
) {
    ENDED.set(ENDED.get().wrapping_add(1));
}

/// What a snapshot sees.
#[derive(PartialEq, Eq)]
pub(in crate::pg) struct State {
    ended: u64,
    marks: [u32; 4],
    running: Vec<pg_sys::TransactionId>,
    running_below: Vec<pg_sys::TransactionId>,
}

/// The active snapshot, if it is one of rows.
unsafe fn active() -> Option<&'static pg_sys::SnapshotData> {
    // SAFETY: the caller is done with it before a query can end.
    unsafe {
        if !pg_sys::ActiveSnapshotSet() {
            return None;
        }
        let snapshot = &*pg_sys::GetActiveSnapshot();
        (snapshot.snapshot_type == pg_sys::SnapshotType::SNAPSHOT_MVCC).then_some(snapshot)
    }
}

fn marks(snapshot: &pg_sys::SnapshotData) -> [u32; 4] {
    let flags = u32::from(snapshot.suboverflowed) | u32::from(snapshot.takenDuringRecovery) << 1;
    [snapshot.xmin.into(), snapshot.xmax.into(), snapshot.curcid, flags]
}

/// The transactions that run, and subtransactions of theirs.
unsafe fn running(snapshot: &pg_sys::SnapshotData) -> [&[pg_sys::TransactionId]; 2] {
    let list = |start: *mut pg_sys::TransactionId, count: usize| {
        // SAFETY: a snapshot's arrays are as long as it says.
        if count == 0 { &[] } else { unsafe { std::slice::from_raw_parts(start, count) } }
    };
    let below = usize::try_from(snapshot.subxcnt).unwrap_or(0);
    [list(snapshot.xip, usize::try_from(snapshot.xcnt).unwrap_or(0)), list(snapshot.subxip, below)]
}

impl State {
    /// What the running query sees; `None` outside of queries.
    pub(in crate::pg) fn now() -> Option<State> {
        // SAFETY: the snapshot is copied at once.
        unsafe {
            let snapshot = active()?;
            let [running, running_below] = running(snapshot).map(<[_]>::to_vec);
            Some(State { ended: ENDED.get(), marks: marks(snapshot), running, running_below })
        }
    }

    /// Does the running query see the same?
    pub(in crate::pg) fn is_now(&self) -> bool {
        // SAFETY: the snapshot is compared at once.
        unsafe {
            active().is_some_and(|snapshot| {
                self.ended == ENDED.get()
                    && self.marks == marks(snapshot)
                    && [self.running.as_slice(), &self.running_below] == running(snapshot)
            })
        }
    }
}
