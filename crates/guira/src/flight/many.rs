//! Many keys of one call: what nobody else computes is computed at once, then the others are waited for.
//!
//! No two calls wait for each other: each computes and stores all that it leads before it waits for anything. Of the
//! keys that it leads, the first is the current computation, and each other one is said to need that: a computation
//! inside that asks for any of them finds that waiting would never end, and computes inline.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use super::asking::{Asking, Turn, Waiting};
use super::computation::Computation;
use super::entangled;
use super::manner::Values;
use crate::dependency::{Collecting, Declared};
use crate::failure::Failure;

/// One key on its way to an answer.
enum Step<'c, V> {
    Compute(Computation<'c>),
    Wait(Waiting<'c>),
    Done(Result<Option<V>, Failure>),
}

impl<'c, V> From<Turn<'c, V>> for Step<'c, V> {
    fn from(turn: Turn<'c, V>) -> Self {
        match turn {
            Turn::Have(value) => Self::Done(Ok(Some(value))),
            Turn::Told(failure) => Self::Done(Err(failure)),
            Turn::Compute(computation) => Self::Compute(computation),
            Turn::Wait(waiting) => Self::Wait(waiting),
        }
    }
}

/// The answers to `askings`, in their order. `compute` is given indices of those that this caller has to compute, and
/// answers in their order; what it gives none of is given up, and has none.
pub(crate) fn answer_many<V>(
    mut askings: Vec<Asking<'_, V>>,
    values: &impl Values<V>,
    mut compute: impl FnMut(&[usize]) -> Vec<Option<V>>,
) -> Vec<Result<Option<V>, Failure>> {
    let mut steps: Vec<Step<'_, V>> = askings
        .iter_mut()
        .map(|asking| asking.turn(values).into())
        .collect();
    loop {
        compute_all(&mut steps, values, &mut compute);
        // One wait at a time: the caller may lead when it is over, and must not wait for anything then.
        let waits = steps
            .iter_mut()
            .zip(&mut askings)
            .find_map(|(step, asking)| matches!(step, Step::Wait(_)).then_some((step, asking)));
        let Some((step, asking)) = waits else { break };
        if let Step::Wait(waiting) = std::mem::replace(step, Step::Done(Ok(None))) {
            *step = asking.after(waiting.block_counted(), values).into();
        }
    }
    let answer = |step| match step {
        Step::Done(answer) => answer,
        Step::Compute(_) | Step::Wait(_) => Ok(None),
    };
    steps.into_iter().map(answer).collect()
}

/// Computes, stores and tells what is to be computed.
fn compute_all<V>(
    steps: &mut [Step<'_, V>],
    values: &impl Values<V>,
    compute: &mut impl FnMut(&[usize]) -> Vec<Option<V>>,
) {
    let (mut indices, mut computations) = (Vec::new(), Vec::new());
    for (index, step) in steps.iter_mut().enumerate() {
        if let Step::Compute(_) = step
            && let Step::Compute(computation) = std::mem::replace(step, Step::Done(Ok(None)))
        {
            indices.push(index);
            computations.push(computation);
        }
    }
    let Some(first) = computations.first() else {
        return;
    };
    let entered = first.enter();
    let ids = computations.iter().map(Computation::id);
    let edges: Vec<_> = ids.skip(1).map(|id| entangled::need(id, first.id())).collect();
    let collecting = Collecting::begin(Declared::default());
    let outcome = catch_unwind(AssertUnwindSafe(|| compute(&indices)));
    let declared = collecting.end();
    drop((entered, edges));
    let computed = match outcome {
        Ok(computed) => computed,
        Err(panic) => {
            for computation in computations {
                computation.fail(&declared, || Failure::of_panic(&*panic));
            }
            resume_unwind(panic)
        }
    };
    // What there is no value for is dropped, which gives its flight up.
    for ((index, computation), value) in indices.into_iter().zip(computations).zip(computed) {
        if let Some(value) = value {
            computation.land(&value, &declared, values);
            if let Some(step) = steps.get_mut(index) {
                *step = Step::Done(Ok(Some(value)));
            }
        }
    }
}
