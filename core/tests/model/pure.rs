//! Stories told by the domain alone.

use super::act::Act;
use super::checks::Fault;
use super::coverage::Coverage;
use super::story::{Step, Story};
use super::telling::{self, numbers};
use super::world::{Terms, World};

/// How often a story that fails is tried in simpler forms.
const TRIES: usize = 20_000;

fn tell(number: u64, steps: &[Step], coverage: &mut Coverage) -> Result<(), Fault> {
    let mut world = World::new(Terms::of(number));
    for step in [Step::SignUp].iter().chain(steps) {
        let act = world.act(step);
        let outcome = world.perform(&act).map_err(|fault| format!("{step:?}: {fault}"))?;
        match &act {
            Act::Ask(ask) => coverage.see(step, outcome, Some(&world.accounts[ask.account].book)),
            Act::Event(_) => coverage.see(step, outcome, None),
            Act::Clock(_) | Act::WorkerTicks | Act::Restart | Act::SignUp | Act::Nothing => {}
        }
    }
    Ok(())
}

#[test]
fn whatever_happens_the_books_are_right_after_every_step() {
    let numbers = numbers(2000, 20_000);
    let is_whole = numbers.start == 0 && numbers.end >= 2000;
    let coverage = telling::on_all_processors(numbers, |number, coverage| {
        telling::tell(number, Story::numbered(number), TRIES, |steps| {
            tell(number, steps, coverage)
        });
    });
    println!("{coverage}");
    if is_whole {
        coverage.is_wide();
    }
}
