//! What this canister waits for: answers to canic's calls, and functions of the author that have
//! not ended.
//!
//! An answer that comes after an upgrade meets code that does not know the call, and runs whatever
//! function has the callback's number there. So `canister_pre_upgrade` refuses while something is
//! awaited. A trap rolls these counts back with everything else, and they lie on the heap: new code
//! begins with none.

use std::{
    cell::{Cell, RefCell},
    future::{Future, IntoFuture},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, Wake, Waker},
};

use ic_cdk::call::{Call, CallFailed, Response};

thread_local! {
    static CALLS: Cell<u32> = const { Cell::new(0) };
    /// Each name that was ever put here, and how many functions of that name have not ended.
    static FUNCTIONS: RefCell<Vec<(&'static str, u32)>> = const { RefCell::new(Vec::new()) };
    /// [`describe`], once something was awaited. A function pointer: a canister that never awaits
    /// anything has no code for it.
    static DESCRIBE: Cell<Option<Describe>> = const { Cell::new(None) };
}

type Describe = fn() -> Vec<String>;

/// What is awaited, in words: canic's calls, and the author's functions by name.
pub(crate) fn awaited() -> Vec<String> {
    DESCRIBE.get().map_or(Vec::new(), |describe| describe())
}

fn describe() -> Vec<String> {
    let calls = Some(CALLS.get()).filter(|calls| *calls > 0);
    let calls = calls.map(|calls| format!("canic (calls: {calls})"));
    FUNCTIONS.with_borrow(|functions| {
        let open = functions.iter().filter(|(_, open)| *open > 0);
        let open = open.map(|(name, _)| format!("`{name}`"));
        calls.into_iter().chain(open).collect()
    })
}

/// A function of the author that has begun. A drop guard: a trap in its callback drops it, too.
pub(crate) struct OpenFunction(&'static str);

impl OpenFunction {
    pub(crate) fn begin(name: &'static str) -> Self {
        DESCRIBE.set(Some(describe));
        change(name, |open| open + 1);
        Self(name)
    }
}

impl Drop for OpenFunction {
    fn drop(&mut self) {
        change(self.0, |open| open - 1);
    }
}

/// Functions are few, and a name once seen stays, so a call costs a short search.
fn change(name: &'static str, by: fn(u32) -> u32) {
    FUNCTIONS.with_borrow_mut(|functions| {
        match functions.iter_mut().find(|(other, _)| *other == name) {
            Some((_, open)) => *open = by(*open),
            None => functions.push((name, by(0))),
        }
    });
}

/// The future of a call.
type CallFuture = <Call<'static, 'static> as IntoFuture>::IntoFuture;

/// A call of canic's. It counts from its first poll until its answer comes, even if the task that
/// awaits it ends before: because the author drops it, or because another answer trapped.
pub(super) struct CountedCall {
    call: Option<CallFuture>,
    is_sent: bool,
}

impl CountedCall {
    pub(super) fn new(call: Call<'static, 'static>) -> Self {
        Self {
            call: Some(call.into_future()),
            is_sent: false,
        }
    }
}

impl Future for CountedCall {
    type Output = Result<Response, CallFailed>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(call) = &mut self.call else {
            unreachable!("a future is not polled after it is ready");
        };
        let answer = Pin::new(call).poll(context);
        match (self.is_sent, answer.is_pending()) {
            (false, true) => {
                DESCRIBE.set(Some(describe));
                CALLS.set(CALLS.get() + 1);
            }
            (true, false) => CALLS.set(CALLS.get() - 1),
            (false, false) | (true, true) => {}
        }
        self.is_sent = answer.is_pending();
        if answer.is_ready() {
            self.call = None;
        }
        answer
    }
}

impl Drop for CountedCall {
    fn drop(&mut self) {
        if let (Some(mut call), true) = (self.call.take(), self.is_sent) {
            let abandoned = Arc::new(AbandonedCall(Mutex::new(None)));
            let waker = Waker::from(Arc::clone(&abandoned));
            // It is ready if its own callback has trapped.
            if Pin::new(&mut call)
                .poll(&mut Context::from_waker(&waker))
                .is_pending()
            {
                abandoned.put(Some(call));
            }
        }
    }
}

/// A call whose task has ended before its answer came. The call's waker owns it, and drops it when
/// the answer comes, whether or not its callback traps.
struct AbandonedCall(Mutex<Option<CallFuture>>);

impl AbandonedCall {
    fn put(&self, call: Option<CallFuture>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = call;
    }
}

impl Wake for AbandonedCall {
    fn wake(self: Arc<Self>) {
        // The call holds its waker as long as it is not answered.
        self.put(None);
    }
}

impl Drop for AbandonedCall {
    fn drop(&mut self) {
        CALLS.set(CALLS.get() - 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_listed_until_the_last_one_of_their_name_has_ended() {
        let [first, second] = [(); 2].map(|()| OpenFunction::begin("hire"));
        let other = OpenFunction::begin("start");
        drop(first);
        assert_eq!(awaited(), ["`hire`", "`start`"]);
        drop(second);
        assert_eq!(awaited(), ["`start`"]);
        drop(other);
        assert!(awaited().is_empty());
    }
}
