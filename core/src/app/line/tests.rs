use super::*;
use igny8_contract::refusal::Refusal;
use igny8_contract::time::SystemClock;
use std::sync::{Mutex, PoisonError};
use tokio::task::yield_now;

/// Longer than any test.
const FOR_EVER: Duration = Duration::from_secs(3600);

/// Answers each number with itself. A batch with a negative one is refused whole; an odd one is behind its own value until
/// that was cleared.
#[derive(Clone, Default)]
struct Toy {
    batches: Arc<Mutex<Vec<Vec<i64>>>>,
    cleared: Arc<Mutex<Vec<i64>>>,
    odd_wait: bool,
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Work for Toy {
    type Command = i64;
    type Answer = i64;
    type Obstacle = i64;

    const WHAT: &'static str = "numbers";

    fn record(_seconds: f64, _carried: f64) {}

    async fn carry_out(&self, commands: &[i64]) -> Result<Verdicts<Self>, StoryError> {
        locked(&self.batches).push(commands.to_vec());
        if commands.iter().any(|command| *command < 0) {
            return Err(Refusal::ValidationFailed.into());
        }
        let cleared = locked(&self.cleared);
        let verdict = |command: &i64| {
            if self.odd_wait && command % 2 == 1 && !cleared.contains(command) {
                Verdict::Behind(*command)
            } else {
                Verdict::Over(Ok(*command))
            }
        };
        Ok(commands.iter().map(verdict).collect())
    }

    async fn clear(&self, obstacle: &i64) -> Result<(), StoryError> {
        if *obstacle == 13 {
            return Err(Refusal::StorageUnavailable.into());
        }
        if *obstacle != 99 {
            locked(&self.cleared).push(*obstacle);
        }
        Ok(())
    }
}

fn line(toy: &Toy, patience: Option<Patience>) -> Line<Toy> {
    let filling = Filling { most: 8, patience };
    Line::spawn(toy.clone(), Arc::new(SystemClock::new()), filling)
}

fn patient(toy: &Toy, way: &Way, longest: Duration) -> Line<Toy> {
    let patience = Patience {
        enough: 2,
        longest,
        coming: way.coming(),
    };
    line(toy, Some(patience))
}

fn batches(toy: &Toy) -> Vec<Vec<i64>> {
    locked(&toy.batches).clone()
}

/// Lets every other task do what it can.
async fn others_go_on() {
    for _ in 0..50 {
        yield_now().await;
    }
}

#[tokio::test]
async fn where_nobody_is_on_the_way_nobody_waits() {
    let (toy, way) = (Toy::default(), Way::default());
    let line = patient(&toy, &way, FOR_EVER);
    for number in [2, 4] {
        let own = way.set_out();
        assert_eq!(line.carry_out(number, Some(own)).await.unwrap(), number);
    }
    assert_eq!(batches(&toy), [vec![2], vec![4]]);
}

#[tokio::test]
async fn who_is_on_the_way_is_waited_for() {
    let (toy, way) = (Toy::default(), Way::default());
    let line = patient(&toy, &way, FOR_EVER);
    let late = way.set_out();
    let comes_late = async {
        others_go_on().await;
        assert!(batches(&toy).is_empty());
        line.carry_out(4, Some(late)).await
    };
    let (first, second) = tokio::join!(line.carry_out(2, None), comes_late);
    assert_eq!((first.unwrap(), second.unwrap()), (2, 4));
    assert_eq!(batches(&toy), [vec![2, 4]]);
}

#[tokio::test]
async fn who_turns_back_is_not_waited_for_any_longer() {
    let (toy, way) = (Toy::default(), Way::default());
    let line = patient(&toy, &way, FOR_EVER);
    let other = way.set_out();
    let turns_back = async {
        others_go_on().await;
        assert!(batches(&toy).is_empty());
        drop(other);
    };
    let (answer, ()) = tokio::join!(line.carry_out(2, None), turns_back);
    assert_eq!(answer.unwrap(), 2);
}

#[tokio::test]
async fn when_enough_are_gathered_nobody_else_is_waited_for() {
    let (toy, way) = (Toy::default(), Way::default());
    let line = patient(&toy, &way, FOR_EVER);
    let _never_comes = way.set_out();
    let (first, second) = tokio::join!(line.carry_out(2, None), line.carry_out(4, None));
    assert_eq!((first.unwrap(), second.unwrap()), (2, 4));
    assert_eq!(batches(&toy), [vec![2, 4]]);
}

#[tokio::test]
async fn who_never_comes_is_waited_for_only_so_long() {
    let (toy, way) = (Toy::default(), Way::default());
    let line = patient(&toy, &way, Duration::from_millis(5));
    let _never_comes = way.set_out();
    assert_eq!(line.carry_out(2, None).await.unwrap(), 2);
}

#[tokio::test]
async fn one_at_fault_takes_no_other_along() {
    let toy = Toy::default();
    let line = line(&toy, None);
    let answers = tokio::join!(
        line.carry_out(2, None),
        line.carry_out(-1, None),
        line.carry_out(4, None)
    );
    assert_eq!((answers.0.unwrap(), answers.2.unwrap()), (2, 4));
    assert_eq!(answers.1.unwrap_err().refusal(), Refusal::ValidationFailed);
    assert_eq!(batches(&toy), [vec![2, -1, 4], vec![2], vec![-1], vec![4]]);
}

#[tokio::test]
async fn what_stands_behind_something_comes_back_when_that_is_out_of_the_way() {
    let toy = Toy {
        odd_wait: true,
        ..Toy::default()
    };
    let line = line(&toy, None);
    let answers = tokio::join!(
        line.carry_out(3, None),
        line.carry_out(2, None),
        line.carry_out(3, None),
        line.carry_out(13, None),
        line.carry_out(99, None)
    );
    assert_eq!((answers.0.unwrap(), answers.1.unwrap(), answers.2.unwrap()), (3, 2, 3));
    assert_eq!(answers.3.unwrap_err().refusal(), Refusal::StorageUnavailable);
    assert_eq!(
        answers.4.unwrap_err().refusal(),
        Refusal::Internal,
        "never out of the way"
    );
    assert_eq!(*locked(&toy.cleared), [3], "once for both");
}
